"""A batch of any size that has ended, as a checkpoint: what pictures of its report are made of.

The archive of a broadcaster, five percent of which went wrong in every way there is, in two runs.
Nothing in it is left to chance: the same size makes the same checkpoint.
"""

import random
from uuid import UUID

from migrator.checkpoint.history import Sample
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Calls
from migrator.model import OUTCOME_OF, ManifestRow, Outcome, Reason
from migrator.settings import BatchSettings, InputSettings, PaceSettings

BEGAN_MS = 1_795_500_000_000  # 2026-11-24
BUCKETS = ("news-masters", "sport-masters", "drama-masters", "archive-2009")
TITLES = (
    "Evening news",
    "Cup final",
    "Été à Nice",
    "Straße der Lieder",
    "第三巻",
    "Weather",
    "Talk",
)
CHUNK = 50_000
QUOTA = 1_140
TAIL_SHARE = 0.12
"""The longest copy, as a share of the time in which rows are sent."""

SAID = {  # HTTP status, error code and words of whoever refused
    Reason.TOO_LARGE: (400, "VALIDATION_FAILED", "File size exceeds the maximum of 500 GB"),
    Reason.BAD_CREDENTIALS: (403, "InvalidAccessKeyId", "The access key id does not exist."),
    Reason.ACCESS_DENIED: (403, "AccessDenied", "Access Denied"),
    Reason.INVALID_REQUEST: (400, "VALIDATION_FAILED", "name: must not be blank"),
    Reason.UNSUPPORTED_CONTENT: (400, "UNSUPPORTED_CONTENT", "text/plain is not supported"),
    Reason.EMPTY_OBJECT: (None, None, "the object has no bytes"),
    Reason.ARCHIVED: (403, "InvalidObjectState", "The object's storage class forbids it"),
    Reason.OBJECT_NOT_FOUND: (404, "NoSuchKey", "The specified key does not exist."),
    Reason.BUCKET_NOT_FOUND: (404, "NoSuchBucket", "The specified bucket does not exist"),
    Reason.COPY_FAILED: (None, "COPY_ABORTED", "Connection reset while copying part 17 of 23"),
    Reason.SIZE_MISMATCH: (None, None, "the copy has 1024 bytes fewer than the object"),
    Reason.GAVE_UP: (502, None, "Bad Gateway"),
    Reason.STUCK: (None, None, "no progress for 6 hours"),
    Reason.AMBIGUOUS: (None, None, "a video of the same file name and size is there already"),
    Reason.DELETED: (404, "VIDEO_NOT_FOUND", "Video not found"),
}
WITH_VIDEO = {Reason.COPY_FAILED, Reason.SIZE_MISMATCH, Reason.STUCK, Reason.DELETED}
SENT = {Reason.COPIED, *WITH_VIDEO, Reason.GAVE_UP, Reason.INVALID_REQUEST}


def make(directory, rows, *, problem_every=20):
    """A checkpoint of so many rows in `directory`; of so many rows one needs a person."""
    directory.mkdir(parents=True)
    settings = BatchSettings(
        inputs=InputSettings(manifest="/archive/catalogue-2026.csv"),
        pace=PaceSettings(max_in_flight=2000),
    )
    checkpoint = Checkpoint.create(
        directory,
        {
            "batch": "k3v9qhx2m4t7a",
            "settings": settings.to_json(),
            "api_url": settings.platform.api_url,
            "team_id": str(UUID(int=0x7EA3)),
            "user_id": str(UUID(int=0x05E2)),
            "program": "0.1.0",
            "created_ms": str(BEGAN_MS),
        },
    )
    with checkpoint.transaction():
        header = ("bucket", "key", "title", "shelf")
        checkpoint.add_source(1, "manifest", "/archive/catalogue-2026.csv", header, "ab" * 32)
    chance = random.Random(rows)
    minutes = _runs(checkpoint, rows)
    for first in range(1, rows + 1, CHUNK):
        numbers = range(first, min(rows, first + CHUNK - 1) + 1)
        with checkpoint.transaction():
            checkpoint.add_rows(1, [_row(number) for number in numbers], "", BEGAN_MS)
            ends = [_end(number, rows, minutes, problem_every, chance) for number in numbers]
            checkpoint._db.executemany(_UPDATE, ends)
    with checkpoint.transaction():
        checkpoint.complete_source(1, "ab" * 32)
    return checkpoint


_UPDATE = """
UPDATE object SET state = ?, reason = ?, decided_by = ?, learned_by = ?, size_bytes = ?, etag = ?,
    attempts = ?, submitted_ms = ?, finished_ms = ?, video_id = ?, http_status = ?, error_code = ?,
    message = ?, restarts = ?, duplicate_video_ids = ?
WHERE row = ?
"""


def _row(number):
    title = TITLES[number % len(TITLES)]
    bucket = BUCKETS[number * 2_654_435_761 % 2**32 * len(BUCKETS) >> 32]
    key = f"{bucket.partition('-')[0]}/{1985 + number % 41}/{number:07d} {title}.mxf"
    return ManifestRow(number, bucket, key, None, (title, f"shelf {number % 997}"))


def _end(number, rows, minutes, problem_every, chance):
    reason = Reason.COPIED
    if number % problem_every == 0:
        # Squared: a few reasons have most of the rows, as in life.
        reasons = list(SAID)
        reason = reasons[int(chance.random() ** 2 * len(reasons))]
    elif number % 371 == 7:
        reason = Reason.FOLDER_MARKER
    status, code, message = SAID.get(reason, (None, None, None))
    outcome = OUTCOME_OF[reason]
    size_bytes = (
        None if outcome is Outcome.MISSING else int(10 ** min(11.4, chance.gauss(9.6, 0.9)))
    )
    if reason in {Reason.EMPTY_OBJECT, Reason.FOLDER_MARKER}:
        size_bytes = 0
    elif reason is Reason.TOO_LARGE:
        size_bytes = int(5e11 * chance.uniform(1.05, 1.9))
    begun_ms = BEGAN_MS + int(_minute(number / rows, minutes) * 60_000)
    longest_ms = TAIL_SHARE * (minutes[0] + minutes[2]) * 60_000
    took_ms = int(20_000 + (size_bytes or 0) / 2e5 * chance.uniform(0.5, 2)) % int(longest_ms)
    sent = reason in SENT
    video = str(UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128))
    has_video = reason is Reason.COPIED or reason in WITH_VIDEO
    return (
        outcome.value, reason.value, "platform" if sent else "preflight", "list" if sent else None,
        size_bytes, f'"{number:032x}"', int(sent), begun_ms if sent else None,
        begun_ms + (took_ms if has_video else 300), video if has_video else None,
        status, code, message, 2 if reason is Reason.COPY_FAILED else 0,
        f'["{UUID(int=number)}"]' if number % 40_000 == 41 and has_video else None, number,
    )  # fmt: skip


def _minute(share, minutes):
    """When the row at this share of the batch was sent: in the first run, or in the second."""
    (first, gap, second) = minutes
    total = first + second
    at = share * total
    return at if at < first else at + gap


def _runs(checkpoint, rows):
    """Two runs, a night between them, an outage in the first and another quota in the second."""
    allowed = QUOTA if rows >= QUOTA else max(1, rows // 12)  # a small one is no mere moment
    active = rows * 1.06 / allowed
    first, gap, second = active * 0.6, max(30.0, active * 0.7), active * 0.4
    db = checkpoint
    at_ms = BEGAN_MS
    for minutes, code, quota in ((first, 130, allowed), (second, 3, allowed * 3 // 2)):
        with db.transaction():
            run_id = db.start_run(at_ms)
            ended = minutes + TAIL_SHARE * active  # the last copies take their time
            calls = _samples(db, run_id, at_ms, (minutes, ended), rows / active, quota)
            submit = int(calls * 0.94)
            counted = Calls(submit, calls - submit, throttled=0, retries=31,
                            announced_per_minute=quota)  # fmt: skip
            db.count_calls(run_id, counted)
            db.end_last_run(at_ms + int(ended * 60_000), code)
        at_ms += int((minutes + gap) * 60_000)
    return first, gap, second


def _samples(checkpoint, run_id, at_ms, minutes, per_minute, quota):
    """Samples of a run that sends for `minutes[0]` and then waits for copies; answers its calls."""
    sending, ended = minutes
    calls, step = 0.0, max(1 / 12, min(1.0, ended / 200))
    for number in range(int(ended / step) + 1):
        at = number * step
        outage = run_id == 1 and 0.55 < at / sending < 0.62
        held = (int(step * 60), "platform") if outage else (0, None)
        checkpoint.history.add_sample(
            Sample(run_id, at_ms + int(at * 60_000), int(calls), quota, 800, *held)
        )
        rate = min(quota, per_minute * 1.06) * (0.97 + 0.03 * (number * 7 % 11) / 11)
        calls += 0 if outage else (rate if at < sending else min(12, quota / 4)) * step
    return int(calls)
