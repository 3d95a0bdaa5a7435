"""Campaigns that show on the wire: a machine that reports home, and data that leaves as questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import actions, catalogue, places
from training.simulate.campaigns.campaign import Campaign, host, shown, spread, user
from training.simulate.worktime import HOUR_MS

if TYPE_CHECKING:
    from training.simulate.chance import Chance
    from training.simulate.plan import Plan, World


def poll(
    world: World, chance: Chance, today: Plan, domain: str, period_s: float, jitter: float, until_ms: float
) -> None:
    """Requests to one site at an interval with jitter (a share of the interval), from the start of work on.

    Answers are small and of nearly one size; one in twelve brings or takes more.
    """
    person, sensors = today.person, world.sensors
    usual = 300 + chance.below(3_000)
    at = today.start_ms + chance.uniform(0.0, HOUR_MS)
    while at < until_ms:
        more = chance.happens(1 / 12)
        size = usual + chance.below(60) if not more else int(2.0 ** chance.normal(14.0, 2.5))
        if chance.happens(0.3):
            sensors.dns(at - 40, person.account, today.host, today.inside_ip, domain)
        sent = more and chance.happens(0.6)
        sensors.web(at, person.account, today.host, today.inside, domain, sent=sent, size=size)
        at += period_s * 1000.0 * (1.0 + jitter * chance.uniform(-1.0, 1.0))


def c2_beaconing(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """A machine reports home at an interval while it is on, and now and then does what it is told."""
    if not victim.blocks:
        return
    lasting = campaign.lasting(world)
    domain = (
        actions.site(lasting)
        if not lasting.happens(campaign.graded(0.0, 0.1, 0.4))
        else places.UPLOAD_DOMAINS[0]
    )
    period = lasting.uniform(*campaign.graded((110.0, 240.0), (400.0, 900.0), (1_500.0, 3_600.0)))
    desk = victim.host
    with shown(world, campaign, user(campaign.account), host(desk)):
        poll(world, chance, victim, domain, period, campaign.graded(0.03, 0.2, 0.5), victim.end_ms)
        if not desk.linux and chance.happens(campaign.graded(0.7, 0.5, 0.3)):
            at = victim.moments(chance, 1)[0]
            n = chance.between(1, campaign.graded(5, 3, 2))
            at = actions.look_around(world, chance, at, campaign.account, desk, n)
            if chance.happens(0.3):
                program = chance.favourite(catalogue.NATIVE_WINDOWS, 0.4)
                area = campaign.person.role.shares[0]
                actions.run(world, chance, at, campaign.account, desk, program, area)


def dns_tunnelling(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """Data leaves in names under one domain: many long ones quickly, or a few shorter ones all day."""
    if not victim.blocks:
        return
    lasting = campaign.lasting(world)
    domain = actions.site(lasting).removeprefix("www.")
    n = chance.between(*campaign.graded((120, 260), (50, 110), (10, 30)))
    letters = campaign.graded((60, 120), (36, 64), (14, 32))
    record = lasting.pick(campaign.graded(("TXT", "A"), ("TXT", "A"), ("A",)))
    hours = campaign.graded(1.5, 4.0, 7.0)
    begin = victim.start_ms + chance.uniform(0.2, 2.0) * HOUR_MS
    machine = victim.host
    with shown(world, campaign, user(campaign.account), host(machine)):
        for at in spread(chance, begin, n, hours):
            name = actions.long_name(chance, domain, chance.between(*letters))
            found = not chance.happens(campaign.graded(0.2, 0.1, 0.02))
            world.sensors.dns(
                at, campaign.account, machine, victim.inside_ip, name, found=found, record=record
            )
