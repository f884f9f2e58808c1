"""A deep scan: whether the pictures themselves are progressive or interlaced. Ours, not Pixop's.

Of two frames in a row take the fields, the even lines (top) and the odd ones (bottom). Where the
top field is shown first they were taken in the order T1 B1 T2 B2: B1 and T2 are half a frame
apart, T1 and B2 one and a half. Where the bottom field is first it is the other way round, and
where frames are progressive both pairs are a whole frame apart. So it is enough to see which
pair is more alike, at moments where something moves. Where pictures move up or down that alone
misleads, so it is first asked whether T1 and B1 are of one moment: far more alike than
either pair.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from migrator.sandbox.media.findings import Scanning

Lines = NDArray[np.int16]

MOMENTS = 40
"""Pairs of frames that are looked at, spread over the video."""

WIDEST = 1280
"""Columns that are looked at, about the middle."""

CLEARLY = 1.15
"""By this factor one pair of fields must differ more than the other to be called interlaced."""

STILL = 0.5
"""Frames whose lines differ by less than this (of 255) on average show nothing that moves."""


@dataclass(slots=True)
class Scan:
    """What the pairs of frames looked like so far."""

    _seen: Counter[Scanning] = field(default_factory=Counter)

    def add(self, frame: VideoFrame, following: VideoFrame) -> None:
        """Look at a frame and the one after it."""
        looked = scanning(_luma(frame), _luma(following))
        if looked is not None:
            self._seen[looked] += 1

    def verdict(self) -> Scanning | None:
        """What most pairs looked like; None where nothing moved."""
        return next((looked for looked, _ in self._seen.most_common(1)), None)


def scanning(first: Lines, second: Lines) -> Scanning | None:
    """How two frames in a row look; None where nothing moves between them."""
    if first.shape != second.shape or np.abs(first - second).mean() < STILL:
        return None
    top_first = _apart(second[0::2], first[1::2])
    bottom_first = _apart(first[0::2], second[1::2])
    if CLEARLY * _apart(first[0::2], first[1::2]) < min(top_first, bottom_first):
        return "PROGRESSIVE"
    if bottom_first > CLEARLY * top_first:
        return "INTERLACED_TOP_FIRST"
    if top_first > CLEARLY * bottom_first:
        return "INTERLACED_BOTTOM_FIRST"
    return "PROGRESSIVE"


def _apart(top: Lines, bottom: Lines) -> float:
    """How far a bottom field is from what lies between the lines of a top field."""
    lines = min(len(top) - 1, len(bottom))
    between = (top[:lines] + top[1 : lines + 1]) // 2
    return float(np.abs(between - bottom[:lines]).mean())


def _luma(frame: VideoFrame) -> Lines:
    gray = frame.to_ndarray(format="gray")
    left = max(0, gray.shape[1] - WIDEST) // 2
    return gray[:, left : left + WIDEST].astype(np.int16)
