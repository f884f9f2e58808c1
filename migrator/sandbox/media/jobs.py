"""What is asked of a worker process, and what it says: one JSON object a line."""

import msgspec
from msgspec import Raw, Struct


class Inspect(Struct, frozen=True, tag="inspect"):
    """Read the metadata of a file: answered with `findings.VideoMetadata`."""

    source: str


class Render(Struct, frozen=True, tag="render"):
    """Make the artefacts of a file into `into`, an empty directory: `findings.Rendered`."""

    source: str
    into: str
    duration_s: float
    frames: int


class MakeClip(Struct, frozen=True, tag="clip"):
    """Make the clip of a file at `into`: answered with null."""

    source: str
    into: str


Job = Inspect | Render | MakeClip


class Progressed(Struct, frozen=True, tag="progressed"):
    """So much of the job is done, from 0 to 1. Said now and then, also to show that it moves."""

    share: float


class Finished(Struct, frozen=True, tag="finished"):
    """The job is done."""

    found: Raw


class Refused(Struct, frozen=True, tag="refused"):
    """The job cannot be done, and why."""

    reason: str


Said = Progressed | Finished | Refused

job_decoder: msgspec.json.Decoder[Job] = msgspec.json.Decoder(Job)
said_decoder: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)


def line(message: Job | Said) -> bytes:
    """The message as a line."""
    return msgspec.json.encode(message) + b"\n"
