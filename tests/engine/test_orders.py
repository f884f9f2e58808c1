"""Events in any order: a transfer, the decisions about it, and a platform that keeps count.

Hypothesis plays the world: requests that make a video or none, answers that arrive or are lost,
crashes, sweeps, looks, restarts. After each step the promises about one object must hold.
"""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from migrator.checkpoint.change import Change
from migrator.checkpoint.store import Checkpoint
from migrator.engine import decide
from migrator.lifecycle import FINAL, TRANSITIONS, WITH_VIDEO, Event, IllegalTransition, State
from migrator.model import OUTCOME_OF, LearnedBy, ManifestRow
from migrator.pixop.client import Answer, Lost, NotSent
from migrator.pixop.quota import Quota

VIDEO = "44444444-4444-4444-8444-44444444444{}"
STATUSES = st.sampled_from([None, "INITIAL", "IN_PROGRESS", "DONE", "FAILED", "NEW"])

MADE = [
    Answer(202, b'{"videoId": "%s"}', Quota(), 5),
    Answer(202, b'{"videoId": "', Quota(), 5),
    Answer(200, b"<html>", Quota(), 5),
    Answer(500, b"{}", Quota(), 5),
    Answer(503, b"<html>", Quota(), 5),
    Answer(408, b"", Quota(), 5),
    Answer(302, b"", Quota(), 5),
    Lost("timed out"),
    Lost("cut", 202),
]
"""Answers after which a video may be there."""

NOT_MADE = [
    NotSent("connection refused"),
    *(Answer(status, b"{}", Quota(), 5) for status in (400, 401, 403, 404, 409, 413, 429)),
    Answer(500, b"{}", Quota(), 5),
    Answer(302, b"", Quota(), 5),
    Lost("reset"),
]
"""Answers after which there may be none."""


def at(*states):
    return precondition(lambda world: world.row.state in states)


class World(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.checkpoint = Checkpoint.create(self.directory, {})
        with self.checkpoint.transaction():
            self.checkpoint.add_source(1, "manifest", "m", ["bucket", "key"], "")
            self.checkpoint.add_rows(1, [ManifestRow(1, "bucket", "a key")], "", 1)
        self.rules = decide.CopyRules(restarts=2, until_ingested=False)
        self.videos = []
        self.ended = None

    def teardown(self):
        self.checkpoint.close()
        shutil.rmtree(self.directory)

    @property
    def row(self):
        return self.checkpoint.transfer(1)

    def apply(self, change):
        with self.checkpoint.transaction():
            self.checkpoint.apply(1, self.row.state, change)

    @at(State.PENDING)
    @rule()
    def the_intent_is_written(self):
        change = Change(Event.SUBMIT, {"attempts": self.row.attempts + 1, "intent_date_s": 5})
        self.before = self.row
        self.apply(change)

    @at(State.SUBMITTING)
    @rule(reply=st.sampled_from(MADE))
    def the_request_makes_a_video(self, reply):
        video_id = VIDEO.format(len(self.videos))
        self.videos.append(video_id)
        if isinstance(reply, Answer) and b"%s" in reply.body:
            reply = Answer(202, reply.body % video_id.encode(), Quota(), 5)
        self.apply(decide.judge_submit(reply, self.before, 9).change)

    @at(State.SUBMITTING)
    @rule(reply=st.sampled_from(NOT_MADE))
    def the_request_makes_none(self, reply):
        self.apply(decide.judge_submit(reply, self.before, 9).change)

    @at(State.SUBMITTING)
    @rule(arrived=st.booleans())
    def the_program_is_killed_in_the_air(self, arrived):
        if arrived:
            self.videos.append(VIDEO.format(len(self.videos)))
        self.apply(Change(Event.OUTCOME_UNKNOWN))

    @at(State.UNRESOLVED)
    @rule()
    def it_is_looked_for(self):
        if self.videos:
            seen = [decide.Seen(video_id, 5, "IN_PROGRESS") for video_id in self.videos]
            self.apply(decide.found(seen, adopted=False))
        else:
            self.apply(decide.absent())

    @at(State.UNRESOLVED)
    @rule()
    def another_video_looks_like_it(self):
        self.apply(decide.ambiguous(VIDEO.format(9), 9))

    @at(*WITH_VIDEO)
    @rule(upload=STATUSES, ingestion=STATUSES, size=st.sampled_from([None, 0, 5, 6]))
    def the_copy_is_looked_at(self, upload, ingestion, size):
        row = self.row
        sight = decide.Sight(upload, 50.0, size, ingestion)
        change = decide.judge_copy(row.state, row.restarts, 5, sight, self.rules, LearnedBy.LIST, 9)
        if change is not None:
            self.apply(change)

    @at(State.RESTARTING)
    @rule(reply=st.sampled_from([*MADE, *NOT_MADE]))
    def a_restart_is_answered(self, reply):
        before = self.row.restarts
        self.apply(decide.restart(before))
        change = decide.judge_restart(reply, before, 9)
        if change is not None:
            self.apply(change)

    @at(*WITH_VIDEO)
    @rule(change=st.sampled_from([decide.deleted(9), decide.stuck(7.0, 9)]))
    def it_is_deleted_or_does_not_move(self, change):
        self.apply(change)

    @rule(event=st.sampled_from(Event))
    def what_cannot_happen_raises_with_the_story_and_changes_nothing(self, event):
        row = self.row
        if (row.state, event) in TRANSITIONS:
            return
        with pytest.raises(IllegalTransition, match=r"s3://bucket/'a key', .* attempts \d"):
            self.apply(Change(event))
        assert self.row == row

    @invariant()
    def there_is_never_a_second_video(self):
        assert len(self.videos) <= 1

    @invariant()
    def a_row_that_has_a_video_or_may_have_one_is_neither_pending_nor_refused(self):
        without = {State.PENDING, State.REJECTED, State.MISSING, State.SKIPPED}
        assert not (self.videos and self.row.state in without)

    @invariant()
    def a_row_that_follows_a_video_follows_the_one_that_is_there(self):
        if self.row.state in WITH_VIDEO | {State.IMPORTED}:
            assert [self.row.video_id] == self.videos

    @invariant()
    def an_end_is_an_end_and_says_why(self):
        row = self.row
        if self.ended is not None:
            assert row == self.ended
        if row.state in FINAL:
            assert OUTCOME_OF[row.reason].value == row.state.value
            self.ended = row


TestOrders = World.TestCase
TestOrders.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
