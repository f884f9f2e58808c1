"""Names derived from keys."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from migrator.manifest import file_name, video_name
from migrator.model import utf16_units

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=600)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a/b/c.mp4", "c.mp4"),
        ("c.mp4", "c.mp4"),
        ("a/b/", "a/b/"),
        ("/", "/"),
        ("a/ ", " "),
        ("a/" + "n" * 300, "n" * 255),
        ("😀" * 200, "😀" * 127),
        ("n" + "😀" * 200, "n" + "😀" * 127),
    ],
)
def test_a_video_is_named_after_the_last_segment_of_its_key(key, name):
    assert video_name(key) == name


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a/b/c.mp4", "c.mp4"),
        ("a/My Film (1).mp4", "My_Film__1_.mp4"),
        ("filme/Über.mov", "_ber.mov"),
        ("a/b/", "a_b_"),
        ("a/..", "__"),
        (".", "_"),
        ("a/.mp4", ".mp4"),
        ("n" * 300 + ".mp4", "n" * 251 + ".mp4"),
        ("n" * 300, "n" * 255),
        ("n." + "x" * 300, "n." + "x" * 253),
        ("n" * 300 + ".", "n" * 255),
    ],
)
def test_a_file_name_is_the_last_segment_with_underscores_for_what_is_not_allowed(key, name):
    assert file_name(key) == name


@given(keys)
@example("/")
@example("." * 300)
@example("." * 300 + "mp4")
def test_derived_names_are_always_legal(key):
    assert 1 <= utf16_units(video_name(key)) <= 255
    assert re.fullmatch(r"[a-zA-Z0-9_\-.]{1,255}", file_name(key))
    assert file_name(key).strip(".")
