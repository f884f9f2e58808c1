"""Which objects are wanted: globs in order, sizes with units, times, storage classes."""

from datetime import UTC, datetime

import cyclopts
import pytest

from migrator.errors import UsageError
from migrator.filters import Facts, Filter
from migrator.manifest.told import teller
from migrator.model import Columns, ManifestRow
from migrator.settings import BatchSettings, FilterSettings, InputSettings, check_settings

DAY_MS = 24 * 3600 * 1000


def parsed(*words):
    """The filters as the command line reads them."""
    app = cyclopts.App(result_action="return_value")

    @app.default
    def verb(*, filters: FilterSettings = FilterSettings()):  # noqa: B008 - as the verbs have them
        return filters

    return app(words, exit_on_error=False, print_error=False)


def wanted(words, *keys):
    made = Filter(parsed(*words))
    return [key for key in keys if made.against_key(key) is None]


KEYS = ("a.mov", "masters/b.mov", "masters/proxy/c.mov", "masters/proxy/keep-d.mov", "tmp/e.txt")


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ([], KEYS),
        (["--include", "*.mov"], KEYS[:4]),
        (["--exclude", "tmp/*"], KEYS[:4]),
        (["--include", "masters/*", "--exclude", "*/proxy/*"], KEYS[1:2]),
        (["--exclude", "*/proxy/*", "--include", "*/proxy/keep-*"], (*KEYS[:2], *KEYS[3:])),
        (["--include", "*/proxy/keep-*", "--exclude", "*/proxy/*"], ()),
        (["--exclude", "*", "--include", "?.mov"], KEYS[:1]),
        (["--include", "[!t]*"], KEYS[:4]),
        (["--include", "*.MOV"], ()),
        (["--suffix", ".MOV", "--suffix", "xt", "--exclude", "a*"], KEYS[1:]),
        (["--video-only"], KEYS[:4]),
    ],
)
def test_keys_are_wanted_by_the_last_glob_that_matches_and_by_every_other_filter(words, kept):
    assert wanted(words, *KEYS) == list(kept)


def test_a_glob_sees_line_breaks_and_slashes_as_any_other_character():
    assert wanted(["--include", "a*z"], "a\n/z", "az", "a\n/z\n") == ["a\n/z", "az"]


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0), ("500", 500), ("500B", 500), ("10kB", 10_000), ("10 MB", 10**7), ("10mb", 10**7),
        ("1.5GiB", 3 * 2**29), ("2TB", 2 * 10**12), ("1PiB", 2**50), ("0.1MB", 100_000),
    ],
)  # fmt: skip
def test_sizes_have_units_of_1000_or_of_1024(text, size_bytes):
    assert parsed("--min-size", text).min_size == size_bytes


@pytest.mark.parametrize("text", ["10M", "10G", "MB", "-5", "1.5", "1e3", "1,5MB", "10iB", "²MB"])
def test_a_size_that_could_mean_two_things_or_none_is_refused(text):
    with pytest.raises(cyclopts.CycloptsError, match="not a size like"):
        parsed(f"--max-size={text}")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-31", datetime(2024, 5, 31, tzinfo=UTC)),
        ("2024-05-31T12:00:00", datetime(2024, 5, 31, 12, tzinfo=UTC)),
        ("2024-05-31T12:00:00+02:00", datetime(2024, 5, 31, 10, tzinfo=UTC)),
        ("2024-05-31T12:00:00Z", datetime(2024, 5, 31, 12, tzinfo=UTC)),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text, moment):
    assert parsed("--modified-after", text).modified_after == moment


@pytest.mark.parametrize("text", ["yesterday", "31.05.2024", "0001-01-01T00:00:00+12:00", ""])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(cyclopts.CycloptsError, match="not a time like"):
        parsed(f"--modified-before={text}")


def test_bounds_of_sizes_hold_their_ends_and_a_span_of_time_only_its_beginning():
    made = Filter(parsed("--min-size", "10", "--max-size", "20"))
    assert [n for n in (9, 10, 20, 21) if made.against_facts(Facts(size_bytes=n)) is None] == [
        10,
        20,
    ]
    made = Filter(parsed("--modified-after", "1970-01-02", "--modified-before", "1970-01-03"))
    times = (DAY_MS - 1, DAY_MS, 2 * DAY_MS - 1, 2 * DAY_MS)
    kept = [ms for ms in times if made.against_facts(Facts(last_modified_ms=ms)) is None]
    assert kept == [DAY_MS, 2 * DAY_MS - 1]


def test_what_is_not_known_leaves_nothing_out_and_what_is_left_out_is_told_by_its_flag():
    made = Filter(
        parsed("--min-size", "1kB", "--modified-after", "2024-05-31", "--storage-class", "standard")
    )
    assert made.against_facts(Facts()) is None
    assert made.against_facts(Facts(1000, None, "STANDARD")) is None
    assert made.against_facts(Facts(999)) == "999 bytes, less than --min-size 1000"
    assert "--modified-after 2024-05-31T00:00:00Z" in made.against_facts(Facts(None, 1))
    assert "GLACIER, not --storage-class STANDARD" in made.against_facts(
        Facts(None, None, "GLACIER")
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--min-size", "2", "--max-size", "1"], "--min-size 2 is more"),
        (["--modified-after", "2024-02-01", "--modified-before", "2024-02-01"], "is not before"),
        (["--include", ""], "is empty"),
        (["--suffix", ""], "is empty"),
    ],
)
def test_filters_that_nothing_can_pass_are_refused(words, why):
    with pytest.raises(UsageError, match=why):
        check_settings(BatchSettings(inputs=InputSettings(filters=parsed(*words))))


def test_filters_come_back_from_the_checkpoint_in_their_order():
    filters = parsed("--exclude", "b", "--include", "a", "--modified-after", "2024-05-31T01:02:03Z")
    settings = BatchSettings(inputs=InputSettings(filters=filters))
    assert BatchSettings.from_json(settings.to_json()) == settings
    assert filters.include == ("- b", "+ a")


def test_a_manifest_tells_size_time_and_class_where_it_has_them_and_they_can_be_read():
    columns = Columns.of(("bucket", "size", "key", "last_modified", "storage_class"))
    told = teller(columns)

    def facts(*cells):
        return told(ManifestRow(1, "b", "k", cells=cells))

    assert facts("12", "1970-01-01T00:00:01Z", "glacier") == Facts(12, 1000, "GLACIER")
    assert facts("12", "1970-01-01 00:00:01", None) == Facts(12, 1000, None)
    assert facts("twelve", "at noon", "") == facts(None, None, None) == Facts()
    assert teller(Columns.of(("bucket", "key")))(ManifestRow(1, "b", "k")) == Facts()
