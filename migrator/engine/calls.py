"""Calls of the platform: their kinds, how they are counted, and in words how they ended."""

from dataclasses import dataclass
from typing import Literal

from migrator.engine.breaker import is_outage
from migrator.errors import StoppedByItself
from migrator.pixop.client import Answer, NotSent, Reply

Operation = Literal["submit", "list", "status", "restart", "other"]


@dataclass(slots=True)
class CallCounts:
    """Calls of this run, by operation; see checkpoint.values.Calls."""

    submit: int = 0
    list: int = 0
    status: int = 0
    restart: int = 0
    other: int = 0
    throttled: int = 0
    retries: int = 0

    @property
    def total(self) -> int:
        """All calls."""
        return self.submit + self.list + self.status + self.restart + self.other


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer to a read, and when its request began (of the engine's clock).

    What it shows of a row counts only if that was after the row's last command.
    """

    answer: Answer
    began_s: float


def no_use(what: str, reply: Reply, seconds: float) -> StoppedByItself:
    """Why a run stops that had no answer of use to `what` for so many seconds."""
    if is_outage(reply):
        return StoppedByItself(
            f"the platform has not answered {what} for {seconds:.0f} seconds ({outline(reply)})",
            "resume when it is back: nothing is lost",
        )
    words = reply.body[:200].decode(errors="replace") if isinstance(reply, Answer) else ""
    return StoppedByItself(
        f"the platform's answers to {what} make no sense or are a refusal: {words}",
        "check the API key's rights and --api-url, then resume: nothing is lost",
    )


def outline(reply: Reply) -> str:
    """How a call ended, in a word or two."""
    if isinstance(reply, Answer):
        return str(reply.status)
    return f"{type(reply).__name__}: {reply.detail}"


def result(reply: Reply) -> str:
    """How a call ended, in one of few words."""
    if isinstance(reply, Answer):
        return f"{reply.status // 100}xx" if 100 <= reply.status < 600 else "odd"  # noqa: PLR2004
    return "not_sent" if isinstance(reply, NotSent) else "lost"
