"""How much is measured: sizes for a look within two minutes, and for figures to publish."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Sizes of one bench. `seed` is that of everything random."""

    seed: int
    manifest_rows: int
    manifest_repeats: int
    ceiling_objects: int
    ceiling_rounds: int
    calls_objects: int
    quota_objects: int
    sandbox_creates: int
    media_answers: int
    memory_rows: tuple[int, ...]
    resume_rows: int
    size_rows: int
    latency_copies: int
    virtual_objects: int
    report_rows: int
    startup_repeats: int
    listing_keys: int
    preflight_heads: int
    overlap_keys: int
    cluster_heads: int
    cluster_slow_heads: int


def small(seed):
    return Scale(
        seed=seed,
        manifest_rows=50_000,
        manifest_repeats=3,
        ceiling_objects=5_000,
        ceiling_rounds=3,
        calls_objects=1_000,
        quota_objects=600,
        sandbox_creates=2_000,
        media_answers=1_000,
        memory_rows=(1_000, 20_000),
        resume_rows=20_000,
        size_rows=20_000,
        latency_copies=200,
        virtual_objects=2_000,
        report_rows=20_000,
        startup_repeats=5,
        listing_keys=50_000,
        preflight_heads=3_000,
        overlap_keys=20_000,
        cluster_heads=10_000,
        cluster_slow_heads=3_200,
    )


def full(seed):
    return Scale(
        seed=seed,
        manifest_rows=1_000_000,
        manifest_repeats=5,
        ceiling_objects=50_000,
        ceiling_rounds=5,
        calls_objects=10_000,
        quota_objects=5_000,
        sandbox_creates=20_000,
        media_answers=2_000,
        memory_rows=(10_000, 100_000, 1_000_000),
        resume_rows=1_000_000,
        size_rows=1_000_000,
        latency_copies=1_000,
        virtual_objects=100_000,
        report_rows=1_000_000,
        startup_repeats=21,
        listing_keys=200_000,
        preflight_heads=20_000,
        overlap_keys=200_000,
        cluster_heads=100_000,
        cluster_slow_heads=16_000,
    )


LARGE = ("manifest_rows", "report_rows", "resume_rows", "size_rows")
"""What `--rows` sets, beside the last of `memory_rows`."""

SENT = ("calls_objects", "quota_objects", "ceiling_objects")
"""What `--objects` sets."""


def resized(scale, rows, objects):
    """The scale with other sizes, as far as they are given."""
    changed = {name: rows for name in LARGE if rows} | {name: objects for name in SENT if objects}
    if objects:
        changed["virtual_objects"] = objects
    if rows:
        smaller = tuple(each for each in scale.memory_rows[:-1] if each < rows)
        changed["memory_rows"] = (*smaller, rows) if smaller else (max(1, rows // 10), rows)
    return replace(scale, **changed)


SCALES = {"small": small, "full": full}
