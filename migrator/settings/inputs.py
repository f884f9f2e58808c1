"""Which rows a batch has."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from migrator.errors import UsageError
from migrator.settings.fields import INPUT, no_flag
from migrator.settings.filters import FilterSettings
from migrator.settings.naming import NamingSettings

OrderBy = Literal["manifest", "size-asc", "size-desc"]


@Parameter(name="*", group=INPUT)
@dataclass(frozen=True, kw_only=True)
class InputSettings:
    """Where the rows come from, and what makes two of them the same object."""

    manifest: Annotated[str | None, Parameter(allow_leading_hyphen=True, validator=no_flag)] = None
    """A manifest with the columns bucket and key; also known: version_id, name, description,
    project_id, file_name. All other columns come back in the report. A file, packed with gzip or
    zstd or not; a directory or a pattern of Parquet files; s3://bucket/key of any of these; - for
    standard input."""
    manifest_format: Literal[
        "auto", "csv", "parquet", "jsonl", "s3-batch", "s3-completion", "s3-inventory"
    ] = "auto"
    """Format of the manifest; auto looks at the file itself."""
    prefix: Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=False)] = ()
    """List s3://bucket/prefix and import every object there. Repeatable; added to a manifest."""
    skip_imported: Annotated[tuple[Path, ...], Parameter(negative=(), consume_multiple=False)] = ()
    """Leave out what the batch in this --out directory has imported: for objects that came since.
    Repeatable."""
    namespace: str = ""
    """Part of every object's identity: a second import of the same objects that is truly wanted
    uses another one."""
    order_by: OrderBy = "manifest"
    """Send rows in the order of the manifest, or small objects first (size-asc), or large ones
    (size-desc), by the sizes that the manifest, an inventory or a listing tells. Rows of which
    none of them tells one come last."""
    all_versions: Annotated[bool, Parameter(negative=())] = False
    """Import every version of an object as a video of its own, of prefixes and of an inventory:
    needs --via https. Delete markers are left out."""
    filters: FilterSettings = field(default_factory=FilterSettings)
    """Which of them are wanted."""
    naming: NamingSettings = field(default_factory=NamingSettings)
    """What is made of their columns."""


def with_absolute_paths(inputs: InputSettings) -> InputSettings:
    """The same, whatever directory they are used in later: `resume` may be called anywhere."""
    manifest = inputs.manifest
    if manifest is not None and not is_elsewhere(manifest):
        manifest = str(Path(manifest).absolute())
    earlier = tuple(directory.absolute() for directory in inputs.skip_imported)
    return replace(inputs, manifest=manifest, skip_imported=earlier)


def is_elsewhere(manifest: str) -> bool:
    """Whether a manifest is no file of this machine: standard input, or in S3."""
    return manifest == "-" or manifest.startswith("s3:")


def parse_prefix(text: str, flag: str = "--prefix") -> tuple[str, str]:
    """(bucket, key prefix) of `s3://bucket/prefix`; raises UsageError for anything else."""
    match = re.fullmatch(r"s3://([^/]{3,63})(?:/(.*))?", text, re.DOTALL)
    if match is None:
        raise UsageError(
            f"{flag} {text!r}: not of the form s3://bucket/prefix",
            "give a bucket, and a prefix if only part of it is wanted: s3://my-bucket/masters/",
        )
    return match[1], match[2] or ""
