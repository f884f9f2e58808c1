"""The ways to the platform of all API keys of a batch, counted together."""

from collections.abc import Iterator, Sequence

from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Calls
from migrator.engine.calls import CallCounts
from migrator.engine.gateway import Gateway


class Gateways:
    """One gateway a key, in the order of lanes; the first is that of the default key.

    Each has a quota, a breaker and a retry budget of its own: what holds one up holds no other.
    """

    def __init__(self, gateways: Sequence[Gateway]) -> None:
        self._all = tuple(gateways)
        self.first = self._all[0]

    def __iter__(self) -> Iterator[Gateway]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def of(self, lane: int) -> Gateway:
        """The way of one lane."""
        return self._all[lane]

    def now_s(self) -> float:
        """The engine's clock."""
        return self.first.now_s()

    @property
    def counts(self) -> CallCounts:
        """Calls of this run with all keys, by operation."""
        return CallCounts(
            **{
                name: sum(getattr(each.counts, name) for each in self._all)
                for name in CallCounts.__dataclass_fields__
            }
        )

    @property
    def by_key(self) -> list[int]:
        """Calls of this run with each key."""
        return [each.counts.total for each in self._all]

    @property
    def per_window(self) -> int:
        """Calls a minute that may leave, with all keys together."""
        return sum(each.pacer.quotas.per_window for each in self._all)

    @property
    def announced(self) -> int | None:
        """The quotas that the platform announces, together; None where it announces none."""
        told = [each.pacer.quotas.announced for each in self._all]
        return sum(quota or 0 for quota in told) if any(told) else None

    @property
    def commands(self) -> int:
        """Commands under way: a stop waits for them."""
        return sum(each.commands for each in self._all)

    @property
    def calls(self) -> Calls:
        """The counters as the checkpoint keeps them.

        The platform's clock is that of the key that was heard of least lately, and there is none
        while one of them has not caught up: the next run reads back to it.
        """
        counts = self.counts
        dates = [each.date_s if each.caught_up else None for each in self._all]
        known = [date_s for date_s in dates if date_s is not None]
        return Calls(
            counts.submit, counts.list, counts.status, counts.restart, counts.other,
            counts.throttled, counts.retries, self.announced,
            min(known) if len(known) == len(dates) else None,
        )  # fmt: skip

    def count(self, checkpoint: Checkpoint, run_id: int) -> None:
        """Write the counters of a run."""
        checkpoint.count_calls(run_id, self.calls)
        if len(self) > 1:
            checkpoint.count_key_calls(run_id, self.by_key)
