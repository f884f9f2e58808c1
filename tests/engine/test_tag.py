"""The tag in the description."""

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.engine.tag import Tag, describe, new_batch_id, read_tag
from migrator.model import MAX_DESCRIPTION_UNITS, identity, utf16_units

TAG = Tag(identity("", "bucket", "key"), "abcdefgh23456")


@pytest.mark.parametrize("length", [8, 16])
def test_a_tag_is_written_in_the_base32_that_others_read(length):
    raw = random.Random(length).randbytes(length)
    for each in (raw, bytes(length), b"\xff" * length):
        text = Tag(each, "").__str__().split(":")[1]
        assert text == base64.b32encode(each).decode().rstrip("=").lower()


def test_a_tag_has_at_most_48_ascii_characters_and_reads_back():
    assert len(str(TAG)) <= 48
    assert str(TAG).isascii()
    assert read_tag(str(TAG)) == TAG
    assert read_tag(str(Tag(TAG.object_id, new_batch_id()))).object_id == TAG.object_id


@given(st.text(max_size=700))
def test_text_and_tag_fit_and_the_text_is_cut_between_characters(text):
    sent, was_cut = describe(text, TAG)
    assert utf16_units(sent) <= MAX_DESCRIPTION_UNITS
    assert read_tag(sent) == TAG
    kept = sent.removesuffix(str(TAG)).removesuffix(" ") if text else ""
    assert text.startswith(kept)
    assert was_cut == (utf16_units(text) > MAX_DESCRIPTION_UNITS - len(str(TAG)) - 1)


def test_a_tag_is_found_though_people_wrote_behind_it():
    assert read_tag(f"my film {TAG} - checked by Eve") == TAG


def test_of_several_tags_the_last_one_counts():
    other = Tag(identity("", "bucket", "other"), "abcdefgh23456")
    assert read_tag(f"{other} {TAG}") == TAG


def test_what_only_looks_like_a_tag_is_none():
    for text in (None, "", "[mig1:x:y]", str(TAG).upper(), str(TAG)[:-1], "[mig2" + str(TAG)[5:]):
        assert read_tag(text) is None


def test_without_a_tag_the_text_goes_as_it_is():
    assert describe("hello", None) == ("hello", False)
    assert describe("", None) == (None, False)
    assert describe(None, TAG) == (str(TAG), False)
