"""Settings of the ways across: what makes sense together, and what each bucket gets."""

import base64
from dataclasses import replace
from datetime import timedelta

import pytest

from migrator.checkpoint.change import Change, Transfer
from migrator.engine import decide
from migrator.engine.crossing import is_expired, url_ends_ms
from migrator.engine.reopen import Act, Choice, act_on
from migrator.errors import UsageError
from migrator.lifecycle import Event, State
from migrator.model import LearnedBy, Reason, identity
from migrator.redaction import Redactor
from migrator.settings import (
    BatchSettings,
    BucketSettings,
    CrossingSettings,
    InputSettings,
    PlatformSettings,
    SourceSettings,
    Ways,
    check_settings,
)
from migrator.source.answers import _crc32c

ID = "00000000-0000-4000-8000-000000000000"


def settings(endpoint=None, api_url="https://api.pixop.com/api", buckets=None, **crossing):
    return BatchSettings(
        platform=PlatformSettings(api_url=api_url),
        source=SourceSettings(s3_endpoint_url=endpoint),
        crossing=CrossingSettings(**crossing),
        buckets=buckets or {},
    )


SENSELESS = {
    "an id without its way": ({"input_location": ID}, "--via input-location"),
    "a name without its way": ({"create_input_location": "x"}, "--via input-location"),
    "a life without URLs": ({"url_life": timedelta(hours=1)}, "--via https"),
    "connections without URLs": ({"max_concurrent_connections": 3}, "--via https"),
    "no location": ({"via": "input-location"}, "which"),
    "two locations": (
        {"via": "input-location", "input_location": ID, "create_input_location": "x"}, "one of",
    ),
    "to remove what is not made": (
        {"via": "input-location", "input_location": ID, "remove_input_location": True}, "NAME",
    ),
    "no id": ({"via": "input-location", "input_location": "../x"}, "not a UUID"),
    "a long name": ({"via": "input-location", "create_input_location": "x" * 48}, "47"),
    "an empty name": ({"via": "input-location", "create_input_location": ""}, "47"),
    "a life beyond signatures": ({"via": "https", "url_life": timedelta(days=8)}, "7d"),
    "plain http": ({"via": "https", "endpoint": "http://minio.example.com"}, "https, port 443"),
    "another port": ({"via": "https", "endpoint": "https://minio.example.com:9000"}, "port 443"),
    "a private address": ({"via": "https", "endpoint": "https://10.0.0.1"}, "public host"),
    "this machine": ({"via": "https", "endpoint": "https://localhost"}, "public host"),
    "a bucket's location without its way": (
        {"buckets": {"b": BucketSettings(input_location=ID)}}, "no use",
    ),
    "a bucket's location that is none": (
        {"buckets": {"b": BucketSettings(via="input-location", input_location="x")}}, "UUID",
    ),
    "a bucket's endpoint": (
        {"via": "https", "buckets": {"b": BucketSettings(s3_endpoint_url="http://x")}}, "bucket b",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SENSELESS)
def test_what_makes_no_sense_together_is_refused_with_the_reason(case):
    given, words = SENSELESS[case]
    with pytest.raises(UsageError) as caught:
        check_settings(settings(**given))
    assert words in caught.value.message + caught.value.hint
    assert caught.value.hint


def versions(**crossing):
    given = settings(**crossing)
    return replace(given, inputs=InputSettings(prefix=("s3://bucket/",), all_versions=True))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "needs --via https"),
        ({"via": "input-location", "input_location": ID}, "needs --via https"),
        ({"via": "https", "buckets": {"b": BucketSettings(via="s3")}}, "bucket b goes by s3"),
    ],
)
def test_all_versions_need_a_way_that_can_name_them(given, words):
    with pytest.raises(UsageError) as caught:
        check_settings(versions(**given))
    assert words in caught.value.message


def test_all_versions_need_a_tag_that_tells_their_videos_apart():
    given = versions(via="https")
    check_settings(given)
    with pytest.raises(UsageError, match="--tag-in none"):
        check_settings(replace(given, platform=replace(given.platform, tag_in="none")))


SENSIBLE = {
    "aws": {"via": "https"},
    "a public store": {"via": "https", "endpoint": "https://s3.example.com"},
    "a rehearsal": {"via": "https", "endpoint": "http://127.0.0.1:9000",
                    "api_url": "http://127.0.0.1:8000/api"},
    "a bucket's own": {"url_life": timedelta(days=7), "max_concurrent_connections": 20,
                       "buckets": {"b": BucketSettings(via="https")}},
    "a made one": {"via": "input-location", "create_input_location": "ü" * 47,
                   "remove_input_location": True},
}  # fmt: skip


@pytest.mark.parametrize("case", SENSIBLE)
def test_what_makes_sense_is_taken(case):
    check_settings(settings(**SENSIBLE[case]))


def test_what_is_pinned_names_every_bucket_that_goes_another_way():
    buckets = {
        "z": BucketSettings(via="https"),
        "a": BucketSettings(via="input-location", input_location=ID),
        "keys": BucketSettings(access_key_id_env="A", secret_access_key_env="B"),
    }
    assert str(settings(buckets=buckets).ways) == f"s3, a by input-location {ID}, z by https"
    made = {"via": "input-location", "create_input_location": "mine"}
    assert str(settings(**made).ways) == "input-location made as mine"
    assert str(settings().ways) == "s3"


def test_a_version_is_another_object_where_it_can_be_named():
    plain = identity("", "b", "k")
    assert identity("", "b", "k", None) == plain
    assert len({plain, identity("", "b", "k", "v1"), identity("", "b", "k", "v2")}) == 3


BY_URL = Ways(CrossingSettings(via="https", url_life=timedelta(hours=1)), {})
HOUR_MS = 3_600_000

TRANSFER = Transfer(
    row=1, source_id=1, object_id=b"x" * 16, bucket="b", key="k", version_id=None, cells=None,
    raw=0, state=State.FAILED, reason=Reason.COPY_FAILED, decided_by="platform", learned_by="list",
    size_bytes=1, etag=None, last_modified_ms=None, preflighted_ms=None, attempts=1, restarts=0,
    not_before_ms=None, intent_date_s=1, submitted_ms=1000, finished_ms=1, video_id=ID,
    video_created_ms=1, adopted=0, duplicate_video_ids=None, error_code=None, http_status=None,
    message=None,
)  # fmt: skip


def test_a_url_ends_so_long_after_its_row_was_sent():
    assert url_ends_ms(BY_URL, TRANSFER) == 1000 + HOUR_MS
    assert url_ends_ms(BY_URL, TRANSFER._replace(submitted_ms=None)) is None
    assert url_ends_ms(Ways(CrossingSettings(), {}), TRANSFER) is None
    assert not is_expired(BY_URL, TRANSFER, now_ms=999 + HOUR_MS)
    assert is_expired(BY_URL, TRANSFER, now_ms=1000 + HOUR_MS)


@pytest.mark.parametrize(("later_ms", "event"), [(-1, Event.COPY_FAILED), (0, Event.FAIL)])
def test_a_copy_is_restarted_as_long_as_its_url_lives(later_ms, event):
    rules = decide.CopyRules(2, False, lambda transfer: url_ends_ms(BY_URL, transfer))
    change = Change(
        Event.COPY_FAILED, {"not_before_ms": 5, "error_code": "GONE", "message": "no more"}
    )
    now_ms = 1000 + HOUR_MS + later_ms
    found = decide.unless_expired(change, TRANSFER, rules, LearnedBy.LIST, now_ms)
    assert found.event is event
    if event is Event.FAIL:
        assert found.facts["reason"] is Reason.COPY_FAILED
        assert found.facts["error_code"] == "GONE"
        assert "expired" in found.facts["message"]


@pytest.mark.parametrize("reason", [Reason.COPY_FAILED, Reason.STUCK])
def test_retry_replaces_where_a_restart_could_only_fail(reason):
    row = TRANSFER._replace(reason=reason)
    assert act_on(row, Choice()) is Act.RESTART
    assert act_on(row, Choice(expired=lambda _row: True)) is Act.NEEDS_REPLACE
    assert act_on(row, Choice(expired=lambda _row: True, replace=True)) is Act.REPLACE


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ({}, None),
        ({"ChecksumCRC32C": base64.b64encode(b"\1\2\3\4").decode()}, 0x01020304),
        ({"ChecksumCRC32C": "AAAAAA==", "ChecksumType": "FULL_OBJECT"}, 0),
        ({"ChecksumCRC32C": "AAAAAA==", "ChecksumType": "COMPOSITE"}, None),
        ({"ChecksumCRC32C": "AAAAAA==-3"}, None),
        ({"ChecksumCRC32C": "AAAA"}, None),
        ({"ChecksumCRC32C": "nonsense!"}, None),
        ({"ChecksumCRC32": "AAAAAA=="}, None),
    ],
)
def test_the_checksum_of_the_whole_object_alone_becomes_the_platform_s_number(answer, number):
    assert _crc32c(answer) == number


SIGNATURE = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://b/k?X-Amz-Expires=5&X-Amz-Signature={SIGNATURE} said 403",
        f"https%3A%2F%2Fb%2Fk%3FX-Amz-Signature%3D{SIGNATURE}",
        f"X-Amz-Signature&#61;{SIGNATURE}&amp;x=1",
        f"x-amz-signature: {SIGNATURE.upper()}",
    ],
)
def test_a_signature_is_masked_whoever_repeats_it_and_when(text):
    masked = Redactor([]).text(text)
    assert SIGNATURE not in masked.lower()
    assert "***" in masked
    body = Redactor([]).body(b'{"message": "%s", "id": "%s"}' % (text.encode(), ID.encode()))
    assert SIGNATURE.encode() not in body.lower()
    assert ID.encode() in body


def test_what_only_speaks_of_signatures_stays():
    text = "SignatureDoesNotMatch: the signature we calculated does not match"
    assert Redactor([]).text(text) == text
