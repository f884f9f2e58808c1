"""What always holds, over many worlds: each test plays a range of seeds on virtual time."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from simulation.climate import calm, draw
from simulation.mutations import MUTATIONS
from simulation.world import play

SEEDS = int(os.environ.get("MIGRATOR_SEEDS", "300"))
ROOT = Path(__file__).parents[2]


def test_what_always_holds_holds_in_every_world():
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        verdicts = pool.map(play, range(1, SEEDS + 1), chunksize=8)
    failed = {verdict.seed: verdict.violation for verdict in verdicts if verdict.violation}
    assert not failed, f"replay with `make simulate SEED={min(failed)}`: {failed}"
    assert sum(len(verdict.rows) for verdict in verdicts) > 10 * SEEDS
    assert sum(verdict.starts for verdict in verdicts) > 2 * SEEDS


@pytest.mark.parametrize("seed", [3, 24])
def test_a_seed_replays_exactly_whatever_the_hash_seed(seed):
    script = f"from simulation.world import play; print(play({seed}).digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT / "tests")},
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }  # fmt: skip
    assert digests == {f"{play(seed).digest}\n"}


@pytest.mark.parametrize("seed", range(1, 13))
def test_an_uninterrupted_run_of_a_faultless_world_ends_as_the_verdicts_on_its_objects_say(seed):
    climate = draw(seed)
    calm(climate)
    climate.starts, climate.jumps, climate.strict = [], [], True
    climate.visible_s = climate.late_s = 0.0
    verdict = play(seed, climate=climate)
    assert verdict.violation is None
    assert verdict.starts == 1


@pytest.mark.parametrize(
    ("mutation", "seeds"),
    [
        ("sends_before_the_intent_is_durable", range(1, 4)),
        ("takes_a_lost_answer_for_not_created", range(1, 20)),
        ("forgets_open_requests_at_a_restart", range(27, 60)),
        ("sends_more_than_the_quota", range(1, 20)),
        ("goes_on_when_the_disk_is_full", range(27, 40)),
        ("sends_a_failed_copy_again", range(1, 20)),
        ("forgets_the_bytes_of_lost_answers", range(12, 26)),
        ("cancels_what_is_in_flight_at_a_stop", range(1, 40)),
    ],
)
def test_a_defect_in_the_engine_is_found(mutation, seeds):
    with MUTATIONS[mutation]():
        assert any(play(seed).violation for seed in seeds)
