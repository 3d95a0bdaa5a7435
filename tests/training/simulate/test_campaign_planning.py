"""Campaigns are as many, as varied and where a measurement needs them, against people with a past."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest

from training.simulate import organisation
from training.simulate.campaigns import suppliers
from training.simulate.campaigns.campaign import DIFFICULTIES
from training.simulate.campaigns.planning import KINDS, campaigns_in, plan_campaigns, window
from training.simulate.plan import World

START = date(2026, 2, 2)
EXPECTED = {
    "password_spray", "credential_stuffing", "account_takeover", "impossible_travel", "lateral_movement_fast",
    "lateral_movement_slow", "privilege_misuse", "insider_exfiltration", "ransomware", "c2_beaconing",
    "dns_tunnelling", "cloud_key_theft", "cloud_misconfiguration", "dormant_account", "living_off_the_land",
    "mailbox_rule_abuse",
}  # fmt: skip


def planned(seed=1, users=80, days=42, excluded=(), count=None):
    world = World(organisation.build(seed, users))
    return world, plan_campaigns(world, START, days, set(excluded), count)


def test_the_kinds_are_those_that_are_promised():
    assert set(KINDS) == EXPECTED
    assert all(kind.technique.startswith("T1") for kind in KINDS.values())


@pytest.mark.parametrize(
    ("users", "days", "low", "high"),
    [(250, 42, 16, 16), (50, 42, 6, 6), (1000, 42, 46, 50), (8, 8, 4, 4), (60, 21, 4, 6), (250, 56, 26, 30)],
)
def test_their_number_suits_the_people_and_the_test_days(users, days, low, high):
    assert low <= campaigns_in(users, days) <= high


def test_a_medium_organisation_gets_every_kind_once():
    _, campaigns = planned(users=250)
    assert Counter(campaign.kind for campaign in campaigns) == Counter(dict.fromkeys(EXPECTED, 1))


def test_few_campaigns_rotate_so_that_all_kinds_occur_over_seeds():
    kinds = {campaign.kind for seed in range(4) for campaign in planned(seed, users=12, days=21, count=4)[1]}
    assert kinds == EXPECTED


def test_difficulties_are_drawn_evenly():
    _, campaigns = planned(count=30)
    assert Counter(campaign.difficulty for campaign in campaigns) == dict.fromkeys(DIFFICULTIES, 10)


@pytest.mark.parametrize("days", [8, 14, 34, 35, 42, 60])
def test_they_begin_and_end_in_the_test_window(days):
    _, campaigns = planned(days=days, users=40, count=16)
    begin = 28 if days >= 35 else days - 7
    assert window(days) == range(begin, days)
    for campaign in campaigns:
        assert begin <= campaign.first <= campaign.last < days


def test_they_are_spread_over_the_window():
    _, campaigns = planned(days=56, count=32)
    weeks = Counter((campaign.first - 28) // 7 for campaign in campaigns)
    assert set(weeks) == {0, 1, 2, 3}
    assert max(weeks.values()) <= 16


def test_a_slow_one_lasts_a_week_or_two_and_a_fast_one_hours_or_two_days():
    _, campaigns = planned(users=60, count=48)
    slow = [one.days for one in campaigns if one.kind == "lateral_movement_slow"]
    fast = [one.days for one in campaigns if one.kind == "lateral_movement_fast"]
    assert min(slow) >= 5
    assert max(slow) >= 8
    assert max(fast) <= 2


def test_nobody_is_a_victim_twice_or_against_a_prohibition():
    world, campaigns = planned(count=14)
    forbidden = {campaign.person.name for campaign in campaigns[:5]}
    _, again = planned(count=14, excluded=forbidden)
    free = [one for one in again if KINDS[one.kind].who not in ("sponsor", "administrator")]
    assert not forbidden & {campaign.person.name for campaign in free}
    victims = Counter(campaign.person.name for campaign in campaigns)
    assert max(victims.values()) == 1
    assert set(victims) <= {person.name for person in world.organisation.people}


def test_victims_fit_what_is_done_to_them():
    world, campaigns = planned(users=250, count=48)
    admins = set(world.organisation.admins.values())
    for campaign in campaigns:
        if campaign.kind.startswith("lateral") or campaign.kind == "privilege_misuse":
            assert campaign.account in admins
        if KINDS[campaign.kind].who == "windows":
            assert not campaign.person.workstation.linux
        if campaign.kind == "dormant_account":
            supplier = suppliers.sponsored_by(world.organisation, campaign.person)
            assert supplier is not None
            assert supplier.habit == suppliers.SILENT
            assert supplier.account is campaign.account
            assert campaign.first - supplier.until >= 14


def test_work_that_needs_the_victim_begins_on_a_working_day():
    _, campaigns = planned(users=250, count=48)
    for campaign in campaigns:
        if KINDS[campaign.kind].present:
            assert (START + timedelta(days=campaign.first)).weekday() < 5


def test_the_same_seed_plans_the_same_and_another_seed_another():
    facts = [
        [
            (one.kind, one.difficulty, one.first, one.last, one.person.name, one.ips)
            for one in planned(seed)[1]
        ]
        for seed in (1, 1, 2)
    ]
    assert facts[0] == facts[1] != facts[2]


def test_none_are_planned_when_none_are_wanted():
    assert planned(count=0)[1] == []


def test_suppliers_differ_in_habit_and_have_names_of_their_own():
    world, _ = planned(users=120)
    found = suppliers.suppliers(world.organisation)
    assert {supplier.habit for _, supplier in found} == {"steady", "seldom", "silent"}
    names = [supplier.account.name for _, supplier in found]
    assert len(set(names)) == len(names) == 10
    assert not set(names) & {person.name for person in world.organisation.people}
