"""Nobody is in two countries within an hour; but some always seem to be."""

from __future__ import annotations

import pytest

from features.places import Places
from models.calibration import THRESHOLD_NATS
from models.travel import AIRLINER_KM_H
from tests.activities import START_DAY, World, at, event, strongest


def sign_in(time_us: int, country: str, user: str = "alice", what: str = "logon") -> dict:
    return event(time_us, what, user=user, src_country=country)


def trip(*stops: tuple[float, str], what: str = "logon") -> list:
    """What is found in sign-ins of one user at hours after the start."""
    world = World()
    found = []
    for hours, country in stops:
        day = int(hours // 24)
        if world.activity.today != START_DAY + day:
            world.day(day, [])
        found += world.observe([sign_in(at(0, hours), country, what=what)])
    return [one for one in found if one.kind == "travel"]


def test_impossible_travel_is_found_with_where_how_far_and_how_fast():
    found = trip((8.0, "DE"), (9.0, "JP"))
    assert [(one.channel, one.entity, one.value) for one in found] == [("user.travel", "alice", "JP")]
    assert found[0].nats > THRESHOLD_NATS + 2.0
    away, hours, before, jumps = found[0].counts[:4]
    assert away == pytest.approx(Places().distance_km("DE", "JP"), rel=1e-4)
    assert hours == pytest.approx(1.0)
    assert Places().countries[int(before)] == "DE"
    assert jumps == 0


def test_faster_is_odder_and_an_airliner_is_not_odd():
    nats = [
        max((one.nats for one in trip((0.0, "DE"), (hours, "JP"))), default=0.0) for hours in (0.1, 1, 4, 11)
    ]
    assert nats == sorted(nats, reverse=True)
    assert nats[0] > nats[1] > nats[2]
    assert nats[3] == 0.0
    assert Places().distance_km("DE", "JP") / 11 < AIRLINER_KM_H


@pytest.mark.parametrize(
    "stops",
    [
        ((8.0, "DE"), (8.01, "FR"), (8.02, "DE"), (8.03, "AT")),
        ((8.0, "US"), (8.01, "CA"), (8.02, "MX")),
        ((8.0, "JP"), (8.001, "JP"), (9.0, "JP")),
        ((8.0, "DE"), (8.01, "nowhere"), (8.02, "DE")),
        ((8.0, "DE"), (8.01, "")),
    ],
)
def test_neighbours_one_country_and_the_unknown_are_never_odd(stops):
    assert trip(*stops) == []


def test_what_failed_was_not_them():
    assert trip((8.0, "DE"), (9.0, "JP"), what="failure") == []
    world = World()
    world.day(0, [sign_in(at(0, 8), "DE"), sign_in(at(0, 8.5), "JP", what="failure")])
    assert world.observe([sign_in(at(0, 9), "DE")]) == []


def test_a_late_event_moves_nobody():
    world = World()
    world.day(1, [sign_in(at(1, 8), "DE")])
    assert world.observe([sign_in(at(1, 6), "JP")]) == []
    assert world.observe([sign_in(at(1, 8.5), "DE")]) == []


def commuter(days: int) -> list[float]:
    """Evidence of each day of somebody whose telephone is in one country and whose VPN ends in another."""
    world = World()
    nats = []
    for day in range(days):
        told = [sign_in(at(day, 8), "DE", "vpn"), sign_in(at(day, 8.2), "US", "vpn")]
        told += [sign_in(at(day, 9), "DE", f"user-{number}") for number in range(5)]
        nats.append(strongest(world.day(day, told), "vpn", "user.travel"))
    return nats


def test_whoever_jumps_every_day_is_believed_after_a_while():
    nats = commuter(30)
    assert nats[0] > 1.0
    assert nats[5:] == [0.0] * 25


def test_whoever_was_believed_and_stopped_jumping_is_asked_again_months_later():
    world = World()
    for day in range(20):
        world.day(day, [sign_in(at(day, 8), "DE"), sign_in(at(day, 8.2), "US")])
    raw_jumps = world.activity.jumps[world.id("alice")]
    assert raw_jumps > 10
    world.day(320, [sign_in(at(320, 8), "DE")])
    assert world.activity.jumps[world.id("alice")] < 0.1
