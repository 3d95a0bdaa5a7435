"""The integer map against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from features.intmap import IntMap

KEYS = st.one_of(st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1)).filter(lambda key: key != 0)
PAIRS = st.lists(st.tuples(KEYS, st.integers(-1, 2**31 - 1)), max_size=80)


@settings(max_examples=60)
@given(st.lists(PAIRS, max_size=5), st.lists(KEYS, max_size=20), st.integers(1, 20))
def test_the_map_equals_a_dictionary(rounds, asked, room):
    found, model = IntMap(room=room), {}
    for pairs in rounds:
        found.put(
            np.array([key for key, _ in pairs], np.int64), np.array([value for _, value in pairs], np.int64)
        )
        model.update(pairs)
        assert len(found) == len(model)
    wanted = [*model, *asked]
    assert found.get(np.array(wanted, np.int64)).tolist() == [model.get(key, -1) for key in wanted]


def test_zero_is_no_key_and_never_found():
    found = IntMap()
    assert found.get(np.array([0, 1])).tolist() == [-1, -1]
    found.put(np.array([1]), np.array([0]))
    assert found.get(np.array([0, 1])).tolist() == [-1, 0]


def test_growth_keeps_every_key_and_half_of_the_room_free():
    found = IntMap(room=1)
    keys = np.arange(1, 50_001, dtype=np.int64) << 32
    for start in range(0, 50_000, 999):
        found.put(keys[start : start + 999], np.arange(start, min(start + 999, 50_000)))
    assert len(found) == 50_000
    assert found.get(keys).tolist() == list(range(50_000))
    assert 2 * len(found) <= len(found.keys)


def test_an_empty_request_is_answered():
    found = IntMap()
    found.put(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert found.get(np.zeros(0, np.int64)).tolist() == []
