"""Arrow's CSV parser, a piece of a file at a time, made to tell what it keeps to itself.

Arrow's parser is fast, and silent on two counts: that the text ended inside an open quote, and
which bytes of a ragged record are not UTF-8 (it gives up on the file instead). So a *sentinel*
record follows the last byte of each piece, which an open quote swallows, and each byte that is not
UTF-8 goes in as a *mark* with its two hex digits, which is turned back afterwards. Both carry a
token that no file can contain by chance.

The sentinel also lets a file be cut anywhere after a line break: a record that swallowed it goes
on in the next piece. Cutting the file here, and not in Arrow, is what keeps Python out of Arrow's
threads: given a Python file to read, they ran ahead of the rows, and where the program ended
before they did, the process hung or aborted.
"""

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from migrator.manifest.rows import UNDECODABLE

_LINE_BREAK = re.compile(rb"[\r\n]")


@dataclass(frozen=True, slots=True)
class Misfit:
    """A record of another width: its place among all of the piece's, from 0, and its raw line."""

    place: int
    cells: int
    line: str


@dataclass(frozen=True, slots=True)
class Piece:
    """The complete records of a piece: good ones as columns, the others one by one.

    A column is of type string, or binary where it holds bytes that are not UTF-8; in the line of a
    misfit those are lone surrogates. `open_bytes` at the end of the piece belong to a record that
    a quote leaves open, and are not among the records.
    """

    columns: list[pa.Array]
    misfits: list[Misfit]
    open_bytes: int

    @property
    def records(self) -> int:
        """How many complete records the piece has."""
        return len(self.columns[0]) + len(self.misfits)


def parse(raw: bytes, width: int, token: str) -> Piece:
    """The records of `raw`, which begins at a record and ends after a line break or the file's end.

    `width` is the number of cells that a good record has. Raises pa.ArrowException.
    """
    marked, mark = _marked(raw, f"{token}.byte.")
    sentinel = f"{token}.end"
    records, strays = _arrow(f"\n{sentinel}{',' * width}\n".encode(), marked, width)

    open_bytes = 0
    if strays and strays[-1].text.startswith(sentinel):
        strays.pop()
    elif strays and sentinel in strays[-1].text:
        open_bytes = _open_bytes(raw, strays.pop().text.partition(sentinel)[0])
    else:
        last = "".join(column[-1].as_py() for column in records)
        open_bytes = _open_bytes(raw, last.partition(sentinel)[0])
        records = [column[:-1] for column in records]
    return Piece(
        columns=[_restored_column(column, mark) for column in records] if mark else records,
        misfits=[
            Misfit(stray.number - 1, stray.actual_columns, _restored(stray.text, mark))
            for stray in strays
        ],
        open_bytes=open_bytes,
    )


def _arrow(end: bytes, marked: bytes, width: int) -> tuple[list[pa.Array], list[pcsv.InvalidRow]]:
    strays: list[pcsv.InvalidRow] = []

    def set_aside(record: pcsv.InvalidRow) -> str:
        strays.append(record)
        return "skip"

    # In memory of Arrow's own: its threads would need Python's lock to release any other.
    sink = pa.BufferOutputStream()
    sink.write(b"\n")  # An empty line is no record; without it a first U+FEFF would be dropped.
    sink.write(marked)
    sink.write(end)
    text = sink.getvalue()
    names = [str(index) for index in range(width)]
    # Not `read_csv`, which takes over the handling of signals while it runs.
    reader = pcsv.open_csv(
        pa.BufferReader(text),
        # One block for all; without threads, as records are not numbered otherwise.
        read_options=pcsv.ReadOptions(
            use_threads=False, column_names=names, block_size=text.size + 1
        ),
        parse_options=pcsv.ParseOptions(newlines_in_values=True, invalid_row_handler=set_aside),
        convert_options=pcsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=False,
            check_utf8=False,  # `_marked` has seen to it.
        ),
    )
    return [column.combine_chunks() for column in reader.read_all().columns], strays


def _open_bytes(raw: bytes, swallowed: str) -> int:
    """The size of the open record at the end of `raw`, whose parsed text is `swallowed`.

    A line break within a record is always quoted and stands in its text; the last one there came
    with the sentinel. So the record begins after as many line breaks of `raw`, from the end, and
    one more.
    """
    within = len(re.findall(r"[\r\n]", swallowed)) - 1
    breaks = [found.end() for found in _LINE_BREAK.finditer(raw)]
    begin = breaks[-within - 1] if within < len(breaks) else 0
    return len(raw) - begin


def _marked(raw: bytes, mark: str) -> tuple[bytes, str]:
    """`raw` as valid UTF-8, and the mark, or "" where none was needed."""
    if raw.isascii():
        return raw, ""
    text = raw.decode("utf-8", "surrogateescape")
    if not UNDECODABLE.search(text):
        return raw, ""
    return UNDECODABLE.sub(lambda found: f"{mark}{ord(found[0]) - 0xDC00:02x}", text).encode(), mark


def _restored(text: str, mark: str) -> str:
    """`text` with lone surrogates (`surrogateescape`) where the marks stand."""
    if not mark:
        return text
    return re.sub(
        re.escape(mark) + "(..)", lambda found: chr(0xDC00 + int(found[1], base=16)), text
    )


def _restored_column(column: pa.Array, mark: str) -> pa.Array:
    if not pc.any(pc.match_substring(column, mark)).as_py():
        return column
    cells = [
        _restored(text, mark).encode("utf-8", "surrogateescape") for text in column.to_pylist()
    ]
    return pa.array(cells, pa.binary())
