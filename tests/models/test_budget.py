"""Alerts that are raised as the day goes are held to what people can read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.baselines import DAY_US
from features.errors import InputError
from models.alerts import NEVER, AlertBook
from models.budget import Controller
from models.days import DayTable, empty_days
from models.risk import Budget

HOUR_US = DAY_US // 24
FIRST = 20_001  # a Monday


def table(day: int, entity: np.ndarray, events: np.ndarray) -> DayTable:
    """Entity-days of which only the ids and the numbers of events matter here."""
    n = len(entity)
    blank = DayTable(*(np.zeros((n, *array.shape[1:]), array.dtype) for array in empty_days(1, 1)))
    return blank._replace(
        entity=entity.astype(np.int32), day=np.full(n, day, np.int32), n_events=events.astype(np.int64)
    )


def live(book: AlertBook, day: int, final: np.ndarray, grows: np.ndarray) -> None:
    """One day: each entity's risk jumps to its final height at an hour of its own, with an event an hour."""
    entity = np.arange(1, len(final) + 1)
    for hour in range(2, 24, 3):
        so_far = np.where(grows < hour, final, 0.1 * final)
        days = table(day, entity, np.full(len(final), hour))
        if book.watches:
            rows = book.due(days)
            book.mark(day * DAY_US + hour * HOUR_US, days.take(rows), so_far[rows], len(final))
    book.close((day + 1) * DAY_US, day, table(day, entity, np.full(len(final), 24)), final)


def weeks_of(book: AlertBook, days: int) -> list[float]:
    """Realised over nominal of every seven days in a row of the last `days`."""
    past = book.controller._days[-days:]
    return [
        sum(day.realised for day in past[first : first + 7])
        / sum(day.nominal for day in past[first : first + 7])
        for first in range(len(past) - 6)
    ]


def organisation(
    seed: int, day: int, *, drift: float = 0.0, growth: float = 0.0, weekend: bool = True
) -> np.ndarray:
    """Risks of one day: exponential, as tail probabilities are, with what makes life hard for a line."""
    rng = np.random.default_rng((seed, day))
    people = 400 * (1.0 + growth * day / 56)
    if weekend and day % 7 >= 5:
        people *= 0.3
    return rng.exponential(1.0 + drift * day / 56, round(people)) * (0.6 if weekend and day % 7 >= 5 else 1.0)


@pytest.mark.parametrize(
    "life",
    [{"weekend": False}, {}, {"drift": 1.0}, {"drift": -0.5}, {"growth": 4.0}, {"drift": 0.6, "growth": 2.0}],
    ids=str,
)
def test_any_week_has_the_alerts_that_were_asked_for(life):
    book = AlertBook()
    for day in range(56):
        final = organisation(1, day, **life)
        live(book, FIRST + day, final, np.random.default_rng(day).uniform(0, 24, len(final)))
    ratios = weeks_of(book, 53)
    assert min(ratios) >= 0.8
    assert max(ratios) <= 1.2
    past = book.controller._days
    assert all(day.realised <= 2 * day.nominal for day in past)
    at_us = np.concatenate([raised.at_us for raised in book._raised[7:]])
    assert (at_us % DAY_US > 0).mean() > 0.4, "the line raises during the day, not only at its end"


def test_a_burst_meets_the_caps_and_is_paid_back():
    book = AlertBook()
    for day in range(42):
        final = organisation(3, day, weekend=False)
        if day in (20, 21, 22):
            final[:80] += 8.0
        live(book, FIRST + day, final, np.random.default_rng(day).uniform(0, 24, len(final)))
    past = book.controller._days
    burst = next(closed for closed in past if closed.day == FIRST + 20)
    assert burst.realised > 15, "what is extreme is raised, up to the caps"
    assert all(day.realised <= 20 for day in past)
    assert max(weeks_of(book, 39)) <= 1.2
    assert min(weeks_of(book, 39)) >= 0.8
    assert all(day.realised >= 2 for day in past), "no day goes without"


def test_what_is_beyond_the_floor_pages_whatever_was_spent():
    book = AlertBook(Budget(page_nats=20.0))
    for day in range(10):
        final = organisation(4, day, weekend=False)
        if day == 9:
            final[:60] = 21.0 + np.arange(60) / 100
        live(book, FIRST + day, final, np.full(len(final), 5.0))
    last = book._raised[-1]
    assert last.paged.sum() == 60
    assert (~last.paged).sum() >= 1
    assert book.controller.realised(1).paged == 60
    assert book.controller.realised(1).realised <= 20
    assert max(day.peaks.max() for day in book.controller._days) < 20, "and the line does not learn from them"


def test_an_alert_is_raised_at_the_mark_at_which_the_risk_reached_the_line_and_stays():
    book = AlertBook()
    for day in range(8):
        live(book, FIRST + day, organisation(5, day, weekend=False), np.full(400, 30.0))
    day = FIRST + 8
    entity = np.arange(1, 401)
    risk = np.full(400, 0.1)
    for hour in range(1, 24):
        risk[7] = 15.0 if 9 <= hour < 12 else 0.2
        book.mark(day * DAY_US + hour * HOUR_US, table(day, entity, np.full(400, hour)), risk, 400)
    key = entity.astype(np.int64) << 32 | day
    moments = book.moments(key, day)
    assert moments[7] == day * DAY_US + 9 * HOUR_US
    assert (np.delete(moments, 7) == NEVER).all()
    book.close((day + 1) * DAY_US, day, table(day, entity, np.full(400, 24)), risk)
    after = book.moments(key, day + 1)
    assert after[7] == moments[7]
    assert set(np.delete(after, 7).tolist()) == {NEVER, (day + 1) * DAY_US}


def test_until_there_is_history_alerts_are_the_highest_of_the_day_when_it_closes():
    book = AlertBook(Budget(4))
    final = np.arange(1.0, 101.0)
    live(book, FIRST, final, np.full(100, 3.0))
    assert (book._raised[0].key >> 32).tolist() == [97, 98, 99, 100]
    assert set(book._raised[0].at_us.tolist()) == {(FIRST + 1) * DAY_US}


def test_the_open_day_says_what_it_would_raise_if_it_ended_now():
    book = AlertBook(Budget(2))
    days, risk = table(FIRST, np.array([5, 6, 7, 8]), np.ones(4)), np.array([1.0, 3.0, 0.0, 2.0])
    assert book.would_fill(days, risk).tolist() == [6, 8]
    book.close((FIRST + 1) * DAY_US, FIRST, days, risk)
    assert (book._raised[0].key >> 32).tolist() == [6, 8]


def test_nothing_strange_raises_nothing():
    book = AlertBook()
    for day in range(5):
        live(book, FIRST + day, np.zeros(30), np.zeros(30))
    assert book.controller.realised().realised == 0
    assert not len(book.moments(np.array([1 << 32 | FIRST]), FIRST)) or book.moments(
        np.array([1 << 32 | FIRST]), FIRST
    ).tolist() == [NEVER]


@settings(max_examples=8)
@given(cut=st.integers(0, 13), seed=st.integers(0, 20))
def test_a_book_that_was_saved_goes_on_as_if_nothing_had_happened(cut, seed):
    whole, saved = AlertBook(), AlertBook()
    for day in range(14):
        final = organisation(seed, day)[:60]
        grows = np.random.default_rng(day).uniform(0, 24, len(final))
        live(whole, FIRST + day, final, grows)
        if day == cut:
            saved = AlertBook.restored(*saved.export())
        live(saved, FIRST + day, final, grows)
    one, two = whole.export(), saved.export()
    assert one[1] == two[1]
    assert {name: array.tobytes() for name, array in one[0].items()} == {
        name: array.tobytes() for name, array in two[0].items()
    }


def test_marks_are_every_so_many_hours_and_at_midnight():
    book = AlertBook(every_hours=5)
    hours = [
        book.mark_after(FIRST * DAY_US + round(at * HOUR_US)) / HOUR_US % 24
        for at in (0, 4.9, 5, 19, 20, 23.9)
    ]
    assert hours == [5, 5, 10, 20, 0, 0]
    marks = book.marks(np.array([-1, *(FIRST * DAY_US + hour * HOUR_US for hour in (0, 4, 5, 24))]))
    assert marks[0] == -1
    assert (np.diff(marks[1:]) / HOUR_US).tolist() == [0, 5, 19]


def test_what_is_followed_live_has_marks_closer_together_and_history_keeps_its_own():
    book = AlertBook(every_hours=6)
    noon = FIRST * DAY_US + 12 * HOUR_US
    minute = HOUR_US // 60
    before = book.marks(np.array([noon + 7 * HOUR_US]))
    book.follow(noon + HOUR_US + 7 * minute, 15)
    assert book.marks(np.array([noon + 7 * minute]))[0] == noon
    live = noon + HOUR_US + np.array([0, 20, 29, 30, 31]) * minute
    assert np.diff(book.marks(live) // minute).tolist() == [15, 0, 15, 0]
    assert book.mark_after(noon - HOUR_US) == noon
    assert book.mark_after(noon) == noon + HOUR_US, "no mark lies behind the first live one"
    assert book.mark_after(noon + HOUR_US) == noon + HOUR_US + 15 * minute
    assert book.mark_after((FIRST + 1) * DAY_US - 1) == (FIRST + 1) * DAY_US
    assert book.marks(np.array([noon + 7 * HOUR_US]))[0] != before[0]


def test_following_on_never_puts_a_mark_after_the_event_that_reaches_it():
    """As hours go by and what was live becomes history, whatever the steps."""
    rng = np.random.default_rng(3)
    for every_hours, minutes in ((3, 15), (24, 1), (5, 7)):
        book = AlertBook(every_hours=every_hours)
        now = FIRST * DAY_US
        for step in rng.integers(1, 3 * HOUR_US, 300).tolist():
            following = now + int(step)
            book.follow(following - 2 * HOUR_US, minutes)
            one, two = book.marks(np.array([now, following]))
            if one != two:
                assert now < book.mark_after(now) <= following
            now = following


def test_the_same_number_of_days_is_told_as_was_closed():
    controller = Controller(Budget(10))
    controller.close(1, 10, 12, 1, np.array([3.0, 0.0, 5.0]))
    controller.close(2, 20, 15, 0, np.array([1.0]))
    assert controller.realised() == (2, 30, 27, 1)
    assert controller.realised(1) == (1, 20, 15, 0)


@pytest.mark.parametrize(
    "bad", [{"alerts_per_day": 0}, {"cap": 0.5}, {"week": 0.9}, {"alerts_per_day": float("nan")}]
)
def test_a_budget_that_cannot_be_kept_is_refused(bad):
    with pytest.raises(InputError, match="budget"):
        Budget(**bad)
