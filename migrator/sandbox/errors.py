"""What goes wrong: for the person who starts a sandbox, and for the client that calls it."""

import uuid
from collections.abc import Mapping, Sequence

import msgspec

from migrator.sandbox.moments import iso

NOT_INSTALLED = "{} is not installed; run: pip install '.[sandbox]' in the source tree"
"""What the sandbox needs stands in an extra; a migration does without."""


class SandboxError(Exception):
    """The sandbox cannot start or go on; the message says why and what to do."""


class InvalidField(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of a request that broke a rule. `value` is left out for secrets."""

    field: str
    message: str
    value: str | msgspec.UnsetType = msgspec.UNSET


class ApiError(Exception):
    """A refusal, to be answered in the error form of the API.

    `documented` is False where the code is not one of the API's published enumeration; the
    form then has no `errorCodeEnum`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        invalid: Sequence[InvalidField] = (),
        headers: Mapping[str, str] | None = None,
        documented: bool = True,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.invalid = tuple(invalid)
        self.headers = dict(headers or {})
        self.documented = documented


class ErrorForm(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The body of every refusal."""

    timestamp: str
    request_id: str
    request_path: str
    error_code: str
    message: str
    status_code: int
    error_code_enum: str | msgspec.UnsetType = msgspec.UNSET
    validation_errors: tuple[InvalidField, ...] | msgspec.UnsetType = msgspec.UNSET


def error_form(error: ApiError, *, request_id: uuid.UUID, path: str, now_ms: int) -> ErrorForm:
    """The form for `error`, as the answer at `now_ms` to the request `request_id` on `path`."""
    return ErrorForm(
        timestamp=iso(now_ms),
        request_id=str(request_id),
        request_path=path,
        error_code=error.code,
        message=error.message,
        status_code=error.status,
        error_code_enum=error.code if error.documented else msgspec.UNSET,
        validation_errors=error.invalid or msgspec.UNSET,
    )


def invalid_request(invalid: Sequence[InvalidField]) -> ApiError:
    """400: well-formed, but fields break their bounds."""
    named = ", ".join(sorted({one.field for one in invalid}))
    return ApiError(400, "VALIDATION_ERROR", f"Invalid: {named}", invalid=invalid)


def unreadable_body(message: str) -> ApiError:
    """400: the body is not what was announced."""
    return ApiError(400, "INVALID_REQUEST_BODY", message)


def not_found(what: str, status: int = 404) -> ApiError:
    """No such resource, or none that this key may see; 400 where the API documents no 404."""
    return ApiError(status, "RESOURCE_NOT_FOUND", f"{what} not found")
