"""The shapes of webhooks, their events and keys, as the API documents them, and how they fill."""

from collections.abc import Mapping, Sequence

from msgspec import UNSET, Struct, UnsetType

from migrator.sandbox.events import EventType
from migrator.sandbox.moments import Clock, iso
from migrator.sandbox.webhooks.records import Webhook
from migrator.sandbox.webhooks.signing import PublicKey
from migrator.sandbox.webhooks.values import Event, Response


class _Shape(Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """The base: camelCase names, and nothing at all for what is unset."""


class WebhookShape(_Shape, frozen=True):
    """A webhook."""

    id: str
    created_at: str
    updated_at: str
    team_id: str
    active: bool
    name: str
    url: str
    rate_limit_per_second: int
    max_total_retry_delay_minutes: int
    event_types: Sequence[EventType]
    description: str | UnsetType = UNSET


class EventData(_Shape, frozen=True, tag_field="type", tag="VIDEO"):
    """What an event is about."""

    video_id: str


class EventPayload(_Shape, frozen=True):
    """What a webhook is sent. `attempt_count` is the attempts made, in a delivery itself too."""

    id: str
    webhook_id: str
    event_type: EventType
    occurred_at: str
    test: bool
    attempt_count: int
    data: EventData


class ResponseShape(_Shape, frozen=True):
    """What came of one attempt; `status_code` is 0 where there was no answer."""

    requested_at: str
    response_time_millis: int
    status_code: int
    response_body: str | UnsetType = UNSET
    error_code: str | UnsetType = UNSET
    error_message: str | UnsetType = UNSET
    response_retry_at: str | UnsetType = UNSET
    response_headers: Mapping[str, str] | UnsetType = UNSET


class EventShape(_Shape, frozen=True):
    """An event and what came of it."""

    id: str
    created_at: str
    updated_at: str
    team_id: str
    payload: EventPayload
    successful: bool
    responses: Sequence[ResponseShape]
    next_attempt_earliest_at: str | UnsetType = UNSET


class PublicKeyShape(_Shape, frozen=True):
    """A key to verify deliveries with."""

    id: str
    created_at: str
    updated_at: str
    algorithm: str
    public_key: str
    expires_at: str | UnsetType = UNSET


def webhook_shape(webhook: Webhook) -> WebhookShape:
    """A webhook."""
    return WebhookShape(
        id=webhook.webhook_id,
        created_at=iso(webhook.created_at),
        updated_at=iso(webhook.updated_at),
        team_id=webhook.team_id,
        active=webhook.is_active,
        name=webhook.name,
        url=webhook.url,
        rate_limit_per_second=webhook.rate_limit_per_second,
        max_total_retry_delay_minutes=webhook.max_total_retry_delay_minutes,
        event_types=webhook.event_types,
        description=_or_unset(webhook.description),
    )


def payload(event: Event, *, attempt_count: int) -> EventPayload:
    """What a webhook is sent of an event."""
    return EventPayload(
        id=event.event_id,
        webhook_id=event.webhook_id,
        event_type=event.event_type,
        occurred_at=iso(event.occurred_at),
        test=bool(event.is_test),
        attempt_count=attempt_count,
        data=EventData(video_id=event.video_id),
    )


def event_shape(event: Event, clock: Clock) -> EventShape:
    """An event; when it is due is told by the platform's clock."""
    return EventShape(
        id=event.event_id,
        created_at=iso(event.occurred_at),
        updated_at=iso(event.updated_at),
        team_id=event.team_id,
        payload=payload(event, attempt_count=event.attempts),
        successful=bool(event.is_successful),
        responses=[_response_shape(one) for one in event.responses],
        next_attempt_earliest_at=(
            UNSET if event.due_at is None else iso(event.due_at + clock.offset_ms)
        ),
    )


def _response_shape(response: Response) -> ResponseShape:
    return ResponseShape(
        requested_at=iso(response.requested_at),
        response_time_millis=response.took_ms,
        status_code=response.status,
        response_body=_or_unset(response.body),
        error_code=_or_unset(response.error_code),
        error_message=_or_unset(response.error_message),
        response_retry_at=UNSET if response.retry_at is None else iso(response.retry_at),
        response_headers=response.headers or UNSET,
    )


def key_shape(key: PublicKey) -> PublicKeyShape:
    """A published key."""
    return PublicKeyShape(
        id=key.key_id,
        created_at=iso(key.created_at),
        updated_at=iso(key.updated_at),
        algorithm="EC",
        public_key=key.encoded,
        expires_at=UNSET if key.expires_at is None else iso(key.expires_at),
    )


def _or_unset(text: str | None) -> str | UnsetType:
    return UNSET if text is None else text
