"""Identity, and text cut to the platform's units."""

from hypothesis import given
from hypothesis import strategies as st

from migrator.model import OUTCOME_OF, Columns, Reason, cut_to_units, identity, utf16_units


def test_identity_tells_objects_apart_whose_texts_run_together():
    assert identity("", "ab", "c") != identity("", "a", "bc")
    assert identity("n", "b", "k") != identity("", "nb", "k")
    assert identity("", "b", "k") != identity("n", "b", "k")


def test_identity_does_not_normalise_unicode():
    assert identity("", "bucket", "\u00fc") != identity("", "bucket", "u\u0308")


def test_identity_is_the_same_in_every_run():
    assert identity("", "bucket", "key").hex() == "16c583a98e2e50ebb5f3669dbd2d1d2e"


@given(st.text(), st.integers(0, 40))
def test_a_cut_is_the_longest_start_that_fits_and_never_splits_a_character(text, units):
    kept = cut_to_units(text, units)
    assert text.startswith(kept)
    assert len(kept.encode("utf-16-le", "surrogatepass")) // 2 == utf16_units(kept) <= units
    if kept != text:
        assert utf16_units(text[: len(kept) + 1]) > units


def test_every_reason_belongs_to_an_outcome():
    assert set(OUTCOME_OF) == set(Reason)


def test_columns_index_the_cells_beside_bucket_key_and_version():
    columns = Columns.of(["name", "key", "version_id", "bucket", "asset"])
    assert (columns.bucket, columns.key, columns.version_id) == (3, 1, 2)
    assert columns.other_names == ("name", "asset")
