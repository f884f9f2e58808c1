"""The one transition table."""

import itertools

import pytest

from migrator.lifecycle import (
    FINAL,
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


def test_nothing_leaves_a_final_state():
    assert not [pair for pair in TRANSITIONS if pair[0] in FINAL]


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
        reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}
    assert State.PENDING not in reached
    assert State.SUBMITTING not in reached


def test_an_unknown_outcome_is_sent_again_only_after_its_absence_was_presumed():
    back = [pair for pair, after in TRANSITIONS.items() if after is State.PENDING]
    assert set(back) == {
        (State.SUBMITTING, Event.NOT_CREATED),
        (State.UNRESOLVED, Event.ABSENCE_PRESUMED),
    }
