"""Every kind of campaign acts at every difficulty: marked, in its days, and the easier the more."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from itertools import pairwise

import msgspec
import pytest

from training.simulate import organisation, plan
from training.simulate.campaigns.campaign import DIFFICULTIES
from training.simulate.campaigns.planning import KINDS, act, plan_campaigns
from training.simulate.plan import World
from training.simulate.profile import entities
from training.simulate.worktime import Day

START = date(2026, 2, 2)
USERS, DAYS = 40, 42


@cache
def acted(kind: str, difficulty: str):
    """Records of campaigns of one kind and difficulty in three organisations, by campaign."""
    found = []
    for seed in (3, 4, 5):
        world = World(organisation.build(seed, USERS))
        for campaign in plan_campaigns(world, START, DAYS, set(), 16):
            if campaign.kind != kind:
                continue
            graded = replace(campaign, difficulty=difficulty)
            for index in range(DAYS):
                today = plan.make(world, graded.person, Day(index, START + timedelta(days=index)))
                act(world, graded, today)
            found.append((graded, list(world.sensors.records)))
            world.sensors.records.clear()
    return found


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_campaign_leaves_marked_events_on_its_days(kind, difficulty):
    assert len(acted(kind, difficulty)) == 3
    for campaign, records in acted(kind, difficulty):
        assert records, (campaign.name, campaign.person.name)
        for record in records:
            assert record.mark is not None
            assert record.mark.campaign == campaign.number
            day = record.time_ms // 86_400_000 - Day(0, START).midnight_ms // 86_400_000
            assert campaign.first - 1 <= day <= campaign.last + 1


@pytest.mark.parametrize("kind", KINDS)
def test_marks_name_entities_that_are_in_the_event(kind):
    for campaign, records in acted(kind, "easy"):
        for record in records:
            assert record.mark is not None
            event = msgspec.json.decode(f'{{"metadata":{{"uid":"u",{record.body}')
            about = set(entities(event)) | {("user", (event.get("user") or {}).get("name", ""))}
            named = set(record.mark.entities)
            # connections inside and look-ups of Linux name addresses only; what goes with them names the rest
            nameless = event["class_uid"] in (4001, 4003) and "actor" not in event
            assert nameless or named & about, (campaign.kind, named, about)


@pytest.mark.parametrize("kind", KINDS)
def test_a_campaign_touches_an_account_or_machine_of_the_organisation(kind):
    for _, records in acted(kind, "hard"):
        touched = {entity for record in records for entity in record.mark.entities}
        assert any(entity[0] in ("user", "host") for entity in touched)


def busiest_day(kind: str, difficulty: str) -> float:
    most = []
    for _, records in acted(kind, difficulty):
        by_day = defaultdict(int)
        for record in records:
            by_day[record.time_ms // 86_400_000] += 1
        most.append(max(by_day.values()))
    return sum(most) / len(most)


@pytest.mark.parametrize("kind", KINDS)
def test_the_easier_the_more_happens_in_a_day(kind):
    easy, medium, hard = (busiest_day(kind, difficulty) for difficulty in DIFFICULTIES)
    assert easy > hard
    assert easy > 0.8 * medium


def test_acting_twice_gives_the_same_records():
    first = acted("ransomware", "medium")
    acted.cache_clear()
    assert acted("ransomware", "medium")[0][1] == first[0][1]


def test_data_that_leaves_is_counted_in_bytes():
    sent = 0
    for _, records in acted("insider_exfiltration", "easy"):
        for record in records:
            event = msgspec.json.decode(f'{{"metadata":{{"uid":"u",{record.body}')
            sent += event.get("traffic", {}).get("bytes_out", 0)
    assert sent > 10_000_000


def test_names_under_a_tunnels_domain_are_long_and_do_not_repeat():
    for _, records in acted("dns_tunnelling", "easy"):
        bodies = [msgspec.json.decode(f'{{"metadata":{{"uid":"u",{one.body}') for one in records]
        names = [event["query"]["hostname"] for event in bodies]
        assert len(set(names)) == len(names)
        assert min(map(len, names)) > 60
        assert max(len(label) for name in names for label in name.split(".")) <= 63


def test_beacons_of_an_easy_campaign_come_at_an_even_interval():
    for _, records in acted("c2_beaconing", "easy"):
        times = sorted(one.time_ms for one in records if '"http_method"' in one.body)
        gaps = sorted(later - earlier for earlier, later in pairwise(times))
        median = gaps[len(gaps) // 2]
        assert sum(0.9 * median < gap < 1.1 * median for gap in gaps) > 0.9 * len(gaps)
