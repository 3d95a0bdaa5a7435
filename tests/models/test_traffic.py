"""Beacons, chatter and transfers: regular or much, to whom hardly anybody knows."""

from __future__ import annotations

import numpy as np
import pytest

from features.windows import with_room
from models import traffic
from models.calibration import THRESHOLD_NATS, empty_histograms
from tests.activities import HOUR_US, MINUTE_US, World, at, event, strongest

HOSTS = tuple(f"ws-{number}" for number in range(12))
EVIL = "cdn-telemetry.example"
UPDATES = "updates.example"


def contact(time_us: int, host: str, domain: str, sent: int = 400) -> dict:
    return event(int(time_us), "traffic", host=host, domain=domain, dst=f"www.{domain}", sent=sent)


def waits(rng, day: int, seconds: float, jitter: float, hours: tuple[float, float] = (0.0, 24.0)):
    """Times of a beat with uniform jitter within the hours of one day."""
    count = int((hours[1] - hours[0]) * 3600 / seconds)
    steps = seconds * (1.0 + rng.uniform(-jitter, jitter, count))
    times = at(day, hours[0]) + 1e6 * np.cumsum(steps)
    return times[times < at(day, hours[1])].astype(np.int64).tolist()


def memoryless(rng, day: int, seconds: float) -> list[int]:
    times = at(day, 0) + 1e6 * np.cumsum(rng.exponential(seconds, int(3 * 86_400 / seconds)))
    return times[times < at(day + 1, 0)].astype(np.int64).tolist()


def ordinary(rng, day: int) -> list[dict]:
    """Everybody asks for updates every hour, and looks at pages as people do."""
    told = []
    for number, host in enumerate(HOSTS):
        told += [contact(time, host, UPDATES) for time in waits(rng, day, 3600, 0.05)]
        for page in range(3):
            domain = f"page-{(number * 3 + page) % 20}.example"
            told += [contact(time, host, domain) for time in memoryless(rng, day, 1800.0)]
    return told


@pytest.fixture(scope="module")
def week() -> World:
    world = World()
    rng = np.random.default_rng(3)
    for day in range(7):
        world.day(day, ordinary(rng, day))
    return world


def test_a_beacon_to_a_destination_nobody_else_knows_is_found_within_a_day(week):
    rng = np.random.default_rng(4)
    beats = [contact(time, "ws-3", EVIL) for time in waits(rng, 7, 600, 0.1)]
    newcomer = [contact(time, "ws-new", UPDATES) for time in waits(rng, 7, 3600, 0.05)]
    found = week.day(7, ordinary(rng, 7) + beats + newcomer)
    assert strongest(found, "ws-3", "host.regular") > 4.0
    beacon = next(one for one in found if one.kind == "regular" and one.entity == "ws-3")
    assert beacon.value == EVIL
    today, usual, spread, known_by, days, beats_so_far = beacon.counts
    assert usual == pytest.approx(600, rel=0.1)
    assert spread < 0.12
    assert (known_by, days) == (1, 0)
    assert today <= beats_so_far < 100
    assert strongest(found, "ws-new", "host.regular") == 0.0, "what everybody polls is no news"
    others = [one.nats for one in found if one.kind == "regular" and one.entity != "ws-3"]
    assert max(others, default=0.0) < beacon.nats
    assert max(one.nats for one in found if one.entity == "ws-3") > max(others, default=0.0) + 3.0


def test_nights_do_not_break_a_beat():
    world = World()
    rng = np.random.default_rng(5)
    spreads = []
    for day in range(4):
        beats = [contact(time, "ws-3", EVIL) for time in waits(rng, day, 1800, 0.1, (9.0, 17.0))]
        found = world.day(day, beats)
        spreads += [one.counts[2] for one in found if one.kind == "regular"]
    assert spreads
    assert max(spreads) < 0.15, "a night is a pause, no waiting time of 16 hours"


@pytest.mark.parametrize("seconds", [300.0, 1800.0])
def test_contacts_without_memory_are_everyday(seconds):
    """Of scores that are all alike the highest one in twenty is just above the everyday, and no more."""
    world = World()
    rng = np.random.default_rng(6)
    nats = []
    for day in range(3):
        told = []
        for number in range(30):
            host = f"ws-{number}"
            told += [contact(time, host, f"own-{number}.example") for time in memoryless(rng, day, seconds)]
        nats += [one.nats for one in world.day(day, told) if one.kind == "regular"]
    assert len(nats) < 0.08 * 30 * 3 * 7
    assert max(nats, default=0.0) < THRESHOLD_NATS + 2.5


def test_a_burst_of_connections_is_one_contact():
    world = World()
    times = [at(0, hour) + second * 1_000_000 for hour in range(24) for second in range(9)]
    found = world.day(0, [contact(time, "ws-3", EVIL) for time in times])
    beacon = [one for one in found if one.kind == "regular"]
    assert beacon
    assert beacon[-1].counts[1] == pytest.approx(3600, rel=0.01)


def test_a_large_transfer_is_found_unless_it_is_what_everybody_does():
    world = World()
    rng = np.random.default_rng(7)

    def sent(day: int, extra: list[dict]) -> list:
        told = [
            contact(at(day, 20 + number / 60), host, "backup.example", int(2e9 * rng.uniform(0.5, 2)))
            for number, host in enumerate(HOSTS)
        ]
        told += [
            contact(at(day, 9 + page), host, f"p{number}-{day}-{page}.example", int(rng.lognormal(11.5, 1)))
            for number, host in enumerate(HOSTS)
            for page in range(4)
        ]
        return world.day(day, told + extra)

    for day in range(10):
        sent(day, [])
    chunks = [contact(at(10, 2) + i * MINUTE_US, "ws-3", EVIL, 20_000_000) for i in range(100)]
    found = sent(10, [*chunks, contact(at(10, 3), "ws-new", "backup.example", 2_000_000_000)])
    assert strongest(found, "ws-3", "host.transfer") > 2.0
    assert {one.value for one in found if one.kind == "transfer" and one.entity == "ws-3"} == {EVIL}
    assert strongest(found, "ws-new", "host.transfer") == 0.0


def test_chatter_is_counted_by_day():
    world = World()
    told = [contact(at(0, 1) + i * 1_000_000, "ws-3", EVIL) for i in range(5000)]
    found = [one for one in world.day(0, told) if one.kind == "chatter"]
    assert found
    assert found[-1].counts[0] >= 2048
    assert world.day(1, [contact(at(1, 1), "ws-3", EVIL)]) == []


def test_a_host_is_who_talks_and_without_one_the_user_and_then_the_address():
    world = World()
    told = []
    for number in range(200):
        time = at(0, 0) + number * 5 * MINUTE_US
        told.append(event(time, "traffic", user="alice", host="ws-3", src_ip="10.0.0.1", domain=EVIL))
        told.append(event(time, "traffic", user="bob", src_ip="10.0.0.2", domain=EVIL))
        told.append(event(time, "traffic", src_ip="10.0.0.3", dst="192.0.2.7"))
    found = {(one.channel, one.entity, one.value) for one in world.day(0, told) if one.kind == "regular"}
    assert found == {
        ("host.regular", "ws-3", EVIL),
        ("user.regular", "bob", EVIL),
        ("src_ip.regular", "10.0.0.3", "192.0.2.7"),
    }


# ---------------------------------------------------------------------------------------------- memory


def observe(state: traffic.Pairs, holders: np.ndarray, values: np.ndarray, times: np.ndarray, limit: int):
    """Take in everything the way `models.activity` does."""
    histograms = empty_histograms(traffic.STRATA)
    out = [np.zeros(64, kind) for kind in (np.int64, np.int64, np.float64, np.float64)]
    counts = np.zeros((64, 6), np.float32)
    sent = np.zeros(len(times), np.int64)
    state, start = traffic.with_values(state, int(values.max())), 0
    while start < len(times):
        start, _ = traffic.observe_pairs(
            state, histograms, holders, values, times, sent, 1.0, 1.0, *out, counts, start
        )
        if state.meta[0] > len(state.tags) * 0.6:
            state = traffic.grown(state, limit)
    return state


def test_memory_stays_at_the_bound_and_what_gave_way_is_counted():
    rng = np.random.default_rng(8)
    n, size = 60_000, 1 << 13
    holders, values = rng.integers(1, 400, n), rng.integers(1, 4_000, n)
    state = observe(traffic.empty_pairs(size), holders, values, np.arange(n) * HOUR_US // 50, size)
    assert len(state.tags) == size
    assert state.meta[1] > 10_000
    newest = observe(state, holders[-1:], values[-1:], np.array([n * HOUR_US]), size)
    assert newest.meta[1] == state.meta[1], "the newest pair is still there"


def test_below_the_bound_no_pair_is_lost_for_lack_of_room():
    rng = np.random.default_rng(9)
    n = 30_000
    holders, values = rng.integers(1, 400, n), rng.integers(1, 4_000, n)
    state = observe(traffic.empty_pairs(1 << 10), holders, values, np.arange(n), 1 << 22)
    distinct = len(np.unique(holders * 10_000 + values))
    assert len(state.tags) >= distinct
    kept = int((state.tags != 0).sum())
    assert kept + int(state.meta[1]) >= distinct
    assert kept > 0.97 * distinct, "only full buckets give way"


def test_destinations_are_known_by_as_many_as_reached_them():
    holders, values = np.array([1, 2, 2, 3, 3, 3]), np.array([5, 5, 5, 5, 6, 0])
    state = observe(traffic.empty_pairs(), holders, values, np.arange(6) * HOUR_US, 1 << 20)
    assert state.known_by[[5, 6]].tolist() == [3, 1]
    assert with_room(state.known_by, 10**4)[5] == 3
