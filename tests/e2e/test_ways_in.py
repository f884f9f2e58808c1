"""Every form in which a catalogue can come in, migrated by the actual program."""

import gzip
import json
import runpy
import signal
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "manifests"
MADE = runpy.run_path(str(SAMPLES / "make_samples.py"))
ROWS = MADE["ROWS"]

FORMS = [
    *("sample.csv", "sample.csv.gz", "sample.csv.zst"),
    *("sample.jsonl", "sample.jsonl.gz", "sample.jsonl.zst"),
    *("sample.parquet", "sample-parts", "sample-parts/*.parquet"),
    *("sample-s3-batch.csv", "sample-s3-completion.csv"),
]
"""What `--manifest` says of the samples, beginning in their folder."""


@pytest.fixture(scope="module")
def filled(make_sandbox, make_world):
    """A sandbox that holds the objects of the samples, and the samples themselves."""
    with make_sandbox("--requests-per-minute", "60000", "--media", "off") as sandbox:
        for bucket, key, *_ in ROWS:
            sandbox.put(bucket, key, b"a small video of " + key.encode())
        sandbox.put("catalogue-a", MADE["UGLY"], b"a small video of an ugly name")
        for file in SAMPLES.rglob("*"):
            name = file.relative_to(SAMPLES).as_posix()
            if file.is_file() and name.startswith("sample"):
                sandbox.put("manifests", name, file.read_bytes())
        with make_world(sandbox) as world:
            yield world


def imports(world, manifest, name, *flags, **how):
    """Migrates in a batch and a namespace of its own; what the platform was asked to make."""
    batch = world.migrate("--manifest", manifest, "--namespace", name, *flags, out=name, **how)
    batch.assert_balanced()
    return batch, world.sandbox.creates(batch=batch.id)


def assert_all_imported(batch, creates):
    by_row = [(line["Bucket"], line["Key"].removeprefix("'")) for line in batch.lines]
    assert by_row == [row[:2] for row in ROWS]
    wanted = by_row
    if "s3-completion" in batch.directory.name:  # its first row tells of a task that succeeded
        assert batch.verdicts[1] == ("skipped", "filtered")
        assert [line["error_code"] for line in batch.lines[1:3]] == ["AccessDenied", "SlowDown"]
        assert [line["http_status_code"] for line in batch.lines[1:3]] == ["403", "503"]
        wanted = by_row[1:]
    assert sorted((c["bucket"], c["objectKey"]) for c in creates) == sorted(wanted)
    if "s3-" not in batch.directory.name.removeprefix("s3-"):  # those of S3 have two columns alone
        named = {c["objectKey"]: c["name"] for c in creates}
        assert all(named[key] == name for _, key, name, *_ in ROWS if name)
        assert {line["asset_id"] for line in batch.lines} == {row[4] for row in ROWS}


def slug(form):
    return form.replace("/", "-").replace("*", "all")


@pytest.mark.parametrize("form", FORMS)
def test_a_sample_on_disk_is_migrated(filled, form):
    assert_all_imported(*imports(filled, SAMPLES / form, f"disk-{slug(form)}"))


@pytest.mark.parametrize("form", [form for form in FORMS if form != "sample-parts"] + ["sample-"])
def test_a_sample_in_s3_is_migrated(filled, form):
    form = "sample-parts/" if form == "sample-" else form
    assert_all_imported(*imports(filled, f"s3://manifests/{form}", f"s3-{slug(form)}"))


@pytest.mark.parametrize("form", ["sample.csv", "sample.jsonl.gz", "sample.parquet"])
def test_a_sample_that_is_piped_in_is_migrated(filled, form):
    name = f"pipe-{slug(form)}"
    assert_all_imported(*imports(filled, "-", name, stdin=SAMPLES / form))


INVENTORY = f"sample-inventory/catalogue-a/{{}}/{MADE['STAMP']}/manifest.json"


@pytest.mark.parametrize("where", [f"{SAMPLES}/", "s3://manifests/"])
@pytest.mark.parametrize("name", ["csv", "parquet", "orc"])
def test_an_inventory_is_migrated(filled, name, where):
    out = f"inventory-{name}-{'s3' if where.startswith('s3') else 'disk'}"
    batch, creates = imports(filled, where + INVENTORY.format(name), out, code=3)
    keys = [row[1] for row in ROWS if row[0] == "catalogue-a"] + [MADE["UGLY"]]
    assert sorted(c["objectKey"] for c in creates) == sorted(keys)
    imported, filtered = ("imported", "copied"), ("skipped", "filtered")
    assert list(batch.verdicts.values()) == [
        *(imported, imported, filtered, filtered, ("rejected", "archived")),
        *(imported, imported, imported),
    ]
    assert [line["ResultMessage"] for line in batch.lines[2:5]] == [
        "a delete marker, by the inventory",
        "not the current version, by the inventory",
        "manifest.json, row 5: of storage class GLACIER by the inventory",
    ]


@pytest.mark.parametrize("order_by", ["size-asc", "size-desc"])
def test_rows_of_an_inventory_and_of_a_prefix_are_sent_by_their_sizes(filled, order_by):
    world = filled
    bucket = world.bucket("sized")
    for key, size in (("b", 900), ("c", 5), ("a", 300_000), ("d", 40)):
        world.sandbox.put(bucket, key, b"." * size)
    inventory = SAMPLES / INVENTORY.format("csv")
    # HEADs side by side let a row overtake another, and so do requests.
    one_by_one = ("--no-preflight", "--max-concurrency", "1")
    flags = ("--prefix", f"s3://{bucket}/", *one_by_one, "--order-by", order_by)
    name = f"{order_by}-{bucket}"
    batch, creates = imports(world, inventory, name, *flags, code=3)
    told = {line["Key"]: int(line["size"] or 0) for line in batch.lines if line["size"]}
    told |= {"b": 900, "c": 5, "a": 300_000, "d": 40}
    sizes = [told[made["objectKey"]] for made in creates]
    assert len(set(sizes)) > 3
    assert sizes == sorted(sizes, reverse=order_by == "size-desc")
    same = ("--manifest", inventory, "--namespace", name, "--out", name)
    refused = world.call("run", *same, *flags[:2])
    assert refused.code == 5
    assert f"begun with --order-by {order_by}" in refused.err


def test_what_was_in_glacier_by_the_inventory_is_retried_once_it_is_restored(filled):
    world = filled
    batch, _ = imports(world, SAMPLES / INVENTORY.format("csv"), "restored", code=3)
    world.sandbox.put("catalogue-a", "masters/in the vault.mxf", b"a small video, restored")
    retried = world.call("retry", "restored", "--reason", "archived", "--yes")
    assert retried.code == 0, retried.said
    assert batch.verdicts[5] == ("imported", "copied")
    batch.assert_balanced()


def test_a_batch_from_a_pipe_needs_it_no_more_once_it_was_read(filled, until):
    world = filled
    rows = world.objects(40)
    manifest = world.manifest(rows)
    slowly = ("--requests-per-minute", "240")
    flags = ("run", "--manifest", "-", "--out", "out-pipe", *slowly)
    child = world.start(*flags, stdin=manifest)
    until(lambda: world.batch("out-pipe").status.get("phase") == "migrating", "it migrates")
    child.signal(signal.SIGINT)
    assert child.wait().code == 130
    other = world.manifest(rows[:-1], name="other.csv")
    refused = world.call(*flags, stdin=other)
    assert refused.code == 5
    assert "the manifest - has changed" in refused.err
    refused = world.call(*flags)  # nothing is piped into it
    assert refused.code == 2
    assert "migrator resume" in refused.err
    resumed = world.call("resume", "out-pipe")
    assert resumed.code == 0, resumed.said
    batch = world.batch("out-pipe")
    batch.assert_balanced()
    assert batch.summary["outcomes"]["imported"] == 40


def test_a_pipe_that_was_not_read_to_its_end_is_piped_in_again(filled, until):
    world = filled
    lines = [json.dumps({"bucket": "nowhere-at-all", "key": str(n)}) + "\n" for n in range(60_000)]
    path = world.directory / "many.jsonl.gz"
    path.write_bytes(gzip.compress("".join(lines).encode()))
    flags = ("--manifest", "-", "--out", "half-pipe")
    # Killed while the first rows are stored, long before the last.
    killed = world.start_with("rows-after-commit:2", "run", *flags, "--no-preflight", stdin=path)
    killed.wait()
    result = world.call("resume", "half-pipe")
    assert result.code == 2
    assert "nothing is piped into standard input" in result.err
    planned = world.call("plan", *flags, "--no-preflight", stdin=path)
    assert planned.code == 0, planned.said
    assert "60,000" in planned.out


def test_fields_that_turn_up_late_come_back_in_the_report(filled):
    world = filled
    rows = world.objects(3)
    records = [{"bucket": bucket, "key": key} for bucket, key in rows]
    records[1] |= {"tape": 7, "rating": 1.50}
    records[2] |= {"name": "Third", "tags": ["a", "b"], "tape": None}
    path = world.directory / "growing.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    batch, creates = imports(world, path, "growing")
    assert [line["tape"] for line in batch.lines] == ["", "7", ""]
    assert [line["rating"] for line in batch.lines] == ["", "1.5", ""]
    assert [line["tags"] for line in batch.lines] == ["", "", '["a", "b"]']
    assert {c["name"] for c in creates} == {"clip-00000.mp4", "clip-00001.mp4", "Third"}


def test_encoded_keys_arrive_to_the_byte(filled):
    world = filled
    bucket, key = world.bucket("ugly"), "a+b c/\u00fc%2F#?.mp4"
    world.sandbox.put(bucket, key, b"a small video")
    path = world.directory / "job.csv"
    path.write_text(f"Bucket,Key\n{bucket},a%2Bb+c/%C3%BC%252F%23%3F.mp4\n")
    told = ("--manifest-format", "s3-batch", "--manifest", path, "--out", "ugly")
    result = world.call("run", *told)
    assert result.code == 0, result.said
    assert "begins with a header" in result.err
    assert [c["objectKey"] for c in world.sandbox.creates(bucket=bucket)] == [key]


def test_videos_are_called_by_templates_and_columns_of_other_names(filled):
    world = filled
    bucket = world.bucket("named")
    rows = [(bucket, "in/a film.mov", "Ein Film \u00fc", "7"), (bucket, "in/x.mxf", "T" * 300, "8")]
    for _, key, *_ in rows:
        world.sandbox.put(bucket, key, b"a small video of " + key.encode())
    path = world.manifest(rows, header=("store", "path", "title", "tape no"), name="named.csv")
    flags = (
        *("--map", "store=bucket", "--map", "path=key"),
        *("--name-template", "{tape no} {title}"),
        *("--description-template", "{name} in {dirname}"),
        *("--file-name-template", "{row}-{tape no}-{title}.{ext}"),
    )
    batch = world.migrate("--manifest", path, *flags, out="named")
    batch.assert_balanced()
    made = {c["objectKey"]: c for c in world.sandbox.creates(batch=batch.id)}
    film, long = made["in/a film.mov"], made["in/x.mxf"]
    assert (film["name"], film["fileName"]) == ("7 Ein Film \u00fc", "1-7-Ein_Film__.mov")
    assert film["description"].startswith("a film.mov in in [mig1:")
    assert long["name"] == "8 " + "T" * 253
    assert long["fileName"] == "2-8-" + "T" * 247 + ".mxf"
    assert "the name was cut to 255 characters" in batch.lines[1]["ResultMessage"]
    assert batch.lines[1]["title"] == "T" * 300
    refused = world.call("run", "--manifest", path, "--out", "named", *flags[:4])
    assert refused.code == 5
    assert "other templates" in refused.err


def test_a_manifest_in_s3_that_is_not_there_or_not_readable_is_said(filled):
    world = filled
    told = world.call("run", "--manifest", "s3://manifests/no.csv", "--out", "no")
    assert told.code == 2
    assert "s3://manifests/no.csv: there is no such object" in told.err
    told = world.call("run", "--manifest", "s3://manifests/none/*.parquet", "--out", "no")
    assert told.code == 2
    assert "no Parquet file there" in told.err
    keys = {"AWS_SECRET_ACCESS_KEY": "wrong", "PIXOP_SOURCE_SECRET_ACCESS_KEY": "wrong"}
    told = world.call("run", "--manifest", "s3://manifests/sample.csv", "--out", "no", env=keys)
    assert told.code == 2
    assert "SignatureDoesNotMatch" in told.err or "AccessDenied" in told.err
    assert not (world.directory / "no").exists()
