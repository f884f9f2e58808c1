"""Clocks that jump: the machine's was set, or the machine was asleep."""

import pytest

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.values import Foreseen
from migrator.engine.awake import WAKING_S, AwakeClock
from migrator.engine.gateway import STALE_PERMIT_S
from migrator.engine.preflights import FRESH_MS, known
from migrator.lifecycle import State
from migrator.model import DecidedBy, Reason

HOUR_S = 3600.0


class Machine:
    def __init__(self):
        self.now_s = 1_000.0

    def __call__(self):
        return self.now_s


def test_an_hour_asleep_is_no_hour_of_an_outage():
    machine = Machine()
    clock = AwakeClock(machine)
    machine.now_s += 60  # a request that hangs
    before_s = clock()
    machine.now_s += HOUR_S
    assert clock() - before_s == WAKING_S
    machine.now_s += 1
    assert clock() - before_s == WAKING_S + 1
    machine.now_s += HOUR_S
    assert clock() - before_s == 2 * WAKING_S + 1


def test_while_awake_it_is_the_machines_clock_however_long_a_request_takes():
    machine = Machine()
    clock = AwakeClock(machine)
    for step_s in (0.0, 0.1, 30.0, 120.0):
        machine.now_s += step_s
        assert clock() == machine.now_s


def test_a_permit_from_before_a_sleep_is_stale_after_it():
    assert WAKING_S > STALE_PERMIT_S


@pytest.mark.parametrize(
    ("clock_jump_ms", "is_asked_again"),
    [
        (0, False),
        (-3_600_000, False),  # an hour either way costs nothing
        (3_600_000, False),
        (-FRESH_MS - 1, True),  # a day either way: nobody knows how old it is
        (FRESH_MS + 1, True),
    ],
)
def test_what_was_learned_of_an_object_is_trusted_for_a_day_by_a_clock_that_may_jump(
    clock_jump_ms, is_asked_again
):
    learned_ms = 1_700_000_000_000
    fields = dict.fromkeys(Transfer._fields)
    fields |= {"row": 1, "key": "k", "state": State.PENDING, "size_bytes": 5}
    transfer = Transfer(**{**fields, "preflighted_ms": learned_ms})
    now_ms = learned_ms + clock_jump_ms
    assert (known(transfer, None, now_ms) is None) == is_asked_again
    refused = Foreseen(Reason.ARCHIVED, DecidedBy.PREFLIGHT)
    assert (known(transfer, refused, now_ms) is None) == is_asked_again
