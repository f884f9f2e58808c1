"""What earlier batches have imported: rows of a new one that are left out for it.

An object is the same when its identity is: namespace, bucket and key. So the earlier batch must be
of the same namespace, and of the same team on the same platform: its videos are elsewhere else.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from migrator.checkpoint.lock import batch_lock
from migrator.checkpoint.store import Checkpoint
from migrator.errors import UsageError

_SAME = ("api_url", "team_id", "namespace")
"""What the checkpoints are pinned to and must agree on."""

_ASKED_AT_ONCE = 500
"""Identities in one query; SQLite may have been built to take 999 values at most."""


class EarlierBatches:
    """Open checkpoints of earlier batches, each locked: nobody may be at work on them."""

    def __init__(self, batches: Sequence[tuple[Path, Checkpoint]]) -> None:
        self._batches = batches

    def check(self, checkpoint: Checkpoint) -> None:
        """Raises UsageError unless each is of the platform, team and namespace of `checkpoint`."""
        for directory, earlier in self._batches:
            for name in _SAME:
                theirs, ours = earlier.meta(name), checkpoint.meta(name)
                if theirs != ours:
                    raise UsageError(
                        f"--skip-imported {directory}: that batch is of {name} {theirs!r}, "
                        f"and this one of {ours!r}",
                        "what it has imported is not there for this one: leave the flag out, or "
                        "give what that batch was begun with",
                    )

    def imported(self, object_ids: Sequence[bytes]) -> Mapping[bytes, str]:
        """Of these objects those that an earlier batch has imported, and by which as which video.

        An object that an earlier batch left out for one still earlier counts too.
        """
        found: dict[bytes, str] = {}
        for _, earlier in self._batches:
            for begin in range(0, len(object_ids), _ASKED_AT_ONCE):
                asked = object_ids[begin : begin + _ASKED_AT_ONCE]
                found = {**earlier.imported_objects(asked), **found}
        return found


@contextmanager
def earlier_batches(directories: Sequence[Path]) -> Iterator[EarlierBatches]:
    """Open the batches in `directories` for as long as the block runs.

    Raises CheckpointError where one is at work just now, or its checkpoint is unusable.
    """
    with ExitStack() as stack:
        batches = []
        for directory in directories:
            stack.enter_context(batch_lock(directory))
            earlier = Checkpoint.open(directory)
            stack.callback(earlier.close)
            batches.append((directory, earlier))
        yield EarlierBatches(batches)
