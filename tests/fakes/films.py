"""Small real films of every kind that ingestion meets, made here."""

import av
import numpy as np

WIDTH, HEIGHT = 128, 72


def film(
    path, codec="libx264", pix_fmt="yuv420p", *, rate=25, frames=12, size=(WIDTH, HEIGHT),
    options=None, container=None, sound=False, fields=None, pixels=None, noise=0,
):  # fmt: skip
    """Write a film of a bar that moves over a slope of colours; `path` again.

    `fields` "top" or "bottom" makes each frame of two moments, that one first. `noise` is added to
    every pixel, up to so much either way.
    """
    width, height = size
    with av.open(str(path), "w", format=container) as file:
        video = file.add_stream(codec, rate=rate, options=options or {})
        video.width, video.height, video.pix_fmt = width, height, pix_fmt
        if pixels is not None:
            video.sample_aspect_ratio = pixels
        audio = file.add_stream("aac", rate=48_000) if sound else None
        if audio is not None:
            audio.layout = "stereo"
        for number in range(frames):
            picture = _picture(number, width, height)
            if fields is not None:
                first = 0 if fields == "top" else 1
                picture[1 - first :: 2] = _picture(number + 0.5, width, height)[1 - first :: 2]
            if noise:
                grain = np.random.default_rng(number).integers(-noise, noise, picture.shape)
                picture = np.clip(picture + grain, 0, 255).astype(np.uint8)
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(video.encode())
        if audio is not None:
            seconds = np.arange(int(48_000 * frames / rate)) / 48_000
            wave = np.sin(seconds * 440 * 2 * np.pi).astype(np.float32) / 5
            heard = av.AudioFrame.from_ndarray(np.stack([wave, wave]), "fltp", "stereo")
            heard.sample_rate, heard.pts = 48_000, 0
            file.mux(audio.encode(heard))
            file.mux(audio.encode())
    return path


def _picture(moment, width, height):
    across, down = np.arange(width)[None, :, None], np.arange(height)[:, None, None]
    slope = across * 120 // width + down * 60 // height + np.array([0, 30, 60])
    picture = slope.astype(np.uint8)
    left = int(moment * width / 24) % (width - width // 8)
    picture[height // 4 : height * 3 // 4, left : left + width // 8] = 255
    return picture


def seen(path):
    """A film opened again: its stream, its container's seconds, how many frames come out."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        frames = list(file.decode(video=0))
        return {
            "codec": stream.codec_context.name,
            "pix_fmt": stream.codec_context.pix_fmt,
            "size": (frames[0].width, frames[0].height),
            "seconds": float(stream.duration * stream.time_base) if stream.duration else None,
            "frames": len(frames),
            "sound": [audio.codec_context.name for audio in file.streams.audio],
        }
