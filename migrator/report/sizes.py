"""How large the objects are, by classes of size, as the page shows it."""

from collections.abc import Mapping
from dataclasses import dataclass

_MB, _GB = 10**6, 10**9

LIMITS = (1, _MB, 10 * _MB, 100 * _MB, _GB, 10 * _GB, 100 * _GB, 500 * _GB)
"""Upper bounds of the classes, exclusive; the last class is open."""

NAMES = (
    "Empty", "Below 1 MB", "1 to 10 MB", "10 to 100 MB", "100 MB to 1 GB", "1 to 10 GB",
    "10 to 100 GB", "100 to 500 GB", "500 GB and more",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SizeClass:
    """One class; `share` is its bar's length, in percent of the longest."""

    name: str
    rows: int
    size_bytes: int
    share: float


def size_classes(found: Mapping[int, tuple[int, int]]) -> list[SizeClass]:
    """The classes from the smallest to the largest that has rows, without gaps between them."""
    if not found:
        return []
    most = max(rows for rows, _ in found.values())
    return [
        SizeClass(
            NAMES[i],
            *found.get(i, (0, 0)),
            share=round(100 * found.get(i, (0, 0))[0] / most, 1),
        )
        for i in range(min(found), max(found) + 1)
    ]
