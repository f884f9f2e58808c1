"""Several API keys in one batch: each row goes with the key that serves it, at that key's pace."""

import json
import signal
from collections import Counter

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


def test_what_is_not_built_for_several_keys_is_refused(world):
    rows = world.objects(1)
    toml = config(world, ("other", served([rows[0][0]])))
    manifest = world.manifest(rows)
    planned = world.call("plan", "--manifest", manifest, "--config", toml)
    assert planned.code == 2
    assert "not built for several API keys" in planned.err
    hooks = ("--webhook-listen", "18080", "--webhook-url", "http://127.0.0.1:18080/x")
    told = world.call("run", "--manifest", manifest, "--out", world.directory / "told",
                      "--config", toml, *hooks)  # fmt: skip
    assert told.code == 2
    assert "webhooks are not built for several keys" in told.err
    world.migrate("--manifest", manifest, "--config", toml)
    verified = world.call("verify", world.directory / "out")
    assert verified.code == 2
    assert "not built for several API keys" in verified.err
