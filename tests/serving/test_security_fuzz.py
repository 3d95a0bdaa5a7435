"""Every decoder and every parser of a protocol, for a moment: what tools/fuzz.py does for as long as one
likes.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools import fuzz_targets


@pytest.mark.parametrize("name", fuzz_targets.NAMES)
def test_no_bytes_break_it(name: str) -> None:
    run = fuzz_targets.target(name)
    seeds = fuzz_targets.seeds(name)
    for seed in seeds:
        run(seed)

    @settings(max_examples=40)
    @given(st.sampled_from(seeds), st.lists(st.integers(0, 1 << 32), max_size=4), st.binary(max_size=8))
    def check(data: bytes, changes: list[int], end: bytes) -> None:
        for change in changes:
            data = fuzz_targets.mutated(data, change)
        run(data + end)

    check()


@pytest.mark.parametrize("name", [name for name in fuzz_targets.NAMES if name.startswith("source-")])
def test_the_seeds_of_a_source_are_events_of_it(name: str) -> None:
    """Seeds that no decoder reads would leave most of it in the dark."""
    from features.sources.base import SourceContext
    from features.sources.registry import decoder_class

    source = name.removeprefix("source-")
    for seed in fuzz_targets.seeds(name):
        decoder = decoder_class(source)(SourceContext(default_year=2026, modified_us=fuzz_targets.NOW_US))
        records = list(decoder.frames(enumerate(seed.split(b"\n"), 1)))
        assert records
        for _, record in records:
            assert decoder.decode(record).time_us > 0


def test_what_fails_is_made_small() -> None:
    assert fuzz_targets.minimised(b"aaaaXbbbYcc", lambda data: b"X" in data and b"Y" in data) == b"XY"


def test_a_target_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Exception, match="no target"):
        fuzz_targets.target("source-nothing")
