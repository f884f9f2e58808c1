"""The demo, as a person runs it; and that its proof can fail."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import psutil
import pytest

from migrator.cli.proof import (
    ApiUse,
    Batch,
    Created,
    Findings,
    Flags,
    Ingestion,
    IngestionState,
    Listed,
    Master,
    Processing,
    ProcessingState,
    ReportRow,
    Summary,
    Upload,
    UploadState,
    differences,
)
from migrator.cli.rehearsal import require_sandbox, sheltered
from migrator.errors import UsageError
from migrator.sandbox import catalogue as catalogues
from migrator.sandbox.catalogue import (
    BUCKETS,
    FEWEST_OBJECTS,
    FILMS,
    FILMS_BUCKET,
    IN_FULL,
    LOCKED_BUCKET,
    MAX_KEY_BYTES,
    Catalogue,
    long_key,
    make_catalogue,
    sparse_file,
    video,
)

OBJECTS = 12
WITHIN_S = 120


def command(out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "migrator", "demo", "--out", str(out), *more]


def demo(out: Path, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(out, *more),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def processes_of(out: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            line = process.cmdline()
            if any(str(out) in word for word in line):
                found.append(" ".join(line))
    return found


# ----------------------------------------------------------------------------- as a person runs it


def test_a_demo_ends_as_its_catalogue_was_built_and_leaves_no_process_and_no_sparse_file(tmp_path):
    out = tmp_path / "demo"
    for _ in range(2):  # the second one takes the place of the first
        done = demo(
            out,
            *("--objects", str(OBJECTS)),
            # Keys, platforms and proxies of the caller's must not reach it.
            AWS_ACCESS_KEY_ID="not-to-be-used",
            AWS_PROFILE="not-there",
            AWS_ENDPOINT_URL_S3="http://127.0.0.1:9",
            PIXOP_API_URL="https://127.0.0.1:9/api",
            PIXOP_SOURCE_ACCESS_KEY_ID="not-to-be-used",
            HTTP_PROXY="http://127.0.0.1:9",
        )

        assert done.returncode == 0, done.stdout + done.stderr
        table = re.findall(r"(\w+/\w+) +(\d+) +(\d+) +\S+", done.stdout)
        assert [(end, int(got)) for end, _, got in table] == [
            ("imported/copied", OBJECTS),
            ("rejected/too_large", 1),
            ("rejected/empty_object", 1),
            ("rejected/bad_credentials", 3),
            ("rejected/invalid_row", 6),
            ("missing/object_not_found", 3),
            ("missing/bucket_not_found", 2),
            ("skipped/duplicate_row", 1),
            ("imported/copied", FILMS),
        ]
        assert all(expected == got for _, expected, got in table)
        assert f"the platform holds {OBJECTS + FILMS} videos, none twice" in done.stdout
        assert f"and {OBJECTS + FILMS} clips, one of each video" in done.stdout
        killed = re.search(
            rf"killed with SIGKILL after (\d+) of {OBJECTS} videos, (\d+) answers lost", done.stdout
        )
        assert killed is not None
        assert OBJECTS // 3 <= int(killed[1]) <= OBJECTS
        if sys.platform == "linux":  # elsewhere the platform cannot be frozen for the kill
            assert int(killed[2]) >= 1
        for batch in ("batch", "films"):
            assert str(out / batch / "report.html") in done.stdout
        assert max(map(len, done.stdout.replace(str(out), "").splitlines())) <= 80
        assert "Traceback" not in done.stderr
        assert (out / "batch" / "report.html").is_file()
        assert not [path for path in out.rglob("*") if path.stat().st_size > 10**9]
        assert processes_of(out) == []


def test_ctrl_c_and_sigterm_end_a_demo_with_all_that_it_started(tmp_path):
    for number in (signal.SIGINT, signal.SIGTERM):
        out = tmp_path / number.name
        process = subprocess.Popen(
            command(out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith(b"migrating"):
                    break
            assert sparse_file(out / "sandbox" / "buckets").stat().st_size == 501 * 10**9
            assert len(processes_of(out)) >= 3  # the demo, the sandbox, the S3 and the run
            process.send_signal(number)
            _, errors = process.communicate(timeout=WITHIN_S)
        finally:
            process.kill()
            process.wait()

        assert process.returncode == 130
        assert b"interrupted" in errors
        assert b"Traceback" not in errors
        assert not sparse_file(out / "sandbox" / "buckets").exists()
        assert processes_of(out) == []


def test_a_demo_that_is_itself_killed_leaves_no_sandbox(tmp_path):
    process = subprocess.Popen(
        command(tmp_path / "demo"), stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if b"first run" in line:
            break
    process.kill()
    process.wait()
    process.stderr.close()

    deadline_s = time.monotonic() + 60
    while found := processes_of(tmp_path / "demo"):
        assert time.monotonic() < deadline_s, found
        time.sleep(0.1)


def test_a_directory_of_something_else_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "batch").mkdir()
    (tmp_path / "batch" / "checkpoint.db").write_text("precious")

    done = demo(tmp_path)

    assert done.returncode == 2
    assert "not made by a demo" in done.stderr
    assert (tmp_path / "batch" / "checkpoint.db").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["batch"]


def test_a_new_demo_leaves_what_someone_else_put_beside_the_old_one(tmp_path):
    (tmp_path / ".migrator-demo").touch()
    (tmp_path / "notes.txt").write_text("mine")
    elsewhere = tmp_path.with_name("elsewhere")
    elsewhere.mkdir()
    (elsewhere / "video.mp4").write_text("mine too")
    (tmp_path / "batch").symlink_to(elsewhere)
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "old").touch()

    done = demo(tmp_path, "--objects", str(OBJECTS))

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (elsewhere / "video.mp4").read_text() == "mine too"
    assert [path.name for path in elsewhere.iterdir()] == ["video.mp4"]
    assert not (tmp_path / "sandbox" / "old").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".migrator-demo",
        "batch",
        "catalogue.csv",
        "films",
        "films.csv",
        "migrator.toml",
        "notes.txt",
        "sandbox",
        "sandbox.log",
    ]


def test_too_few_objects_are_refused(tmp_path):
    done = demo(tmp_path / "demo", "--objects", str(FEWEST_OBJECTS - 1))

    assert done.returncode == 2
    assert f"at least {FEWEST_OBJECTS}" in done.stderr
    assert not (tmp_path / "demo").exists()


def test_where_the_sandbox_is_not_installed_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(UsageError, match="no av, google_crc32c") as refused:
        require_sandbox()

    assert refused.value.hint == "pip install '.[sandbox]' in the source tree"


SABOTAGE = """
import dataclasses, sys
from migrator.sandbox import catalogue
catalogue.EMPTY = dataclasses.replace(catalogue.EMPTY, reason="archived")
catalogue.KINDS = (*catalogue.KINDS[:2], catalogue.EMPTY, *catalogue.KINDS[3:])
from migrator.cli import main
main(sys.argv[1:])
"""


def test_a_demo_that_ends_otherwise_than_expected_says_so_and_exits_with_1(tmp_path):
    out = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, "-c", SABOTAGE, "demo", "--out", str(out), "--objects", str(OBJECTS)],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "NOT as expected" in done.stdout
    assert re.search(r"rejected/archived +1 +0 +-1", done.stdout)
    assert "empty_object: 1 in the summary, 0 expected" in done.stdout
    assert "rejected/empty_object, rejected/archived expected" in done.stdout
    assert "none twice" not in done.stdout
    assert processes_of(out) == []


# ----------------------------------------------------------------------------- the catalogue


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Catalogue:
    directory = tmp_path_factory.mktemp("catalogue")
    built = make_catalogue(directory, directory / "buckets", OBJECTS)
    sparse_file(directory / "buckets").unlink()
    return built


def test_the_good_files_are_real_h264_and_no_two_are_the_same():
    contents = [video(number) for number in range(30)]

    assert len(set(contents)) == len(contents)
    for content in contents[:3]:
        with av.open(io.BytesIO(content)) as container:
            assert container.streams.video[0].codec_context.name == "h264"
            assert sum(1 for _ in container.decode(video=0)) >= 12


def test_the_keys_hold_what_old_catalogues_hold_and_lie_in_both_buckets(built):
    keys = [row.key for row in built.good()]

    for part in (" ", "#", "+", "%", "ü", "映", "🎬", "\u0308", '"', "?", ","):
        assert any(part in key.lower() for key in keys), part
    assert max(len(key.encode()) for key in keys) == MAX_KEY_BYTES
    assert {row.bucket for row in built.good()} == {*BUCKETS, FILMS_BUCKET}
    assert all(len(part.encode()) <= 255 for key in keys for part in key.split("/"))


def test_a_long_key_has_exactly_the_bytes_asked_for_and_no_empty_segment():
    for size_bytes in range(300, MAX_KEY_BYTES + 2):
        key = long_key("deep/00001/", size_bytes)
        assert len(key) == size_bytes
        assert all(0 < len(part) <= 255 for part in key.split("/"))


def test_a_path_too_deep_for_long_keys_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "pathconf", lambda *_: 255)

    with pytest.raises(catalogues.SandboxError, match="shorter path"):
        make_catalogue(tmp_path, tmp_path / "buckets", OBJECTS)


def test_the_wrong_keys_are_in_no_file(built):
    said = built.config.read_text() + built.manifest.read_bytes().decode("latin-1")

    assert LOCKED_BUCKET in said
    for name, value in built.environment.items():
        assert name in said
        assert value not in said


def test_no_key_endpoint_or_proxy_of_the_caller_reaches_a_child():
    given = {
        "PATH": "/bin",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_PROFILE": "p",
        "PIXOP_API_KEY": "k",
        "https_proxy": "x",
        "HTTPS_PROXY": "x",
        "ALL_PROXY": "x",
    }

    assert sheltered(given) == {
        "PATH": "/bin",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
        "MIGRATOR_CONFIG": os.devnull,
    }


# ----------------------------------------------------------------------------- the proof can fail


@pytest.fixture
def perfect(built) -> Findings:
    creates, videos, digests, batches = [], [], {}, []
    for begin, catalogue_rows, code in (("video", built.rows, 3), ("film", built.films, 0)):
        rows = []
        reasons: dict[str, int] = {}
        outcomes: dict[str, int] = {"failed": 0}
        for number, row in enumerate(catalogue_rows, start=1):
            video_id = f"{begin}-{number}" if row.sha256 else None
            noted = (f"clip of {video_id}", "DONE") if begin == "film" else (None, None)
            rows.append(ReportRow(number, row.kind.outcome, row.kind.reason, video_id, *noted))
            reasons[row.kind.reason] = reasons.get(row.kind.reason, 0) + 1
            outcomes[row.kind.outcome] = outcomes.get(row.kind.outcome, 0) + 1
            if video_id:
                creates.append(Created(video_id, row.bucket, row.key))
                videos.append(master(video_id, in_full=row.kind is IN_FULL))
                videos.append(clip(video_id))
                digests[video_id] = row.sha256
        summary = Summary(True, outcomes, reasons, 0, 0, ApiUse(100, 0))
        batches.append(Batch(code, summary, rows))
    return Findings(*batches, creates, videos, digests)


def ingestion(status: str = "DONE", *, in_full: bool = False) -> Ingestion:
    return Ingestion(IngestionState(status, in_full, in_full, in_full))


def master(
    video_id: str, *, copied: str = "DONE", ingested: str = "DONE", in_full: bool = False
) -> Listed:
    shown = ingestion(ingested, in_full=in_full)
    return Listed(video_id, Flags(False), Upload(UploadState(copied)), shown)


def clip(master_id: str, *, ingested: str = "DONE") -> Listed:
    return Listed(
        f"clip of {master_id}",
        Flags(True),
        ingestion=ingestion(ingested),
        master_video=Master(master_id),
    )


def test_a_rehearsal_that_went_as_built_has_no_differences(built, perfect):
    assert differences(built, perfect) == []


def test_a_video_is_at_rest_once_nothing_more_will_be_done_with_it():
    unmade = Listed("clip", Flags(True), master_video=Master("video"))
    made_in_vain = Listed("clip", Flags(True), processing=Processing(ProcessingState("FAILED")))
    assert [
        one.at_rest
        for one in (
            *(master("video"), master("video", ingested="FAILED"), clip("video"), made_in_vain),
            Listed("video", Flags(False), Upload(UploadState("FAILED"))),
        )
    ] == [True] * 5
    assert not any(
        one.at_rest
        for one in (
            *(master("video", ingested="IN_PROGRESS"), clip("video", ingested="INITIAL"), unmade),
            Listed("video", Flags(False), Upload(UploadState("DONE"))),
        )
    )


def change_summary(findings: Findings, **changed: object) -> Findings:
    summary = findings.batch.summary
    fields = {name: getattr(summary, name) for name in Summary.__struct_fields__}
    return change_batch(findings, summary=Summary(**{**fields, **changed}))


def change_batch(findings: Findings, **changed: object) -> Findings:
    return replace(findings, batch=replace(findings.batch, **changed))


def first(findings: Findings, **changed: object) -> Findings:
    rows = findings.batch.rows
    return change_batch(findings, rows=[replace(rows[0], **changed), *rows[1:]])


def instead(findings: Findings, *others: Listed) -> Findings:
    """Other videos in the place of those of the same ids."""
    shown = {video.id: video for video in (*findings.videos, *others)}
    return replace(findings, videos=list(shown.values()))


SABOTAGES: dict[str, tuple[Callable[[Findings], Findings], str]] = {
    "a reason counted wrongly": (
        lambda f: change_summary(f, reasons={**f.batch.summary.reasons, "empty_object": 2}),
        "empty_object: 2 in the summary, 1 expected",
    ),
    "a reason that nothing was built for": (
        lambda f: change_summary(f, reasons={**f.batch.summary.reasons, "stuck": 1}),
        "stuck: 1 in the summary, 0 expected",
    ),
    "an outcome counted wrongly": (
        lambda f: change_summary(f, outcomes={**f.batch.summary.outcomes, "failed": 1}),
        "failed: 1 in the summary, 0 expected",
    ),
    "a duplicate reported": (lambda f: change_summary(f, duplicates=1), "duplicates: 1"),
    "a 429": (lambda f: change_summary(f, api=ApiUse(100, 1)), "throttled: 1"),
    "a batch left open": (lambda f: change_summary(f, complete=False), "not complete"),
    "another exit code": (lambda f: change_batch(f, exit_code=0), "ended with 0, 3 expected"),
    "a row lost": (lambda f: change_batch(f, rows=f.batch.rows[1:]), "rows are not 1 to"),
    "a row twice": (
        lambda f: change_batch(f, rows=[*f.batch.rows, f.batch.rows[0]]),
        "rows are not 1 to",
    ),
    "two rows that changed places": (
        lambda f: first(f, outcome="skipped", reason="duplicate_row"),
        "row 1 (good H.264 files in two buckets): skipped/duplicate_row, imported/copied expected",
    ),
    "an object made twice": (
        lambda f: replace(f, creates=[*f.creates, replace_id(f.creates[0], "again")]),
        "made 2 times on the platform",
    ),
    "an object made that should not be": (
        lambda f: replace(f, creates=[*f.creates, Created("more", "catalogue-a", "more")]),
        "made on the platform, and should not be: catalogue-a/more",
    ),
    "a video gone": (lambda f: replace(f, videos=f.videos[1:]), "the platform holds 15 videos"),
    "a video of another row": (lambda f: first(f, video_id="video-2"), "not its own"),
    "a copy that is not done": (
        lambda f: instead(f, master("video-1", copied="FAILED")),
        "its copy is FAILED, not DONE",
    ),
    "a copy of other bytes": (
        lambda f: replace(f, digests={**f.digests, "video-1": "0" * 64}),
        "its copy is not the same bytes",
    ),
    "no copy at all": (lambda f: replace(f, digests={}), "its copy is not the same bytes"),
    "a video that is not ingested": (
        lambda f: instead(f, master("video-1", ingested="FAILED")),
        "its ingestion is FAILED, not DONE",
    ),
    "a film without artefacts": (
        lambda f: instead(f, master("film-1")),
        "row 1 (catalogue-films/films/00012.mp4): it is not",
    ),
    "artefacts that nobody asked for": (
        lambda f: instead(f, master("video-1", in_full=True)),
        "in full, and should not be",
    ),
    "a clip gone": (lambda f: replace(f, videos=f.videos[:-1]), "the platform holds 15 clips"),
    "a second clip of one video": (
        lambda f: replace(f, videos=[*f.videos, replace_clip(f.videos[1])]),
        "the platform holds 17 clips, not one of each video",
    ),
    "a clip that is not ingested": (
        lambda f: instead(f, clip("film-1", ingested="IN_PROGRESS")),
        "IN_PROGRESS, not DONE",
    ),
    "a clip taken for the video of a row": (
        lambda f: first(f, video_id="clip of video-1"),
        "the report has it as the video of a row",
    ),
    "a clip that the report does not tell of": (
        lambda f: replace(
            f, films=replace(f.films, rows=[replace(row, clip_id=None) for row in f.films.rows])
        ),
        "film 1: the report has clip None (DONE)",
    ),
    "a film that failed": (
        lambda f: replace(f, films=replace(f.films, exit_code=3)),
        "ended with 3, 0 expected",
    ),
}


def replace_clip(one: Listed) -> Listed:
    return Listed("another", one.flags, None, one.ingestion, one.master_video)


def replace_id(create: Created, video_id: str) -> Created:
    return Created(video_id, create.bucket, create.object_key)


@pytest.mark.parametrize("name", SABOTAGES)
def test_the_proof_finds(name, built, perfect):
    sabotage, said = SABOTAGES[name]

    assert any(said in line for line in differences(built, sabotage(perfect)))
