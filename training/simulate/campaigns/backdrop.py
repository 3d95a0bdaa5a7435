"""What services and strangers do that campaigns do too: pipelines on rented machines, guessed passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import actions, catalogue, networks, places
from training.simulate.campaigns.campaign import spread
from training.simulate.campaigns.cloud import SERVICE_CALLS
from training.simulate.records import BAD_CLOUD_PASSWORD, Client
from training.simulate.worktime import HOUR_MS

if TYPE_CHECKING:
    from training.simulate.chance import Chance
    from training.simulate.plan import World
    from training.simulate.worktime import Day


def pipelines(world: World, day: Day, chance: Chance) -> None:
    """Services' keys on rented machines, another every few days: pipelines, roll-outs, exports."""
    for name, own in sorted(SERVICE_CALLS.items()):
        account = world.organisation.services[name]
        for _ in range(chance.poisson(0.5 if day.weekend else 1.6)):
            lasting = world.lasting(f"runner {chance.below(3)} {name}", "", day.index // 5)
            ip = networks.hosted(lasting if chance.happens(0.6) else chance)
            client = Client(ip, chance.favourite((*places.COMMAND_CLIENTS[1:], places.COMMAND_CLIENTS[0])))
            changing = chance.happens(0.5)
            calls = (*own, *catalogue.CLOUD_CHANGES, *catalogue.CLOUD_QUESTIONS) if changing else own
            begin = day.midnight_ms + chance.uniform(1.0, 20.0) * HOUR_MS
            where = (chance.favourite(places.CLOUD_ACCOUNTS), chance.favourite(places.CLOUD_REGIONS, 2.0))
            refused = chance.pick((0.0, 0.02, 0.3))
            for at in spread(chance, begin, chance.between(5, 90), chance.uniform(0.2, 3.0)):
                call = chance.pick(calls)
                resource = chance.favourite(call.resources)
                world.sensors.api(at, account, client, call, resource, *where, denied=chance.happens(refused))


def _wrong(world: World, day: Day, chance: Chance, ip: str, at: float, at_cloud: bool) -> None:
    people = world.organisation.people
    person, model = chance.pick(people), chance.pick(people)
    if at_cloud:
        agent = places.browser(model.browser, day.date, model.update_delay_days)
        world.sensors.cloud_sign_in(
            at,
            person.account,
            "OfficeHome",
            Client(ip, agent),
            mfa=False,
            failure=BAD_CLOUD_PASSWORD,
        )
    else:
        gateway = world.organisation.of_kind("vpn gateway")[0]
        world.sensors.vpn(at, person.name, gateway, ip, failed=True)


def guessing(world: World, day: Day, chance: Chance) -> None:
    """Lists of names tried from single machines, and leaked passwords from many lines; none ever fits."""
    anybody = (networks.hosted, networks.hosted, networks.abroad)
    for _ in range(chance.poisson(2.0)):
        ip = chance.pick(anybody)(chance)
        at_cloud, n = chance.happens(0.6), 4 + int(chance.exponential(18.0))
        hours = chance.uniform(0.5, 14.0)
        begin = day.midnight_ms + chance.uniform(0.0, 23.0 - hours) * HOUR_MS
        for at in spread(chance, begin, min(n, 90), hours):
            _wrong(world, day, chance, ip, at, at_cloud)
    if chance.happens(0.3):
        country = chance.pick(sorted(networks.HOME))
        lines = [
            networks.home(country, chance) if chance.happens(0.4) else chance.pick(anybody)(chance)
            for _ in range(chance.between(3, 18))
        ]
        begin, hours = day.midnight_ms + chance.uniform(0.0, 9.0) * HOUR_MS, chance.uniform(1.0, 14.0)
        for at in spread(chance, begin, chance.between(12, 70), hours):
            _wrong(world, day, chance, chance.pick(lines), at, at_cloud=True)


def snapshots(world: World, day: Day, chance: Chance) -> None:
    """The backup lists its snapshots every night and thins them out."""
    account = world.organisation.services["svc-backup"]
    for server in (*world.organisation.of_kind("backup server"), *world.organisation.of_kind("file server")):
        at = day.midnight_ms + 4 * HOUR_MS + chance.uniform(0.0, HOUR_MS)
        actions.run(world, chance, at, account, server, catalogue.SHADOWS)


ROUTINES = (("pipelines", pipelines), ("guessing", guessing), ("snapshots", snapshots))


def run(world: World, day: Day) -> None:
    """Everything of a day."""
    for concern, routine in ROUTINES:
        routine(world, day, world.chance(f"backdrop {concern}", day))
