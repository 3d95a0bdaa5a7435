"""Campaigns on machines: from one to the next, fast or slow, files overwritten, native programs misused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import actions, catalogue, places
from training.simulate.campaigns.campaign import Campaign, host, hour, shown, spread, user
from training.simulate.records import INTERACTIVE
from training.simulate.sensors import OVERWRITTEN
from training.simulate.worktime import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from training.simulate.chance import Chance
    from training.simulate.organisation import Host
    from training.simulate.plan import Plan, World


def _arrive(world: World, campaign: Campaign, victim: Plan, chance: Chance, at: float) -> float:
    """First a foothold on somebody's machine, some questions, then a privileged credential used there."""
    desk, account, admin = victim.host, campaign.person.account, campaign.account
    with shown(world, campaign, user(account), host(desk)):
        area = campaign.person.role.shares[0]
        actions.run(world, chance, at, account, desk, catalogue.SCRIPTS, area, parent=catalogue.CMD)
        n = chance.between(*campaign.graded((4, 8), (2, 4), (0, 2)))
        at = actions.look_around(world, chance, at + 90_000, account, desk, n)
    at += chance.uniform(0.2, 1.5) * HOUR_MS
    with shown(world, campaign, user(admin), host(desk)):
        world.sensors.logon(at, admin, desk, INTERACTIVE, source_ip="127.0.0.1")
        return actions.look_around(
            world, chance, at + 20_000, admin, desk, chance.between(1, campaign.graded(4, 2, 1))
        )


def _targets(world: World, campaign: Campaign, chance: Chance, n: int) -> list[Host]:
    """Machines to move on to; a careful intruder takes those that the administrator uses anyway."""
    organisation = world.organisation
    owner = next(
        person
        for person in organisation.people
        if organisation.admins.get(person.name, person.account) is campaign.account
    )
    usual = [machine for machine in owner.servers if not machine.linux]
    servers = [machine for machine in organisation.servers if not machine.linux]
    desks = [person.workstation for person in organisation.people if not person.workstation.linux]
    chosen = [
        chance.pick(usual or servers)
        if chance.happens(campaign.graded(0.1, 0.4, 0.8))
        else chance.pick(servers if chance.happens(0.7) else desks)
        for _ in range(n)
    ]
    return list(dict.fromkeys(chosen))


def _visit(world: World, campaign: Campaign, victim: Plan, chance: Chance, at: float, target: Host) -> float:
    """A remote session on a machine, now and then something left there or packed up."""
    admin, desk = campaign.account, victim.host
    with shown(world, campaign, user(admin), host(target)):
        n = chance.between(1, campaign.graded(5, 3, 2))
        at = actions.on_server(world, chance, at, admin, target, desk, victim.inside_ip, n)
        if chance.happens(campaign.graded(0.5, 0.3, 0.1)):
            world.sensors.scheduled_job(at, admin, target, "Cleanup", r"C:\Tools\cleanup.bat")
        if chance.happens(campaign.graded(0.5, 0.3, 0.1)):
            at = actions.pack(world, chance, at, admin, target, "IT")
    return at


def _collect(world: World, campaign: Campaign, victim: Plan, chance: Chance, at: float) -> None:
    admin = campaign.account
    share = chance.pick(("Finance", "People", "Projects"))
    with shown(world, campaign, user(admin)):
        for folder in chance.some(places.SHARE_FOLDERS[share], campaign.graded(3, 2, 1)):
            n = chance.between(*campaign.graded((20, 50), (10, 25), (3, 10)))
            at = actions.copy_folder(
                world, chance, at, admin, victim.host, victim.inside_ip, (share, folder), n, 6_000
            )


def lateral_movement_fast(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """Within hours: from somebody's machine, with an administrator's credential, to servers and machines."""
    at = victim.start_ms + chance.uniform(0.5, 3.0) * HOUR_MS
    if campaign.day_of(victim) == 0:
        at = _arrive(world, campaign, victim, chance, at)
    for target in _targets(world, campaign, chance, chance.between(*campaign.graded((5, 9), (3, 5), (2, 3)))):
        at = _visit(world, campaign, victim, chance, at, target)
        at += chance.exponential(campaign.graded(6, 15, 30) * MINUTE_MS)
    if victim.day.index == campaign.last:
        _collect(world, campaign, victim, chance, at)


def lateral_movement_slow(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """The same over a week or two: a machine a day or none, a handful of events, in working hours."""
    if not victim.blocks:
        return
    at = victim.start_ms + chance.uniform(0.5, 5.0) * HOUR_MS
    if campaign.day_of(victim) == 0:
        _arrive(world, campaign, victim, chance, at)
        return
    if chance.happens(campaign.graded(0.9, 0.7, 0.5)):
        for target in _targets(world, campaign, chance, campaign.graded(2, 1, 1)):
            at = _visit(world, campaign, victim, chance, at, target)
    if victim.day.index == campaign.last:
        _collect(world, campaign, victim, chance, at)


def ransomware(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """A look around and at the snapshots on the first day; on the last the shares are overwritten."""
    account, desk, person = campaign.account, victim.host, campaign.person
    at = hour(campaign, victim, chance)
    with shown(world, campaign, user(account), host(desk)):
        if campaign.day_of(victim) == 0:
            n = chance.between(*campaign.graded((3, 7), (1, 4), (1, 2)))
            at = actions.look_around(world, chance, at, account, desk, n)
        if victim.day.index == campaign.last and chance.happens(campaign.graded(1.0, 0.7, 0.3)):
            actions.run(world, chance, at, account, desk, catalogue.SHADOWS)
    if victim.day.index < campaign.last:
        return
    strange = [(area, folder) for area, folders in places.SHARE_FOLDERS.items() for folder in folders]
    folders = [
        *chance.some(person.folders, campaign.graded(3, 2, 2)),
        *chance.some(strange, campaign.graded(4, 1, 0)),
    ]
    n, gap = campaign.graded(45, 30, 14), campaign.graded(700, 4_000, 25_000)
    for where in dict.fromkeys(folders):
        server = world.organisation.file_server(where[0])
        with shown(world, campaign, user(account)):
            actions.open_share(world, at, account, server, desk, victim.inside_ip)
            first = chance.below(places.FILES_PER_FOLDER)
            for step in range(n):
                at += 100 + chance.exponential(gap)
                number = (first + step) % places.FILES_PER_FOLDER
                if chance.happens(0.3):
                    actions.share_file(world, at - 60, account, victim.inside_ip, where, number)
                actions.share_file(world, at, account, victim.inside_ip, where, number, OVERWRITTEN)


def living_off_the_land(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """Nothing is brought along: Windows' own programs fetch, run and keep code on somebody's machine."""
    account, desk = campaign.account, victim.host
    if not victim.blocks or desk.linux:
        return
    begin = victim.start_ms + chance.uniform(0.3, 4.0) * HOUR_MS
    n = chance.between(*campaign.graded((8, 16), (4, 8), (1, 3)))
    parents, area = catalogue.NATIVE_PARENTS, campaign.person.role.shares[0]
    with shown(world, campaign, user(account), host(desk)):
        for at in spread(chance, begin, n, campaign.graded(1.0, 3.0, 6.0)):
            program = chance.favourite(catalogue.NATIVE_WINDOWS, 0.4)
            actions.run(world, chance, at, account, desk, program, area, parent=chance.pick(parents))
        at = begin + HOUR_MS
        if chance.happens(campaign.graded(0.9, 0.5, 0.2)):
            actions.look_around(world, chance, at, account, desk, chance.between(1, campaign.graded(6, 3, 2)))
        if campaign.day_of(victim) == 0 and chance.happens(campaign.graded(0.8, 0.5, 0.2)):
            world.sensors.scheduled_job(at + MINUTE_MS, account, desk, "Cleanup", r"C:\Tools\cleanup.bat")
        for _ in range(chance.below(3)):
            domain = actions.site(chance)
            at += chance.exponential(10 * MINUTE_MS)
            world.sensors.dns(at - 60, account, desk, victim.inside_ip, domain)
            size = int(2.0 ** chance.normal(17.0, 2.0))
            world.sensors.web(at, account, desk, victim.inside, domain, size=size)
