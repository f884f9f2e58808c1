"""Every version of every object: listed whole, key by key, wherever a page or a walk ends."""

import logging
import random
from dataclasses import replace

import boto3
import pytest
from fakes.listing import page_of
from moto.server import ThreadedMotoServer

from migrator.errors import UsageError
from migrator.filters import Filter
from migrator.sandbox import s3 as local_s3
from migrator.sandbox.keys import KeyPair
from migrator.settings import FilterSettings, Secret, StoreSettings
from migrator.source.answers import ObjectFacts, SourceUnreachable
from migrator.source.credentials import KeyRing, SourceKeys
from migrator.source.listing import listed_rows
from migrator.source.s3 import SourceS3
from migrator.source.versions import AllVersions, VersionsPage
from migrator.source.walk import walk

FACTS = ObjectFacts(5, "e", 1)


class Bucket:
    """ListObjectVersions over {key: how many versions}, in pages of `most` entries.

    A key of `gone` has a delete marker before them, which takes up room on a page. `inclusive` says
    how a key without a version is taken: begin at it, or behind it. Servers do either.
    """

    def __init__(self, keys, most=3, gone=(), *, inclusive=False):
        self.keys = dict(sorted(keys.items(), key=lambda pair: pair[0].encode()))
        self.most = most
        self.gone = gone
        self.inclusive = inclusive
        self.asked = 0

    def entries(self):
        for key, count in self.keys.items():
            if key in self.gone:
                yield key, "gone"
            for number in range(count, 0, -1):
                yield key, f"v{number}"

    def behind(self, prefix, begin):
        key, version = begin
        found = [entry for entry in self.entries() if entry[0].startswith(prefix)]
        if version:
            return found[found.index(begin) + 1 :]
        first = key.encode()
        return [
            entry
            for entry in found
            if entry[0].encode() > first or (self.inclusive and entry[0] == key)
        ]

    async def versions(self, _bucket, prefix, *, behind, delimiter):
        self.asked += 1
        shown, folders, last = [], [], None
        for key, version in self.behind(prefix, behind):
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            folder = key[: cut + 1] if cut >= 0 else None
            if folder in folders:
                continue
            if len(shown) + len(folders) == self.most:
                break
            if folder:
                folders.append(folder)
            else:
                shown.append((key, version))
            last = (folder or key, "" if folder else version)
        else:
            last = None
        real = [entry for entry in shown if entry[1] != "gone"]
        page = page_of([(key, FACTS) for key, _ in real], folders=folders)
        return VersionsPage(replace(page, versions=[version for _, version in real]), last)


async def walked(bucket, prefix="", after=""):
    lister = AllVersions(bucket)
    return [
        entry
        async for page in walk(lister, "b", prefix, after)
        for entry in zip(page.keys, page.versions, strict=True)
    ]


def wanted(bucket, prefix="", after=""):
    return [
        entry
        for entry in bucket.entries()
        if entry[1] != "gone" and entry[0].startswith(prefix) and entry[0].encode() > after.encode()
    ]


@pytest.mark.parametrize("inclusive", [False, True])
async def test_buckets_drawn_at_random_are_told_whole_wherever_they_begin(inclusive):
    for seed in range(400):
        chance = random.Random(seed)
        letters = chance.choice(["ab/", "a/", "a/!0ü"])
        drawn = {"".join(chance.choices(letters, k=chance.randint(1, 5))) for _ in range(20)}
        keys = {key: chance.choice([0, 1, 1, 2, 7]) for key in drawn}
        gone = [key for key, count in keys.items() if not count or chance.random() < 0.3]
        bucket = Bucket(keys, chance.randint(1, 9), gone, inclusive=inclusive)
        prefix = chance.choice(["", "a", "a/", "b"])
        after = chance.choice(["", *sorted(drawn)])
        assert await walked(bucket, prefix, after) == wanted(bucket, prefix, after), seed


async def test_no_page_ends_between_two_versions_of_a_key():
    bucket = Bucket({"a": 2, "b": 9, "c": 1}, most=4)
    pages = [page async for page in walk(AllVersions(bucket), "b", "")]
    assert [list(page.keys) for page in pages] == [["a"] * 2, ["b"] * 9 + ["c"]]


async def test_a_store_that_tells_the_same_page_for_ever_is_not_asked_for_ever(moto):
    url, _ = moto
    async with source(url) as s3:

        async def the_same(_bucket, _operation, **_named):
            versions = [{"Key": "k", "VersionId": "v", "Size": 1}]
            return {"Versions": versions, "IsTruncated": True, "NextKeyMarker": "k",
                    "NextVersionIdMarker": "v"}  # fmt: skip

        s3._ask = the_same
        with pytest.raises(SourceUnreachable, match="and not where"):
            await AllVersions(s3).page("b", "")


# ------------------------------------------------------------------ real stores


@pytest.fixture(scope="module")
def moto():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "x"}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    yield url, client
    client.close()
    server.stop()


ANY = SourceKeys("AKIAEXAMPLE", Secret("x"))


def source(url, keys=ANY):
    return SourceS3(KeyRing(keys, {}), StoreSettings(s3_endpoint_url=url), "us-east-1")


EVERY = Filter()


async def rows_of(s3, bucket, prefix="", after="", wanted=EVERY):
    pages = walk(AllVersions(s3), bucket, prefix, after)
    return [
        row
        async for listed in listed_rows(pages, bucket, prefix, wanted, first_row=1)
        for row in listed.rows
    ]


async def test_a_store_tells_each_version_with_its_size_and_no_delete_marker(moto):
    url, client = moto
    client.create_bucket(Bucket="many")
    client.put_object(Bucket="many", Key="before/ü+ %2F.mp4", Body=b"1")
    client.put_bucket_versioning(Bucket="many", VersioningConfiguration={"Status": "Enabled"})
    made = {"before/ü+ %2F.mp4": ["null"], "gone.mp4": [], "z.mp4": []}
    for key, sizes in {"before/ü+ %2F.mp4": (2,), "gone.mp4": (3,), "z.mp4": (4, 5)}.items():
        for size in sizes:
            told = client.put_object(Bucket="many", Key=key, Body=b"." * size)
            made[key].insert(0, told["VersionId"])
    client.delete_object(Bucket="many", Key="gone.mp4")
    async with source(url) as s3:
        rows = await rows_of(s3, "many")
        rest = await rows_of(s3, "many", after="before/ü+ %2F.mp4")
        small = await rows_of(s3, "many", wanted=Filter(FilterSettings(max_size=3)))
    assert [(row.key, row.version_id) for row in rows] == [
        (key, version) for key, versions in made.items() for version in versions
    ]
    assert [row.size_bytes for row in rows] == [2, 1, 3, 5, 4]
    assert [row.key for row in rest] == ["gone.mp4", "z.mp4", "z.mp4"]
    assert [row.size_bytes for row in small] == [2, 1, 3]


async def test_a_store_that_lists_no_versions_says_so_at_once(tmp_path):
    (tmp_path / "good").mkdir()
    pair = KeyPair("AKIAEXAMPLEEXAMPLE12", "secret-of-the-example")
    keys = SourceKeys(pair.access_key, Secret(pair.secret_access_key))
    async with (
        local_s3.serving(tmp_path, port=0, keys=(pair,), cache_s=0) as server,
        source(server.url, keys) as s3,
    ):
        with pytest.raises(UsageError, match="NotImplemented") as caught:
            await rows_of(s3, "good")
    assert "lists no versions" in caught.value.hint
