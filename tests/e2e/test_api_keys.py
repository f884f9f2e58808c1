"""Several API keys in one batch: each row goes with the key that serves it, at that key's pace."""

import json
import re
import signal
import socket
from collections import Counter
from types import SimpleNamespace

import pytest

QUOTA = 600


@pytest.fixture(scope="module")
def busy(make_sandbox):
    """A sandbox with a small quota for each of its two keys."""
    with make_sandbox("--requests-per-minute", str(QUOTA)) as running:
        yield running


def teams(sandbox):
    return [team["id"] for team in sandbox._ask("/api/v1/teams?pageSize=100")["items"]]


def config(world, *tables, name="keys.toml"):
    """A migrator.toml with these tables of keys, by name."""
    path = world.directory / name
    path.write_text("\n".join(f"[keys.{title}]\n{text}" for title, text in tables))
    return path


def served(buckets, **more):
    lines = ['api_key_env = "PIXOP_API_KEY_2"', f"buckets = {json.dumps(buckets)}"]
    return "\n".join([*lines, *(f"{key} = {json.dumps(value)}" for key, value in more.items())])


def test_each_row_goes_with_its_key_into_its_team(world):
    first, second = world.objects(6), world.objects(7)
    bucket = second[0][0]
    team = teams(world.sandbox)[-1]
    toml = config(world, ("other", served([bucket], team_id=team)))

    batch = world.migrate("--manifest", world.manifest(first + second), "--config", toml)

    batch.assert_balanced()
    assert batch.summary["outcomes"]["imported"] == 13
    made = world.sandbox.creates(batch=batch.id)
    default = teams(world.sandbox)[0]
    assert Counter((one["bucket"], one["teamId"]) for one in made) == {
        (first[0][0], default): 6, (bucket, team): 7,
    }  # fmt: skip
    by_key = batch.summary["api"]["by_key"]
    assert by_key.keys() == {"default", "other"}
    assert sum(by_key.values()) == batch.summary["api"]["calls"]
    assert by_key["other"] >= 7
    assert batch.status["by_key"] == by_key


def test_two_quotas_are_used_at_once_and_neither_is_overrun(make_world, busy):
    with make_world(busy) as world:
        first, second = world.objects(60), world.objects(60)
        toml = config(world, ("other", served([second[0][0]])))

        batch = world.migrate("--manifest", world.manifest(first + second), "--config", toml,
                              within_s=120)  # fmt: skip

        assert batch.summary["outcomes"]["imported"] == 120
        assert busy.throttled() == 0
        used = [max(w["requests"] for w in key["windows"]) for key in busy.windows()["keys"]]
        assert len(used) == 2
        assert max(used) <= QUOTA
        made = Counter(one["objectKey"] for one in busy.creates(bucket=second[0][0]))
        assert set(made.values()) == {1}


def test_a_longer_prefix_counts_and_what_nobody_serves_is_the_default_keys(world):
    bucket = world.bucket()
    rows = [(bucket, key) for key in ("a.mp4", "new/a.mp4", "new/mine/a.mp4", "newer.mp4")]
    for _, key in rows:
        world.sandbox.put(bucket, key, b"film of " + key.encode())
    team = teams(world.sandbox)[-1]
    text = (
        f'api_key_env = "PIXOP_API_KEY_2"\nprefixes = ["s3://{bucket}/new/"]\nteam_id = "{team}"\n'
    )
    toml = config(world, ("other", text))

    batch = world.migrate("--manifest", world.manifest(rows), "--config", toml)

    places = {one["objectKey"]: one["teamId"] for one in world.sandbox.creates(batch=batch.id)}
    default = teams(world.sandbox)[0]
    assert places == {
        "a.mp4": default, "new/a.mp4": team, "new/mine/a.mp4": team, "newer.mp4": default,
    }  # fmt: skip


@pytest.mark.parametrize("how", ["kill", "signal"])
def test_a_batch_that_was_interrupted_goes_on_with_each_key(make_world, busy, until, how):
    with make_world(busy) as world:
        first, second = world.objects(20), world.objects(20)
        toml = config(world, ("other", served([second[0][0]], team_id=teams(busy)[-1])))
        out = world.directory / "out"
        flags = ("--requests-per-minute", "300", "--settle-seconds", "1")
        child = world.start("run", "--manifest", world.manifest(first + second), "--out", out,
                            "--config", toml, *flags)  # fmt: skip
        until(lambda: world.batch().status.get("by_operation", {}).get("submit", 0) >= 6, "sends")
        if how == "kill":
            child.kill()
        else:
            child.signal(signal.SIGINT)
            assert child.wait().code == 130

        resumed = world.call("resume", out)

        assert resumed.code == 0, resumed.said
        batch = world.batch()
        batch.assert_balanced()
        assert batch.summary["outcomes"]["imported"] == 40
        made = Counter(one["objectKey"] + one["bucket"] for one in busy.creates(batch=batch.id))
        assert set(made.values()) == {1}


def test_a_lost_checkpoint_adopts_what_is_in_either_team(world):
    first, second = world.objects(4), world.objects(5)
    toml = config(world, ("other", served([second[0][0]], team_id=teams(world.sandbox)[-1])))
    manifest = world.manifest(first + second)
    world.migrate("--manifest", manifest, "--config", toml)

    again = world.migrate("--manifest", manifest, "--config", toml, out="again")

    assert again.summary["adopted"] == 9
    assert again.summary["api"]["by_operation"]["submit"] == 0


def test_who_serves_what_is_pinned(world):
    rows = world.objects(2)
    toml = config(world, ("other", served([rows[0][0]])))
    manifest = world.manifest(rows)
    world.migrate("--manifest", manifest, "--config", toml)

    result = world.call("run", "--manifest", manifest, "--out", world.directory / "out")

    assert result.code == 5, result.said
    assert "api_keys" in result.err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ('api_key_env = "PIXOP_API_KEY_2"', "serves nothing"),
        ('api_key_env = "NO_SUCH_KEY"\nbuckets = ["bucket"]', "NO_SUCH_KEY is empty"),
        ('api_key_env = "PIXOP_API_KEY"\nbuckets = ["bucket"]', "the same API key"),
        ('api_key_env = "not a name"\nbuckets = ["bucket"]', "not the name of an environment"),
        ('api_key_env = "K"\nbuckets = ["bucket"]\nteam_id = "x"', "not a UUID"),
        ('api_key_env = "K"\nprefixes = ["bucket/x"]', "not of the form s3://"),
        ('api_key_env = "K"\nbucket = "x"', "unknown setting 'bucket'"),
    ],
)
def test_keys_that_make_no_sense_are_refused(world, text, why):
    toml = config(world, ("other", text))
    result = world.call("run", "--manifest", world.manifest([("bucket", "key")]), "--out",
                        world.directory / "out", "--config", toml)  # fmt: skip
    assert result.code == 2, result.said
    assert why in result.err
    assert "Traceback" not in result.err


# ------------------------------------------------------ plan, verify, doctor, ways, webhooks


@pytest.fixture
def two(world):
    return of_two_keys(world)


def of_two_keys(world):
    """Rows for each of two keys in a team each, a migrator.toml that says so, and the teams."""
    first, second = world.objects(6), world.objects(7)
    default, *_, other = teams(world.sandbox)
    toml = config(world, ("other", served([second[0][0]], team_id=other)))
    return SimpleNamespace(
        first=first, second=second, manifest=world.manifest(first + second), toml=toml,
        default=default, other=other,
    )  # fmt: skip


def test_a_plan_counts_the_calls_of_each_key_by_its_quota(world, two):
    flags = ("--manifest", two.manifest, "--config", two.toml)
    planned = world.call("plan", *flags, "--json", "--out", "out")
    assert planned.code == 0, planned.said
    told = json.loads(planned.out)
    keys = {key["name"]: key for key in told["keys"]}
    assert {name: (key["to_send"], key["team_id"]) for name, key in keys.items()} == {
        "default": (6, two.default), "other": (7, two.other),
    }  # fmt: skip
    assert {key["announced_per_minute"] for key in keys.values()} == {60000}
    assert told["platform"]["announced_per_minute"] == 120000
    for name in ("submit", "sweep", "checks"):
        assert told["calls"][name] == sum(key["calls"][name] for key in keys.values())
    assert told["objects"]["to_send"] == told["calls"]["submit"] == 13
    text = world.call("plan", *flags, "--out", "out")
    assert re.search(r"^other +7 .* of 60,000 ", text.out, re.MULTILINE)

    batch = world.migrate(*flags)

    used = batch.summary["api"]["by_key"]
    for name, key in keys.items():
        least, most = key["calls"]["total"]["least"], key["calls"]["total"]["most"]
        assert least <= used[name] <= most, (name, used, key["calls"])


def test_a_plan_of_one_key_tells_of_no_keys(world):
    planned = world.call("plan", "--manifest", world.manifest(world.objects(1)), "--json")
    assert json.loads(planned.out)["keys"] == []


def locations(sandbox, team):
    told = sandbox._ask(f"/api/v1/input-locations/s3?pageSize=100&teamId={team}")["items"]
    return {one["id"]: (one["name"], one["bucket"]) for one in told}


def test_an_input_location_is_made_once_in_each_team_and_removed_there(world, until):
    bucket = world.bucket()
    rows = [(bucket, f"{folder}/{number}.mp4") for folder in ("a", "b") for number in range(4)]
    for _, key in rows:
        world.sandbox.put(bucket, key, b"film of " + key.encode())
    default, *_, other = teams(world.sandbox)
    toml = config(world, ("other", (
        f'api_key_env = "PIXOP_API_KEY_2"\nprefixes = ["s3://{bucket}/b/"]\nteam_id = "{other}"\n'
    )))  # fmt: skip
    name = f"of {bucket}"
    flags = ("--via", "input-location", "--create-input-location", name, "--remove-input-location")
    out = world.directory / "out"
    child = world.start("run", "--manifest", world.manifest(rows), "--config", toml, *flags,
                        "--requests-per-minute", "60", "--out", out)  # fmt: skip
    until(lambda: world.batch().status.get("by_operation", {}).get("submit", 0) >= 2, "sends")
    child.kill()
    there = {
        team: [each for each, told in locations(world.sandbox, team).items()
               if told == (name, bucket)]
        for team in (default, other)
    }  # fmt: skip
    assert [len(each) for each in there.values()] == [1, 1]

    resumed = world.call("resume", out)

    assert resumed.code == 0, resumed.said
    made = world.sandbox.creates(batch=world.batch().id)
    assert {(one["teamId"], one["inputLocationId"]) for one in made} == {
        (team, each) for team, (each,) in there.items()
    }
    assert len(made) == 8
    for team, (each,) in there.items():
        assert each not in locations(world.sandbox, team)


def test_an_input_location_of_one_team_serves_no_row_of_another(world, two):
    bucket = two.second[0][0]
    body = {
        "name": "of the default team", "bucket": bucket,
        "accessKey": world.sandbox.env["PIXOP_SOURCE_ACCESS_KEY_ID"],
        "secretAccessKey": world.sandbox.env["PIXOP_SOURCE_SECRET_ACCESS_KEY"],
    }  # fmt: skip
    location = world.sandbox._ask("/api/v1/input-locations/s3", body)["id"]
    manifest = world.manifest(two.second)
    told = world.call("run", "--manifest", manifest, "--config", two.toml, "--out", "out",
                      "--via", "input-location", "--input-location", location)  # fmt: skip
    assert told.code == 2, told.said
    assert location in told.err
    assert two.other in told.err
    assert not world.sandbox.creates(bucket=bucket)


@pytest.fixture(scope="module")
def telling(make_sandbox):
    """A sandbox that may deliver to this machine in plain http, and does not look into videos."""
    flags = ("--requests-per-minute", "60000", "--media", "off", "--allow-local-urls")
    with make_sandbox(*flags) as running:
        yield running


def test_verification_lists_the_team_of_each_key(make_world, telling):
    with make_world(telling) as world:
        two = of_two_keys(world)
        batch = world.migrate("--manifest", two.manifest, "--config", two.toml)
        verified = world.call("verify", "out", "--json")
        assert verified.code == 0, verified.said
        told = json.loads(verified.out)
        assert told["team_ids"] == [two.default, two.other]
        assert told["rows"]["with_video"] == told["rows"]["headed"] == 13
        gone = next(one["VideoId"] for one in batch.lines if one["Bucket"] == two.second[0][0])
        telling._ask(f"/api/v1/videos/{gone}", method="DELETE")
        verified = world.call("verify", "out", "--json")
        assert verified.code == 3, verified.said
        assert json.loads(verified.out)["drift"] == {"deleted": 1}
        page = (world.directory / "out" / "verify.html").read_text()
        assert f'Teams <bdi class="id">{two.default}' in page


@pytest.mark.parametrize("one_team", [True, False])
def test_webhooks_are_registered_in_each_team_and_tell_each_key(
    make_world, telling, until, one_team
):
    with make_world(telling) as world:
        first, second = world.objects(150), world.objects(160)
        default, *_, other = teams(telling)
        other = default if one_team else other
        toml = config(world, ("other", served([second[0][0]], team_id=other)))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        hooks = ("--webhook-listen", address, "--webhook-url", f"http://{address}/pixop")
        out = world.directory / "out"
        child = world.start("run", "--manifest", world.manifest(first + second), "--config", toml,
                            *hooks, "--out", out)  # fmt: skip

        def registered():
            asked = (f"/api/v1/webhooks?pageSize=100&teamId={team}" for team in (default, other))
            return [len(telling._ask(each)["items"]) for each in asked]

        until(lambda: registered() == [1, 1], "a webhook stands in each team")
        assert child.wait(120).code == 0, child.err
        batch = world.batch()
        batch.assert_balanced()
        learned = Counter((line["Bucket"], line["LearnedBy"]) for line in batch.lines)
        for rows in (first, second):
            assert learned[rows[0][0], "webhook"] > len(rows) // 4, learned
        assert batch.status["deliveries"].keys() == {"accepted"}
        assert registered() == [0, 0]


def test_the_doctor_looks_at_every_key(world, two):
    flags = ("--manifest", two.manifest, "--config", two.toml)
    told = world.call("doctor", *flags, "--json")
    assert told.code == 0, told.said
    checks = {check["name"]: check for check in json.loads(told.out)["checks"]}
    assert {"api key", "quota", "team", "project"} <= checks.keys()
    assert {f"{each} (other)" for each in ("api key", "quota", "team", "project")} <= checks.keys()
    assert two.other in checks["team (other)"]["found"]
    absent = world.call("doctor", *flags, env={"PIXOP_API_KEY_2": None})
    assert absent.code == 1
    assert "fail  api key other" in absent.out
    assert "PIXOP_API_KEY_2 is empty" in absent.out
    refused = world.call("doctor", *flags, env={"PIXOP_API_KEY_2": "x" * 40})
    assert refused.code == 1
    assert re.search(r"fail  api key \(other\) .*refuses it \(HTTP 401\)", refused.out)
