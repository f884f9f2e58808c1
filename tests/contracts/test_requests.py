"""Every request that the engine sends is one that the published document knows."""

import os
from dataclasses import replace

import pytest
from contracts.openapi import Contract
from fakes.platform import PROJECT, TEAM

from migrator.model import MAX_NAME_CHARACTERS

pytestmark = pytest.mark.skipif(
    "PIXOP_OPENAPI" not in os.environ, reason="PIXOP_OPENAPI names no document to judge by"
)


@pytest.fixture
def judged(bench):
    """A bench whose platform holds every request against the document."""
    contract = Contract(os.environ["PIXOP_OPENAPI"])
    call = bench.platform.call
    seen = set()

    async def judged_call(method, path, params=None, body=None):
        contract.check_request(method, path, params or {}, body)
        seen.add(bench.platform.operation(method, path))
        return await call(method, path, params, body)

    bench.platform.call = judged_call
    bench.seen = seen
    return bench


async def test_requests_of_a_run_with_every_trouble_are_in_the_document(judged):
    long_key = "長" * 341
    judged.manifest(
        header="bucket,key,name,description,project_id,file_name",
        lines=[
            "bucket,a.mp4,,,,",
            f"bucket,{long_key},,,,",
            f'bucket,b b#?.mp4,"{"n" * MAX_NAME_CHARACTERS}",{"d" * 900},{PROJECT},ok.mp4',
            "bucket,fails.mp4,,,,",
            "bucket,lost.mp4,,,,",
            "bucket,../..,,,,",
        ],
    )
    judged.platform.copies = {"fails.mp4": 1}
    judged.platform.submits = {"lost.mp4": ["lost_after"], "a.mp4": ["500_before"]}
    judged.platform_settings(team_id=TEAM, project_id=PROJECT, full_ingestion=True)
    rows = await judged.run()
    assert {row.state for row in rows.values()} == {"imported"}
    assert judged.seen >= {"account", "place", "submit", "list", "restart"}


async def test_a_status_asked_by_id_is_in_the_document(judged):
    judged.manifest("a")
    judged.platform.looks_to_done = 2
    judged.settings = replace(judged.settings)
    await judged.run()
    assert "status" in judged.seen


async def test_the_judge_can_say_no(judged):
    contract = Contract(os.environ["PIXOP_OPENAPI"])
    for method, path, params, body in [
        ("POST", "/v1/videos/in/s3", {}, b'{"name": "x"}'),
        ("POST", "/v1/videos/in/s3", {"unknown": "1"}, b"{}"),
        ("GET", "/v1/videos", {"pageSize": "101"}, None),
        ("GET", "/v1/nowhere", {}, None),
    ]:
        with pytest.raises(Exception, match=r".") as caught:
            contract.check_request(method, path, params, body)
        assert caught.value is not None
