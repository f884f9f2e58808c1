"""How much is measured: sizes for a look within two minutes, and for figures to publish."""

from dataclasses import dataclass


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
    memory_rows: tuple[int, int]
    report_rows: int
    startup_repeats: int
    listing_keys: int
    preflight_heads: int


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
        report_rows=20_000,
        startup_repeats=5,
        listing_keys=50_000,
        preflight_heads=3_000,
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
        memory_rows=(1_000, 100_000),
        report_rows=1_000_000,
        startup_repeats=21,
        listing_keys=200_000,
        preflight_heads=20_000,
    )


SCALES = {"small": small, "full": full}
