"""A bounded memory of what was seen today, and room that grows."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from features.windows import (
    CROWDED,
    TODAY,
    empty_known,
    empty_open,
    empty_seen,
    last_hour,
    packed_seen,
    trace_key,
    with_room,
)

DAY_HOURS = 24 * 20_148


def test_nobody_is_active_at_first():
    rows = empty_open(10, 4, 3)
    assert (rows.row_of == -1).all()
    assert rows.meta[TODAY] == -1
    known = empty_known(5)
    assert (known.first == -1).all()
    assert (known.last == -1).all()
    assert not known.active.any()


@given(length=st.integers(0, 50), size=st.integers(0, 200), fill=st.integers(-2, 2))
def test_room_is_added_behind_what_is_there(length, size, fill):
    array = np.arange(length, dtype=np.int32)
    larger = with_room(array, size, fill)
    assert len(larger) >= max(length, size)
    assert larger.dtype == np.int32
    assert larger[:length].tolist() == list(range(length))
    assert (larger[length:] == fill).all()
    assert (with_room(array, length) is array) or not length


@settings(max_examples=50)
@given(shown=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3), st.integers(1, 9), st.integers(0, 40))))
def test_traces_are_those_of_a_dictionary_while_there_is_room(shown):
    seen, rows = empty_seen(1 << 12), empty_open(1, 1, 1)
    model: dict[tuple[int, int, int], int] = {}
    for entity, measure, value, hour in shown:
        told = last_hour(seen.traces, rows.meta, entity, measure, value, DAY_HOURS + hour)
        assert told == model.get((entity, measure, value), -1)
        model[entity, measure, value] = max(told, DAY_HOURS + hour)
    assert rows.meta[CROWDED] == 0


def crowd(values: int, hour: int, seen, rows) -> int:
    """How many of the values had no trace."""
    return sum(last_hour(seen.traces, rows.meta, 1, 2, value, hour) == -1 for value in range(1, values + 1))


def test_traces_of_today_that_gave_way_are_counted_and_those_of_yesterday_are_not():
    seen, rows = empty_seen(1 << 8), empty_open(1, 1, 1)
    assert crowd(150, DAY_HOURS, seen, rows) == 150
    forgotten = int(rows.meta[CROWDED])
    assert forgotten < 30
    assert crowd(150, DAY_HOURS + 24, seen, rows) <= 150
    rows.meta[CROWDED] = 0
    assert crowd(2_000, DAY_HOURS + 48, seen, rows) > 1_800
    assert 1_500 < rows.meta[CROWDED] <= 2_000


def test_traces_kept_as_two_arrays_are_read():
    seen, rows = empty_seen(1 << 8), empty_open(1, 1, 1)
    last_hour(seen.traces, rows.meta, 3, 1, 9, DAY_HOURS)
    place = int(np.flatnonzero(seen.traces)[0])
    tags, hours = np.zeros(1 << 8, np.int64), np.zeros(1 << 8, np.int32)
    tags[place], hours[place] = np.uint64(trace_key(3, 1, 9)).view(np.int64) | 1, DAY_HOURS
    assert packed_seen(tags, hours).traces.tolist() == seen.traces.tolist()
