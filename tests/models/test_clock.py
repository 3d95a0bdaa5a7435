"""Which times are trusted: one machine with a wrong clock must not move the day of everybody."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.baselines import DAY_US
from models.clock import HOUR_US, Clock, witnesses

START = 20_000 * DAY_US
YEAR = 365 * DAY_US


def told(clock: Clock, events: list[tuple[float, int]]) -> list[float]:
    """Hours after START that are trusted after each of (hours after START, witness)."""
    times = np.array([START + round(hours * HOUR_US) for hours, _ in events], np.int64)
    newest = clock.advance(times, np.array([who for _, who in events], np.int64))
    return ((newest - START) / HOUR_US).tolist()


def busy(hours: float, first: float = 0.0, people: int = 20, seed: int = 0) -> list[tuple[float, int]]:
    """An office at work: an event every two minutes."""
    rng = np.random.default_rng(seed)
    count = round(hours * 30)
    return list(
        zip((first + np.arange(count) / 30).tolist(), rng.integers(1, people, count).tolist(), strict=True)
    )


def test_time_goes_with_the_events_over_midnights():
    events = busy(60)
    assert told(Clock(), events) == pytest.approx([hours for hours, _ in events])


def test_one_event_from_a_clock_years_ahead_moves_nothing():
    clock = Clock()
    told(clock, busy(10))
    assert told(clock, [(24 * 365 * 3, 99)])[0] < 10
    after = busy(30, first=10)
    assert told(clock, after) == pytest.approx([hours for hours, _ in after])


@pytest.mark.parametrize("ahead", [9.0, 26.0, 24.0 * 400])
def test_a_machine_that_is_ahead_all_day_moves_nothing_while_the_others_are_heard(ahead):
    clock = Clock()
    told(clock, busy(10))
    mixed = []
    for hours, who in busy(40, first=10):
        mixed += [(hours, who), (hours + ahead, 99), (hours + ahead + 0.001, 99)]
    trusted = told(clock, mixed)
    assert max(trusted[0::3]) < 50
    assert trusted[-1] == pytest.approx(mixed[-3][0])


def test_a_site_whose_clocks_are_hours_ahead_does_not_move_the_others():
    rng = np.random.default_rng(4)
    clock = Clock()
    told(clock, busy(24, people=200))
    mixed = []
    for hours, who in busy(72, first=24, people=200, seed=1):
        # one in twelve events, of sixteen machines
        mixed.append((hours + 9, 900 + int(rng.integers(16))) if rng.random() < 0.08 else (hours, who))
    trusted = np.array(told(clock, mixed))
    true = np.array([hours - 9 * (who >= 900) for hours, who in mixed])
    assert (trusted <= true + 1e-9).all()


def test_a_log_that_resumes_after_a_month_goes_on_with_its_first_few_events():
    clock = Clock()
    told(clock, busy(48))
    after = busy(24, first=24 * 32)
    trusted = told(clock, after)
    assert trusted[20] == pytest.approx(after[20][0])
    assert trusted[-1] == pytest.approx(after[-1][0])


def test_the_earliest_of_the_claims_is_trusted_not_the_farthest():
    clock = Clock()
    told(clock, busy(48))
    months = 24 * 70
    trusted = told(clock, [(24 * 900, 99), *busy(3, first=months)])
    assert trusted[-1] == pytest.approx(months + 3 - 1 / 30)


def test_a_log_of_one_machine_needs_nobody_else():
    clock = Clock()
    day = [(hours / 4, 1) for hours in range(40)]
    told(clock, day)
    assert told(clock, [(72.0, 1)]) == [72.0], "after a weekend at once"
    assert told(clock, [(24 * 400, 1), (24 * 400 + 0.1, 1)])[-1] == pytest.approx(24 * 400 + 0.1)


def test_one_machine_with_a_wrong_event_in_a_log_of_its_own_goes_on():
    clock = Clock()
    told(clock, [(hours / 4, 1) for hours in range(40)])
    assert told(clock, [(24 * 900, 1), (10.5, 1), (11.0, 1)]) == [9.75, 10.5, 11.0]


def test_rare_events_of_several_machines_are_all_trusted():
    events = [(24.0 * 2 * number, number % 5) for number in range(200)]
    trusted = told(Clock(), events)
    assert trusted[40:] == [hours for hours, _ in events][40:]


def test_when_one_of_several_machines_goes_on_alone_it_is_believed_after_a_day():
    clock = Clock()
    told(clock, busy(48))
    alone = [(24 * 10 + number / 2, 7) for number in range(100)]
    trusted = told(clock, alone)
    assert trusted[40] < 48
    assert trusted[-1] == alone[-1][0]
    far = [(24 * 400 + number / 2, 7) for number in range(100)]
    other = Clock()
    told(other, busy(48))
    assert told(other, far)[-1] < 48, "but not years ahead"


def test_late_events_change_nothing():
    clock = Clock()
    told(clock, busy(48))
    before = clock.newest_us
    told(clock, [(-24 * 4000, 3), (1.0, 4), (30.0, 5)])
    assert clock.newest_us == before


def strange_stream(seed: int) -> list[tuple[float, int]]:
    """Office days with silences, stragglers, and clocks that are wrong by anything."""
    rng = np.random.default_rng(seed)
    events: list[tuple[float, int]] = []
    hours = 0.0
    for _ in range(6):
        events += busy(float(rng.uniform(0.5, 20)), first=hours, people=int(rng.integers(2, 6)), seed=seed)
        hours = events[-1][0] + float(rng.choice([0.5, 14, 60, 24 * 40]))
    for index in rng.integers(0, len(events), len(events) // 6).tolist():
        events[index] = (events[index][0] + float(rng.choice([-50, 3, 9, 26, 24 * 500])), events[index][1])
    return events


@given(seed=st.integers(0, 500), sizes=st.lists(st.integers(1, 300), min_size=1, max_size=8))
def test_how_events_are_cut_and_saved_does_not_matter(seed, sizes):
    events = strange_stream(seed)
    whole, cut = Clock(), Clock()
    trusted = told(whole, events)
    parts: list[float] = []
    first = turn = 0
    while first < len(events):
        size = sizes[turn % len(sizes)]
        parts += told(cut, events[first : first + size])
        first, turn = first + size, turn + 1
        if turn % 3 == 0:
            cut = Clock.restored(cut.export())
    assert parts == trusted
    assert cut.export() == whole.export()
    assert (np.diff(trusted) >= 0).all()


def test_renumbered_witnesses_are_the_same_witnesses():
    plain, moved = Clock(), Clock()
    for clock in (plain, moved):
        told(clock, [*busy(5, people=2), (500.0, 7)])
    ids = np.arange(100)[::-1].copy()
    moved.renumber(ids)
    rest = [(500.5, 8), (501.0, 9), (501.1, 7), (501.2, 8)]
    assert told(plain, rest) == told(moved, [(hours, int(ids[who])) for hours, who in rest])


def test_the_host_keeps_the_clock_of_an_event_and_the_address_where_there_is_none():
    columns = np.array([[0, 5, 6, 7], [0, 5, 0, 7], [0, 5, 0, 0], [0, 0, 0, 0]])
    assert witnesses(columns).tolist() == [6, 7, 5, 0]
