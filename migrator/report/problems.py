"""The rows that a person should see, as the page carries them: compact, and bounded.

They are collected as the tables are written. What the page shows of a batch of any size is bounded
in rows and in bytes; where it leaves some out, the rare reasons are shown whole.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.values import Source
from migrator.model import Outcome, Reason
from migrator.report.cells import line_of
from migrator.report.reconcile import Verdict
from migrator.report.words import escaped, shortened

PAGE_ROWS = 50_000
"""Problem rows that the page holds; the tables hold them all."""

PAGE_BYTES = 9_000_000
"""About as many bytes of them, shared among the reasons like the rows."""

LEAST_BYTES = 200_000
"""Bytes that any reason may take, however few rows it has: long keys do not crowd it out."""

PAGE_DUPLICATES = 100
"""Rows with duplicate videos that the page shows."""

EXAMPLES = 3
"""Objects that are named beside what to do about a reason."""

LONGEST_TEXT = 1_200
"""Characters of one text on the page: a whole key fits, a ragged line of a megabyte does not."""

_Name = TypeVar("_Name")


@dataclass(frozen=True, slots=True)
class Named:
    """An object that is named in the text of the page."""

    row: int
    bucket: str
    key: str
    video_id: str
    duplicate_video_ids: tuple[str, ...]
    version_id: str = ""


class Problems:
    """Collects rows as the tables are written; `counts` says how many there are of each reason."""

    def __init__(self, sources: Sequence[Source], counts: Mapping[Reason, int]) -> None:
        self.shown: Counter[Reason] = Counter()
        self.examples: dict[Reason, list[Named]] = {}
        self.duplicates: list[Named] = []
        self.rows_with_duplicates = 0
        self._shares = fair_shares(counts, PAGE_ROWS)
        all_rows = max(1, sum(self._shares.values()))
        self._bytes_left = {
            reason: max(LEAST_BYTES, PAGE_BYTES * share // all_rows)
            for reason, share in self._shares.items()
        }
        self._reasons = {reason: place for place, reason in enumerate(self._shares)}
        self._buckets, self._codes, self._messages = _Lexicon(), _Lexicon(), _Lexicon()
        self._sources = {s.id: s.location for s in sources} if len(sources) > 1 else {}
        self._source_places = {source: place for place, source in enumerate(self._sources)}
        self._rows: list[bytes] = []

    def append(self, transfers: Sequence[Transfer], verdicts: Sequence[Verdict]) -> None:
        """Look through one chunk; chunks come in row order."""
        for transfer, (outcome, reason) in zip(transfers, verdicts, strict=True):
            if reason in self._shares and needs_a_person(outcome, reason):
                self._add(transfer, reason)
            if transfer.duplicate_video_ids not in {None, "[]"}:
                self.rows_with_duplicates += 1
                if len(self.duplicates) < PAGE_DUPLICATES:
                    self.duplicates.append(_named(transfer))

    def data(self) -> Iterator[bytes]:
        """The rows as JSON that may stand inside a script element; `report.js` reads it.

        Texts that repeat stand once, in a list, and rows have their places. Of each row, in order:
        row, reason, bucket, key, message, code, HTTP status, size in bytes, end (epoch seconds),
        video id, POSTs, restarts, source, version id; what is not known is null, and left out at
        the end.
        """
        lists = {
            "reasons": list(self._shares),
            "buckets": self._buckets.texts,
            "messages": self._messages.texts,
            "codes": self._codes.texts,
            "sources": list(self._sources.values()),
        }
        yield _inert(msgspec.json.encode(lists)[:-1]) + b',"rows":['
        for place, row in enumerate(self._rows):
            yield b",\n" + row if place else row
        yield b"]}"

    def _add(self, transfer: Transfer, reason: Reason) -> None:
        examples = self.examples.setdefault(reason, [])
        if len(examples) < EXAMPLES:
            examples.append(_named(transfer))
        if self.shown[reason] == self._shares[reason] or self._bytes_left[reason] <= 0:
            return
        texts = (self._buckets, self._messages, self._codes)
        before = sum(lexicon.size for lexicon in texts)
        row = self._packed(transfer, reason)
        self._bytes_left[reason] -= len(row) + sum(lexicon.size for lexicon in texts) - before
        self.shown[reason] += 1
        self._rows.append(row)

    def _packed(self, transfer: Transfer, reason: Reason) -> bytes:
        ended_ms = transfer.finished_ms
        values: list[object] = [
            transfer.row,
            self._reasons[reason],
            self._buckets.place(transfer.bucket),
            _key_of(transfer) or None,
            self._messages.place(transfer.message),
            self._codes.place(transfer.error_code),
            transfer.http_status,
            transfer.size_bytes,
            None if ended_ms is None else ended_ms // 1000,
            transfer.video_id,
            transfer.attempts or None,
            transfer.restarts or None,
            self._source_places.get(transfer.source_id),
            shortened(transfer.version_id or "", LONGEST_TEXT) or None,
        ]
        while values[-1] is None:
            values.pop()
        return _inert(msgspec.json.encode(values))


class _Lexicon:
    """Texts that repeat, each kept once; `size` is about what they take on the page, in bytes."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.size = 0
        self._places: dict[str, int] = {}

    def place(self, text: str | None) -> int | None:
        """Where `text` stands in the list; None for none."""
        if not text:
            return None
        text = shortened(text, LONGEST_TEXT)
        place = self._places.setdefault(text, len(self.texts))
        if place == len(self.texts):
            self.texts.append(text)
            self.size += len(text.encode()) + 3
        return place


def needs_a_person(outcome: Outcome, reason: Reason) -> bool:
    """Whether a row waits for somebody: it is not imported, skipped or simply under way."""
    return (
        outcome in {Outcome.REJECTED, Outcome.MISSING, Outcome.FAILED}
        or reason is Reason.UNRESOLVED
    )


def fair_shares(counts: Mapping[_Name, int], limit: int) -> dict[_Name, int]:
    """Share `limit` places so that a rare reason is not crowded out by a frequent one.

    The smallest groups are shown whole, as long as each takes no more than an even share of what
    is left; the large ones divide the rest.
    """
    shares: dict[_Name, int] = {}
    ascending = sorted(counts, key=lambda name: counts[name])
    for position, name in enumerate(ascending):
        shares[name] = min(counts[name], limit // (len(ascending) - position))
        limit -= shares[name]
    return shares


def _inert(encoded: bytes) -> bytes:
    """JSON in which nothing can end or open an element, whatever its texts hold."""
    return encoded.replace(b"&", rb"\u0026").replace(b"<", rb"\u003c").replace(b">", rb"\u003e")


def _named(transfer: Transfer) -> Named:
    return Named(
        row=transfer.row,
        bucket=shortened(transfer.bucket or "", LONGEST_TEXT),
        key=_key_of(transfer),
        video_id=transfer.video_id or "",
        duplicate_video_ids=tuple(msgspec.json.decode(transfer.duplicate_video_ids or "[]")),
        version_id=shortened(transfer.version_id or "", LONGEST_TEXT),
    )


def _key_of(transfer: Transfer) -> str:
    line = line_of(transfer)
    key = transfer.key if line is None or transfer.key is not None else escaped(line)
    return shortened(key or "", LONGEST_TEXT)
