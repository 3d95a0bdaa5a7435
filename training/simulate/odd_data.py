"""Benign oddities of files, mail and transfers. `size` scales how much: 1 is ordinary for an oddity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import actions, beacons, catalogue, places, tools
from training.simulate.worktime import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from training.simulate.chance import Chance
    from training.simulate.plan import Plan, World


def sometime(plan: Plan, chance: Chance) -> float:
    """A moment in the hours of work."""
    return plan.moments(chance, 1)[0]


def scaled(chance: Chance, low: int, high: int, size: float) -> int:
    """A number from low to high times the size, at least 1."""
    return max(1, round(chance.uniform(low, high) * size))


def folders(chance: Chance, areas: tuple[str, ...], n: int) -> list[tuple[str, str]]:
    """Up to n folders of some shares."""
    return chance.some([(area, folder) for area in areas for folder in places.SHARE_FOLDERS[area]], n)


def inbox_rules(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """Somebody tidies up the mailbox, or has it forwarded during a leave."""
    at = sometime(plan, chance)
    for _ in range(scaled(chance, 1, 4, size)):
        change = chance.favourite(catalogue.MAIL_CHANGES)
        world.sensors.mailbox(at, plan.person.account, plan.client, change)
        at += chance.exponential(2 * MINUTE_MS)
    n = scaled(chance, 5, 25, size)
    actions.read_mail(world, chance, at, plan.person.account, plan.client, n)


def mailbox_search(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """Somebody looks for everything about a case: hundreds of messages in an hour or two."""
    at = sometime(plan, chance)
    for _ in range(scaled(chance, 30, 150, size)):
        operation = chance.favourite(("MailItemsAccessed", "SearchQueryPerformed", "MailItemsAccessed"), 0.5)
        world.sensors.mailbox(at, plan.person.account, plan.client, operation)
        at += 500 + chance.exponential(25_000)


def many_mails(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """An invitation or a reminder to everybody, one by one."""
    at, gap = sometime(plan, chance), chance.uniform(1_000, 20_000)
    for _ in range(scaled(chance, 20, 90, size)):
        world.sensors.mailbox(at, plan.person.account, plan.client, "Send")
        at += chance.exponential(gap)


def bulk_download(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A whole library at once: for a journey, a hand-over, a slow connection."""
    at, gap = sometime(plan, chance), chance.uniform(1_500, 25_000)
    wheres = (*plan.person.libraries[:2], *folders(chance, (*plan.person.role.shares, "Projects"), 2))
    for where in chance.some(wheres, chance.between(1, 3)):
        n = scaled(chance, 20, 45, size)
        at = actions.fetch_library(world, chance, at, plan.person.account, plan.client, where, n, gap)


def laptop_sync(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A machine that was set up anew or offline for long fetches all its libraries, hundreds of files."""
    at, account, client = plan.start_ms + 5 * MINUTE_MS, plan.person.account, plan.client
    for where in plan.person.libraries:
        n = scaled(chance, 20, 60, size)
        at = actions.fetch_library(world, chance, at, account, client, where, n, 900)
        for _ in range(chance.below(5)):
            at += chance.exponential(4_000)
            number = chance.below(places.FILES_PER_FOLDER)
            actions.library_file(world, at, account, client, where, number, chance.pick((1, 3)))


def bulk_copy(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """Whole folders of shares: closing of the quarter, an archive, a new disk."""
    at, account, host = sometime(plan, chance), plan.person.account, plan.host
    area, gap = plan.person.role.shares[0], chance.uniform(800, 15_000)
    for where in chance.some(plan.person.folders, chance.between(1, 4)):
        n = scaled(chance, 20, 45, size)
        at = actions.copy_folder(world, chance, at, account, host, plan.inside_ip, where, n, gap)
    if not host.linux and chance.happens(0.7):
        actions.run(world, chance, at, account, host, catalogue.COPYING, area, parent=catalogue.CMD)
    if chance.happens(0.5):
        actions.pack(world, chance, at + MINUTE_MS, account, host, area)


def mass_rewrite(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A macro or a converter writes every file of some folders again."""
    at, account, gap = sometime(plan, chance), plan.person.account, chance.uniform(150, 4_000)
    for share, folder in plan.person.folders[: chance.between(1, 3)]:
        server = world.organisation.file_server(share)
        actions.open_share(world, at, account, server, plan.host, plan.inside_ip)
        for number in range(min(scaled(chance, 20, 60, size), places.FILES_PER_FOLDER)):
            at += chance.exponential(gap)
            actions.share_file(world, at, account, plan.inside_ip, (share, folder), number, 2)
            activity = chance.favourite((5, 3))
            actions.share_file(world, at + 40, account, plan.inside_ip, (share, folder), number, activity)


def other_department(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """Work for another department: an audit, a project, a new role."""
    at, account = sometime(plan, chance), plan.person.account
    others = tuple(sorted(set(places.SHARE_FOLDERS) - set(plan.person.role.shares)))
    for where in folders(chance, others, scaled(chance, 1, 4, size)):
        n = scaled(chance, 3, 20, size)
        at = actions.copy_folder(world, chance, at, account, plan.host, plan.inside_ip, where, n, 60_000)
        if chance.happens(0.5):
            n = scaled(chance, 2, 15, size)
            actions.fetch_library(world, chance, at + 5 * MINUTE_MS, account, plan.client, where, n, 50_000)


def hand_over(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """Large files for a customer or an agency through a file exchange."""
    at, area = sometime(plan, chance), plan.person.role.shares[0]
    if chance.happens(0.6):
        at = actions.pack(world, chance, at, plan.person.account, plan.host, area)
    n = scaled(chance, 2, 12, size)
    actions.hand_over(world, chance, at, plan.person.account, plan.host, plan.inside, n)


def project_hand_over(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A project ends or somebody leaves: its files are gathered, packed, shared and sent to a partner."""
    at, account, host = sometime(plan, chance), plan.person.account, plan.host
    area, gap = plan.person.role.shares[0], chance.uniform(2_000, 15_000)
    wheres = [plan.person.folders[0], *folders(chance, ("Projects",), scaled(chance, 1, 2, size))]
    for where in wheres:
        n = scaled(chance, 15, 50, size)
        at = actions.copy_folder(world, chance, at, account, host, plan.inside_ip, where, n, gap)
    at = actions.pack(world, chance, at, account, host, area)
    for _ in range(scaled(chance, 1, 6, size)):
        at += chance.exponential(MINUTE_MS)
        number, where = chance.below(places.FILES_PER_FOLDER), chance.pick(plan.person.libraries)
        actions.library_file(world, at, account, plan.client, where, number, 12)
    if chance.happens(0.6):
        n = scaled(chance, 2, 8, size)
        actions.hand_over(world, chance, at, account, host, plan.inside, n)


def new_tools(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """Somebody tries out programs: fetched from small sites, unpacked, started again and again."""
    at, person, host = sometime(plan, chance), plan.person, plan.host
    for program in chance.some(tools.pool(linux=host.linux), scaled(chance, 1, 5, size)):
        domain = actions.site(chance)
        world.sensors.dns(at, person.account, host, plan.inside_ip, domain)
        length = int(2.0 ** chance.uniform(20, 26))
        world.sensors.web(at + 50, person.account, host, plan.inside, domain, size=length)
        at += chance.exponential(2 * MINUTE_MS)
        if not host.linux and chance.happens(0.5):
            actions.run_as_machine(world, chance, at, host, catalogue.INSTALLER, "IT")
        if not host.linux and chance.happens(0.3):
            native = chance.favourite(catalogue.NATIVE_WINDOWS, 0.5)
            actions.run(world, chance, at + 500, person.account, host, native, parent=catalogue.CMD)
        for _ in range(chance.between(1, 6)):
            at += chance.exponential(6 * MINUTE_MS)
            actions.run(world, chance, at, person.account, host, program, person.role.shares[0])


def new_program_polls(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A new widget, extension or agent asks at a place unknown so far, at a fixed interval."""
    lasting = world.lasting("polling", plan.person.key, plan.day.index // 7)
    end = plan.end_ms + (8 * HOUR_MS if lasting.happens(0.3) else 0)
    beacons.tick(world, plan, chance, beacons.rare(lasting), plan.start_ms, end)


def virus_scan(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A full scan: hundreds of look-ups with long names."""
    at, gap = sometime(plan, chance), chance.uniform(300, 8_000)
    beacons.check(world, chance, at, plan, scaled(chance, 60, 300, size), gap)


def many_sites(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """Research or a purchase: dozens of sites that nobody here has visited, some of them gone."""
    person, host = plan.person, plan.host
    for at in plan.moments(chance, scaled(chance, 20, 60, size)):
        domain = places.rare_domain(chance.below(places.RARE_DOMAINS))
        found = not chance.happens(0.12)
        world.sensors.dns(at - 30, person.account, host, plan.inside_ip, domain, found=found)
        if found:
            length = int(2.0 ** chance.normal(15.0, 3.0)) + 200
            world.sensors.web(
                at, person.account, host, plan.inside, domain, sent=chance.happens(0.15), size=length
            )
