"""Whoever starts a sandbox in these tests has it judged: here the judge is seen to say no."""

import json
import os

import pytest

from migrator.sandbox import wire

pytestmark = pytest.mark.skipif(
    "PIXOP_OPENAPI" not in os.environ, reason="PIXOP_OPENAPI names no document to judge by"
)

ACCOUNT = "/v1/account"


def said(verdicts):
    return [json.loads(line) for line in verdicts.read().splitlines()]


async def as_engine(client, method, path, **more):
    url = client.env["PIXOP_API_URL"] + path
    headers = {"X-API-Key": client.env["PIXOP_API_KEY"], "User-Agent": "migrator/0.1"}
    async with client.session.request(method, url, headers=headers, **more) as answer:
        await answer.read()


async def test_an_answer_out_of_schema_is_said(client, verdicts, monkeypatch):
    whole = wire.team_shape
    monkeypatch.setattr(wire, "team_shape", lambda team: {"id": whole(team).id})
    await client.raw("GET", ACCOUNT)
    [violation] = said(verdicts)
    assert violation == 'GET /v1/account: 200: "createdAt" is a required property'


async def test_a_request_of_the_engines_that_the_document_does_not_know_is_said(client, verdicts):
    await as_engine(client, "GET", "/v1/videos", params={"pageSize": "101"})
    await as_engine(client, "POST", "/v1/videos/in/s3", json={"name": "x"})
    assert [one.partition(": 400: ")[0] for one in said(verdicts)] == [
        "GET /v1/videos",
        "POST /v1/videos/in/s3",
    ]
    await client.get("/v1/videos", pageSize=101)  # a test's own may be wrong
    assert said(verdicts) == []


async def test_a_sandbox_in_a_child_is_judged(spawn, tmp_path, connect, verdicts):
    _, env = spawn(tmp_path / "sandbox")
    async with connect(tmp_path / "sandbox", env) as client:
        await as_engine(client, "GET", "/v1/nowhere")
        assert said(verdicts) == ["GET /v1/nowhere: 404: GET /v1/nowhere is not in the document"]


async def test_what_a_fault_twisted_is_exempt_and_nothing_else(client, verdicts, monkeypatch):
    monkeypatch.setattr(wire, "team_shape", lambda _team: {})
    await client.plan({"fault": "html", "count": 1}, {"fault": "withhold", "seconds": 0.0})
    await client.raw("GET", ACCOUNT)
    assert said(verdicts) == []
    await client.raw("GET", ACCOUNT)
    assert len(said(verdicts)) == 1
