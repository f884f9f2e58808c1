"""Settings and secrets."""

from datetime import timedelta
from pathlib import Path

import pytest

from migrator.errors import UsageError
from migrator.settings import (
    BatchSettings,
    BucketSettings,
    CareSettings,
    InputSettings,
    PlatformSettings,
    Secret,
    check_settings,
    parse_prefix,
    read_api_key,
    read_buckets,
)


def test_settings_come_back_from_the_checkpoint_as_they_were():
    settings = BatchSettings(
        inputs=InputSettings(manifest="a/b.csv", prefix=("s3://bucket/p",)),
        platform=PlatformSettings(api_key_file=Path("key")),
        care=CareSettings(stuck_after=timedelta(minutes=90)),
        buckets={"b": BucketSettings(access_key_id_env="X", secret_access_key_env="Y")},
    )
    assert BatchSettings.from_json(settings.to_json()) == settings


def test_a_secret_shows_itself_nowhere_but_where_it_is_revealed():
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret.__class__}"
    assert secret.reveal() == "hunter2"


def test_the_api_key_comes_from_the_named_file_before_the_environment(tmp_path):
    file = tmp_path / "key"
    file.write_text("from-file\n")
    settings = PlatformSettings(api_key_file=file)
    assert read_api_key(settings, {"PIXOP_API_KEY": "other"}).reveal() == "from-file"


@pytest.mark.parametrize("value", ["", "  ", "two words", "caf\u00e9", "line\nbreak"])
def test_an_api_key_that_cannot_be_one_is_refused_without_being_shown(value):
    with pytest.raises(UsageError) as caught:
        read_api_key(PlatformSettings(), {"PIXOP_API_KEY": value})
    assert not value.strip() or value not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "url",
    ["api.pixop.com", "ftp://x/api", "http://example.com/api", "https://u:p@x/api", "https://"],
)
def test_a_base_url_that_would_not_work_or_would_leak_the_key_is_refused(url):
    with pytest.raises(UsageError, match="--api-url"):
        check_settings(BatchSettings(platform=PlatformSettings(api_url=url)))


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:80/api", "http://localhost/api", "http://[::1]:8/api", "https://x/api"],
)
def test_plain_http_is_allowed_to_this_machine_alone(url):
    check_settings(BatchSettings(platform=PlatformSettings(api_url=url)))


def test_a_host_that_only_begins_like_loopback_is_not_this_machine():
    with pytest.raises(UsageError):
        check_settings(BatchSettings(platform=PlatformSettings(api_url="http://127.evil.example/")))


@pytest.mark.parametrize("text", ["bucket/x", "s3:/b/x", "s3://", "s3://ab", "http://b/x"])
def test_a_prefix_of_another_form_is_refused(text):
    with pytest.raises(UsageError, match="s3://bucket/prefix"):
        parse_prefix(text)


def test_a_prefix_is_taken_to_the_letter():
    assert parse_prefix("s3://bucket/a b+c/%2F") == ("bucket", "a b+c/%2F")
    assert parse_prefix("s3://bucket") == parse_prefix("s3://bucket/") == ("bucket", "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[buckets.x", "TOML"),
        ("rate = 5", "unknown setting 'rate'"),
        ("[buckets.x]\naccess_key_id_env = 5", "buckets"),
        ('[buckets.x]\naccess_key_id_env = "A"', "secret_access_key_env"),
    ],
)
def test_a_file_of_settings_that_is_wrong_is_refused_with_its_name(tmp_path, text, words):
    file = tmp_path / "migrator.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_buckets(file)
    assert str(file) in caught.value.message
    assert words in caught.value.message


def test_a_named_settings_file_that_is_missing_is_an_error_and_an_unnamed_one_is_not(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert read_buckets(None) == {}
    with pytest.raises(UsageError):
        read_buckets(tmp_path / "migrator.toml")
