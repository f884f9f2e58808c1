"""What a status is worth: whether its run goes on, has ended, or is gone. Pure but for words."""

from collections.abc import Callable
from dataclasses import dataclass

from migrator.cli.words import duration
from migrator.engine.snapshot import Snapshot
from migrator.text import plain

FRESH_MS = 10_000
"""A status is rewritten each second; what is older than this was not."""

AFTERWARDS = frozenset({"settled", "stopped"})
"""Phases in which all is settled that will be, and the reports are written."""


@dataclass(frozen=True, slots=True)
class Standing:
    """`is_over`: nothing more will come. `is_in_order`: as it should be. `words` may be ""."""

    words: str = ""
    hint: str = ""
    is_over: bool = False
    is_in_order: bool = True


def standing(
    snapshot: Snapshot, now_ms: int, host: str, is_there: Callable[[int], bool]
) -> Standing:
    """How the run of a snapshot stands, seen at `now_ms` from the machine `host`.

    `is_there` says whether this machine has a process of that number.
    """
    age_ms = max(0, now_ms - snapshot.updated_ms)
    ago = duration(age_ms / 1000)
    if snapshot.exit_code is not None:
        return Standing(f"ended {ago} ago with exit code {snapshot.exit_code}", is_over=True)
    elsewhere = snapshot.host not in {"", host}
    if not elsewhere and not is_there(snapshot.pid):
        return Standing(
            f"this status is {ago} old and process {snapshot.pid} is gone: it was killed",
            "run or resume the batch: nothing is lost",
            is_over=True,
            is_in_order=False,
        )
    if age_ms <= FRESH_MS:
        return Standing()
    if snapshot.phase in AFTERWARDS:
        return Standing("the reports are being written")
    where = f" on {plain(snapshot.host[:64])}" if elsewhere else ""
    return Standing(
        f"this status is {ago} old: process {snapshot.pid}{where} is stopped, asleep or held up",
        is_in_order=False,
    )
