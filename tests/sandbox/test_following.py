import hashlib
import os
import random

MEGABYTE = 1_000_000


async def test_a_copy_ends_done_with_the_same_bytes(client):
    content = random.Random(1).randbytes(40 * MEGABYTE)
    client.put("reel.mov", content)
    video_id = await client.create("reel.mov")
    state = await client.ended(video_id)
    assert (state["uploadStatus"], state["progressPercentage"]) == ("DONE", 100)
    copied = client.copied(video_id)
    assert hashlib.sha256(copied.read_bytes()).digest() == hashlib.sha256(content).digest()
    assert copied.stat().st_mode & 0o777 == 0o600
    assert await client.inspect("copies") == {"bytesFetched": len(content), "partsFetched": 5}


async def test_an_empty_object_is_copied_too(client):
    client.put("empty.mov", b"")
    video_id = await client.create("empty.mov")
    assert (await client.ended(video_id))["uploadStatus"] == "DONE"
    assert client.copied(video_id).read_bytes() == b""


async def test_progress_only_grows_and_says_100_only_when_done(sandbox):
    async with sandbox(copy_bytes_per_second=50 * MEGABYTE) as client:
        client.put("reel.mov", bytes(60 * MEGABYTE))
        video_id = await client.create("reel.mov")
        seen = []
        await client.until(
            video_id, lambda state: seen.append(state) or state["uploadStatus"] == "DONE"
        )
        percents = [state["progressPercentage"] for state in seen]
        assert percents == sorted(percents)
        assert any(0 < percent < 100 for percent in percents)
        assert all(
            (state["progressPercentage"] == 100) == (state["uploadStatus"] == "DONE")
            for state in seen
        )


async def test_where_nothing_looks_inside_a_done_video_is_ingested_and_only_its_size_known(client):
    video_id = await client.create()
    await client.ended(video_id)
    video = (await client.get(f"/v1/videos/{video_id}")).json
    assert video["ingestion"]["ingestionState"]["ingestionStatus"] == "DONE"
    assert video["ingestion"]["metadata"] == {"size": len(b"pictures")}
    assert video["flags"]["isMaster"]
    assert video["flags"]["isIngested"]
    assert not video["flags"]["isIngesting"]
    assert video["updatedAt"] > video["createdAt"]


async def test_many_copies_at_once_all_end_done(client):
    contents = {f"{number}.mov": os.urandom(1000 + number) for number in range(40)}
    for key, content in contents.items():
        client.put(key, content)
    made = {await client.create(key): key for key in contents}
    for video_id, key in made.items():
        assert (await client.ended(video_id))["uploadStatus"] == "DONE"
        assert client.copied(video_id).read_bytes() == contents[key]


async def failing(client):
    """A copy that fails in the middle, for its source has gone; returns the source's path."""
    path = client.put("reel.mov", random.Random(2).randbytes(80 * MEGABYTE))
    video_id = await client.create("reel.mov")
    await client.until(video_id, lambda state: state["progressPercentage"] > 0)
    path.rename(path.with_suffix(".away"))
    state = await client.ended(video_id)
    assert state["uploadStatus"] == "FAILED"
    assert state["error"]["code"]
    assert state["error"]["message"]
    return video_id, path


async def test_a_failed_copy_goes_on_from_the_parts_it_has(sandbox):
    async with sandbox(copy_bytes_per_second=40 * MEGABYTE) as client:
        video_id, path = await failing(client)
        before = (await client.inspect("copies"))["partsFetched"]
        path.with_suffix(".away").rename(path)

        answer = await client.call("POST", f"/v1/videos/{video_id}/in/restart")
        assert answer.status == 202
        assert "error" not in answer.json["upload"]["uploadState"]
        assert (await client.ended(video_id))["uploadStatus"] == "DONE"
        assert (await client.inspect("copies"))["partsFetched"] == 10
        assert 0 < before < 10
        assert client.copied(video_id).read_bytes() == path.read_bytes()


async def test_a_source_that_changed_is_copied_anew(sandbox):
    # Without its memory: for as long as that lasts, the local S3 may show the old size.
    async with sandbox(copy_bytes_per_second=40 * MEGABYTE, s3_cache_s=0) as client:
        video_id, path = await failing(client)
        path.write_bytes(b"another film altogether")
        await client.call("POST", f"/v1/videos/{video_id}/in/restart")
        assert (await client.ended(video_id))["uploadStatus"] == "DONE"
        assert client.copied(video_id).read_bytes() == b"another film altogether"
        video = (await client.get(f"/v1/videos/{video_id}")).json
        assert video["upload"]["file"]["size"] == len(b"another film altogether")


async def test_parts_damaged_on_disk_are_found_and_they_alone_fetched_again(sandbox):
    async with sandbox(copy_bytes_per_second=40 * MEGABYTE) as client:
        video_id, path = await failing(client)
        with client.copied(video_id).open("r+b") as file:
            for part in range(10):
                file.seek(part * 8 * 1024 * 1024)
                file.write(b"damage")
        path.with_suffix(".away").rename(path)
        restart = f"/v1/videos/{video_id}/in/restart"
        await client.call("POST", restart)
        error = (await client.ended(video_id))["error"]
        assert error["code"] == "COPY_FAILED"
        damaged = int(error["message"].removesuffix(" parts differ on disk"))

        before = (await client.inspect("copies"))["partsFetched"]
        assert (await client.call("POST", restart)).status == 202
        assert (await client.ended(video_id))["uploadStatus"] == "DONE"
        assert (await client.inspect("copies"))["partsFetched"] == before + damaged
        assert client.copied(video_id).read_bytes() == path.read_bytes()


async def test_a_copy_that_has_not_failed_cannot_be_restarted(client):
    video_id = await client.create()
    await client.ended(video_id)
    answer = await client.call("POST", f"/v1/videos/{video_id}/in/restart")
    assert (answer.status, answer.code) == (409, "VIDEO_IN_OPERATION_NOT_FAILED")
    wrong = await client.call(
        "POST", f"/v1/videos/{video_id}/in/restart", skipChecksumValidation="1"
    )
    assert (wrong.status, wrong.invalid) == (400, {"skipChecksumValidation"})


async def test_the_keys_handed_over_are_forgotten_when_the_copy_is_done(sandbox):
    async with sandbox() as client:
        client.put()
        await client.ended(await client.create())
        secret = client.env["PIXOP_SOURCE_SECRET_ACCESS_KEY"].encode()
        database = client.directory / "platform" / "records.db"
    assert secret not in database.read_bytes()  # stopped: the write-ahead log has been merged


async def test_without_copying_a_copy_is_done_and_no_byte_is_fetched(sandbox):
    async with sandbox(copy=False) as client:
        client.put()
        video_id = await client.create()
        assert (await client.ended(video_id))["uploadStatus"] == "DONE"
        assert not client.copied(video_id).exists()
        assert (await client.inspect("copies"))["bytesFetched"] == 0


async def test_without_head_the_copy_itself_finds_the_source_missing(sandbox):
    async with sandbox(head=False) as client:
        client.put()
        absent, present = await client.create("absent.mov"), await client.create()
        assert (await client.ended(absent))["error"]["code"] == "KEY_NOT_FOUND"
        assert (await client.ended(present))["uploadStatus"] == "DONE"
        video = (await client.get(f"/v1/videos/{present}")).json
        assert video["upload"]["file"]["size"] == len(b"pictures")
