"""From a row to what it asks for: a pure function of the checkpoint.

The same row gives the same name, file name and description in every run: resolve looks for them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.values import Source
from migrator.engine.tag import Tag, describe
from migrator.manifest import MAX_FILE_NAME_CHARACTERS, file_name, legal_file_name, video_name
from migrator.model import MAX_NAME_CHARACTERS, Columns, cut_to_units
from migrator.settings import NamingSettings, field_of_key

_CELLS = msgspec.json.Decoder(list[str | None])


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a row asks the platform for, without the keys; `cuts` says in words what was cut."""

    name: str
    file_name: str
    description: str | None
    project_id: str | None
    cuts: tuple[str, ...] = ()


class Requests:
    """Builds requests for the rows of a batch.

    `versioned` says that several versions of an object are rows of it: a description that nobody
    has given names the version, since all else that a person reads of their videos is alike.
    """

    def __init__(
        self,
        sources: list[Source],
        batch: str,
        project_id: str | None,
        naming: NamingSettings,
        *,
        tagged: bool,
        versioned: bool = False,
    ) -> None:
        self._places: Mapping[int, dict[str, int]] = {
            source.id: {
                name: place for place, name in enumerate(Columns.of(source.header).other_names)
            }
            for source in sources
        }
        self._batch = batch
        self._project_id = project_id
        self._tagged = tagged
        self._versioned = versioned
        self._templates = naming.templates()

    def wanted(self, transfer: Transfer) -> Wanted:
        """What the row asks for: by the templates, its own columns, or derived from its key."""
        assert transfer.key is not None
        assert transfer.object_id is not None
        cell = self._cells(transfer)
        cuts = []
        name = self._filled("--name-template", transfer, cell)
        if name is None:
            name = cell("name") or video_name(transfer.key)
        else:
            full, name = name, cut_to_units(name, MAX_NAME_CHARACTERS) or video_name(transfer.key)
            if len(name) < len(full):
                cuts.append(f"the name was cut to {MAX_NAME_CHARACTERS} characters")
        file = self._filled("--file-name-template", transfer, cell)
        if file is None:
            file = cell("file_name") or file_name(transfer.key)
        else:
            full, file = file, legal_file_name(file) if file else file_name(transfer.key)
            if len(file) < len(full):
                cuts.append(f"the file name was cut to {MAX_FILE_NAME_CHARACTERS} characters")
        text = self._filled("--description-template", transfer, cell)
        if text is None:
            text = cell("description")
            if text is None and self._versioned and transfer.version_id:
                text = f"version {transfer.version_id}"
        tag = Tag(transfer.object_id, self._batch) if self._tagged else None
        description, was_cut = describe(text, tag)
        if was_cut:
            cuts.append("the description was cut to make room for the tag")
        return Wanted(
            name=name,
            file_name=file,
            description=description,
            project_id=cell("project_id") or self._project_id,
            cuts=tuple(cuts),
        )

    def _cells(self, transfer: Transfer) -> Callable[[str], str | None]:
        """A function from the name of a column to what the row says there; None for nothing."""
        cells = _CELLS.decode(transfer.cells or "[]")
        places = self._places[transfer.source_id]

        def cell(name: str) -> str | None:
            place = places.get(name)
            return (cells[place] or None) if place is not None and place < len(cells) else None

        return cell

    def _filled(
        self, flag: str, transfer: Transfer, cell: Callable[[str], str | None]
    ) -> str | None:
        """What a template makes of the row; None where there is no such template."""
        template = self._templates.get(flag)
        if template is None:
            return None
        bucket, key = transfer.bucket or "", transfer.key or ""

        def value(field: str) -> str:
            of_key = field_of_key(field, bucket, key, transfer.row)
            if of_key is not None:
                return of_key
            told = transfer.version_id if field == "version_id" else cell(field)
            return told or ""

        return template.filled(value)
