"""What is drift, and what is none: a row of the report beside what is so now."""

from dataclasses import replace

import pytest

from migrator.checkpoint.change import Transfer
from migrator.checkpoint.inventory import ListedVideo
from migrator.engine.decide.drift import (
    Drift,
    Finding,
    Shown,
    Stray,
    judge_row,
    judge_source,
    judge_stray,
)
from migrator.lifecycle import State
from migrator.model import Reason
from migrator.report.drift import ADVICE, TITLE
from migrator.source.answers import ObjectFacts
from migrator.source.preflight import Refusal

TAG = b"0123456789abcdef"
NOTHING = dict.fromkeys(Transfer._fields)
IMPORTED = Transfer(
    **NOTHING
    | {
        "row": 1, "bucket": "b", "key": "k", "object_id": TAG, "state": State.IMPORTED,
        "reason": Reason.COPIED, "video_id": "v", "size_bytes": 100, "etag": "e",
    }
)  # fmt: skip
WHOLE = ListedVideo("v", TAG, "us", file_name="k", size_bytes=100, upload_status="DONE")
TWIN = replace(WHOLE, video_id="twin")
UNTAGGED = ListedVideo("w", file_name="k", size_bytes=100, upload_status="DONE", project_id="p")


def failed(reason, **more):
    return IMPORTED._replace(state=State.FAILED, reason=reason, **more)


def kinds(row, own, source_bytes=100, **shown):
    return [finding.drift for finding in judge_row(row, Shown(own, **shown), source_bytes)]


def refused(reason, video_id=None):
    state = State.MISSING if reason is Reason.OBJECT_NOT_FOUND else State.REJECTED
    return IMPORTED._replace(state=state, reason=reason, video_id=video_id)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (WHOLE, []),
        (None, [Drift.DELETED]),
        (replace(WHOLE, upload_status="FAILED"), [Drift.NOT_DONE]),
        (replace(WHOLE, upload_status="REINGESTING"), [Drift.NOT_DONE]),
        (replace(WHOLE, upload_status=None), [Drift.NOT_DONE]),
        (replace(WHOLE, size_bytes=99), [Drift.SIZE_DIFFERS]),
        (replace(WHOLE, size_bytes=0), []),  # a platform that does not tell sizes
        (replace(WHOLE, size_bytes=None), []),
        (replace(WHOLE, ingestion_status="FAILED"), [Drift.INGESTION_FAILED]),
        (replace(WHOLE, ingestion_status="IN_PROGRESS"), []),
        (
            replace(WHOLE, size_bytes=9, ingestion_status="FAILED"),
            [Drift.SIZE_DIFFERS, Drift.INGESTION_FAILED],
        ),
    ],
)
def test_an_imported_row_has_its_video_done_and_of_the_size_of_its_object(own, expected):
    assert kinds(IMPORTED, own) == expected


def test_a_size_that_is_not_known_anywhere_differs_from_nothing():
    assert kinds(IMPORTED, WHOLE, source_bytes=None) == []


def test_a_video_that_was_asked_for_by_its_id_is_said_to_be():
    (by_list,) = judge_row(IMPORTED, Shown(None), 100)
    (by_id,) = judge_row(IMPORTED, Shown(None, by_id=True), 100)
    assert "list" in by_list.found
    assert "404" in by_id.found


@pytest.mark.parametrize(
    ("reason", "own", "expected"),
    [
        (Reason.COPY_FAILED, replace(WHOLE, upload_status="FAILED"), []),
        (Reason.COPY_FAILED, WHOLE, [Drift.ARRIVED]),
        (Reason.STUCK, WHOLE, [Drift.ARRIVED]),
        (Reason.STUCK, replace(WHOLE, size_bytes=9), []),
        (Reason.COPY_FAILED, None, [Drift.DELETED]),
        (Reason.DELETED, None, []),  # as the report says
        (Reason.DELETED, WHOLE, [Drift.ARRIVED]),
        (Reason.SIZE_MISMATCH, replace(WHOLE, size_bytes=9), []),
        (Reason.SIZE_MISMATCH, replace(WHOLE, size_bytes=None), []),
        (Reason.SIZE_MISMATCH, WHOLE, [Drift.ARRIVED]),
        (Reason.INGESTION_FAILED, replace(WHOLE, ingestion_status="FAILED"), []),
        (Reason.INGESTION_FAILED, replace(WHOLE, ingestion_status="DONE"), [Drift.ARRIVED]),
    ],
)
def test_a_failed_row_is_as_bad_as_it_was(reason, own, expected):
    assert kinds(failed(reason), own) == expected


def test_further_carriers_of_its_tag_are_duplicates_of_a_row():
    found = judge_row(IMPORTED, Shown(WHOLE, carriers=[TWIN]), 100)
    assert [(one.drift, one.video_id, one.video) for one in found] == [
        (Drift.DUPLICATE_TAG, "v", TWIN)
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (refused(Reason.OBJECT_NOT_FOUND), [Drift.UNREPORTED, Drift.DUPLICATE_TAG]),
        (refused(Reason.BAD_CREDENTIALS), [Drift.UNREPORTED, Drift.DUPLICATE_TAG]),
        (failed(Reason.GAVE_UP, video_id=None), [Drift.UNREPORTED, Drift.DUPLICATE_TAG]),
        (failed(Reason.DELETED), [Drift.UNREPORTED, Drift.DUPLICATE_TAG]),
        (IMPORTED, [Drift.DELETED, Drift.UNREPORTED, Drift.DUPLICATE_TAG]),
        # The batch that made it knows of the first one; and an open row is the next run's.
        (
            refused(None)._replace(state=State.SKIPPED, reason=Reason.ALREADY_IMPORTED),
            [Drift.DUPLICATE_TAG],
        ),
        (refused(None)._replace(state=State.UNRESOLVED), [Drift.DUPLICATE_TAG]),
    ],
)
def test_a_video_with_the_tag_of_a_row_that_has_none_is_not_reported(row, expected):
    other = replace(TWIN, video_id="third")
    assert kinds(row, None, carriers=[TWIN, other]) == expected


def test_what_looks_like_its_video_is_a_duplicate_unless_the_report_speaks_of_it():
    assert kinds(IMPORTED, WHOLE, alike=[UNTAGGED]) == [Drift.LOOK_ALIKE]
    ambiguous = failed(Reason.AMBIGUOUS, video_id=None)
    assert kinds(ambiguous, None, alike=[UNTAGGED]) == []


def test_of_an_open_row_nothing_is_settled_yet():
    copying = IMPORTED._replace(state=State.COPYING, reason=None)
    assert kinds(copying, None) == []
    assert kinds(copying, replace(WHOLE, upload_status="FAILED")) == []


@pytest.mark.parametrize(
    ("facts", "refusal", "expected", "word"),
    [
        (ObjectFacts(100, "e", 1), None, None, ""),
        (ObjectFacts(100, "e", 999), None, None, ""),  # the same bytes, written again
        (ObjectFacts(100, None, 1), None, None, ""),
        (ObjectFacts(100, "f", 1), None, Drift.SOURCE_CHANGED, "ETag f"),
        (ObjectFacts(0, "e", 1), Refusal(Reason.EMPTY_OBJECT), Drift.SOURCE_CHANGED, "0 bytes"),
        (
            ObjectFacts(100, "e", 1, "two"),
            Refusal(Reason.VERSION_NOT_CURRENT),
            Drift.SOURCE_CHANGED,
            "version two",
        ),
        (ObjectFacts(100, "e", 1, archived=True), Refusal(Reason.ARCHIVED), None, ""),
        (None, Refusal(Reason.OBJECT_NOT_FOUND, code="NoSuchKey"), Drift.SOURCE_GONE, "NoSuchKey"),
        (None, Refusal(Reason.BUCKET_NOT_FOUND), Drift.SOURCE_GONE, "bucket_not_found"),
        (None, Refusal(Reason.ACCESS_DENIED, code="403"), Drift.SOURCE_UNREADABLE, "403"),
        (None, Refusal(Reason.BAD_CREDENTIALS), Drift.SOURCE_UNREADABLE, "bad_credentials"),
        (None, None, Drift.SOURCE_UNREADABLE, "no clear answer"),
    ],
)
def test_the_object_is_the_one_that_was_imported(facts, refusal, expected, word):
    found = judge_source(IMPORTED._replace(version_id="one"), facts, refusal)
    assert (found and found.drift) == expected
    assert found is None or word in found.found


def test_of_an_object_that_was_never_headed_only_its_absence_is_known():
    unknown = IMPORTED._replace(size_bytes=None, etag=None)
    assert judge_source(unknown, ObjectFacts(7, "x", 1), None) is None


@pytest.mark.parametrize(
    ("video", "before", "expected"),
    [
        (UNTAGGED, False, Drift.ORPHAN),
        (replace(UNTAGGED, project_id=None), False, Drift.ORPHAN),  # nothing speaks against it
        (UNTAGGED, True, Stray.BEFORE),
        (replace(UNTAGGED, project_id="q"), False, Stray.ELSEWHERE),
        (replace(WHOLE, batch="them", project_id="p"), False, Stray.OTHER_BATCHES),
        (replace(WHOLE, project_id="q"), True, Drift.ORPHAN),  # ours, of no row of ours
    ],
)
def test_a_video_that_no_row_names_is_an_orphan_or_explained(video, before, expected):
    judged = judge_stray(video, "us", {"p"}, was_there_before=before)
    assert (judged.drift if isinstance(judged, Finding) else judged) is expected


def test_every_kind_has_a_heading_and_says_what_to_do():
    assert set(TITLE) == set(ADVICE) == set(Drift)
