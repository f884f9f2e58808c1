"""What is asked of the sandbox itself and not of the platform: its page, and `/_sandbox/…`.

No key is asked for there and no quota is spent, so it must be sure that nobody but a person or a
program of this machine asks. Whoever connects is of this machine (`connection` listens on loopback
alone), but a browser also connects for the pages of strangers. A stranger's name that leads to
127.0.0.1 (DNS rebinding) is found out by `Host`, a form or a script of a stranger's by `Origin`;
and what a stranger's page embeds, its browser does not hand over to it.
"""

import re
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

PAGE_PATH = "/"
INSPECTION_PATH = "/_sandbox"

HEADERS = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

# Any port: somebody may look through a tunnel, from a port of another machine's loopback.
_THIS_MACHINE = re.compile(r"(127\.0\.0\.1|localhost)(:[0-9]{1,5})?", re.IGNORECASE)


def is_beside_the_platform(path: str) -> bool:
    """Whether the decoded path of a request is the sandbox's own."""
    return path == PAGE_PATH or path.startswith(f"{INSPECTION_PATH}/")


async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer by `handler`, or by a refusal in plain text."""
    if not _is_of_this_machine(request):
        answered = _plain(HTTPStatus.MISDIRECTED_REQUEST)
    else:
        try:
            answered = await handler(request)
        except web.HTTPException as refusal:
            answered = _plain(refusal.status)
    answered.headers.update(HEADERS)
    return answered


def _is_of_this_machine(request: web.Request) -> bool:
    host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
    return _THIS_MACHINE.fullmatch(host) is not None and origin in {None, f"http://{host}"}


def _plain(status: int) -> web.StreamResponse:
    return web.Response(status=status, text=f"{HTTPStatus(status).phrase}\n")
