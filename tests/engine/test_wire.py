"""Reading what the platform answers, whatever it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.engine.decide import Sight
from migrator.pixop import wire


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-12-18T11:08:28.148Z", 1734520108148),
        ("2024-12-18T12:08:28.148+01:00", 1734520108148),
        ("2024-12-18T11:08:28.148", 1734520108148),
        (1734520108148, 1734520108148),
        ("1734520108148", 1734520108148),
        ("1770123100000", 1770123100000),
        (None, None),
        ("yesterday", None),
        (-5, None),
        ("9" * 30, None),
    ],
)
def test_times_come_as_iso_or_as_epoch_milliseconds(value, expected):
    assert wire.time_ms(value) == expected


def test_fields_that_are_not_known_and_statuses_that_are_new_do_no_harm():
    body = b'{"totalElements": 1, "items": [{"id": "v", "new": [1], "upload": {"uploadState": \
{"uploadStatus": "QUEUED_SOMEWHERE", "progressPercentage": 4}}}], "pageNumber": 0}'
    page = wire.decode_page(body)
    assert page is not None
    assert Sight.of(page[1][0]).upload_status == "QUEUED_SOMEWHERE"


def test_one_odd_video_does_not_hide_those_beside_it():
    odd = b'{"id": "v", "upload": {"file": {"size": 1.5}}}'
    plain = b'{"id": "w", "description": "d"}'
    body = b'{"totalElements": 2, "items": [%s, %s]}' % (odd, plain)
    assert wire.decode_page(body) == (2, (wire.Video(id="v"), wire.Video(id="w", description="d")))
    assert wire.decode_page(b'{"totalElements": 1, "items": [{}]}') is None


def test_the_file_of_a_video_may_stand_at_its_master():
    body = b'{"id": "v", "masterVideo": {"videoFile": {"name": "f", "size": 9}}}'
    video = wire.decode(body, wire.Video)
    assert video is not None
    assert Sight.of(video).file_size_bytes == 9


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_no_answer_makes_the_decoder_raise(body):
    for kind in (wire.VideosPage, wire.VideoInStatus, wire.ApiError, wire.Account):
        wire.decode(body, kind)


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 50_000, b'"\xff"', b"", b"null"])
def test_no_depth_and_no_encoding_makes_the_decoder_raise(body):
    assert wire.decode(body, wire.VideosPage) is None


def test_the_body_of_a_post_shows_no_secret_when_printed():
    bucket = wire.S3Bucket("b", "AKIA", "secret-key")
    body = wire.CreateMasterVideoFromS3Bucket("n", "k", bucket, "f")
    assert "secret-key" not in f"{body!r} {bucket}"
