"""Campaigns of people who may be where they are: those about to leave, and administrators with curiosity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import actions, catalogue, places
from training.simulate.campaigns.campaign import Campaign, host, shown, user
from training.simulate.records import INTERACTIVE
from training.simulate.worktime import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from training.simulate.chance import Chance
    from training.simulate.plan import Plan, World


def insider_exfiltration(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """Somebody about to leave takes along more than their own: copied, packed, sent off, over days."""
    if not victim.blocks:
        return
    person, machine = campaign.person, victim.host
    late = chance.happens(campaign.graded(0.8, 0.5, 0.1))
    at = (
        victim.end_ms - chance.uniform(0.2, 2.5) * HOUR_MS
        if late
        else victim.moments(chance, 1)[0] - 0.5 * HOUR_MS
    )
    others = [
        (share, folder)
        for share in ("Projects", "Engineering", "Sales", "Finance")
        for folder in places.SHARE_FOLDERS[share]
    ]
    gap = campaign.graded(2_000, 8_000, 40_000)
    n_files = campaign.graded((25, 55), (12, 30), (4, 12))
    wheres = (
        *chance.some(person.folders, campaign.graded(2, 2, 1)),
        *chance.some(others, campaign.graded(3, 1, int(chance.happens(0.4)))),
    )
    with shown(world, campaign, user(person.account)):
        for where in wheres:
            n = chance.between(*n_files)
            at = actions.copy_folder(
                world, chance, at, person.account, machine, victim.inside_ip, where, n, gap
            )
        if chance.happens(0.5):
            where, n = chance.pick(person.libraries), chance.between(*n_files)
            at = actions.fetch_library(world, chance, at, person.account, victim.client, where, n, gap)
    area = person.role.shares[0]
    with shown(world, campaign, user(person.account), host(machine)):
        if chance.happens(campaign.graded(1.0, 0.7, 0.4)):
            at = actions.pack(world, chance, at, person.account, machine, area)
        if not machine.linux and chance.happens(campaign.graded(0.7, 0.4, 0.2)):
            actions.run(
                world, chance, at, person.account, machine, catalogue.COPYING, area, parent=catalogue.CMD
            )
        if victim.day.index == campaign.last or chance.happens(0.5):
            n = chance.between(*campaign.graded((6, 14), (3, 7), (1, 3)))
            actions.hand_over(world, chance, at + MINUTE_MS, person.account, machine, victim.inside, n)


def privilege_misuse(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """An administrator looks where no ticket asks to: payroll and reviews, a colleague's machine."""
    if not victim.blocks:
        return
    organisation, admin, sensors = world.organisation, campaign.account, world.sensors
    colleague = campaign.lasting(world).pick(
        [person for person in organisation.people if person.role.name != "it"] or organisation.people
    )
    desk, machine = colleague.workstation, victim.host
    at = victim.moments(chance, 1)[0]
    n = campaign.graded((25, 55), (10, 25), (3, 10))
    with shown(world, campaign, user(admin)):
        for share in chance.some(("People", "Finance"), campaign.graded(2, 1, 1)):
            for folder in chance.some(places.SHARE_FOLDERS[share], campaign.graded(3, 2, 1)):
                at = actions.copy_folder(
                    world,
                    chance,
                    at,
                    admin,
                    machine,
                    victim.inside_ip,
                    (share, folder),
                    chance.between(*n),
                    campaign.graded(3_000, 15_000, 60_000),
                )
    step = campaign.day_of(victim)
    if step == 0 and chance.happens(campaign.graded(1.0, 0.6, 0.2)):
        with shown(world, campaign, user(admin)):
            controller = organisation.of_kind("domain controller")[0]
            sensors.password_change(at + MINUTE_MS, admin, colleague.account, controller, reset=True)
            sensors.directory(
                at + 2 * MINUTE_MS,
                admin,
                victim.client,
                chance.favourite(catalogue.DIRECTORY_CHANGES),
                colleague.name,
            )
    if not desk.linux and chance.happens(campaign.graded(0.9, 0.7, 0.5)):
        # sitting there when its owner has gone, or from afar
        with shown(world, campaign, user(admin), host(desk)):
            at += 5 * MINUTE_MS
            if chance.happens(0.4):
                sensors.logon(at, admin, desk, INTERACTIVE, source_ip="127.0.0.1")
                at = actions.look_around(world, chance, at + 20_000, admin, desk, chance.between(1, 3))
            else:
                at = actions.on_server(
                    world,
                    chance,
                    at,
                    admin,
                    desk,
                    machine,
                    victim.inside_ip,
                    chance.between(1, campaign.graded(6, 4, 2)),
                )
            if chance.happens(campaign.graded(0.8, 0.5, 0.2)):
                actions.pack(world, chance, at, admin, desk, colleague.role.shares[0])
