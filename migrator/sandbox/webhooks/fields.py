"""Reading a webhook out of a request's body, and naming every field that breaks a rule."""

from collections.abc import Mapping
from typing import Any

from migrator.sandbox.events import EVENT_TYPES, EventType
from migrator.sandbox.validation import Fields, Findings
from migrator.sandbox.webhooks.records import NewWebhook, WebhookChange

MAX_NAME = 47
MAX_DESCRIPTION = 255
RATE_MIN, RATE_MAX = 1, 1000
RETRY_MINUTES_MAX = 1440
TYPES_MAX = 22


def new_webhook(body: Mapping[str, Any], findings: Findings) -> NewWebhook:
    """The webhook that is to be made; what it has is right only once nothing was found wrong."""
    for name in ("active", "rateLimitPerSecond", "maxTotalRetryDelayMinutes", "eventTypes"):
        if name not in body:
            findings.add(name, "is required")
    fields = Fields(body, findings)
    return NewWebhook(
        name=fields.required("name", low=1, high=MAX_NAME),
        description=fields.optional("description", low=1, high=MAX_DESCRIPTION),
        url=fields.url("url"),
        is_active=_boolean(body, "active", findings),
        rate_limit_per_second=_rate(body, findings) or 0,
        max_total_retry_delay_minutes=_retry_minutes(body, findings) or 0,
        event_types=_event_types(body, findings) or (),
    )


def webhook_change(body: Mapping[str, Any], findings: Findings) -> WebhookChange:
    """What is to be another of a webhook."""
    fields = Fields(body, findings)
    return WebhookChange(
        name=fields.optional("name", low=1, high=MAX_NAME),
        description=fields.optional("description", low=1, high=MAX_DESCRIPTION),
        url=fields.url("url") if "url" in body else None,
        rate_limit_per_second=_rate(body, findings),
        max_total_retry_delay_minutes=_retry_minutes(body, findings),
        # The document marks it as nullable here, and null as its default: nothing is changed.
        event_types=None if body.get("eventTypes") is None else _event_types(body, findings),
    )


def _boolean(body: Mapping[str, Any], name: str, findings: Findings) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        findings.add(name, "must be true or false", value)
    return value is True


def _rate(body: Mapping[str, Any], findings: Findings) -> int | None:
    return _number(body, "rateLimitPerSecond", findings, low=RATE_MIN, high=RATE_MAX)


def _retry_minutes(body: Mapping[str, Any], findings: Findings) -> int | None:
    return _number(body, "maxTotalRetryDelayMinutes", findings, low=0, high=RETRY_MINUTES_MAX)


def _number(
    body: Mapping[str, Any], name: str, findings: Findings, *, low: int, high: int
) -> int | None:
    """A whole number, or None where it is absent."""
    if name not in body:
        return None
    value = body[name]
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        findings.add(name, f"must be a whole number from {low} to {high}", value)
        return None
    return value


def _event_types(body: Mapping[str, Any], findings: Findings) -> tuple[EventType, ...] | None:
    """The types in the order given, each once; None where they are absent."""
    if "eventTypes" not in body:
        return None
    given = body["eventTypes"]
    if not isinstance(given, list) or not 1 <= len(given) <= TYPES_MAX:
        findings.add("eventTypes", f"must be a list of 1 to {TYPES_MAX} event types", given)
        return None
    known: list[EventType] = []
    for number, one in enumerate(given):
        if one not in EVENT_TYPES:
            findings.add(f"eventTypes[{number}]", "must be an event type", one)
        elif one not in known:
            known.append(one)
    return tuple(known)
