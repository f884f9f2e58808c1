"""What is beside the platform answers this machine's own programs and people, and no stranger."""

import itertools

import pytest


@pytest.fixture
def ask(client):
    base = client.env["PIXOP_API_URL"].removesuffix("/api")

    async def ask(path, method="GET", **headers):
        async with client.session.request(method, base + path, headers=headers) as response:
            return response.status, response.headers, await response.text()

    return ask


async def test_this_machine_is_answered_under_its_own_names(ask):
    for host in ("127.0.0.1", "localhost", "LOCALHOST:8080", "127.0.0.1:1"):
        assert (await ask("/_sandbox/windows", Host=host))[0] == 200, host


async def test_a_name_of_a_strangers_that_leads_here_is_refused(ask):
    names = ("evil.example", "127.0.0.1.evil.example:80", "localhost:80@evil.example", "0", "")
    for path, host in itertools.product(("/", "/_sandbox/creates", "/_sandbox/nothing"), names):
        status, _, text = await ask(path, Host=host)
        assert (status, text) == (421, "Misdirected Request\n"), (path, host)


async def test_a_script_or_a_form_of_a_strangers_is_refused(client, ask):
    for origin in ("https://evil.example", "http://127.0.0.1:1", "null", ""):
        assert (await ask("/_sandbox/faults", "PUT", Origin=origin))[0] == 421, origin
    assert (await client.inspect("faults"))["plan"]["rules"] == []


async def test_the_own_page_may_ask(client, ask):
    origin = client.env["PIXOP_API_URL"].removesuffix("/api")
    assert (await ask("/_sandbox/windows", Origin=origin))[0] == 200


async def test_no_page_of_a_strangers_can_embed_an_answer(ask):
    for path in ("/_sandbox/windows", "/_sandbox/nothing"):
        _, headers, _ = await ask(path)
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"


async def test_what_is_not_there_costs_no_quota(client, ask):
    assert (await ask("/_sandbox/nothing"))[0] == 404
    assert (await ask("/_sandbox/windows", "DELETE"))[0] == 405
    assert (await client.inspect("windows"))["keys"] == []
