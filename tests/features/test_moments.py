"""Moments are decayed sums: order, moved landmarks and save-and-load change nothing; memory is bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.moments import CELL_BITS, SUMS, Moments, add_moment, first_cell

NAMES = st.tuples(st.integers(1, 40), st.integers(0, 5))
SEEN = st.lists(
    st.tuples(NAMES, st.integers(0, 40_000).map(lambda four: four / 4), st.integers(0, 900)), max_size=80
)


CELLS = 6
"""Cells of a holder here."""


def add(moments: Moments, holder: int, cell: int, x: float, day: int, *, above: bool = False) -> None:
    moments.take_ids(holder + 1)
    if not moments.has_room(CELLS, CELLS):
        moments.make_room(CELLS, CELLS)
    fast, slow = moments.weights(day)
    blocks = moments.above if above else moments.own
    add_moment(blocks.sums, first_cell(blocks, holder, CELLS) + cell, x, fast, slow)


def read(moments: Moments, holder: int, cell: int) -> np.ndarray:
    return moments.sums(holder, cell)


def restored(arrays: dict[str, np.ndarray], settings_: dict) -> Moments:
    return Moments.restored(arrays, settings_, np.full(60_000, CELLS), np.arange(60_000) >= 50_000)


@settings(max_examples=50)
@given(seen=SEEN)
def test_sums_are_those_of_a_dictionary(seen):
    moments = Moments(half_life_days=30.0, slow_half_life_days=180.0)
    model: dict[tuple[int, int], np.ndarray] = {}
    seen = sorted(seen, key=lambda one: one[2])
    for (holder, cell), x, day in seen:
        add(moments, holder, cell, x, day)
        fast, slow = 2.0 ** (day / 30.0), 2.0 ** (day / 180.0)
        row = np.array([fast, fast * x, fast * x * x, slow, slow * x, slow * x * x])
        model[holder, cell] = model.get((holder, cell), np.zeros(6)) + row
    assert len(moments) == CELLS * len({holder for holder, _ in model})
    first = seen[0][2] if seen else 0
    shift = np.repeat(2.0 ** np.array([-first / 30.0, -first / 180.0]), 3)
    for (holder, cell), sums in model.items():
        np.testing.assert_allclose(read(moments, holder, cell), sums * shift, rtol=2e-5)


def test_moving_the_landmark_changes_no_mean():
    moved, plain = Moments(half_life_days=10.0), Moments(half_life_days=10.0)
    for day in range(0, 900, 3):
        for one in (moved, plain):
            add(one, 1 + day % 5, 0, float(day % 7), day)
        if day == 402:
            assert moved.landmark_day == 402, "moved by itself"
            assert plain.landmark_day == 402
        if day == 600:
            moved.weights(820)
            assert moved.landmark_day == 820, "moved early"
    for holder in range(1, 6):
        left, right = read(moved, holder, 0), read(plain, holder, 0)
        assert left[0] > 0
        for place in (0, 3):
            np.testing.assert_allclose(
                left[place + 1 : place + 3] / left[place],
                right[place + 1 : place + 3] / right[place],
                rtol=1e-4,
            )


@pytest.mark.parametrize(("first", "then"), [(0, 43_829), (43_829, 0), (20_000, 20_000)])
def test_a_clock_that_jumps_by_decades_leaves_finite_numbers(first, then):
    moments = Moments()
    for day in (first, then, first):
        add(moments, 1, 0, 37.0, day)
    assert np.isfinite(read(moments, 1, 0)).all()
    assert all(0.0 < weight < np.inf for weight in moments.weights(first))


def test_memory_stays_and_what_was_dropped_is_the_lightest_and_counted():
    moments = Moments(max_entries=3_000)
    for holder in range(1, 20_001):
        add(moments, holder, 0, 1.0, 0)
        if holder <= 100:
            for _ in range(3):
                add(moments, holder, 0, 1.0, 0)
        assert len(moments) <= 3_000
    assert moments.dropped == 20_000 - len(moments) // CELLS
    assert len(moments) >= 2_600
    assert moments.own.sums.nbytes <= 3_000 * SUMS * 4
    assert moments.nbytes >= moments.own.sums.nbytes
    assert sum(read(moments, holder, 0)[3] == 4.0 for holder in range(1, 101)) == 100, "the heavy stay"


def test_a_batch_larger_than_the_bound_is_let_in():
    moments = Moments(max_entries=60)
    moments.make_room(30_000, 0)
    assert moments.has_room(30_000, 0)
    for holder in range(1, 5_001):
        assert moments.has_room(CELLS, CELLS)
        add(moments, holder, 0, 1.0, 0)
    moments.make_room(CELLS, CELLS)
    assert len(moments) <= 54


def test_below_the_bound_room_is_made_and_nothing_is_dropped():
    moments = Moments()
    for holder in range(1, 6_000):
        add(moments, holder, 3, float(holder), 0)
        add(moments, holder + 50_000, 2, float(holder), 0, above=True)
    assert moments.dropped == 0
    assert len(moments) == 5_999 * CELLS
    for holder in range(1, 6_000):
        assert read(moments, holder, 3)[1] == read(moments, holder + 50_000, 2)[1] == holder
        assert not read(moments, holder, 2).any()


def test_renumbering_moves_sums_to_the_new_ids_and_forgets_who_is_gone():
    moments = Moments()
    for holder in range(1, 9):
        add(moments, holder, 2, float(holder), 5, above=holder > 6)
    new = np.zeros(9, np.int32)
    new[[2, 4, 8]] = [1, 2, 3]
    moments.renumber(new)
    assert len(moments) == 2 * CELLS
    assert [read(moments, holder, 2)[1] for holder in (1, 2, 3, 4, 8)] == [2.0, 4.0, 8.0, 0.0, 0.0]


def test_an_organisation_of_more_windows_than_float32_counts_goes_on_learning():
    moments = Moments(slow_half_life_days=1e9)
    add(moments, 1, 0, 1.0, 0, above=True)
    first = first_cell(moments.above, 1, CELLS)
    moments.above.sums[SUMS * first : SUMS * (first + 1)] = 2.0**24
    add(moments, 1, 0, 3.0, 0, above=True)
    assert read(moments, 1, 0)[:3].tolist() == [2.0**24 + 1, 2.0**24 + 3, 2.0**24 + 9]


@settings(max_examples=25)
@given(seen=SEEN)
def test_what_is_restored_is_what_was_exported_bit_for_bit(seen):
    moments = Moments(half_life_days=20.0, max_entries=50)
    for (holder, cell), x, day in seen:
        add(moments, holder, cell, x, day)
        add(moments, 50_000 + holder % 3, cell, x, day, above=True)
    arrays, kept = moments.export()
    again = restored(arrays, kept)
    assert again.export()[1] == kept
    for name in ("moment", "above"):
        assert (np.diff(arrays[f"{name}_keys"]) > 0).all()
        assert again.export()[0][f"{name}_sums"].tobytes() == arrays[f"{name}_sums"].tobytes()
        for key in arrays[f"{name}_keys"].tolist():
            holder, cell = key >> CELL_BITS, key & ((1 << CELL_BITS) - 1)
            assert read(again, holder, cell).tobytes() == read(moments, holder, cell).tobytes()


def test_a_checkpoint_with_all_levels_in_one_table_is_read():
    keys = np.array([7 << CELL_BITS | 2, 50_001 << CELL_BITS | 2])
    sums = np.arange(12, dtype=np.float32).reshape(2, SUMS)
    _, kept = Moments().export()
    moments = restored({"moment_keys": keys, "moment_sums": sums}, kept)
    assert read(moments, 7, 2).tolist() == sums[0].tolist()
    assert read(moments, 50_001, 2).tolist() == sums[1].tolist()
    assert moments.above.sums.dtype == np.float64
