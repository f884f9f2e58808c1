"""Every request that the engine sends is one that the published document knows."""

import os

import pytest
from contracts.openapi import Violation
from fakes.platform import PROJECT, TEAM

from migrator.model import MAX_NAME_CHARACTERS

pytestmark = pytest.mark.skipif(
    "PIXOP_OPENAPI" not in os.environ, reason="PIXOP_OPENAPI names no document to judge by"
)


async def test_requests_of_a_run_with_every_trouble_are_in_the_document(bench):
    long_key = "長" * 341
    bench.manifest(
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
    bench.platform.copies = {"fails.mp4": 1}
    bench.platform.submits = {"lost.mp4": ["lost_after"], "a.mp4": ["500_before"]}
    bench.platform_settings(team_id=TEAM, project_id=PROJECT, full_ingestion=True)
    rows = await bench.run()
    assert {row.state for row in rows.values()} == {"imported"}
    assert set(bench.platform.calls) >= {"account", "place", "submit", "list", "restart"}


async def test_a_status_asked_by_id_is_in_the_document(bench):
    bench.manifest("a")
    bench.platform.looks_to_done = 2
    await bench.run()
    assert "status" in set(bench.platform.calls)


async def test_the_judge_of_requests_can_say_no(contract):
    for method, path, params, body in [
        ("POST", "/v1/videos/in/s3", {}, b'{"name": "x"}'),
        ("POST", "/v1/videos/in/s3", {"unknown": "1"}, b"{}"),
        ("GET", "/v1/videos", {"pageSize": "101"}, None),
        ("GET", "/v1/nowhere", {}, None),
        ("GET", "/v1/account", {}, b"{}"),
        ("POST", "/v1/projects", {}, None),
    ]:
        with pytest.raises(Violation):
            contract.check_request(method, path, params, body)
