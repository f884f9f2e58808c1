"""The one transition table."""

import itertools

import pytest

from migrator.lifecycle import (
    FINAL,
    RETRYING,
    TRANSITIONS,
    WITH_VIDEO,
    Event,
    IllegalTransition,
    State,
    advance,
)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_pair_either_moves_as_the_table_says_or_raises_with_the_story(state, event):
    if (state, event) in TRANSITIONS:
        assert advance(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalTransition, match="row 7"):
            advance(state, event, "row 7")


def test_nothing_but_a_retry_leaves_a_final_state():
    assert {event for state, event in TRANSITIONS if state in FINAL} == RETRYING
    assert {state for state, event in TRANSITIONS if event in RETRYING} & FINAL == {
        State.REJECTED,
        State.MISSING,
        State.FAILED,
    }


BY_A_RUN = {pair: after for pair, after in TRANSITIONS.items() if pair[1] not in RETRYING}


def test_every_state_is_reached_from_pending():
    reached = {State.PENDING}
    for _ in State:
        reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}
    assert reached == set(State)


def test_every_open_state_can_end():
    ending = set(FINAL)
    for _ in State:
        ending |= {before for (before, _), after in TRANSITIONS.items() if after in ending}
    assert ending == set(State)


def test_a_row_that_has_a_video_never_goes_back_to_pending():
    reached = set(WITH_VIDEO)
    for _ in State:
        reached |= {after for (before, _), after in BY_A_RUN.items() if before in reached}
    assert State.PENDING not in reached
    assert State.SUBMITTING not in reached


def test_a_retry_sends_no_failed_row_again_before_its_absence_was_presumed():
    reached = {State.FAILED, *WITH_VIDEO, State.REPLACING}
    for _ in State:
        reached |= {
            after
            for (before, event), after in TRANSITIONS.items()
            if before in reached and event is not Event.ABSENCE_PRESUMED
        }
    assert State.PENDING not in reached


def test_a_row_with_a_video_is_looked_for_only_after_that_video_is_proven_gone():
    reached = {*WITH_VIDEO, State.REPLACING}
    for _ in State:
        reached |= {
            after
            for (before, event), after in TRANSITIONS.items()
            if before in reached and event not in {Event.REMOVED, Event.LOOK_FOR}
        }
    assert not reached & {State.UNRESOLVED, State.PENDING, State.SUBMITTING}


def test_an_unknown_outcome_is_sent_again_only_after_its_absence_was_presumed():
    back = [pair for pair, after in TRANSITIONS.items() if after is State.PENDING]
    assert set(back) == {
        (State.SUBMITTING, Event.NOT_CREATED),
        (State.UNRESOLVED, Event.ABSENCE_PRESUMED),
        (State.REJECTED, Event.REOPEN),
        (State.MISSING, Event.REOPEN),
    }
