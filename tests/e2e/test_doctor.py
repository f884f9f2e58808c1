"""`migrator doctor`: one line a check, and nothing written anywhere."""

import json


def checks(result):
    return {check["name"]: check for check in json.loads(result.out)["checks"]}


def test_all_is_well_and_nothing_is_written(world):
    rows = world.objects(5)
    before = world.sandbox.calls()
    result = world.call("doctor", "--manifest", world.manifest(rows), "--out",
                        world.directory / "new" / "batch", "--json")  # fmt: skip

    assert result.code == 0, result.said
    found = checks(result)
    assert {check["status"] for check in found.values()} == {"ok"}
    assert {"versions", "settings", "api key", "quota", "clock", "team", "project", "disk",
            "source keys", f"source {rows[0][0]}", f"listing {rows[0][0]}", "webhooks"
            } <= found.keys()  # fmt: skip
    assert "5 rows, 1 buckets" in found["rows in"]["found"]
    assert not (world.directory / "new").exists()
    asked = {name: n for name, n in world.sandbox.calls().items() if n != before.get(name, 0)}
    assert all(name.startswith("GET ") for name in asked)


def test_what_is_wrong_is_told_each_by_its_line_with_what_to_do(world):
    rows = world.objects(3)
    absent = world.bucket("absent")
    manifest = world.manifest([*rows, (absent, "a.mp4"), ("xx", "b.mp4")])
    project = "11111111-1111-4111-8111-111111111111"

    result = world.call("doctor", "--manifest", manifest, "--project-id", project)

    assert result.code == 1, result.said
    lines = [line.split(None, 1) for line in result.out.splitlines()]
    failed = [words for status, words in lines if status == "fail"]
    assert len(failed) == 2
    assert failed[0].startswith("project")
    assert failed[1].startswith(f"source {absent}")
    assert result.out.count("next:") == 3  # and the invalid row
    assert "2 failed, 1 with a warning" in result.out


def test_wrong_keys_fail_without_being_shown(world):
    rows = world.objects(2)
    env = {"PIXOP_API_KEY": "wrong-api-key", "PIXOP_SOURCE_SECRET_ACCESS_KEY": "opens-nothing"}
    result = world.call("doctor", "--manifest", world.manifest(rows), "--json", env=env)
    assert result.code == 1
    found = checks(result)
    assert found["api key"]["status"] == "fail"
    assert "bad_credentials" in found[f"source {rows[0][0]}"]["found"]
    assert "wrong-api-key" not in result.said
    assert "opens-nothing" not in result.said


def test_what_cannot_be_read_is_a_line_and_temporary_keys_are_refused(world):
    env = {"PIXOP_API_KEY": None, "PIXOP_SOURCE_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE"}
    result = world.call("doctor", "--manifest", "nowhere.csv", "--json", env=env)
    assert result.code == 1
    failed = {name for name, check in checks(result).items() if check["status"] == "fail"}
    assert failed == {"api key", "rows in", "source keys"}
    assert "temporary" in checks(result)["source keys"]["found"]


def test_neither_the_platform_nor_the_source_need_answer(world, closed_port):
    nowhere = f"http://127.0.0.1:{closed_port}"
    rows = world.objects(1)
    result = world.call("doctor", "--manifest", world.manifest(rows), "--json",
                        "--api-url", f"{nowhere}/api", "--s3-endpoint-url", nowhere)  # fmt: skip
    assert result.code == 1
    found = checks(result)
    assert "cannot be reached" in found["api key"]["found"]
    assert "does not answer" in found[f"source {rows[0][0]}"]["found"]


def test_what_filters_leave_out_is_not_looked_at(world):
    rows = world.objects(2)
    bucket = rows[0][0]
    manifest = world.manifest([(bucket, f"absent-{n}.txt") for n in range(5)] + rows)
    told = world.call("doctor", "--manifest", manifest, "--suffix", ".mp4", "--json")
    assert told.code == 0, told.said
    found = checks(told)
    assert "5 rows are not wanted" in found["rows in"]["found"]
    assert found[f"source {bucket}"]["found"].startswith("2 of 2 objects")
    world.sandbox.put(bucket, "a-first.txt", b"")
    told = world.call("doctor", "--prefix", f"s3://{bucket}/", "--suffix", ".mp4", "--json")
    assert checks(told)[f"source {bucket}"]["found"].startswith("2 of 2 objects")
    told = world.call("doctor", "--prefix", f"s3://{bucket}/", "--json")
    assert checks(told)[f"source {bucket}"]["found"].startswith("1 of 3 objects")
