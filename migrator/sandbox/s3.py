"""The local S3: `rclone serve s3` as a child process, over a directory of buckets.

A real server, with signature checks, ranges and multipart, is worth more in a rehearsal than
a stand-in of our own making. What was found out about it, and is relied upon here:

- the key pairs come from RCLONE_AUTH_KEY, as CSV with each pair quoted (on the command line
  they would stand in the process list);
- with port 0 it takes a free one and prints it;
- `--etag-hash ""` spares it reading a file to make an ETag, so that a sparse file of 501 GB
  costs nothing;
- it reads a whole directory to answer for one file, and keeps what it read for
  `--dir-cache-time`. With 0 a flat directory of 3,000 files answers 66 HEADs a second, with
  100 ms 2,200; one of 50,000 files needs a second (1,900).
"""

import asyncio
import collections
import contextlib
import logging
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from migrator.sandbox import tether
from migrator.sandbox.errors import NOT_INSTALLED, SandboxError
from migrator.sandbox.keys import KeyPair

READY_WITHIN_S = 20.0
STOPPED_WITHIN_S = 3.0

MAX_HEADER_BYTES = 65_536
"""A key of 1,024 bytes is 3,072 percent-encoded; rclone's own 4,096 are short of that with
the signature beside it."""

_LISTENING = re.compile(r"Starting s3 server on \[(http://[0-9.]+:[0-9]+)/\]")

log = logging.getLogger(__name__)


def rclone_binary() -> str:
    """The path of rclone: beside this interpreter first, where the wheel puts it."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("rclone", path=beside) or shutil.which("rclone")
    if found is None:
        raise SandboxError(NOT_INSTALLED.format("rclone"))
    return str(Path(found).absolute())


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server: where it listens, and what tells that it has ended."""

    url: str
    pid: int
    ended: asyncio.Task[str]
    """Done when the process has ended by itself, with the last it had to say."""


@asynccontextmanager
async def serving(
    buckets: Path, *, port: int, keys: Sequence[KeyPair], cache_s: float
) -> AsyncIterator[S3Server]:
    """Serve `buckets` on 127.0.0.1:`port` (0: a free one) until the context ends.

    Raises SandboxError where rclone is missing, the port is taken or it does not come up.
    """
    process = await asyncio.create_subprocess_exec(
        *_command(buckets, port=port, cache_s=cache_s),
        env=_environment(keys),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us; we stop it after the last copy
    )
    assert process.stderr is not None
    said: collections.deque[str] = collections.deque(maxlen=5)
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    ended = asyncio.create_task(_listen(process, process.stderr, said, listening))
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            await asyncio.wait((listening, ended), return_when=asyncio.FIRST_COMPLETED)
        if not listening.done():
            raise SandboxError(_why_not(await ended, port))
        yield S3Server(url=listening.result(), pid=process.pid, ended=ended)
    except TimeoutError as error:
        if listening.done():
            raise
        raise SandboxError(f"rclone did not come up in {READY_WITHIN_S:.0f} s") from error
    finally:
        await _stop(process, ended)


def _command(buckets: Path, *, port: int, cache_s: float) -> list[str]:
    # -I -S: the tether needs nothing but the standard library, and starts sooner without.
    tied = [sys.executable, "-I", "-S", str(Path(tether.__file__)), str(os.getpid())]
    flags = [
        *("--addr", f"127.0.0.1:{port}"),
        *("--etag-hash", ""),
        *("--dir-cache-time", f"{round(cache_s * 1000)}ms"),
        *("--max-header-bytes", str(MAX_HEADER_BYTES)),
        *("--file-perms", "0600", "--dir-perms", "0700"),
        *("--config", ""),  # the user's own rclone configuration is none of our business
        *("--log-level", "NOTICE"),  # DEBUG would print the keys
    ]
    return [*tied, rclone_binary(), "serve", "s3", *flags, "--", str(buckets.absolute())]


def _environment(keys: Sequence[KeyPair]) -> dict[str, str]:
    # Any flag of rclone can be set by RCLONE_*: what the user has there must not reach it.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}
    pairs = (f'"{pair.access_key},{pair.secret_access_key}"' for pair in keys)
    return {**kept, "RCLONE_AUTH_KEY": ",".join(pairs)}


async def _listen(
    process: asyncio.subprocess.Process,
    stderr: asyncio.StreamReader,
    said: collections.deque[str],
    listening: asyncio.Future[str],
) -> str:
    while line := await stderr.readline():
        text = line.decode(errors="replace").strip()
        log.debug("rclone: %s", text)
        said.append(text)
        if (found := _LISTENING.search(text)) and not listening.done():
            listening.set_result(found[1])
    code = await process.wait()
    return f"rclone ended with {code}: {' / '.join(said)}"


def _why_not(last_words: str, port: int) -> str:
    if "address already in use" in last_words:
        return f"port {port} of 127.0.0.1 is in use; give --s3-port another one, or 0"
    return f"the local S3 did not start: {last_words}"


async def _stop(process: asyncio.subprocess.Process, ended: asyncio.Task[str]) -> None:
    for end in (process.terminate, process.kill):
        if ended.done():
            break
        with contextlib.suppress(ProcessLookupError):
            end()
        await asyncio.wait((ended,), timeout=STOPPED_WITHIN_S)
    if not ended.done():
        ended.cancel()
