"""A key is admitted once for as long as it is remembered."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from features.dedup import Deduper

KEYS = st.one_of(st.integers(0, 12), st.integers(2**64 - 5, 2**64 - 1), st.integers(0, 2**64 - 1))


def admit(deduper: Deduper, keys: list[int]) -> list[bool]:
    return deduper.admit(np.array(keys, np.uint64)).tolist()


class Reference:
    """Two generations of sets; 0 and 1 are one key."""

    def __init__(self, limit: int) -> None:
        self.limit, self.current, self.previous = limit, set(), set()

    def admit(self, key: int) -> bool:
        if len(self.current) >= self.limit:
            self.current, self.previous = set(), self.current
        key = key or 1
        new = key not in self.current and key not in self.previous
        if new:
            self.current.add(key)
        return new


@settings(max_examples=80)
@given(st.lists(st.lists(KEYS, max_size=40), max_size=6), st.sampled_from([1, 2, 5, 30, 4_000_000]))
def test_a_key_is_admitted_once_whatever_the_batches(batches, limit):
    deduper, reference = Deduper(limit), Reference(limit)
    for keys in batches:
        assert admit(deduper, keys) == [reference.admit(key) for key in keys]


def test_zero_is_a_key_like_others():
    deduper = Deduper()
    assert admit(deduper, [0, 0, 2]) == [True, False, True]
    assert admit(deduper, [0, 2]) == [False, False]


def test_a_repeat_is_known_for_a_whole_generation_and_forgotten_after_two():
    deduper = Deduper(limit=1000)
    keys = np.random.default_rng(1).integers(1, 2**63, 3000).astype(np.uint64)
    assert deduper.admit(keys[:1000]).all()
    assert deduper.admit(keys[1000:1999]).all()
    assert not deduper.admit(keys[:1999]).any()
    assert deduper.admit(keys[1999:]).all()
    assert deduper.admit(keys[:1]).all(), "memory is bounded: the oldest are forgotten"


def test_many_keys_are_kept_apart_while_the_table_grows():
    keys = np.arange(1, 200_001, dtype=np.uint64) << np.uint64(40)
    deduper = Deduper()
    assert deduper.admit(keys).all()
    assert not deduper.admit(keys).any()
    assert deduper.nbytes <= 64 * len(keys)


@settings(max_examples=40)
@given(st.lists(KEYS, max_size=60), st.lists(KEYS, max_size=60), st.sampled_from([1, 2, 7, 1000]))
def test_a_restored_deduper_goes_on_as_the_original(before, after, limit):
    deduper = Deduper(limit)
    admit(deduper, before)
    restored = Deduper.restored(*deduper.export(), limit=limit)
    for left, right in zip(restored.export(), deduper.export(), strict=True):
        assert left.tolist() == right.tolist()
    assert admit(restored, after) == admit(deduper, after)
    for left, right in zip(restored.export(), deduper.export(), strict=True):
        assert left.tolist() == right.tolist()


def test_nothing_is_admitted_of_nothing():
    deduper = Deduper()
    assert admit(deduper, []) == []
    assert [array.tolist() for array in deduper.export()] == [[], []]
