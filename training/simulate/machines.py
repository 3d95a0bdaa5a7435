"""What goes on without anybody: services, backup, scanner, deployments, shared machines, Internet noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import actions, automation, beacons, catalogue, networks, places
from training.simulate.records import BAD_CLOUD_PASSWORD, INTERACTIVE, OPEN, REFUSE, Client
from training.simulate.routine import MACHINE_DOMAINS
from training.simulate.worktime import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.simulate.chance import Chance
    from training.simulate.plan import World
    from training.simulate.worktime import Day

_PORTS = (22, 80, 135, 139, 443, 445, 1433, 3389, 5985, 8080)
_OPEN_PORTS = {
    "file server": {135, 139, 445, 3389, 5985},
    "domain controller": {135, 139, 445, 3389, 5985},
    "database": {135, 445, 1433, 3389, 5985},
    "workstation": {135, 445},
}
_GUESSED = ("admin", "test", "support", "vpn", "user", "backup", "guest", "scanner", "info", "root")


def background(world: World, day: Day, chance: Chance) -> None:
    """Scheduled work of servers, day and night, and of shared machines by day; desks are in `routine`."""
    for host in world.organisation.hosts:
        if host.kind == "workstation":
            continue
        at_desk = host.kind == "kiosk"
        n = chance.poisson(7 if at_desk else 14)
        start, hours = (
            (day.local_midnight_ms(host.site) + 7 * HOUR_MS, 11) if at_desk else (day.midnight_ms, 24)
        )
        if at_desk and day.weekend:
            n //= 6
        catalogue_of = catalogue.MACHINE_LINUX if host.linux else catalogue.MACHINE_WINDOWS
        for _ in range(n):
            at = start + chance.uniform() * hours * HOUR_MS
            program = chance.favourite(catalogue_of, 0.8)
            actions.run_as_machine(world, chance, at, host, program)
            if chance.happens(0.4):
                domain = chance.favourite(MACHINE_DOMAINS)
                world.sensors.dns(at + 200, None, host, host.ip, domain)


def backup(world: World, day: Day, chance: Chance) -> None:
    """The backup reads shares at night, everything on Saturdays."""
    organisation = world.organisation
    account, source = organisation.services["svc-backup"], organisation.of_kind("backup server")[0]
    at = day.midnight_ms + HOUR_MS + chance.uniform(0, 8) * MINUTE_MS
    for share, folders in sorted(places.SHARE_FOLDERS.items()):
        for folder in folders:
            n = places.FILES_PER_FOLDER if day.date.weekday() == 5 else chance.poisson(5)
            at = actions.copy_folder(world, chance, at, account, source, source.ip, (share, folder), n, 800)
    actions.run(world, chance, at, account, source, catalogue.COPYING, "Public")


def monitoring(world: World, day: Day, chance: Chance) -> None:
    """The monitoring visits every server every three hours."""
    organisation = world.organisation
    account, source = organisation.services["svc-monitor"], organisation.of_kind("monitoring server")[0]
    for hour in range(0, 24, 3):
        for server in organisation.servers:
            at = day.midnight_ms + hour * HOUR_MS + chance.uniform(0, 4 * MINUTE_MS)
            if server.linux:
                world.sensors.ssh(at, account, server, source.ip)
                actions.run(
                    world, chance, at + 400, account, server, catalogue.REMOTE_LINUX[5], parent=catalogue.SSHD
                )
            else:
                actions.open_share(world, at, account, server, source, source.ip, ntlm=chance.happens(0.5))
                actions.run(
                    world,
                    chance,
                    at + 400,
                    account,
                    server,
                    catalogue.REMOTE_WINDOWS[2],
                    parent=catalogue.WSMPROVHOST,
                )


def scanner(world: World, day: Day, chance: Chance) -> None:
    """The vulnerability scanner knocks at every door on Wednesday nights and tries to log on."""
    if day.date.weekday() != 2:
        return
    organisation = world.organisation
    account, source = organisation.services["svc-scan"], organisation.of_kind("scanner")[0]
    at = float(day.midnight_ms + 2 * HOUR_MS)
    for host in organisation.hosts:
        known = _OPEN_PORTS.get(host.kind, {22, 443} if host.linux else {135, 445, 443, 3389})
        for port in _PORTS:
            at += chance.exponential(400)
            world.sensors.connection(at, source.ip, host, port, OPEN if port in known else REFUSE)
        if host.linux:
            world.sensors.ssh(at + 300, account, host, source.ip, key=False, failed=chance.happens(0.4))
        else:
            actions.open_share(world, at + 300, account, host, source, source.ip, ntlm=True)
            if chance.happens(0.5):
                actions.run(
                    world,
                    chance,
                    at + 900,
                    account,
                    host,
                    catalogue.REMOTE_WINDOWS[5],
                    parent=catalogue.WSMPROVHOST,
                )


def deployments(world: World, day: Day, chance: Chance) -> None:
    """The pipeline calls the cloud, more often in working hours; the nightly export moves data."""
    organisation = world.organisation
    deploy, etl = organisation.services["svc-deploy"], organisation.services["svc-etl"]
    client = Client("217.91.44.19", places.COMMAND_CLIENTS[1])
    for _ in range(chance.poisson(4 if day.weekend else 30)):
        at = day.midnight_ms + chance.normal(13.0, 3.0) * HOUR_MS
        for _ in range(1 + int(chance.exponential(4.0))):
            call = chance.favourite(
                (places.CLOUD_CALLS[9], places.CLOUD_CALLS[8], places.CLOUD_CALLS[10], places.CLOUD_CALLS[4])
            )
            account = chance.favourite(places.CLOUD_ACCOUNTS)
            world.sensors.api(
                at, deploy, client, call, chance.favourite(call.resources), account, "eu-central-1"
            )
            at += chance.exponential(20_000)
        host = chance.pick(organisation.of_kind("build server"))
        for _ in range(3):
            actions.run(
                world,
                chance,
                at,
                deploy,
                host,
                chance.favourite(catalogue.DEVELOPER_LINUX[:6]),
                "Engineering",
            )
            at += chance.exponential(60_000)
    at = day.midnight_ms + 3.5 * HOUR_MS
    for _ in range(chance.poisson(60)):
        at += chance.exponential(9_000)
        call = chance.favourite((places.CLOUD_CALLS[0], places.CLOUD_CALLS[5], places.CLOUD_CALLS[2]))
        resource = chance.favourite(call.resources)
        world.sensors.api(at, etl, client, call, resource, places.CLOUD_ACCOUNTS[1], "eu-central-1")


def databases(world: World, day: Day, chance: Chance) -> None:
    """The database service logs on and runs its jobs every few hours."""
    organisation = world.organisation
    account = organisation.services["svc-sql"]
    for host in organisation.of_kind("database"):
        for hour in (0, 6, 12, 18):
            at = day.midnight_ms + hour * HOUR_MS + chance.exponential(MINUTE_MS)
            world.sensors.logon(at, account, host, 5)
            actions.run(
                world, chance, at + 700, account, host, catalogue.SHELL_WINDOWS, parent=catalogue.SERVICES
            )
            actions.copy_folder(
                world, chance, at + 9_000, account, host, host.ip, ("IT", "Scripts"), 3, 4_000
            )


def shared_machines(world: World, day: Day, chance: Chance) -> None:
    """Warehouse people share machines and accounts in two shifts, six days a week."""
    if day.date.weekday() == 6:
        return
    organisation = world.organisation
    agent = places.browser("edge", day.date, 9)
    for number, host in enumerate(organisation.of_kind("kiosk")):
        midnight = day.local_midnight_ms(host.site)
        for shift in range(1 if day.weekend else 2):
            at = midnight + (6 + 8 * shift) * HOUR_MS + chance.normal(0, 6 * MINUTE_MS)
            end = at + 8 * HOUR_MS
            account = organisation.shared[
                (number + (chance.below(2) if chance.happens(0.2) else 0)) % len(organisation.shared)
            ]
            while at < end:
                while chance.happens(0.12):
                    world.sensors.logon(at, account, host, INTERACTIVE, source_ip="127.0.0.1", failed=True)
                    at += 3_000 + chance.exponential(9_000)
                world.sensors.logon(at, account, host, INTERACTIVE, source_ip="127.0.0.1")
                for program in chance.some((*catalogue.DISPATCH[::2], catalogue.EDGE), 2):
                    at += chance.exponential(60_000)
                    actions.run(world, chance, at, account, host, program, "Dispatch")
                domain = chance.favourite((*places.ROLE_DOMAINS["warehouse"], *places.DOMAINS[:4]))
                world.sensors.dns(at, account, host, host.ip, domain)
                world.sensors.web(at + 60, account, host, Client(host.ip, agent), domain, size=20_000)
                actions.copy_folder(
                    world, chance, at + 500, account, host, host.ip, ("Dispatch", "Labels"), 3, 30_000
                )
                at += chance.exponential(60 * MINUTE_MS)
                world.sensors.logoff(at, account, host, INTERACTIVE)
                at += chance.exponential(8 * MINUTE_MS)


def internet_noise(world: World, day: Day, chance: Chance) -> None:
    """Strangers try names and passwords at the doors to the Internet every day; some names are real."""
    organisation = world.organisation
    gateway = organisation.of_kind("vpn gateway")[0]
    for _ in range(chance.poisson(14)):
        ip = networks.anywhere(chance)
        at = day.midnight_ms + chance.uniform() * 24 * HOUR_MS
        client = Client(
            ip,
            places.browser(chance.favourite(("chrome", "firefox", "linux")), day.date, chance.between(0, 11)),
        )
        at_cloud = chance.happens(0.35)
        for _ in range(1 + int(chance.exponential(2.0))):
            at += chance.exponential(40_000)
            account = chance.pick(organisation.people).account
            if at_cloud:
                world.sensors.cloud_sign_in(
                    at, account, "OfficeHome", client, mfa=False, failure=BAD_CLOUD_PASSWORD
                )
            else:
                name = account.name if chance.happens(0.25) else chance.favourite(_GUESSED)
                world.sensors.vpn(at, name, gateway, ip, failed=True)


ROUTINES: tuple[tuple[str, Callable[[World, Day, Chance], None]], ...] = (
    ("background", background),
    ("backup", backup),
    ("monitoring", monitoring),
    ("scanner", scanner),
    ("deployments", deployments),
    ("databases", databases),
    ("shared machines", shared_machines),
    ("internet noise", internet_noise),
    ("server beacons", beacons.of_servers),
    ("builds", automation.builds),
    ("infrastructure", automation.infrastructure),
    ("emergency drill", automation.emergency_drill),
    ("inventory", automation.inventory),
    ("stale credentials", automation.stale_credentials),
    ("snapshots", automation.snapshots),
)


def run(world: World, day: Day) -> None:
    """Everything that machines and strangers do on a day."""
    for concern, routine in ROUTINES:
        routine(world, day, world.chance(concern, day))
