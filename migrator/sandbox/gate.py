"""What every request to the API passes: the quota, the key, and the form of a refusal."""

import hmac
import logging
import uuid
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from migrator.sandbox.errors import ApiError, error_form
from migrator.sandbox.keys import masked
from migrator.sandbox.quota import Quota
from migrator.sandbox.wire import encoded

BASE_PATH = "/api"
INSPECTION_PATH = "/_sandbox"
"""Under it a rehearsal is inspected, without key or quota: it is no part of the platform."""

REQUEST_ID = web.RequestKey("request_id", uuid.UUID)

UNKNOWN_KEY = "(no valid key)"
"""All requests without a valid key share one window, or a guesser would fill the memory."""

log = logging.getLogger(__name__)


class Gate:
    """Counts, admits, and answers every refusal in the form of the API."""

    def __init__(self, api_key: str, quota: Quota) -> None:
        self._api_key = api_key.encode()
        self._label = masked(api_key)
        self._quota = quota

    @web.middleware
    async def pass_through(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer `request` by `handler`, or by a refusal."""
        if request.path.startswith(f"{INSPECTION_PATH}/"):
            return await handler(request)
        request_id = request[REQUEST_ID] = uuid.uuid4()
        given = request.headers.get("X-API-Key")
        valid = given is not None and hmac.compare_digest(
            given.encode(errors="surrogateescape"), self._api_key
        )
        admission = self._quota.admit(self._label if valid else UNKNOWN_KEY, operation(request))
        try:
            _admit(given, valid=valid, within_quota=admission.admitted)
            answer = await handler(request)
        except ApiError as error:
            answer = _refused(error, request, request_id)
        except web.HTTPException as exception:
            answer = _refused(_translated(exception), request, request_id)
        except Exception:
            log.exception("request %s failed", request_id)
            unexpected = ApiError(500, "INTERNAL_SERVER_ERROR", "Unexpected error")
            answer = _refused(unexpected, request, request_id)
        answer.headers.update(admission.headers())
        return answer


def operation(request: web.Request) -> str:
    """The method and the template of the route, such as `GET /v1/videos/{videoId}`."""
    resource = request.match_info.route.resource
    if resource is None:
        return f"{request.method} (unknown route)"
    return f"{request.method} {resource.canonical.removeprefix(BASE_PATH)}"


def _refused(error: ApiError, request: web.Request, request_id: uuid.UUID) -> web.Response:
    form = error_form(error, request_id=request_id, path=request.path)
    return web.Response(
        status=error.status,
        body=encoded(form),
        content_type="application/json",
        headers=error.headers,
    )


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
    if exception.status == HTTPStatus.NOT_FOUND:
        return ApiError(404, "NOT_FOUND", "No such resource")
    allow = {"Allow": exception.headers["Allow"]} if "Allow" in exception.headers else {}
    code = exception.reason.upper().replace(" ", "_")
    return ApiError(exception.status, code, exception.reason, headers=allow, documented=False)
