import asyncio
import hashlib
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import psutil
import pytest

from migrator.sandbox import s3
from migrator.sandbox.errors import SandboxError
from migrator.sandbox.run import SandboxSettings, serve

MEGABYTE = 1_000_000
NAMES = [
    "PIXOP_API_URL",
    "PIXOP_API_KEY",
    "PIXOP_API_KEY_2",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "PIXOP_SOURCE_ACCESS_KEY_ID",
    "PIXOP_SOURCE_SECRET_ACCESS_KEY",
]


def soon(holds, what):
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def s3_of(process):
    [child] = psutil.Process(process.pid).children(recursive=True)
    return child


async def test_sandbox_env_holds_what_a_client_needs_for_its_owner_only(sandbox):
    async with sandbox() as client:
        path = client.directory / "sandbox.env"
        lines = path.read_text().splitlines()
        assert dict(line.split("=", 1) for line in lines) == client.env
        assert list(client.env) == NAMES
        assert path.stat().st_mode & 0o777 == 0o600
        command = ("sh", "-c", f'. "{path}"; printf %s "$PIXOP_API_KEY"')
        shell = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        assert (await shell.communicate())[0].decode() == client.env["PIXOP_API_KEY"]


async def test_all_it_keeps_is_for_its_owner_only(client):
    await client.ended(await client.create())
    for path in [client.directory, *(client.directory / "platform").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


async def test_sandbox_env_is_gone_from_the_start_until_it_is_ready(sandbox, tmp_path):
    async with sandbox() as client:
        path = client.directory / "sandbox.env"
    assert path.exists()  # it stays when the sandbox stops
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SandboxError, match="--port"):
            async with sandbox(port=taken.getsockname()[1]):
                pass
    assert not path.exists()


async def test_keys_accounts_and_records_outlast_a_restart(sandbox):
    async with sandbox() as client:
        client.put()
        first = client.env
        video_id = await client.create(description="kept")
        await client.ended(video_id)
        video = (await client.get(f"/v1/videos/{video_id}")).json
        account = (await client.get("/v1/account")).json
        creates = await client.inspect("creates")
    async with sandbox() as client:
        changed = {"PIXOP_API_URL", "AWS_ENDPOINT_URL_S3"}
        assert {name for name in NAMES if client.env[name] != first[name]} <= changed
        assert (await client.get(f"/v1/videos/{video_id}")).json == video
        assert (await client.get("/v1/account")).json == account
        assert await client.inspect("creates") == creates


async def test_two_sandboxes_cannot_share_a_directory(sandbox):
    async with sandbox() as client:
        with pytest.raises(SandboxError, match="another sandbox is using"):
            await serve(SandboxSettings(directory=client.directory))
        assert (client.directory / "sandbox.env").exists()
        assert (await client.get("/v1/account")).status == 200


@pytest.mark.parametrize("flag", ["port", "s3_port"])
async def test_a_port_in_use_is_one_clear_error(sandbox, flag):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SandboxError, match=f"in use.*--{flag.replace('_', '-')}"):
            async with sandbox(**{flag: taken.getsockname()[1]}):
                pass


async def test_without_rclone_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(SandboxError, match=r"pip install '\.\[sandbox\]'"):
        await serve(SandboxSettings(directory=tmp_path / "sandbox"))


@pytest.mark.parametrize(
    "wrong", [{"port": 65_536}, {"requests_per_minute": 0}, {"copy_bytes_per_second": -1}]
)
def test_settings_out_of_bounds_are_refused(tmp_path, wrong):
    with pytest.raises(SandboxError):
        SandboxSettings(directory=tmp_path, **wrong)


async def test_records_that_are_not_ours_are_refused(sandbox):
    async with sandbox() as client:
        database = client.directory / "platform" / "records.db"
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for _ in range(2):
        with pytest.raises(SandboxError, match="another --dir"):
            async with sandbox():
                pass
        database.write_bytes(b"not a database at all" * 100)


async def test_it_stops_when_cancelled_and_leaves_no_process(tmp_path):
    others = set(psutil.Process().children(recursive=True))
    ready = asyncio.Event()
    settings = SandboxSettings(directory=tmp_path / "sandbox")
    serving = asyncio.create_task(serve(settings, ready=lambda _: ready.set()))
    await asyncio.wait_for(ready.wait(), 20)
    [child] = set(psutil.Process().children(recursive=True)) - others
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert not child.is_running()


async def test_it_ends_with_an_error_when_its_s3_ends(tmp_path):
    others = set(psutil.Process().children(recursive=True))
    ready = asyncio.Event()
    settings = SandboxSettings(directory=tmp_path / "sandbox")
    serving = asyncio.create_task(serve(settings, ready=lambda _: ready.set()))
    await asyncio.wait_for(ready.wait(), 20)
    [child] = set(psutil.Process().children(recursive=True)) - others
    child.kill()
    with pytest.raises(SandboxError, match="the local S3 has ended"):
        await asyncio.wait_for(serving, 20)


def test_no_secret_stands_in_a_process_list(tmp_path, spawn):
    process, env = spawn(tmp_path / "sandbox")
    child = s3_of(process)
    shown = " ".join([*child.cmdline(), *psutil.Process(process.pid).cmdline()])
    assert "serve s3" in shown
    for name in NAMES:
        if "KEY" in name:
            assert env[name] not in shown


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_and_its_s3(tmp_path, spawn, number):
    process, _ = spawn(tmp_path / "sandbox")
    child = s3_of(process)
    process.send_signal(number)
    assert process.wait(timeout=20) == 0
    soon(lambda: not child.is_running(), "the S3 is still there")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills the child of a killed parent")
def test_its_s3_dies_with_it_even_by_sigkill(tmp_path, spawn):
    process, _ = spawn(tmp_path / "sandbox")
    child = s3_of(process)
    process.kill()
    process.wait()
    soon(lambda: not child.is_running(), "the S3 is still there")


def test_where_the_kernel_does_not_help_the_tether_looks_after_its_parent(tmp_path):
    tether = Path(s3.tether.__file__)
    script = (
        "import os, subprocess, sys, time\n"
        f"sys.path.insert(0, {str(tether.parent)!r})\n"
        "command = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "call = 'tether.watched_elsewhere(int(sys.argv[1]), sys.argv[2:])'\n"
        "code = 'import sys; import tether; ' + call\n"
        "env = {**os.environ, 'PYTHONPATH': sys.path[0]}\n"
        "subprocess.Popen([sys.executable, '-c', code, str(os.getpid()), *command], env=env)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    try:
        here = psutil.Process(parent.pid)
        soon(lambda: len(here.children(recursive=True)) == 2, "they did not start")
        tied = here.children(recursive=True)
    finally:
        parent.kill()
        parent.wait()
    soon(lambda: not any(child.is_running() for child in tied), "they are still there")


async def test_a_copy_killed_in_the_middle_goes_on_after_a_restart(tmp_path, spawn, connect):
    directory = tmp_path / "sandbox"
    content = random.Random(3).randbytes(80 * MEGABYTE)
    process, env = spawn(directory, "--copy-bytes-per-second", str(30 * MEGABYTE))
    async with connect(directory, env) as client:
        client.put("reel.mov", content)
        video_id = await client.create("reel.mov")
        await client.until(video_id, lambda state: state["progressPercentage"] > 0)
    process.kill()
    process.wait()

    _, env = spawn(directory)
    async with connect(directory, env) as client:
        state = await client.upload(video_id)
        assert state["uploadStatus"] == "FAILED"
        assert state["error"]["code"] == "COPY_INTERRUPTED"
        assert 0 < state["progressPercentage"] < 100
        assert [one["videoId"] for one in (await client.inspect("creates"))["creates"]] == [
            video_id
        ]

        answer = await client.call("POST", f"/v1/videos/{video_id}/in/restart")
        assert answer.status == 202
        assert (await client.ended(video_id))["uploadStatus"] == "DONE"
        fetched = (await client.inspect("copies"))["bytesFetched"]
        assert 0 < fetched < len(content)
        copied = client.copied(video_id).read_bytes()
        assert hashlib.sha256(copied).digest() == hashlib.sha256(content).digest()


async def test_no_create_that_was_answered_is_lost_by_sigkill(tmp_path, spawn, connect):
    directory = tmp_path / "sandbox"
    flags = ("--copy", "off", "--head", "off", "--requests-per-minute", "100000")
    process, env = spawn(directory, *flags)
    answered = []
    async with connect(directory, env) as client:

        async def create_until_killed():
            while True:
                answered.append(await client.create())
                if len(answered) == 200:
                    os.kill(process.pid, signal.SIGKILL)

        made = await asyncio.gather(
            *(create_until_killed() for _ in range(8)), return_exceptions=True
        )
        assert all(isinstance(error, aiohttp.ClientError) for error in made), made
    process.wait()
    _, env = spawn(directory, *flags)
    async with connect(directory, env) as client:
        kept = [one["videoId"] for one in (await client.inspect("creates"))["creates"]]
        assert len(set(kept)) == len(kept)
        assert set(answered) <= set(kept)
        page = (await client.get("/v1/videos")).json
        assert page["totalElements"] == len(kept)
