"""What media work makes of real files, of every kind, and of files that are none."""

from fractions import Fraction

import av
import msgspec
import numpy as np
import pytest
from fakes.films import film, seen

from migrator.sandbox import storage
from migrator.sandbox.media.clip import make_clip
from migrator.sandbox.media.findings import VideoMetadata
from migrator.sandbox.media.metadata import inspect
from migrator.sandbox.media.opening import NoVideoError
from migrator.sandbox.media.rendering import render
from migrator.sandbox.media.scan import scanning


def quiet(_share):
    pass


def metadata(path):
    return msgspec.to_builtins(inspect(path, quiet))


def rendered(path, into):
    into.mkdir()
    found = inspect(path, quiet)
    return render(
        path,
        web_video=into / storage.WEB_VIDEO,
        thumbnails=into / storage.THUMBNAILS,
        full_frames=into / storage.FULL_FRAMES,
        duration_s=(found.duration_in_millis or 0) / 1000,
        frames=found.total_frames or 0,
        progress=quiet,
    )


# ----------------------------------------------------------------------------- metadata


def test_all_that_the_document_asks_for_is_read_from_a_file_that_says_it(tmp_path):
    colours = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited"
    path = film(
        tmp_path / "film.mp4",
        "libx265",
        "yuv420p10le",
        rate=Fraction(30_000, 1001),
        options={"x265-params": f"log-level=none:{colours}"},
        sound=True,
    )
    found = metadata(path)
    assert 0 < found.pop("videoStreamSize") < path.stat().st_size
    assert found == {
        "size": path.stat().st_size,
        "containerName": "mp4",
        "longContainerName": "MPEG-4",
        "codecName": "hevc",
        "longCodecName": "HEVC (High Efficiency Video Coding)",
        "pixelFormatName": "yuv420p10le",
        "primaryBitDepth": 10,
        "frameWidth": 128,
        "frameHeight": 72,
        "displayAspectRatio": {"ratio": 1.78, "tag": "16:9"},
        "scanning": {},
        "averageFrameRate": {"frameRate": 29.97, "rational": "30000:1001"},
        "durationInMillis": 400,
        "totalFrames": 12,
        "colorRangeName": "tv",
        "colorSpaceName": "bt2020nc",
        "colorTransferName": "smpte2084",
        "colorPrimariesName": "bt2020",
        "hdrStandardName": "HDR10",
    }
    assert {*found, "videoStreamSize"} == set(VideoMetadata.__struct_encode_fields__)


PAL = {"size": (720, 576), "options": {"b": "50M"}}


@pytest.mark.parametrize(
    ("name", "how", "expected"),
    [
        ("a.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
         {"containerName": "mov", "codecName": "prores", "primaryBitDepth": 10}),
        ("a.mxf", {"codec": "mpeg2video", "pix_fmt": "yuv422p", **PAL},
         {"containerName": "mxf", "codecName": "mpeg2", "pixelFormatName": "yuv422p"}),
        ("a.ts", {"codec": "mpeg2video", "container": "mpegts"},
         {"containerName": "mpegts", "longContainerName": "MPEG-TS (MPEG-2 Transport Stream)"}),
        ("a.mkv", {"codec": "ffv1", "pix_fmt": "yuv444p12le"},
         {"containerName": "matroska", "codecName": "ffv1", "primaryBitDepth": 12}),
        ("a.avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
         {"containerName": "avi", "colorRangeName": "pc"}),
        ("a.webm", {"codec": "libvpx-vp9"}, {"codecName": "vp9"}),
        ("a.h264", {"container": "h264"},  # a raw stream: it has no moments at all
         {"containerName": "h264", "averageFrameRate": {"frameRate": 25.0, "rational": "25"}}),
        ("a.mp4", {"pixels": Fraction(64, 45), **PAL},
         {"displayAspectRatio": {"ratio": 1.78, "tag": "16:9"}, "frameWidth": 720}),
        ("a.mp4", {"size": (192, 80)}, {"displayAspectRatio": {"ratio": 2.4, "tag": "12:5"}}),
        ("a.mkv", {"codec": "ffv1", "size": (239, 100)},
         {"displayAspectRatio": {"ratio": 2.39, "tag": "2.39:1"}}),
        ("a.mp4", {"options": {"x264-params": "tff=1"}, "fields": "top"},
         {"scanning": {"metadata": "INTERLACED_TOP_FIRST"}}),
        ("a.mp4", {"options": {"x264-params": "bff=1"}, "fields": "bottom"},
         {"scanning": {"metadata": "INTERLACED_BOTTOM_FIRST"}}),
        ("a.mp4", {}, {"scanning": {"metadata": "PROGRESSIVE"}}),
    ],
)  # fmt: skip
def test_the_metadata_of_every_common_kind_of_file_is_what_it_was_made_with(
    tmp_path, name, how, expected
):
    found = metadata(film(tmp_path / name, **how))
    assert expected.items() <= found.items()
    assert (found["durationInMillis"], found["totalFrames"]) == (480, 12)


# ----------------------------------------------------------------------------- no videos

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile '{}'\n"


@pytest.mark.parametrize("name", ["film.mp4", "list.m3u8", "list.ffconcat", "words.txt", "empty"])
def test_a_file_that_holds_no_video_is_refused_also_one_that_names_another_file(tmp_path, name):
    real = film(tmp_path / "real.ts", container="mpegts")
    contents = {
        "film.mp4": bytes(range(256)) * 400,
        "list.m3u8": PLAYLIST.format(real).encode(),
        "list.ffconcat": CONCAT.format(real).encode(),
        "words.txt": b"FFmpeg takes any text for a film of a terminal\n" * 100,
        "empty": b"",
    }
    path = tmp_path / name
    path.write_bytes(contents[name])
    with pytest.raises(NoVideoError):
        inspect(path, quiet)


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as file:
        sound = file.add_stream("aac", rate=48_000)
        sound.layout = "mono"
        heard = av.AudioFrame.from_ndarray(np.zeros((1, 48_000), np.float32), "fltp", "mono")
        heard.sample_rate, heard.pts = 48_000, 0
        file.mux(sound.encode(heard))
        file.mux(sound.encode())
    with pytest.raises(NoVideoError, match="no video stream"):
        inspect(path, quiet)


def test_a_file_that_was_cut_off_in_its_middle_gives_what_there_is(tmp_path):
    whole = film(tmp_path / "whole.mkv", "mjpeg", "yuvj420p")
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert 0 < metadata(cut)["totalFrames"] < 12
    rendered(cut, tmp_path / "made")
    assert 0 < seen(tmp_path / "made" / storage.WEB_VIDEO)["frames"] < 12


# ----------------------------------------------------------------------------- artefacts


@pytest.mark.parametrize(
    ("name", "how", "size"),
    [
        ("a.mp4", {"sound": True}, (128, 72)),
        ("a.mkv", {"codec": "ffv1", "pix_fmt": "yuv444p12le", "size": (127, 71)}, (126, 70)),
        ("a.mp4", {"pixels": Fraction(64, 45), **PAL}, (1024, 576)),  # browsers know square pixels
        ("a.ts", {"codec": "mpeg2video", "container": "mpegts"}, (128, 72)),  # begins after 0
        ("a.mp4", {"size": (1920, 1080), "frames": 2, "options": {"preset": "ultrafast"}},
         (1280, 720)),
        ("a.mp4", {"frames": 1}, (128, 72)),
    ],
)  # fmt: skip
def test_a_web_video_is_the_film_again_as_browsers_play_it(tmp_path, name, how, size):
    path = film(tmp_path / name, **how)
    frames = how.get("frames", 12)

    rendered(path, tmp_path / "made")

    web_video = tmp_path / "made" / storage.WEB_VIDEO
    found = seen(web_video)
    assert found.pop("seconds") == pytest.approx(frames / 25, abs=0.001)
    assert found == {
        "codec": "h264",
        "pix_fmt": "yuv420p",
        "size": size,
        "frames": frames,
        "sound": ["aac"] if "sound" in how else [],
    }
    content = web_video.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "it could not play while it loads"


def test_thumbnails_and_full_frames_show_the_same_moments_spread_over_the_film(tmp_path):
    path = film(tmp_path / "a.mp4", rate=5, frames=60, pixels=Fraction(2))

    rendered(path, tmp_path / "made")

    for kind, size in ((storage.THUMBNAILS, (256, 72)), (storage.FULL_FRAMES, (256, 72))):
        pictures = sorted((tmp_path / "made" / kind).iterdir())
        assert [picture.name for picture in pictures] == [f"{n:04}.jpg" for n in range(1, 11)]
        contents = {picture.read_bytes() for picture in pictures}
        assert len(contents) == 10, "one moment twice"
        assert {seen(picture)["size"] for picture in pictures} == {size}


def test_thumbnails_of_large_and_of_high_films_fit_into_their_box(tmp_path):
    for name, size, fitted in (("wide", (1920, 800), (320, 133)), ("high", (360, 640), (101, 180))):
        path = film(tmp_path / f"{name}.mp4", size=size, frames=1)
        rendered(path, tmp_path / name)
        assert seen(tmp_path / name / storage.THUMBNAILS / "0001.jpg")["size"] == fitted
        assert seen(tmp_path / name / storage.FULL_FRAMES / "0001.jpg")["size"] == size


def test_a_film_shorter_than_ten_frames_has_a_picture_of_each(tmp_path):
    rendered(film(tmp_path / "a.mp4", frames=3), tmp_path / "made")
    assert len(list((tmp_path / "made" / storage.THUMBNAILS).iterdir())) == 3


@pytest.mark.parametrize(
    ("how", "looks"),
    [
        ({}, "PROGRESSIVE"),
        # What the file says plays no part in it.
        ({"fields": "top", "codec": "ffv1"}, "INTERLACED_TOP_FIRST"),
        ({"fields": "bottom", "codec": "ffv1"}, "INTERLACED_BOTTOM_FIRST"),
        ({"frames": 1}, None),
    ],
)
def test_the_deep_scan_sees_in_the_pictures_how_they_were_taken(tmp_path, how, looks):
    path = film(tmp_path / "a.mkv", **how)
    assert rendered(path, tmp_path / "made").scanning == looks


@pytest.mark.parametrize("lines_a_frame", [-6, -1, 1, 6])
def test_the_deep_scan_is_not_misled_by_pictures_that_move_up_or_down(lines_a_frame):
    down, across = np.arange(72)[:, None], np.arange(128)[None, :]

    def picture(number):
        return ((across * 2 + down + number * lines_a_frame) % 256).astype(np.int16)

    assert scanning(picture(0), picture(1)) == "PROGRESSIVE"


def test_a_film_with_grain_scores_less_than_the_same_without_it(tmp_path):
    lossless = {"codec": "ffv1", "pix_fmt": "yuv444p"}
    clean = rendered(film(tmp_path / "clean.mkv", **lossless), tmp_path / "a").quality
    grainy = rendered(film(tmp_path / "grainy.mkv", noise=60, **lossless), tmp_path / "b").quality
    noise = [next(one for one in found.metrics if one.name == "noise") for found in (clean, grainy)]
    assert noise[0].sample_mean < noise[1].sample_mean
    assert noise[0].subjective_score > noise[1].subjective_score
    assert noise[0].subjective_label == "excellent"
    assert noise[1].subjective_label in {"untenable", "poor"}
    for found in (clean, grainy):
        scores = [one.subjective_score for one in found.metrics]
        assert found.overall_subjective_score == pytest.approx(sum(scores) / 3, abs=0.01)
        assert all(0 <= score <= 5 for score in scores)


# ----------------------------------------------------------------------------- clips


def test_a_clip_is_the_first_ten_seconds_in_the_size_of_the_film_with_its_sound(tmp_path):
    path = film(tmp_path / "a.mp4", rate=5, frames=60, sound=True)
    shares = []
    make_clip(path, tmp_path / "clip.mp4", shares.append)
    found = seen(tmp_path / "clip.mp4")
    assert found.pop("seconds") == pytest.approx(10, abs=0.001)
    assert found == {
        "codec": "h264", "pix_fmt": "yuv420p", "size": (128, 72), "frames": 50, "sound": ["aac"],
    }  # fmt: skip
    assert 0 <= min(shares) < 0.1
    assert 0.9 < max(shares) < 1


def test_a_film_shorter_than_ten_seconds_gives_a_clip_of_its_own_length(tmp_path):
    make_clip(film(tmp_path / "a.mp4"), tmp_path / "clip.mp4", quiet)
    found = seen(tmp_path / "clip.mp4")
    assert found["seconds"] == pytest.approx(0.48, abs=0.001)
    assert found["frames"] == 12
