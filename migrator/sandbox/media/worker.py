"""`python -m migrator.sandbox.media.worker`: the process in which media work happens.

It reads jobs from stdin, one at a time, and says on stdout how they go; it ends with stdin. It is
nice to everything else on the machine, takes one core at most, and no memory without bound: what
a hostile file asks for beyond that fails here.
"""

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import av
import msgspec

from migrator.sandbox import storage
from migrator.sandbox.media.clip import make_clip
from migrator.sandbox.media.findings import Rendered, VideoMetadata
from migrator.sandbox.media.jobs import (
    Finished,
    Inspect,
    Job,
    MakeClip,
    Progressed,
    Refused,
    Render,
    Said,
    job_decoder,
    line,
)
from migrator.sandbox.media.metadata import inspect
from migrator.sandbox.media.opening import NoVideoError, reason
from migrator.sandbox.media.rendering import render

NICENESS = 10

SAID_EVERY_S = 0.2
"""How often progress is said at most."""

MEMORY_BYTES = 4 * 2**30
"""Address space of a worker, where the system has such a limit: a few frames of 8K fit in."""


class Progress:
    """Says progress now and then."""

    def __init__(self, say: Callable[[Said], None]) -> None:
        self._say = say
        self._said_s = 0.0

    def __call__(self, share: float) -> None:
        """So much is done."""
        now_s = time.monotonic()
        if now_s - self._said_s >= SAID_EVERY_S:
            self._said_s = now_s
            self._say(Progressed(share))


def done(job: Job, progress: Progress) -> VideoMetadata | Rendered | None:
    """What comes of a job. Raises NoVideoError, and whatever else goes wrong."""
    match job:
        case Inspect():
            return inspect(Path(job.source), progress)
        case Render():
            into = Path(job.into)
            return render(
                Path(job.source),
                web_video=into / storage.WEB_VIDEO,
                thumbnails=into / storage.THUMBNAILS,
                full_frames=into / storage.FULL_FRAMES,
                duration_s=job.duration_s,
                frames=job.frames,
                progress=progress,
            )
        case MakeClip():
            make_clip(Path(job.source), Path(job.into), progress)
            return None


def answered(job: Job, say: Callable[[Said], None]) -> Finished | Refused:
    """The last word about a job; nothing that a file does to it comes out as an exception."""
    try:
        return Finished(msgspec.Raw(msgspec.json.encode(done(job, Progress(say)))))
    except NoVideoError as error:
        return Refused(str(error))
    except (av.FFmpegError, OSError, MemoryError) as error:
        return Refused(f"it cannot be worked on: {reason(error)}")
    except Exception as error:  # noqa: BLE001 - the next job must not suffer for it
        traceback.print_exc()
        return Refused(f"unexpected: {type(error).__name__}")


def main() -> None:
    """Do jobs until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us decides when we end
    os.nice(NICENESS)
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    def say(said: Said) -> None:
        sys.stdout.buffer.write(line(said))
        sys.stdout.buffer.flush()

    for asked in sys.stdin.buffer:
        say(answered(job_decoder.decode(asked), say))


if __name__ == "__main__":
    main()
