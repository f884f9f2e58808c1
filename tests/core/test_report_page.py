import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser

import pytest

from migrator.checkpoint.change import Change
from migrator.checkpoint.store import Checkpoint
from migrator.lifecycle import Event, State
from migrator.model import InvalidRow, ManifestRow, Outcome, Reason
from migrator.report import problems, write_reports
from migrator.report.advice import MEANING, WHAT_TO_DO
from migrator.report.page import commands, lasting
from migrator.report.problems import fair_shares
from migrator.report.reconcile import fits, outcome_of
from migrator.report.words import bytes_in_words, iso_utc, moment, shortened, visible

NOW = 1_740_830_400_000
HOSTILE = [
    "<script>alert(1)</script>",
    "</style><script src=//evil.example/x.js></script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7*7 }}{% raw %}",
    "<!--",
    "]]><svg onload=alert(1)>",
    "javascript:alert(1)",
    "&lt;already escaped&gt;",
]


@pytest.fixture
def checkpoint(tmp_path):
    made = Checkpoint.create(tmp_path, {"batch": "0123456789abc"})
    yield made
    made.close()


def missing(checkpoint, texts):
    """A batch in which every row is missing, with each text wherever a stranger can write."""
    checkpoint.add_source(1, "manifest", f"list {texts[0]}.csv", ("bucket", "key"), "ab" * 32)
    rows = [ManifestRow(n, f"b{text}", f"{text}{n}") for n, text in enumerate(texts, 1)]
    checkpoint.add_rows(1, rows, "", NOW)
    checkpoint.complete_source(1, "ab" * 32)
    for number, text in enumerate(texts, 1):
        facts = {
            "reason": Reason.OBJECT_NOT_FOUND,
            "http_status": 404,
            "error_code": text,
            "message": text,
        }
        checkpoint.apply(number, State.PENDING, Change(Event.MISS, facts))


class Page(HTMLParser):
    """What a browser would make of the page: its elements, and the text that people read."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.attributes = []
        self.texts = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


def page_of(checkpoint, directory):
    write_reports(checkpoint, directory)
    return (directory / "report.html").read_text()


def data_of(text):
    """The rows that the page holds for its script."""
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    )


def test_hostile_text_is_shown_and_never_becomes_markup(checkpoint, tmp_path):
    plain_directory = tmp_path / "plain"
    plain_directory.mkdir()
    plain = Checkpoint.create(plain_directory, {"batch": "0123456789abc"})
    missing(plain, ["plain"] * len(HOSTILE))
    expected = Page(page_of(plain, plain_directory)).tags
    plain.close()
    missing(checkpoint, HOSTILE)
    checkpoint.set_meta("batch", HOSTILE[0])
    text = page_of(checkpoint, tmp_path)
    found = Page(text)
    assert found.tags == expected
    assert found.tags.count("script") == 2
    assert not {"img", "iframe", "link", "object"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "style"]
    assert HOSTILE[0] in found.texts
    assert data_of(text)["messages"] == HOSTILE
    assert not set("<>&") & set(text[text.index('id="data">') + 10 : text.index("]}</script>")])


def test_the_page_needs_nothing_from_elsewhere_and_its_policy_forbids_it(checkpoint, tmp_path):
    missing(checkpoint, ["plain"])
    text = page_of(checkpoint, tmp_path)
    assert not re.search(r"(?:src|href)=\"(?!#)|url\(|@import|https?:", text)
    assert "innerHTML" not in text
    policy = re.search(r'content="(default-src[^"]*)"', text)[1]
    assert html.unescape(policy).startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    for element in ("style", "script"):
        content = re.search(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in html.unescape(policy)


def test_tables_have_captions_and_headings_with_a_scope(checkpoint, tmp_path):
    missing(checkpoint, ["plain"])
    text = page_of(checkpoint, tmp_path)
    assert text.count("<table") == text.count("<caption") >= 3
    assert re.findall(r"<th(?! scope=|ead)[^>]*>", text) == []


def test_marks_that_hide_or_reorder_are_made_visible_on_the_page(checkpoint, tmp_path):
    missing(checkpoint, ["a\u202egpj.exe\nb "])
    text = page_of(checkpoint, tmp_path)
    shown, data = text.split('<script type="application/json"')
    assert "a\\u202egpj.exe␊b 1" in shown
    assert "\u202e" not in shown
    assert "a\u202egpj.exe\\nb 1" in data  # for the button that copies it


def test_the_verdict_comes_first_and_says_the_sum(checkpoint, tmp_path):
    missing(checkpoint, ["plain"] * 3)
    text = page_of(checkpoint, tmp_path)
    assert "Finished, and 3 rows need a person" in text
    assert "3\u00a0missing = 3" in text
    assert text.index("<h1") < text.index("<h2")


def test_a_quiet_batch_says_that_nothing_is_left_to_do(checkpoint, tmp_path):
    checkpoint.add_source(1, "manifest", "a.csv", ("bucket", "key"), "ab" * 32)
    checkpoint.add_rows(1, [ManifestRow(1, "b", "folder/")], "", NOW)
    checkpoint.complete_source(1, "ab" * 32)
    skip = Change(Event.SKIP, {"reason": Reason.FOLDER_MARKER})
    checkpoint.apply(1, State.PENDING, skip)
    assert "nothing is left to do" in page_of(checkpoint, tmp_path)


def test_an_open_row_makes_the_page_say_how_to_go_on(checkpoint, tmp_path):
    checkpoint.add_source(1, "manifest", "a.csv", ("bucket", "key"), "ab" * 32)
    checkpoint.add_rows(1, [ManifestRow(1, "b", "k")], "", NOW)
    text = page_of(checkpoint, tmp_path)
    assert "Not finished: 1 row is still open" in text
    assert "migrator resume" in text


def test_duplicates_are_listed_and_make_the_batch_need_a_person(checkpoint, tmp_path):
    checkpoint.add_source(1, "manifest", "a.csv", ("bucket", "key"), "ab" * 32)
    checkpoint.add_rows(1, [ManifestRow(1, "b", "k")], "", NOW)
    checkpoint.complete_source(1, "ab" * 32)
    found = Change(Event.FOUND, {"video_id": "first", "adopted": True})
    checkpoint.apply(1, State.PENDING, found)
    checkpoint.apply(1, State.COPYING, Change(Event.IMPORT, {"reason": Reason.COPIED}))
    checkpoint.add_duplicate_videos(1, ["second"])
    text = page_of(checkpoint, tmp_path)
    assert "Finished, with duplicates" in text
    assert ">second<" in text


def test_beyond_its_limit_the_page_says_how_many_it_holds_and_where_all_are(
    checkpoint, tmp_path, monkeypatch
):
    monkeypatch.setattr(problems, "PAGE_ROWS", 4)
    missing(checkpoint, ["plain"] * 9)
    bad = [InvalidRow(10, None, "1 cell", ("a line\udcff of its own",), ragged=True)]
    checkpoint.add_source(2, "manifest", "b.csv", ("bucket", "key"), "ab" * 32)
    checkpoint.add_rows(2, bad, "", NOW)
    checkpoint.complete_source(2, "ab" * 32)
    text = page_of(checkpoint, tmp_path)
    assert "This page holds 4 of 10 rows." in text
    assert "object not found 3 of 9." in text
    rows = data_of(text)["rows"]
    assert [row[0] for row in rows] == [1, 2, 3, 10]
    assert rows[-1][3] == "a line\\xff of its own"


def test_long_keys_fill_the_page_sooner_and_crowd_no_rare_reason_out(
    checkpoint, tmp_path, monkeypatch
):
    monkeypatch.setattr(problems, "PAGE_BYTES", 20_000)
    monkeypatch.setattr(problems, "LEAST_BYTES", 2_000)
    missing(checkpoint, ["k" * 1000 + str(n) for n in range(40)])
    checkpoint.add_source(2, "manifest", "b.csv", ("bucket", "key"), "ab" * 32)
    checkpoint.add_rows(
        2, [InvalidRow(41, "key", "not UTF-8", ("x", "y"), "b", "k" * 1000)], "", NOW
    )
    checkpoint.complete_source(2, "ab" * 32)
    text = page_of(checkpoint, tmp_path)
    rows = data_of(text)["rows"]
    assert rows[-1][0] == 41
    assert 5 <= len(rows) <= 21
    assert f"This page holds {len(rows)} of 41 rows." in text


def test_a_row_on_the_page_says_all_that_the_table_of_objects_does(checkpoint, tmp_path):
    missing(checkpoint, ["plain"])
    data = data_of(page_of(checkpoint, tmp_path))
    assert data == {
        "reasons": ["object_not_found"], "buckets": ["bplain"], "messages": ["plain"],
        "codes": ["plain"], "sources": [], "rows": [[1, 0, 0, "plain1", 0, 0, 404]],
    }  # fmt: skip


def test_the_same_checkpoint_makes_the_same_page(checkpoint, tmp_path):
    missing(checkpoint, HOSTILE)
    assert page_of(checkpoint, tmp_path) == page_of(checkpoint, tmp_path)


def test_commands_are_set_as_code_and_all_else_is_text():
    assert commands("do “migrator retry” <now>") == ("do <code>migrator retry</code> &lt;now&gt;")


def test_a_rare_reason_is_not_crowded_out_by_a_frequent_one():
    assert fair_shares({"rare": 3, "frequent": 10_000, "some": 200}, 500) == {
        "rare": 3,
        "some": 200,
        "frequent": 297,
    }
    assert fair_shares({"a": 9, "b": 9}, 4) == {"a": 2, "b": 2}
    assert fair_shares({}, 4) == {}


def test_every_reason_says_what_to_do_and_every_outcome_what_it_means():
    assert set(WHAT_TO_DO) == set(Reason)
    assert set(MEANING) == set(Outcome)
    assert all(text.endswith(".") for text in (*WHAT_TO_DO.values(), *MEANING.values()))


@pytest.mark.parametrize(
    ("state", "reason", "outcome", "told"),
    [
        (State.PENDING, None, Outcome.UNFINISHED, Reason.NOT_STARTED),
        (State.SUBMITTING, None, Outcome.UNFINISHED, Reason.UNRESOLVED),
        (State.UNRESOLVED, None, Outcome.UNFINISHED, Reason.UNRESOLVED),
        (State.COPYING, None, Outcome.UNFINISHED, Reason.IN_FLIGHT),
        (State.RESTARTING, Reason.COPY_FAILED, Outcome.UNFINISHED, Reason.IN_FLIGHT),
        (State.INGESTING, None, Outcome.UNFINISHED, Reason.IN_FLIGHT),
        (State.IMPORTED, None, Outcome.IMPORTED, Reason.COPIED),
        (State.REJECTED, Reason.ARCHIVED, Outcome.REJECTED, Reason.ARCHIVED),
    ],
)
def test_a_state_gives_an_outcome_and_a_reason(state, reason, outcome, told):
    assert outcome_of(state, reason) == (outcome, told)
    assert fits(outcome_of(state, reason))


def test_every_state_has_an_outcome():
    assert {outcome_of(state, None)[0] for state in State} == set(Outcome)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain/key.mxf", "plain/key.mxf"),
        ("a\nb\tc\x00\x7f", "a␊b␉c␀␡"),
        ("\u202egpj\u2066x", "\\u202egpj\\u2066x"),
        ("a\u200bb\ufeff\u00a0c\u2028", "a\\u200bb\\ufeff\\u00a0c\\u2028"),
        ("x\u0085", "x\\u0085"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("v\ufe0f\u3164", "v\\ufe0f\\u3164"),
        (" a b  ", "␠a b␠␠"),
        ("   ", "␠␠␠"),
        ("", ""),
        ("\ud800", "\\ud800"),
        ("Straße/映画/\u05d0\U0001f3ac", "Straße/映画/\u05d0\U0001f3ac"),
    ],
)
def test_nothing_hides_in_visible_text(text, shown):
    assert visible(text) == shown


def test_sizes_and_times_are_spelled_for_people():
    assert bytes_in_words(0) == "0 bytes"
    assert bytes_in_words(999) == "999 bytes"
    assert bytes_in_words(1000) == "1 kB"
    assert bytes_in_words(999_600) == "1 MB"
    assert bytes_in_words(1_440_000_000_000) == "1.44 TB"
    assert bytes_in_words(10**18) == "1 EB"
    assert iso_utc(1_700_000_000_123) == "2023-11-14T22:13:20.123Z"
    assert moment("2023-11-14T22:13:20.123Z") == "2023-11-14 22:13:20 UTC"
    assert moment(None) == "—"
    assert shortened("abcdef", 4) == "abc…"
    assert [lasting(s * 1000) for s in (0, 45, 60, 61, 3600, 11_100, 86_400, 187_200)] == [
        "0 s", "45 s", "1 min", "1 min 1 s", "1 h", "3 h 5 min", "1 d", "2 d 4 h",
    ]  # fmt: skip
