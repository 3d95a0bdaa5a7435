"""Who comes back after a silence that is long for them."""

from __future__ import annotations

import pytest

from models.calibration import CAP_NATS, THRESHOLD_NATS
from tests.activities import World, at, event, strongest

USERS = tuple(f"user-{number}" for number in range(20))
AWAY = "user-3"


def weekday(day: int) -> bool:
    return day % 7 not in (0, 1)  # the first day is a Saturday


def office(days: int, silent: dict[str, range]) -> list:
    """What returns are found in an office where everybody has a week of holidays at some time."""
    world = World()
    found = []
    for day in range(days):
        present = [
            user
            for number, user in enumerate(USERS)
            if weekday(day) and day not in range(14 + 4 * number, 21 + 4 * number)
        ]
        told = [
            event(at(day, 9), user=user, host=f"of-{user}")
            for user in present
            if day not in silent.get(user, range(0))
        ]
        found += [(day, one) for one in world.day(day, told) if one.kind == "return"]
    return found


def test_a_return_after_forty_days_of_silence_is_found():
    found = office(150, {AWAY: range(105, 145)})
    back = [(day, one) for day, one in found if day >= 140]
    assert {one.channel for _, one in back} == {"user.return", "host.return"}
    assert {one.entity for _, one in back} == {AWAY, f"of-{AWAY}"}
    day, one = back[0]
    gap, active, span = one.counts[:3]
    assert gap == day - 104
    assert active < span <= 105
    assert one.nats > THRESHOLD_NATS + 4.0
    assert one.nats <= CAP_NATS


def test_weekends_are_nothing_and_holidays_of_a_week_are_weak():
    found = office(150, {})
    holidays = [(day, one) for day, one in found if day >= 60]
    weekends = [(day, one.nats) for day, one in found if one.counts[0] <= 4]
    assert all(nats < THRESHOLD_NATS + 0.5 for day, nats in weekends if day > 14), "once two were seen"
    assert all(day < 30 for day, _ in weekends)
    assert max((one.nats for _, one in holidays), default=0.0) < THRESHOLD_NATS + 1.5
    long_silence = office(150, {AWAY: range(105, 145)})[-1][1].nats
    assert all(long_silence > one.nats + 2.0 for _, one in holidays)


@pytest.mark.parametrize("active", [1, 2])
def test_who_was_hardly_ever_there_has_no_rhythm_to_break(active):
    world = World()
    for day in range(active):
        world.day(day, [event(at(day, 9), user="guest")])
    assert world.day(200, [event(at(200, 9), user="guest")]) == []


def test_who_comes_seldom_may_stay_away_longer():
    world = World()
    for day in range(120):
        told = [event(at(day, 9), user="daily")]
        if day % 20 == 0:
            told.append(event(at(day, 10), user="seldom"))
        world.day(day, told)
    found = world.day(140, [event(at(140, 9), user="daily"), event(at(140, 9), user="seldom")])
    assert strongest(found, "daily", "user.return") > 4.0
    assert strongest(found, "seldom", "user.return") == 0.0


def test_a_return_is_found_once_a_day_and_with_the_event_that_ended_the_silence():
    world = World()
    for day in range(10):
        world.day(day, [event(at(day, 9), user="alice")])
    told = [event(at(60, 1), user="bob"), *(event(at(60, 9 + i), user="alice") for i in range(5))]
    found = [one for one in world.day(60, told) if one.kind == "return"]
    assert [(one.row, one.entity) for one in found] == [(1, "alice")]
    again = world.observe([event(at(60, 20), user="alice")])
    assert [one for one in again if one.kind == "return"] == []
