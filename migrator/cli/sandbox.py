"""`migrator sandbox`."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from migrator.errors import RunFailed


def sandbox(  # noqa: PLR0913 - one for each flag
    *,
    dir: Annotated[Path, Parameter(name="--dir")],  # noqa: A002 - the flag's name
    port: int = 0,
    s3_port: int = 0,
    requests_per_minute: int = 1200,
    copy: Literal["on", "off"] = "on",
    media: Literal["on", "off"] = "on",
    clips: Literal["on", "off"] = "on",
    clip_description: Literal["master", "none"] = "master",
    head: Literal["on", "off"] = "on",
    allow_local_urls: Annotated[bool, Parameter(negative="")] = False,
    faults: Path | None = None,
) -> int:
    """Start a local platform and a local S3, to rehearse a migration against. Ctrl-C ends it.

    Put objects into DIR/buckets/BUCKET/KEY. Once ready, DIR/sandbox.env holds the environment
    that a migration against it needs: `set -a; . DIR/sandbox.env; set +a; migrator run …`.
    The platform really copies the bytes, keeps its records over restarts, and lists every create
    at http://127.0.0.1:PORT/_sandbox/creates. http://127.0.0.1:PORT/ shows what it holds, in a
    browser: the videos, how far they are, the webhooks and what they were told, the quota.

    Parameters
    ----------
    dir
        Directory of the sandbox: its buckets, its records and its copies. Made if not there.
    port
        Port of the platform; 0 takes any free one.
    s3_port
        Port of S3; 0 takes any free one.
    requests_per_minute
        The quota that the platform announces and enforces.
    copy
        off: no bytes are copied, a video is done once it is made.
    media
        off: nothing is done with what videos hold. An ingestion is done as soon as the copy is, and
        knows the size alone; no clip is made.
    clips
        off: masters get no free clip, as where it is disabled for the team.
    clip_description
        Whether a clip repeats the description of its master, or has none.
    head
        off: the source is not looked at when a video is made.
    allow_local_urls
        Let videos be copied from URLs with plain http, any port and this machine as their host.
        Without it only https on port 443 of a public host is taken, as the platform does. The
        same goes for where webhooks lead.
    faults
        A plan in TOML of what shall go wrong on purpose. It can be replaced while the sandbox
        runs: PUT its JSON to http://127.0.0.1:PORT/_sandbox/faults.
    """
    from migrator.sandbox.errors import SandboxError
    from migrator.sandbox.run import SandboxSettings, serve

    def ready(environment: Mapping[str, str]) -> None:
        for name, value in environment.items():
            print(f"{name}={value}")
        page = environment["PIXOP_API_URL"].removesuffix("api")
        print(f"ready: {dir / 'sandbox.env'} holds the same; Ctrl-C ends it", file=sys.stderr)
        print(f"what it holds is shown at {page}", file=sys.stderr)
        sys.stdout.flush()

    async def until_stopped() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        settings = SandboxSettings(
            directory=dir,
            port=port,
            s3_port=s3_port,
            requests_per_minute=requests_per_minute,
            copy=copy == "on",
            media=media == "on",
            clips=clips == "on",
            clip_description=clip_description,
            head=head == "on",
            allow_local_urls=allow_local_urls,
            faults=faults,
        )
        await serve(settings, ready=ready, stop=stop)

    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(until_stopped())
    except SandboxError as error:
        raise RunFailed(str(error), "mend it and start the sandbox again") from None
    return 0
