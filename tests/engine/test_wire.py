"""Reading what the platform answers, whatever it is."""

import codecs
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.engine.decide import Sight
from migrator.pixop import wire

V, W = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-12-18T11:08:28.148Z", 1734520108148),
        ("2024-12-18T12:08:28.148+01:00", 1734520108148),
        ("2024-12-18T11:08:28.148", 1734520108148),
        (1734520108148, 1734520108148),
        ("1734520108148", 1734520108148),
        ("1770123100000", 1770123100000),
        (1734520108, 1734520108000),
        ("1734520108", 1734520108000),
        (1734520108.148, 1734520108148),
        (None, None),
        ("yesterday", None),
        (-5, None),
        ("9" * 30, None),
    ],
)
def test_times_come_as_iso_or_as_epoch_milliseconds_or_seconds(value, expected):
    assert wire.time_ms(value) == expected


def test_fields_that_are_not_known_and_statuses_that_are_new_do_no_harm():
    body = (
        b'{"totalElements": 1, "items": [{"id": "%s", "new": [1], "upload": {"uploadState": \
{"uploadStatus": "QUEUED_SOMEWHERE", "progressPercentage": 4}}}], "pageNumber": 0}'
        % V.encode()
    )
    page = wire.decode_page(body)
    assert page is not None
    assert Sight.of(page[1][0]).upload_status == "QUEUED_SOMEWHERE"


def test_ids_are_the_same_in_upper_and_lower_case():
    _, (video,) = wire.decode_page(page({"id": V.upper()}).encode())
    status = wire.decode(json.dumps({"videoId": V.upper()}).encode(), wire.VideoInStatus)
    assert video.id == status.video_id == V


def page(*items, total=None):
    return json.dumps({"totalElements": len(items) if total is None else total, "items": items})


@pytest.mark.parametrize(
    "odd",
    [{"createdAt": {}}, {"flags": "master"}, {"ingestion": []}, {"masterVideo": 7},
     {"flags": {"isMaster": "yes"}}],
)  # fmt: skip
def test_an_odd_field_hides_neither_the_video_nor_its_tag_nor_those_beside_it(odd):
    body = page({"id": V, "description": "d", **odd}, {"id": W, "description": "e"}).encode()
    _, videos = wire.decode_page(body)
    assert [(video.id, video.description) for video in videos] == [(V, "d"), (W, "e")]


@pytest.mark.parametrize("size", [1.5, -1, 2**63, 10**40, "9", [], {}, True, 1e300])
def test_a_size_that_is_none_does_not_hide_how_the_copy_ended(size):
    upload = {"file": {"size": size, "name": "f"}, "uploadState": {"uploadStatus": "DONE"}}
    _, (video,) = wire.decode_page(page({"id": V, "upload": upload}).encode())
    sight = Sight.of(video)
    assert (sight.upload_status, sight.file_size_bytes) == ("DONE", None)
    assert video.upload.file.name == "f"


def test_what_the_platform_says_beside_the_id_of_what_it_made_may_be_odd():
    made = wire.decode(b'{"videoId": "%s", "upload": [], "x": 1}' % V.encode(), wire.VideoInStatus)
    assert made == wire.VideoInStatus(video_id=V)


@pytest.mark.parametrize(
    "video_id",
    ["", "v", "..", "../../account?", f"{V}/../x", f"{V}?a=b", f"{V}\n", 7, None, "\u0661" * 36],
)
def test_an_id_that_is_no_uuid_is_no_page(video_id):
    assert wire.decode_page(page({"id": video_id}, {"id": W}).encode()) is None


@pytest.mark.parametrize("total", [-1, 2**63, 10**40, 1.5, "1", None, [], float("nan")])
def test_a_total_that_is_no_number_of_things_is_no_page(total):
    body = json.dumps({"totalElements": total, "items": []}).encode()
    assert wire.decode_page(body) is None


def test_a_page_of_more_videos_than_were_asked_for_is_none():
    assert wire.decode_page(page(*({"id": V} for _ in range(101))).encode()) is None


@pytest.mark.parametrize("value", ["0" * 5000, "1" * 5000, "9" * 41, "\u0661" * 14, 1e308, 10**400])
def test_a_time_of_any_length_and_size_does_no_harm(value):
    assert wire.time_ms(value) in {None, 11111111111111}


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


def test_a_byte_order_mark_before_the_json_does_no_harm():
    body = codecs.BOM_UTF8 + json.dumps({"videoId": V}).encode()
    assert wire.decode(body, wire.VideoInStatus).video_id == V
