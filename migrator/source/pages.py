"""A page of a listing, in columns, and the quick way to read one.

botocore takes a page apart into a dictionary an object, at some 15,000 keys a second (40,000 with
a lazy parser of times), whatever the network does. What S3 and nearly all that speak its language
write is of one form, which a regular expression reads at half a million. `read_page` reads that
form and nothing else: where a page has anything that it does not expect, it answers None, and
botocore reads the page.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import unquote_plus

import numpy as np

_ENTRY = re.compile(
    r"<Contents><Key>([^<]+)</Key>"
    r"<LastModified>([12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]{3})?)Z</LastModified>"
    r"<ETag>(?:\"|&quot;)?([0-9A-Za-z._-]+)(?:\"|&quot;)?</ETag>"
    r"(?:<Checksum[A-Za-z]+>[^<]*</Checksum[A-Za-z]+>)*<Size>([0-9]{1,18})</Size>"
    r"(?:<Owner>(?:<(?:ID|DisplayName)>[^<]*</(?:ID|DisplayName)>)*</Owner>)?"
    r"<StorageClass>([^<]+)</StorageClass>"
    r"(?:<Owner>(?:<(?:ID|DisplayName)>[^<]*</(?:ID|DisplayName)>)*</Owner>)?</Contents>"
)

_FIRST, _LAST = "<Contents>", "</Contents>"

_FOLDER = re.compile(r"<CommonPrefixes><Prefix>([^<]+)</Prefix></CommonPrefixes>")

_ENDS = re.compile(r"<IsTruncated>(true|false)</IsTruncated>")

_TOKEN = re.compile(r"<NextContinuationToken>([^<&]+)</NextContinuationToken>")

_ENCODED = "<EncodingType>url</EncodingType>"


@dataclass(frozen=True, slots=True)
class ListPage:
    """Objects of a listing, as columns of one length, in the order of their keys.

    `etags` are without quotes; times are epoch milliseconds; None is what S3 did not tell.
    `versions` are the ids where versions are listed, and else empty. `folders` are the common
    prefixes, where a delimiter was given. `next_token` is None on the last page.
    """

    keys: Sequence[str] = ()
    sizes: Sequence[int] = ()
    etags: Sequence[str | None] = ()
    modified_ms: Sequence[int | None] = ()
    storage_classes: Sequence[str | None] = ()
    folders: Sequence[str] = field(default=())
    next_token: str | None = None
    versions: Sequence[str] = ()

    def between(self, after: str, before: str | None) -> "ListPage":
        """The objects behind `after` and, where it is given, before `before`; no folders."""
        first = bisect_right(self.keys, after) if after else 0
        last = len(self.keys) if before is None else bisect_right(self.keys, before)
        part = slice(first, last)
        return ListPage(
            self.keys[part], self.sizes[part], self.etags[part], self.modified_ms[part],
            self.storage_classes[part], versions=self.versions[part],
        )  # fmt: skip

    def where(self, kept: Sequence[int]) -> "ListPage":
        """The objects at these places."""
        return ListPage(
            [self.keys[place] for place in kept],
            [self.sizes[place] for place in kept],
            [self.etags[place] for place in kept],
            [self.modified_ms[place] for place in kept],
            [self.storage_classes[place] for place in kept],
            versions=[self.versions[place] for place in kept] if self.versions else (),
        )


def joined(
    parts: Sequence[ListPage], folders: Sequence[str] = (), next_token: str | None = None
) -> ListPage:
    """The objects of several pages, one after the other, as one."""
    if len(parts) == 1:
        return replace(parts[0], folders=folders, next_token=next_token)
    return ListPage(
        [key for part in parts for key in part.keys],
        [size for part in parts for size in part.sizes],
        [etag for part in parts for etag in part.etags],
        [moment for part in parts for moment in part.modified_ms],
        [storage_class for part in parts for storage_class in part.storage_classes],
        folders,
        next_token,
        [version for part in parts for version in part.versions],
    )


def read_page(body: bytes) -> ListPage | None:
    """The page that is written here, if it is of the usual form; else None."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    # Most of a page are its entries: what else there is, is looked for in what is around them.
    begin, end = text.find(_FIRST), text.rfind(_LAST) + len(_LAST)
    if begin < 0:
        begin = end = 0
    found: list[tuple[str, ...]] = _ENTRY.findall(text, begin, end)
    around = text[:begin] + text[end:]
    folders: list[str] = _FOLDER.findall(around)
    ends, tokens = _ENDS.findall(around), _TOKEN.findall(around)
    is_usual = (
        len(found) == text.count("<Contents")
        and len(found[1:]) == text.count(_LAST + _FIRST)
        and len(folders) == around.count("<CommonPrefixes")
        and len(ends) == around.count("<IsTruncated") == 1
        and len(tokens) == around.count("<NextContinuationToken") == (ends[0] == "true")
        and "!" not in around
        and around.rstrip().endswith("</ListBucketResult>")
    )
    if not is_usual:
        return None
    keys, times, etags, sizes, classes = map(list, zip(*found, strict=True)) if found else [[]] * 5
    encoded = _ENCODED in around
    names, prefixes = _plain(keys, encoded=encoded), _plain(folders, encoded=encoded)
    moments = _ms(times)
    if names is None or prefixes is None or moments is None:
        return None
    return ListPage(
        names, list(map(int, sizes)), etags, moments, classes, prefixes,
        tokens[0] if tokens else None,
    )  # fmt: skip


def _plain(names: list[str], *, encoded: bool) -> list[str] | None:
    """Names without their encoding; None where XML's own escapes are among them."""
    joined = "\n".join(names)
    if "&" in joined:
        return None
    if not encoded or ("%" not in joined and "+" not in joined):
        return names
    if "%0a" in joined.lower():
        return [unquote_plus(name) for name in names]
    return unquote_plus(joined).split("\n")


def _ms(times: list[str]) -> list[int] | None:
    try:
        moments: list[int] = np.array(times, "datetime64[ms]").astype(np.int64).tolist()
    except ValueError:
        return None
    return moments
