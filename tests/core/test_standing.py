"""What a status is worth: it is told whether its run goes on, has ended, or is gone."""

import pytest

from migrator.cli.standing import standing
from tests.pictures.snapshots import snapshot

NOW_MS = 10_000_000


def of(age_s, *, there=True, host="archive", **changes):
    told = snapshot(updated_ms=NOW_MS - int(age_s * 1000), **changes)
    return standing(told, NOW_MS, host, lambda pid: there and pid == told.pid)


def test_of_a_run_that_goes_on_nothing_is_said():
    assert of(1) == of(9.9)
    assert of(1).words == ""
    assert not of(1).is_over


def test_a_run_that_has_ended_says_how():
    ended = of(7_200, there=False, exit_code=3)
    assert ended.words == "ended 2 h 00 min ago with exit code 3"
    assert ended.is_over
    assert ended.is_in_order


def test_a_process_that_is_gone_without_an_end_was_killed_and_can_be_resumed():
    gone = of(1, there=False)
    assert gone.is_over
    assert not gone.is_in_order
    assert "process 4711 is gone" in gone.words
    assert "resume" in gone.hint


def test_a_process_that_writes_nothing_is_said_to_be_held_up_and_is_still_watched():
    held = of(400)
    assert "6 min 40 s old" in held.words
    assert not held.is_over
    assert not held.is_in_order


@pytest.mark.parametrize("phase", ["settled", "stopped"])
def test_after_its_last_phase_it_writes_the_reports(phase):
    assert of(60, phase=phase).words == "the reports are being written"


def test_of_another_machine_only_the_age_is_known():
    assert of(1, there=False, host="desk") == of(1)
    far = of(60, there=False, host="desk")
    assert "process 4711 on archive" in far.words
    assert not far.is_over


def test_a_clock_that_is_behind_makes_no_status_old():
    assert of(-3_600).words == ""
