"""Which objects are wanted: the filters of the settings, made ready to be asked a million times.

Pure. What is left out is told by the filter that does it, in the words of its flag.
"""

import fnmatch
import re
from dataclasses import dataclass, field

from migrator.settings import FilterSettings
from migrator.settings.filters import INCLUDE, time_bound

VIDEO_EXTENSIONS = (
    "3g2", "3gp", "asf", "avi", "dv", "f4v", "flv", "gxf", "ivf", "lxf", "m1v", "m2p", "m2t",
    "m2ts", "m2v", "m4v", "mj2", "mkv", "mov", "mp4", "mpe", "mpeg", "mpg", "mts", "mxf", "nut",
    "ogm", "ogv", "qt", "rm", "rmvb", "ts", "vob", "webm", "wmv", "y4m",
)  # fmt: skip
"""What --video-only takes for a video, in small letters or capitals."""

STANDARD = "STANDARD"
"""The storage class of an object of which S3 names none (S3 API reference, `HeadObject`)."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an object; None is what is not.

    A storage class that is not known is None, and one that S3 leaves out is `STANDARD`.
    """

    size_bytes: int | None = None
    last_modified_ms: int | None = None
    storage_class: str | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    wanted: bool
    matches: re.Pattern[str]
    words: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Filters ready for use; one that is made of no settings lets everything through."""

    settings: FilterSettings = field(default_factory=FilterSettings)
    _rules: tuple[_Rule, ...] = field(init=False)
    _suffixes: tuple[str, ...] = field(init=False)
    _extensions: tuple[str, ...] = field(init=False)
    _after: tuple[int, str] | None = field(init=False)
    _before: tuple[int, str] | None = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        rules = tuple(_rule(text) for text in settings.include)
        for name, value in (
            ("_rules", rules),
            ("_suffixes", tuple(suffix.lower() for suffix in settings.suffix)),
            ("_extensions", tuple(f".{extension}" for extension in VIDEO_EXTENSIONS)),
            ("_after", time_bound(settings.modified_after)),
            ("_before", time_bound(settings.modified_before)),
        ):
            object.__setattr__(self, name, value)

    @property
    def lets_all_through(self) -> bool:
        """Whether there is nothing to ask."""
        return self.settings == FilterSettings()

    def against(self, key: str, facts: Facts) -> str | None:
        """The filter that leaves this object out, in words; None where it is wanted.

        What is not known of an object leaves it out by no filter.
        """
        return self.against_key(key) or self.against_facts(facts)

    def against_key(self, key: str) -> str | None:
        """The same by the key alone."""
        settings = self.settings
        if self._rules:
            for rule in reversed(self._rules):
                if rule.matches.match(key):
                    if not rule.wanted:
                        return rule.words
                    break
            else:
                if self._rules[0].wanted:
                    return "matches no --include"
        if self._suffixes and not key.lower().endswith(self._suffixes):
            return f"ends in none of --suffix {', '.join(settings.suffix)}"
        if settings.video_only and not key.lower().endswith(self._extensions):
            return "has no extension of --video-only"
        return None

    def against_facts(self, facts: Facts) -> str | None:
        """The same by what is known of the object alone."""
        settings, size_bytes, changed_ms = self.settings, facts.size_bytes, facts.last_modified_ms
        if size_bytes is not None:
            if settings.min_size is not None and size_bytes < settings.min_size:
                return f"{size_bytes} bytes, less than --min-size {settings.min_size}"
            if settings.max_size is not None and size_bytes > settings.max_size:
                return f"{size_bytes} bytes, more than --max-size {settings.max_size}"
        if changed_ms is not None:
            if self._after is not None and changed_ms < self._after[0]:
                return f"changed before --modified-after {self._after[1]}"
            if self._before is not None and changed_ms >= self._before[0]:
                return f"not changed before --modified-before {self._before[1]}"
        wanted = settings.storage_class
        if wanted and facts.storage_class is not None and facts.storage_class not in wanted:
            return (
                f"of storage class {facts.storage_class}, not --storage-class {', '.join(wanted)}"
            )
        return None


def _rule(text: str) -> _Rule:
    wanted, glob = text.startswith(INCLUDE), text[len(INCLUDE) :]
    flag = "--include" if wanted else "--exclude"
    return _Rule(wanted, re.compile(fnmatch.translate(glob)), f"matches {flag} {glob}")
