"""The published OpenAPI document as a judge of requests and of answers.

The document is no part of this project: PIXOP_OPENAPI names it, and without it nothing is judged.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import referencing


class Contract:
    """The OpenAPI document that PIXOP_OPENAPI names; says nothing where it names none."""

    def __init__(self, path: str | None) -> None:
        self.document = json.loads(Path(path).read_text()) if path else None
        if self.document is None:
            return
        resource = referencing.Resource.from_contents(
            self.document, default_specification=referencing.jsonschema.DRAFT202012
        )
        self._registry = referencing.Registry().with_resource("urn:api", resource)
        self._formats = jsonschema.FormatChecker()
        moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
        self._formats.checks("date-time")(lambda text: bool(moment.fullmatch(str(text))))

    def check(self, method: str, path: str, status: int, headers: dict, body: bytes) -> None:
        if self.document is None:
            return
        if (documented := self._response(method, path, status)) is None:
            assert status in {400, 401, 404, 405, 429}, f"{status} for a route that is unknown"
            self._valid({"$ref": "urn:api#/components/schemas/Error"}, body)
            return
        for name in documented.get("headers", {}):
            if name.startswith("X-RateLimit"):
                assert headers[name].isdigit()
        if "content" in documented:
            assert headers["Content-Type"].startswith("application/json")
            self._valid(documented["content"]["application/json"]["schema"], body)
        elif body:
            self._valid({"$ref": "#/components/schemas/Error"}, body)

    def check_request(
        self, method: str, path: str, params: Mapping[str, str], body: bytes | None
    ) -> None:
        """Hold a request that this program sends against the document."""
        if self.document is None:
            return
        template, operation = self._operation(method, path)
        assert operation is not None, f"{method} {path} is not in the document"
        known = [self._resolved(given) for given in operation.get("parameters", [])]
        schemas = {given["name"]: given["schema"] for given in known if given["in"] == "query"}
        for name, value in params.items():
            assert name in schemas, f"{template} has no query parameter {name}"
            self._valid(schemas[name], _as_typed(value))
        if body is not None:
            content = self._resolved(operation["requestBody"])["content"]
            self._valid(content["application/json"]["schema"], body)
        else:
            assert "requestBody" not in operation

    def _operation(self, method: str, path: str) -> tuple[str, dict | None]:
        # A literal path before a template: /projects/default is no project's id.
        for template in sorted(self.document["paths"], key=lambda text: "{" in text):
            pattern = re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(template))
            operation = self.document["paths"][template].get(method.lower())
            if operation and re.fullmatch(pattern, path):
                return template, operation
        return path, None

    def _resolved(self, given: dict) -> dict:
        if "$ref" not in given:
            return given
        found = self.document
        for part in given["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return found

    def _response(self, method: str, path: str, status: int) -> dict | None:
        template, operation = self._operation(method, path)
        if operation is None:
            return None
        responses = operation["responses"]
        assert str(status) in responses, f"{method} {template} does not answer {status}"
        return self._resolved({"$ref": responses[str(status)]["$ref"]})

    def _valid(self, schema: dict, body: bytes) -> None:
        absolute = json.loads(json.dumps(schema).replace('"#/', '"urn:api#/'))
        validator = jsonschema.Draft202012Validator(
            absolute, registry=self._registry, format_checker=self._formats
        )
        validator.validate(json.loads(body))


def _as_typed(value: str) -> bytes:
    """A query parameter as the JSON that its schema speaks of."""
    if value in {"true", "false"} or value.isdecimal():
        return value.encode()
    return json.dumps(value).encode()
