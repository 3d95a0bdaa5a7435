"""Benign people who do what intruders do, at a steady rate: nothing that a campaign does is its own.

Each counterpart is a function of the world and a person's day with a stream of its own; `COUNTERPARTS` says
whom it concerns and on how many of that person's days it comes about. `benign_counterparts` is the door.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.simulate import actions, catalogue, networks, places
from training.simulate.campaigns import backdrop, suppliers
from training.simulate.campaigns.campaign import spread
from training.simulate.campaigns.network import poll
from training.simulate.records import INTERACTIVE, Client
from training.simulate.sensors import OVERWRITTEN
from training.simulate.worktime import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.simulate.chance import Chance
    from training.simulate.organisation import Account
    from training.simulate.plan import Plan, World


def native_programs(world: World, today: Plan, chance: Chance) -> None:
    """Printers, old forms, packages and hashes by Windows' own programs; a task for them now and then."""
    if today.host.linux:
        return
    account, host = today.person.account, today.host
    n = 1 + int(chance.exponential(3.0))
    for at in today.moments(chance, min(n, 15)):
        program = chance.favourite(catalogue.NATIVE_WINDOWS, 0.4)
        parent = chance.pick(catalogue.NATIVE_PARENTS)
        actions.run(world, chance, at, account, host, program, today.person.role.shares[0], parent)
    if chance.happens(0.2):
        at = today.moments(chance, 1)[0]
        world.sensors.scheduled_job(at, account, host, "Cleanup", r"C:\Tools\cleanup.bat")
    if chance.happens(0.25):
        at = today.moments(chance, 1)[0]
        actions.look_around(world, chance, at, account, host, chance.between(1, 6))


def snapshots(world: World, today: Plan, chance: Chance) -> None:
    """Snapshots listed and thinned out, on one's own machine or on a server."""
    account = world.organisation.admins.get(today.person.name, today.person.account)
    servers = world.organisation.of_kind("file server")
    host = today.host if chance.happens(0.6) or today.person.role.name != "it" else chance.pick(servers)
    if not host.linux:
        actions.run(world, chance, today.moments(chance, 1)[0], account, host, catalogue.SHADOWS)


def rewriting(world: World, today: Plan, chance: Chance) -> None:
    """Many files overwritten: converted, stamped, synchronised after a journey."""
    at, person = today.moments(chance, 1)[0], today.person
    gap = chance.uniform(400.0, 9_000.0)
    for where in chance.some(person.folders, chance.between(1, 4)):
        server = world.organisation.file_server(where[0])
        actions.open_share(world, at, person.account, server, today.host, today.inside_ip)
        first = chance.below(places.FILES_PER_FOLDER)
        for step in range(chance.between(8, 50)):
            at += 100 + chance.exponential(gap)
            number = (first + step) % places.FILES_PER_FOLDER
            if chance.happens(0.3):
                actions.share_file(world, at - 60, person.account, today.inside_ip, where, number)
            actions.share_file(world, at, person.account, today.inside_ip, where, number, OVERWRITTEN)


def polling(world: World, today: Plan, chance: Chance) -> None:
    """A page that refreshes itself, a tray program that asks for news: some people's for good."""
    lasting = world.lasting("polling", today.person.name)
    always = lasting.happens(0.12)
    if not always and not chance.happens(0.012):
        return
    source = lasting if always else chance
    domain = actions.site(source) if source.happens(0.7) else source.pick(today.person.domains)
    period = source.pick((120.0, 180.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0)) * source.uniform(0.9, 1.1)
    until = today.end_ms if always else today.start_ms + chance.uniform(1.0, 8.0) * HOUR_MS
    poll(world, chance, today, domain, period, source.pick((0.01, 0.05, 0.2, 0.5)), until)


def long_names(world: World, today: Plan, chance: Chance) -> None:
    """Look-ups of virus scanners and content networks; at times many, at times under a small site."""
    many = chance.happens(0.035)
    n = chance.between(20, 200) if many else chance.poisson(2.5)
    if not n:
        return
    own = actions.site(chance).removeprefix("www.") if chance.happens(0.35) else ""
    record = chance.favourite(("A", "TXT"), 1.6)
    longest = chance.pick((16, 32, 56, 110))
    begin = today.moments(chance, 1)[0]
    times = spread(chance, begin, n, chance.uniform(0.2, 6.0)) if many else today.moments(chance, n)
    for at in times:
        domain = own if own and many else chance.favourite(catalogue.LOOKED_UP)
        letters = chance.between(12, longest) if many else chance.between(12, 40)
        name = actions.long_name(chance, domain, letters)
        found = not chance.happens(0.06)
        account, host = today.person.account, today.host
        world.sensors.dns(at, account, host, today.inside_ip, name, found=found, record=record)


def cloud_changes(world: World, today: Plan, chance: Chance) -> None:
    """A change of infrastructure by hand, and data looked through to see whether it worked."""
    person, sensors = today.person, world.sensors
    elsewhere = Client(networks.hosted(chance), person.command_client)
    client = Client(today.client.ip, person.command_client) if chance.happens(0.8) else elsewhere
    where = (
        person.cloud_account if chance.happens(0.7) else chance.pick(places.CLOUD_ACCOUNTS),
        person.cloud_region if chance.happens(0.8) else chance.pick(places.CLOUD_REGIONS),
    )
    calls = (*catalogue.CLOUD_CHANGES, *catalogue.CLOUD_QUESTIONS, places.CLOUD_CALLS[13])
    at = today.moments(chance, 1)[0]
    for moment in spread(chance, at, chance.between(2, 14), chance.uniform(0.3, 3.0)):
        call = chance.pick(calls)
        denied = chance.happens(0.12)
        resource = chance.favourite(call.resources)
        sensors.api(moment, person.account, client, call, resource, *where, denied=denied)
    if chance.happens(0.4):
        bucket = chance.pick(places.CLOUD_CALLS[0].resources)
        for moment in spread(chance, at + HOUR_MS, chance.between(5, 70), 2.0):
            sensors.api(moment, person.account, client, places.CLOUD_CALLS[0], bucket, *where)


def second_line(world: World, today: Plan, chance: Chance) -> None:
    """Work from two lines at once: a cloud desktop, a privacy VPN, a laptop on a SIM card from abroad."""
    person = today.person
    lines = (
        networks.hosted(chance),
        networks.abroad(chance),
        networks.abroad(chance),
        networks.mobile(person.home_country, chance),
    )
    ip = chance.pick(lines)
    model = person if chance.happens(0.6) else chance.pick(world.organisation.people)
    client = Client(ip, places.browser(model.browser, today.day.date, model.update_delay_days))
    at = today.moments(chance, 1)[0]
    at = actions.sign_in_cloud(
        world, chance, at, person.account, client, wrong=chance.below(2), refused=chance.below(2)
    )
    if chance.happens(0.15):
        world.sensors.directory(at, person.account, client, catalogue.NEW_FACTOR, person.name)
    for moment in spread(chance, at, chance.between(3, 30), chance.uniform(0.5, 6.0)):
        operation = chance.favourite(places.MAIL_OPERATIONS, 1.3)
        world.sensors.mailbox(moment, person.account, client, operation)
    if chance.happens(0.5):
        where = chance.pick(person.libraries)
        n = chance.between(2, 45)
        actions.fetch_library(world, chance, at, person.account, client, where, n, chance.uniform(3e3, 6e4))


def mailings(world: World, today: Plan, chance: Chance) -> None:
    """A mailing to many, answers sorted by rules, a mailbox searched and tidied."""
    account, client = today.person.account, today.client
    at = today.moments(chance, 1)[0]
    for _ in range(chance.below(4)):
        at += 10_000 + chance.exponential(MINUTE_MS)
        world.sensors.mailbox(at, account, client, chance.favourite(catalogue.MAIL_CHANGES))
    for operation, most in (("SearchQueryPerformed", 8), ("Send", 45), ("SoftDelete", 35)):
        for _ in range(chance.below(most) if chance.happens(0.6) else 0):
            at += 2_000 + chance.exponential(20_000)
            world.sensors.mailbox(at, account, client, operation)


def new_factor(world: World, today: Plan, chance: Chance) -> None:
    """A new phone, known to the identity provider."""
    at = today.moments(chance, 1)[0]
    at = actions.sign_in_cloud(world, chance, at, today.person.account, today.client, refused=chance.below(3))
    world.sensors.directory(at, today.person.account, today.client, catalogue.NEW_FACTOR, today.person.name)


def accounts_looked_after(world: World, today: Plan, chance: Chance) -> None:
    """Groups, roles and passwords of others, by administrators."""
    admin = world.organisation.admins[today.person.name]
    controller = world.organisation.of_kind("domain controller")[0]
    for at in today.moments(chance, chance.between(1, 5)):
        colleague = chance.pick(world.organisation.people)
        operation = chance.favourite(catalogue.DIRECTORY_CHANGES)
        world.sensors.directory(at, admin, today.client, operation, colleague.name)
        if chance.happens(0.4):
            world.sensors.password_change(at + 40_000, admin, colleague.account, controller, reset=True)


def files_restored(world: World, today: Plan, chance: Chance) -> None:
    """An administrator in other departments' folders and at their desks: restored files, moved profiles."""
    admin, host = world.organisation.admins[today.person.name], today.host
    at = today.moments(chance, 1)[0]
    gap = chance.uniform(1_500.0, 30_000.0)
    for _ in range(chance.between(1, 5)):
        share = chance.pick(sorted(places.SHARE_FOLDERS))
        where = (share, chance.pick(places.SHARE_FOLDERS[share]))
        at = actions.copy_folder(
            world, chance, at, admin, host, today.inside_ip, where, chance.between(4, 50), gap
        )
    colleague = chance.pick(world.organisation.people)
    desk = colleague.workstation
    if not desk.linux and chance.happens(0.6):
        if chance.happens(0.5):
            world.sensors.logon(at, admin, desk, INTERACTIVE, source_ip="127.0.0.1")
            at = actions.look_around(world, chance, at + 20_000, admin, desk, chance.between(1, 5))
        else:
            n = chance.between(1, 6)
            at = actions.on_server(world, chance, at, admin, desk, host, today.inside_ip, n)
        if chance.happens(0.5):
            actions.pack(world, chance, at, admin, desk, colleague.role.shares[0])


def other_machines(world: World, today: Plan, chance: Chance) -> None:
    """Administrators go where they do not usually go: a few machines, perhaps from a colleague's desk."""
    organisation = world.organisation
    admin: Account = organisation.admins[today.person.name]
    source, source_ip = today.host, today.inside_ip
    if chance.happens(0.5):
        desks = [one.workstation for one in organisation.people if not one.workstation.linux]
        source = chance.pick(desks or [source])
        source_ip = source.ip
        at = today.moments(chance, 1)[0]
        world.sensors.logon(at, admin, source, INTERACTIVE, source_ip="127.0.0.1")
        at = actions.look_around(world, chance, at + 20_000, admin, source, chance.between(1, 4))
    windows = [host for host in organisation.servers if not host.linux]
    for at in today.moments(chance, chance.between(1, 5)):
        target = chance.pick(windows)
        n = chance.between(1, 5)
        until = actions.on_server(world, chance, at, admin, target, source, source_ip, n)
        if chance.happens(0.25):
            world.sensors.scheduled_job(until, admin, target, "Cleanup", r"C:\Tools\cleanup.bat")
        if chance.happens(0.25):
            actions.pack(world, chance, until, admin, target, "IT")


@dataclass(frozen=True)
class Counterpart:
    """What people of some roles (empty: all) do on this share of their working days."""

    act: Callable[[World, Plan, Chance], None]
    rate: float
    roles: tuple[str, ...] = ()


COUNTERPARTS: dict[str, Counterpart] = {
    "native programs": Counterpart(native_programs, 0.03),
    "native programs of specialists": Counterpart(native_programs, 0.10, ("it", "engineering")),
    "snapshots": Counterpart(snapshots, 0.006),
    "snapshots of administrators": Counterpart(snapshots, 0.10, ("it",)),
    "rewriting": Counterpart(rewriting, 0.02),
    "polling": Counterpart(polling, 1.0),
    "long names": Counterpart(long_names, 0.9),
    "cloud changes": Counterpart(cloud_changes, 0.06, ("it", "engineering")),
    "second line": Counterpart(second_line, 0.03),
    "mailings": Counterpart(mailings, 0.022),
    "new factor": Counterpart(new_factor, 0.008),
    "accounts looked after": Counterpart(accounts_looked_after, 0.25, ("it",)),
    "files restored": Counterpart(files_restored, 0.06, ("it",)),
    "other machines": Counterpart(other_machines, 0.10, ("it",)),
}


def benign_counterparts(world: World, today: Plan) -> None:
    """What a person's day holds of this, and, on the first person's, what machines and strangers do."""
    if suppliers.number_of(today.person) == 0:
        backdrop.run(world, today.day)
    suppliers.come(world, today)
    if today.absent or not today.blocks:
        return
    for concern, counterpart in COUNTERPARTS.items():
        if counterpart.roles and today.person.role.name not in counterpart.roles:
            continue
        chance = world.chance(f"counterpart {concern}", today.day, today.person.name)
        if chance.happens(counterpart.rate):
            counterpart.act(world, today, chance)
