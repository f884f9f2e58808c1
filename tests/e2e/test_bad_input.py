"""Bad input: the documented exit code, one clear message with a next step, never a traceback."""

import pytest
from told import assert_told

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360"
    "00000000050001a5f645400000000049454e44ae426082"
)
NOISE = bytes((number * 197 + number // 7) % 256 for number in range(5000))

UNKNOWN_UUID = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def untouched(world):
    """Fails where the platform was called at all."""
    before = world.sandbox.calls()
    yield
    assert world.sandbox.calls() == before


@pytest.fixture
def sent_nothing(world):
    """Fails where the platform was asked for anything but to read."""
    before = [world.sandbox.calls().get(name, 0) for name in _POSTS]
    yield
    assert [world.sandbox.calls().get(name, 0) for name in _POSTS] == before


_POSTS = ("POST /v1/videos/in/s3", "POST /v1/videos/{videoId}/in/restart")


# -------------------------------------------------------------------- manifests

MANIFESTS = {
    "no such file": ("gone.csv", None, ["gone.csv", "no such file"]),
    "an empty file": ("empty.csv", b"", ["empty.csv", "empty"]),
    "a header alone": ("header.csv", b"bucket,key\n", ["header.csv", "no rows"]),
    "a PNG named CSV": ("picture.csv", PNG, ["picture.csv", "PNG"]),
    "noise named Parquet": ("noise.parquet", NOISE, ["noise.parquet", "Parquet"]),
    "a Parquet file cut off": ("cut.parquet", b"PAR1" + NOISE, ["cut.parquet"]),
    "noise named CSV": ("noise.csv", NOISE, ["noise.csv"]),
    "no column key": ("columns.csv", b"bucket,Key,size\nb,k,1\n",
                      ["columns.csv", "key", "'bucket', 'Key', 'size'"]),
    "no column at all that is needed": ("columns.csv", b"a;b\n1;2\n", ["bucket", "key", "a;b"]),
}  # fmt: skip


@pytest.mark.parametrize("case", MANIFESTS)
def test_an_unusable_manifest_is_refused_by_name(world, untouched, case):
    name, content, words = MANIFESTS[case]
    if content is not None:
        (world.directory / name).write_bytes(content)

    result = world.call("run", "--manifest", name, "--out", "out")

    assert_told(result, 2, *words)
    assert not (world.directory / "out" / "checkpoint.db").exists()


def test_an_empty_directory_is_no_manifest(world, untouched):
    (world.directory / "folder").mkdir()
    assert_told(
        world.call("run", "--manifest", "folder", "--out", "out"), 2, "folder", "no Parquet file"
    )


def test_a_pipe_is_no_manifest(world, untouched):
    result = world.call("run", "--manifest", "/dev/stdin", "--out", "out")
    assert_told(result, 2, "regular file")


def test_neither_manifest_nor_prefix_is_nothing_to_do(world, untouched):
    assert_told(world.call("run", "--out", "out"), 2, "no manifest and no prefix")


# -------------------------------------------------------------------- flags

FLAGS = {
    "a negative rate": (["--requests-per-minute", "-5"], ["requests-per-minute", "-5"]),
    "a size that could mean two": (["--max-size", "10M"], ["max-size", "10M", "10MB"]),
    "a time that is none": (["--modified-after", "noon"], ["modified-after", "noon"]),
    "sizes that exclude each other": (["--min-size", "2", "--max-size", "1"], ["--max-size 1"]),
    "a rate of nothing": (["--requests-per-minute", "0"], ["requests-per-minute", "0"]),
    "a rate in words": (["--requests-per-minute", "abc"], ["requests-per-minute", "abc"]),
    "a rate that is not whole": (["--requests-per-minute", "1.5"], ["requests-per-minute", "1.5"]),
    "a negative time": (["--settle-seconds", "-1"], ["settle-seconds"]),
    "an unknown flag": (["--frobnicate"], ["--frobnicate"]),
    "a team that is no UUID": (["--team-id", "mine"], ["--team-id", "mine", "UUID"]),
    "a project that is no UUID": (["--project-id", "mine"], ["--project-id", "mine", "UUID"]),
    "a prefix that is no URL": (["--prefix", "bucket/prefix"], ["--prefix", "s3://"]),
    "a platform that is no URL": (["--api-url", "api.pixop.com"], ["--api-url", "api.pixop.com"]),
    "plain http to another host": (["--api-url", "http://192.0.2.1/api"],
                                   ["http://192.0.2.1", "plain http", "clear"]),
    "a platform with a password": (["--api-url", "https://u:canary@h/api"],
                                   ["--api-url", "password"]),
    "a port that is no number": (["--api-url", "https://host:port/api"], ["--api-url"]),
    "a password with a slash": (["--api-url", "https://u:can/ary@h/api"], ["--api-url"]),
    "an S3 port that is no number": (["--s3-endpoint-url", "http://host:port"],
                                     ["--s3-endpoint-url"]),
    "an S3 that is no URL": (["--s3-endpoint-url", "minio"], ["--s3-endpoint-url", "minio"]),
    "a configuration that is not there": (["--config", "gone.toml"], ["gone.toml"]),
}  # fmt: skip


@pytest.mark.parametrize("case", FLAGS)
def test_a_flag_that_makes_no_sense_is_named(world, untouched, case):
    flags, words = FLAGS[case]
    manifest = world.manifest([("bucket", "key")])

    result = world.call("run", "--manifest", manifest, "--out", "out", *flags, within_s=20)

    assert_told(result, 2, *words)
    assert "canary" not in result.said
    assert not (world.directory / "out").exists()


def test_no_out_directory_and_an_unknown_verb_are_usage_errors(world, untouched):
    assert_told(world.call("run", "--manifest", "x.csv"), 2, "--out")
    assert_told(world.call("migrate", "everything"), 2, "migrate")


TOML = {
    "not TOML": ("[buckets\n", ["migrator.toml", "TOML"]),
    "an unknown table": ("[pace]\nrequests = 1\n", ["migrator.toml", "pace"]),
    "half a pair": ('[buckets."b"]\naccess_key_id_env = "A"\n', ["migrator.toml", "secret"]),
    "not a name": ('[buckets."b"]\naccess_key_id_env = 1\nsecret_access_key_env = "B"\n',
                   ["migrator.toml", "access_key_id_env"]),
    "a variable that is not set": (
        '[buckets."b"]\naccess_key_id_env = "NOT_SET_1"\nsecret_access_key_env = "NOT_SET_2"\n',
        ["NOT_SET_1"]),
}  # fmt: skip


@pytest.mark.parametrize("case", TOML)
def test_a_malformed_migrator_toml_is_named_with_its_fault(world, untouched, case):
    content, words = TOML[case]
    (world.directory / "migrator.toml").write_text(content)
    manifest = world.manifest([("bucket", "key")])

    assert_told(world.call("run", "--manifest", manifest, "--out", "out"), 2, *words)


# -------------------------------------------------------------------- the output directory


@pytest.mark.parametrize("out", ["file/out", "file", "/proc/no-such-place/out", "/dev/null/out"])
def test_an_out_directory_that_cannot_be_written_is_named(world, untouched, out):
    # Under a regular file or /proc: permission bits would not bind root.
    (world.directory / "file").write_bytes(b"")
    manifest = world.manifest([("bucket", "key")])

    assert_told(world.call("run", "--manifest", manifest, "--out", out), 2, "--out", out)


# -------------------------------------------------------------------- keys of the source

NO_SOURCE_KEYS = {
    "PIXOP_SOURCE_ACCESS_KEY_ID": None,
    "PIXOP_SOURCE_SECRET_ACCESS_KEY": None,
    "AWS_ACCESS_KEY_ID": None,
    "AWS_SECRET_ACCESS_KEY": None,
}

SOURCE_KEYS = {
    "temporary credentials with a session token": (
        {**NO_SOURCE_KEYS, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
         "AWS_SECRET_ACCESS_KEY": "canary-secret", "AWS_SESSION_TOKEN": "canary-token"},
        ["temporary", "session token"]),
    "temporary credentials without their token": (
        {**NO_SOURCE_KEYS, "AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE",
         "AWS_SECRET_ACCESS_KEY": "canary-secret"},
        ["temporary", "ASIA"]),
    "temporary credentials to hand over": (
        {"PIXOP_SOURCE_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE"},
        ["PIXOP_SOURCE_ACCESS_KEY_ID", "temporary"]),
    "half a pair to hand over": (
        {"PIXOP_SOURCE_SECRET_ACCESS_KEY": None}, ["PIXOP_SOURCE_SECRET_ACCESS_KEY", "empty"]),
    "the other half": (
        {"PIXOP_SOURCE_ACCESS_KEY_ID": ""}, ["PIXOP_SOURCE_ACCESS_KEY_ID", "empty"]),
    "half a pair in the chain": (
        {**NO_SOURCE_KEYS, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}, ["credential"]),
    "no keys at all": (NO_SOURCE_KEYS, ["no keys for the source"]),
}  # fmt: skip


@pytest.mark.parametrize("case", SOURCE_KEYS)
def test_source_keys_that_cannot_be_handed_over_are_refused_before_anything_is_sent(
    world, untouched, case
):
    env, words = SOURCE_KEYS[case]
    manifest = world.manifest(world.objects(1))

    result = world.call("run", "--manifest", manifest, "--out", "out", env=env)

    assert_told(result, 2, *words)
    assert "canary" not in result.said


def test_static_keys_of_the_aws_chain_do_where_none_are_set_to_hand_over(world):
    env = {"PIXOP_SOURCE_ACCESS_KEY_ID": None, "PIXOP_SOURCE_SECRET_ACCESS_KEY": None}
    batch = world.migrate("--manifest", world.manifest(world.objects(1)), env=env)
    assert batch.summary["outcomes"]["imported"] == 1


# -------------------------------------------------------------------- the platform and its key


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"PIXOP_API_KEY": None}, ["no API key", "PIXOP_API_KEY"]),
        ({"PIXOP_API_KEY": "  \n"}, ["no API key", "PIXOP_API_KEY"]),
        ({"PIXOP_API_KEY": "canary with blanks"}, ["API key", "PIXOP_API_KEY"]),
    ],
    ids=["not set", "blank", "not a key"],
)
def test_without_a_usable_api_key_nothing_begins(world, untouched, env, words):
    manifest = world.manifest(world.objects(1))
    result = world.call("run", "--manifest", manifest, "--out", "out", env=env)
    assert_told(result, 2, *words)
    assert "canary" not in result.said
    assert not (world.directory / "out").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", ["no API key", "key.txt"]), (None, ["key.txt"]), ("ü".encode(), ["key.txt", "ASCII"])],
    ids=["empty", "not there", "not ASCII"],
)
def test_an_api_key_file_that_holds_no_key_is_named(world, untouched, content, words):
    if content is not None:
        (world.directory / "key.txt").write_bytes(content)
    manifest = world.manifest(world.objects(1))

    result = world.call("run", "--manifest", manifest, "--out", "out", "--api-key-file", "key.txt")

    assert_told(result, 2, *words)


def test_the_api_key_can_come_from_a_file(world):
    (world.directory / "key.txt").write_text(world.sandbox.env["PIXOP_API_KEY"] + "\n")
    manifest, env = world.manifest(world.objects(1)), {"PIXOP_API_KEY": None}
    batch = world.migrate("--manifest", manifest, "--api-key-file", "key.txt", env=env)
    assert batch.summary["outcomes"]["imported"] == 1


def test_a_platform_that_refuses_connections_is_given_up_after_ten_seconds(world, closed_port):
    manifest = world.manifest(world.objects(1))
    url = f"http://127.0.0.1:{closed_port}/api"

    result = world.call(
        "run", "--manifest", manifest, "--out", "out", "--api-url", url, within_s=15
    )

    assert_told(result, 1, "platform cannot be used", "/v1/account")


@pytest.mark.parametrize("path", ["the S3 port", "no /api", "another path"])
def test_an_address_that_is_not_the_platforms_is_told_from_one(
    world, sent_nothing, path, misdirected
):
    env = world.sandbox.env
    url = {
        "the S3 port": env["AWS_ENDPOINT_URL_S3"],
        "no /api": env["PIXOP_API_URL"].removesuffix("/api"),
        "another path": env["PIXOP_API_URL"] + "/v1",
    }[path]
    manifest = world.manifest(world.objects(1))

    result = world.call("run", "--manifest", manifest, "--out", "out", "--api-url", url)

    assert_told(result, 1, "platform cannot be used", "/v1/account")


def test_a_refused_api_key_stops_the_run_and_the_right_one_finishes_it(world):
    rows = world.objects(3)
    command = ["run", "--manifest", world.manifest(rows), "--out", world.directory / "out"]

    result = world.call(*command, env={"PIXOP_API_KEY": "wrong-key-canary"})

    assert_told(result, 4, "refuses the API key", "401")
    assert "canary" not in result.said
    assert (world.directory / "out" / "summary.json").exists()

    assert world.call(*command).code == 0
    batch = world.batch()
    batch.assert_balanced()
    assert batch.summary["outcomes"]["imported"] == len(rows)


# -------------------------------------------------------------------- what is not there


def test_a_prefix_of_a_bucket_that_is_not_there_is_named(world, sent_nothing):
    bucket = world.bucket("absent")
    result = world.call("run", "--prefix", f"s3://{bucket}/films/", "--out", "out")
    assert_told(result, 2, bucket, "bucket")


def test_a_prefix_without_any_object_is_named(world, sent_nothing):
    (bucket, _), *_ = world.objects(1)
    result = world.call("run", "--prefix", f"s3://{bucket}/films/", "--out", "out")
    assert_told(result, 2, f"s3://{bucket}/films/", "no object")


def test_a_prefix_whose_bucket_refuses_the_keys_is_named(world, sent_nothing):
    (bucket, _), *_ = world.objects(1)
    result = world.call("run", "--prefix", f"s3://{bucket}/", "--out", "out",
                        env={"PIXOP_SOURCE_SECRET_ACCESS_KEY": "canary"})  # fmt: skip
    assert_told(result, 2, bucket)
    assert "canary" not in result.said


@pytest.mark.parametrize("where", ["flag", "row"])
def test_an_unknown_project_is_refused_before_anything_is_sent(world, sent_nothing, where):
    (bucket, key), *_ = world.objects(1)
    if where == "flag":
        manifest, flags = world.manifest([(bucket, key)]), ["--project-id", UNKNOWN_UUID]
    else:
        header = ("bucket", "key", "project_id")
        manifest, flags = world.manifest([(bucket, key, UNKNOWN_UUID)], header), []

    result = world.call("run", "--manifest", manifest, "--out", "out", *flags)

    assert_told(result, 2, "project", UNKNOWN_UUID)


def test_an_unknown_team_is_refused_before_anything_is_sent(world, sent_nothing):
    manifest = world.manifest(world.objects(1))
    result = world.call("run", "--manifest", manifest, "--out", "out", "--team-id", UNKNOWN_UUID)
    assert_told(result, 2, "--team-id", UNKNOWN_UUID)


def test_a_batch_that_began_with_bad_input_goes_on_with_good_input(world):
    out = world.directory / "out"
    (bucket, key), *_ = rows = world.objects(2)
    header = ("bucket", "key", "project_id")
    bad = world.manifest([(bucket, key, UNKNOWN_UUID)], header, "bad.csv")
    assert world.call("run", "--manifest", bad, "--out", out).code == 2
    assert world.call("run", "--prefix", f"s3://{bucket}/none/", "--out", out).code in {2, 5}

    fresh = world.migrate("--manifest", world.manifest(rows), out="fresh")

    assert fresh.summary["outcomes"]["imported"] == 2
