"""What programs ask for by themselves, at fixed intervals, as long as a machine is on.

Update checks, telemetry and presence go to places that everybody asks for; a widget, a device at home or a
supplier's agent goes, just as regularly, to one that hardly anybody knows. An implant differs in neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.simulate import actions, catalogue, places
from training.simulate.records import Client
from training.simulate.worktime import MINUTE_MS

if TYPE_CHECKING:
    from training.simulate.chance import Chance
    from training.simulate.organisation import Host, Person
    from training.simulate.plan import Plan, World
    from training.simulate.worktime import Day


@dataclass(frozen=True, slots=True)
class Beacon:
    """Requests to one domain.

    `minutes` lie between two of them, give or take the share `jitter`; `size` bytes are answered or, where
    `sent`, uploaded; `agent` is the user agent, that of the browser if empty.
    """

    domain: str
    minutes: float
    jitter: float = 0.02
    size: int = 900
    sent: bool = False
    agent: str = ""


CLIENTS = (
    "Microsoft-CryptoAPI/10.0",
    "Go-http-client/2.0",
    "Google Update/1.3.36.372;winhttp",
    "python-requests/2.32.3",
    "",
)
COMMON = (
    Beacon("update.googleapis.com", 295, 0.1, 1_400, agent=CLIENTS[2]),
    Beacon("settings-win.data.microsoft.com", 90, 0.15, 2_100, agent=CLIENTS[0]),
    Beacon("ctldl.windowsupdate.com", 240, 0.05, 5_000, agent=CLIENTS[0]),
    Beacon("teams.microsoft.com", 120, 0.02, 700, sent=True),
    Beacon("nordwind.sharepoint.com", 90, 0.1, 600),
    Beacon("slack.com", 60, 0.01, 400, sent=True, agent=CLIENTS[1]),
    Beacon("api.ipify.org", 120, 0.01, 90, agent=CLIENTS[3]),
)
_INTERVALS = (5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0)


def rare(chance: Chance) -> Beacon:
    """A program that asks at a place which hardly anybody knows."""
    return Beacon(
        places.rare_domain(chance.below(places.RARE_DOMAINS)),
        chance.pick(_INTERVALS),
        chance.pick((0.0, 0.01, 0.05, 0.2, 0.4)),
        int(2.0 ** chance.uniform(7.0, 13.0)),
        chance.happens(0.4),
        chance.pick(CLIENTS),
    )


def usual(world: World, person: Person) -> tuple[Beacon, ...]:
    """What runs on a person's machine for as long as it is theirs."""
    chance = world.lasting("beacons", person.key)
    found = chance.some(COMMON, chance.between(1, 2))
    if chance.happens(0.05):
        found.append(rare(chance))
    return tuple(found)


def tick(world: World, plan: Plan, chance: Chance, beacon: Beacon, start_ms: float, end_ms: float) -> None:
    """All requests of one program from start to end; a name is looked up again now and then."""
    client = Client(plan.inside_ip, beacon.agent or plan.user_agent)
    account, host, every = plan.person.account, plan.host, beacon.minutes * MINUTE_MS
    at = start_ms + chance.uniform(0, every)
    while at < end_ms:
        if chance.happens(0.25):
            world.sensors.dns(at - 25, account, host, plan.inside_ip, beacon.domain)
        size = int(beacon.size * chance.uniform(0.9, 1.1))
        world.sensors.web(at, account, host, client, beacon.domain, sent=beacon.sent, size=size)
        at += every * (1.0 + beacon.jitter * chance.uniform(-1.0, 1.0))


def of_desk(world: World, plan: Plan, chance: Chance) -> None:
    """Regular requests of the programs on somebody's machine, from the first to the last hour of work."""
    for beacon in usual(world, plan.person):
        tick(world, plan, chance, beacon, plan.blocks[0][0], plan.blocks[-1][1])


def chatter(world: World, plan: Plan, chance: Chance) -> None:
    """Look-ups of long names: content delivery networks, lists, and what the antivirus asks."""
    account, host = plan.person.account, plan.host
    for at in plan.moments(chance, chance.poisson(4.0 * plan.pace)):
        if chance.happens(0.15):
            check(world, chance, at, plan, 1 + int(chance.exponential(2.0)))
        else:
            name = places.delivery_name(chance.rank(places.DELIVERY_NAMES, 0.7))
            world.sensors.dns(at, account, host, plan.inside_ip, name, found=not chance.happens(0.04))


def check(world: World, chance: Chance, at: float, plan: Plan, n: int, gap_ms: float = 300.0) -> None:
    """The antivirus or a content network is asked n times, each time by a name of its own."""
    domain, letters = chance.favourite(catalogue.LOOKED_UP, 0.5), chance.between(10, 70)
    record = chance.favourite(("A", "TXT", "AAAA"), 1.0)
    for _ in range(n):
        name = actions.long_name(chance, domain, letters)
        found = not chance.happens(0.12)
        world.sensors.dns(
            at, plan.person.account, plan.host, plan.inside_ip, name, found=found, record=record
        )
        at += chance.exponential(gap_ms)


def of_servers(world: World, day: Day, chance: Chance) -> None:
    """Servers ask for time, updates and licences around the clock; a few ask at a rare place."""
    for host in world.organisation.servers:
        lasting = world.lasting("server beacons", host.name)
        for domain, minutes in _server_beacons(host, lasting):
            at = day.midnight_ms + lasting.uniform(0, minutes * MINUTE_MS)
            while at < day.midnight_ms + 24 * 60 * MINUTE_MS:
                world.sensors.dns(at, None, host, host.ip, domain)
                at += minutes * MINUTE_MS * (1.0 + 0.02 * chance.uniform(-1.0, 1.0))


def _server_beacons(host: Host, lasting: Chance) -> list[tuple[str, float]]:
    found = [("ctldl.windowsupdate.com", 480.0)] if not host.linux else [("registry.npmjs.org", 720.0)]
    if lasting.happens(0.25):
        domain = places.rare_domain(lasting.below(places.RARE_DOMAINS))
        found.append((domain, lasting.pick((60.0, 120.0, 240.0))))
    return found
