from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.behaviours import WIDTH
from features.columns import Batch
from serving.watermark import Waiting, WatermarkBuffer, joined

SECOND = 1_000_000
NOW = 10**15


def events(times_s: list[float], first: int = 0) -> Waiting:
    n = len(times_s)
    times = np.array([round(t * SECOND) for t in times_s], np.int64)
    number = np.arange(first, first + n)
    batch = Batch(
        times,
        number.astype(np.int32),
        np.zeros(n, np.int32),
        np.zeros((n, WIDTH), np.int32),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
    )
    return Waiting(batch, np.array([f"e{i}" for i in number], object), np.zeros(n, np.int64))


def run(groups: list[list[tuple[float, int]]], limit: int = 10**6) -> list[tuple[float, str]]:
    """Names in the order they were let go, groups of (time, number)."""
    buffer = WatermarkBuffer(60 * SECOND, limit, 60 * SECOND)
    out: list[Waiting] = []
    for group in groups:
        waiting = joined([events([time], number) for time, number in group])
        assert not buffer.late(waiting.batch.time_us).any()
        buffer.add(waiting, NOW)
        out.append(buffer.ready())
    out.append(buffer.all())
    assert not len(buffer)
    everything = joined(out)
    return list(zip(everything.batch.time_us.tolist(), everything.uids.tolist(), strict=True))


@given(st.data())
def test_order_within_the_watermark_does_not_matter(data):
    """P7. Letting events go at their newest time, without the lateness, makes it fail."""
    times = sorted(data.draw(st.lists(st.integers(0, 3000), min_size=1, max_size=60, unique=True)))
    # each arrives up to a minute after its turn, in groups of any size
    delay = data.draw(st.lists(st.floats(0, 59), min_size=len(times), max_size=len(times)))
    arrival = sorted(range(len(times)), key=lambda i: times[i] + delay[i])
    cuts = sorted(data.draw(st.sets(st.integers(1, len(times)), max_size=8)) | {len(times)})
    groups, start = [], 0
    for cut in cuts:
        groups.append([(times[i], i) for i in arrival[start:cut]])
        start = cut
    assert run(groups) == [(time * SECOND, f"e{i}") for i, time in enumerate(times)]


def test_events_of_one_time_keep_the_order_of_their_arrival():
    assert [name for _, name in run([[(5, 0), (5, 1)], [(5, 2)], [(200, 3)]])] == ["e0", "e1", "e2", "e3"]


def test_what_is_older_than_what_left_is_late():
    buffer = WatermarkBuffer(60 * SECOND, 100, 60 * SECOND)
    buffer.add(events([0, 10, 100]), NOW)
    assert buffer.ready().uids.tolist() == ["e0", "e1"]
    assert buffer.late(np.array([9, 10, 11], np.int64) * SECOND).tolist() == [True, False, False]


def test_a_clock_that_is_ahead_makes_nobody_late():
    """P8. Moving the watermark by whatever time an event claims makes it fail."""
    buffer = WatermarkBuffer(60 * SECOND, 100, 60 * SECOND)
    received = 1_000 * SECOND
    buffer.add(events([900, 4_000]), received)
    buffer.add(events([990], 2), received)
    assert buffer.ready().uids.tolist() == ["e0"]
    buffer.add(events([1_200], 3), received + 300 * SECOND)
    assert buffer.ready().uids.tolist() == ["e2"]


def test_memory_is_bounded_and_the_oldest_leave_first():
    buffer = WatermarkBuffer(10**9 * SECOND, 100, 60 * SECOND)
    buffer.add(events(list(range(100))), NOW)
    assert len(buffer.ready()) == 0
    buffer.add(events([1000], 100), NOW)
    left = buffer.ready()
    assert left.uids.tolist() == [f"e{i}" for i in range(len(left))]
    assert len(left) == 26
    assert len(buffer) == 75


def test_what_waits_survives_a_checkpoint():
    buffer = WatermarkBuffer(60 * SECOND, 100, 60 * SECOND)
    buffer.add(events([5, 1, 200]), NOW)
    buffer.ready()
    buffer.add(events([190, 150], 3), NOW)
    arrays, settings = buffer.export()
    other = WatermarkBuffer(60 * SECOND, 100, 60 * SECOND)
    other.resume(arrays, settings)
    assert other.late(np.array([4, 5], np.int64) * SECOND).tolist() == [True, False]
    ours, theirs = buffer.all(), other.all()
    assert ours.uids.tolist() == theirs.uids.tolist() == ["e4", "e3", "e2"]
    assert all(np.array_equal(a, b) for a, b in zip(ours.batch, theirs.batch, strict=True))


def test_nothing_waits_at_first():
    buffer = WatermarkBuffer(60 * SECOND, 100, 60 * SECOND)
    assert len(buffer.ready()) == len(buffer.all()) == 0
    assert buffer.late(np.array([0], np.int64)).tolist() == [False]
    buffer.resume(*buffer.export())
    assert len(buffer) == 0
    with pytest.raises(KeyError):
        buffer.resume({}, {})


@given(st.data())
def test_submissions_that_pass_together_are_as_one_after_the_other(data):
    sizes = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=6))
    place = np.repeat(np.arange(len(sizes)), sizes)
    times = data.draw(st.lists(st.integers(0, 400), min_size=len(place), max_size=len(place)))
    received = NOW + np.array(
        data.draw(st.lists(st.integers(-400, 0), min_size=len(sizes), max_size=len(sizes)))
    )
    waits = data.draw(st.lists(st.integers(0, 900), max_size=3))
    offset = NOW / SECOND - 300
    found = []
    for way in ("passed", "_passed_one_by_one"):
        buffer = WatermarkBuffer(60 * SECOND, 10**6, 60 * SECOND)
        if waits:
            buffer.add(events([offset + time for time in waits], 100), NOW)
        given_events = events([offset + time for time in times])
        late, left = getattr(buffer, way)(given_events, place, received * 1)
        state = buffer.newest_us, buffer.released_us, buffer.added_us if len(place) else 0, len(buffer)
        found.append((late.tolist(), left.uids.tolist(), left.tag.tolist(), state))
    assert found[0] == found[1]
