"""An ordinary working day: signing on, programs, the web, shares, the cloud, servers, the phone at night.

Each behaviour is a function of the world and a day's plan with a stream of its own. BEHAVIOURS lists them;
one more changes no event of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import actions, beacons, catalogue, places
from training.simulate.records import (
    BAD_CLOUD_PASSWORD,
    CLOSE,
    INTERACTIVE,
    NETWORK,
    OPEN,
    REMOTE,
    UNLOCK,
    Client,
)
from training.simulate.worktime import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.simulate.chance import Chance
    from training.simulate.organisation import Account, Host
    from training.simulate.plan import Plan, World


def sign_on(world: World, plan: Plan, chance: Chance) -> None:
    """Logon with an occasional wrong password, logon script, VPN if outside, unlocking, logoff."""
    person, sensors, host = plan.person, world.sensors, plan.host
    gateway = world.organisation.of_kind("vpn gateway")[0]
    at = plan.start_ms - 4 * MINUTE_MS
    due = world.company.password_due(person.key, plan.day.index)
    wrong = chance.between(1, 5) if due and chance.happens(0.4) else 0
    while wrong > 0 or chance.happens(person.mistypes):
        _unlock(world, plan, at, INTERACTIVE, failed=True)
        at += 2_000 + chance.exponential(9_000)
        wrong -= 1
    if due:
        controller = chance.pick(world.organisation.of_kind("domain controller"))
        sensors.password_change(at + 4_000, person.account, person.account, controller, reset=False)
        at += 30_000
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
        troubled = world.company.in_trouble("vpn", plan.day, at)
        while chance.happens(0.8 if troubled else person.mistypes):
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
        program = (
            chance.favourite(person.tools)
            if person.tools and chance.happens(0.05)
            else chance.favourite(person.programs, 1.1)
        )
        if chance.happens(0.012) and not plan.host.linux:
            program = chance.pick((*catalogue.RECON_WINDOWS, catalogue.COPYING, catalogue.SEVENZIP))
        if chance.happens(0.006) and not plan.host.linux:
            native(world, chance, at, plan)
        if plan.host.linux == program.path.startswith("/"):
            actions.run(world, chance, at, person.account, plan.host, program, area)


def native(world: World, chance: Chance, at: float, plan: Plan) -> None:
    """A signed program of Windows that runs something else: an installer, a printer, an old form."""
    program = chance.favourite(catalogue.NATIVE_WINDOWS, 0.5)
    parent = chance.favourite(catalogue.NATIVE_PARENTS, 0.5)
    actions.run(
        world, chance, at, plan.person.account, plan.host, program, plan.person.role.shares[0], parent
    )


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
        if share == "Projects" and chance.happens(0.6):
            folder = _project(world, plan)
        server = world.organisation.file_server(share)
        when = at
        if world.company.in_trouble("shares", plan.day, at) and chance.happens(0.6):
            for _ in range(chance.between(1, 5)):
                world.sensors.logon(
                    when, person.account, server, NETWORK, source=plan.host, source_ip=plan.inside_ip,
                    protocol="NTLM", failed=True,
                )  # fmt: skip
                when += 2_000 + chance.exponential(20_000)
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
    for at in plan.moments(chance, 1 + chance.below(3)):
        troubled = world.company.in_trouble("directory", plan.day, at)
        wrong = chance.between(1, 6) if troubled else int(chance.happens(person.mistypes))
        actions.sign_in_cloud(world, chance, at, account, client, wrong=wrong)
    for at in plan.moments(chance, chance.poisson(4 * plan.pace)):
        world.sensors.mailbox(at, account, client, chance.favourite(places.MAIL_OPERATIONS, 1.3))
    if chance.happens(0.03):
        change = chance.favourite(catalogue.MAIL_CHANGES, 0.6)
        world.sensors.mailbox(plan.moments(chance, 1)[0], account, client, change)
    if chance.happens(0.004):
        factor = catalogue.NEW_FACTOR
        world.sensors.directory(plan.moments(chance, 1)[0], account, client, factor, account.name)
    for at in plan.moments(chance, chance.poisson(person.role.cloud_files * plan.pace)):
        where = chance.favourite(person.libraries, 1.0)
        number = chance.rank(places.FILES_PER_FOLDER, 0.7)
        activity = chance.favourite((14, 3, 2, 1, 12), 1.2)
        actions.library_file(world, at, account, client, where, number, activity)


def _project(world: World, plan: Plan) -> str:
    """The project that somebody works on; another one after some weeks."""
    offset = world.lasting("project", plan.person.key).below(25)
    period = world.lasting("project", plan.person.key, (plan.day.index + offset) // 25 + 1)
    return period.favourite(places.SHARE_FOLDERS["Projects"], 0.7)


def saas(world: World, plan: Plan, chance: Chance) -> None:
    """Applications in the cloud: let in by the identity provider, then used through the proxy."""
    person = plan.person
    for at in plan.moments(chance, 1 + chance.poisson(1.2 * plan.pace)):
        app, domain = chance.favourite(person.saas, 1.1)
        if world.company.in_trouble("directory", plan.day, at):
            for _ in range(chance.between(1, 3)):
                world.sensors.cloud_sign_in(
                    at - 60_000, person.account, app, plan.client, mfa=False, failure=BAD_CLOUD_PASSWORD
                )
        world.sensors.cloud_sign_in(at, person.account, app, plan.client, mfa=chance.happens(0.3))
        when = at
        for _ in range(1 + int(chance.exponential(1.5))):
            when += 1_000 + chance.exponential(MINUTE_MS)
            size, sent = int(2.0 ** chance.normal(14.5, 2.5)) + 200, chance.happens(0.25)
            world.sensors.web(when, person.account, plan.host, plan.inside, domain, sent=sent, size=size)


def cloud_calls(world: World, plan: Plan, chance: Chance) -> None:
    """Calls to the cloud provider's API from the command line and the console; a few are denied."""
    person = plan.person
    if not person.role.calls:
        return
    lasting = world.lasting("cloud calls", person.key)
    # everyday calls in one's own order, then a few of the rare ones (keys, secrets, users)
    habits = (*lasting.some(places.CLOUD_CALLS[:9], 6), *lasting.some(places.CLOUD_CALLS[9:], 3))
    for at in plan.moments(chance, chance.poisson(person.role.calls * plan.pace)):
        call = chance.favourite(habits, 1.2)
        agent = plan.command_agent if chance.happens(0.8) else plan.user_agent
        account = (
            chance.favourite(person.cloud_accounts, 2.0)
            if chance.happens(0.97)
            else chance.pick(places.CLOUD_ACCOUNTS)
        )
        troubled = world.company.in_trouble("cloud", plan.day, at)
        region = person.cloud_region if chance.happens(0.96) else chance.pick(places.CLOUD_REGIONS)
        world.sensors.api(
            at,
            person.account,
            Client(plan.client.ip, agent),
            call,
            chance.favourite(call.resources, 1.0),
            account,
            region,
            denied=chance.happens(0.4 if troubled else 0.025),
        )


def servers(world: World, plan: Plan, chance: Chance) -> None:
    """Sessions on servers: developers by SSH, administrators everywhere with their second account."""
    person = plan.person
    admin = world.organisation.admins.get(person.key)
    account = admin or person.account
    for at in plan.moments(chance, chance.poisson(person.role.remote * plan.pace)):
        server = chance.favourite(person.servers, 1.0)
        n = 1 + int(chance.exponential(3.0))
        source, source_ip = plan.host, plan.inside_ip
        if person.role.external or (admin is not None and chance.happens(0.3)):
            source, source_ip = through_jump_host(world, chance, at - 40_000, account, plan)
        until = actions.on_server(world, chance, at, account, server, source, source_ip, n)
        if admin is None or server.linux:
            continue
        if chance.happens(0.06):  # logs for a vendor, an old profile before it goes
            actions.pack(world, chance, until, admin, server, "IT")
        if chance.happens(0.04):
            world.sensors.scheduled_job(until, admin, server, "Cleanup", r"C:\Tools\cleanup.bat")
        if chance.happens(0.04):
            actions.run(world, chance, until, admin, server, catalogue.SHADOWS)


def through_jump_host(
    world: World, chance: Chance, at: float, account: Account, plan: Plan
) -> tuple[Host, str]:
    """A session on a jump host from somebody's machine; what comes next comes from there."""
    jump = chance.favourite(world.organisation.of_kind("jump host"))
    world.sensors.connection(at - 200, plan.inside_ip, jump, 3389, OPEN)
    world.sensors.logon(at, account, jump, REMOTE, source=plan.host, source_ip=plan.inside_ip)
    world.sensors.launch(at + 900, account, jump, catalogue.EXPLORER, catalogue.USERINIT, catalogue.EXPLORER)
    return jump, jump.ip


def help_desk(world: World, plan: Plan, chance: Chance) -> None:
    """Administrators look after colleagues' machines, sitting at them or from afar."""
    person = plan.person
    if person.role.name != "it":
        return
    account = world.organisation.admins[person.key]
    for at in plan.moments(chance, chance.poisson(1.2)):
        operation = chance.favourite(catalogue.DIRECTORY_CHANGES)
        target = chance.pick(world.organisation.people).name
        world.sensors.directory(at, account, plan.client, operation, target)
    for at in plan.moments(chance, chance.poisson(0.35)):  # forgotten over a leave, asked for by phone
        controller = chance.pick(world.organisation.of_kind("domain controller"))
        forgetful = chance.pick(world.organisation.people).account
        world.sensors.password_change(at, account, forgetful, controller, reset=True)
    if not chance.happens(0.4):
        return
    colleague = chance.pick(world.organisation.people)
    desk = world.desk(colleague)
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
    if world.company.password_due(person.key, plan.day.index) and chance.happens(0.5):
        at = plan.start_ms
        for _ in range(chance.between(1, 12)):
            at += 20_000 + chance.exponential(8 * MINUTE_MS)
            app, failure = "Office 365 Exchange Online", BAD_CLOUD_PASSWORD
            world.sensors.cloud_sign_in(at, person.account, app, client, mfa=False, failure=failure)
    for _ in range(chance.poisson(2.0)):
        at = plan.local(7.0) + chance.uniform() * 15.5 * HOUR_MS
        if chance.happens(0.3):
            app = "Office 365 Exchange Online"
            world.sensors.cloud_sign_in(at, person.account, app, client, mfa=False)
        world.sensors.mailbox(at + 900, person.account, client, "MailItemsAccessed")


def machine(world: World, plan: Plan, chance: Chance) -> None:
    """Scheduled work of somebody's machine while it is on: on a working day, or when it was left on."""
    host = plan.host
    if plan.blocks:
        start, end = plan.start_ms - 10 * MINUTE_MS, plan.end_ms
    elif chance.happens(0.3):
        start, end = plan.local(7.0), plan.local(18.0)
    else:
        return
    listed = catalogue.MACHINE_LINUX if host.linux else catalogue.MACHINE_WINDOWS
    for _ in range(chance.poisson(6.0 if plan.blocks else 3.0)):
        at = chance.uniform(start, end)
        actions.run_as_machine(world, chance, at, host, chance.favourite(listed, 0.8))
        if chance.happens(0.4):
            domain = chance.favourite(MACHINE_DOMAINS)
            world.sensors.dns(at + 200, None, host, host.ip, domain)


MACHINE_DOMAINS = ("ctldl.windowsupdate.com", "ocsp.digicert.com", "settings-win.data.microsoft.com")

BEHAVIOURS: tuple[tuple[str, Callable[[World, Plan, Chance], None]], ...] = (
    ("sign on", sign_on),
    ("programs", programs),
    ("web", web),
    ("shares", shares),
    ("cloud", cloud),
    ("saas", saas),
    ("cloud calls", cloud_calls),
    ("servers", servers),
    ("help desk", help_desk),
    ("beacons", beacons.of_desk),
    ("chatter", beacons.chatter),
)
"""What a working person does; `phone` and `machine` go on without work."""


def live(world: World, plan: Plan) -> None:
    """Everything that a person does on a day."""
    key = plan.person.key
    machine(world, plan, world.chance("machine", plan.day, key))
    if plan.absent:
        return
    phone(world, plan, world.chance("phone", plan.day, key))
    if plan.blocks:
        for concern, behaviour in BEHAVIOURS:
            behaviour(world, plan, world.chance(concern, plan.day, key))
