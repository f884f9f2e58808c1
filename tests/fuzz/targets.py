"""What is fuzzed: each target takes bytes, and raises where a promise is broken.

A target may only see the errors that its part documents; whatever else comes out of it is a find.
The same targets run for seconds under hypothesis (`test_short.py`) and for minutes under atheris,
which watches the coverage (`make fuzz`).
"""

import gzip
import io
import os
import random
import tempfile
from email.utils import formatdate
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from migrator.engine import decide
from migrator.engine.tag import Tag, describe, new_batch_id, read_tag
from migrator.errors import UsageError
from migrator.lifecycle import State
from migrator.manifest.csv_file import CsvManifest
from migrator.manifest.jsonl_file import JsonlManifest
from migrator.manifest.opening import open_manifest
from migrator.manifest.parquet_file import ParquetManifest
from migrator.model import MAX_KEY_BYTES, InvalidRow, LearnedBy, ManifestRow, utf16_units
from migrator.pixop import wire
from migrator.pixop.quota import MAX_LIMIT, MAX_WAIT_S, epoch_s, read_quota
from migrator.redaction import PIECE, Redactor
from migrator.settings import BucketSettings, Secret, read_buckets
from migrator.text import plain

VIDEO = "00000000-0000-4000-8000-000000000001"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_FOLDER = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
_PATH = _FOLDER / f"migrator-fuzz-{os.getpid()}"
_REDACTOR = Redactor([Secret(SECRET)])


def _written(data):
    _PATH.write_bytes(data)
    return _PATH


def _says_what_and_what_next(error):
    assert error.message
    assert error.hint


def _rows(reader, first_row=1):
    return [row for batch in reader.batches(first_row) for row in batch]


def _check_rows(reader, skip, *, damaged=False):
    """Rows are numbered without a gap, each is usable or says why not, and a resume sees the same.

    UsageError is the one error that reading may end with; the rows before it count.
    """
    try:
        rows = _rows(reader)
    except UsageError as error:
        _says_what_and_what_next(error)
        return None
    assert [row.row for row in rows] == list(range(1, len(rows) + 1))
    for row in rows:
        if isinstance(row, ManifestRow):
            assert 0 < len(row.key.encode()) <= MAX_KEY_BYTES
            assert 3 <= len(row.bucket) <= 63
            assert len(row.cells) == len(reader.columns.other)
        else:
            assert isinstance(row, InvalidRow)
            assert row.problem
    first = skip % (len(rows) + 2)
    again = _rows(reader, first)
    # What Arrow makes of damaged bytes depends on where it begins; the numbers must not.
    assert [row.row for row in again] == [row.row for row in rows[max(first - 1, 0) :]]
    assert damaged or again == rows[max(first - 1, 0) :]
    return rows


def csv(data):
    """A CSV manifest; its blocks are small, so that records lie across them."""
    if not data:
        return
    block_bytes = (64, 300, 4096, 2**18)[data[0] % 4]
    path = _written(data[1:])
    try:
        reader = CsvManifest(path, block_bytes=block_bytes, token="0" * 32)
    except UsageError as error:
        _says_what_and_what_next(error)
        return
    rows = _check_rows(reader, data[0])
    if rows is None or block_bytes == 2**18:
        return
    whole = CsvManifest(path, token="1" * 32)  # neither the blocks nor the token make a difference
    assert _rows(whole) == rows


def header_and_rows(data):
    """The same, behind a header that is right."""
    csv(data[:1] + b"bucket,key,name,project_id\n" + data[1:])


def jsonl(data):
    """A JSON Lines manifest; its blocks are small, so that lines lie across them."""
    if not data:
        return
    block_bytes = (64, 300, 4096, 2**18)[data[0] % 4]
    path = _written(data[1:])
    try:
        reader = JsonlManifest(path, block_bytes=block_bytes)
        _rows(reader)  # its columns are all there then
    except UsageError as error:
        _says_what_and_what_next(error)
        return
    _check_rows(reader, data[0])


def objects_and_lines(data):
    """The same, of lines that are objects with a bucket and a key, and whatever stands in them."""
    start = b'{"bucket":"bucket","key":"'
    jsonl(data[:1] + start + b'k"}\n' + start + data[1:].replace(b"\n", b'"}\n' + start))


def s3_csv(data):
    """A manifest or a report of S3 Batch Operations, as it is or behind a record that is right."""
    if not data:
        return
    kind = ("s3-batch", "s3-completion")[data[0] % 2]
    start = (b"", b"my-bucket,a%2Bb+c\n", b"my-bucket,k,v1,failed,403,AccessDenied,no\n")[
        data[0] % 3
    ]
    try:
        reader = open_manifest(_written(start + data[1:]), kind)
    except UsageError as error:
        _says_what_and_what_next(error)
        return
    _check_rows(reader, data[0])


def inventory(data):
    """The manifest.json of an inventory: whole (no bytes), or damaged where `data` says."""
    content = bytearray(_INVENTORY)
    for place, value in zip(data[::2], data[1::2], strict=False):
        content[(place * 257 + value * 7) % len(content)] ^= value or 1
    path = _written(bytes(content) + data[:1])
    try:
        reader = open_manifest(path, "s3-inventory")
        _rows(reader)
    except UsageError as error:
        _says_what_and_what_next(error)


_INVENTORY = (
    b'{"sourceBucket":"bucket","destinationBucket":"arn:aws:s3:::d","version":"2016-11-30",'
    b'"fileFormat":"CSV","fileSchema":"Bucket, Key, IsLatest","files":[{"key":"d/none.csv.gz",'
    b'"size":9,"MD5checksum":"d41d8cd98f00b204e9800998ecf8427e"}]}'
)


def packed(data):
    """A manifest in gzip or zstd, whole, or damaged at the places that `data` names."""
    if len(data) < 4:
        return
    content = b"bucket,key\n" + data[3:]
    if data[0] % 2:
        whole = bytearray(gzip.compress(content, mtime=0))
    else:
        whole = bytearray(pa.compress(content, codec="zstd", asbytes=True))
    whole[(data[1] * 257) % len(whole)] ^= data[2]
    try:
        reader = open_manifest(_written(bytes(whole)), "csv")
        rows = _rows(reader)
    except UsageError as error:
        _says_what_and_what_next(error)
        return
    assert [row.row for row in rows] == list(range(1, len(rows) + 1))


def _parquet_seed(seed):
    """A small Parquet file with columns of any type, by a seed."""
    chance = random.Random(seed)
    kinds = [pa.string(), pa.binary(), pa.large_string(), pa.int64(), pa.list_(pa.string()),
             pa.dictionary(pa.int32(), pa.string()), pa.timestamp("ms"), pa.float64(),
             pa.null(), pa.bool_(), pa.decimal128(9, 2), pa.struct([("a", pa.int8())]), pa.date32(),
             ]  # fmt: skip
    texts = ["bucket", "k", "", None, "ü" * 600, "00123", "a\nb", "\x00", "-1", "NA"]
    names = chance.sample(["bucket", "key", "version_id", "name", "size", "a", "project_id"], 4)
    names = list(dict.fromkeys(["bucket", "key", *names]))
    columns = []
    for name in names:
        kind = chance.choice(kinds[:3]) if name in {"bucket", "key"} else chance.choice(kinds)
        values = [chance.choice(texts) for _ in range(5)]
        try:
            columns.append(pa.array(values, kind))
        except (pa.ArrowException, TypeError, ValueError):
            columns.append(pa.nulls(5, kind))
    sink = io.BytesIO()
    pq.write_table(pa.table(columns, names=names), sink, row_group_size=chance.randint(1, 5),
                   compression=chance.choice(["none", "snappy", "zstd"]))  # fmt: skip
    return bytearray(sink.getvalue())


def parquet(data):
    """A Parquet file that is whole (no further bytes), or damaged at the places that `data` names.

    Arrow itself reads what is damaged: it must raise, and the program must not end.
    """
    if len(data) < 2:
        return
    content = _parquet_seed(int.from_bytes(data[:2], "big"))
    damage = data[2:]
    for place, value in zip(damage[::3], damage[1::3], strict=False):
        content[(place * 257 + value * 7) % len(content)] ^= value or 1
    path = _written(bytes(content))
    try:
        reader = ParquetManifest(path, batch_rows=1 + data[0] % 4)
    except UsageError as error:
        _says_what_and_what_next(error)
        return
    _check_rows(reader, data[1], damaged=bool(damage))


def manifest(data):
    """A file of any content, in the format that it looks like."""
    try:
        reader = open_manifest(_written(data), "auto")
    except UsageError:
        return
    _check_rows(reader, len(data))


KINDS = (
    wire.VideosPage, wire.Video, wire.VideoInStatus, wire.ApiError, wire.Account, wire.Identified,
)  # fmt: skip


def decoder(data):
    """An answer of the platform: decoded, seen, and judged."""
    for kind in KINDS:
        assert isinstance(wire.decode(data, kind), kind | None)
    page = wire.decode_page(data)
    if page is not None:
        total, videos = page
        assert 0 <= total < 2**63
        assert len(videos) <= wire.MAX_ITEMS
        for video in videos:
            assert len(video.id) == len(VIDEO)
            _look(video)
    status = wire.decode(data, wire.VideoInStatus)
    if status is not None:
        _look(status)


def _look(video):
    sight = decide.Sight.of(video)
    assert sight.file_size_bytes is None or 0 <= sight.file_size_bytes < 2**63
    rules = decide.CopyRules(2, until_ingested=True)
    for state in (State.COPYING, State.RESTARTING, State.INGESTING):
        decide.judge_copy(state, 0, 5, sight, rules, LearnedBy.LIST, 0)
    if isinstance(video, wire.Video):
        made_ms = wire.time_ms(video.created_at)
        assert made_ms is None or -(2**63) <= made_ms < 2**63
        read_tag(video.description)


def video(data):
    """A page with one video of a good id and any fields behind it."""
    decoder(b'{"totalElements":1,"items":[{"id":"%s",%s}]}' % (VIDEO.encode(), data))


def moment(data):
    """A point in time as a text."""
    text = data.decode("utf-8", "replace")
    made_ms = wire.time_ms(text)
    assert made_ms is None or -(2**63) <= made_ms < 2**63


def quota(data):
    """The headers of an answer: the quota, and the date."""
    cells = [cell.decode("latin-1") for cell in data.split(b"\n")]
    names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset",
             "X-RateLimit-Retry-After", "Retry-After")  # fmt: skip
    for date in (*cells, formatdate(1_764_000_000, usegmt=True)):
        date_s = epoch_s(date)
        found = read_quota(dict(zip(names, cells, strict=False)), date_s)
        assert found.limit is None or 1 <= found.limit <= MAX_LIMIT
        assert found.remaining is None or 0 <= found.remaining < 10**18
        for seconds in (found.reset_s, found.retry_after_s):
            assert seconds is None or 0 <= seconds <= MAX_WAIT_S


def tag(data):
    """A description with a tag behind it: the tag is found again, and all fits."""
    text = data.decode("utf-8", "surrogateescape")
    read_tag(text)
    ours = Tag(b"0123456789abcdef", new_batch_id())
    described, _ = describe(text, ours)
    assert read_tag(described) == ours
    assert utf16_units(described) <= 511


def toml(data):
    """A migrator.toml."""
    try:
        found = read_buckets(_written(data))
    except UsageError as error:
        _says_what_and_what_next(error)
    else:
        assert all(isinstance(names, BucketSettings) for names in found.values())


def redaction(data):
    """An answer with the secret in it somewhere."""
    body = data.replace(b"SECRET", SECRET.encode())
    for masked in (_REDACTOR.body(body), _REDACTOR.text(body.decode("latin-1")).encode("latin-1")):
        for begin in range(0, len(SECRET) - PIECE, 4):
            assert SECRET[begin : begin + PIECE].encode() not in masked


def terminal(data):
    """A text for a terminal."""
    shown = plain(data.decode("utf-8", "surrogateescape"))
    assert shown.isprintable()
    shown.encode()


TARGETS = {
    target.__name__: target
    for target in (csv, header_and_rows, jsonl, objects_and_lines, s3_csv, inventory, packed,
                   parquet, manifest, decoder, video, moment, quota, tag, toml, redaction, terminal)
}  # fmt: skip

SEEDS = {
    "csv": [b'\0bucket,key\nb-1,"a ""b""\n c"\n', b"\1bucket,key,x\r\nbbb,k,\xff\r\n\r\nbbb\r\n",
            b"\3\xef\xbb\xbfbucket,key\rbbb,k\r"],
    "header_and_rows": [b"\0bbb,k,n,\n", b'\1bbb,"k",\xff,x\nbbb,k\n'],
    "jsonl": [b'\0{"bucket":"bbb","key":"k"}\n{"key":"k","bucket":"bbb","x":[1.50]}\n',
              b'\1\xef\xbb\xbf{"bucket":"bbb","key":"\\u00fc"}\r\n\r\n{"bucket":1}\n{}\n{'],
    "objects_and_lines": [b"\0a\nb\n\\n", b'\1","name":null,"key":"\n'],
    "s3_csv": [b"\x04my-bucket,%41+%2B%\n", b"\5my-bucket,k,v1,succeeded,,200,\n\xff,\xff,,,,,\n",
               b"\0Bucket,Key\nbbb,%FF\n", b"\1b,k,,failed,500,Error,x\n"],
    "inventory": [b"", b" ", b"\n\1\2\3", b"\7\7\x10\x80\x20\0"],
    "packed": [b"\0\0\0bbb,k\n", b"\1\0\0bbb,k\nbbb,l\n", b"\1\2\1bbb,k\n"],
    "parquet": [b"\0\1", b"\0\2\4\5\6", b"\7\7\x10\x80\x20"],
    "manifest": [b"bucket,key\nbbb,k\n", b"PAR1\0\0PAR1", b"\x89PNG", b"\x1f\x8b", b"PK\3\4",
                 b'{"bucket":"bbb","key":"k"}'],
    "decoder": [
        b'{"totalElements":1,"items":[{"id":"%s","createdAt":1}]}' % VIDEO.encode(),
        b'{"errorCode":"A","message":"m","statusCode":400}',
        b'{"videoId":"v","upload":{"uploadState":{"uploadStatus":"DONE","error":{"code":"c"}}}}',
        b'{"user":{"id":"u"},"defaultTeam":{"id":"t","name":"n"}}',
    ],
    "video": [b'"upload":{"file":{"size":1,"name":"f"}}', b'"createdAt":"2025-01-01T00:00:00Z"',
              b'"flags":{"isMaster":true},"masterVideo":{"videoFile":{}},"ingestion":{}'],
    "moment": [b"2025-01-01T00:00:00.123+01:00", b"1764000000000", b"20250101"],
    "quota": [b"1200\n3\n9\n1\n2", b"-1\nNaN\n1764000060000\n1e9\n0x1",
              b"Mon, 24 Nov 2025 16:00:00 GMT\nMon, 24 Nov 2025 16:00:00 -0000"],
    "tag": [b"text [mig1:abcdefghijklmnopqrstuvwxyz:abcdefghijklm] more"],
    "toml": [b'[buckets."b"]\naccess_key_id_env = "A"\nsecret_access_key_env = "B"\n'],
    "redaction": [b'{"message": "SECRET"}', b"%53ECRET SECRET\\u0053", b"&amp;SECRET;"],
    "terminal": [b"\x1b[31mred\x1b]8;;http://x\x07", "\u202e\u200b\x9b".encode()],
}  # fmt: skip
"""Where the fuzzer begins."""

WORDS = {
    "csv": ["bucket", "key", '"', '""', "\r\n", "\xff", ","],
    "jsonl": ['"bucket":"', '"key":"', '"}\n{"', "\\ud83c", "\\u00", "null", "[[", "\xff", "1e5"],
    "s3_csv": ["my-bucket", "%2F", "%25", "succeeded", "failed", "403", "AccessDenied", ",", '"'],
    "decoder": ["totalElements", "items", "uploadStatus", "DONE", "FAILED", "createdAt", "1e999",
                "\\ud800", "null", "99999999999999999999"],
    "toml": ["buckets", "access_key_id_env", "secret_access_key_env", "[[", "'''"],
    "redaction": ["SECRET", "\\u00", "%25", "&#x", "&amp;"],
}  # fmt: skip
"""What chance alone would take long to spell."""
WORDS["header_and_rows"] = WORDS["manifest"] = WORDS["csv"]
WORDS["objects_and_lines"] = WORDS["jsonl"]
WORDS["video"] = WORDS["decoder"]
