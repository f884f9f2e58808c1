"""Stopping by itself, and telling somebody of it, as an operator sees it."""

import json
import sys

import pytest

TELL = """
import json, os, sys
print("told")
told = {"summary": json.load(sys.stdin), "arguments": sys.argv[1:], "environment": dict(os.environ)}
json.dump(told, open("told.json", "w"))
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def tell(world):
    """A command for --on-finish that keeps what it was told, and exits with a code."""
    script = world.directory / "tell it.py"
    script.write_text(TELL)
    return lambda code=0: f"{sys.executable} '{script}' {code} 'two words' '$HOME'"


def told(world):
    return json.loads((world.directory / "told.json").read_text())


def test_a_bad_canary_lists_its_videos_and_how_to_delete_them_and_resume_goes_on(world):
    rows = world.objects(12)
    manifest = world.manifest([*rows[:2], (rows[0][0], "gone.mp4"), *rows[2:]])
    arguments = ("run", "--manifest", manifest, "--out", world.directory / "out",
                 "--canary", "3", "--no-preflight")  # fmt: skip

    result = world.call(*arguments)

    assert result.code == 4, result.said
    assert "the canary is bad: row 3 ended as missing (object_not_found)" in result.err
    made = world.sandbox.creates(bucket=rows[0][0])
    assert len(made) == 2
    for one in made:
        assert f"{one['videoId']}  row" in result.out
    url = world.sandbox.env["PIXOP_API_URL"]
    assert f'curl -X DELETE -H "X-API-Key: $PIXOP_API_KEY" {url}/v1/videos/ID' in result.out
    assert world.sandbox.env["PIXOP_API_KEY"] not in result.said
    batch = world.batch()
    batch.assert_balanced()
    assert batch.summary["runs"][-1]["exit_code"] == 4

    assert world.call("resume", world.directory / "out").code == 3  # the missing one is left
    assert world.batch().summary["outcomes"]["imported"] == len(rows)


def test_a_share_of_failures_stops_before_the_rest_is_sent(world):
    rows = world.objects(60)
    absent = world.bucket("absent")
    wrong = [(absent, key) for _, key in rows]
    manifest = world.manifest([*rows[:10], *wrong, *rows[10:]])

    result = world.call("run", "--manifest", manifest, "--out", world.directory / "out",
                        "--tolerated-failure-percentage", "20",
                        "--requests-per-minute", "600")  # fmt: skip

    assert result.code == 4, result.said
    assert "too many failures" in result.err
    assert "--tolerated-failure-percentage is 20" in result.err
    batch = world.batch()
    batch.assert_balanced()
    assert batch.summary["outcomes"]["unfinished"] > 30
    assert len(world.sandbox.creates(bucket=rows[0][0])) < 20


def test_a_run_lasts_no_longer_than_it_may_and_resume_has_as_long_again(world):
    rows = world.objects(40)
    arguments = ("run", "--manifest", world.manifest(rows), "--out", world.directory / "out")

    result = world.call(*arguments, "--max-duration", "2s", "--requests-per-minute", "600")

    assert result.code == 4, result.said
    assert "--max-duration is over" in result.err
    batch = world.batch()
    batch.assert_balanced()
    assert "unresolved" not in batch.summary["reasons"]
    assert batch.summary["outcomes"]["unfinished"] > 0

    assert world.call(*arguments).code == 0


def test_the_summary_is_told_on_stdin_without_a_shell_and_without_keys(world, tell):
    rows = world.objects(2)
    config = world.directory / "keys.toml"
    config.write_text(
        f'[buckets."{rows[0][0]}"]\naccess_key_id_env = "OF_BUCKET_ID"\n'
        'secret_access_key_env = "OF_BUCKET_SECRET"\n'
        '[keys.second]\napi_key_env = "PIXOP_API_KEY_2"\nbuckets = ["another"]\n'
    )
    env = {
        "OF_BUCKET_ID": world.sandbox.env["PIXOP_SOURCE_ACCESS_KEY_ID"],
        "OF_BUCKET_SECRET": world.sandbox.env["PIXOP_SOURCE_SECRET_ACCESS_KEY"],
        "AWS_REGION": "eu-north-1", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ACCESS_KEY_ID": "i",
    }  # fmt: skip
    arguments = ("run", "--manifest", world.manifest(rows), "--out", world.directory / "out",
                 "--config", config, "--on-finish", tell())  # fmt: skip

    result = world.call(*arguments, env=env)

    assert result.code == 0, result.said
    assert "told" in result.err
    assert "told" not in result.out
    found = told(world)
    assert found["summary"] == world.batch().summary
    assert found["arguments"] == ["0", "two words", "$HOME"]
    environment = found["environment"]
    assert environment["AWS_REGION"] == "eu-north-1"
    secrets = {world.sandbox.env["PIXOP_API_KEY"], *env.values()} - {"eu-north-1"}
    assert not secrets & set(environment.values())
    assert not [name for name in environment if "SECRET" in name or "API_KEY" in name]

    (world.directory / "told.json").unlink()
    again = world.call(*arguments, env=env)
    assert "finished" in again.out
    assert not (world.directory / "told.json").exists()


def test_a_command_that_fails_is_said_and_changes_nothing(world, tell):
    rows = world.objects(1)
    arguments = ("run", "--manifest", world.manifest(rows), "--out", world.directory / "out")
    result = world.call(*arguments, "--on-finish", tell(7))
    assert result.code == 0, result.said
    assert "ended with 7" in result.err
    assert "two words" not in result.err
    assert world.batch().summary["runs"][-1]["exit_code"] == 0


def test_a_stop_by_itself_is_told_too_and_the_batch_is_let_go_by_then(world):
    rows = world.objects(30)
    out = world.directory / "out"
    command = f"{sys.executable} -m migrator report {out}"
    result = world.call("run", "--manifest", world.manifest(rows), "--out", out,
                        "--requests-per-minute", "300", "--max-duration", "1s",
                        "--on-finish", command)  # fmt: skip
    assert result.code == 4, result.said
    assert "another migrator" not in result.err
    assert result.err.count("report: ") == 1  # what the command printed goes to stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("", "no command"),
        ("'open", "cannot be split"),
        ("no-such-program-anywhere x", "no program"),
    ],
)
def test_a_command_that_cannot_be_run_is_refused_before_anything_is_sent(world, command, words):
    rows = world.objects(1)
    result = world.call("run", "--manifest", world.manifest(rows), "--out",
                        world.directory / "out", "--on-finish", command)  # fmt: skip
    assert result.code == 2
    assert words in result.err
    assert not world.sandbox.creates(bucket=rows[0][0])
