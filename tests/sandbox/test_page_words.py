"""How the page spells sizes, durations, counts and deliveries."""

import pytest

from migrator.sandbox.page import words
from migrator.sandbox.page.glance import COUNTED_TO
from migrator.sandbox.webhooks.values import Event, Response


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (1_440_000_000_000, "1.44 TB"),
    ],
)
def test_sizes_have_three_digits(size_bytes, said):
    assert words.size_in_words(size_bytes) == said


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (480, "0.5 s"),
        (9_949, "9.9 s"),
        (9_950, "0:10"),
        (10_000, "0:10"),
        (59_600, "1:00"),
        (3_723_000, "1:02:03"),
    ],
)
def test_durations_are_as_players_show_them(milliseconds, said):
    assert words.duration_in_words(milliseconds) == said


def test_a_count_that_ended_early_says_so():
    assert words.counted(COUNTED_TO) == "10,000"
    assert words.counted(COUNTED_TO + 1) == "10,000+"


@pytest.mark.parametrize(
    ("is_successful", "due_at", "said"),
    [
        (1, None, "delivered"),
        (0, None, "given up"),
        (0, 10_000, "due"),
        (0, 10_001, "due in 1 s"),
        (0, 3_610_000, "due in 3,600 s"),
    ],
)
def test_an_event_is_delivered_given_up_or_due(is_successful, due_at, said):
    event = Event(
        *(1, "", "", "", "video_in.done", "", 0, 0, 0),
        is_successful=is_successful,
        attempts=1,
        was_put_off=0,
        first_tried_at=0,
        due_at=due_at,
    )
    assert words.outcome_of(event, machine_ms=10_000) == said


def test_what_came_of_an_attempt_is_the_answer_or_why_there_is_none():
    assert words.answer_of(Response(0, 12, 200)) == "200 after 12 ms"
    assert words.answer_of(Response(0, 12, 500, "a\n  b")) == "500 after 12 ms: a b"
    lost = Response(0, 10_000, 0, None, "TIMEOUT", None)
    assert words.answer_of(lost) == "TIMEOUT (10,000 ms)"
