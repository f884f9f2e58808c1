"""Runs of the program on this batch: when, how they ended, and the calls that they made."""

from collections.abc import Sequence

from migrator.checkpoint.queries import SQL, Tables
from migrator.checkpoint.values import Calls, Run


class Runs(Tables):
    """One line a start of the program."""

    def start_run(self, now_ms: int) -> int:
        """Note a start of the program; answers its id."""
        return int(self._db.execute(SQL["start_run"], (now_ms,)).fetchone()[0])

    def count_calls(self, run_id: int, calls: Calls) -> None:
        """Write the counters of a run."""
        self._db.execute(
            SQL["count_calls"],
            (calls.submit, calls.list, calls.status, calls.restart, calls.other, calls.throttled,
             calls.retries, calls.announced_per_minute, calls.platform_date_s, run_id),
        )  # fmt: skip

    def count_key_calls(self, run_id: int, calls: Sequence[int]) -> None:
        """Write how many calls a run has made with each of several API keys, by their lanes."""
        values = [(run_id, lane, count) for lane, count in enumerate(calls)]
        self._db.executemany(SQL["count_key_calls"], values)

    def key_calls(self) -> dict[int, int]:
        """Calls of all runs by lane; empty where there was but one key."""
        return dict(self._db.execute(SQL["key_calls"]))

    def end_last_run(self, now_ms: int, exit_code: int) -> None:
        """Note how the last run ended, unless that is noted already."""
        self._db.execute(SQL["end_last_run"], (now_ms, exit_code))

    def correct_last_run(self, exit_code: int) -> None:
        """The last run ended with another code than was noted: its report could not be made."""
        self._db.execute(SQL["correct_last_run"], (exit_code,))

    def last_platform_date(self) -> int | None:
        """The platform's clock (epoch seconds) when a run on this batch last heard from it."""
        found = self._db.execute(SQL["last_platform_date"]).fetchone()
        return None if found is None else int(found[0])

    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        return [
            Run(started, ended, code, Calls(*counts))
            for started, ended, code, *counts in self._db.execute(SQL["runs"])
        ]
