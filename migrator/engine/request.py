"""From a row to what it asks for: a pure function of the checkpoint.

The same row gives the same name, file name and description in every run: resolve looks for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.values import Source
from migrator.engine.tag import Tag, describe
from migrator.manifest import file_name, video_name
from migrator.model import Columns


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a row asks the platform for, without the keys."""

    name: str
    file_name: str
    description: str | None
    description_was_cut: bool
    project_id: str | None


class Requests:
    """Builds requests for the rows of a batch."""

    def __init__(
        self, sources: list[Source], batch: str, project_id: str | None, *, tagged: bool
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

    def wanted(self, transfer: Transfer) -> Wanted:
        """What the row asks for: its own columns first, else derived from its key."""
        assert transfer.key is not None
        assert transfer.object_id is not None
        cells = msgspec.json.decode(transfer.cells or "[]", type=list[str | None])
        places = self._places[transfer.source_id]

        def cell(name: str) -> str | None:
            place = places.get(name)
            return (cells[place] or None) if place is not None and place < len(cells) else None

        tag = Tag(transfer.object_id, self._batch) if self._tagged else None
        description, was_cut = describe(cell("description"), tag)
        return Wanted(
            name=cell("name") or video_name(transfer.key),
            file_name=cell("file_name") or file_name(transfer.key),
            description=description,
            description_was_cut=was_cut,
            project_id=cell("project_id") or self._project_id,
        )
