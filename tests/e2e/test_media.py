"""The engine on a platform that ingests what it copies and makes clips: neither misleads it."""

import json

import pytest
from fakes.films import film

FILMS, QUICK = 3, ("--settle-seconds", "0")


@pytest.fixture(params=["master", "none"])
def clipping(request, make_sandbox):
    """A platform whose clips repeat their masters' descriptions, or have none."""
    flags = ("--clip-description", request.param, "--requests-per-minute", "60000")
    with make_sandbox(*flags) as running:
        running.repeats = request.param == "master"
        yield running


@pytest.fixture
def place(make_world, clipping):
    with make_world(clipping) as made:
        yield made


def catalogue(place):
    """Films in a bucket, each different from the others, and a file that is no film."""
    bucket = place.bucket()
    rows = place.objects(1, bucket=bucket, content=b"no pictures")
    for number in range(FILMS):
        key = f"film-{number}.mp4"
        path = film(place.directory / key, frames=12 + number)
        place.sandbox.put(bucket, key, path.read_bytes())
        rows.append((bucket, key))
    return rows


def test_clips_are_no_rows_no_duplicates_and_nothing_to_adopt(place):
    manifest = place.manifest(catalogue(place))

    first = place.migrate("--manifest", manifest, *QUICK)
    assert first.summary["reasons"] == {"copied": FILMS + 1}  # a copy is all that is waited for
    clips = place.sandbox.clips(FILMS)
    masters = place.sandbox.videos("EXCLUDE")
    tagged = {one["description"] for one in masters}
    assert {clip.get("description") in tagged for clip in clips} == {place.sandbox.repeats}

    # A batch that knows of nothing meets the tags of all masters, and of the clips where they
    # repeat them.
    second = place.migrate("--manifest", manifest, *QUICK, out="again")

    assert (second.summary["adopted"], second.summary["duplicates"]) == (FILMS + 1, 0)
    ids = {line["VideoId"] for line in second.lines}
    assert ids == {one["id"] for one in masters}
    assert {line["VideoId"] for line in first.lines} == ids
    assert len(place.sandbox.creates()) == FILMS + 1
    assert len(place.sandbox.videos()) == 2 * FILMS + 1


@pytest.mark.parametrize("clipping", ["master"], indirect=True)
def test_with_clips_the_report_names_the_clip_of_each_film(place):
    flags = ("--full-ingestion", "--until", "ingested", "--with-clips", *QUICK)
    manifest = place.manifest(catalogue(place))
    plan = json.loads(place.call("plan", "--manifest", manifest, *flags, "--json").out)
    assert plan["calls"]["clips"] == 1
    before = place.sandbox.calls()
    batch = place.migrate("--manifest", manifest, *flags, code=3)
    assert batch.summary["clips"] == {"DONE": FILMS}
    clip_of = {clip["masterVideo"]["id"]: clip["id"] for clip in place.sandbox.clips(FILMS)}
    for line in batch.lines:
        told = (line["ClipVideoId"], line["ClipState"])
        is_film = line["Outcome"] == "imported"
        assert told == ((clip_of[line["VideoId"]], "DONE") if is_film else ("", ""))
    asked_by_id = "GET /v1/videos/{videoId}/derived"
    assert place.sandbox.calls().get(asked_by_id, 0) == before.get(asked_by_id, 0)


@pytest.mark.parametrize("clipping", ["master"], indirect=True)
def test_until_ingested_a_file_that_is_no_video_fails_and_the_films_are_imported(place):
    rows = catalogue(place)
    batch = place.migrate(
        *("--manifest", place.manifest(rows), "--full-ingestion", "--until", "ingested", *QUICK),
        code=3,
    )
    assert batch.summary["reasons"] == {"copied": FILMS, "ingestion_failed": 1}
    for line in batch.lines:
        state = next(
            one["ingestion"]["ingestionState"]
            for one in place.sandbox.videos("EXCLUDE")
            if one["id"] == line["VideoId"]
        )
        is_film = line["Outcome"] == "imported"
        assert state["ingestionStatus"] == ("DONE" if is_film else "FAILED")
        assert state["webVideoAvailable"] == is_film

    # Mended at its source, it is replaced: what was no film goes.
    bucket, key = rows[0]
    place.sandbox.put(bucket, key, film(place.directory / "mended.mp4").read_bytes())
    result = place.call("retry", batch.directory, "--outcome", "failed", "--replace", "-y")
    assert result.code == 0, result.said[-4000:]
    assert place.batch().summary["reasons"] == {"copied": FILMS + 1}
    place.sandbox.clips(FILMS + 1)
    assert len(place.sandbox.videos()) == 2 * FILMS + 2


def test_retry_replace_removes_the_clip_with_its_master(place):
    bucket = place.bucket()
    place.sandbox.put(bucket, "film.mp4", film(place.directory / "film.mp4").read_bytes())
    place.sandbox.plan({"fault": "copy_size", "off_bytes": 7, "count": 1})
    manifest = place.manifest([(bucket, "film.mp4")])
    batch = place.migrate("--manifest", manifest, *QUICK, code=3)
    assert batch.summary["reasons"] == {"size_mismatch": 1}
    [old_clip] = place.sandbox.clips(1)
    [old_master] = place.sandbox.videos("EXCLUDE")

    result = place.call("retry", batch.directory, "--outcome", "failed", "--replace", "-y")

    assert result.code == 0, result.said[-4000:]
    assert place.batch().summary["reasons"] == {"copied": 1}
    [clip] = place.sandbox.clips(1)
    [master] = place.sandbox.videos("EXCLUDE")
    assert clip["masterVideo"]["id"] == master["id"]
    assert not {old_clip["id"], old_master["id"]} & {clip["id"], master["id"]}
    assert len(place.sandbox.creates(bucket=bucket)) == 2
