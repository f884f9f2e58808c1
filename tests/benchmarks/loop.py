"""The event loop of every measured program: uvloop where it exists, as the program itself does."""

import asyncio

try:
    import uvloop
except ImportError:
    run = asyncio.run
    LOOP = "asyncio"
else:
    run = uvloop.run
    LOOP = "uvloop"
