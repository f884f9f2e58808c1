"""What every request to the API passes: the quota, the key, faults, and the form of a refusal."""

import hmac
import logging
import random
import re
import uuid
from collections.abc import Sequence
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from migrator.sandbox import loopback, mischief
from migrator.sandbox.errors import ApiError, error_form
from migrator.sandbox.faults import UNTOUCHED, Faults, Struck
from migrator.sandbox.keys import masked
from migrator.sandbox.moments import Clock
from migrator.sandbox.plan import Throttle
from migrator.sandbox.quota import Admission, Quota
from migrator.sandbox.wire import encoded

BASE_PATH = "/api"

REQUEST_ID = web.RequestKey("request_id", uuid.UUID)
OPERATION = web.RequestKey("operation", str)
STRUCK = web.RequestKey("struck", Struck)

UNKNOWN_KEY = "(no valid key)"
"""All requests without a valid key share one window, or a guesser would fill the memory."""

UNREADABLE = "(unreadable)"
"""The operation of what the server refused before it was known which route is meant."""

log = logging.getLogger(__name__)


class Gate:
    """Counts, admits, strikes, and answers every refusal in the form of the API."""

    def __init__(self, api_keys: Sequence[str], quota: Quota, faults: Faults, clock: Clock) -> None:
        self._labels = {key.encode(): masked(key) for key in api_keys}
        self.label = masked(api_keys[0])
        self._quota = quota
        self._faults = faults
        self._clock = clock

    @web.middleware
    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer `request` by `handler`, by a refusal, or in a way that is planned to be wrong."""
        if loopback.is_beside_the_platform(request.path):
            return await loopback.answer(request, handler)
        request[REQUEST_ID] = _new_id()
        operation = request[OPERATION] = operation_of(request)
        request[STRUCK] = UNTOUCHED
        given = request.headers.get("X-API-Key")
        label = self._label_of(given)
        valid = label != UNKNOWN_KEY
        admission = self._quota.admit(label, operation)
        try:
            _admit(given, valid=valid, within_quota=admission.admitted)
            # Only now: whether the quota refuses depends on the minute, and faults must not.
            struck = request[STRUCK] = self._faults.strike(operation)
            mischief.strike_before(struck.answer)
            answer = await handler(request)
            mischief.strike_after(struck.answer)
        except mischief.Cut:
            return mischief.reset(request)
        except mischief.Proxied as outage:
            answer = mischief.page_of(outage.status)
        except ApiError as error:
            answer = self._refused(error, request)
        except web.HTTPException as exception:
            answer = self._refused(_translated(exception), request)
        except Exception:
            log.exception("request %s failed", request[REQUEST_ID])
            answer = self._refused(_translated(web.HTTPInternalServerError()), request)
        return await self._delivered(request, answer, admission)

    def refuse(self, request: web.BaseRequest, exception: web.HTTPException) -> web.Response:
        """The answer to what no route was asked for: it counts, and has the form of any other.

        For what the server refuses before `pass_through`; faults do not strike it.
        """
        request[REQUEST_ID] = _new_id()
        label = self._label_of(request.headers.get("X-API-Key"))
        admission = self._quota.admit(label, UNREADABLE)
        answer = self._refused(_translated(exception), request)
        answer.headers.update({**admission.headers(), **self._dated()})
        return answer

    def _label_of(self, given: str | None) -> str:
        """What requests with this key are counted under."""
        raw = (given or "").encode(errors="surrogateescape")
        labels = [label for key, label in self._labels.items() if hmac.compare_digest(raw, key)]
        return labels[0] if labels else UNKNOWN_KEY

    def _dated(self) -> dict[str, str]:
        """The date, where it is not what the server says by itself."""
        return {"Date": self._clock.http_date()} if self._clock.offset_ms else {}

    async def _delivered(
        self, request: web.Request, answer: web.StreamResponse, admission: Admission
    ) -> web.StreamResponse:
        fault = request[STRUCK].answer
        headers = admission.headers()
        if isinstance(fault, Throttle):
            headers = mischief.twisted(headers, fault.headers, self._clock.now_ms())
        answer.headers.update({**headers, **self._dated()})
        return await mischief.delivered(request, answer, fault)

    def _refused(self, error: ApiError, request: web.BaseRequest) -> web.Response:
        form = error_form(
            error,
            request_id=request[REQUEST_ID],
            path=request.path,
            now_ms=self._clock.now_ms(),
        )
        return web.Response(
            status=error.status,
            body=encoded(form),
            content_type="application/json",
            headers=error.headers,
        )


def _new_id() -> uuid.UUID:
    """As good as uuid4() for a name, and without its system call."""
    return uuid.UUID(int=random.getrandbits(128), version=4)


def operation_of(request: web.Request) -> str:
    """The method and the template of the route, such as `GET /v1/videos/{videoId}`."""
    resource = request.match_info.route.resource
    if resource is None:
        return f"{request.method} (unknown route)"
    return f"{request.method} {resource.canonical.removeprefix(BASE_PATH)}"


def template_of(path: str) -> str:
    """The path of a route as the API's document has it: `/v1/projects/{id}`."""
    return re.sub(r"\{(\w+):.*?\}", r"{\1}", path.removeprefix(BASE_PATH))


def _admit(given: str | None, *, valid: bool, within_quota: bool) -> None:
    if not within_quota:
        raise ApiError(429, "TOO_MANY_REQUESTS", "Too many requests")
    headers = {"WWW-Authenticate": 'ApiKey realm="X-API-Key"'}
    if given is None:
        raise ApiError(401, "MISSING_API_KEY", "Missing API key", headers=headers)
    if not valid:
        raise ApiError(401, "INVALID_API_KEY", "Invalid API key", headers=headers)


def _translated(exception: web.HTTPException) -> ApiError:
    """A refusal of the server's own, such as an unknown route, in the API's words."""
    match exception.status:
        case HTTPStatus.NOT_FOUND:
            return ApiError(404, "NOT_FOUND", "No such resource")
        case HTTPStatus.BAD_REQUEST:
            return ApiError(400, "BAD_REQUEST", "The request cannot be read")
        case HTTPStatus.INTERNAL_SERVER_ERROR:
            return ApiError(500, "INTERNAL_SERVER_ERROR", "Unexpected error")
    allow = {"Allow": exception.headers["Allow"]} if "Allow" in exception.headers else {}
    code = exception.reason.upper().replace(" ", "_")
    return ApiError(exception.status, code, exception.reason, headers=allow, documented=False)
