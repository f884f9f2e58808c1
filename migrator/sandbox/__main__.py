"""`python -m migrator.sandbox --dir DIR`: the sandbox without the rest of the program."""

# ruff: noqa: T201 - a program of its own speaks by printing

import argparse
import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from migrator.sandbox.errors import SandboxError
from migrator.sandbox.run import SandboxSettings, serve


def parse(arguments: list[str]) -> SandboxSettings:
    """Read the command line; argparse ends the process with 2 on a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m migrator.sandbox", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--port", type=int, default=0, help="of the platform; 0: any free one")
    parser.add_argument("--s3-port", type=int, default=0, help="of the S3; 0: any free one")
    parser.add_argument("--requests-per-minute", type=int, default=1200)
    parser.add_argument("--copy", choices=("on", "off"), default="on")
    parser.add_argument("--media", choices=("on", "off"), default="on")
    parser.add_argument("--clips", choices=("on", "off"), default="on")
    parser.add_argument("--clip-description", choices=("master", "none"), default="master")
    parser.add_argument("--head", choices=("on", "off"), default="on")
    parser.add_argument("--allow-local-urls", action="store_true")
    parser.add_argument("--faults", type=Path, help="a plan of faults, in TOML")
    parser.add_argument("--copy-bytes-per-second", type=int, default=0, help="0: unlimited")
    parser.add_argument("--s3-cache-seconds", type=float, default=0.1)
    given = parser.parse_args(arguments)
    return SandboxSettings(
        directory=given.dir,
        port=given.port,
        s3_port=given.s3_port,
        requests_per_minute=given.requests_per_minute,
        copy=given.copy == "on",
        media=given.media == "on",
        clips=given.clips == "on",
        clip_description=given.clip_description,
        head=given.head == "on",
        allow_local_urls=given.allow_local_urls,
        faults=given.faults,
        copy_bytes_per_second=given.copy_bytes_per_second,
        s3_cache_s=given.s3_cache_seconds,
    )


def announce(environment: Mapping[str, str]) -> None:
    """Print where to call, but no secret: those stand in sandbox.env."""
    print(f"platform  {environment['PIXOP_API_URL']}")
    print(f"s3        {environment['AWS_ENDPOINT_URL_S3']}")
    print(f"page      {environment['PIXOP_API_URL'].removesuffix('api')}", flush=True)


async def run(settings: SandboxSettings) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, ready=announce, stop=stop)


def main() -> int:
    """Run the sandbox; 0 after a clean stop, 1 with one line of explanation otherwise."""
    try:
        asyncio.run(run(parse(sys.argv[1:])))
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
