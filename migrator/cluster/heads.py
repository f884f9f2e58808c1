"""A part of HEADs: what the source said of each row, in Parquet."""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from migrator.model import DecidedBy, Reason
from migrator.source.answers import ObjectFacts
from migrator.source.preflight import Refusal, Told

_TYPES = {
    "row": pa.int64(), "size": pa.int64(), "etag": pa.string(), "modified_ms": pa.int64(),
    "version_id": pa.string(), "storage_class": pa.string(), "archived": pa.bool_(),
    "reason": pa.string(), "decided_by": pa.string(), "code": pa.string(), "status": pa.int64(),
    "message": pa.string(),
}  # fmt: skip


def write_heads(stream: BinaryIO, told: Mapping[int, Told]) -> None:
    """Write what was told of each row, in the order of the rows."""
    rows = [_flat(row, *told[row]) for row in sorted(told)]
    columns = zip(*rows, strict=True) if rows else [()] * len(_TYPES)
    arrays = [pa.array(values, kind) for values, kind in zip(columns, _TYPES.values(), strict=True)]
    table = pa.Table.from_arrays(arrays, schema=pa.schema(_TYPES.items()))
    pq.write_table(table, stream, compression="zstd")


def read_heads(file: BinaryIO) -> dict[int, Told]:
    """What was told of each row. Raises pyarrow's errors for what is no such file."""
    return {cells["row"]: _told(cells) for cells in pq.read_table(file).to_pylist()}


def _flat(row: int, facts: ObjectFacts | None, refusal: Refusal | None) -> Iterator[object]:
    yield row
    if facts is None:
        yield from (None,) * 6
    else:
        yield from (
            facts.size_bytes, facts.etag, facts.last_modified_ms, facts.version_id,
            facts.storage_class, facts.archived,
        )  # fmt: skip
    if refusal is None:
        yield from (None,) * 5
    else:
        yield from (
            refusal.reason,
            refusal.decided_by,
            refusal.code,
            refusal.status,
            refusal.message,
        )


def _told(cells: Mapping[str, Any]) -> Told:
    facts = refusal = None
    if cells["size"] is not None:
        facts = ObjectFacts(
            cells["size"], cells["etag"], cells["modified_ms"], cells["version_id"],
            cells["storage_class"], cells["archived"],
        )  # fmt: skip
    if cells["reason"] is not None:
        refusal = Refusal(
            Reason(cells["reason"]), DecidedBy(cells["decided_by"]), cells["code"],
            cells["status"], cells["message"],
        )  # fmt: skip
    return facts, refusal
