"""The platform's public keys as they are known here, and when it is asked for them again. Pure.

A key id that nobody knows may be a new key's, or anybody's: how often it may cost a call is
bounded, and the more it has done so in vain, the longer it takes until it may again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from migrator.pixop.deliveries import PublicKey, PublishedKey
from migrator.pixop.wire import time_ms

REFRESH_S = (60.0, 3600.0)
"""Shortest and longest time between two looks at the published keys: each that shows nothing new
doubles it. Forged key ids cost seven calls in the first hour, and then one an hour."""

MOST_KEYS = 20
"""Two may be valid at once; far more are no list of keys."""


@dataclass(frozen=True, slots=True)
class Known:
    """A key, and until when it is valid (epoch seconds; None: no end is told)."""

    key: PublicKey
    expires_s: float | None


class PublicKeys:
    """The keys by their ids."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._pause_s = REFRESH_S[0]
        self._next_s = 0.0

    def get(self, key_id: str) -> Known | None:
        """The key of this id, if it is known."""
        return self._known.get(key_id)

    def may_ask(self, now_s: float) -> bool:
        """Whether an unknown id is a reason to ask the platform now (engine's clock)."""
        return now_s >= self._next_s

    def publish(self, published: Iterable[PublishedKey], now_s: float) -> None:
        """These are the platform's keys now; what is odd is left out.

        None at all is no answer: those that are known stay.
        """
        known: dict[str, Known] = {}  # a key that is published no longer counts no longer
        for each in list(published)[:MOST_KEYS]:
            key_id = each.id.lower()
            expires_ms = time_ms(each.expires_at)
            try:
                key = PublicKey(each.public_key)
            except ValueError:
                continue
            known[key_id] = Known(key, None if expires_ms is None else expires_ms / 1000)
        new = bool(known.keys() - self._known.keys())
        self._known = known or self._known
        self._pause_s = REFRESH_S[0] if new else min(self._pause_s * 2, REFRESH_S[1])
        self._next_s = now_s + self._pause_s
