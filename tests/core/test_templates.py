"""Templates for names: what is a field, what is none, and what a key gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.errors import UsageError
from migrator.settings import BatchSettings, InputSettings, NamingSettings, check_settings
from migrator.settings.templates import KEY_FIELDS, Template, field_of_key


def filled(text, **values):
    return Template.of("--name-template", text).filled(lambda name: values.get(name, "?"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain", "plain"),
        ("{a}", "A"),
        ("{a}{b}", "AB{}"),
        ("x {a} y {b} z", "x A y B{} z"),
        ("{{a}} {{{a}}}", "{a} {A}"),
        ("{asset id}/{a!r}/{a:>9}/{a.b}/{0}", "ID/?/?/?/?"),
    ],
)
def test_fields_stand_in_braces_and_are_names_and_nothing_else(text, wanted):
    assert filled(text, a="A", b="B{}", **{"asset id": "ID"}) == wanted


@pytest.mark.parametrize("text", ["{", "}", "{a", "a}", "{}", "{a}}", "{{a}", "{a{b}}", "", "  "])
def test_what_is_no_template_is_refused_with_its_flag(text):
    with pytest.raises(UsageError, match="--name-template") as caught:
        filled(text)
    assert caught.value.hint


@given(st.text())
def test_a_text_with_its_braces_doubled_stays_as_it_is(text):
    if text.strip():
        assert filled(text.replace("{", "{{").replace("}", "}}")) == text


@pytest.mark.parametrize(
    ("key", "name", "stem", "ext", "dirname"),
    [
        ("a/b/film.en.mp4", "film.en.mp4", "film.en", "mp4", "a/b"),
        ("film", "film", "film", "", ""),
        ("a/.hidden", ".hidden", ".hidden", "", "a"),
        ("a.b/film", "film", "film", "", "a.b"),
        ("a/film.", "film.", "film", "", "a"),
        ("a//x.MOV", "x.MOV", "x", "MOV", "a/"),
        ("a/", "", "", "", "a"),
    ],
)
def test_the_parts_of_a_key(key, name, stem, ext, dirname):
    told = [field_of_key(field, "bkt", key, 7) for field in KEY_FIELDS]
    assert told == ["bkt", key, name, stem, ext, dirname, "7"]
    assert field_of_key("title", "bkt", key, 7) is None


@pytest.mark.parametrize(
    "naming",
    [
        {"map": ("title",)},
        {"map": ("=name",)},
        {"map": ("title=",)},
        {"map": ("a=name", "b=name")},
        {"map": ("a=name", "a=title")},
        {"name_template": "{"},
        {"description_template": ""},
        {"file_name_template": "}"},
        {"name_template": "\udc80"},
    ],
)
def test_settings_of_names_that_make_no_sense_are_refused(naming):
    inputs = InputSettings(manifest="a.csv", naming=NamingSettings(**naming))
    with pytest.raises(UsageError):
        check_settings(BatchSettings(inputs=inputs))


def test_columns_are_named_where_there_are_some():
    naming = NamingSettings(map=("a=b=name",))
    assert naming.renames == {"a=b": "name"}
    for inputs in (
        InputSettings(prefix=("s3://bucket/",), naming=naming),
        InputSettings(manifest="a", manifest_format="s3-batch", naming=naming),
    ):
        with pytest.raises(UsageError, match="--map"):
            check_settings(BatchSettings(inputs=inputs))
