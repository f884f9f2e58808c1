"""What every verb needs that asks the network anything; apart, since it imports next to nothing."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def region_of(environment: Mapping[str, str]) -> str:
    """The region that requests are signed for, until S3 says another."""
    return environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run to its end: on uvloop where it exists, else on asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
