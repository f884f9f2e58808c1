"""What the program logs: every event once, with its name, its level and its fields.

The text of an event names its fields, so that the line that a person reads and the fields that a
program reads cannot drift apart. Nothing here writes: `cli/logs.py` says where the lines go. No
field ever holds a secret, a header, a query or a body.
"""

import logging
import string
from dataclasses import dataclass

LOGGER = logging.getLogger("migrator")
LOGGER.addHandler(logging.NullHandler())  # until a verb says where to, nowhere


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One kind of line: `name` is stable, `text` is for people and has a place for each field."""

    name: str
    level: int
    text: str

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of its fields, in the order of the text."""
        return tuple(name for _, name, _, _ in string.Formatter().parse(self.text) if name)


RUN_STARTED = LogEvent(
    "run.started", logging.INFO, "batch in {directory}: migrator {version}, process {process}"
)
RUN_PHASE = LogEvent("run.phase", logging.INFO, "phase {phase}")
RUN_PROGRESS = LogEvent(
    "run.progress",
    logging.INFO,
    "{done} of {rows} rows, {in_flight} in flight, {unresolved} unresolved, {calls} calls, "
    "{rate_per_minute} of {allowed_per_minute} calls/min",
)
RUN_WAITING = LogEvent("run.waiting", logging.INFO, "waiting on {on}: {words}")
RUN_STOPPING = LogEvent("run.stopping", logging.INFO, "stopping: {why}")
RUN_FAILED = LogEvent("run.failed", logging.ERROR, "{message}; next: {hint}")
RUN_ENDED = LogEvent("run.ended", logging.INFO, "ended with exit code {exit_code}")
MANIFEST_RECOGNISED = LogEvent(
    "manifest.recognised", logging.INFO, "{manifest} is read as {format}"
)
MANIFEST_HEADER = LogEvent(
    "manifest.header",
    logging.WARNING,
    "{manifest} begins with a header, and a file of S3 Batch Operations has none: it is no row",
)
MANIFEST_UNPROVEN = LogEvent(
    "manifest.unproven",
    logging.WARNING,
    "{manifest} has no manifest.checksum beside it: whether it is whole is not known",
)
METRICS_SERVED = LogEvent("metrics.served", logging.INFO, "metrics at {url}")
WEBHOOK_REGISTERED = LogEvent(
    "webhook.registered", logging.INFO, "webhook {webhook_id} is registered: {url}"
)
WEBHOOK_REMOVED = LogEvent("webhook.removed", logging.INFO, "webhook {webhook_id} is removed")
WEBHOOK_LEFT = LogEvent(
    "webhook.left",
    logging.WARNING,
    "webhook {webhook_id} could not be removed: the next run on this batch does it, or you, on the "
    "platform",
)
DELIVERY_JUDGED = LogEvent("webhook.delivery", logging.DEBUG, "a delivery is {verdict}")
API_CALL = LogEvent("api.call", logging.DEBUG, "call {method} {path}: {answer} in {seconds} s")
ROW_MOVED = LogEvent("row.moved", logging.DEBUG, "row {row} {what}: {before} -> {after}")
ROW_PROBLEM = LogEvent(
    "row.problem",
    logging.INFO,
    "row {row} {outcome}/{reason}: s3://{bucket}/{key}: {http_status} {error_code} {message}",
)
ROW_CONTESTED = LogEvent(
    "row.contested", logging.WARNING, "row {row}: an answer gave its video to another row"
)
VIDEO_REMOVED = LogEvent("video.removed", logging.INFO, "row {row}: video {video_id} is gone")
SWEEP_ENDED = LogEvent(
    "sweep.ended", logging.INFO, "sweep for {rows} unresolved rows: {videos} videos, {result}"
)
VIDEOS_RETURNED = LogEvent(
    "sweep.returned", logging.INFO, "{videos} videos of rows that were not sent, by the checkpoint"
)
LIST_RESTLESS = LogEvent(
    "sweep.restless",
    logging.WARNING,
    "the list kept changing: further videos of the {rows} rows that were presumed absent may have "
    "been missed",
)
CHANGES_NOT_LISTED = LogEvent(
    "follow.by_creation",
    logging.INFO,
    "the platform's list does not show first what has changed: {copies} copies in flight, and "
    "those that come, are followed with more calls",
)
DRIFT_FOUND = LogEvent(
    "verify.drift",
    logging.INFO,
    "{drift}: row {row}, s3://{bucket}/{key}, video {video_id}: expected {expected}, found {found}",
)

EVENTS = tuple(value for value in list(globals().values()) if isinstance(value, LogEvent))
"""All of them, as the README lists them."""


def errors_are_told() -> bool:
    """Whether a program reads stderr, so that the log alone says there what people are told."""
    return any(getattr(handler, "tells_errors", False) for handler in LOGGER.handlers)


def is_told(event: LogEvent) -> bool:
    """Whether anybody wants to hear of it: its fields may cost something to make."""
    return LOGGER.isEnabledFor(event.level)


def tell(event: LogEvent, /, **fields: object) -> None:
    """Log an event; `fields` are all that its text names, and no others."""
    if is_told(event):
        text = event.text.format_map(fields)
        LOGGER.log(event.level, text, extra={"event": event.name, "fields": fields})
