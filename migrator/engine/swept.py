"""What a sweep saw in its window, as far as it can be a video of the rows that it looks for."""

from dataclasses import dataclass, field

from migrator.engine import decide
from migrator.engine.observe import is_master, seen
from migrator.engine.tag import read_tag
from migrator.pixop import wire


@dataclass(frozen=True, slots=True)
class Untagged:
    """A master without a tag; a platform may tell its file or its description only later."""

    video_id: str
    file_name: str | None
    size_bytes: int | None
    described: bool


@dataclass(slots=True)
class SweptWindow:
    """What a sweep saw in its window: all ids, and what may be one of the rows looked for.

    `objects` and `file_names` are those rows': carriers of other tags of ours, and untagged masters
    of other names, are not kept. Those without a name stand under None.
    """

    objects: frozenset[bytes]
    file_names: frozenset[str]
    ids: set[str] = field(default_factory=set)
    carriers: dict[bytes, dict[str, decide.Seen]] = field(default_factory=dict)
    untagged: dict[str | None, dict[str, Untagged]] = field(default_factory=dict)

    def take(self, video: wire.Video, batch: str, *, tagging: bool) -> None:
        """Note a video of the window."""
        self.ids.add(video.id)
        if not is_master(video):
            return
        tag = read_tag(video.description)
        if tag is not None and tagging:
            if tag.batch == batch and tag.object_id in self.objects:
                self.carriers.setdefault(tag.object_id, {})[video.id] = seen(video)
            return
        name, size_bytes = looks(video)
        for kept in self.untagged.values():
            kept.pop(video.id, None)
        described = video.description is not None
        # A description that is told and has no tag is somebody else's, as long as no name speaks
        # against it.
        if name in self.file_names or (name is None and not (described and tagging)):
            untagged = Untagged(video.id, name, size_bytes, described)
            self.untagged.setdefault(name, {})[video.id] = untagged

    def masters_of(self, file_name: str) -> tuple[Untagged, ...]:
        """Untagged masters of that name, and then those that do not tell theirs."""
        kinds = (self.untagged.get(file_name, {}), self.untagged.get(None, {}))
        return tuple(master for kind in kinds for master in kind.values())


def looks(video: wire.Video) -> tuple[str | None, int | None]:
    """File name and size in bytes of a listed master, as far as the platform tells them."""
    file = video.upload.file if video.upload else None
    if file is None and video.master_video is not None:
        file = video.master_video.video_file
    return (file.name, file.size) if file is not None else (None, None)
