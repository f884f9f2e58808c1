"""Moments of runs that no test waits for: a million rows, an outage, the last copies."""

from migrator.engine.snapshot import Problem, Snapshot

HOUR_MS = 3600 * 1000


def snapshot(**changes):
    """A run of a million rows, well under way."""
    values = {
        "batch": "9f8e7d6c", "pid": 4711, "host": "archive", "phase": "migrating",
        "started_ms": 0, "updated_ms": int(8.87 * HOUR_MS), "rows": 1_000_000, "done": 611_204,
        "outcomes": {
            "imported": 592_310, "rejected": 12_004, "missing": 5_811, "failed": 187,
            "skipped": 892,
        },
        "reasons": {"copied": 592_310},
        "states": {"pending": 385_001, "submitting": 19, "unresolved": 2, "copying": 3_774},
        "imported_bytes": 41_832_000_000_000, "in_flight": 3_774,
        "in_flight_bytes": 268_400_000_000, "max_in_flight": 5_000, "unresolved": 2,
        "calls": 607_412,
        "by_operation": {"submit": 598_112, "list": 9_120, "status": 151, "restart": 22,
                         "other": 7},
        "throttled": 0, "retries": 31, "rate_per_minute": 1_139.4, "average_per_minute": 1_141.2,
        "allowed_per_minute": 1_140, "announced_per_minute": 1_200, "waiting_on": "",
        "waiting_for": "", "eta_s": 20_411.0, "end_eta_s": 20_604.0, "problems": PROBLEMS,
    }  # fmt: skip
    return Snapshot(**{**values, **changes})


PROBLEMS = (
    Problem(row=610_977, outcome="missing", reason="object_not_found",
            place="s3://broadcast-masters/1987/autumn/evening-news-1987-10-16.mxf",
            message="NoSuchKey"),
    Problem(row=611_001, outcome="rejected", reason="access_denied",
            place="s3://legal-hold/interviews/第三話 完全版/interview 映画 final (2).mov",
            message="AccessDenied Access Denied"),
    Problem(row=611_102, outcome="rejected", reason="too_large",
            place="s3://broadcast-masters/raw/stadium-8k-master.mov",
            message="612000000000 bytes; the platform takes up to 500 GB"),
    Problem(row=611_188, outcome="failed", reason="copy_failed",
            place="s3://broadcast-masters/1987/winter/match-of-the-day-1987-12-05-part-2.mxf",
            message="UPLOAD_FAILED the source closed the connection after 3 attempts"),
    Problem(row=611_202, outcome="rejected", reason="empty_object",
            place="s3://broadcast-masters/1988/leer.mp4", message="the object has no bytes"),
)  # fmt: skip

MOMENTS = {
    "under-way": snapshot(),
    "starting": snapshot(
        phase="starting", rows=0, done=0, outcomes=dict.fromkeys(snapshot().outcomes, 0),
        imported_bytes=0, in_flight=0, in_flight_bytes=0, max_in_flight=None, unresolved=0,
        calls=1, by_operation={**dict.fromkeys(snapshot().by_operation, 0), "other": 1},
        rate_per_minute=0.0, average_per_minute=60.0, allowed_per_minute=600,
        announced_per_minute=None, eta_s=None, end_eta_s=None, problems=(), updated_ms=400,
    ),
    "sweeping": snapshot(
        phase="sweeping", done=0, outcomes=dict.fromkeys(snapshot().outcomes, 0),
        imported_bytes=0, in_flight=0, in_flight_bytes=0, unresolved=0, calls=1_201,
        by_operation={**dict.fromkeys(snapshot().by_operation, 0), "list": 1_198, "other": 3},
        eta_s=None,
        end_eta_s=None, problems=(), waiting_on="list", updated_ms=64_000,
        waiting_for="the team's list: 119,800 of 812,345 videos read",
    ),
    "outage": snapshot(
        rate_per_minute=58.0, eta_s=None, end_eta_s=None, waiting_on="platform",
        waiting_for="the platform: it does not answer (HTTP 503)",
    ),
    "in-flight-limit": snapshot(
        in_flight=5_000, in_flight_bytes=12_300_000_000_000, rate_per_minute=212.0,
        waiting_on="in_flight_limit", eta_s=110_000.0, end_eta_s=118_000.0,
        waiting_for="a place in flight: 5,000 copies run (--max-in-flight)",
    ),
    "last-copies": snapshot(
        done=999_913, in_flight=85, in_flight_bytes=9_140_000_000_000, rate_per_minute=4.0,
        waiting_on="copies", waiting_for="85 copies to end", eta_s=None, end_eta_s=190.0,
        outcomes={**snapshot().outcomes, "imported": 981_019}, imported_bytes=71_200_000_000_000,
    ),
}  # fmt: skip
