"""The short form of the fuzzing: every target on its seeds, on noise, and on seeds mutated."""

import pytest
from fuzz.targets import SEEDS, TARGETS, WORDS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def _inputs(name):
    parts = [*SEEDS[name], *(word.encode() for word in WORDS.get(name, ()))]
    # The seeds cut, joined and noised: what a mutating fuzzer makes of them.
    cut = st.tuples(st.sampled_from(parts), st.integers(0, 80), st.integers(0, 80)).map(
        lambda found: found[0][min(found[1:]) : max(found[1:])]
    )
    piece = st.sampled_from(parts) | cut | st.binary(max_size=12)
    return st.lists(piece, max_size=8).map(b"".join)


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_promise(name):
    for seed in SEEDS[name]:
        TARGETS[name](seed)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_inputs(name))
    def short(data):
        TARGETS[name](data)

    short()
