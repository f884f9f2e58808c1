"""A quality assessment, with measures of our own: noise, details and colours of sampled frames.

They are simple, and they are not Pixop's. Each gives a number for a frame; its mean over the
samples is scored from 0 to 5 along a line between two values that we took for bad and for good.
"""

from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from migrator.sandbox.media.findings import QualityAssessment, QualityMetric

Picture = NDArray[np.float32]

LARGEST_SAMPLE = (1280, 720)
"""The width and height, about the middle, that noise and details are measured in."""

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""The shares of red, green and blue in brightness (ITU-R BT.709)."""

BEST = 5.0
LABELS = ((1.0, "untenable"), (2.0, "poor"), (3.0, "fair"), (4.0, "good"), (BEST, "excellent"))
"""The label of a score is the first whose bound it does not exceed."""

SCALES = {"noise": (0.10, 0.0), "details": (0.0, 0.12), "colors": (0.0, 0.35)}
"""The values that score 0 and 5."""


@dataclass(slots=True)
class Quality:
    """The measures of the frames that were sampled so far."""

    _samples: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in SCALES})

    def add(self, frame: VideoFrame) -> None:
        """Measure a frame."""
        rgb = _middle(frame.to_ndarray(format="rgb24").astype(np.float32)) / np.float32(255)
        gray: Picture = (rgb * LUMA).sum(axis=2)
        self._samples["noise"].append(noise(gray))
        self._samples["details"].append(details(gray))
        self._samples["colors"].append(colors(rgb))

    def assessment(self) -> QualityAssessment:
        """What it comes to; empty where nothing was sampled."""
        if not self._samples["noise"]:
            return QualityAssessment()
        metrics = [_metric(name, fmean(values)) for name, values in self._samples.items()]
        overall = fmean(metric.subjective_score for metric in metrics)
        return QualityAssessment(metrics=metrics, overall_subjective_score=round(overall, 2))


def noise(gray: Picture) -> float:
    """The spread of what is left of a picture once slopes and smooth shapes are taken out.

    Differences of differences in both directions cancel a plane exactly, and what grain adds
    to each pixel is in there six times over. The median passes over edges.
    """
    rows = gray[:-2] - 2 * gray[1:-1] + gray[2:]
    both = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    if not both.size:
        return 0.0
    gaussian_median, gain = 0.6745, 6.0
    return float(np.median(np.abs(both)) / gaussian_median / gain)


def details(gray: Picture) -> float:
    """The root mean square of the differences between neighbours."""
    down, across = np.diff(gray, axis=0), np.diff(gray, axis=1)
    squares = [float(np.mean(np.square(one))) for one in (down, across) if one.size]
    return float(np.sqrt(sum(squares)))


def colors(rgb: Picture) -> float:
    """How far colours are from gray: the mean distance of the channels from their own mean."""
    distance = rgb - rgb.mean(axis=2, keepdims=True)
    return float(np.mean(np.sqrt(np.square(distance).sum(axis=2))))


def _metric(name: str, mean: float) -> QualityMetric:
    bad, good = SCALES[name]
    score = min(BEST, max(0.0, (mean - bad) / (good - bad) * BEST))
    label = next(label for bound, label in LABELS if score <= bound)
    return QualityMetric(
        name=name,
        sample_mean=round(mean, 3),
        subjective_label=label,
        subjective_score=round(score, 3),
    )


def _middle(picture: Picture) -> Picture:
    width, height = LARGEST_SAMPLE
    top = max(0, picture.shape[0] - height) // 2
    left = max(0, picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]
