"""Malformed manifests, by what is wrong with them: how each is made, and how it must be told."""

import gzip
import io
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq

HEADER = b"bucket,key\n"
ROW = b"bucket,key.mp4\n"


def parquet(columns, **options):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def zipped(name):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(name, "bucket,key\n")
    return sink.getvalue()


GOOD = {"bucket": ["bucket"], "key": ["key.mp4"]}
GOOD_PARQUET = parquet(GOOD)


def patched(place, value, content=GOOD_PARQUET):
    return content[:place] + value + content[place + len(value) :]


UNUSABLE = {
    # nothing to read
    "empty": b"",
    "a line break": b"\n",
    "line breaks": b"\r\n\r\n\n\r",
    "a BOM alone": b"\xef\xbb\xbf",
    "blanks": b"   \n",
    "commas": b",,,\n,,,\n",
    "header alone": HEADER,
    "header without line end": b"bucket,key",
    "header and empty lines": HEADER + b"\n\r\n\n",
    "quoted header alone": b'"bucket","key"\n',
    # another header
    "no bucket": b"key,name\nk,n\n",
    "no key": b"bucket,name\nb,n\n",
    "capitals": b"Bucket,Key\nb,k\n",
    "blank before a name": b"bucket, key\nb,k\n",
    "plural": b"buckets,keys\nb,k\n",
    "a name twice": b"bucket,key,key\nb,k,k\n",
    "bucket twice": b"bucket,bucket,key\nb,b,k\n",
    "an empty name twice": b"bucket,key,,\nb,k,,\n",
    "semicolons": b"bucket;key\nb;k\n",
    "tabs": b"bucket\tkey\nb\tk\n",
    "bars": b"bucket|key\nb|k\n",
    "no header": b"my-bucket,masters/a.mp4,A,\nmy-bucket,masters/b.mp4,B,\n",
    "no header and plain words": b"my-bucket,first\nmy-bucket,second\n",
    "a comment first": b"# made by hand\nbucket,key\nb,k\n",
    "a separator line first": b"sep=,\nbucket,key\nb,k\n",
    "a BOM twice": b"\xef\xbb\xbf\xef\xbb\xbfbucket,key\nb,k\n",
    "a NUL in the header": b"bucket,key\0\nb,k\n",
    "Latin-1 in the header": b"bucket,key,gr\xf6\xdfe\nb,k,1\n",
    "UTF-16": "bucket,key\nb,k\n".encode("utf-16"),
    "UTF-16 without BOM": "bucket,key\nb,k\n".encode("utf-16-le"),
    "UTF-32": "bucket,key\nb,k\n".encode("utf-32"),
    "ten thousand columns": b",".join(b"c%d" % n for n in range(10_000)) + b"\n",
    "a header of a megabyte": b"bucket,key," + b"x" * 2**20 + b"\n",
    "escapes in the header": b"bucket,\x1b[31mkey\x1b[0m\nb,k\n",
    "a right-to-left mark in the header": "bucket,\u202ekey\nb,k\n".encode(),
    "a zero-width blank in the header": "bucket,key\u200b\nb,k\n".encode(),
    # quotes
    "a quote never closed": HEADER + b'bucket,"key\n' + ROW * 9,
    "a quote never closed in the header": b'bucket,"key\n' + ROW * 9,
    "a quote before the end": HEADER + b'bucket,"',
    "a record of a megabyte": HEADER + b'bucket,"' + b"line\n" * 200_000 + b'"\n',
    "a cell of a megabyte": HEADER + b"bucket," + b"k" * 2**20 + b"\n" + ROW,
    # something else
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n",
    "gzip of nothing": gzip.compress(b""),
    "gzip of a header alone": gzip.compress(HEADER),
    "gzip twice": gzip.compress(gzip.compress(HEADER + ROW)),
    "gzip cut off": gzip.compress(HEADER + ROW * 9)[:-4],
    "gzip with a wrong checksum": gzip.compress(HEADER + ROW)[:-8] + bytes(8),
    "gzip and something else": gzip.compress(HEADER + ROW) + b"trash",
    "gzip of Parquet": gzip.compress(GOOD_PARQUET),
    "gzip magic alone": b"\x1f\x8b",
    "a bomb of one line": gzip.compress(HEADER + b"bucket," + b"k" * 2**24),
    "a bomb of one line in JSON": gzip.compress(b'{"bucket":"b","key":"' + b"k" * 2**24),
    "a bomb of blanks": gzip.compress(b" " * 2**24),
    "a bomb of line breaks": gzip.compress(b"\n" * 2**24),
    "bzip2": b"BZh91AY&SY" + bytes(32),
    "zstd": b"\x28\xb5\x2f\xfd" + bytes(32),
    "xlsx": zipped("xl/workbook.xml"),
    "zip": zipped("catalogue.csv"),
    "old Excel": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64),
    "SQLite": b"SQLite format 3\0" + bytes(84),
    "JSON": b'[{"bucket": "b", "key": "k"}]\n',
    "JSON over several lines": b'{\n"bucket": "b",\n"key": "k"\n}\n',
    "JSON lines without keys": b'{"bucket": "b", "name": "k"}\n' * 3,
    "JSON lines with capitals": b'{"Bucket": "b", "Key": "k"}\n',
    "JSON that is empty": b"{}\n",
    "JSON that is cut off": b'{"bucket": "b", "key": "k',
    "JSON with single quotes": b"{'bucket': 'b', 'key': 'k'}\n",
    "JSON lines in Latin-1": b'{"bucket": "b", "k\xe9y": "k"}\n',
    "JSON lines in UTF-16": '{"bucket": "b", "key": "k"}\n'.encode("utf-16-le"),
    "a JSON line of a megabyte": b'{"bucket": "b", "key": "' + b"k" * 2**20 + b'"}\n',
    "JSON that never ends": b'{"a":' * 100_000,
    "XML": b'<?xml version="1.0"?>\n<ListBucketResult/>\n',
    "HTML": b"<!DOCTYPE html><html><body>Sign in</body></html>\n",
    "an S3 inventory manifest": b'{"sourceBucket": "b", "fileFormat": "CSV", "files": []}',
    "a TAR": bytes(257) + b"ustar\x0000" + bytes(248),
    "ELF": b"\x7fELF\x02\x01\x01" + bytes(57),
    "zeros": bytes(4096),
    "noise": bytes((n * 197 + n // 7) % 256 for n in range(5000)),
    "Avro": b"Obj\x01\x04\x14avro.codec" + bytes(64),
    "ORC": b"ORC" + bytes(64),
    "Arrow": b"ARROW1\0\0" + bytes(64),
}  # fmt: skip
"""Name -> content of a file that no row can be read of: exit 2, with the file's name."""

UNUSABLE_S3_CSV = {
    "empty": b"",
    "line breaks": b"\n\n\r\n",
    "blanks": b"   \n",
    "one cell": b"my-bucket\n",
    "five cells": b"my-bucket,k,v,x,y\n",
    "eight cells": b"my-bucket,k,v,failed,,,,\n",
    "tabs": b"my-bucket\tk\n",
    "semicolons": b"my-bucket;k\n",
    "header alone, as of a manifest": b"Bucket,Key\n",
    "header alone, as of a report": b"Bucket,Key,VersionId,TaskStatus,ErrorCode,HTTPStatusCode,R\n",
    "a quote never closed": b'my-bucket,"k\n' + b"my-bucket,k\n" * 9,
    "a record of a megabyte": b'my-bucket,"' + b"line\n" * 200_000 + b'"\n',
    "gzip cut off": gzip.compress(b"my-bucket,k\n")[:-4],
    "a bomb of one line": gzip.compress(b"my-bucket," + b"k" * 2**24),
    "Parquet": GOOD_PARQUET,
    "PNG": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "UTF-16": "my-bucket,k\n".encode("utf-16"),
}
"""The same, of a file that is said to be a manifest or a report of S3 Batch Operations."""

UNUSABLE_PARQUET = {
    "magic alone": b"PAR1",
    "magic twice": b"PAR1PAR1",
    "encrypted footer": b"PARE" + bytes(64) + b"PARE",
    "cut in the middle": GOOD_PARQUET[: len(GOOD_PARQUET) // 2],
    "without its last byte": GOOD_PARQUET[:-1],
    "without its first byte": GOOD_PARQUET[1:],
    "footer of zeros": GOOD_PARQUET[:-200] + bytes(192) + GOOD_PARQUET[-8:],
    "footer longer than the file": patched(len(GOOD_PARQUET) - 8, b"\xff\xff\xff\x7f"),
    "footer of negative length": patched(len(GOOD_PARQUET) - 8, b"\xff\xff\xff\xff"),
    "footer of no length": patched(len(GOOD_PARQUET) - 8, bytes(4)),
    "its pages are noise": patched(4, bytes(range(97, 97 + 26))),
    "no rows": parquet({"bucket": pa.array([], pa.string()), "key": pa.array([], pa.string())}),
    "no columns": parquet({}),
    "no key": parquet({"bucket": ["b"]}),
    "no bucket": parquet({"key": ["k"]}),
    "capitals": parquet({"Bucket": ["b"], "Key": ["k"]}),
    "keys as numbers": parquet({"bucket": ["bucket"], "key": [123]}),
    "keys as floats": parquet({"bucket": ["bucket"], "key": [1.5]}),
    "keys as lists": parquet({"bucket": ["bucket"], "key": [["k"]]}),
    "keys as structs": parquet({"bucket": ["bucket"], "key": [{"a": "k"}]}),
    "keys as times": parquet({"bucket": ["b"], "key": pa.array([0], pa.timestamp("ms"))}),
    "keys as booleans": parquet({"bucket": ["bucket"], "key": [True]}),
    "keys of type null": parquet({"bucket": ["bucket"], "key": [None]}),
    "names as numbers": parquet({**GOOD, "name": [7]}),
    "descriptions as lists": parquet({**GOOD, "description": [["d"]]}),
    "versions as numbers": parquet({**GOOD, "version_id": [7]}),
    "CSV by another name": HEADER + ROW,
    "empty": b"",
}
"""The same, of files that are named as Parquet."""

INVALID_LINES = {
    "no JSON": (b"bucket,key", None),
    "half an object": (b'{"bucket": "bucket", "key": ', None),
    "two objects": (b'{"bucket": "bucket", "key": "k"}{"bucket": "bucket", "key": "k"}', None),
    "a comma behind": (b'{"bucket": "bucket", "key": "k"},', None),
    "a list": (b'["bucket", "k"]', None),
    "null": (b"null", None),
    "a text": (b'"bucket"', None),
    "not a number": (b'{"bucket": "bucket", "key": "k", "size": NaN}', None),
    "a tab in a text": (b'{"bucket": "bucket", "key": "a\tb"}', None),
    "half a surrogate": (b'{"bucket": "bucket", "key": "\\ud800"}', None),
    "key in Latin-1": (b'{"bucket": "bucket", "key": "caf\xe9"}', None),
    "Latin-1 deep inside": (b'{"bucket": "bucket", "key": "k", "a": ["caf\xe9"]}', None),
    "nested without end": (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, None),
    "key as a number": (b'{"bucket": "bucket", "key": 123}', "key"),
    "key as a list": (b'{"bucket": "bucket", "key": ["k"]}', "key"),
    "key as an object": (b'{"bucket": "bucket", "key": {"S": "k"}}', "key"),
    "name as true": (b'{"bucket": "bucket", "key": "k", "name": true}', "name"),
    "key as null": (b'{"bucket": "bucket", "key": null}', "key"),
    "no key": (b'{"bucket": "bucket"}', "key"),
    "nothing": (b"{}", "bucket"),
    "key empty": (b'{"bucket": "bucket", "key": ""}', "key"),
    "project that is a name": (
        b'{"bucket": "bucket", "key": "k", "project_id": "x"}',
        "project_id",
    ),
}
"""Lines of JSON Lines: a row each, invalid because of this column (None: the row as such)."""

UUID = "00000000-0000-4000-8000-000000000000"
INVALID_ROWS = {
    "bucket empty": (b",k", "bucket"),
    "bucket of two characters": (b"ab,k", "bucket"),
    "bucket of 64 characters": (b"b" * 64 + b",k", "bucket"),
    "bucket with a slash": (b"bucket/x,k", "bucket"),
    "bucket with dots upwards": (b"../../etc,k", "bucket"),
    "bucket with a blank": (b"my bucket,k", "bucket"),
    "bucket with a question mark": (b"bucket?x,k", "bucket"),
    "bucket with a hash": (b"bucket#x,k", "bucket"),
    "bucket with an at": (b"me@bucket,k", "bucket"),
    "bucket with a percent sign": (b"bucket%2f,k", "bucket"),
    "bucket with an umlaut": ("bücket,k".encode(), "bucket"),
    "bucket with an escape": (b"\x1b[31mbucket,k", "bucket"),
    "bucket with a line break": (b'"buc\nket",k', "bucket"),
    "bucket with a NUL": (b"buc\0ket,k", "bucket"),
    "bucket is an ARN": (b"arn:aws:s3:::bucket,k", "bucket"),
    "bucket is a URL": (b"s3://bucket,k", "bucket"),
    "bucket with a right-to-left mark": ("\u202ebucket,k".encode(), "bucket"),
    "key empty": (b"bucket,", "key"),
    "key quoted and empty": (b'bucket,""', "key"),
    "key of 1,025 bytes": (b"bucket," + b"k" * 1025, "key"),
    "key of 1,026 bytes in 513 characters": (b"bucket," + "ü".encode() * 513, "key"),
    "key in Latin-1": (b"bucket,caf\xe9.mp4", "key"),
    "key with half a character": (b"bucket,caf\xc3", "key"),
    "key with a surrogate": (b"bucket,\xed\xa0\x80", "key"),
    "key with an overlong slash": (b"bucket,a\xc0\xafb", "key"),
    "key beyond Unicode": (b"bucket,\xf4\x90\x80\x80", "key"),
    "bucket in Latin-1": (b"b\xfccket,k", "bucket"),
    "one cell": (b"bucket", None),
    "three cells too many": (b"bucket,k,x,y,z,n,f," + UUID.encode(), None),
    "a quote in the middle": (b'bucket,k,"a"b"c",d,e', None),
    "two rows in one": (b"bucket,k,bucket,k2", None),
    "separated by semicolons": (b"bucket;k", None),
    "a line of commas": (b",,,,,,,,,,,,", None),
}
"""Lines under `bucket,key`: a row each, invalid because of this column (None: the row as such)."""

INVALID_CELLS = {
    "name of 256 characters": ("name", "n" * 256),
    "file name with a slash": ("file_name", "a/b.mp4"),
    "file name with dots upwards": ("file_name", "../../b.mp4"),
    "file name with a blank": ("file_name", "a b.mp4"),
    "file name of 256 characters": ("file_name", "f" * 256),
    "file name with an umlaut": ("file_name", "ü.mp4"),
    "file name with a line break": ("file_name", "a\nb"),
    "file name with a NUL": ("file_name", "a\0b"),
    "project that is a name": ("project_id", "mine"),
    "project without dashes": ("project_id", UUID.replace("-", "")),
    "project with a blank": ("project_id", f" {UUID}"),
    "project in braces": ("project_id", f"{{{UUID}}}"),
    "project with a path": ("project_id", f"{UUID}/../x"),
    "project with a line break": ("project_id", f"{UUID}\n"),
    "project in other digits": ("project_id", UUID.replace("0", "\u0660")),
}
"""Cells of one more column, each of which makes its row invalid."""
