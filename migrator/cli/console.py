"""Where rich prints to."""

from rich.console import Console


class Terminal(Console):
    """A console that says so when nobody reads any more; rich's own ends the program with 1."""

    def on_broken_pipe(self) -> None:
        """Called while a BrokenPipeError is handled, which goes on to whoever printed."""
        raise BrokenPipeError
