"""Transfers: which rows stand where, and the one way in which a row is changed."""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import cast

import msgspec

from migrator.checkpoint.change import Change, Move, Transfer
from migrator.checkpoint.packing import pack_etag, pack_id, unpack_id
from migrator.checkpoint.queries import SQL, Tables
from migrator.checkpoint.records import TEXTS, Reported, stored, told
from migrator.checkpoint.values import Foreseen
from migrator.errors import CheckpointError
from migrator.lifecycle import IllegalTransition, State, advance
from migrator.model import DecidedBy, Reason

AT_ONCE = 64
"""Changes in one statement, at most: beyond that its text costs what its steps save."""


class Transfers(Tables):
    """Rows on their way."""

    def pending_buckets(self) -> dict[int, list[str]]:
        """Every bucket that a row names which is pending, or may be again, by lane."""
        found: dict[int, list[str]] = {}
        for lane, bucket in self._db.execute(SQL["pending_buckets"]):
            found.setdefault(lane, []).append(str(bucket))
        return found

    def buckets_of_videos(self) -> list[str]:
        """Every bucket of which there is, or was, a video."""
        return [str(bucket) for (bucket,) in self._db.execute(SQL["buckets_of_videos"])]

    def has_open_rows(self) -> bool:
        """Whether any row has no outcome yet."""
        return self._db.execute(SQL["any_open"]).fetchone() is not None

    def pending_after(self, row: int, limit: int, lane: int | None = None) -> list[Transfer]:
        """The next `limit` pending rows beyond `row`, in row order; of one lane, or of all."""
        if lane is None:
            return self._transfers("pending_after", (row, limit))
        return self._transfers("pending_of_lane_after", (row, lane, limit))

    def pending_by_place_after(self, row: int, limit: int, lane: int) -> list[Transfer]:
        """The next `limit` pending rows of a lane beyond `row` in the order of their places.

        For a batch whose rows have places (`order`); row 0 is before all others.
        """
        return self._transfers("pending_by_place_after", (row, limit, lane))

    def serve(self, first: int, last: int, lanes: Iterable[tuple[int, str, str]]) -> None:
        """Give the pending rows `first` to `last` to their lanes: (lane, bucket, key prefix).

        The longest prefix counts; what none serves stays with lane 0.
        """
        for lane, bucket, prefix in sorted(lanes, key=lambda each: len(each[2])):
            self._db.execute(SQL["serve"], (lane, first, last, bucket, prefix))

    def ended_after(self, row: int, limit: int) -> list[Transfer]:
        """The next `limit` rejected, missing or failed rows beyond `row`, in row order."""
        return self._transfers("ended_after", (row, limit))

    def replacing_after(self, row: int, limit: int, lane: int = 0) -> list[Transfer]:
        """The next `limit` rows of a lane whose old video is to be removed, in row order."""
        return self._transfers("replacing_after", (row, lane, limit))

    def in_state(self, state: State) -> list[Transfer]:
        """All rows in one of the open states that a run bounds (never `pending`)."""
        return self._transfers("in_state", (state,))

    def sent_and_ended(self) -> tuple[int, int]:
        """Rows that this batch has sent itself: how many are imported, and how many refused."""
        imported, refused = self._db.execute(SQL["sent_and_ended"]).fetchone()
        return int(imported), int(refused)

    def sent_and_open(self, limit: int) -> list[int]:
        """The first rows that were sent and have no outcome yet, but for pending ones."""
        return [int(row) for (row,) in self._db.execute(SQL["sent_and_open"], (limit,))]

    def made_videos(self, limit: int) -> list[tuple[int, str, str, str]]:
        """(row, bucket, key, video id) of the first videos that this batch has made."""
        return [
            (int(row), bucket, key, unpack_id(video) or "")
            for row, bucket, key, video in self._db.execute(SQL["made_videos"], (limit,))
        ]

    def transfer(self, row: int) -> Transfer:
        """One row."""
        return self._transfers("transfer", (row,))[0]

    def transfers_after(self, row: int, limit: int) -> list[Transfer]:
        """The next `limit` rows beyond `row` in any state."""
        return self._transfers("every_transfer", (row, limit))

    def reported_after(self, row: int, limit: int) -> list[Reported]:
        """The same for a report, which makes no object of each: what it may tell of them."""
        return self._db.execute(SQL["every_reported"], (row, limit)).fetchall()

    def transfers_of_objects(self, object_ids: Sequence[bytes]) -> list[Transfer]:
        """The rows of these objects that this batch has."""
        marks = ", ".join("?" * len(object_ids))
        sql = SQL["of_objects"].replace("(?)", f"({marks})")
        return [told(found) for found in self._db.execute(sql, object_ids)]

    def row_of_video(self, video_id: str) -> int | None:
        """The row that a video belongs to, or None when it is none of ours."""
        found = self._db.execute(SQL["row_of_video"], (pack_id(video_id),)).fetchone()
        return None if found is None else int(found[0])

    def _rows_of_videos(self, video_ids: Sequence[str]) -> dict[str, int]:
        """The rows that have some of these videos, by video."""
        if not video_ids:
            return {}
        of_packed = {pack_id(video_id): video_id for video_id in video_ids}
        marks = ", ".join("?" * len(of_packed))
        sql = SQL["rows_of_videos"].replace("(?)", f"({marks})")
        return {of_packed[video]: int(row) for video, row in self._db.execute(sql, [*of_packed])}

    def apply(self, row: int, state: State, change: Change) -> State:
        """Let `change` happen to a row that stands in `state`; answers the state that follows.

        Raises lifecycle.IllegalTransition when the table has no such move, and CheckpointError when
        the row is not in `state`: two writers, which the lock forbids.
        """
        return self.apply_all([Move(row, state, change)])[0][0]

    def apply_all(self, moves: Sequence[Move]) -> list[tuple[State, Change]]:
        """Let changes happen to different rows; answers what happened to each, and its state after.

        That is the change, or what was to happen in its place where its video is another row's.

        Those that set the same columns are one statement: SQLite works on it without the
        interpreter, which sends meanwhile. Raises what `apply` does, and then nothing must be
        committed.
        """
        changes = [move.change for move in moves]
        states: dict[int, State] = {}
        self._write(moves, changes, range(len(moves)), states)
        return [(states[place], change) for place, change in enumerate(changes)]

    def _write(
        self,
        moves: Sequence[Move],
        changes: list[Change],
        places: Iterable[int],
        states: dict[int, State],
    ) -> None:
        """Write the `changes` at some `places`, and note which states follow."""
        alike: dict[tuple[str, ...], list[tuple[int, tuple[object, ...]]]] = {}
        for place in places:
            move, change = moves[place], changes[place]
            try:
                follows = states[place] = advance(move.state, change.event)
            except IllegalTransition:
                story = self.transfer(move.row).story
                raise IllegalTransition(move.state, change.event, story) from None
            facts = stored(follows, change.facts)
            values = (move.row, TEXTS[move.state], TEXTS[follows], *facts.values())
            alike.setdefault(tuple(facts), []).append((place, values))
        for columns, rows in alike.items():
            for some in (rows[at : at + AT_ONCE] for at in range(0, len(rows), AT_ONCE)):
                try:
                    self._update(columns, [values for _, values in some])
                except sqlite3.IntegrityError:  # nothing of this statement is written
                    of_some = [place for place, _ in some]
                    if not self._replace_taken(moves, changes, of_some):
                        raise
                    self._write(moves, changes, of_some, states)

    def _replace_taken(
        self, moves: Sequence[Move], changes: list[Change], places: Sequence[int]
    ) -> bool:
        """Put other changes for those that would give a row another one's video, if any would."""
        wanted = {
            place: video_id
            for place in places
            if (video_id := changes[place].facts.get("video_id")) is not None
        }
        owners = self._rows_of_videos([*wanted.values()])
        was_taken = False
        for place, video_id in wanted.items():
            move = moves[place]
            owner = owners.setdefault(video_id, move.row)
            if owner != move.row and move.if_taken is not None:
                changes[place], was_taken = move.if_taken(owner), True
        return was_taken

    def _update(self, columns: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
        """Write rows of (row, state before, state after, values of `columns`)."""
        size = 1 << (len(rows) - 1).bit_length()
        nobody: tuple[object, ...] = (None,) * (3 + len(columns))  # so that few statements do
        filled = [*rows, *(nobody for _ in range(size - len(rows)))]
        statement = _update_statement(columns, size)
        if self._db.execute(statement, tuple(chain.from_iterable(filled))).rowcount == len(rows):
            return
        found = [self.transfer(cast("int", row)) for row, *_ in rows]
        place = next((n for n, (_, _, after, *_) in enumerate(rows) if found[n].state != after), 0)
        raise CheckpointError(
            f"the checkpoint disagrees: expected {rows[place][1]}, found {found[place].story}",
            "please report this with the checkpoint; resuming is safe",
        )

    def preflighted(
        self,
        row: int,
        size_bytes: int | None,
        etag: str | None,
        last_modified_ms: int | None,
        now_ms: int,
        foreseen: Foreseen | None = None,
    ) -> None:
        """Keep what the source told about an object, and what is against sending it, if anything.

        The row stays pending: where it would not be sent, a run settles it by what is kept here.
        """
        values = (size_bytes, pack_etag(etag), last_modified_ms, now_ms, row)
        self._db.execute(SQL["preflighted"], values)
        if foreseen is None:
            self._db.execute(SQL["foresee_nothing"], (row,))
        else:
            self.foresee(row, foreseen)

    def foresee(self, row: int, foreseen: Foreseen) -> None:
        """Keep what is against sending a row, by what is known of its object already."""
        self._db.execute(
            SQL["foresee"],
            (row, foreseen.reason, foreseen.decided_by, foreseen.error_code,
             foreseen.http_status, foreseen.message),
        )  # fmt: skip

    def recheck(self) -> None:
        """Forget what preflight has against pending rows: it is asked again."""
        self._db.execute(SQL["recheck_rows"])
        self._db.execute(SQL["forget_foreseen"])

    def foreseen_of(self, rows: Sequence[int]) -> dict[int, Foreseen]:
        """What preflight has against some of these rows, by row."""
        marks = ", ".join("?" * len(rows))
        sql = SQL["foreseen_of"].replace("(?)", f"({marks})")
        return {
            row: Foreseen(Reason(reason), DecidedBy(decided_by), *told)
            for row, reason, decided_by, *told in self._db.execute(sql, rows)
        }

    def add_duplicate_videos(self, row: int, video_ids: Sequence[str]) -> None:
        """Add further videos that carry the tag of a row."""
        transfer = self.transfer(row)
        known = msgspec.json.decode(transfer.duplicate_video_ids or "[]", type=list[str])
        merged = sorted({*known, *video_ids} - {transfer.video_id})
        self._db.execute(SQL["add_duplicate_videos"], (msgspec.json.encode(merged).decode(), row))


@lru_cache(maxsize=128)
def _update_statement(columns: tuple[str, ...], rows: int) -> str:
    """A change of so many rows at once; one whose number is NULL is none."""
    assert set(columns) <= set(Transfer._fields)
    sets = ", ".join(f"{name} = new.column{place}" for place, name in enumerate(columns, 4))
    values = ", ".join([f"({', '.join('?' * (3 + len(columns)))})"] * rows)
    return (
        f"UPDATE object SET state = new.column3{', ' if sets else ''}{sets}, room = NULL "  # noqa: S608 - columns of ours
        f"FROM (VALUES {values}) AS new "
        "WHERE object.row = new.column1 AND object.state = new.column2"
    )
