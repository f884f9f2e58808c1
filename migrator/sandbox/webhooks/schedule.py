"""When deliveries are made: after which delay again, until when at all, and how close together.

Nothing here has a clock; moments are milliseconds, and whoever asks says which one is now.
"""

FIRST_DELAY_MS = 10_000
LONGEST_DELAY_MS = 3_600_000
"""The API's document says only that delays grow: ours double, from ten seconds to an hour."""


def next_try(
    now_ms: int, *, attempts: int, first_tried_at: int, within_ms: int, not_before: int | None
) -> int | None:
    """When an event is tried again that has failed `attempts` times; None: not any more.

    `within_ms` is how long after `first_tried_at` the last attempt may be; `not_before` is what
    the webhook itself has asked for.
    """
    delay_ms = min(LONGEST_DELAY_MS, FIRST_DELAY_MS << min(attempts - 1, 20))
    due_at = max(now_ms + delay_ms, not_before or 0)
    return due_at if due_at - first_tried_at <= within_ms else None


class Spacing:
    """Spaces deliveries evenly: between two of them lies at least the part of a second that is due.

    A rate that changes counts from the next on.
    """

    def __init__(self) -> None:
        self._free_at_s = 0.0

    def wait_s(self, now_s: float, per_second: int) -> float:
        """Take the next turn; how long from now it is."""
        turn_s = max(now_s, self._free_at_s)
        self._free_at_s = turn_s + 1 / per_second
        return turn_s - now_s
