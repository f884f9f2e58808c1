"""An S3 that answers from memory, so that whoever lists it is the limit.

`python -m tests.benchmarks.s3_stub --keys N` prints its URL and serves until its stdin is closed:
it ends with the bench, however that ends. There are two buckets of N objects: in `flat` all of them
stand in one folder, in `spread` in 256. It answers ListObjectsV2 (prefix, delimiter, start-after,
continuation-token, max-keys, encoding-type) and HEAD, both after `--delay-ms`; signatures are not
looked at. What an entry of a listing looks like is written down before anybody asks.
"""

import argparse
import asyncio
import hashlib
import sys
from bisect import bisect_left
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.benchmarks.loop import run
from tests.benchmarks.manifests import OBJECT_BYTES

FOLDERS = 256
MOST_KEYS = 1000
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
STATUS = {200: "OK", 404: "Not Found", 501: "Not Implemented"}


def keys_of(bucket, count):
    """Keys like those of a grown catalogue: blanks and letters beyond ASCII in one of ten."""
    made = []
    for number in range(count):
        name = f"{number:08d} été.mov" if number % 10 == 0 else f"{number:08d}-reel.mov"
        folder = "catalogue" if bucket == "flat" else f"tape-{number * FOLDERS // count:03d}"
        made.append(f"{folder}/{name}")
    return sorted(made, key=str.encode)


class Bucket:
    """Keys in order, each with its entry as XML, plain and URL-encoded."""

    def __init__(self, keys):
        self.raw = [key.encode() for key in keys]
        self.sizes = [OBJECT_BYTES] * len(keys)
        self.places = {key: place for place, key in enumerate(self.raw)}
        self.entries = {
            encoded: [self._entry(key, place, encoded) for place, key in enumerate(keys)]
            for encoded in (False, True)
        }

    def _entry(self, key, place, encoded):
        return (
            f"<Contents><Key>{quote(key) if encoded else escape(key)}</Key>"
            f"<LastModified>2025-03-{1 + place % 28:02d}T12:00:00.000Z</LastModified>"
            f"<ETag>&quot;{etag_of(self.raw[place])}&quot;</ETag><Size>{self.sizes[place]}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        ).encode()

    def page(self, name, query):
        """A page as S3 would write it."""
        prefix, delimiter = query.get("prefix", "").encode(), query.get("delimiter", "").encode()
        encoded = query.get("encoding-type") == "url"
        most = min(int(query.get("max-keys", MOST_KEYS)), MOST_KEYS)
        token = query.get("continuation-token")
        after = bytes.fromhex(token) if token else query.get("start-after", "").encode()
        begin = bisect_left(self.raw, max(prefix, after + b"\0" if after else b""))
        end = bisect_left(self.raw, prefix + b"\xf8") if prefix else len(self.raw)
        parts, last, place, count = [], b"", begin, 0
        if not delimiter:
            count = max(0, min(most, end - begin))
            place = begin + count
            parts, last = self.entries[encoded][begin:place], self.raw[place - 1]
        while delimiter and place < end and count < most:
            key = self.raw[place]
            cut = key.find(delimiter, len(prefix))
            if cut < 0:
                parts.append(self.entries[encoded][place])
                last, place = key, place + 1
            else:
                folder = key[: cut + len(delimiter)].decode()
                shown = quote(folder) if encoded else escape(folder)
                parts.append(f"<CommonPrefixes><Prefix>{shown}</Prefix></CommonPrefixes>".encode())
                last = folder.encode() + b"\xf8"
                place = bisect_left(self.raw, last)
            count += 1
        truncated = place < end and count > 0
        head = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="{NAMESPACE}">'
            f"<Name>{name}</Name><Prefix>{escape(query.get('prefix', ''))}</Prefix>"
            f"<KeyCount>{count}</KeyCount><MaxKeys>{most}</MaxKeys>"
            f"<IsTruncated>{'true' if truncated else 'false'}</IsTruncated>"
        )
        if encoded:
            head += "<EncodingType>url</EncodingType>"
        if truncated:
            head += f"<NextContinuationToken>{last.hex()}</NextContinuationToken>"
        return head.encode() + b"".join(parts) + b"</ListBucketResult>"


def etag_of(key):
    return hashlib.md5(key, usedforsecurity=False).hexdigest()


class Stub:
    """The buckets, and what was asked of them."""

    def __init__(self, buckets, delay_s):
        self.buckets = buckets
        self.delay_s = delay_s
        self.pages = 0

    def answer(self, method, target):
        """Status, headers and body; a HEAD has the length of what it would be."""
        parts = urlsplit(target)
        name, _, key = parts.path.lstrip("/").partition("/")
        if name == "_stub":  # for tests: how many pages were asked for
            return 200, b"", str(self.pages).encode()
        bucket = self.buckets.get(name)
        if bucket is None:
            body = b"<Error><Code>NoSuchBucket</Code><Message>no such bucket</Message></Error>"
            return 404, b"Content-Type: application/xml\r\n", body
        if method == "GET" and not key:
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            if "location" in query:
                return 200, b"", f'<LocationConstraint xmlns="{NAMESPACE}"/>'.encode()
            if query.get("list-type") != "2":  # ignored, the first version would never end
                return 501, b"", b"<Error><Code>NotImplemented</Code></Error>"
            self.pages += 1
            return 200, b"Content-Type: application/xml\r\n", bucket.page(name, query)
        place = bucket.places.get(unquote(key).encode()) if key else None
        if key and place is None:
            return 404, b"", b""
        size = bucket.sizes[place] if place is not None else 0
        told = f"Content-Length: {size}\r\n"
        if place is not None:
            told += (
                f'ETag: "{etag_of(bucket.raw[place])}"\r\nContent-Type: video/quicktime\r\n'
                "Last-Modified: Sat, 01 Mar 2025 12:00:00 GMT\r\nAccept-Ranges: bytes\r\n"
            )
        return 200, told.encode(), None


class Connection(asyncio.Protocol):
    """As much of HTTP as clients of S3 speak when they only read: no bodies in."""

    def __init__(self, stub):
        self.stub = stub
        self.rest = b""
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            line = self.rest[: self.rest.index(b"\r\n")].decode("latin-1")
            self.rest = self.rest[end + 4 :]
            method, target, _ = line.split(" ", 2)
            loop = asyncio.get_running_loop()
            if self.stub.delay_s:
                loop.call_later(self.stub.delay_s, self.answer, method, target)
            else:
                self.answer(method, target)

    def answer(self, method, target):
        status, headers, body = self.stub.answer(method, target)
        if body is not None:
            headers += f"Content-Length: {len(body)}\r\n".encode()
        begin = f"HTTP/1.1 {status} {STATUS[status]}\r\nServer: stub\r\n".encode()
        if not self.transport.is_closing():
            shown = b"" if method == "HEAD" else body or b""
            self.transport.write(begin + headers + b"\r\n" + shown)


async def serve(stub):
    """Answer on a free port of 127.0.0.1 until stdin is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", 0)
    async with server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await asyncio.to_thread(sys.stdin.read)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=200_000, help="objects of each bucket")
    parser.add_argument("--delay-ms", type=float, default=0.0, help="added to each answer")
    given = parser.parse_args()
    buckets = {name: Bucket(keys_of(name, given.keys)) for name in ("flat", "spread")}
    run(serve(Stub(buckets, given.delay_ms / 1000)))


if __name__ == "__main__":
    main()
