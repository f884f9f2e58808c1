"""Every sandbox that the tests start is judged: all its answers, and what the engine asked of it.

Where PIXOP_OPENAPI names the document, a middleware of the tests' own stands before the gate of
each sandbox, in this process or in a child (see `child/sitecustomize.py`), and writes what breaks
the document into one file. `tests/conftest.py` reads it after each test and fails that test.

Exempt is exactly what a planned fault twisted: the answer of that one request.
"""

import json
import os
from pathlib import Path

from aiohttp import web
from contracts.openapi import Contract

from migrator.sandbox import run
from migrator.sandbox.gate import BASE_PATH, STRUCK
from migrator.sandbox.loopback import is_beside_the_platform
from migrator.sandbox.plan import Break, Enormous, Html, Reset, Slow, Throttle, Truncate

DOCUMENT, VERDICTS = "JUDGED_BY", "JUDGED_INTO"
"""What children are told by; without a prefix that tests take out of their environment."""

CHILD = Path(__file__).with_name("child")

ENGINE = "migrator/"
"""How the engine's client calls itself. What tests ask by themselves may be wrong on purpose."""


def judging(contract, verdicts):
    """The middleware that judges by `contract` and appends to the file `verdicts`."""

    @web.middleware
    async def judge(request, handler):
        answer = await handler(request)
        if is_beside_the_platform(request.path):
            return answer
        inside = request.path.startswith(f"{BASE_PATH}/")
        path = request.path.removeprefix(BASE_PATH) if inside else "(outside)"
        try:
            if inside and _is_the_engines(request):
                body = await _body(request)
                if body is not None:
                    contract.check_request(request.method, path, request.query, body or None)
            if not _is_twisted(request[STRUCK].answer):
                contract.check(
                    request.method, path, answer.status, answer.headers, answer.body or b""
                )
        except AssertionError as violation:
            _append(verdicts, f"{request.method} {path}: {answer.status}: {violation}")
        return answer

    return judge


def _is_the_engines(request):
    return request.headers.get("User-Agent", "").startswith(ENGINE)


async def _body(request):
    """The body, or None where it never came in whole, or the connection has been cut."""
    try:
        return await request.read()
    except (OSError, web.HTTPException, web.RequestPayloadError):
        return None


def _is_twisted(fault):
    match fault:
        case Throttle():
            return fault.headers != "correct"
        case Break():
            return fault.status != 500  # a proxy's page; a 500 has the platform's form
        case Reset() | Truncate() | Html() | Enormous() | Slow():
            return True
    return False


def _append(verdicts, text):
    with Path(verdicts).open("a") as file:
        file.write(json.dumps(text) + "\n")


def install(document, verdicts):
    """Judge every sandbox that this process starts from now on."""
    contract = Contract(document)
    compose = run.compose

    def judged(*parts):
        application = compose(*parts)
        application.middlewares.insert(0, judging(contract, verdicts))
        return application

    run.compose = judged


def tell_children(document, verdicts):
    """Have every sandbox judged that is started with this process's environment."""
    os.environ.update({DOCUMENT: str(Path(document).absolute()), VERDICTS: str(verdicts)})
    known = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(CHILD), *([known] if known else [])])
