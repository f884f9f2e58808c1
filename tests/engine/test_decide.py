"""The decisions, one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.checkpoint.change import Transfer
from migrator.engine import decide
from migrator.engine.breaker import FAILURES_TO_OPEN, Breaker, BucketBreakers
from migrator.engine.decide import CopyRules, Seen, Sight
from migrator.engine.look import list_pays
from migrator.engine.quotas import rest_s
from migrator.errors import ExitCode
from migrator.lifecycle import TRANSITIONS, Event, State
from migrator.model import LearnedBy, Outcome, Reason
from migrator.pixop.client import Answer, Lost, NotSent
from migrator.pixop.quota import Quota

VIDEO = "44444444-4444-4444-8444-444444444444"
RULES = CopyRules(restarts=2, until_ingested=False)


def transfer(**values):
    fields = dict.fromkeys(Transfer._fields)
    fields |= {"row": 1, "attempts": 0, "restarts": 0, "bucket": "b", "key": "k", "raw": 0}
    return Transfer(**{**fields, "state": State.PENDING, **values})


def answer(status, body=b"{}"):
    return Answer(status, body, Quota(), None)


def event(reply):
    return decide.judge_submit(reply, transfer(), 5).change.event


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answer(202, b'{"videoId": "%s"}' % VIDEO.encode()), Event.ACCEPT),
        (answer(200, b'{"videoId": "%s"}' % VIDEO.encode()), Event.ACCEPT),
        (answer(202, b'{"videoId": "no uuid"}'), Event.OUTCOME_UNKNOWN),
        (answer(202, b'{"videoId": null}'), Event.OUTCOME_UNKNOWN),
        (answer(202, b""), Event.OUTCOME_UNKNOWN),
        (answer(204, b""), Event.OUTCOME_UNKNOWN),
        (answer(101), Event.OUTCOME_UNKNOWN),
        (answer(301), Event.OUTCOME_UNKNOWN),
        (answer(408), Event.OUTCOME_UNKNOWN),
        (answer(500), Event.OUTCOME_UNKNOWN),
        (answer(503, b"<html>"), Event.OUTCOME_UNKNOWN),
        (answer(599), Event.OUTCOME_UNKNOWN),
        (Lost("reset"), Event.OUTCOME_UNKNOWN),
        (Lost("cut", 202), Event.OUTCOME_UNKNOWN),
        (NotSent("refused"), Event.NOT_CREATED),
        (answer(429), Event.NOT_CREATED),
        (answer(401), Event.NOT_CREATED),
        (answer(404), Event.MISS),
        (answer(404, b"<html>"), Event.MISS),
        (answer(400), Event.REJECT),
        (answer(403), Event.REJECT),
        (answer(409), Event.REJECT),
        (answer(400, b" <html>Bad Request</html>"), Event.OUTCOME_UNKNOWN),
        (answer(403, b"<html>blocked</html>"), Event.OUTCOME_UNKNOWN),
        (answer(403, b""), Event.REJECT),
        (answer(422), Event.REJECT),
    ],
)
def test_what_a_reply_to_a_post_means(reply, expected):
    assert event(reply) is expected


@given(st.integers(100, 599), st.binary(max_size=60))
def test_every_reply_leads_where_the_table_allows_and_5xx_never_back_to_pending(status, body):
    change = decide.judge_submit(answer(status, body), transfer(), 5).change
    after = TRANSITIONS[State.SUBMITTING, change.event]
    if status >= 500 or status == 408 or status < 400:
        assert after in {State.UNRESOLVED, State.COPYING}
    if after is State.PENDING:
        assert status in {401, 429} or b"TEAM" in body


def test_a_request_that_was_not_acted_on_gives_its_attempt_back():
    change = decide.judge_submit(NotSent("refused"), transfer(attempts=3), 5).change
    assert change.facts["attempts"] == 3


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        ("VALIDATION_ERROR", "Video size exceeds 500 GB", Reason.TOO_LARGE),
        ("VALIDATION_ERROR", "larger than the 500GB limit", Reason.TOO_LARGE),
        ("VALIDATION_ERROR", "larger than 500 gb", Reason.TOO_LARGE),
        ("VALIDATION_ERROR", "name must have at most 255 characters", Reason.INVALID_REQUEST),
        ("INVALID_CREDENTIALS", "x", Reason.BAD_CREDENTIALS),
        ("HEAD_BUCKET_ERROR", None, Reason.BAD_CREDENTIALS),
        ("HEAD_OBJECT_ERROR", None, Reason.ACCESS_DENIED),
        ("UNSUPPORTED_CONTENT_TYPE", "x", Reason.UNSUPPORTED_CONTENT),
        ("A_CODE_OF_TOMORROW", "x", Reason.INVALID_REQUEST),
        (None, None, Reason.INVALID_REQUEST),
    ],
)
def test_the_reason_behind_a_400(code, message, reason):
    assert decide.reason_of_refusal(code, message) is reason


def judge(state=State.COPYING, *, restarts=0, size=10, rules=RULES, **sight):
    values = {"upload_status": None, "progress": None, "file_size_bytes": None}
    seen = Sight(**{**values, "ingestion_status": None, **sight})
    return decide.judge_copy(state, restarts, size, seen, rules, LearnedBy.LIST, 1000)


@pytest.mark.parametrize("status", ["INITIAL", "IN_PROGRESS", None, "SOMETHING_NEW", "done"])
def test_any_status_but_done_and_failed_means_in_progress(status):
    assert judge(upload_status=status) is None


@pytest.mark.parametrize("size", [10, None, 0])
def test_a_copy_that_is_done_with_the_right_or_an_untold_size_is_imported(size):
    assert judge(upload_status="DONE", file_size_bytes=size).event is Event.IMPORT


def test_a_copy_of_another_size_is_a_mismatch_unless_the_source_s_is_unknown():
    assert judge(upload_status="DONE", file_size_bytes=9).facts["reason"] is Reason.SIZE_MISMATCH
    assert judge(upload_status="DONE", file_size_bytes=9, size=None).event is Event.IMPORT


def test_a_failed_copy_is_restarted_with_growing_delays_and_then_failed():
    delays = []
    for restarts in range(3):
        change = judge(upload_status="FAILED", restarts=restarts, error_code="X")
        if change.event is Event.COPY_FAILED:
            delays.append(change.facts["not_before_ms"] - 1000)
    assert delays == [5_000, 20_000]
    assert change.event is Event.FAIL
    assert (change.facts["reason"], change.facts["error_code"]) == (Reason.COPY_FAILED, "X")


def test_a_failure_that_is_known_already_is_not_counted_twice():
    assert judge(State.RESTARTING, upload_status="FAILED", restarts=1) is None


def test_ingestion_is_waited_for_only_where_asked():
    rules = CopyRules(restarts=2, until_ingested=True)
    assert judge(upload_status="DONE", rules=rules).event is Event.COPIED
    assert judge(State.INGESTING, upload_status="DONE", rules=rules) is None
    done = judge(State.INGESTING, upload_status="DONE", ingestion_status="DONE", rules=rules)
    assert done.event is Event.IMPORT
    failed = judge(upload_status="DONE", ingestion_status="FAILED", rules=rules)
    assert failed.facts["reason"] is Reason.INGESTION_FAILED
    assert judge(upload_status="DONE", ingestion_status="FAILED").event is Event.IMPORT


STATUSES = st.sampled_from([None, "INITIAL", "IN_PROGRESS", "DONE", "FAILED", "NEW"])


@given(
    st.sampled_from([State.COPYING, State.RESTARTING, State.INGESTING]),
    st.integers(0, 4),
    st.booleans(),
    STATUSES,
    STATUSES,
    st.sampled_from([None, 0, 9, 10]),
)
def test_no_sight_of_a_copy_leads_where_the_table_does_not(
    state, restarts, until, upload, ingestion, size
):
    change = judge(
        state,
        restarts=restarts,
        rules=CopyRules(2, until_ingested=until),
        upload_status=upload,
        ingestion_status=ingestion,
        file_size_bytes=size,
    )
    if change is not None:
        assert (state, change.event) in TRANSITIONS


@pytest.mark.parametrize(
    ("reply", "event"),
    [
        (answer(202), None),
        (answer(409), None),
        (answer(500), None),
        (Lost("reset"), None),
        (answer(404, b""), Event.FAIL),
        (answer(404, b"<html>no such route"), None),
        (answer(400), Event.FAIL),
        (NotSent("refused"), Event.COPY_FAILED),
        (answer(429), Event.COPY_FAILED),
        (answer(401), Event.COPY_FAILED),
    ],
)
def test_what_a_reply_to_a_restart_means(reply, event):
    change = decide.judge_restart(reply, 0, 5)
    assert (change.event if change else None) is event


def test_the_oldest_done_carrier_is_chosen_else_the_oldest():
    new, old = Seen("v-new", 20, "DONE"), Seen("v-old", 10, "IN_PROGRESS")
    assert decide.choose_carrier([new, old]) == (new, ("v-old",))
    assert decide.choose_carrier([Seen("b", 20, "X"), old]) == (old, ("b",))
    older = Seen("v-older", 5, "DONE")
    assert decide.choose_carrier([new, old, older]) == (older, ("v-new", "v-old"))


@pytest.mark.parametrize(
    ("outcomes", "duplicates", "how", "code"),
    [
        ({Outcome.IMPORTED: 5, Outcome.SKIPPED: 1}, 0, {}, ExitCode.OK),
        ({Outcome.IMPORTED: 5, Outcome.REJECTED: 1}, 0, {}, ExitCode.WITH_PROBLEMS),
        ({Outcome.IMPORTED: 5, Outcome.MISSING: 1}, 0, {}, ExitCode.WITH_PROBLEMS),
        ({Outcome.IMPORTED: 5}, 1, {}, ExitCode.WITH_PROBLEMS),
        ({Outcome.REJECTED: 5, Outcome.UNFINISHED: 1}, 0, {}, ExitCode.STOPPED),
        ({Outcome.IMPORTED: 5}, 0, {"stopped": True}, ExitCode.STOPPED),
        ({Outcome.UNFINISHED: 1}, 0, {"interrupted": True}, ExitCode.INTERRUPTED),
    ],
)
def test_the_exit_code_says_how_it_ended(outcomes, duplicates, how, code):
    said = {"stopped": False, "interrupted": False, **how}
    assert decide.exit_code(outcomes, duplicates, **said) is code


def test_the_breaker_opens_on_failures_in_a_row_and_closes_on_one_answer():
    breaker = Breaker()
    for second in range(FAILURES_TO_OPEN):
        assert not breaker.is_open
        breaker.observe(Lost("reset"), float(second), float(second))
    assert breaker.is_open
    assert breaker.outage_s(10.0) == 10.0
    breaker.observe(answer(404), 11.0, 11.0)
    assert not breaker.is_open
    assert breaker.outage_s(12.0) == 0.0


def test_a_bucket_is_left_alone_after_three_refusals_in_a_row_and_no_sooner():
    buckets = BucketBreakers()
    for _ in range(2):
        buckets.observe("b", {"error_code": "X"}, keys_refused=True)
        assert buckets.refusal("b") is None
    buckets.observe("b", {"error_code": "X"}, keys_refused=True)
    assert buckets.refusal("b")["error_code"] == "X"
    assert buckets.refusal("other") is None
    buckets.observe("b", {}, keys_refused=False)
    assert buckets.refusal("b") is None


def test_a_bucket_that_the_keys_have_opened_is_never_left_alone():
    buckets = BucketBreakers()
    buckets.observe("b", {}, keys_refused=False)
    for _ in range(5):
        buckets.observe("b", {"error_code": "X"}, keys_refused=True)
    assert buckets.refusal("b") is None


@pytest.mark.parametrize(
    ("unseen", "pages_left", "barren", "pays"),
    [(1, 1, 0, False), (2, 1, 0, True), (100, 1, 0, True), (3, 50, 2, False), (500, 50, 3, True)],
)
def test_a_page_is_read_only_where_it_is_cheaper_than_asking_by_id(
    unseen, pages_left, barren, pays
):
    assert list_pays(unseen, pages_left, barren) is pays


def test_following_keeps_to_its_share_of_the_quota():
    assert rest_s(10, 0.03, 1200) == pytest.approx(10 / (20 * 0.03))
    assert rest_s(1, 0.03, 1) == 2000.0  # at one call a minute, one in thirty-three


def test_a_404_that_is_neither_empty_nor_in_the_platform_s_form_tells_nothing_of_an_object():
    own = answer(404, b'{"errorCode": "KEY_NOT_FOUND", "message": "no such key"}')
    for reply in (own, answer(404, b""), answer(400), NotSent("refused")):
        assert decide.as_told(reply) is reply
    for body in (b"<html>404", b"404 page not found", b'{"message": "no Route matched"}'):
        assert isinstance(decide.as_told(answer(404, body)), Lost)
        assert not decide.is_gone(answer(404, body))
    assert decide.is_gone(answer(404, b""))
