"""Who looks at the source: profiles, roles and temporary credentials; and what is handed over."""

import logging
from datetime import timedelta

import pytest
from fakes import aws as aws_fake

from migrator.errors import ExitCode, RunFailed, StoppedByItself, UsageError
from migrator.settings import (
    BatchSettings,
    BucketSettings,
    CrossingSettings,
    SourceSettings,
    StoreSettings,
)
from migrator.source.access import CredentialsEnded
from migrator.source.answers import S3Refusal, SourceUnreachable
from migrator.source.credentials import load_keys
from migrator.source.s3 import SourceS3

GIVEN = {"PIXOP_SOURCE_ACCESS_KEY_ID": "AKIAGIVEN", "PIXOP_SOURCE_SECRET_ACCESS_KEY": "given"}
ARN = "arn:aws:iam::123456789012:role/looks"
PROFILES = """[mine]
aws_access_key_id = AKIAMINE
aws_secret_access_key = mine
[brief]
aws_access_key_id = ASIABRIEF
aws_secret_access_key = brief
aws_session_token = brief-token
[halved]
aws_access_key_id = ASIAHALVED
aws_secret_access_key = halved
"""


@pytest.fixture
async def aws(monkeypatch, tmp_path):
    """STS and S3 on this machine, and an AWS setup with profiles and nothing else."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
                 "AWS_CREDENTIAL_EXPIRATION"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "credentials").write_text(PROFILES)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with aws_fake.serving() as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", running.url)
        yield running


@pytest.fixture
def chain(monkeypatch):
    """Sets the environment's own AWS credentials."""

    def put(key_id, token=None, ends=None):
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-chain")
        if token is not None:
            monkeypatch.setenv("AWS_SESSION_TOKEN", token)
        if ends is not None:
            monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", ends)

    return put


def store(aws, **more):
    return StoreSettings(s3_endpoint_url=aws.url, **more)


def opened(ring, settings):
    return SourceS3(ring, settings, "us-east-1")


async def who_looks(aws, ring, settings, bucket="b"):
    """(key id, token) that a HEAD of an object in `bucket` is signed with."""
    async with opened(ring, settings) as source:
        await source.head(bucket, "a.mp4")
    return aws.signers[-1]


async def test_a_profile_s_static_keys_look_and_are_handed_over(aws):
    settings = store(aws, aws_profile="mine")
    ring = await load_keys({}, {}, store=settings)
    assert ring.keys_for("b").access_key_id == "AKIAMINE"
    assert await who_looks(aws, ring, settings) == ("AKIAMINE", None)


async def test_keys_that_are_given_are_handed_over_and_the_profile_looks(aws):
    settings = store(aws, aws_profile="brief")
    ring = await load_keys({}, GIVEN, store=settings)
    assert ring.keys_for("b").access_key_id == "AKIAGIVEN"
    assert await who_looks(aws, ring, settings) == ("ASIABRIEF", "brief-token")


async def test_a_bucket_may_have_a_profile_of_its_own(aws):
    settings = store(aws)
    buckets = {"own": BucketSettings(aws_profile="mine")}
    ring = await load_keys(buckets, GIVEN, store=settings)
    assert ring.keys_for("own").access_key_id == "AKIAMINE"
    assert ring.keys_for("b").access_key_id == "AKIAGIVEN"
    assert await who_looks(aws, ring, settings, "own") == ("AKIAMINE", None)
    assert await who_looks(aws, ring, settings) == ("AKIAGIVEN", None)


async def test_a_bucket_s_temporary_profile_looks_and_the_given_keys_are_handed_over(aws):
    settings = store(aws)
    buckets = {"own": BucketSettings(aws_profile="brief")}
    ring = await load_keys(buckets, GIVEN, store=settings)
    assert ring.keys_for("own").access_key_id == "AKIAGIVEN"
    assert await who_looks(aws, ring, settings, "own") == ("ASIABRIEF", "brief-token")


async def test_temporary_keys_are_never_handed_over(aws, chain):
    chain("ASIACHAIN", "token")
    for settings, who in ((store(aws), "AWS credential chain"),
                          (store(aws, aws_profile="brief"), "--aws-profile brief")):  # fmt: skip
        with pytest.raises(UsageError, match=f"{who}.*session token"):
            await load_keys({}, {}, store=settings)
        ring = await load_keys({}, {}, store=settings, to_hand_over=False)
        with pytest.raises(UsageError, match="cannot be handed over"):
            ring.keys_for("b")
    assert await who_looks(aws, ring, settings) == ("ASIABRIEF", "brief-token")


@pytest.mark.parametrize("profile", ["gone", "halved"])
async def test_a_profile_that_is_not_there_or_half_is_named(aws, profile):
    with pytest.raises(UsageError, match=profile):
        await load_keys({}, GIVEN, store=store(aws, aws_profile=profile))


async def test_a_role_looks_and_nothing_of_it_is_handed_over(aws, chain):
    chain("AKIACHAIN")
    settings = store(aws, assume_role=ARN, role_external_id="ours")
    ring = await load_keys({}, GIVEN, store=settings)
    assert ring.keys_for("b").access_key_id == "AKIAGIVEN"
    assert aws.bases == [("AKIACHAIN", None)]
    [form] = aws.assumed
    assert (form["RoleArn"], form["ExternalId"]) == (ARN, "ours")
    assert form["DurationSeconds"] == "3600"
    assert await who_looks(aws, ring, settings) == ("ASIAROLE000000000001", "role-token-1-canary")
    async with opened(ring, settings) as source:
        page = await source.page("b", "")
    assert list(page.keys) == ["a.mp4"]
    assert aws.signers[-1] == ("ASIAROLE000000000001", "role-token-1-canary")
    assert len(aws.assumed) == 1


async def test_a_role_without_keys_to_hand_over_is_refused_where_they_would_be(aws):
    settings = store(aws, aws_profile="brief", assume_role=ARN)
    with pytest.raises(UsageError, match=r"role/looks.*cannot be handed over"):
        await load_keys({}, {}, store=settings)
    assert aws.bases[-1] == ("ASIABRIEF", "brief-token")


async def test_a_role_is_assumed_by_the_given_keys_where_there_are_no_others(aws):
    ring = await load_keys({}, GIVEN, store=store(aws, assume_role=ARN))
    assert aws.bases == [("AKIAGIVEN", None)]
    assert ring.access_for("b").apart


async def test_two_buckets_with_one_role_assume_it_once(aws, chain):
    chain("AKIACHAIN")
    own = BucketSettings(assume_role=ARN)
    ring = await load_keys({"one": own, "two": own}, GIVEN, store=store(aws))
    assert len(aws.assumed) == 1
    assert ring.access_for("one") == ring.access_for("two")
    assert not ring.access_for("other").is_temporary


async def test_new_credentials_are_asked_for_before_the_old_ones_end(aws):
    settings = store(aws, assume_role=ARN)
    aws.lasts_s = 599  # botocore asks ten minutes before
    ring = await load_keys({}, GIVEN, store=settings)
    aws.lasts_s = 3600
    assert (await who_looks(aws, ring, settings))[1] == "role-token-2-canary"
    assert (await who_looks(aws, ring, settings))[1] == "role-token-2-canary"
    assert len(aws.assumed) == 2


async def test_what_signs_a_url_lasts_as_long_as_it_lives(aws):
    settings = store(aws, assume_role=ARN)
    aws.lasts_s = 2000
    ring = await load_keys({}, GIVEN, store=settings, least_s=3000)
    aws.lasts_s = 3600
    async with opened(ring, settings) as source:
        url = (await source.presigned("b", "a.mp4", None, 3000)).reveal()
        assert "X-Amz-Security-Token=role-token-2-canary" in url
        aws.lasts_s = 2000
        ring.access_for("b").credentials._expiry_time -= timedelta(seconds=700)
        with pytest.raises(CredentialsEnded, match="would outlive"):
            await source.presigned("b", "a.mp4", None, 3000)


async def test_urls_that_would_outlive_what_signs_them_are_refused_at_the_start(aws, chain):
    chain("ASIACHAIN", "token", "2099-01-01T00:00:00Z")
    ring = await load_keys({}, {}, store=store(aws), to_hand_over=False)
    await ring.refuse_short_lives(3600)
    with pytest.raises(UsageError, match=r"--url-life \(999,999,999 minutes\) ends with them"):
        await ring.refuse_short_lives(999_999_999 * 60)


async def test_credentials_of_which_nobody_tells_the_end_sign_no_urls(aws, chain):
    chain("ASIACHAIN", "token")
    ring = await load_keys({}, {}, store=store(aws), to_hand_over=False)
    with pytest.raises(UsageError, match="nobody tells when they end") as caught:
        await ring.refuse_short_lives(60)
    assert "AWS_CREDENTIAL_EXPIRATION" in caught.value.hint


@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken", "InvalidClientTokenId"])
async def test_a_role_that_cannot_be_assumed_is_a_setting_to_mend(aws, code):
    aws.refuses = (403, code)
    with pytest.raises(UsageError, match=f"{ARN}.*{code}"):
        await load_keys({}, GIVEN, store=store(aws, assume_role=ARN))


async def test_an_sts_that_does_not_answer_is_not_the_role_s_fault(aws, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    with pytest.raises(RunFailed, match="STS does not answer"):
        await load_keys({}, GIVEN, store=store(aws, assume_role=ARN))


@pytest.mark.parametrize(
    ("refusal", "error"),
    [((403, "AccessDenied"), CredentialsEnded), ((400, "Throttling"), SourceUnreachable)],
)
async def test_a_role_that_is_lost_on_the_way_stops_the_run_and_judges_no_row(aws, refusal, error):
    settings = store(aws, assume_role=ARN)
    ring = await load_keys({}, GIVEN, store=settings)
    async with opened(ring, settings) as source:
        await source.head("b", "a.mp4")
        ring.access_for("b").credentials._expiry_time -= timedelta(seconds=3500)
        aws.refuses = refusal
        with pytest.raises(error):
            await source.head("b", "a.mp4")
    assert issubclass(CredentialsEnded, StoppedByItself)
    assert CredentialsEnded("x", "y").exit_code is ExitCode.STOPPED


async def test_a_refusal_of_who_only_looks_judges_no_row(aws):
    """The platform's own keys may be in order: `bad_credentials` would be untrue."""
    settings = store(aws, aws_profile="brief")
    ring = await load_keys({}, GIVEN, store=settings)
    aws.s3_refuses = "ExpiredToken"
    async with opened(ring, settings) as source:
        with pytest.raises(CredentialsEnded, match=r"--aws-profile brief.*ExpiredToken"):
            await source.read_code("b", "a.mp4")
    settings = store(aws)
    ring = await load_keys({}, GIVEN, store=settings)
    async with opened(ring, settings) as source:
        with pytest.raises(S3Refusal, match="ExpiredToken"):
            await source.read_code("b", "a.mp4")


async def test_nothing_of_a_role_s_credentials_is_told(aws, caplog, capfd):
    caplog.set_level("DEBUG", "migrator")
    settings = store(aws, assume_role=ARN)
    ring = await load_keys({}, GIVEN, store=settings)
    async with opened(ring, settings) as source:
        ring.access_for("b").credentials._expiry_time -= timedelta(seconds=3500)
        aws.refuses = (403, "AccessDenied")
        with pytest.raises(CredentialsEnded) as caught:
            await source.head("b", "a.mp4")
    said = f"{ring!r} {caught.value!r} {caught.value.hint}"
    out = capfd.readouterr()
    assert "canary" not in said + out.out + out.err
    assert logging.getLogger("aiobotocore").handlers  # else Python prints a traceback


def test_a_role_shortens_the_life_of_urls():
    assert BatchSettings().ways.url_life == timedelta(days=7)
    source = SourceSettings(assume_role=ARN, role_session=timedelta(hours=12))
    by_url = BatchSettings(source=source, crossing=CrossingSettings(via="https"))
    assert by_url.ways.url_life == timedelta(hours=11, minutes=50)
    assert BatchSettings(source=source).ways.url_life == timedelta(days=7)


def test_settings_of_a_batch_that_kept_its_tables_of_keys_by_their_old_name_are_read():
    kept = '{"bucket_keys": {"b": {"access_key_id_env": "ONE", "secret_access_key_env": "TWO"}}}'
    assert BatchSettings.from_json(kept).buckets["b"].variables == ("ONE", "TWO")
