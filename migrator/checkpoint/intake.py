"""Rows in: the sources of a batch, and the rows that were read from them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import msgspec

from migrator.checkpoint import identities, order
from migrator.checkpoint.packing import unpack_etag, unpack_id
from migrator.checkpoint.queries import SQL, Tables
from migrator.checkpoint.records import as_duplicate, as_filtered, as_imported, record
from migrator.checkpoint.values import Source
from migrator.errors import CheckpointError
from migrator.model import InvalidRow, ManifestRow
from migrator.settings.inputs import OrderBy


class Intake(Tables):
    """What was read, row by row, until every source is read to its end."""

    def add_source(
        self, source_id: int, kind: str, location: str, header: Sequence[str], sha256: str
    ) -> None:
        """Announce a source before its first row."""
        names = msgspec.json.encode(header).decode()
        self._db.execute(SQL["add_source"], (source_id, kind, location, names, sha256))

    def set_header(self, source_id: int, header: Sequence[str]) -> None:
        """Further columns have turned up behind those that a source was announced with."""
        self._db.execute(SQL["set_header"], (msgspec.json.encode(header).decode(), source_id))

    def sources(self) -> list[Source]:
        """All sources in the order of reading."""
        return [
            Source(i, kind, where, tuple(msgspec.json.decode(header)), sha256, n, bool(done), out)
            for i, kind, where, header, sha256, n, done, out in self._db.execute(SQL["sources"])
        ]

    def complete_source(self, source_id: int, sha256: str) -> None:
        """Freeze a source: it was read to its end."""
        count = self._db.execute(SQL["rows_of_source"], (source_id,)).fetchone()[0]
        self._db.execute(SQL["complete_source"], (sha256, count, source_id))

    def forget_sources(self) -> None:
        """Drop all that was read, to read it anew: nothing can have been sent."""
        for query in ("forget_rows", "forget_foreseen", "forget_sources", "forget_projects"):
            self._db.execute(SQL[query])

    def last_row(self) -> int:
        """The highest row number so far; 0 when there is none."""
        return int(self._db.execute(SQL["last_row"]).fetchone()[0] or 0)

    def rows_of_source(self, source_id: int) -> int:
        """How many rows of a source are stored."""
        return int(self._db.execute(SQL["rows_of_source"], (source_id,)).fetchone()[0])

    def listed_to(self, source_id: int) -> str:
        """The last key that a listing has read, wanted or not: where it goes on; "" before it."""
        return str(self._db.execute(SQL["listed_to"], (source_id,)).fetchone()[0])

    def note_listed(self, source_id: int, last_key: str, filtered: int) -> None:
        """A listing has read up to `last_key`, and left out so many further objects by filters."""
        self._db.execute(SQL["note_listed"], (last_key, filtered, source_id))

    def listing_facts(
        self, source_id: int, after: int, limit: int
    ) -> list[tuple[int, tuple[str, ...]]]:
        """Of a listing's rows beyond row `after`, in order: what was told of each.

        Bucket, key, size in bytes, ETag, and version where there is one.
        """
        facts = list[tuple[int, tuple[str, ...]]]()
        found = self._db.execute(SQL["listing_facts"], (source_id, after, limit))
        for row, bucket, key, size_bytes, etag, version_id in found:
            told = (bucket, key, str(size_bytes), unpack_etag(etag) or "")
            facts.append((row, told if version_id is None else (*told, version_id)))
        return facts

    def add_rows(
        self,
        source_id: int,
        rows: Sequence[ManifestRow | InvalidRow],
        namespace: str,
        now_ms: int,
        imported: Callable[[Sequence[bytes]], Mapping[bytes, str]] = lambda _object_ids: {},
        left_out: Mapping[int, str] = MappingProxyType({}),
        by_url: Callable[[str], bool] = lambda _bucket: False,
    ) -> None:
        """Store rows as they were read; a second row of the same object is skipped and says so.

        So is what `imported` answers, objects with the words of who has imported them already, and
        the rows of `left_out`, with the filter that does it in words. `by_url` says of
        which buckets a version is an object of its own.
        """
        location = self._db.execute(SQL["location"], (source_id,)).fetchone()[0]
        file = str(location).rpartition("/")[2]
        records = [record(source_id, file, row, namespace, now_ms, by_url) for row in rows]
        self.add_records(rows, records, now_ms, imported, left_out)

    def begin_rows(self) -> None:
        """Before the first row: what finds duplicates is put aside, until `settle_rows`."""
        identities.put_aside(self._db)
        order.forget(self._db)

    def settle_rows(self, now_ms: int, order_by: OrderBy = "manifest") -> None:
        """All rows are there: find those of an object that has one already, and order the rest."""
        identities.settle(self._db, now_ms)
        if order_by != "manifest":
            order.keep(self._db)

    def add_records(
        self,
        rows: Sequence[ManifestRow | InvalidRow],
        records: list[tuple[object, ...]],
        now_ms: int,
        imported: Callable[[Sequence[bytes]], Mapping[bytes, str]],
        left_out: Mapping[int, str],
    ) -> None:
        """Store the `records` of `rows` (`records.record`): what `add_rows` does with them."""
        if left_out:
            records = [
                as_filtered(values, left_out[row.row], now_ms) if row.row in left_out else values
                for values, row in zip(records, rows, strict=True)
            ]
        done = imported([values[2] for values in records if isinstance(values[2], bytes)])
        if done:
            records = [
                as_imported(values, done[values[2]], now_ms)
                if isinstance(values[2], bytes) and values[2] in done
                else values
                for values in records
            ]
        added = self._db.executemany(SQL["add_object"], records).rowcount
        if added == len(records):
            return
        first, last = records[0][0], records[-1][0]
        present = {row for (row,) in self._db.execute(SQL["rows_between"], (first, last))}
        if len(present) != added or not identities.is_there(self._db):
            raise CheckpointError(
                f"rows {first} to {last} are taken already",
                "please report this with the checkpoint; nothing was sent",
            )
        for values in records:
            if values[0] not in present:
                original = self._db.execute(SQL["row_of_object"], (values[2],)).fetchone()[0]
                self._db.execute(SQL["add_object"], as_duplicate(values, original, now_ms))

    def imported_objects(self, object_ids: Sequence[bytes]) -> dict[bytes, str]:
        """Of these objects those that are imported, in words: by which batch, as which video."""
        marks = ", ".join("?" * len(object_ids))
        sql = SQL["imported_objects"].replace("(?)", f"({marks})")
        batch = self.meta("batch")
        return {
            object_id: f"imported by batch {batch} as video {unpack_id(video)}"
            if video
            else message
            for object_id, video, message in self._db.execute(sql, object_ids)
        }

    def add_projects(self, project_ids: Iterable[str]) -> None:
        """Remember projects that rows name."""
        self._db.executemany(SQL["add_project"], ((project,) for project in project_ids))

    def projects(self) -> list[str]:
        """Every project that a row names."""
        return [str(project) for (project,) in self._db.execute(SQL["projects"])]
