import base64
import hashlib
import html
import re
from html.parser import HTMLParser

import pytest

from migrator.checkpoint.change import Change
from migrator.checkpoint.store import Checkpoint
from migrator.lifecycle import Event, State
from migrator.model import InvalidRow, ManifestRow, Outcome, Reason
from migrator.report import highlights, write_reports
from migrator.report.advice import MEANING, WHAT_TO_DO
from migrator.report.highlights import fair_shares
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


def test_hostile_text_is_shown_and_never_becomes_markup(checkpoint, tmp_path):
    plain_directory = tmp_path / "plain"
    plain_directory.mkdir()
    plain = Checkpoint.create(plain_directory, {"batch": "0123456789abc"})
    missing(plain, ["plain"] * len(HOSTILE))
    expected = Page(page_of(plain, plain_directory)).tags
    plain.close()
    missing(checkpoint, HOSTILE)
    checkpoint.set_meta("batch", HOSTILE[0])
    found = Page(page_of(checkpoint, tmp_path))
    assert found.tags == expected
    assert not {"script", "img", "iframe", "link", "object"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "style"]
    for text in HOSTILE:
        assert text in found.texts


def test_the_page_needs_nothing_from_elsewhere_and_its_policy_forbids_it(checkpoint, tmp_path):
    missing(checkpoint, ["plain"])
    text = page_of(checkpoint, tmp_path)
    assert not re.search(r"(?:src|href)=\"(?!#)|url\(|@import|https?:", text)
    policy = re.search(r'content="(default-src[^"]*)"', text)[1]
    assert html.unescape(policy).startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in html.unescape(policy)


def test_tables_have_captions_and_headings_with_a_scope(checkpoint, tmp_path):
    missing(checkpoint, ["plain"])
    text = page_of(checkpoint, tmp_path)
    assert text.count("<table") == text.count("<caption") > 3
    assert re.findall(r"<th(?! scope=|ead)[^>]*>", text) == []


def test_marks_that_hide_or_reorder_are_made_visible_on_the_page(checkpoint, tmp_path):
    missing(checkpoint, ["a\u202egpj.exe\nb "])
    text = page_of(checkpoint, tmp_path)
    assert "a\\u202egpj.exe␊b 1" in text
    assert "\u202e" not in text


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


def test_beyond_its_limit_the_page_says_how_many_more_and_where(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(highlights, "PAGE_ROWS", 4)
    missing(checkpoint, ["plain"] * 9)
    bad = [InvalidRow(10, None, "1 cell", ("a line\udcff of its own",), ragged=True)]
    checkpoint.add_source(2, "manifest", "b.csv", ("bucket", "key"), "ab" * 32)
    checkpoint.add_rows(2, bad, "", NOW)
    checkpoint.complete_source(2, "ab" * 32)
    text = page_of(checkpoint, tmp_path)
    assert "The first 3 of 9 rows" in text
    assert "6 more in <code>objects.csv</code>" in text
    assert "a line\\xff of its own" in text
    assert text.count('data-label="Object"') == 4


def test_what_is_kept_for_the_page_is_bounded(checkpoint, monkeypatch):
    monkeypatch.setattr(highlights, "PAGE_ROWS", 4)
    missing(checkpoint, ["plain"] * 9)
    found = highlights.Highlights(checkpoint.sources())
    transfers = checkpoint.transfers_after(0, 100)
    found.append(transfers, [outcome_of(t.state, t.reason) for t in transfers])
    assert sum(len(kept) for kept in found._problems.values()) == 4


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
