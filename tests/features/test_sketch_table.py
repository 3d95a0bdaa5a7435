"""The habit table against a dictionary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features import sketch

IDS = st.tuples(st.integers(1, sketch.MAX_ENTITIES - 1), st.integers(0, 127), st.integers(0, 2**32 - 1))
FEW = st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(1, 40))
FEWER = st.tuples(st.integers(1, 2), st.just(0), st.integers(1, 9))


def as_dict(table: sketch.Table) -> dict[int, float]:
    used = np.flatnonzero(table.keys[0::2])
    assert int(table.meta[sketch.ENTRIES]) == len(used)
    for slot in used.tolist():
        assert sketch.find(table.keys, table.keys[2 * slot]) == slot, "every key is reachable"
    free = table.keys[0::2] == 0
    assert not table.weights[1::2][free].any()
    return dict(zip(table.keys[2 * used].tolist(), table.weights[2 * used + 1].tolist(), strict=True))


def add(table: sketch.Table, key: int, weight: float) -> None:
    pair = np.array([key, 0], np.int64)
    pair.view(np.float64)[1] = weight
    table.meta[sketch.ENTRIES] += sketch.insert_all(table.keys, table.weights, pair, pair.view(np.float64))


@given(st.lists(IDS, max_size=30))
def test_packing_loses_nothing(ids):
    keys = np.array([sketch.pack(*item) for item in ids], np.int64)
    assert (keys > 0).all()
    assert list(zip(*(part.tolist() for part in sketch.unpack(keys)), strict=True)) == ids
    assert len(set(keys.tolist())) == len(set(ids))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(FEWER, st.booleans(), st.floats(0.001, 1e6)), min_size=20, max_size=150),
    st.sampled_from([16, 17, 40, 1000]),
)
def test_adding_and_removing_in_any_order_equals_a_dictionary(steps, capacity):
    table, model = sketch.empty_table(capacity), {}
    for ids, removes, weight in steps:
        key = int(sketch.pack(*ids))
        if removes:
            slot = int(sketch.find(table.keys, key))
            if model.pop(key, None) is not None:
                sketch.remove_slot(table.keys, table.weights, slot)
                table.meta[sketch.ENTRIES] -= 1
            else:
                assert table.keys[2 * slot] == 0
        else:
            if sketch.needs_growth(table, 1):
                table = sketch.grown(table, 1)
            add(table, key, weight)
            model[key] = model.get(key, 0.0) + weight
    assert as_dict(table) == model


@pytest.mark.parametrize(
    "homes", [[5, 5], [15, 15], [5, 5, 6, 6], [15, 15, 15, 0], [14, 14, 14, 15, 15, 15, 0, 0, 0, 1, 1]]
)
def test_removing_any_entry_of_a_run_keeps_the_rest_reachable(homes):
    capacity = 16
    spare: dict[int, list[int]] = {}
    for value in range(1, 4000):
        key = int(sketch.pack(1, 0, value))
        spare.setdefault(int(sketch.home_slot(key, capacity)), []).append(key)
    keys = [spare[home].pop() for home in homes]
    for gone in keys:
        table = sketch.empty_table(capacity)
        for key in keys:
            add(table, key, float(key % 97))
        sketch.remove_slot(table.keys, table.weights, int(sketch.find(table.keys, gone)))
        table.meta[sketch.ENTRIES] -= 1
        assert as_dict(table) == {key: float(key % 97) for key in keys if key != gone}


@given(st.lists(FEW, unique=True, max_size=100), st.integers(0, 500))
def test_growing_keeps_every_entry_and_makes_the_room_asked_for(ids, extra):
    table = sketch.from_entries(
        np.array([sketch.pack(*item) for item in ids], np.int64), np.arange(1.0, len(ids) + 1)
    )
    before = as_dict(table)
    bigger = sketch.grown(table, extra)
    assert as_dict(bigger) == before
    assert bigger.capacity > table.capacity
    assert not sketch.needs_growth(bigger, extra)


@given(st.lists(FEW, unique=True, max_size=100))
def test_entries_come_sorted_whatever_the_order_of_insertion(ids):
    keys = np.array([sketch.pack(*item) for item in ids], np.int64)
    weights = keys % 1013 + 0.5
    one = sketch.entries(sketch.from_entries(keys, weights))
    other = sketch.entries(sketch.from_entries(keys[::-1].copy(), weights[::-1].copy()))
    for left, right in zip(one, other, strict=True):
        assert left.tolist() == right.tolist()
    assert (np.diff(one[0]) > 0).all()


@given(st.lists(FEW, unique=True, max_size=100), st.integers(130, 400), st.randoms(use_true_random=False))
def test_a_table_is_rebuilt_slot_by_slot_from_its_layout(ids, capacity, chance):
    table = sketch.empty_table(capacity)
    chance.shuffle(ids)
    for item in ids:
        add(table, int(sketch.pack(*item)), float(item[2]))
    again = sketch.from_entries(*sketch.layout(table), table.capacity)
    assert again.keys.tobytes() == table.keys.tobytes()
    assert again.meta.tolist() == table.meta.tolist()


def test_a_table_of_tiny_capacity_is_rebuilt_around_its_end():
    capacity = 16
    keys = [
        key
        for key in (int(sketch.pack(1, 0, value)) for value in range(1, 4000))
        if sketch.home_slot(key, capacity) == 14
    ]
    table = sketch.empty_table(capacity)
    for key in keys[:6]:
        add(table, key, 1.0)
    again = sketch.from_entries(*sketch.layout(table), capacity)
    assert again.keys.tobytes() == table.keys.tobytes()
