"""What the server refuses before a route is asked: in the form and with the headers of the API."""

import asyncio
import email.utils
import json
import time

import pytest

DEADLINE_S = 20.0


async def said(client, sent):
    """The status, headers and body of the answer to these very bytes."""
    host, port = client.env["PIXOP_API_URL"].split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        async with asyncio.timeout(DEADLINE_S):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            body = await reader.readexactly(int(headers["Content-Length"]))
    finally:
        writer.close()
    return int(first.split(" ")[1]), headers, body


def http(client, *headers, request="GET /api/v1/account HTTP/1.1"):
    key = f"X-API-Key: {client.env['PIXOP_API_KEY']}"
    return "\r\n".join([request, "Host: sandbox", key, *headers, "", ""]).encode("latin-1")


UNREADABLE = {
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 is TLS\r\n\r\n",
    "no path": b"GET\r\n\r\n",
    "an unknown version": b"GET /api/v1/account HTTP/9.x\r\nHost: x\r\n\r\n",
    "no method": b"G\x00T /api/v1/account HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without a colon": b"GET /api/v1/account HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
    "NUL in a header": b"GET /api/v1/account HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n",
    "a header too large": b"GET /api/v1/account HTTP/1.1\r\nA: " + b"a" * 20_000 + b"\r\n\r\n",
    "a query too long": b"GET /api/v1/videos?a=" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "too many headers": b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 2_000 + b"\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "a negative length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "an unknown transfer": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n",
}


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE)
async def test_what_cannot_be_read_is_a_400_in_the_error_form_with_the_quota(
    client, contract, sent
):
    status, headers, body = await said(client, sent)
    contract.check("GET", "/v1/account", status, headers, body)
    assert (status, json.loads(body)["errorCode"]) == (400, "BAD_REQUEST")
    assert headers["X-RateLimit-Remaining"] == "99999"
    assert (await client.inspect("windows"))["operations"] == {"(unreadable)": 1}


async def test_a_senseless_expectation_is_a_417_of_the_key_that_sent_it(client):
    for request in ("GET /api/v1/account HTTP/1.1", "GET /api/v1/nothing HTTP/1.1"):
        status, headers, body = await said(client, http(client, "Expect: cake", request=request))
        assert (status, json.loads(body)["statusCode"]) == (417, 417)
        assert json.loads(body)["errorCode"] == "EXPECTATION_FAILED"
        assert headers["X-RateLimit-Limit"] == "100000"
    [key] = (await client.inspect("windows"))["keys"]
    assert key["key"].endswith(client.env["PIXOP_API_KEY"][-3:])
    assert key["windows"][0]["requests"] == 2


async def test_an_expectation_that_can_be_met_is_met(client):
    sent = http(
        client, "Expect: 100-continue", "Content-Length: 2", request="POST /api/v1/projects"
    )
    sent = sent.replace(b"/projects\r\n", b"/projects HTTP/1.1\r\n")
    host, port = client.env["PIXOP_API_URL"].split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    async with asyncio.timeout(DEADLINE_S):
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        assert (await reader.readline()) == b"HTTP/1.1 400 Bad Request\r\n"
    writer.close()


async def test_nothing_that_was_sent_comes_back(client):
    key = client.env["PIXOP_API_KEY"].encode()
    sent = b"GET / HTTP/1.1\r\nHost: x\r\nX-API-Key " + key + b"\r\n\r\n"
    status, _, body = await said(client, sent)
    assert status == 400
    assert key not in body


async def test_what_cannot_be_read_is_dated_by_the_platforms_clock(client):
    await client.plan(clock_offset_s=-7200)
    _, headers, body = await said(client, b"nonsense\r\n\r\n")
    dated = email.utils.parsedate_to_datetime(headers["Date"]).timestamp()
    assert abs(dated - (time.time() - 7200)) < 60
    assert json.loads(body)["timestamp"][:13] == time.strftime("%Y-%m-%dT%H", time.gmtime(dated))
