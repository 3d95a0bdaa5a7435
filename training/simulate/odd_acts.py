"""What benign oddities add to a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import actions, catalogue, networks, places
from training.simulate.records import BAD_CLOUD_PASSWORD, INTERACTIVE, Client
from training.simulate.worktime import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from training.simulate.chance import Chance
    from training.simulate.organisation import Account
    from training.simulate.plan import Plan, World


def _sometime(plan: Plan, chance: Chance) -> float:
    return plan.moments(chance, 1)[0]


def _some_admin(world: World, chance: Chance) -> Account:
    return chance.pick(list(world.organisation.admins.values()))


def _folders(chance: Chance, areas: tuple[str, ...], n: int) -> list[tuple[str, str]]:
    return chance.some([(area, folder) for area in areas for folder in places.SHARE_FOLDERS[area]], n)


def set_up(world: World, plan: Plan, chance: Chance) -> None:
    """A new machine or person: installations, questions, a first password."""
    at = plan.start_ms + 10 * MINUTE_MS
    person, host = plan.person, plan.host
    controller = world.organisation.of_kind("domain controller")[0]
    if chance.happens(0.7):
        world.sensors.password_change(at, _some_admin(world, chance), person.account, controller, reset=True)
        world.sensors.password_change(
            at + 5 * MINUTE_MS, person.account, person.account, controller, reset=False
        )
    if host.linux:
        for program in catalogue.DEVELOPER_LINUX[:8]:
            at += chance.exponential(3 * MINUTE_MS)
            actions.run(world, chance, at, person.account, host, program, "Engineering")
        return
    for _ in range(chance.between(4, 10)):
        at += chance.exponential(3 * MINUTE_MS)
        actions.run_as_machine(world, chance, at, host, catalogue.INSTALLER, "IT")
    actions.look_around(world, chance, at, person.account, host, chance.between(2, 6))


def forgotten_password(world: World, plan: Plan, chance: Chance) -> None:
    """A burst of wrong passwords, a call to the help desk, a reset."""
    at = _sometime(plan, chance)
    account, host = plan.person.account, plan.host
    controller = world.organisation.of_kind("domain controller")[0]
    for _ in range(chance.between(4, 18)):
        if host.linux:
            world.sensors.ssh(at, account, host, "127.0.0.1", key=False, failed=True)
        else:
            world.sensors.logon(at, account, host, INTERACTIVE, source_ip="127.0.0.1", failed=True)
        at += 3_000 + chance.exponential(20_000)
    at += chance.exponential(12 * MINUTE_MS)
    world.sensors.password_change(at, _some_admin(world, chance), account, controller, reset=True)
    world.sensors.password_change(at + 90_000, account, account, controller, reset=False)
    if not host.linux:
        world.sensors.logon(at + 120_000, account, host, INTERACTIVE, source_ip="127.0.0.1")


def stale_phone_password(world: World, plan: Plan, chance: Chance) -> None:
    """A changed password that the phone does not know: it tries for hours."""
    account = plan.person.account
    world.sensors.password_change(
        plan.start_ms + MINUTE_MS,
        account,
        account,
        world.organisation.of_kind("domain controller")[1],
        reset=False,
    )
    client = Client(plan.phone_ip, plan.person.phone or places.PHONES[0])
    at = plan.start_ms + 2 * MINUTE_MS
    for _ in range(chance.between(8, 40)):
        at += 30_000 + chance.exponential(10 * MINUTE_MS)
        world.sensors.cloud_sign_in(
            at, account, "Office 365 Exchange Online", client, mfa=False, failure=BAD_CLOUD_PASSWORD
        )


def mfa_trouble(world: World, plan: Plan, chance: Chance) -> None:
    """A second factor that does not work: a new phone, a lost one, a missed message."""
    client = (
        plan.client
        if chance.happens(0.5)
        else Client(networks.mobile(plan.person.home_country, chance), plan.user_agent)
    )
    refused = chance.between(2, 7)
    at = _sometime(plan, chance)
    actions.sign_in_cloud(
        world, chance, at, plan.person.account, client, wrong=chance.below(2), refused=refused
    )


def inbox_rules(world: World, plan: Plan, chance: Chance) -> None:
    """Somebody tidies up the mailbox."""
    at = _sometime(plan, chance)
    for _ in range(chance.between(1, 4)):
        world.sensors.mailbox(at, plan.person.account, plan.client, places.INBOX_RULE)
        at += chance.exponential(2 * MINUTE_MS)
    actions.read_mail(world, chance, at, plan.person.account, plan.client, chance.between(5, 25))


def bulk_download(world: World, plan: Plan, chance: Chance) -> None:
    """A whole library at once: for a journey, a hand-over, a slow connection."""
    at = _sometime(plan, chance)
    wheres = (*plan.person.libraries[:2], *_folders(chance, (*plan.person.role.shares, "Projects"), 2))
    for where in chance.some(wheres, chance.between(1, 3)):
        n = chance.between(25, 60)
        at = actions.fetch_library(
            world, chance, at, plan.person.account, plan.client, where, n, chance.uniform(1_500, 25_000)
        )


def bulk_copy(world: World, plan: Plan, chance: Chance) -> None:
    """Whole folders of shares: closing of the quarter, an archive, a new disk."""
    at, account, host = _sometime(plan, chance), plan.person.account, plan.host
    gap = chance.uniform(800, 15_000)
    for where in chance.some(plan.person.folders, chance.between(1, 4)):
        at = actions.copy_folder(
            world, chance, at, account, host, plan.inside_ip, where, chance.between(25, 60), gap
        )
    if not host.linux and chance.happens(0.7):
        actions.run(
            world,
            chance,
            at,
            account,
            host,
            catalogue.COPYING,
            plan.person.role.shares[0],
            parent=catalogue.CMD,
        )
    if chance.happens(0.5):
        actions.pack(world, chance, at + MINUTE_MS, account, host, plan.person.role.shares[0])


def other_department(world: World, plan: Plan, chance: Chance) -> None:
    """Work for another department: an audit, a project, a new role."""
    account = plan.person.account
    others = tuple(share for share in sorted(places.SHARE_FOLDERS) if share not in plan.person.role.shares)
    for where in _folders(chance, (chance.pick(others), "Projects"), chance.between(1, 4)):
        at = _sometime(plan, chance)
        actions.copy_folder(
            world, chance, at, account, plan.host, plan.inside_ip, where, chance.between(3, 25), 60_000
        )
        if chance.happens(0.5):
            n = chance.between(2, 20)
            actions.fetch_library(world, chance, at + 5 * MINUTE_MS, account, plan.client, where, n, 50_000)


def hand_over(world: World, plan: Plan, chance: Chance) -> None:
    """Large files for a customer or an agency through a file exchange."""
    at, area = _sometime(plan, chance), plan.person.role.shares[0]
    if chance.happens(0.6):
        at = actions.pack(world, chance, at, plan.person.account, plan.host, area)
    actions.hand_over(world, chance, at, plan.person.account, plan.host, plan.inside, chance.between(2, 14))


def colleague_desk(world: World, plan: Plan, chance: Chance) -> None:
    """Work at a colleague's machine for an hour."""
    desks = [person.workstation for person in world.organisation.people if not person.workstation.linux]
    desk = chance.pick(desks)
    at, account = _sometime(plan, chance), plan.person.account
    world.sensors.logon(at, account, desk, INTERACTIVE, source_ip="127.0.0.1", failed=chance.happens(0.2))
    for program in catalogue.LOGON_SCRIPT[1:]:
        actions.run(world, chance, at + 2_000, account, desk, program, parent=catalogue.CMD)
    for _ in range(chance.between(3, 12)):
        at += chance.exponential(5 * MINUTE_MS)
        actions.run(
            world, chance, at, account, desk, chance.favourite(catalogue.DESKTOP), plan.person.role.shares[0]
        )
    actions.copy_folder(
        world,
        chance,
        at,
        account,
        desk,
        desk.ip,
        chance.pick(plan.person.folders),
        chance.between(1, 8),
        60_000,
    )
    world.sensors.logoff(at + 20 * MINUTE_MS, account, desk, INTERACTIVE)


def troubleshooting(world: World, plan: Plan, chance: Chance) -> None:
    """Something does not work, and somebody follows advice from the web."""
    at = _sometime(plan, chance)
    if not plan.host.linux:
        actions.look_around(world, chance, at, plan.person.account, plan.host, chance.between(4, 9))
        return
    for program in chance.some(catalogue.REMOTE_LINUX, 7):
        at += chance.exponential(MINUTE_MS)
        actions.run(world, chance, at, plan.person.account, plan.host, program, "IT")


def admin_round(world: World, plan: Plan, chance: Chance) -> None:
    """Maintenance: an administrator on many machines in a day, some of them for the first time."""
    account = world.organisation.admins[plan.person.name]
    hosts = [*world.organisation.servers, *world.organisation.of_kind("workstation")]
    at = plan.start_ms + chance.uniform(0.2, 3.0) * HOUR_MS
    for host in chance.some(hosts, chance.between(5, 14)):
        at = actions.on_server(
            world, chance, at, account, host, plan.host, plan.inside_ip, chance.between(1, 5)
        )
        if not host.linux and chance.happens(0.3):
            world.sensors.scheduled_job(at, account, host, "Cleanup", r"C:\Tools\cleanup.bat")
        if not host.linux and chance.happens(0.3):
            actions.look_around(world, chance, at, account, host, chance.between(1, 5))
        if chance.happens(0.25):
            at = actions.pack(world, chance, at, account, host, "IT")
    for where in chance.some([("IT", folder) for folder in places.SHARE_FOLDERS["IT"]], 2):
        at = actions.copy_folder(
            world, chance, at, account, plan.host, plan.inside_ip, where, chance.between(10, 50), 3_000
        )
    if not plan.host.linux:
        actions.run(world, chance, at, account, plan.host, catalogue.COPYING, "IT", parent=catalogue.CMD)


def cloud_migration(world: World, plan: Plan, chance: Chance) -> None:
    """Data and keys move between cloud accounts: many calls, some that this person never made."""
    at, person = _sometime(plan, chance), plan.person
    client = Client(plan.client.ip, chance.pick(places.COMMAND_CLIENTS))
    account, region = chance.pick(places.CLOUD_ACCOUNTS), chance.pick(places.CLOUD_REGIONS)
    for _ in range(chance.between(30, 140)):
        at += chance.exponential(12_000)
        call = chance.favourite((places.CLOUD_CALLS[0], places.CLOUD_CALLS[2], *places.CLOUD_CALLS[5:]), 0.9)
        resource = chance.favourite(call.resources)
        world.sensors.api(
            at, person.account, client, call, resource, account, region, denied=chance.happens(0.08)
        )
