import email.utils
import json
import time
import uuid

import pytest

NOWHERE = "00000000-0000-0000-0000-000000000000"


async def test_a_request_without_a_key_is_refused(client):
    answer = await client.call("GET", "/v1/account", api_key=None)
    assert (answer.status, answer.code) == (401, "MISSING_API_KEY")
    assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize("key", ["wrong", "ключ", ""])
async def test_a_request_with_a_wrong_key_is_refused(client, key):
    answer = await client.call("GET", "/v1/account", headers={"X-API-Key": key}, api_key=None)
    assert (answer.status, answer.code) == (401, "INVALID_API_KEY")


async def test_a_refusal_has_every_field_of_the_error_form(client):
    form = (await client.get(f"/v1/videos/{NOWHERE}")).json
    assert (form["errorCode"], form["statusCode"]) == ("RESOURCE_NOT_FOUND", 404)
    assert form["requestPath"] == f"/api/v1/videos/{NOWHERE}"
    assert form["message"]
    assert form["timestamp"]
    uuid.UUID(form["requestId"])


@pytest.mark.parametrize("path", ["/v1/videos/{}", "/v1/videos/{}/in/status", "/v1/projects/{}"])
async def test_an_id_is_checked_and_then_looked_for(client, path):
    wrong = await client.get(path.format("not-a-uuid"))
    assert (wrong.status, wrong.code) == (400, "VALIDATION_ERROR")
    unknown = await client.get(path.format(NOWHERE))
    assert (unknown.status, unknown.code) == (404, "RESOURCE_NOT_FOUND")


async def test_an_unknown_video_cannot_be_restarted(client):
    answer = await client.call("POST", f"/v1/videos/{NOWHERE}/in/restart")
    assert (answer.status, answer.code) == (404, "RESOURCE_NOT_FOUND")
    assert (await client.call("POST", "/v1/videos/x/in/restart")).status == 400


async def test_unknown_routes_and_methods_are_refused_in_the_error_form(client):
    assert (await client.get("/v1/nothing")).code == "NOT_FOUND"
    wrong = await client.call("PUT", "/v1/nothing/at/all")
    assert (wrong.status, wrong.code) == (404, "NOT_FOUND")
    method = await client.call("DELETE", "/v1/account")
    assert (method.status, method.code) == (405, "METHOD_NOT_ALLOWED")
    assert method.headers["Allow"] == "GET"


async def test_every_answer_is_dated(client):
    dated = email.utils.parsedate_to_datetime((await client.get("/v1/account")).headers["Date"])
    assert abs(dated.timestamp() - time.time()) < 3


async def test_an_unexpected_error_is_a_500_in_the_error_form(client, monkeypatch, caplog):
    async def broken(*_, **__):
        raise RuntimeError("broken")

    monkeypatch.setattr("migrator.sandbox.records.Records.page", broken)
    answer = await client.get("/v1/videos")
    assert (answer.status, answer.code) == (500, "INTERNAL_SERVER_ERROR")
    assert "broken" not in answer.text
    assert answer.json["requestId"] in caplog.text


async def test_the_account_names_the_user_and_the_default_team(client):
    account = (await client.get("/v1/account")).json
    assert account["user"]["hasConfirmedEmail"]
    teams = (await client.get("/v1/teams")).json
    assert teams["totalElements"] == 2
    assert teams["items"][0] == account["defaultTeam"]
    for team in teams["items"]:
        assert (await client.get(f"/v1/teams/{team['id']}")).json == team
    unknown = await client.get(f"/v1/teams/{NOWHERE}")
    assert (unknown.status, unknown.code) == (404, "TEAM_NOT_FOUND")


async def test_projects_are_listed_shown_and_defaulted(client):
    page = (await client.get("/v1/projects")).json
    assert page["totalElements"] == 3
    for project in page["items"]:
        assert (await client.get(f"/v1/projects/{project['id']}")).json == project
    default, other = (await client.get("/v1/teams")).json["items"]
    for team in (default, other):
        project = (await client.get("/v1/projects/default", selectTeamId=team["id"])).json
        assert (project["teamId"], project["name"]) == (team["id"], "Default Project")
    assert (await client.get("/v1/projects/default", selectTeamId=NOWHERE)).status == 404
    newest = (await client.get("/v1/projects", sortDirection="DESC", pageSize=1)).json
    assert newest["items"] == [page["items"][-1]]
    assert (await client.get("/v1/teams", pageSize=0)).invalid == {"pageSize"}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "nonsense"])
async def test_a_body_that_is_not_encoded_as_it_says_is_refused(client, encoding):
    url = client.env["PIXOP_API_URL"] + "/v1/videos/in/s3"
    headers = {
        "X-API-Key": client.env["PIXOP_API_KEY"],
        "Content-Type": "application/json",
        "Content-Encoding": encoding,
    }
    body = client.body() if encoding == "nonsense" else {}
    sent = json.dumps(body).encode()
    async with client.session.post(url, data=sent, headers=headers) as response:
        told = await response.json()
    # Which it is depends on whether the body came with the headers or after them.
    assert response.status == 400
    assert told["errorCode"] in {"INVALID_REQUEST_BODY", "BAD_REQUEST"}
