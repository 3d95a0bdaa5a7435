"""Benign oddities of machines, administration and the cloud. `size` scales how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import actions, catalogue, places, routine
from training.simulate.odd_data import scaled, sometime
from training.simulate.organisation import BREAK_GLASS
from training.simulate.records import INTERACTIVE, NETWORK, OPEN, REFUSE, SERVICE, Client
from training.simulate.worktime import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from training.simulate.chance import Chance
    from training.simulate.organisation import Account
    from training.simulate.plan import Plan, World


def some_admin(world: World, chance: Chance) -> Account:
    """One of the administrators' accounts."""
    return chance.pick(list(world.organisation.admins.values()))


def _own_admin(world: World, plan: Plan) -> Account:
    return world.organisation.admins.get(plan.person.key, plan.person.account)


def set_up(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A new machine or person: installations, questions, a first password, a second factor."""
    at = plan.start_ms + 10 * MINUTE_MS
    person, host, account = plan.person, plan.host, plan.person.account
    controller = world.organisation.of_kind("domain controller")[0]
    if chance.happens(0.7):
        world.sensors.password_change(at, some_admin(world, chance), account, controller, reset=True)
        world.sensors.password_change(at + 5 * MINUTE_MS, account, account, controller, reset=False)
    if chance.happens(0.5):
        world.sensors.directory(at + 6 * MINUTE_MS, account, plan.client, catalogue.NEW_FACTOR, account.name)
    if host.linux:
        for program in catalogue.DEVELOPER_LINUX[:8]:
            at += chance.exponential(3 * MINUTE_MS)
            actions.run(world, chance, at, account, host, program, "Engineering")
        return
    for _ in range(scaled(chance, 4, 10, size)):
        at += chance.exponential(3 * MINUTE_MS)
        actions.run_as_machine(world, chance, at, host, catalogue.INSTALLER, "IT")
        if chance.happens(0.25):
            native = chance.favourite(catalogue.NATIVE_WINDOWS, 0.5)
            actions.run(world, chance, at + 800, account, host, native, parent=catalogue.CMD)
    actions.look_around(world, chance, at, person.account, host, scaled(chance, 1, 6, size))


def colleague_desk(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """Work at a colleague's machine for an hour."""
    people = [person for person in world.organisation.people if not world.desk(person).linux]
    desk = world.desk(chance.pick(people))
    at, account, area = sometime(plan, chance), plan.person.account, plan.person.role.shares[0]
    world.sensors.logon(at, account, desk, INTERACTIVE, source_ip="127.0.0.1", failed=chance.happens(0.2))
    for program in catalogue.LOGON_SCRIPT[1:]:
        actions.run(world, chance, at + 2_000, account, desk, program, parent=catalogue.CMD)
    for _ in range(scaled(chance, 3, 12, size)):
        at += chance.exponential(5 * MINUTE_MS)
        actions.run(world, chance, at, account, desk, chance.favourite(catalogue.DESKTOP), area)
    where, n = chance.pick(plan.person.folders), scaled(chance, 1, 8, size)
    actions.copy_folder(world, chance, at, account, desk, desk.ip, where, n, 60_000)
    world.sensors.logoff(at + 20 * MINUTE_MS, account, desk, INTERACTIVE)


def troubleshooting(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """Something does not work, and somebody follows advice from the web."""
    at, account, host = sometime(plan, chance), plan.person.account, plan.host
    n = scaled(chance, 3, 9, size)
    if host.linux:
        for program in chance.some(catalogue.REMOTE_LINUX, n):
            at += chance.exponential(MINUTE_MS)
            actions.run(world, chance, at, account, host, program, "IT")
        return
    at = actions.look_around(world, chance, at, account, host, n)
    for _ in range(chance.below(1 + scaled(chance, 1, 3, size))):
        at += chance.exponential(2 * MINUTE_MS)
        routine.native(world, chance, at, plan)
    if chance.happens(0.3):
        world.sensors.scheduled_job(at, account, host, "Cleanup", r"C:\Tools\cleanup.bat")


def admin_round(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """Maintenance: an administrator on many machines in a day, some of them for the first time."""
    account = _own_admin(world, plan)
    hosts = [
        *world.organisation.servers,
        *(world.desk(person) for person in world.organisation.people),
    ]
    at = plan.start_ms + chance.uniform(0.2, 3.0) * HOUR_MS
    for host in chance.some(hosts, scaled(chance, 4, 12, size)):
        n = chance.between(1, 5)
        at = actions.on_server(world, chance, at, account, host, plan.host, plan.inside_ip, n)
        if not host.linux and chance.happens(0.3):
            world.sensors.scheduled_job(at, account, host, "Cleanup", r"C:\Tools\cleanup.bat")
        if not host.linux and chance.happens(0.3):
            actions.look_around(world, chance, at, account, host, chance.between(1, 5))
        if not host.linux and chance.happens(0.15):
            actions.run(world, chance, at, account, host, catalogue.SHADOWS)
        if chance.happens(0.25):
            at = actions.pack(world, chance, at, account, host, "IT")
    for where in chance.some([("IT", folder) for folder in places.SHARE_FOLDERS["IT"]], 2):
        n = scaled(chance, 10, 40, size)
        at = actions.copy_folder(world, chance, at, account, plan.host, plan.inside_ip, where, n, 3_000)
    if not plan.host.linux:
        actions.run(world, chance, at, account, plan.host, catalogue.COPYING, "IT", parent=catalogue.CMD)


def supplier_visit(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A contractor works on servers that are new to the account, by way of the jump host."""
    at, account = sometime(plan, chance), plan.person.account
    source, source_ip = routine.through_jump_host(world, chance, at, account, plan)
    for server in chance.some(world.organisation.servers, scaled(chance, 2, 7, size)):
        n = chance.between(1, 6)
        at = actions.on_server(world, chance, at + 50_000, account, server, source, source_ip, n)
    where = ("Projects", chance.pick(places.SHARE_FOLDERS["Projects"]))
    n = scaled(chance, 5, 30, size)
    actions.copy_folder(world, chance, at, account, source, source_ip, where, n, 5_000)


def inventory_sweep(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A script of an administrator's own asks every second machine, and finds doors closed."""
    account, at = _own_admin(world, plan), sometime(plan, chance)
    organisation, gap = world.organisation, chance.uniform(300, 6_000)
    hosts = [host for host in organisation.hosts if host.kind != "scanner"]
    controller = organisation.of_kind("domain controller")[0]
    if not plan.host.linux:
        actions.run(world, chance, at, account, plan.host, catalogue.SCRIPTS, "IT", catalogue.CMD)
    for host in chance.some(hosts, min(scaled(chance, 15, 90, size), len(hosts))):
        at += chance.exponential(gap)
        port, closed = (22 if host.linux else chance.pick((445, 5985, 3389))), chance.happens(0.25)
        world.sensors.connection(at, plan.inside_ip, host, port, REFUSE if closed else OPEN)
        if closed or host.linux:
            continue
        world.sensors.ticket(at + 10, account, controller, f"cifs/{host.name}", plan.inside_ip)
        world.sensors.logon(
            at + 60, account, host, NETWORK, source=plan.host, source_ip=plan.inside_ip,
            failed=chance.happens(0.08),
        )  # fmt: skip
        if chance.happens(0.4):
            program = chance.pick(catalogue.REMOTE_WINDOWS[:6])
            actions.run(world, chance, at + 300, account, host, program, "IT", catalogue.WSMPROVHOST)


def service_tickets(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A drive search or a backup client on a desk turns to all servers at once: a burst of tickets."""
    at, account = sometime(plan, chance), plan.person.account
    servers = [server for server in world.organisation.servers if not server.linux]
    controller = chance.pick(world.organisation.of_kind("domain controller"))
    for server in chance.some(servers, min(scaled(chance, 4, 14, size), len(servers))):
        world.sensors.ticket(at, account, controller, f"cifs/{server.name}", plan.inside_ip)
        at += chance.exponential(3_000)


def own_job_fails(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A job that somebody set up on a server goes on with an old password, every few minutes."""
    account, at = _own_admin(world, plan), plan.start_ms
    server = chance.pick([host for host in world.organisation.servers if not host.linux])
    every = chance.pick((5, 10, 15, 30)) * MINUTE_MS
    for _ in range(scaled(chance, 10, 60, size)):
        world.sensors.logon(at, account, server, SERVICE, failed=True)
        at += every + chance.exponential(800)


def cloud_migration(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """Data and keys move between cloud projects: many calls, some that this person never made."""
    at, person = sometime(plan, chance), plan.person
    client = Client(plan.client.ip, chance.pick((plan.command_agent, *places.COMMAND_CLIENTS)))
    account, region = chance.pick(places.CLOUD_ACCOUNTS), chance.pick(places.CLOUD_REGIONS)
    listed = (places.CLOUD_CALLS[0], places.CLOUD_CALLS[2], *places.CLOUD_CALLS[5:])
    for _ in range(scaled(chance, 25, 110, size)):
        at += chance.exponential(12_000)
        call = chance.favourite(listed, 0.9)
        denied, resource = chance.happens(0.08), chance.favourite(call.resources)
        world.sensors.api(at, person.account, client, call, resource, account, region, denied=denied)


def infrastructure_run(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """Infrastructure as code from a laptop: everything is read in several projects, then much is changed."""
    at, person = sometime(plan, chance), plan.person
    client = Client(plan.client.ip, places.COMMAND_CLIENTS[2])
    for project in chance.some(places.CLOUD_ACCOUNTS, scaled(chance, 1, 3, size)):
        region = chance.pick(places.CLOUD_REGIONS)
        for calls, n, gap in ((catalogue.CLOUD_QUESTIONS, 25, 600), (catalogue.CLOUD_CHANGES, 10, 4_000)):
            for _ in range(scaled(chance, n // 4, n, size)):
                at += chance.exponential(gap)
                call = chance.favourite(calls, 0.4)
                denied, resource = chance.happens(0.1), chance.favourite(call.resources)
                world.sensors.api(at, person.account, client, call, resource, project, region, denied=denied)


def emergency_account(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """The account for emergencies is used in one, outside of the drills."""
    at, account = sometime(plan, chance), world.organisation.services[BREAK_GLASS]
    at = actions.sign_in_cloud(world, chance, at, account, plan.client, wrong=chance.below(3))
    project = chance.favourite(places.CLOUD_ACCOUNTS)
    for _ in range(scaled(chance, 5, 20, size)):
        at += chance.exponential(40_000)
        call = chance.favourite((*catalogue.CLOUD_QUESTIONS, *catalogue.CLOUD_CHANGES), 0.5)
        resource = chance.favourite(call.resources)
        world.sensors.api(at, account, plan.client, call, resource, project, places.CLOUD_REGIONS[0])


def directory_work(world: World, plan: Plan, chance: Chance, size: float) -> None:
    """A reorganisation: groups, roles and applications of many people are changed in an afternoon."""
    at, account = sometime(plan, chance), _own_admin(world, plan)
    for _ in range(scaled(chance, 8, 40, size)):
        at += chance.exponential(40_000)
        operation = chance.favourite(catalogue.DIRECTORY_CHANGES, 0.5)
        target = chance.pick(world.organisation.people).name
        world.sensors.directory(at, account, plan.client, operation, target)
