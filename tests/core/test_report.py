import csv
import hashlib
import io
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from migrator import report
from migrator.checkpoint.change import Change
from migrator.checkpoint.store import Checkpoint
from migrator.checkpoint.values import Calls
from migrator.errors import RunFailed, Unbalanced, UsageError
from migrator.lifecycle import Event, State
from migrator.manifest import open_manifest
from migrator.model import InvalidRow, ManifestRow, Reason
from migrator.report import drift, tables, write_reports
from migrator.report.check import check_report
from migrator.report.columns import ABOUT, CLIP_COLUMNS, COLUMNS
from migrator.report.csv_text import csv_lines
from migrator.settings import BatchSettings, ReportSettings

NOW = 1_740_830_400_000
HEADER = ("bucket", "key", "version_id", "title")
FILES = ("objects.parquet", "objects.csv", "retry.csv", "report.html", "summary.json")


def row(number, key=None, title="a title", version_id=None):
    return ManifestRow(number, "masters", key or f"{number}.mxf", version_id, (title,))


def finish(checkpoint, number, event, reason, **facts):
    """End a pending row without a video."""
    change = Change(event, {"reason": reason, "finished_ms": NOW + 5, **facts})
    checkpoint.apply(number, State.PENDING, change)


def submit(checkpoint, number):
    facts = {"attempts": 1, "submitted_ms": NOW + 1}
    checkpoint.apply(number, State.PENDING, Change(Event.SUBMIT, facts))


def accept(checkpoint, number):
    submit(checkpoint, number)
    video = {"video_id": f"video-{number}"}
    checkpoint.apply(number, State.SUBMITTING, Change(Event.ACCEPT, video))


def import_(checkpoint, number, **facts):
    accept(checkpoint, number)
    facts = {"reason": Reason.COPIED, "learned_by": "list", "finished_ms": NOW + 9, **facts}
    checkpoint.apply(number, State.COPYING, Change(Event.IMPORT, facts))


@pytest.fixture
def checkpoint(tmp_path):
    made = Checkpoint.create(tmp_path, {"batch": "0123456789abc"})
    yield made
    made.close()


@pytest.fixture
def every_kind(checkpoint):
    """A checkpoint in which a row stands in each state, and an invalid row of each form."""
    c = checkpoint
    c.add_source(1, "manifest", "catalogue.csv", HEADER, "ab" * 32)
    rows = [row(n) for n in range(1, 13)]
    rows.append(row(13, "1.mxf"))
    rows.append(InvalidRow(14, "key", "not UTF-8", ("masters", "\udcff.mxf", "", "t"), "masters",
                           "\\xff.mxf"))  # fmt: skip
    line = "masters,too,many,cells,here\udce9"
    rows.append(InvalidRow(15, None, "5 cells", (line,), ragged=True))
    c.add_rows(1, rows, "", NOW)
    c.complete_source(1, "ab" * 32)
    for number in range(1, 6):
        c.preflighted(number, 1000 * number, '"etag"', NOW - 1, NOW)
    import_(c, 1)
    import_(c, 2, adopted=True)
    c.add_duplicate_videos(2, ["video-2b", "video-2a"])
    finish(c, 3, Event.REJECT, Reason.TOO_LARGE, decided_by="preflight")
    finish(c, 4, Event.MISS, Reason.OBJECT_NOT_FOUND, http_status=404, error_code="NoSuchKey",
           message="The specified key does not exist.")  # fmt: skip
    accept(c, 5)
    c.apply(5, State.COPYING, Change(Event.FAIL, {"reason": Reason.COPY_FAILED}))
    finish(c, 6, Event.SKIP, Reason.FOLDER_MARKER)
    submit(c, 8)
    submit(c, 9)
    c.apply(9, State.SUBMITTING, Change(Event.OUTCOME_UNKNOWN, {"http_status": 502}))
    accept(c, 10)
    accept(c, 11)
    c.apply(11, State.COPYING, Change(Event.COPY_FAILED, {}))
    accept(c, 12)
    c.apply(12, State.COPYING, Change(Event.COPIED, {}))
    first, second = c.start_run(NOW), c.start_run(NOW + 10_000)
    c.count_calls(first, Calls(5, 4, 3, 2, 1, throttled=1, announced_per_minute=1200))
    c.count_calls(second, Calls(submit=2, retries=1, announced_per_minute=600))
    c.start_run(NOW + 15_000)  # killed before the platform announced anything
    c.end_last_run(NOW + 20_000, 130)
    c.fold_log()
    return c


def csv_rows(path):
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.reader(lines))


def records(directory):
    with (directory / "objects.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_every_row_has_one_outcome_and_the_sums_agree(every_kind, tmp_path):
    summary = write_reports(every_kind, tmp_path)
    assert summary.outcomes == {
        "imported": 2, "rejected": 3, "missing": 1, "failed": 1, "skipped": 2, "unfinished": 6,
    }  # fmt: skip
    assert sum(summary.reasons.values()) == summary.manifest.rows == 15
    assert summary.reasons["unresolved"] == 2
    assert summary.reasons["in_flight"] == 3
    assert summary.reasons["not_started"] == 1
    assert [int(r["Row"]) for r in records(tmp_path)] == list(range(1, 16))


def test_the_summary_file_holds_the_fields_of_the_design(every_kind, tmp_path):
    write_reports(every_kind, tmp_path)
    text = (tmp_path / "summary.json").read_text()
    found = json.loads(text)
    assert text.endswith("}\n")
    assert list(found) == [
        "schema", "batch", "complete", "started_at", "finished_at", "manifest", "outcomes",
        "reasons", "bytes", "api", "adopted", "duplicates", "clips", "listing_filtered",
        "report_scope",
        "report_files", "runs",
    ]  # fmt: skip
    assert found["schema"] == "migrator.summary/1"
    assert found["batch"] == "0123456789abc"
    assert found["complete"] is False
    assert found["started_at"] == "2025-03-01T12:00:00.000Z"
    assert found["finished_at"] is None
    assert found["manifest"] == {"source": "catalogue.csv", "rows": 15, "sha256": "ab" * 32}
    assert found["bytes"] == {
        "imported": 3000, "rejected": 3000, "missing": 4000, "failed": 5000, "skipped": 0,
        "unfinished": 0,
    }  # fmt: skip
    assert found["api"] == {
        "calls": 17,
        "by_operation": {"submit": 7, "list": 4, "status": 3, "restart": 2, "other": 1},
        "throttled": 1,
        "retries": 1,
        "announced_per_minute": 600,
        "by_key": {},
    }
    assert (found["adopted"], found["duplicates"], found["listing_filtered"]) == (1, 2, 0)
    assert found["runs"][0]["ended_at"] is None
    assert [run["exit_code"] for run in found["runs"]] == [None, None, 130]
    assert found["report_files"] == {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in FILES[:-1]
    }


def test_a_batch_with_no_open_row_is_complete_and_says_when_it_ended(checkpoint, tmp_path):
    checkpoint.add_source(1, "manifest", "a.csv", HEADER, "ab" * 32)
    checkpoint.add_rows(1, [row(1)], "", NOW)
    checkpoint.complete_source(1, "ab" * 32)
    import_(checkpoint, 1)
    checkpoint.start_run(NOW)
    checkpoint.end_last_run(NOW + 1, 0)
    summary = write_reports(checkpoint, tmp_path)
    assert summary.complete
    assert summary.finished_at == "2025-03-01T12:00:00.001Z"


def test_a_source_that_was_not_read_to_its_end_is_not_complete(checkpoint, tmp_path):
    checkpoint.add_source(1, "listing", "s3://masters/", ("bucket", "key"), "")
    summary = write_reports(checkpoint, tmp_path)
    assert not summary.complete
    assert summary.manifest.sha256 == ""


def test_an_empty_checkpoint_gives_tables_with_only_a_header(tmp_path):
    empty = Checkpoint.create(tmp_path, {})
    summary = write_reports(empty, tmp_path)
    empty.close()
    assert summary.outcomes == dict.fromkeys(summary.outcomes, 0)
    assert summary.batch == ""
    assert csv_rows(tmp_path / "retry.csv") == [["bucket", "key"]]
    assert len(csv_rows(tmp_path / "objects.csv")) == 1
    assert pq.read_table(tmp_path / "objects.parquet").num_rows == 0


def test_the_same_checkpoint_gives_the_same_bytes_wherever_and_whenever_it_is_read(
    every_kind, tmp_path
):
    write_reports(every_kind, tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = (
        "import sys; from pathlib import Path; from migrator.checkpoint.store import Checkpoint; "
        "from migrator.report import write_reports; "
        "write_reports(Checkpoint.open(Path(sys.argv[1])), Path(sys.argv[2]))"
    )
    surroundings = {"TZ": "Asia/Kolkata", "LC_ALL": "C", "PYTHONHASHSEED": "7", "PYTHONUTF8": "0"}
    surroundings["PYTHONPATH"] = str(Path(tables.__file__).parents[2])
    command = [sys.executable, "-c", code, str(tmp_path), str(elsewhere)]
    subprocess.run(command, env=surroundings, check=True)
    for name in FILES:
        assert (elsewhere / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_the_size_of_a_chunk_changes_nothing_but_the_row_groups(every_kind, tmp_path, monkeypatch):
    write_reports(every_kind, tmp_path)
    texts = [(tmp_path / name).read_bytes() for name in ("objects.csv", "retry.csv")]
    table = pq.read_table(tmp_path / "objects.parquet")
    monkeypatch.setattr(tables, "CHUNK_ROWS", 2)
    write_reports(every_kind, tmp_path)
    assert [(tmp_path / name).read_bytes() for name in ("objects.csv", "retry.csv")] == texts
    assert pq.read_table(tmp_path / "objects.parquet").equals(table)
    assert pq.ParquetFile(tmp_path / "objects.parquet").num_row_groups == 8


def test_every_file_is_for_its_owner_only_and_no_temporary_one_stays(every_kind, tmp_path):
    (tmp_path / ".objects.csv.tmp").write_text("left behind by a killed report")
    write_reports(every_kind, tmp_path)
    assert {name: (tmp_path / name).stat().st_mode & 0o777 for name in FILES} == dict.fromkeys(
        FILES, 0o600
    )
    assert not list(tmp_path.glob(".*"))


def test_a_report_that_breaks_off_leaves_the_earlier_one_in_place(
    every_kind, tmp_path, monkeypatch
):
    write_reports(every_kind, tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in FILES}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables.ObjectTables, "append", full)
    with pytest.raises(RunFailed, match="No space left"):
        write_reports(every_kind, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == before
    assert not list(tmp_path.glob(".*"))


def test_a_lost_row_is_said_with_both_numbers_after_all_files_are_written(every_kind, tmp_path):
    every_kind._db.execute("DELETE FROM object WHERE row = 7")
    with pytest.raises(Unbalanced, match="15 rows were read in and 14 have an outcome") as caught:
        write_reports(every_kind, tmp_path)
    assert "objects.csv holds 14" in caught.value.message
    assert caught.value.exit_code == 6
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["manifest"]["rows"] == 15
    assert sum(found["outcomes"].values()) == 14
    assert "does not balance" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("reason", [None, "copied", "object_not_found"])
def test_a_final_row_whose_reason_is_not_of_its_outcome_does_not_balance(
    every_kind, tmp_path, reason
):
    every_kind._db.execute("UPDATE object SET reason = ? WHERE row = 3", (reason,))
    with pytest.raises(Unbalanced, match=f"1 rows are rejected with the reason {reason}"):
        write_reports(every_kind, tmp_path)


def test_a_row_that_the_tables_lost_does_not_balance(every_kind, tmp_path, monkeypatch):
    whole = every_kind.reported_after
    monkeypatch.setattr(
        every_kind, "reported_after", lambda *a: [r for r in whole(*a) if r[0] != 4]
    )
    with pytest.raises(Unbalanced, match=r"objects\.parquet holds 14.*1 rows are missing and"):
        write_reports(every_kind, tmp_path)


def test_the_columns_of_a_completion_report_come_first(every_kind, tmp_path):
    write_reports(every_kind, tmp_path)
    header, *rows = csv_rows(tmp_path / "objects.csv")
    assert ",".join(header) == (
        "Bucket,Key,VersionId,TaskStatus,ErrorCode,HTTPStatusCode,ResultMessage,Outcome,Reason,"
        "VideoId,SizeBytes,Row,DecidedBy,LearnedBy,Adopted,DuplicateVideoIds,ETag,LastModified,"
        "Attempts,Restarts,SubmittedAt,FinishedAt,title"
    )
    assert rows[3][:9] == [
        "masters", "4.mxf", "", "failed", "NoSuchKey", "404", "The specified key does not exist.",
        "missing", "object_not_found",
    ]  # fmt: skip
    assert rows[1][9:] == [
        "video-2", "2000", "2", "", "list", "true", "video-2a video-2b", '"etag"',
        "2025-03-01T11:59:59.999Z", "1", "0", "2025-03-01T12:00:00.001Z",
        "2025-03-01T12:00:00.009Z", "a title",
    ]  # fmt: skip
    statuses = {(r["Outcome"], r["TaskStatus"]) for r in records(tmp_path)}
    assert statuses == {
        ("imported", "succeeded"), ("rejected", "failed"), ("missing", "failed"),
        ("failed", "failed"), ("skipped", "skipped"), ("unfinished", "unfinished"),
    }  # fmt: skip


def test_parquet_is_typed_and_says_what_it_is(every_kind, tmp_path):
    write_reports(every_kind, tmp_path)
    table = pq.read_table(tmp_path / "objects.parquet")
    types = {field.name: field.type for field in table.schema}
    assert types["Row"] == types["SizeBytes"] == pa.int64()
    assert types["HTTPStatusCode"] == pa.int32()
    assert types["Adopted"] == pa.bool_()
    assert types["DuplicateVideoIds"] == pa.list_(pa.string())
    assert types["FinishedAt"] == types["LastModified"] == pa.timestamp("ms", tz="UTC")
    assert types["Key"] == types["title"] == pa.string()
    assert table.schema.metadata == {
        b"schema": b"migrator.objects/1", b"batch": b"0123456789abc", b"scope": b"AllTasks",
    }  # fmt: skip
    assert table.schema.field("Row").metadata[b"about"].startswith(b"number of the row")
    second = table.slice(1, 1).to_pylist()[0]
    assert second["DuplicateVideoIds"] == ["video-2a", "video-2b"]
    assert second["SubmittedAt"].isoformat() == "2025-03-01T12:00:00.001000+00:00"
    group = pq.ParquetFile(tmp_path / "objects.parquet").metadata.row_group(0)
    assert group.column(0).compression == "ZSTD"
    (by,) = group.sorting_columns
    assert table.schema.names[by.column_index] == "Row"
    assert not by.descending


def test_the_scope_leaves_out_what_succeeded_or_was_skipped_and_the_sums_still_agree(
    every_kind, tmp_path
):
    whole = write_reports(every_kind, tmp_path)
    page = (tmp_path / "report.html").read_bytes()
    everything = records(tmp_path)
    summary = write_reports(every_kind, tmp_path, "FailedTasksOnly")
    assert summary.report_scope == "FailedTasksOnly"
    assert (summary.outcomes, summary.reasons) == (whole.outcomes, whole.reasons)
    wanted = [r for r in everything if r["TaskStatus"] in {"failed", "unfinished"}]
    assert len(wanted) == 11
    assert records(tmp_path) == wanted
    table = pq.read_table(tmp_path / "objects.parquet")
    assert table["Row"].to_pylist() == [int(r["Row"]) for r in wanted]
    assert table.schema.metadata[b"scope"] == b"FailedTasksOnly"
    assert "neither imported nor skipped" in (tmp_path / "report.html").read_text()
    write_reports(every_kind, tmp_path)
    assert (tmp_path / "report.html").read_bytes() == page


def test_the_scope_that_a_batch_was_begun_with_is_kept(every_kind, tmp_path):
    settings = BatchSettings(report=ReportSettings(report_scope="FailedTasksOnly"))
    every_kind.set_meta("settings", settings.to_json())
    assert write_reports(every_kind, tmp_path).report_scope == "FailedTasksOnly"
    assert write_reports(every_kind, tmp_path, "AllTasks").report_scope == "AllTasks"


def test_a_row_that_the_tables_lost_does_not_balance_in_any_scope(
    every_kind, tmp_path, monkeypatch
):
    whole = every_kind.reported_after
    monkeypatch.setattr(
        every_kind, "reported_after", lambda *a: [r for r in whole(*a) if r[0] != 4]
    )
    with pytest.raises(Unbalanced, match=r"4 of them for no table, and objects\.csv holds 10"):
        write_reports(every_kind, tmp_path, "FailedTasksOnly")


def found_by_check(directory):
    return {one.name: one.finding.value for one in check_report(directory)}


def test_a_report_is_checked_without_its_checkpoint(every_kind, tmp_path):
    summary = write_reports(every_kind, tmp_path)
    copy = tmp_path / "archive"
    copy.mkdir()
    for name in FILES:
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    assert found_by_check(copy) == dict.fromkeys(summary.report_files, "same")
    (copy / "retry.csv").unlink()
    with (copy / "objects.csv").open("ab") as file:
        file.write(b"\n")
    assert found_by_check(copy) == {
        "objects.parquet": "same", "objects.csv": "differs", "retry.csv": "missing",
        "report.html": "same",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s["outcomes"].update(imported=3), "16 have an outcome"),
        (lambda s: s["reasons"].update(copied=3), "16 a reason"),
        (lambda s: s.update(schema="migrator.summary/9"), "migrator.summary/9"),
        (lambda s: s.pop("reasons"), "not a summary"),
    ],
)
def test_a_summary_that_is_none_or_does_not_add_up_is_told(every_kind, tmp_path, change, said):
    write_reports(every_kind, tmp_path)
    path = tmp_path / "summary.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(Unbalanced, match=said):
        check_report(tmp_path)


def test_a_directory_without_a_report_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match=r"summary\.json: cannot be read"):
        check_report(tmp_path)


def test_every_column_is_documented_with_its_type():
    page = (Path(report.__file__).parent / "README.md").read_text()
    for column in COLUMNS:
        assert f"| `{column.name}` | `{column.type}` | {ABOUT[column.name]} |" in page
    for name, _ in CLIP_COLUMNS:
        assert f"| `{name}` | `string` | {ABOUT[name]} |" in page
    names = [*(column.name for column in COLUMNS), *(name for name, _ in CLIP_COLUMNS)]
    assert list(ABOUT) == names


def test_the_columns_of_what_verify_found_are_documented_as_they_are():
    page = (Path(report.__file__).parent / "README.md").read_text()
    for column in drift.COLUMNS:
        assert f"| `{column.name}` | `{column.type}` | {column.about} |" in page


AWKWARD = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "a\nb", "a\r\nb", 'a"b', "a,b", "00123", "NA",
           "", " x ", "true", "e\u0301", "\u00e9", "\U0001f3ac", "a\x00b", "a\rb"]  # fmt: skip


def batch_of_titles(checkpoint, titles, header=HEADER):
    checkpoint.add_source(1, "manifest", "catalogue.csv", header, "ab" * 32)
    rows = [row(n, f"{title}#{n}", title) for n, title in enumerate(titles, 1)]
    checkpoint.add_rows(1, rows, "", NOW)
    checkpoint.complete_source(1, "ab" * 32)


def test_cells_that_a_spreadsheet_would_run_are_defused_in_the_csv_file_only(checkpoint, tmp_path):
    batch_of_titles(checkpoint, AWKWARD, ("bucket", "key", "version_id", "=title()"))
    write_reports(checkpoint, tmp_path)
    shown = [record["'=title()"] for record in records(tmp_path)]
    assert shown == [f"'{t}" if t[:1] in tuple("=+-@\t\r") else t for t in AWKWARD]
    assert [r["Key"].startswith("'") for r in records(tmp_path)][:6] == [True] * 6
    table = pq.read_table(tmp_path / "objects.parquet")
    assert table["=title()"].to_pylist() == AWKWARD
    assert table["Key"].to_pylist() == [f"{t}#{n}" for n, t in enumerate(AWKWARD, 1)]


LEADS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "﹢", "﹣", "﹦", "﹫")
BEFORE = ("", " ", "\u00a0", "\u3000", "\ufeff", "\u200b", "\u202e", "\x00", "\x1f", "'", '"', "“",
          "\n", "\r\n", " \t ' ", "\u2028")  # fmt: skip


def test_the_lines_of_the_csv_file_are_those_that_pandas_writes():
    texts = ["", None, "a", "a,b", 'say "x"', "line\nbreak", "cr\r", "=1", "'=1", " -2", "ü", '"']
    count = len(texts)
    table = pa.table(
        {
            "text": pa.array(texts, tables.TEXT),
            "none": pa.nulls(count, tables.TEXT),
            "time": pa.array([None, 0, 1, 1_740_830_400_123] * 3, tables.TIME),
            "ids": pa.array([None, [], ["a"], ["a", "b,c"]] * 3, tables.IDS),
            "yes": pa.array([True, False] * 6),
            "number": pa.array([None, -5, 2**60] * 4, pa.int64()),
        }
    )
    by_pandas = io.StringIO()
    tables.for_spreadsheet(table.to_pandas(types_mapper=pd.ArrowDtype), table.schema).to_csv(
        by_pandas, header=False, index=False, lineterminator="\r\n"
    )
    lines = csv_lines(table).decode()
    assert list(csv.reader(io.StringIO(lines, newline=""))) == list(
        csv.reader(io.StringIO(by_pandas.getvalue(), newline=""))
    )
    assert lines == by_pandas.getvalue().replace("\r\n", "\n")


def for_spreadsheet(cells):
    frame = pd.DataFrame({"a": pd.array(cells, dtype=pd.ArrowDtype(pa.string()))})
    return list(tables.for_spreadsheet(frame, pa.schema([("a", pa.string())]))["a"])


def test_a_formula_behind_what_a_spreadsheet_may_drop_is_defused():
    cells = [f"{before}{lead}HYPERLINK(0)" for before in BEFORE for lead in LEADS]
    assert for_spreadsheet(cells) == [f"'{cell}" for cell in cells]


def test_a_cell_that_no_spreadsheet_runs_stays_as_it_is():
    cells = ["a=b", "1-2", "a@b.c", "x\t=1", "ü=", "(=1)", "", " ", '"', "=1"]
    assert for_spreadsheet(cells) == [*cells[:-1], "'=1"]
    assert pd.isna(for_spreadsheet(["=1", None])[1])


def test_a_null_of_the_manifest_stays_a_null_in_parquet(checkpoint, tmp_path):
    batch_of_titles(checkpoint, [None, "", "NA"])
    write_reports(checkpoint, tmp_path)
    titles = pq.read_table(tmp_path / "objects.parquet")["title"].to_pylist()
    assert titles == [None, "", "NA"]


def test_names_that_clash_with_ours_are_marked_and_several_sources_share_columns(
    checkpoint, tmp_path
):
    c = checkpoint
    c.add_source(1, "manifest", "a.csv", ("Row", "key", "bucket", "title"), "aa" * 32)
    c.add_rows(1, [ManifestRow(1, "masters", "1", None, ("r1", "t1"))], "", NOW)
    c.complete_source(1, "aa" * 32)
    c.add_source(2, "manifest", "b.csv", ("bucket", "key", "year", "title"), "bb" * 32)
    c.add_rows(2, [ManifestRow(2, "masters", "2", None, ("1987", "t2"))], "", NOW)
    c.complete_source(2, "bb" * 32)
    summary = write_reports(c, tmp_path)
    one, two = records(tmp_path)
    assert list(one)[-3:] == ["Row (manifest)", "title", "year"]
    assert [one[n] for n in ("Row", "Row (manifest)", "title", "year")] == ["1", "r1", "t1", ""]
    assert [two[n] for n in ("Row", "Row (manifest)", "title", "year")] == ["2", "", "t2", "1987"]
    assert summary.manifest.source == "a.csv + b.csv"
    digest = hashlib.sha256(("aa" * 32 + "bb" * 32).encode()).hexdigest()
    assert summary.manifest.sha256 == digest
    assert csv_rows(tmp_path / "retry.csv") == [
        ["bucket", "key", "Row", "title", "year"],
        ["masters", "1", "r1", "t1", ""],
        ["masters", "2", "", "t2", "1987"],
    ]


def test_invalid_rows_show_their_bytes_as_escapes(checkpoint, tmp_path):
    checkpoint.add_source(1, "manifest", "c.csv", ("title", "key", "bucket"), "ab" * 32)
    bad = InvalidRow(1, "title", "not UTF-8", ("caf\udce9", "k", "masters"), "masters", "k")
    spelled = InvalidRow(2, "title", "not text", ("\ud800", "k2", "masters"), "masters", "k2")
    checkpoint.add_rows(1, [bad, spelled], "", NOW)
    checkpoint.complete_source(1, "ab" * 32)
    write_reports(checkpoint, tmp_path)
    titles = pq.read_table(tmp_path / "objects.parquet")["title"].to_pylist()
    assert titles == ["caf\\xe9", "\\xed\\xa0\\x80"]
    assert [r["title"] for r in records(tmp_path)] == titles
    assert b"caf\xe9,k,masters\n" in (tmp_path / "retry.csv").read_bytes()


def test_retry_holds_only_rows_without_a_video_and_their_original_bytes(every_kind, tmp_path):
    write_reports(every_kind, tmp_path)
    assert (tmp_path / "retry.csv").read_bytes() == (
        b"bucket,key,version_id,title\n"
        b"masters,3.mxf,,a title\n"
        b"masters,4.mxf,,a title\n"
        b"masters,7.mxf,,a title\n"
        b"masters,\xff.mxf,,t\n"
        b"masters,too,many,cells,here\xe9\n"
    )


def test_a_row_beside_which_a_video_of_its_tag_was_seen_is_not_for_retry(every_kind, tmp_path):
    every_kind.add_duplicate_videos(7, ["video-7"])
    write_reports(every_kind, tmp_path)
    keys = [cells[1] for cells in csv_rows_of_bytes(tmp_path / "retry.csv")[1:4]]
    assert keys == ["3.mxf", "4.mxf", "\udcff.mxf"]


@pytest.mark.parametrize(("attempts", "kept"), [(0, {3, 4, 7}), (1, {4}), (2, set())])
def test_a_row_whose_absence_was_only_presumed_is_not_for_retry(
    every_kind, tmp_path, attempts, kept
):
    """Refused at its only POST it has no video; refused later, its first one may have made one."""
    every_kind._db.execute("UPDATE object SET decided_by = 'platform' WHERE row = 4")
    every_kind._db.execute("UPDATE object SET attempts = ? WHERE row IN (3, 4, 7)", (attempts,))
    write_reports(every_kind, tmp_path)
    keys = {cells[1] for cells in csv_rows_of_bytes(tmp_path / "retry.csv")[1:]}
    assert {int(key[0]) for key in keys if key[0].isdigit()} == kept


def test_the_checkpoint_refuses_a_video_where_none_can_be(every_kind):
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        every_kind._db.execute("UPDATE object SET video_id = 'v' WHERE row = 3")


def test_a_failed_row_is_not_for_retry_even_without_a_video_id(every_kind, tmp_path):
    finish(every_kind, 7, Event.FAIL, Reason.AMBIGUOUS)
    write_reports(every_kind, tmp_path)
    assert b"7.mxf" not in (tmp_path / "retry.csv").read_bytes()


def csv_rows_of_bytes(path):
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as lines:
        return list(csv.reader(lines))


def test_retry_is_a_manifest_again_exact_to_the_byte(checkpoint, tmp_path):
    wanted = [title for title in AWKWARD if "\x00" not in title]
    checkpoint.add_source(
        1, "manifest", "c.csv", ("title", "key", "version_id", "bucket"), "a" * 64
    )
    rows = [
        ManifestRow(n, "masters", f"{title}#{n}", "v1" if n % 2 else None, (title,))
        for n, title in enumerate(wanted, 1)
    ]
    line = 'half,"a quoted\ncell",of,a,row\udcff'
    rows.append(InvalidRow(len(rows) + 1, None, "5 cells", (line,), ragged=True))
    raw = ("caf\udce9\n", "\udcff", "", "masters")
    rows.append(InvalidRow(len(rows) + 1, "key", "not UTF-8", raw, "masters", "\\xff"))
    checkpoint.add_rows(1, rows, "", NOW)
    checkpoint.complete_source(1, "a" * 64)
    write_reports(checkpoint, tmp_path)
    reader = open_manifest(tmp_path / "retry.csv")
    found = [each for batch in reader.batches() for each in batch]
    assert reader.columns.header == ("title", "key", "version_id", "bucket")
    assert found[: len(wanted)] == rows[: len(wanted)]
    assert (found[-2].ragged, found[-2].cells) == (True, (line,))
    assert (found[-1].ragged, found[-1].cells) == (False, raw)


@pytest.mark.parametrize("line", ['open,"quote', "two,cells,of,b", 'swallows "the",next,"'])
def test_a_ragged_line_can_neither_swallow_the_next_row_nor_fit_another_header(
    checkpoint, tmp_path, line
):
    c = checkpoint
    c.add_source(1, "manifest", "a.csv", ("bucket", "key"), "aa" * 32)
    c.add_rows(1, [InvalidRow(1, None, "ragged", (line,), ragged=True)], "", NOW)
    c.complete_source(1, "aa" * 32)
    c.add_source(2, "manifest", "b.csv", ("bucket", "key", "title", "year"), "bb" * 32)
    c.add_rows(2, [ManifestRow(2, "masters", "2", None, ("t", "y"))], "", NOW)
    c.complete_source(2, "bb" * 32)
    write_reports(c, tmp_path)
    header, ragged, after = csv_rows(tmp_path / "retry.csv")
    assert ragged == [line]
    assert len(header) == 4
    assert after == ["masters", "2", "t", "y"]
