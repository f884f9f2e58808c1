"""What videos are called, and under which names a manifest has its columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from migrator.errors import UsageError
from migrator.settings.fields import INPUT
from migrator.settings.templates import Template


@Parameter(name="*", group=INPUT)
@dataclass(frozen=True, kw_only=True)
class NamingSettings:
    """What is made of a row's columns."""

    map: Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=False)] = ()
    """Take the manifest's column OLD for the column NEW (OLD=NEW, such as title=name).
    Repeatable."""
    name_template: str | None = None
    """What a video is called: text with {bucket}, {key}, {name}, {stem}, {ext}, {dirname}, {row}
    and any column of the manifest in braces. Without it the column name, or the key's last part."""
    description_template: str | None = None
    """Its description, in the same way. Without it the column description."""
    file_name_template: str | None = None
    """Its file name, in the same way; what the platform does not allow there becomes _. Without it
    the column file_name, or the key's last part."""

    @property
    def renames(self) -> Mapping[str, str]:
        """Old names of columns and new ones. Raises UsageError for what is not OLD=NEW."""
        pairs = [each.rpartition("=") for each in self.map]
        for each, (old, equals, new) in zip(self.map, pairs, strict=True):
            if not (old and equals and new):
                raise UsageError(
                    f"--map {each!r}: not of the form OLD=NEW",
                    "give the name of a column, = and the name it stands for: title=name",
                )
        olds, news = [old for old, _, _ in pairs], [new for _, _, new in pairs]
        for names in (olds, news):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise UsageError(f"--map: the column {twice!r} is named twice", "name it once")
        return dict(zip(olds, news, strict=True))

    def templates(self) -> Mapping[str, Template]:
        """Each template that is given, by its flag. Raises UsageError for what is none."""
        given = {
            "--name-template": self.name_template,
            "--description-template": self.description_template,
            "--file-name-template": self.file_name_template,
        }
        return {flag: Template.of(flag, text) for flag, text in given.items() if text is not None}
