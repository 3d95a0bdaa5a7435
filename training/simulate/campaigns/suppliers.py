"""Suppliers' accounts: people from outside who look after some machine, steadily, seldom, or once.

An account that falls silent and comes back is usually a supplier who was called again; now and then it is
somebody else.
"""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from training.simulate import actions, networks, places
from training.simulate.chance import Chance
from training.simulate.organisation import Account
from training.simulate.records import CLOSE, OPEN, Client
from training.simulate.worktime import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from training.simulate.organisation import Host, Organisation, Person
    from training.simulate.plan import Plan, World

_EVERY = 12
"""One sponsor among so many people."""
_FIRMS = ("klima", "druck", "nordit", "lager", "kasse", "waage", "telko", "gabler", "rampe", "sensor")
STEADY, SELDOM, SILENT = "steady", "seldom", "silent"
_SID = "S-1-5-21-1180699209-877415012-3182924384"


class Supplier(NamedTuple):
    """A supplier's account: how often it is used, until which day, from which line, for which machine."""

    account: Account
    habit: str
    until: int
    ip: str
    server: Host
    share: str


def number_of(person: Person) -> int:
    """A person's number in the organisation, from 0."""
    return person.account.unix_uid - 10_000


@lru_cache(maxsize=4096)
def _account(seed: int, name: str, number: int) -> Account:
    key = str(uuid.UUID(Chance(seed, "supplier account", name).hexadecimal(16)))
    return Account(name, f"{_SID}-{41_104 + number}", key, 60_000 + number)


def sponsored_by(organisation: Organisation, person: Person) -> Supplier | None:
    """The supplier whom a person called in, if any; the first, fourth, ... of them fall silent for good."""
    seed, number = organisation.seed, number_of(person)
    every = min(_EVERY, len(organisation.people))
    if number % every != seed % every:
        return None
    place = number // every
    chance = Chance(seed, "supplier", number)
    name = f"ext-{_FIRMS[place % len(_FIRMS)]}{1 + place // len(_FIRMS)}"
    servers = [
        host for host in organisation.servers if host.kind in ("application server", "database", "web server")
    ]
    country = chance.pick(sorted((*networks.HOME, *networks.ABROAD)))
    line = networks.HOME.get(country) or networks.ABROAD[country]
    return Supplier(
        account=_account(seed, name, place),
        habit=(SILENT, SELDOM, STEADY)[place % 3],
        until=chance.between(3, 6),
        ip=networks.within(chance.pick(line), chance),
        server=chance.pick(servers),
        share=chance.pick(("IT", "Projects", "Dispatch")),
    )


def suppliers(organisation: Organisation) -> list[tuple[Person, Supplier]]:
    """All suppliers with their sponsors."""
    found = ((person, sponsored_by(organisation, person)) for person in organisation.people)
    return [(person, supplier) for person, supplier in found if supplier is not None]


def come(world: World, today: Plan) -> None:
    """Let the supplier of a sponsor work, on a day on which the supplier does."""
    supplier = sponsored_by(world.organisation, today.person)
    if supplier is None or today.day.weekend:
        return
    chance = world.chance("supplier", today.day, today.person.name)
    every = world.lasting("supplier pause", today.person.name).between(9, 22)
    offset = seed_of(world, today) % every
    due = {
        STEADY: chance.happens(0.7),
        SELDOM: today.day.index <= supplier.until or today.day.index % every == offset,
        SILENT: today.day.index <= supplier.until,
    }[supplier.habit]
    if due:
        at = today.local(8.0) + chance.uniform(0.0, 6.0) * HOUR_MS
        agent = places.browser("chrome", today.day.date, 3)
        session(world, chance, at, supplier, Client(supplier.ip, agent), files=chance.between(3, 20))


def seed_of(world: World, today: Plan) -> int:
    """A number of a person's own."""
    return world.lasting("supplier offset", today.person.name).below(1000)


def session(
    world: World,
    chance: Chance,
    at: float,
    supplier: Supplier,
    client: Client,
    *,
    files: int,
    server: Host | None = None,
    share: str = "",
    sign_in: bool = True,
) -> float:
    """A supplier's visit: VPN, a server, files of a share, the cloud; returns when it is over."""
    sensors, account = world.sensors, supplier.account
    gateway = world.organisation.of_kind("vpn gateway")[0]
    inside_ip = networks.vpn_pool(chance)
    if chance.happens(0.15):
        sensors.vpn(at - 9_000, account.name, gateway, client.ip, failed=True)
    sensors.vpn(at, account.name, gateway, client.ip)
    sensors.tunnel(at + 600, account, gateway, client.ip, inside_ip, OPEN)
    at += 20_000 + chance.exponential(2 * MINUTE_MS)
    n = chance.between(2, 9)
    at = actions.on_server(world, chance, at, account, server or supplier.server, gateway, inside_ip, n)
    area = share or supplier.share
    where = (area, chance.pick(places.SHARE_FOLDERS[area]))
    at = actions.copy_folder(world, chance, at, account, gateway, inside_ip, where, files, 20_000)
    if sign_in:
        at = actions.sign_in_cloud(world, chance, at, account, client)
        at = actions.fetch_library(world, chance, at, account, client, where, chance.between(1, 6), 60_000)
    sensors.tunnel(at + 30_000, account, gateway, client.ip, inside_ip, CLOSE)
    return at + MINUTE_MS
