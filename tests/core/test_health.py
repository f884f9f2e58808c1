"""What `doctor` makes of what it found."""

import json

import pytest

from migrator.cli import health
from migrator.model import Reason
from migrator.pixop.client import Answer, Lost, NotSent
from migrator.pixop.quota import Quota
from migrator.source.preflight import Refusal

ACCOUNT = json.dumps({"user": {"id": "u"}, "defaultTeam": {"id": "t"}}).encode()


def answer(status, body=b"{}"):
    return Answer(status, body, Quota(), 1)


@pytest.mark.parametrize(
    ("reply", "status", "words"),
    [
        (answer(200, ACCOUNT), "ok", "user u"),
        (answer(401), "fail", "refuses it"),
        (answer(429), "warn", "used up"),
        (answer(200, b"<html>"), "fail", "no account"),
        (answer(404), "fail", "no account"),
        (NotSent("connection refused"), "fail", "cannot be reached"),
        (NotSent("self-signed certificate", untrusted=True), "fail", "self-signed"),
        (Lost("timed out"), "fail", "timed out"),
    ],
)
def test_the_account_tells_whether_the_key_is_taken(reply, status, words):
    check = health.judge_account(reply)
    assert (check.status, words in check.found) == (status, True)
    assert (check.next == "") == (status == "ok")


@pytest.mark.parametrize(
    ("skew_s", "status"), [(0, "ok"), (-59, "ok"), (90, "warn"), (-899, "warn"), (901, "fail")]
)
def test_a_clock_is_off_by_a_minute_before_it_matters_and_by_a_quarter_hour_before_s3_refuses(
    skew_s, status
):
    assert health.judge_clock(1_000_000, 1_000_000.5 + skew_s).status == status


@pytest.mark.parametrize(
    ("quota", "status"),
    [
        (Quota(), "warn"),
        (Quota(1200), "ok"),
        (Quota(1200, 1198), "ok"),
        (Quota(1200, 400), "warn"),
        (Quota(1, 0), "ok"),
    ],
)
def test_a_quota_that_others_use_is_told(quota, status):
    assert health.judge_quota(quota).status == status


@pytest.mark.parametrize(
    ("free_gb", "rows", "status"),
    [(10, 1_000_000, "ok"), (4, 1_000_000, "warn"), (2, 1_000_000, "fail"), (1, None, "ok")],
)
def test_a_disk_has_room_for_the_rows_twice_or_somebody_should_watch_it(free_gb, rows, status):
    assert health.judge_disk(free_gb * 10**9, rows, "/x").status == status


def test_one_missing_object_says_little_of_a_bucket_and_refused_keys_say_all():
    missing = ("a", Refusal(Reason.OBJECT_NOT_FOUND, code="NoSuchKey"))
    assert health.judge_bucket("b", [missing, ("c", None)]).status == "warn"
    assert health.judge_bucket("b", [("c", None)]).status == "ok"
    refused = health.judge_bucket("b", [("a", Refusal(Reason.BAD_CREDENTIALS, code="Invalid"))])
    assert (refused.status, "SOURCE_ACCESS_KEY_ID" in refused.next) == ("fail", True)
    assert health.judge_bucket("b", []).status == "warn"


def test_a_prefix_has_to_be_listed_and_a_manifest_only_loses_what_is_missing_and_what_forbidden():
    assert health.judge_listing("b", "AccessDenied", needed=True).status == "fail"
    assert health.judge_listing("b", "AccessDenied", needed=False).status == "warn"
