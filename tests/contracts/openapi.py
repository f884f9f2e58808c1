"""The published OpenAPI document as a judge of requests and of answers.

The document is no part of this project: PIXOP_OPENAPI names it, and without it nothing is judged.
"""

import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path

import jsonschema_rs

ERROR = "#/components/schemas/Error"
QUOTA = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
PLAIN, DOCUMENTED = b'"url":"http://127.0.0.1:', b'"url":"https://127.0.0.1:'
"""A webhook on this machine, which the sandbox takes beyond the document with a flag of its own."""

UNDOCUMENTED = {400, 401, 404, 405, 417, 429, 500}
"""How a path or method may be answered that the document does not have."""


class Violation(AssertionError):
    """What the document does not know."""


class Contract:
    """The OpenAPI document that PIXOP_OPENAPI names; says nothing where it names none."""

    def __init__(self, path: str | None) -> None:
        self.document = json.loads(Path(path).read_text()) if path else None
        if self.document is None:
            return
        self._registry = jsonschema_rs.Registry([("urn:api", self.document)])
        # A literal path before a template: /projects/default is no project's id.
        self._paths = [
            (re.compile(re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(template))), template)
            for template in sorted(self.document["paths"], key=lambda text: "{" in text)
        ]
        self._validators: dict[str, jsonschema_rs.Validator] = {}

    def check(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> None:
        """Hold an answer to `method` on `path` (without its query) against the document."""
        if self.document is None:
            return
        if path.startswith("/v1/webhooks"):
            body = body.replace(PLAIN, DOCUMENTED)
        for name in QUOTA:
            _require(headers.get(name, "").isdigit(), f"{name} is {headers.get(name)!r}")
        template, operation = self._operation(method, path)
        if operation is None:
            _require(status in UNDOCUMENTED, f"{status} to {method} {path}, which is undocumented")
            self._valid({"$ref": ERROR}, body)
            return
        _require(str(status) in operation["responses"], f"{method} {template} answers no {status}")
        documented = self._resolved(operation["responses"][str(status)])
        for name in documented.get("headers", {}):
            _require(name in headers, f"{status} without {name}")
            if name.startswith("X-RateLimit"):
                _require(headers[name].isdigit(), f"{name} is {headers[name]!r}")
        if "content" in documented:
            given = headers.get("Content-Type", "")
            _require(given.startswith("application/json"), f"Content-Type is {given!r}")
            self._valid(documented["content"]["application/json"]["schema"], body)
        elif body:
            self._valid({"$ref": ERROR}, body)

    def check_request(
        self, method: str, path: str, params: Mapping[str, str], body: bytes | None
    ) -> None:
        """Hold a request that this program sends against the document."""
        if self.document is None:
            return
        template, operation = self._operation(method, path)
        if operation is None:
            raise Violation(f"{method} {path} is not in the document")
        if body is not None and path.startswith("/v1/webhooks"):
            body = body.replace(PLAIN, DOCUMENTED)
        known = [self._resolved(given) for given in operation.get("parameters", [])]
        schemas = {given["name"]: given["schema"] for given in known if given["in"] == "query"}
        for name, value in params.items():
            _require(name in schemas, f"{template} has no query parameter {name}")
            self._valid(schemas[name], _as_typed(value))
        if body is not None:
            _require("requestBody" in operation, f"{method} {template} takes no body")
            content = self._resolved(operation["requestBody"])["content"]
            self._valid(content["application/json"]["schema"], body)
        else:
            _require("requestBody" not in operation, f"{method} {template} wants a body")

    def check_delivery(self, body: bytes) -> None:
        """Hold what a webhook was sent against the document."""
        if self.document is None:
            return
        self._valid({"$ref": "#/components/schemas/WebhookEventPayload"}, body)
        data = json.dumps(json.loads(body)["data"]).encode()
        self._valid({"$ref": "#/components/schemas/WebhookEventVideoData"}, data)
        _require("videoId" in json.loads(data), "an event of no video")

    def _operation(self, method: str, path: str) -> tuple[str, dict | None]:
        for pattern, template in self._paths:
            if pattern.fullmatch(path):
                return template, self.document["paths"][template].get(method.lower())
        return path, None

    def _resolved(self, given: dict) -> dict:
        if "$ref" not in given:
            return given
        return functools.reduce(
            lambda found, part: found[part],
            given["$ref"].removeprefix("#/").split("/"),
            self.document,
        )

    def _valid(self, schema: dict, body: bytes) -> None:
        text = json.dumps(schema)
        validator = self._validators.get(text)
        if validator is None:
            absolute = json.loads(text.replace('"#/', '"urn:api#/'))
            validator = self._validators[text] = jsonschema_rs.Draft202012Validator(
                absolute, registry=self._registry, formats={"date-time": _is_moment},
                validate_formats=True,
            )  # fmt: skip
        try:
            validator.validate(json.loads(body))
        except (jsonschema_rs.ValidationError, ValueError) as error:
            # Its first line: what follows repeats the whole, which may hold secrets.
            raise Violation(str(error).partition("\n")[0]) from None


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise Violation(message)


def _is_moment(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text) is not None


def _as_typed(value: str) -> bytes:
    """A query parameter as the JSON that its schema speaks of."""
    if value in {"true", "false"} or value.isdecimal():
        return value.encode()
    return json.dumps(value).encode()
