"""Answers of the platform that make no sense: the engine, one message, and nothing twice."""

import pytest
from corpus import answers

from migrator.engine import decide
from migrator.errors import ExitCode, RunFailed, StoppedByItself
from migrator.lifecycle import State
from migrator.model import Reason


def scripted(platform, operation, replies):
    """Let `operation` answer with these in turn (the last for ever), and note each request."""
    asked = []

    def answer(_path, _params, _body):
        status, body = replies[min(len(asked), len(replies) - 1)]
        asked.append(body)
        return platform.answer(status, body)

    setattr(platform, operation, answer)
    return asked


def one_line(error):
    """Both parts of a message are said, and neither is endless."""
    assert error.message
    assert error.hint
    assert len(error.message) < 1000


@pytest.mark.parametrize("case", answers.ACCOUNTS)
async def test_an_account_that_makes_no_sense_ends_the_run_before_anything_is_sent(bench, case):
    bench.manifest("a")
    body = answers.body(answers.ACCOUNTS[case])
    scripted(bench.platform, "account", [(200, body)])
    with pytest.raises(RunFailed) as raised:
        await bench.run()
    one_line(raised.value)
    assert raised.value.exit_code == ExitCode.RUN_FAILED
    assert "/v1/account" in raised.value.message
    assert bench.platform.calls["submit"] == 0


@pytest.mark.parametrize("case", answers.PAGES)
async def test_a_list_that_makes_no_sense_stops_the_run_before_anything_is_sent(bench, case):
    bench.manifest("a")
    bench.care(max_outage=bench.settings.care.max_outage * 0)
    scripted(bench.platform, "list", [(200, answers.body(answers.PAGES[case]))])
    rows = await bench.run()
    assert isinstance(bench.stop.error, StoppedByItself)
    one_line(bench.stop.error)
    assert bench.stop.error.exit_code == ExitCode.STOPPED
    assert rows["a"].state is State.PENDING
    assert bench.platform.calls["submit"] == 0


@pytest.mark.parametrize("case", answers.MADE)
async def test_a_success_without_an_id_is_settled_by_looking_and_makes_nothing_twice(bench, case):
    bench.manifest("a")
    platform, body = bench.platform, answers.body(answers.MADE[case])
    make = platform.submit

    def submit(path, params, sent):
        make(path, params, sent)  # it is made, and the answer does not say so
        return platform.answer(202, body)

    platform.submit = submit
    rows = await bench.run()
    assert (rows["a"].state, rows["a"].reason) == (State.IMPORTED, Reason.COPIED)
    assert platform.creates == {"a": 1}


@pytest.mark.parametrize("case", [*answers.BODIES, *answers.REFUSALS])
async def test_a_refusal_of_any_shape_is_a_rejected_row_and_no_other(bench, case):
    bench.manifest("a", "b")
    body = answers.body({**answers.BODIES, **answers.REFUSALS}[case])
    platform = bench.platform
    make = platform.submit

    def submit(path, params, sent):
        if b'"objectKey":"a"' in sent:
            return platform.answer(400, body)
        return make(path, params, sent)

    platform.submit = submit
    rows = await bench.run()
    if body.startswith(b"<"):  # a page is a stranger's word: tried again, and then given up
        assert rows["a"].reason is Reason.GAVE_UP
    else:
        assert rows["a"].state is State.REJECTED
        assert rows["a"].reason is Reason.INVALID_REQUEST
    assert len(rows["a"].message or "") <= decide.MAX_TEXT
    assert rows["b"].state is State.IMPORTED
    assert not platform.creates["a"]
