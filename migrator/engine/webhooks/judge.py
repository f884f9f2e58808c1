"""Whether a delivery is the platform's, of now, and new. Pure: times come in.

In this order, the cheapest first: the headers are of their form; the timestamp is within five
minutes of the platform's clock; the key is known and valid; the signature is its; the body is of
the one shape; it is for our registration; its event was not taken before. Whatever is not all of
that is refused, and hints at nothing.
"""

from collections import OrderedDict
from collections.abc import Collection
from enum import StrEnum
from http import HTTPStatus

from multidict import MultiMapping

from migrator.engine.webhooks.keys import PublicKeys
from migrator.pixop.deliveries import Event, Signature, read_event

WINDOW_S = 300
"""How far a timestamp may be off the platform's clock (public reference: about five minutes)."""

REMEMBERED_S = 2 * WINDOW_S
"""How long an event is remembered: what is older than the window is refused by its timestamp, also
where the clock that we hold it against was a window behind."""

MOST_EVENTS = 200_000
"""Events remembered at once. Beyond that none is taken until the oldest may be forgotten: an event
that nobody remembers could be played again."""


class Verdict(StrEnum):
    """What a delivery is."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    TEST = "test"
    MALFORMED = "malformed"
    STALE = "stale"
    UNKNOWN_KEY = "unknown_key"
    EXPIRED_KEY = "expired_key"
    FORGED = "forged"
    SHAPELESS = "shapeless"
    STRANGE = "strange"
    CROWDED = "crowded"


STATUS = {
    Verdict.ACCEPTED: HTTPStatus.NO_CONTENT,
    Verdict.REPEATED: HTTPStatus.NO_CONTENT,  # else it would be delivered again and again
    Verdict.TEST: HTTPStatus.NO_CONTENT,
    Verdict.MALFORMED: HTTPStatus.BAD_REQUEST,
    Verdict.STALE: HTTPStatus.BAD_REQUEST,
    Verdict.UNKNOWN_KEY: HTTPStatus.SERVICE_UNAVAILABLE,  # it may be known at the next attempt
    Verdict.EXPIRED_KEY: HTTPStatus.UNAUTHORIZED,
    Verdict.FORGED: HTTPStatus.UNAUTHORIZED,
    Verdict.SHAPELESS: HTTPStatus.BAD_REQUEST,
    Verdict.STRANGE: HTTPStatus.NOT_FOUND,
    Verdict.CROWDED: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""What each is answered with."""


class Judge:
    """Judges one delivery after the other. `webhook_ids` are our registrations, once there are."""

    def __init__(self, keys: PublicKeys, event_types: Collection[str]) -> None:
        self.webhook_ids: set[str] = set()
        self._keys = keys
        self._event_types = frozenset(event_types)
        self._seen: OrderedDict[str, float] = OrderedDict()

    def judge(
        self, headers: MultiMapping[str], body: bytes, platform_s: float
    ) -> tuple[Verdict, Event | None]:
        """What it is, and the event where it is accepted. `platform_s`: the platform's clock."""
        signature = Signature.of(headers)
        if signature is None:
            return Verdict.MALFORMED, None
        if abs(platform_s - signature.timestamp_s) > WINDOW_S:
            return Verdict.STALE, None
        known = self._keys.get(signature.key_id)
        if known is None:
            return Verdict.UNKNOWN_KEY, None
        if known.expires_s is not None and known.expires_s < platform_s:
            return Verdict.EXPIRED_KEY, None
        if not known.key.has_signed(signature, body):
            return Verdict.FORGED, None
        event = read_event(body)
        if event is None:
            return Verdict.SHAPELESS, None
        if event.webhook_id not in self.webhook_ids or event.event_type not in self._event_types:
            return Verdict.STRANGE, None
        return self._unless_seen(event, platform_s)

    def _unless_seen(self, event: Event, platform_s: float) -> tuple[Verdict, Event | None]:
        while self._seen and next(iter(self._seen.values())) < platform_s - REMEMBERED_S:
            self._seen.popitem(last=False)
        if event.id in self._seen:
            return Verdict.REPEATED, None
        if len(self._seen) >= MOST_EVENTS:
            return Verdict.CROWDED, None
        self._seen[event.id] = platform_s
        return (Verdict.TEST, None) if event.test else (Verdict.ACCEPTED, event)
