"""What a seed stands for: the catalogue, its fates, and all that will go wrong.

A fate is a function of the object and never of the time, so that every run of the same world must
come to the same outcome and reason, however it was interrupted.
"""

import math
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from migrator.model import OUTCOME_OF, Reason

EPOCH_S = 1_780_000_000.0
"""The wall clock when a simulation begins."""

CHANGES = ("sorted", "sorted", "sorted", "by_creation", "untold", "only_created")
"""What the list does with `sortBy=updatedAt`: as asked; it ignores that; videos do not tell when
they were changed; or they tell, and do not count what becomes of a copy as a change."""

NETWORK_FAULTS = (
    "refused", "lost_before", "lost_after", "late", "error_before", "error_after", "truncated",
    "html", "withheld", "slow", "throttle", "odd",
)  # fmt: skip
"""What may happen to a single request; see network.py."""

OUTAGES = ("down", "silent", "errors", "posts", "key")
"""What may be wrong with the platform for minutes."""


@dataclass(frozen=True)
class Fate:
    """What becomes of an object.

    `weight` is its share among others; `bucket` names a bucket whose objects all share it. `told`
    says who knows: the source (a HEAD shows it), the platform, or nobody (the copy is made).
    """

    reason: Reason
    weight: float
    bucket: str | None = None
    told: str = "nobody"
    code: tuple[int, str, str] | None = None
    failures: float = 0


FATES = {
    "good": Fate(Reason.COPIED, 60),
    "fails_once": Fate(Reason.COPIED, 4, failures=1),
    "fails_twice": Fate(Reason.COPIED, 2, failures=2),
    "fails_always": Fate(Reason.COPY_FAILED, 3, failures=math.inf),
    "mismatch": Fate(Reason.SIZE_MISMATCH, 2),
    "stalls": Fate(Reason.STUCK, 1),
    "vanishes": Fate(Reason.DELETED, 2),
    "unreadable": Fate(Reason.INGESTION_FAILED, 2),
    "poisoned": Fate(Reason.GAVE_UP, 0.5, told="platform", code=(500, "INTERNAL", "oops")),
    "refused": Fate(
        Reason.INVALID_REQUEST, 1, told="platform", code=(400, "VALIDATION_ERROR", "no")
    ),
    "borderline": Fate(
        Reason.TOO_LARGE, 1, told="platform", code=(400, "VALIDATION_ERROR", "over 500 GB")
    ),
    "no_video": Fate(
        Reason.UNSUPPORTED_CONTENT, 1, told="platform", code=(400, "UNSUPPORTED_CONTENT_TYPE", "")
    ),
    "forbidden": Fate(Reason.ACCESS_DENIED, 1, told="platform", code=(403, "ACCESS_DENIED", "")),
    "gone": Fate(Reason.OBJECT_NOT_FOUND, 1, told="platform", code=(404, "KEY_NOT_FOUND", "")),
    "platform_keys": Fate(
        Reason.BAD_CREDENTIALS, 1.5, "closed", "platform", (400, "INVALID_CREDENTIALS", "keys")
    ),
    "missing": Fate(
        Reason.OBJECT_NOT_FOUND, 2, told="source", code=(404, "KEY_NOT_FOUND", "")
    ),
    "no_bucket": Fate(
        Reason.BUCKET_NOT_FOUND, 1, "lost", "source", (404, "BUCKET_NOT_FOUND", "")
    ),
    "denied": Fate(Reason.ACCESS_DENIED, 1, told="source", code=(400, "HEAD_OBJECT_ERROR", "")),
    "source_keys": Fate(
        Reason.BAD_CREDENTIALS, 1, "sealed", "source", (400, "INVALID_CREDENTIALS", "keys")
    ),
    "too_large": Fate(
        Reason.TOO_LARGE, 1, told="source", code=(400, "VALIDATION_ERROR", "more than 500GB")
    ),
    "empty": Fate(Reason.EMPTY_OBJECT, 1, told="head"),
    "marker": Fate(Reason.FOLDER_MARKER, 1, told="head"),
    "archived": Fate(Reason.ARCHIVED, 1, told="head"),
    "old_version": Fate(Reason.VERSION_NOT_CURRENT, 1, told="head"),
    "there_done": Fate(Reason.COPIED, 2),
    "there_running": Fate(Reason.COPIED, 1),
    "there_failed": Fate(Reason.COPIED, 1, failures=1),
    "look_alike": Fate(Reason.AMBIGUOUS, 1),
    "invalid": Fate(Reason.INVALID_ROW, 1),
    "again": Fate(Reason.DUPLICATE_ROW, 2),
}  # fmt: skip

BEFORE = frozenset({"there_done", "there_running", "there_failed", "look_alike"})
"""Fates of objects that the platform holds something of before the first run."""


@dataclass(eq=False)
class Thing:
    """An object of the catalogue (a row of it), and what the world saw of it."""

    row: int
    bucket: str
    key: str
    size: int
    fate: str
    copy_s: float
    ingest_s: float
    expected: frozenset
    again: "Thing | None" = None
    unknown: int = 0
    posts: int = 0
    restarts: int = 0
    videos: list = field(default_factory=list)
    known: set = field(default_factory=set)

    @property
    def version_id(self):
        return "v1" if self.fate == "old_version" else None


@dataclass(frozen=True)
class Outage:
    """From `begin_s` to `end_s` something is wrong with every request (or each POST)."""

    begin_s: float
    end_s: float
    kind: str


@dataclass
class Climate:
    """All that a seed decides before anything runs."""

    seed: int
    things: list
    rates: dict
    outages: list
    source_outages: list
    source_fault: float
    limits: list
    keys: int
    others_share: float
    skew_s: float
    jumps: list
    late_s: float
    visible_s: float
    settle_s: float
    strict: bool
    ties: bool
    iso: bool
    changes: str
    page_size: int
    preflight: bool
    listing: bool
    list_s: tuple
    order_by: str
    until: str
    tag_in: str
    assume_empty: bool
    concurrency: int
    max_in_flight: int
    max_in_flight_bytes: int | None
    reserve_percent: float
    restarts: int
    attempts: int
    stuck_s: float
    max_outage_s: float
    disk_s: tuple
    delay_s: tuple
    foreign: int
    churn: list
    starts: list
    stopping: dict

    def outage(self, now_s):
        """The outage at a moment, or None."""
        return next((o for o in self.outages if o.begin_s <= now_s < o.end_s), None)


KEYS = (1, 1, 1, 2)
"""API keys of a batch, each for some of its two buckets."""

LISTING_S = ((0.001, 0.2), (0.5, 10.0), (5.0, 120.0))
"""How long a page of a listing takes: rows are sent meanwhile."""

ORDERS = ("manifest", "manifest", "size-asc", "size-desc")
"""In which order rows are sent; of some of them a manifest tells no size."""


def draw(seed):
    """The climate of a seed."""
    rng = Random(f"climate {seed}")  # a text: the same whatever the hash seed
    tag_in = "none" if rng.random() < 0.08 else "description"
    visible_s, late_s, settle_s, strict = _patience(rng, tagging=tag_in != "none")
    preflight = rng.random() < 0.9
    assume_empty = rng.random() < 0.15
    until = "ingested" if rng.random() < 0.2 else "copied"
    faulty = rng.random() < 0.9
    limit = rng.choice([1, 5, 30, 60, 120, 600, 600, 1200, 1200, 6000, 60_000])
    rows = _rows(rng, limit)
    listing = rng.random() < 0.1
    things = _things(
        rng, rows, preflight=preflight, until=until, there=tag_in != "none" and not assume_empty,
        look_alikes=preflight and not assume_empty, listing=listing, tagging=tag_in != "none",
    )  # fmt: skip
    return Climate(
        seed=seed,
        things=things,
        rates={
            fault: rng.uniform(0.01, 0.10) * (0.5 if limit < 10 else 1)
            for fault in NETWORK_FAULTS
            if faulty and rng.random() < 0.5
        },
        outages=_outages(rng) if faulty else [],
        source_outages=_spans(rng, 1, 600.0) if rng.random() < 0.2 else [],
        source_fault=rng.choice([0, 0, 0.02, 0.1]),
        limits=_limits(rng, limit),
        keys=Random(f"keys {seed}").choice(KEYS),
        others_share=rng.choice([0, 0, 0, 0.1, 0.5, 1.2]),
        skew_s=rng.choice([0, 0, 0.7, -3600, 3600, -86400]),
        jumps=_jumps(rng),
        late_s=late_s,
        visible_s=visible_s,
        settle_s=settle_s,
        strict=strict,
        ties=rng.random() < 0.3,
        iso=rng.random() < 0.5,
        changes=Random(f"changes {seed}").choice(CHANGES),
        page_size=rng.choice([10, 10, 25, 100]),
        preflight=preflight,
        listing=listing,
        list_s=Random(f"listing {seed}").choice(LISTING_S),
        order_by=Random(f"order {seed}").choice(ORDERS),
        until=until,
        tag_in=tag_in,
        assume_empty=assume_empty,
        concurrency=rng.choice([1, 4, 8, 16]),
        max_in_flight=rng.choice([1, 5, 40, 5000, 5000]),
        max_in_flight_bytes=_bytes(Random(f"bytes {seed}"), things, sized=preflight or listing),
        reserve_percent=rng.choice([0, 5, 5, 20]),
        restarts=rng.choice([2, 4]),
        attempts=rng.choice([5, 8]),
        stuck_s=rng.choice([1800.0, 3600.0]),
        max_outage_s=rng.choice([120.0, 900.0, 3600.0]),
        disk_s=rng.choice([(0.0, 0.002), (0.001, 0.02), (0.01, 0.3), (0.5, 3.0)]),
        delay_s=rng.choice([(0.001, 0.05), (0.02, 0.4), (0.2, 2.0)]),
        foreign=rng.choice([0, 3, 30, 150]),
        churn=_churn(rng),
        starts=_starts(rng),
        stopping=_stopping(Random(f"stopping {seed}"), rows),
    )


def _bytes(rng, things, *, sized):
    """How many bytes may be in flight: any number, or some of all, where sizes are known."""
    if not sized or rng.random() < 0.6:
        return None
    sizes = sorted(thing.size for thing in things)
    return max(1, rng.choice([sizes[len(sizes) // 2], sizes[-1] // 2, sum(sizes) // 4]))


def _stopping(rng, rows):
    """What the operator tolerates; most say nothing."""
    limits = {}
    if rng.random() < 0.15:
        limits["canary"] = rng.randint(1, max(1, rows // 4))
    if rng.random() < 0.1:
        limits["tolerated_failure_count"] = rng.randint(0, max(1, rows // 4))
    if rng.random() < 0.1:
        limits["tolerated_failure_percentage"] = rng.choice([0.0, 2.0, 10.0, 30.0])
    if rng.random() < 0.1:
        limits["max_duration"] = timedelta(seconds=rng.choice([5.0, 60.0, 600.0, 3600.0]))
    return limits


def calm(climate):
    """Nothing goes wrong any more: what is open must end now."""
    climate.rates, climate.outages, climate.source_outages = {}, [], []
    climate.source_fault = climate.others_share = 0
    climate.churn = []
    climate.stopping = {}


def _patience(rng, *, tagging):
    """How late a video may come to be, and to be seen, against how long the engine waits."""
    settle_s = rng.choice([5.0, 30.0, 30.0, 60.0])
    # Without a tag nobody can tell a duplicate that shows itself late.
    strict = rng.random() < 0.9 or not tagging
    if not strict:
        return settle_s * rng.uniform(0.5, 3), settle_s, settle_s, False
    late_s = rng.choice([0, 0, rng.uniform(0, settle_s)])
    visible_s = rng.choice([0, 0, rng.uniform(0, max(0.0, settle_s - late_s))])
    return visible_s, late_s * 0.98, settle_s, True


def _rows(rng, limit):
    if limit <= 5:
        return rng.randint(1, 12)
    return rng.choice([rng.randint(1, 12), rng.randint(10, 60), rng.randint(20, 120), 200])


def _things(rng, rows, *, preflight, until, there, look_alikes, listing, tagging):
    names = [
        name
        for name, fate in FATES.items()
        if (there or name not in BEFORE - {"look_alike"})
        and (look_alikes or name != "look_alike")
        and (preflight or fate.told != "head")
        # Without a tag a video is told by its name and size, so that these two would be others'.
        and (tagging or name != "mismatch")
        and not (listing and (fate.told in {"source", "head"} or name in {"again", "invalid"}))
    ]
    plain = rng.random() < 0.3
    weights = [FATES[name].weight * (1 if name == "good" or not plain else 0.1) for name in names]
    things = []
    for row in range(1, rows + 1):
        fate = rng.choices(names, weights)[0]
        again = None
        if fate == "again":
            again = next((t for t in things if t.again is None and t.fate != "invalid"), None)
            fate = fate if again else "good"
        bucket = FATES[fate].bucket or rng.choice(["masters", "archive"])
        key = f"{rng.choice('abc')}/{row:03d}.mov" + ("/" if fate == "marker" else "")
        copy_s = rng.choice([0.0, rng.uniform(1, 60), rng.uniform(1, 60), rng.uniform(60, 900)])
        things.append(
            Thing(
                row,
                bucket,
                key,
                _size(rng, fate),
                fate,
                copy_s,
                rng.uniform(1, 120),
                _expected(fate, sized=preflight or listing, until=until),
                again,
            )
        )
    if listing:  # S3 lists in the order of the keys, bucket by bucket
        things.sort(key=lambda thing: (thing.bucket, thing.key.encode()))
        for row, thing in enumerate(things, start=1):
            thing.row = row
    return things


def _size(rng, fate):
    if fate in {"empty", "marker"}:
        return 0
    if fate == "too_large":
        return 600 * 2**30
    if fate == "borderline":
        return 510 * 10**9
    return rng.randint(1, 10**10)


def _expected(fate, *, sized, until):
    reason = FATES[fate].reason
    if fate == "unreadable" and until == "copied":
        reason = Reason.COPIED
    if fate == "mismatch" and not sized:
        reason = Reason.COPIED
    return frozenset({(OUTCOME_OF[reason], reason)})


def _spans(rng, most, longest_s):
    spans, begin_s = [], 0.0
    for _ in range(rng.randint(1, most)):
        begin_s += rng.expovariate(1 / 300)
        spans.append((begin_s, begin_s + rng.uniform(2, longest_s)))
        begin_s = spans[-1][1]
    return spans


def _outages(rng):
    if rng.random() < 0.5:
        return []
    spans = _spans(rng, 3, rng.choice([60, 300, 300, 1800]))
    return [Outage(begin_s, end_s, rng.choice(OUTAGES)) for begin_s, end_s in spans]


def _limits(rng, limit):
    """(first window, requests a minute) from there on."""
    limits = [(-10, limit)]
    if rng.random() < 0.2:
        limits.append((rng.randint(1, 6), max(1, int(limit * rng.choice([0.1, 0.5, 3])))))
    return limits


def _jumps(rng):
    """(moment, seconds) of the local wall clock."""
    if rng.random() < 0.7:
        return []
    sizes = [-86400, -3600, -60, 60, 3600, 86400]
    return sorted((rng.uniform(0, 900), rng.choice(sizes)) for _ in range(rng.randint(1, 3)))


def _churn(rng):
    """Moments at which others make (+1) or delete (-1) a video."""
    if rng.random() < 0.5:
        return []
    mean_s, deletions = rng.choice([(1.0, 1.0), (5.0, 0.25), (5.0, 1.0), (30.0, 0.5)])
    moment_s, churn = 0.0, []
    while moment_s < 3600 and len(churn) < 400:
        moment_s += rng.expovariate(1 / mean_s)
        churn.append((moment_s, rng.choices([1, -1], [1.0, deletions])[0]))
    return churn


@dataclass(frozen=True)
class Ending:
    """How a start of the program ends: at the `nth` event of a kind, or after `after_s`.

    `how` is kill, stop, abort (a stop, and a kill while it drains), full (the disk is full for
    `lasts_s`) or lost (a kill, and the checkpoint is gone).
    """

    how: str
    event: str
    nth: int
    after_s: float
    gap_s: float
    lasts_s: float


def _starts(rng):
    endings = []
    for _ in range(rng.choice([0, 1, 1, 2, 3, 5, 8])):
        how = rng.choices(["kill", "stop", "abort", "full", "lost"], [5, 2, 1, 1, 0.4])[0]
        event = rng.choice(
            ["time", "time", "post", "answer", "commit", "committed", "send", "head"]
        )
        few = rng.random() < 0.5
        endings.append(
            Ending(
                how,
                event,
                rng.randint(1, 12 if few else 150),
                rng.expovariate(1 / rng.choice([3.0, 60.0, 400.0])),
                rng.choice([0.0, rng.uniform(0, 5), rng.uniform(0, 120), rng.uniform(0, 4000)]),
                rng.uniform(1, 30),
            )
        )
    return endings
