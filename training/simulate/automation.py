"""Cloud and server work that nobody watches: builds, infrastructure as code, inventory, stale credentials.

All of it looks like an intruder with a key, on every working day of the year.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import actions, catalogue, networks, places
from training.simulate.chance import Chance
from training.simulate.organisation import BREAK_GLASS
from training.simulate.records import NETWORK, OPEN, SERVICE, Client
from training.simulate.worktime import HOUR_MS, MINUTE_MS, SITES

if TYPE_CHECKING:
    from training.simulate.organisation import Host
    from training.simulate.plan import World
    from training.simulate.worktime import Day

_BUILD_CALLS = tuple(places.CLOUD_CALLS[place] for place in (4, 9, 0, 5, 10, 8))
DRILL_DAYS = 14
KEY_DAYS = 28


def _runner(world: World, period: int) -> str:
    """Address of a rented build machine; the pool is another one every week."""
    chance = world.lasting("runners", "", period)
    return networks.hosted(chance)


def builds(world: World, day: Day, chance: Chance) -> None:
    """Builds in rented machines sign in with the pipeline's key; the key is changed every few weeks."""
    account = world.organisation.services["svc-ci"]
    for _ in range(chance.poisson(3 if day.weekend else 12)):
        at = day.midnight_ms + chance.normal(13.0, 3.5) * HOUR_MS
        ip = _runner(world, day.index // 7 * 10 + chance.below(5))
        client = Client(ip, chance.favourite(places.COMMAND_CLIENTS[:2]))
        project = chance.favourite(places.CLOUD_ACCOUNTS)
        for call in (_BUILD_CALLS[0], *(chance.favourite(_BUILD_CALLS[1:]) for _ in range(chance.below(8)))):
            resource = chance.favourite(call.resources)
            world.sensors.api(at, account, client, call, resource, project, places.CLOUD_REGIONS[0])
            at += chance.exponential(25_000)
    if day.index % KEY_DAYS == 9:
        key = next(call for call in places.CLOUD_CALLS if call.operation == "CreateAccessKey")
        client = Client(_runner(world, day.index // 7 * 10), places.COMMAND_CLIENTS[1])
        at = day.midnight_ms + 10 * HOUR_MS
        world.sensors.api(
            at, account, client, key, key.resources[0], places.CLOUD_ACCOUNTS[0], places.CLOUD_REGIONS[0]
        )


def infrastructure(world: World, day: Day, chance: Chance) -> None:
    """Every night what there is gets compared with what is written down; some days something is changed."""
    account = world.organisation.services["svc-terraform"]
    client = Client("217.91.44.19", places.COMMAND_CLIENTS[2])
    times = [2.0] if day.weekend else [2.0, *(chance.uniform(8.0, 17.0) for _ in range(chance.poisson(3.0)))]
    for hour in times:
        at = day.midnight_ms + (hour + chance.uniform(0, 0.1)) * HOUR_MS
        for project in places.CLOUD_ACCOUNTS if hour == 2.0 else [chance.pick(places.CLOUD_ACCOUNTS)]:
            region = chance.favourite(places.CLOUD_REGIONS, 1.5)
            for call in chance.some(catalogue.CLOUD_QUESTIONS, 9):
                resource = chance.favourite(call.resources)
                world.sensors.api(at, account, client, call, resource, project, region)
                at += chance.exponential(1_500)
            if hour == 2.0:
                continue
            for _ in range(chance.between(1, 8)):
                call = chance.favourite(catalogue.CLOUD_CHANGES, 0.4)
                denied, resource = chance.happens(0.05), chance.favourite(call.resources)
                world.sensors.api(at, account, client, call, resource, project, region, denied=denied)
                at += chance.exponential(4_000)


def emergency_drill(world: World, day: Day, chance: Chance) -> None:
    """Every two weeks somebody tries out the account that is kept for emergencies."""
    if day.index % DRILL_DAYS != 1 + Chance(world.organisation.seed, "drill").below(5):
        return
    account = world.organisation.services[BREAK_GLASS]
    client = Client(world.company.exit(SITES[0], day.index), places.browser("edge", day.date, 5))
    at = day.midnight_ms + chance.uniform(8.0, 15.0) * HOUR_MS
    at = actions.sign_in_cloud(world, chance, at, account, client, wrong=chance.below(3))
    for _ in range(chance.between(3, 12)):
        at += chance.exponential(30_000)
        call = chance.favourite(catalogue.CLOUD_QUESTIONS)
        project = chance.favourite(places.CLOUD_ACCOUNTS)
        resource = chance.favourite(call.resources)
        world.sensors.api(at, account, client, call, resource, project, places.CLOUD_REGIONS[0])
    if chance.happens(0.5):
        operation = chance.favourite(catalogue.DIRECTORY_CHANGES)
        world.sensors.directory(at, account, client, operation, chance.pick(world.organisation.people).name)


def inventory(world: World, day: Day, chance: Chance) -> None:
    """A script visits every machine once in three days and asks what is installed."""
    organisation = world.organisation
    account, source = organisation.services["svc-inventory"], organisation.of_kind("monitoring server")[0]
    at = day.midnight_ms + 9 * HOUR_MS + chance.uniform(0, 30) * MINUTE_MS
    for place, host in enumerate(organisation.hosts):
        if place % 3 != day.index % 3:
            continue
        at += chance.exponential(6_000)
        world.sensors.connection(at, source.ip, host, 22 if host.linux else 5985, OPEN)
        if host.linux:
            world.sensors.ssh(at + 200, account, host, source.ip)
            actions.run(
                world, chance, at + 500, account, host, catalogue.REMOTE_LINUX[6], parent=catalogue.SSHD
            )
        else:
            world.sensors.logon(at + 200, account, host, NETWORK, source=source, source_ip=source.ip)
            if chance.happens(0.4):
                program = chance.pick(catalogue.REMOTE_WINDOWS[:6])
                actions.run(world, chance, at + 500, account, host, program, parent=catalogue.WSMPROVHOST)


def stale_credentials(world: World, day: Day, chance: Chance) -> None:
    """A service on some server goes on with a password that was changed, until somebody notices."""
    organisation = world.organisation
    for slot in range(1 + len(organisation.people) // 150):
        lasting = world.lasting("stale service", "", day.index // 5 * 100 + slot)
        if not lasting.happens(0.5):
            continue
        first, length, minutes = lasting.below(4), lasting.between(1, 3), lasting.pick((5, 15, 30, 60))
        account = organisation.services[lasting.pick(("svc-sql", "svc-backup", "svc-monitor", "svc-etl"))]
        server: Host = lasting.pick([host for host in organisation.servers if not host.linux])
        target: Host = lasting.pick(organisation.of_kind("file server"))
        if not first <= day.index % 5 < first + length:
            continue
        at = day.midnight_ms + chance.uniform(0, minutes) * MINUTE_MS
        until = day.midnight_ms + (15.0 if day.index % 5 == first + length - 1 else 24.0) * HOUR_MS
        while at < until:
            if lasting.happens(0.5):
                world.sensors.logon(at, account, server, SERVICE, failed=True)
            else:
                world.sensors.logon(
                    at, account, target, NETWORK, source=server, source_ip=server.ip, protocol="NTLM",
                    failed=True,
                )  # fmt: skip
            at += minutes * MINUTE_MS + chance.exponential(1_000)


def snapshots(world: World, day: Day, chance: Chance) -> None:
    """Before the backup, servers list and thin out their snapshots."""
    account = world.organisation.services["svc-backup"]
    for host in world.organisation.servers:
        if not host.linux and host.kind in ("file server", "database", "backup server"):
            at = day.midnight_ms + 0.7 * HOUR_MS + chance.uniform(0, 8) * MINUTE_MS
            actions.run(world, chance, at, account, host, catalogue.SHADOWS, parent=catalogue.SERVICES)
