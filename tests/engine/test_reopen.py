"""What `retry` does with a row: every reason with every flag, and what no flag can bring about."""

import itertools

import pytest

from migrator.checkpoint.change import Transfer
from migrator.engine import decide
from migrator.engine.decide import OldVideo
from migrator.engine.reopen import LEFT, NEVER, Act, Choice, act_on, change_for
from migrator.engine.tag import Tag
from migrator.lifecycle import TRANSITIONS, Event, State, advance
from migrator.model import OUTCOME_OF, DecidedBy, Outcome, Reason
from migrator.pixop.client import Answer
from migrator.pixop.quota import Quota

VIDEO = "44444444-4444-4444-8444-444444444444"
OBJECT = b"0123456789abcdef"
RETRIABLE = [reason for reason in Reason if reason not in NEVER]
WITH_VIDEO = {
    Reason.COPY_FAILED, Reason.INGESTION_FAILED, Reason.SIZE_MISMATCH, Reason.STUCK, Reason.DELETED,
}  # fmt: skip
FLAGS = [
    {"replace": replace, "accept_duplicates": accept}
    for replace, accept in itertools.product([False, True], repeat=2)
]


def row(reason, **values):
    known = {
        "row": 1, "source_id": 1, "object_id": OBJECT, "bucket": "b", "key": "k",
        "state": State(OUTCOME_OF[reason].value), "reason": reason, "raw": 0, "adopted": 0,
        "attempts": 1, "restarts": 2, "video_id": VIDEO if reason in WITH_VIDEO else None,
        "intent_date_s": 77, "decided_by": DecidedBy.PLATFORM,
    }  # fmt: skip
    fields = dict.fromkeys(Transfer._fields)
    return Transfer(**{**fields, "forgiven": 0, "accepted": 0, **known, **values})


def test_every_reason_can_be_retried_or_says_why_not():
    assert {OUTCOME_OF[reason] for reason in RETRIABLE} == {
        Outcome.REJECTED, Outcome.MISSING, Outcome.FAILED,
    }  # fmt: skip
    assert all(NEVER.values())


@pytest.mark.parametrize(
    ("reason", "plain", "replacing", "accepting"),
    [
        (Reason.COPY_FAILED, Act.RESTART, Act.REPLACE, Act.RESTART),
        (Reason.STUCK, Act.RESTART, Act.REPLACE, Act.RESTART),
        (Reason.SIZE_MISMATCH, Act.LOOK, Act.REPLACE, Act.LOOK),
        (Reason.INGESTION_FAILED, Act.LOOK, Act.REPLACE, Act.LOOK),
        (Reason.DELETED, Act.NEEDS_REPLACE, Act.REPLACE, Act.NEEDS_REPLACE),
        (Reason.GAVE_UP, Act.LOOK_FOR, Act.LOOK_FOR, Act.LOOK_FOR),
        (Reason.AMBIGUOUS, Act.NEEDS_ACCEPTANCE, Act.NEEDS_ACCEPTANCE, Act.LOOK_FOR),
        *(
            (reason, Act.SEND, Act.SEND, Act.SEND)
            for reason in RETRIABLE
            if OUTCOME_OF[reason] in {Outcome.REJECTED, Outcome.MISSING}
        ),
    ],
)
def test_what_becomes_of_each_reason_by_each_flag(reason, plain, replacing, accepting):
    transfer = row(reason)
    assert act_on(transfer, Choice()) is plain
    assert act_on(transfer, Choice(replace=True)) is replacing
    assert act_on(transfer, Choice(accept_duplicates=True)) is accepting


@pytest.mark.parametrize("decided_by", [DecidedBy.PREFLIGHT, DecidedBy.BREAKER])
def test_a_row_that_others_refused_after_its_post_is_looked_for(decided_by):
    refused = row(Reason.BAD_CREDENTIALS, decided_by=decided_by)
    assert act_on(refused, Choice()) is Act.LOOK_FOR
    assert act_on(refused._replace(attempts=0), Choice()) is Act.SEND


def test_a_refused_row_beside_which_a_video_with_its_tag_was_seen_is_looked_for():
    refused = row(Reason.OBJECT_NOT_FOUND, duplicate_video_ids=f'["{VIDEO}"]')
    assert act_on(refused, Choice()) is Act.LOOK_FOR


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("attempts", [0, 1, 2, 5])
@pytest.mark.parametrize("video", [None, VIDEO])
@pytest.mark.parametrize("reason", RETRIABLE)
def test_no_flag_sends_a_row_anew_that_has_a_video_or_may_have_one(reason, video, attempts, flags):
    transfer, choice = row(reason, video_id=video, attempts=attempts), Choice(**flags)
    if video is not None and transfer.state in {State.REJECTED, State.MISSING}:
        return  # the checkpoint itself refuses such a row
    act = act_on(transfer, choice)
    change = change_for(act, transfer, choice, 5, 99)
    if change is None:
        assert act in LEFT
        return
    after = advance(transfer.state, change.event)
    may_have_one = video is not None or attempts > 1 or transfer.state is State.FAILED
    if may_have_one:
        assert after is not State.PENDING
    if video is not None:
        assert after in {State.RESTARTING, State.COPYING, State.REPLACING}
        assert "video_id" not in change.facts
    if after is State.REPLACING:
        assert flags["replace"]
    if reason is Reason.AMBIGUOUS and video is None:
        assert flags["accept_duplicates"]


def test_a_row_with_several_videos_is_nothing_that_a_program_replaces():
    transfer = row(Reason.COPY_FAILED, duplicate_video_ids='["x"]')
    assert act_on(transfer, Choice(replace=True)) is Act.HAS_SEVERAL
    assert act_on(transfer, Choice()) is Act.RESTART


def test_a_row_that_no_request_can_be_made_of_is_left():
    transfer = row(Reason.INVALID_ROW, object_id=None, attempts=0)
    assert act_on(transfer, Choice()) is Act.CANNOT


def test_a_row_that_goes_out_again_is_headed_again_and_has_all_its_attempts():
    transfer = row(Reason.BAD_CREDENTIALS, attempts=1)
    change = change_for(Act.SEND, transfer, Choice(), 5, 99)
    assert change.event is Event.REOPEN
    facts = change.facts
    assert facts["preflighted_ms"] is None
    assert (facts["forgiven"], facts["restarts"], facts["reason"]) == (1, 0, None)


def test_of_a_row_that_was_never_sent_nothing_old_is_looked_for():
    accepting = Choice(accept_duplicates=True)
    never = change_for(Act.LOOK_FOR, row(Reason.AMBIGUOUS, attempts=0), accepting, 5, 99)
    assert never.facts["intent_date_s"] == 99
    assert never.facts["accepted"] is True
    sent = change_for(Act.LOOK_FOR, row(Reason.GAVE_UP, attempts=5), Choice(), 5, 99)
    assert "intent_date_s" not in sent.facts
    assert sent.facts["accepted"] is False


def test_only_rows_that_every_filter_names_are_meant():
    transfer = row(Reason.COPY_FAILED)
    assert Choice(buckets={"b"}).covers(transfer)
    assert Choice({Reason.COPY_FAILED}, {Outcome.FAILED}, {"b"}).covers(transfer)
    assert not Choice({Reason.STUCK}).covers(transfer)
    assert not Choice(outcomes={Outcome.MISSING}).covers(transfer)
    assert not Choice(buckets={"c"}).covers(transfer)
    assert not Choice().covers(transfer._replace(state=State.IMPORTED))
    assert not Choice().covers(transfer._replace(state=State.COPYING))


def video(status, *, tag=True, video_id=VIDEO):
    mark = str(Tag(OBJECT, "abcdefgh23456")) if tag else "a film"
    body = (
        f'{{"id": "{video_id}", "description": "{mark}",'
        f' "upload": {{"uploadState": {{"uploadStatus": "{status}"}}}}}}'
    )
    return Answer(200, body.encode(), Quota(), None)


def error(status, code):
    return Answer(status, f'{{"errorCode": "{code}"}}'.encode(), Quota(), None)


@pytest.mark.parametrize(
    ("answer", "reason", "verdict"),
    [
        (video("FAILED"), Reason.COPY_FAILED, OldVideo.FAILED_COPY),
        (video("IN_PROGRESS"), Reason.STUCK, OldVideo.OTHER_COPY),
        (video("DONE"), Reason.SIZE_MISMATCH, OldVideo.OTHER_COPY),
        (video("DONE"), Reason.STUCK, OldVideo.DONE_AFTER_ALL),
        (video("DONE"), Reason.COPY_FAILED, OldVideo.DONE_AFTER_ALL),
        (video("FAILED", tag=False), Reason.COPY_FAILED, OldVideo.NOT_OURS),
        (video("FAILED", video_id="another"), Reason.COPY_FAILED, OldVideo.NOT_OURS),
        (Answer(200, b"<html>", Quota(), None), Reason.COPY_FAILED, OldVideo.NOT_OURS),
        (error(403, "FORBIDDEN"), Reason.COPY_FAILED, OldVideo.NOT_OURS),
        (error(404, "RESOURCE_NOT_FOUND"), Reason.DELETED, OldVideo.GONE),
        (Answer(404, b"", Quota(), None), Reason.DELETED, OldVideo.GONE),
        (error(404, "TEAM_NOT_FOUND"), Reason.DELETED, OldVideo.NOT_OURS),
    ],
)
def test_only_a_video_that_is_certainly_the_row_s_own_is_removed(answer, reason, verdict):
    assert decide.judge_old_video(answer, row(reason), tagging=True) is verdict


def test_without_tags_the_id_that_the_platform_gave_is_what_proves_it():
    answer = video("FAILED", tag=False)
    verdict = decide.judge_old_video(answer, row(Reason.COPY_FAILED), tagging=False)
    assert verdict is OldVideo.FAILED_COPY


def test_a_removed_video_leaves_a_row_that_is_looked_for():
    change = decide.removed(row(Reason.COPY_FAILED, attempts=1))
    assert TRANSITIONS[State.REPLACING, change.event] is State.UNRESOLVED
    assert change.facts["video_id"] is None
    assert VIDEO in change.facts["message"]
