"""What a batch is made of, as this start of the program names it, and whether that is as it was."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Source
from migrator.errors import CheckpointError, UsageError
from migrator.manifest import InventoryManifest, ManifestReader, Objects, open_named
from migrator.settings import (
    KEY_FIELDS,
    FilterSettings,
    InputSettings,
    NamingSettings,
    OrderBy,
    parse_prefix,
)
from migrator.source.listing import HEADER, HEADER_OF_VERSIONS
from migrator.text import plain

SENT_SINCE = "sent_since"
"""Under what name the checkpoint keeps the platform's clock (epoch seconds) at the look before the
first POST, where rows are sent while further ones are listed."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The sources of a batch as this start of the program names them; the manifest is open.

    `remote` says that reading it waits for a network; `skip_imported` are the directories of
    earlier batches: what they imported is left out.
    """

    manifest: str | None
    reader: ManifestReader | None
    sha256: str
    prefixes: tuple[str, ...]
    skip_imported: tuple[Path, ...] = ()
    filters: FilterSettings = field(default_factory=FilterSettings)
    naming: NamingSettings = field(default_factory=NamingSettings)
    remote: bool = False
    order_by: OrderBy = "manifest"
    all_versions: bool = False

    @property
    def buckets_of_prefixes(self) -> list[str]:
        """The buckets that are listed."""
        return sorted({parse_prefix(prefix)[0] for prefix in self.prefixes})


def open_inputs(settings: InputSettings, objects: Objects | None = None) -> Inputs:
    """Open what the settings name; `objects` are those of S3, needed where a manifest lies there.

    Raises UsageError when it is unusable, or when there is none, RunFailed when S3 does not answer.
    """
    if len(set(settings.prefix)) < len(settings.prefix):
        raise UsageError("--prefix: the same prefix is given twice", "give each of them once")
    if settings.manifest is None and not settings.prefix:
        raise UsageError(
            "nothing to migrate: no manifest and no prefix",
            "give --manifest FILE, or --prefix s3://bucket/prefix, or both",
        )
    if len(set(settings.skip_imported)) < len(settings.skip_imported):
        raise UsageError("--skip-imported: the same directory is given twice", "give it once")
    for directory in settings.skip_imported:
        if not Checkpoint.exists(directory):
            raise UsageError(
                f"--skip-imported {directory}: no batch there (no checkpoint.db)",
                "give the --out directory of the earlier `migrator run`",
            )
    reader, digest = None, ""
    if settings.manifest is not None:
        reader, digest = open_named(
            settings.manifest, settings.manifest_format, objects, settings.naming.renames,
            all_versions=settings.all_versions,
        )  # fmt: skip
        if settings.all_versions and not (settings.prefix or isinstance(reader, InventoryManifest)):
            raise UsageError(
                f"--all-versions has no use with {plain(settings.manifest)}: such a manifest names "
                "versions itself, in a column version_id",
                "leave --all-versions out, or give --prefix or the manifest.json of an inventory",
            )
    return Inputs(
        settings.manifest,
        reader,
        digest,
        settings.prefix,
        settings.skip_imported,
        settings.filters,
        settings.naming,
        remote=(settings.manifest or "").startswith("s3://"),
        order_by=settings.order_by,
        all_versions=settings.all_versions,
    )


def check_inputs(checkpoint: Checkpoint, inputs: Inputs) -> None:
    """Compare the sources with those that the checkpoint was made from.

    As long as nothing can have been sent, other sources simply take their place: one of them was
    not read to its end and no run has sent rows meanwhile, or the batch was only planned. After
    that a difference raises CheckpointError.
    """
    sources = checkpoint.sources()
    known = {(source.kind, source.location): source.sha256 for source in sources}
    wanted = {("listing", prefix): "" for prefix in inputs.prefixes}
    if inputs.manifest is not None:
        wanted["manifest", inputs.manifest] = inputs.sha256
    gone = [place for place in known if place not in wanted]
    new = [place for place in wanted if place not in known]
    changed = [
        place
        for place in known
        if place in wanted and place[0] == "manifest" and known[place] != wanted[place]
    ]
    others = _other_settings(checkpoint, inputs) if sources else None
    are_read = all(source.complete for source in sources)
    if not (are_read and checkpoint.runs()) and checkpoint.meta(SENT_SINCE) is None:
        if gone or new or changed or others:
            with checkpoint.transaction():
                checkpoint.forget_sources()
        return
    if not sources:
        return
    if others is not None:
        raise others
    for kind, location in changed:
        raise CheckpointError(
            f"the {kind} {location} has changed since this batch was begun",
            "put the old one back and resume, or use another --out directory for the new one: "
            "what is imported already is adopted there, not imported twice",
        )
    for kind, location in gone:
        raise CheckpointError(
            f"this batch was begun with the {kind} {location}, which is not given now",
            "use `migrator resume`, or another --out directory for another catalogue",
        )
    for kind, location in new:
        raise CheckpointError(
            f"this batch was begun without the {kind} {location}",
            "use another --out directory for it: nothing that is imported is imported twice",
        )


def _other_settings(checkpoint: Checkpoint, inputs: Inputs) -> CheckpointError | None:
    """What is given now as it was not when the sources were read; None where all is as it was."""
    skipped = checkpoint.meta("skip_imported") or _paths(())
    if skipped != _paths(inputs.skip_imported):
        return CheckpointError(
            f"this batch was begun with --skip-imported {skipped}, which is not given now",
            "use `migrator resume`, or another --out directory",
        )
    if checkpoint.meta("filters") != _kept(inputs.filters):
        return CheckpointError(
            "this batch was begun with other filters (--include, --min-size and the like) than are "
            "given now",
            "use `migrator resume`, or another --out directory: nothing is imported twice",
        )
    if (checkpoint.meta("naming") or _kept(NamingSettings())) != _kept(inputs.naming):
        return CheckpointError(
            "this batch was begun with other templates, or another --map, than are given now",
            "use `migrator resume`, or another --out directory: what was sent keeps its names",
        )
    order_by = checkpoint.meta("order_by") or "manifest"
    if order_by != inputs.order_by:
        return CheckpointError(
            f"this batch was begun with --order-by {order_by}, and now it is {inputs.order_by}",
            "give the same again, use `migrator resume`, or another --out directory",
        )
    if (checkpoint.meta("all_versions") or "no") != _yes_or_no(said=inputs.all_versions):
        return CheckpointError(
            "this batch was begun with --all-versions, or without it, and now it is the other way",
            "give the same again, use `migrator resume`, or another --out directory",
        )
    return None


def announce(checkpoint: Checkpoint, inputs: Inputs) -> None:
    """All sources at once, before the first row: the manifest first, so that it has rows 1 on."""
    source_id = 0
    checkpoint.begin_rows()
    checkpoint.set_meta("skip_imported", _paths(inputs.skip_imported))
    checkpoint.set_meta("filters", _kept(inputs.filters))
    checkpoint.set_meta("naming", _kept(inputs.naming))
    checkpoint.set_meta("order_by", inputs.order_by)
    checkpoint.set_meta("all_versions", _yes_or_no(said=inputs.all_versions))
    if inputs.reader is not None:
        source_id += 1
        assert inputs.manifest is not None
        header = inputs.reader.columns.header
        checkpoint.add_source(source_id, "manifest", inputs.manifest, header, inputs.sha256)
    for prefix in inputs.prefixes:
        source_id += 1
        header = HEADER_OF_VERSIONS if inputs.all_versions else HEADER
        checkpoint.add_source(source_id, "listing", prefix, header, "")


def check_fields(naming: NamingSettings, sources: Sequence[Source]) -> None:
    """Raises UsageError for a template with a column that no source has."""
    known = {*KEY_FIELDS, *(name for source in sources for name in source.header)}
    for flag, template in naming.templates().items():
        for name in template.fields:
            if name not in known:
                fields = ", ".join(f"{{{each}}}" for each in [*KEY_FIELDS, *sorted(known)][:30])
                raise UsageError(
                    f"{flag}: no column is called {name!r}",
                    f"there are {fields}; column names are matched exactly",
                )


def _paths(directories: Sequence[Path]) -> str:
    """Directories of earlier batches, as the checkpoint keeps them."""
    return ", ".join(map(str, directories)) or "nothing"


def _kept(settings: FilterSettings | NamingSettings) -> str:
    """A group of settings that belongs to the batch, as the checkpoint keeps it."""
    return msgspec.json.encode(settings).decode()


def _yes_or_no(*, said: bool) -> str:
    return "yes" if said else "no"
