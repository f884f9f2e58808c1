"""S3 Inventory: the published layout, verified, in each of its formats."""

import hashlib
import io
import json
import logging
import runpy
import shutil
from pathlib import Path

import pytest

from migrator.errors import UsageError
from migrator.manifest import RemoteFacts, fingerprint, open_manifest, open_named
from migrator.manifest.inventory import DELETE_MARKER, NOT_CURRENT
from migrator.manifest.places import standard_input
from migrator.model import InvalidRow, ManifestRow

SAMPLES = Path(__file__).parents[2] / "manifests"
MADE = runpy.run_path(str(SAMPLES / "make_samples.py"))
BASE = f"sample-inventory/catalogue-a/{{}}/{MADE['STAMP']}/manifest.json"
FORMATS = ["csv", "parquet", "orc"]


@pytest.fixture(params=FORMATS)
def inventory(request, tmp_path):
    """A manifest.json on disk, with its parts where S3 has laid them out."""
    shutil.copytree(SAMPLES / "sample-inventory", tmp_path / "sample-inventory")
    return tmp_path / BASE.format(request.param)


def rows_in(reader, first=1):
    return [row for batch in reader.batches(first) for row in batch]


def read(path, manifest_format="auto"):
    return rows_in(open_manifest(path, manifest_format))


def rewritten(path, **changes):
    """Change manifest.json, and its checksum with it."""
    told = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(told))
    path.with_suffix(".checksum").write_text(hashlib.md5(path.read_bytes()).hexdigest() + "\n")
    return told


@pytest.mark.parametrize("manifest_format", ["auto", "s3-inventory"])
def test_every_row_is_told_once_and_what_is_not_wanted_says_why(inventory, manifest_format):
    reader = open_manifest(inventory, manifest_format)
    rows = rows_in(reader)
    made = MADE["_inventory_rows"]()
    assert [(r.row, r.bucket, r.key, r.version_id) for r in rows] == [
        (number, bucket, key, version or None)
        for number, (bucket, key, version, *_) in enumerate(made, 1)
    ]
    assert reader.columns.other_names == (
        *("is_latest", "is_delete_marker", "size", "last_modified", "etag", "storage_class"),
    )
    assert [row.left_out for row in rows] == [
        *(None, None, DELETE_MARKER, NOT_CURRENT, None, None, None, None),
    ]
    assert [row.archived for row in rows] == [row.key.endswith("the vault.mxf") for row in rows]
    assert rows[0].cells[:3] == ("true", "false", "1000")
    assert rows[0].cells[3][:10] + rows[0].cells[3][11:19] == "2025-12-3123:59:59"
    for first in range(1, len(rows) + 2):
        assert rows_in(reader, first) == rows[first - 1 :]


def test_all_versions_are_wanted_but_for_delete_markers(inventory):
    reader = open_manifest(inventory, all_versions=True)
    rows, usual = rows_in(reader), read(inventory)
    assert [row.left_out for row in rows].count(None) == len(rows) - 1
    assert rows[2].left_out == DELETE_MARKER
    assert (rows[3].version_id, rows[3].left_out) == ("v1", None)
    assert rows[:3] + rows[4:] == usual[:3] + usual[4:]


@pytest.mark.parametrize("inventory", ["csv"], indirect=True)
def test_a_version_that_is_not_current_and_has_no_id_is_the_null_version(inventory):
    part = inventory.parents[1] / "data" / "part-0.csv.gz"
    told = json.loads(inventory.read_text())
    lines = [("my-bucket", "k", "", latest, "false") for latest in ("true", "false")]
    MADE["_gzip"](part, MADE["_csv"](lines))
    file = {"key": told["files"][0]["key"], "size": part.stat().st_size}
    file["MD5checksum"] = hashlib.md5(part.read_bytes()).hexdigest()
    rewritten(
        inventory, fileSchema="Bucket, Key, VersionId, IsLatest, IsDeleteMarker", files=[file]
    )
    rows = rows_in(open_manifest(inventory, all_versions=True))
    assert [row.version_id for row in rows] == [None, "null"]


@pytest.mark.parametrize("inventory", ["csv"], indirect=True)
def test_an_inventory_of_current_versions_has_no_others(inventory):
    rewritten(inventory, fileSchema="Bucket, Key, Size")
    with pytest.raises(UsageError, match="current versions alone") as caught:
        open_manifest(inventory, all_versions=True)
    assert "--all-versions" in caught.value.hint


def test_parts_are_found_beside_manifest_json_too(inventory, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for file in [*inventory.parent.iterdir(), *(inventory.parents[1] / "data").iterdir()]:
        shutil.copy(file, flat)
    wanted = read(inventory)
    shutil.rmtree(tmp_path / "sample-inventory")
    assert read(flat / "manifest.json") == wanted


def test_a_part_that_is_not_there_is_said_with_what_to_do(inventory):
    shutil.rmtree(inventory.parents[1] / "data")
    with pytest.raises(UsageError, match=r"its part '.*part-0.*' is not there") as caught:
        read(inventory)
    assert "s3://" in caught.value.hint


@pytest.mark.parametrize("change", ["flip", "cut", "grow"])
def test_a_part_is_verified_before_its_first_row_is_told(inventory, change):
    part = next(path for path in (inventory.parents[1] / "data").iterdir() if "part-1" in path.name)
    content = bytearray(part.read_bytes())
    if change == "flip":
        content[len(content) // 2] ^= 1
    part.write_bytes({"cut": content[:-1], "grow": content + b"\n"}.get(change, content))
    batches = open_manifest(inventory).batches()
    assert [row.row for row in next(batches)] == [1, 2, 3, 4]
    with pytest.raises(UsageError, match="is not the part that manifest"):
        next(batches)


def test_manifest_json_is_held_against_its_checksum(inventory, caplog):
    inventory.write_text(inventory.read_text().replace("catalogue-a", "catalogue-b", 1))
    with pytest.raises(UsageError, match="is not what its checksum says"):
        read(inventory)
    inventory.with_suffix(".checksum").unlink()
    with caplog.at_level(logging.WARNING, "migrator"):
        assert len(read(inventory)) == 8
    assert "no manifest.checksum beside it" in caplog.text


def test_columns_come_in_any_order_and_number(tmp_path):
    shutil.copytree(SAMPLES / "sample-inventory", tmp_path / "sample-inventory")
    path = tmp_path / BASE.format("csv")
    part = path.parents[1] / "data" / "part-0.csv.gz"
    content = MADE["_csv"]([("GLACIER", "a%2Bb", "my-bucket"), ("STANDARD", "%zz", "my-bucket")])
    MADE["_gzip"](part, content)
    file = {"key": "x/data/part-0.csv.gz", "size": part.stat().st_size}
    file["MD5checksum"] = hashlib.md5(part.read_bytes()).hexdigest().upper()
    rewritten(path, fileSchema="StorageClass,Key , Bucket", files=[file])
    archived, bad = read(path)
    assert archived == ManifestRow(
        1, "my-bucket", "a+b", None, ("GLACIER",), storage_class="GLACIER", archived=True
    )
    assert isinstance(bad, InvalidRow)
    assert "row 2 of 'x/data/part-0.csv.gz'" in bad.problem


@pytest.mark.parametrize("inventory", ["csv"], indirect=True)
def test_a_part_without_rows_is_no_fault(inventory):
    told = json.loads(inventory.read_text())
    part = inventory.parents[1] / "data" / "part-0.csv.gz"
    MADE["_gzip"](part, b"")
    told["files"][0]["size"] = part.stat().st_size
    told["files"][0]["MD5checksum"] = hashlib.md5(part.read_bytes()).hexdigest()
    rewritten(inventory, files=told["files"])
    assert [row.row for row in read(inventory)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": []}, "the inventory has no parts"),
        ({"files": [{"key": "x"}]}, "no manifest.json of an S3 inventory"),
        ({"files": "x"}, "no manifest.json of an S3 inventory"),
        ({"files": [{"key": "../../etc/passwd", "size": 1, "MD5checksum": "x"}]}, "no key of S3"),
        ({"files": [{"key": "/etc/passwd", "size": 1, "MD5checksum": "x"}]}, "no key of S3"),
        ({"files": [{"key": "\x1b[31m\0", "size": 1, "MD5checksum": "x"}]}, "is not there"),
        ({"fileFormat": "Avro"}, "fileFormat is 'Avro'"),
        ({"fileSchema": ""}, "fileSchema names no columns"),
        ({"fileSchema": "Bucket, Size"}, "has no column key"),
        ({"fileSchema": "Bucket, Key, Key"}, "more than one column named 'key'"),
        ({"fileSchema": 7}, "no manifest.json of an S3 inventory"),
    ],
)
def test_a_manifest_json_that_makes_no_sense_is_said(tmp_path, changes, message):
    shutil.copytree(SAMPLES / "sample-inventory", tmp_path / "sample-inventory")
    path = tmp_path / BASE.format("csv")
    rewritten(path, **changes)
    with pytest.raises(UsageError) as caught:
        read(path, "s3-inventory")
    assert message in caught.value.message
    assert caught.value.message.isprintable()
    assert caught.value.hint


def test_what_is_no_file_of_its_own_names_no_parts(inventory):
    with pytest.raises(UsageError, match="has to be named where it lies"):
        open_manifest(standard_input(io.BytesIO(inventory.read_bytes())))
    with pytest.raises(UsageError, match="--map does not go with an inventory"):
        open_manifest(inventory, "auto", {"a": "b"})


class Shelf:
    """The buckets of a test: the samples in one of them; what is read is noted."""

    def __init__(self, **objects):
        self.objects = objects
        self.read_keys = []

    def look(self, bucket, key):
        path = SAMPLES / key
        if bucket not in self.objects or not path.is_file():
            return None
        return RemoteFacts(path.stat().st_size, "etag", 1, None)

    def read(self, _bucket, key, begin, length, _facts):
        self.read_keys.append(key)
        return (SAMPLES / key).read_bytes()[begin : begin + length]


@pytest.mark.parametrize("name", FORMATS)
def test_an_inventory_in_s3_is_read_part_by_part(name):
    shelf = Shelf(manifests=SAMPLES)
    reader, digest = open_named(f"s3://manifests/{BASE.format(name)}", "auto", shelf)
    assert not any("/data/" in key for key in shelf.read_keys)
    batches = reader.batches()
    first = next(batches)
    assert {key.rpartition("/")[2].partition(".")[0] for key in shelf.read_keys} == {
        *("manifest", "part-0"),
    }
    assert [*first, *next(batches)] == read(SAMPLES / BASE.format(name))
    assert digest != fingerprint(SAMPLES / BASE.format(name))


def parts_read(shelf):
    return sorted({key.rpartition("/")[2] for key in shelf.read_keys if "/data/" in key})


@pytest.mark.parametrize("name", FORMATS)
def test_a_part_that_was_read_to_its_end_is_not_fetched_again(name):
    shelf = Shelf(manifests=SAMPLES)
    place = f"s3://manifests/{BASE.format(name)}"
    whole, _ = open_named(place, "auto", shelf)
    batches = whole.batches()
    rows = next(batches)
    assert whole.part_rows == []  # more of the part may come
    rows += [row for batch in batches for row in batch]
    assert whole.part_rows == [4, 4]
    for first in range(1, len(rows) + 2):
        shelf.read_keys.clear()
        again, _ = open_named(place, "auto", shelf)
        again.part_rows = [4]
        assert rows_in(again, first) == rows[first - 1 :]
        assert again.part_rows == [4, 4]
        told = [each.partition(".")[0] for each in parts_read(shelf)]
        assert told == (["part-0", "part-1"] if first <= 4 else ["part-1"])
        again.part_rows = [4, 4]
        shelf.read_keys.clear()
        assert rows_in(again, 9) == []
        assert parts_read(shelf) == []
