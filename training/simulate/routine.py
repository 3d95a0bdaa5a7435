"""An ordinary working day: signing on, programs, the web, shares, the cloud, servers, the phone at night.

Each behaviour is a function of the world and a day's plan with a stream of its own. BEHAVIOURS lists them;
one more changes no event of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import actions, catalogue, places
from training.simulate.records import CLOSE, INTERACTIVE, OPEN, UNLOCK, Client
from training.simulate.worktime import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.simulate.chance import Chance
    from training.simulate.plan import Plan, World


def sign_on(world: World, plan: Plan, chance: Chance) -> None:
    """Logon with an occasional wrong password, logon script, VPN if outside, unlocking, logoff."""
    person, sensors, host = plan.person, world.sensors, plan.host
    gateway = world.organisation.of_kind("vpn gateway")[0]
    at = plan.start_ms - 4 * MINUTE_MS
    while chance.happens(person.mistypes):
        _unlock(world, plan, at, INTERACTIVE, failed=True)
        at += 2_000 + chance.exponential(9_000)
    _unlock(world, plan, at, INTERACTIVE)
    if not host.linux:
        for program in catalogue.LOGON_SCRIPT:
            at += 500 + chance.exponential(2_500)
            actions.run(
                world,
                chance,
                at,
                person.account,
                host,
                program,
                parent="" if program.parent == catalogue.USERINIT else catalogue.CMD,
            )
    if plan.outside:
        while chance.happens(person.mistypes):
            sensors.vpn(at, person.name, gateway, plan.public_ip, failed=True)
            at += 4_000 + chance.exponential(9_000)
        sensors.vpn(at, person.name, gateway, plan.public_ip)
        sensors.tunnel(at + 600, person.account, gateway, plan.public_ip, plan.inside_ip, OPEN)
        sensors.tunnel(
            plan.end_ms + 2 * MINUTE_MS, person.account, gateway, plan.public_ip, plan.inside_ip, CLOSE
        )
    for start, end in plan.blocks[1:]:
        _unlock(world, plan, start, UNLOCK)
        if chance.happens(0.6):
            _unlock(world, plan, chance.uniform(start, end), UNLOCK, failed=chance.happens(person.mistypes))
    if not host.linux:
        sensors.logoff(plan.end_ms + chance.exponential(3 * MINUTE_MS), person.account, host, INTERACTIVE)


def _unlock(world: World, plan: Plan, at: float, logon_type: int, *, failed: bool = False) -> None:
    account, host = plan.person.account, plan.host
    if host.linux:
        world.sensors.ssh(at, account, host, "127.0.0.1", key=False, failed=failed)
    else:
        world.sensors.logon(at, account, host, logon_type, source_ip="127.0.0.1", failed=failed)


def programs(world: World, plan: Plan, chance: Chance) -> None:
    """Programs, the favourites most often."""
    person = plan.person
    area = person.role.shares[0]
    for at in plan.moments(chance, chance.poisson(person.role.launches * plan.pace)):
        program = chance.favourite(person.programs, 1.1)
        if chance.happens(0.012) and not plan.host.linux:
            program = chance.pick((*catalogue.RECON_WINDOWS, catalogue.COPYING, catalogue.SEVENZIP))
        if plan.host.linux == program.path.startswith("/"):
            actions.run(world, chance, at, person.account, plan.host, program, area)


def web(world: World, plan: Plan, chance: Chance) -> None:
    """Requests through the proxy and look-ups of names; now and then a site that nobody else asks for."""
    person, sensors = plan.person, world.sensors
    for at in plan.moments(chance, chance.poisson(person.role.web * plan.pace)):
        if chance.happens(0.045):
            domain = places.rare_domain(chance.rank(places.RARE_DOMAINS, 0.5))
        else:
            domain = chance.favourite(person.domains, 0.9)
        if chance.happens(0.75):
            found = not chance.happens(0.02)
            name = domain if found else f"{domain.rpartition('.')[0]}.{places.AD_SUFFIX}"
            sensors.dns(at - 30, person.account, plan.host, plan.inside_ip, name, found=found)
        if chance.happens(0.8):
            size = int(2.0 ** chance.normal(14.0, 3.0)) + 200
            sent = chance.happens(0.12)
            sensors.web(at, person.account, plan.host, plan.inside, domain, sent=sent, size=size)


def shares(world: World, plan: Plan, chance: Chance) -> None:
    """Files of the department's shares, in sittings in one folder."""
    person = plan.person
    left = chance.poisson(person.role.files * plan.pace)
    for at in plan.moments(chance, max(left // 6, min(left, 1))):
        share, folder = chance.favourite(person.folders, 1.0)
        server = world.organisation.file_server(share)
        when = at
        actions.open_share(
            world, when, person.account, server, plan.host, plan.inside_ip, ntlm=chance.happens(0.04)
        )
        middle = chance.rank(places.FILES_PER_FOLDER, 0.8)
        for _ in range(1 + int(chance.exponential(5.0))):
            when += 400 + chance.exponential(40_000)
            number = (middle + chance.below(6)) % places.FILES_PER_FOLDER
            activity = chance.favourite((2, 2, 5, 3), 0.6)
            actions.share_file(world, when, person.account, plan.inside_ip, (share, folder), number, activity)


def cloud(world: World, plan: Plan, chance: Chance) -> None:
    """Sign-ins at the identity provider, mail, files in cloud libraries, something shared now and then."""
    person, account, client = plan.person, plan.person.account, plan.client
    for at in plan.moments(chance, 2 + chance.below(3)):
        actions.sign_in_cloud(world, chance, at, account, client, wrong=int(chance.happens(person.mistypes)))
    for at in plan.moments(chance, chance.poisson(9 * plan.pace)):
        world.sensors.mailbox(at, account, client, chance.favourite(places.MAIL_OPERATIONS, 1.3))
    if chance.happens(0.012):
        world.sensors.mailbox(plan.moments(chance, 1)[0], account, client, places.INBOX_RULE)
    for at in plan.moments(chance, chance.poisson(person.role.cloud_files * plan.pace)):
        where = chance.favourite(person.libraries, 1.0)
        number = chance.rank(places.FILES_PER_FOLDER, 0.7)
        activity = chance.favourite((14, 3, 2, 1, 12), 1.2)
        actions.library_file(world, at, account, client, where, number, activity)


def cloud_calls(world: World, plan: Plan, chance: Chance) -> None:
    """Calls to the cloud provider's API from the command line and the console; a few are denied."""
    person = plan.person
    lasting = world.lasting("cloud calls", person.name)
    # everyday calls in one's own order, then a few of the rare ones (keys, secrets, users)
    habits = (*lasting.some(places.CLOUD_CALLS[:9], 6), *lasting.some(places.CLOUD_CALLS[9:], 3))
    for at in plan.moments(chance, chance.poisson(person.role.calls * plan.pace)):
        call = chance.favourite(habits, 1.2)
        agent = person.command_client if chance.happens(0.8) else plan.user_agent
        account = person.cloud_account if chance.happens(0.93) else chance.pick(places.CLOUD_ACCOUNTS)
        region = person.cloud_region if chance.happens(0.96) else chance.pick(places.CLOUD_REGIONS)
        world.sensors.api(
            at,
            person.account,
            Client(plan.client.ip, agent),
            call,
            chance.favourite(call.resources, 1.0),
            account,
            region,
            denied=chance.happens(0.025),
        )


def servers(world: World, plan: Plan, chance: Chance) -> None:
    """Sessions on servers: developers by SSH, administrators everywhere with their second account."""
    person = plan.person
    admin = world.organisation.admins.get(person.name)
    account = admin or person.account
    for at in plan.moments(chance, chance.poisson(person.role.remote * plan.pace)):
        server = chance.favourite(person.servers, 1.0)
        n = 1 + int(chance.exponential(3.0))
        until = actions.on_server(world, chance, at, account, server, plan.host, plan.inside_ip, n)
        if admin is None or server.linux:
            continue
        if chance.happens(0.06):  # logs for a vendor, an old profile before it goes
            actions.pack(world, chance, until, admin, server, "IT")
        if chance.happens(0.04):
            world.sensors.scheduled_job(until, admin, server, "Cleanup", r"C:\Tools\cleanup.bat")


def help_desk(world: World, plan: Plan, chance: Chance) -> None:
    """Administrators look after colleagues' machines, sitting at them or from afar."""
    person = plan.person
    if person.role.name != "it" or not chance.happens(0.4):
        return
    colleague = chance.pick(world.organisation.people)
    account = world.organisation.admins[person.name]
    desk = colleague.workstation
    if desk is plan.host or desk.linux or not (times := plan.moments(chance, 1)):
        return
    if chance.happens(0.35):
        world.sensors.logon(
            times[0], account, desk, INTERACTIVE, source_ip="127.0.0.1", failed=chance.happens(0.1)
        )
        until = actions.look_around(world, chance, times[0] + 20_000, account, desk, chance.between(2, 6))
        if chance.happens(0.5):
            server = world.organisation.file_server("IT")
            actions.open_share(world, until, account, server, desk, desk.ip)
    else:
        actions.on_server(
            world, chance, times[0], account, desk, plan.host, plan.inside_ip, chance.between(2, 6)
        )


def phone(world: World, plan: Plan, chance: Chance) -> None:
    """Mail on the phone, from early to late, on free days too."""
    person = plan.person
    if not person.phone:
        return
    client = Client(plan.phone_ip if chance.happens(0.6) else plan.public_ip, person.phone)
    for _ in range(chance.poisson(2.5)):
        at = plan.local(7.0) + chance.uniform() * 15.5 * HOUR_MS
        if chance.happens(0.3):
            app = "Office 365 Exchange Online"
            world.sensors.cloud_sign_in(at, person.account, app, client, mfa=False)
        world.sensors.mailbox(at + 900, person.account, client, "MailItemsAccessed")


BEHAVIOURS: tuple[tuple[str, Callable[[World, Plan, Chance], None]], ...] = (
    ("sign on", sign_on),
    ("programs", programs),
    ("web", web),
    ("shares", shares),
    ("cloud", cloud),
    ("cloud calls", cloud_calls),
    ("servers", servers),
    ("help desk", help_desk),
)
"""What a working person does; `phone` goes on without work."""


def live(world: World, plan: Plan) -> None:
    """Everything that a person does on a day."""
    if plan.absent:
        return
    phone(world, plan, world.chance("phone", plan.day, plan.person.name))
    if plan.blocks:
        for concern, behaviour in BEHAVIOURS:
            behaviour(world, plan, world.chance(concern, plan.day, plan.person.name))
