"""The demo's catalogue: good files, and every kind of trouble that a migration meets.

Beside each row stands how it must end, in the words of the design and not as values of the program
under test: a rehearsal that computed its expectations with the program's own parts would agree
with the program's own mistakes.
"""

import csv
import hashlib
import io
import os
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from migrator.sandbox.errors import SandboxError

BUCKETS = ("catalogue-a", "catalogue-b")
"""Where the good files are."""

LOCKED_BUCKET = "catalogue-locked"
"""Its objects are there, but the keys that are named for it are wrong."""

ABSENT_BUCKET = "catalogue-gone"

FILMS_BUCKET = "catalogue-films"
"""Where the films are that are ingested in full, in a batch of their own."""

FILMS = 4
FILM_FRAMES, FILM_FRAMES_A_SECOND = 60, 5
"""Twelve seconds: longer than the clip that is made of them."""

TOO_LARGE_BYTES = 501 * 10**9
"""Over the platform's 500 GB if a GB is 10**9 bytes, so that the platform itself must say so."""

MAX_KEY_BYTES = 1024
"""The longest key that S3 takes (Amazon S3 user guide)."""

SHORTEST_LONG_KEY_BYTES = 300
"""Longer than any segment of a path may be; where not even that fits, the path is too deep."""

SEGMENT_BYTES = 200
"""File systems end at 255 bytes between two slashes."""

WIDTH, HEIGHT = 128, 72
FRAMES_A_SECOND = 25
FEWEST_FRAMES = 12

COLUMNS = ("bucket", "key", "name", "description", "project_id", "asset_id")

GOOD_KEYS = (
    "masters/{:05}.mp4",
    "masters/Evening News, {:05} (1st cut).mp4",
    "reels/reel #{:05}.mp4",
    "music/rock+roll {:05}.mp4",
    "sales/50% off%20{:05}.mp4",  # decoded once too often, it names another object
    "filme/Über den Dächern {:05}.mp4",
    "filme/U\u0308ber den Da\u0308chern {:05}.mp4",  # looks the same and is another key
    "映画/東京の夜 🎬 {:05}.mp4",
    'odd/say "a&b=c?" {:05};~!.mp4',
)
"""Keys as they are found in old catalogues, each made unique by a number. With a long key after
them, this is also the fewest good files that show them all."""

FEWEST_OBJECTS = len(GOOD_KEYS) + 1


@dataclass(frozen=True, slots=True)
class Kind:
    """What is in the catalogue, and the one outcome and reason that it must have."""

    what: str
    outcome: str
    reason: str


GOOD = Kind("good H.264 files in two buckets", "imported", "copied")
TOO_LARGE = Kind("an object of 501 GB", "rejected", "too_large")
EMPTY = Kind("an object of zero bytes", "rejected", "empty_object")
LOCKED = Kind("objects in a bucket with wrong keys", "rejected", "bad_credentials")
INVALID = Kind("rows that no request can be made of", "rejected", "invalid_row")
NO_OBJECT = Kind("rows for objects that are not there", "missing", "object_not_found")
NO_BUCKET = Kind("rows for a bucket that is not there", "missing", "bucket_not_found")
TWICE = Kind("a row that stands there twice", "skipped", "duplicate_row")
IN_FULL = Kind("longer films, ingested in full", "imported", "copied")

KINDS = (GOOD, TOO_LARGE, EMPTY, LOCKED, INVALID, NO_OBJECT, NO_BUCKET, TWICE, IN_FULL)


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """A row of the manifest as its bytes; for a good one the object and the digest of its file."""

    kind: Kind
    line: bytes
    bucket: str = ""
    key: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Catalogue:
    """A catalogue as it was built: `rows[n - 1]` is row n of the manifest.

    `films` are in the same way the rows of `films_manifest`: what is ingested in full.
    """

    rows: tuple[CatalogueRow, ...]
    films: tuple[CatalogueRow, ...]
    manifest: Path
    films_manifest: Path
    config: Path
    environment: Mapping[str, str]
    """The wrong keys, by the names that `config` gives."""

    def expected(self) -> dict[Kind, int]:
        """How many rows of each kind there are."""
        counts = Counter(row.kind for row in (*self.rows, *self.films))
        return {kind: counts[kind] for kind in KINDS}

    def good(self) -> list[CatalogueRow]:
        """The rows that must be imported, the films among them."""
        return [row for row in (*self.rows, *self.films) if row.sha256]


def sparse_file(buckets: Path) -> Path:
    """Where the object of 501 GB lies under `buckets`."""
    return buckets / BUCKETS[1] / "masters" / "far too large.mov"


def make_catalogue(directory: Path, buckets: Path, objects: int) -> Catalogue:
    """Make `objects` good files and the troubles in `buckets`, and the manifest in `directory`.

    Raises SandboxError where the file system cannot hold them.
    """
    try:
        good = _good_rows(buckets, objects)
        rows = _spread(good, [*_troubles(buckets), _row(TWICE, good[0].bucket, good[0].key)])
        manifest, config = directory / "catalogue.csv", directory / "migrator.toml"
        manifest.write_bytes(_line(COLUMNS) + b"".join(row.line for row in rows))
        films, films_manifest = _film_rows(buckets, objects), directory / "films.csv"
        films_manifest.write_bytes(_line(COLUMNS) + b"".join(row.line for row in films))
        config.write_text(
            f'[buckets."{LOCKED_BUCKET}"]\n'
            'access_key_id_env = "DEMO_WRONG_ACCESS_KEY_ID"\n'
            'secret_access_key_env = "DEMO_WRONG_SECRET_ACCESS_KEY"\n'
        )
    except OSError as error:
        raise SandboxError(f"{directory}: {error.strerror or error}") from error
    environment = {
        "DEMO_WRONG_ACCESS_KEY_ID": "AKIA" + secrets.token_hex(8).upper(),
        "DEMO_WRONG_SECRET_ACCESS_KEY": secrets.token_urlsafe(30),
    }
    return Catalogue(tuple(rows), tuple(films), manifest, films_manifest, config, environment)


# ----------------------------------------------------------------------------- rows


def _good_rows(buckets: Path, objects: int) -> list[CatalogueRow]:
    long_bytes = _longest_key_bytes(buckets)
    rows = []
    for number in range(objects):
        around, form = divmod(number, FEWEST_OBJECTS)
        bucket = BUCKETS[(around + form) % len(BUCKETS)]
        if form < len(GOOD_KEYS):
            key = GOOD_KEYS[form].format(number)
        else:
            key = long_key(f"deep/{number:05}/", long_bytes)
        content = video(number)
        _put(buckets, bucket, key, content)
        digest = hashlib.sha256(content).hexdigest()
        rows.append(_row(GOOD, bucket, key, asset_id=f"{number:05}", sha256=digest))
    if len({row.sha256 for row in rows}) < objects:
        raise SandboxError("two files came out the same: no digest could tell them apart")
    return rows


def _film_rows(buckets: Path, first: int) -> list[CatalogueRow]:
    rows = []
    for number in range(first, first + FILMS):
        key = f"films/{number:05}.mp4"
        content = video(number, frames=FILM_FRAMES, rate=FILM_FRAMES_A_SECOND)
        _put(buckets, FILMS_BUCKET, key, content)
        digest = hashlib.sha256(content).hexdigest()
        rows.append(_row(IN_FULL, FILMS_BUCKET, key, asset_id=f"{number:05}", sha256=digest))
    return rows


def _troubles(buckets: Path) -> Iterator[CatalogueRow]:
    a, b = BUCKETS
    sparse = sparse_file(buckets)
    _put(buckets, b, _key_of(buckets, sparse), b"")
    os.truncate(sparse, TOO_LARGE_BYTES)
    yield _row(TOO_LARGE, b, _key_of(buckets, sparse))

    _put(buckets, a, "masters/nothing in it.mp4", b"")
    yield _row(EMPTY, a, "masters/nothing in it.mp4")

    for number in range(3):
        key = f"vault/{number}.mp4"
        _put(buckets, LOCKED_BUCKET, key, video(number))
        yield _row(LOCKED, LOCKED_BUCKET, key)

    yield _row(INVALID, a, long_key("invalid/", MAX_KEY_BYTES + 1))
    yield _row(INVALID, a, "invalid/project.mp4", project_id="not-a-project")
    yield _row(INVALID, "b", "invalid/bucket.mp4")
    yield _row(INVALID, a, "")
    yield CatalogueRow(INVALID, _line((a, "invalid/too few cells.mp4")))
    yield CatalogueRow(INVALID, _line((a, "invalid/L?tin-1.mp4", "", "", "", "")).replace(
        b"?", "ä".encode("latin-1")
    ))  # fmt: skip

    yield _row(NO_OBJECT, a, "masters/never was there.mp4")
    encoded = GOOD_KEYS[2].format(2).replace("#", "%23")  # of a good file: decoded, it is there
    yield _row(NO_OBJECT, a, encoded)
    yield _row(NO_OBJECT, b, long_key("gone/", _longest_key_bytes(buckets)))

    yield _row(NO_BUCKET, ABSENT_BUCKET, "masters/00001.mp4")
    yield _row(NO_BUCKET, ABSENT_BUCKET, "masters/00002.mp4")


def _row(
    kind: Kind, bucket: str, key: str, *, project_id: str = "", asset_id: str = "", sha256: str = ""
) -> CatalogueRow:
    line = _line((bucket, key, "", "", project_id, asset_id))
    return CatalogueRow(kind, line, bucket, key, sha256)


def _line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def _spread(good: list[CatalogueRow], troubles: list[CatalogueRow]) -> list[CatalogueRow]:
    """The troubles in their order, evenly among the good rows, of which one comes first."""
    rows = list(good)
    for number, trouble in reversed(list(enumerate(troubles, start=1))):
        rows.insert(max(1, number * len(good) // (len(troubles) + 1)), trouble)
    return rows


# ----------------------------------------------------------------------------- objects


def long_key(start: str, size_bytes: int) -> str:
    """An ASCII key of exactly that many bytes, in segments that a file system takes."""
    end = "z.mp4"
    fill_bytes = size_bytes - len(start) - len(end)
    fill = ("a-long-way-down-" * fill_bytes)[:fill_bytes]
    cut = [fill[at : at + SEGMENT_BYTES - 1] for at in range(0, fill_bytes, SEGMENT_BYTES)]
    return start + "/".join(cut).ljust(fill_bytes, "x") + end


def _longest_key_bytes(buckets: Path) -> int:
    """How long a key may be for its file to have a path."""
    buckets.mkdir(parents=True, exist_ok=True)
    before = len(os.fsencode(buckets.absolute())) + max(map(len, BUCKETS)) + 3  # slashes, NUL
    longest = min(MAX_KEY_BYTES, os.pathconf(buckets, "PC_PATH_MAX") - before)
    if longest < SHORTEST_LONG_KEY_BYTES:
        raise SandboxError(f"{buckets}: too deep for long keys; choose a shorter path")
    return longest


def _put(buckets: Path, bucket: str, key: str, content: bytes) -> None:
    path = buckets.absolute() / bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _key_of(buckets: Path, path: Path) -> str:
    return path.relative_to(buckets / BUCKETS[1]).as_posix()


def video(number: int, *, frames: int | None = None, rate: int = FRAMES_A_SECOND) -> bytes:
    """A real H.264 MP4, its number drawn into its frames: of about half a second, or `frames`."""
    import av  # noqa: PLC0415 - of the `sandbox` extra
    import numpy as np  # noqa: PLC0415 - comes with pandas, and is slow to load

    columns = np.arange(WIDTH)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for moment in range(frames or FEWEST_FRAMES + number % FEWEST_FRAMES):
            # Brightness above, colour (none of it) below: the planes of yuv420p.
            picture = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            picture[:HEIGHT] = (columns * (number % 7 + 1) + moment * 4) % 256
            for bit in range(16):
                picture[:16, bit * 8 : bit * 8 + 8] = 235 if number >> bit & 1 else 16
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        container.mux(stream.encode())
    return file.getvalue()
