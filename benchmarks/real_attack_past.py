"""A quiet past for the names of a recording: a simulated organisation in which some people have these names.

Nothing is planted in it. The names are a few among forty people and some sixty machines; whose place each
takes follows from what it is: an administrator's account has an administrator's past, a controller that of
a controller, an office worker's desk that of such a desk.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.real_attack_cases import ADDRESSES, ALONE, DOMAIN, HOME_ADDRESSES
from benchmarks.real_attack_records import Record, clip, day_us
from features.errors import InputError
from training.simulate import places
from training.simulate.writer import Simulation, write

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from benchmarks.real_attack_records import Stretch
    from training.simulate.organisation import Organisation, Person

PEOPLE, DAYS = 40, 14
OFFICE = ("sales", "finance", "dispatch", "marketing", "people")
TURN_MS = 15 * 60_000
"""The past ends so long after midnight: what is done at night is done once, not before each recording."""
CLIP_RECORDS = 80


class Newcomer(NamedTuple):
    """Who takes the place of a simulated person. admin: an administrator; second: its privileged account."""

    name: str
    admin: bool = False
    desk: str = ""
    second: str = ""
    server: str = ""


NEWCOMERS = {
    DOMAIN: (
        Newcomer("pgustavo", desk="WORKSTATION5"),
        Newcomer("sbeavers", desk="WORKSTATION6"),
        Newcomer("lrodriguez", desk="WORKSTATION7"),
        Newcomer("mscott"),
        Newcomer("pbeesly"),
        Newcomer("wardog", admin=True),
    ),
    ALONE: (
        Newcomer("wardog", admin=True, desk="WORKSTATION5"),
        Newcomer("IT01-Pedro", admin=True, desk="PEDRO01", second="pedro"),
        Newcomer("fztu", server="build-01"),
        *(Newcomer("", desk=address) for address in HOME_ADDRESSES),
    ),
}
REPLACED = {
    DOMAIN: {"DC-01": "MORDORDC", "svc-monitor": "sysmonsvc", "svc-inventory": "nxlogsvc"},
    ALONE: {"build-01": "LabSZ"},
}
"""Machines and services by the name that they have in the simulation."""


class Past(NamedTuple):
    """before: events up to the recording's day; day: everybody's everyday work on that day. desks: address of
    each Windows desk by its name.
    """

    before: Path
    day: Path
    desks: dict[str, str]


def simulated(organisation: str, day: date, folder: Path, seed: int) -> Past:
    """Fourteen quiet days and the day itself, with the names of an organisation's recordings."""
    simulation = Simulation(seed, PEOPLE, DAYS + 1, day - timedelta(days=DAYS), 0, in_order=True)
    write(simulation, folder)
    names, desks = renames(simulation.world.organisation, organisation)
    pattern = re.compile(
        rb"(?<![\w.-])(?:"
        + b"|".join(re.escape(old) for old in sorted(names, key=len)[::-1])
        + rb")(?![\w-])"
    )
    text = pattern.sub(lambda found: names[found[0]], (folder / "events.ndjson").read_bytes())
    until = day_us(day) // 1000 + TURN_MS
    lines = text.splitlines(keepends=True)
    times = np.array([int(found) for found in re.findall(rb'\},"time":(\d+),"class_uid"', text)])
    if len(times) != len(lines):
        raise AssertionError("a simulated event does not have its time where it was looked for")
    past = Past(folder / "before.ndjson", folder / "day.ndjson", desks)
    past.before.write_bytes(b"".join(line for line, at in zip(lines, times, strict=True) if at < until))
    past.day.write_bytes(b"".join(line for line, at in zip(lines, times, strict=True) if at >= until))
    return past


def renames(found: Organisation, organisation: str) -> tuple[dict[bytes, bytes], dict[str, str]]:
    """What is written in place of what, and the Windows desks' addresses by their new names.

    Raises
    ------
    InputError
        If the organisation lacks a fitting person for one of the names.
    """
    names = dict(REPLACED[organisation])
    addresses = ADDRESSES[organisation]
    for host in found.hosts:
        new = names.get(host.name)
        if new is not None and new.lower() in addresses:
            names[host.ip] = addresses[new.lower()]
    taken: set[str] = set()
    for newcomer in NEWCOMERS[organisation]:
        person = next((one for one in found.people if one.key not in taken and _fits(one, newcomer)), None)
        if person is None:
            raise InputError(f"nobody simulated can be {newcomer}: take another --seed")
        taken.add(person.key)
        if newcomer.name:
            names[person.name] = newcomer.name
        if newcomer.second:
            names[found.admins[person.name].name] = newcomer.second
        if newcomer.desk:
            desk = person.workstation
            names[desk.name] = newcomer.desk
            if not newcomer.name:  # known by address alone, so its name is the address, without a domain
                names[f"{desk.name}.{places.AD_SUFFIX}"] = names[desk.ip] = newcomer.desk
            elif newcomer.desk.lower() in addresses:
                names[desk.ip] = addresses[newcomer.desk.lower()]
    desks = {
        names.get(host.name, host.name): names.get(host.ip, host.ip)
        for host in found.hosts
        if host.kind == "workstation" and not host.linux and names.get(host.ip) not in HOME_ADDRESSES
    }
    return {old.encode(): new.encode() for old, new in names.items()}, desks


def _fits(person: Person, newcomer: Newcomer) -> bool:
    if newcomer.server:
        return person.role.name == "engineering" and any(s.name == newcomer.server for s in person.servers)
    if person.workstation.linux:
        return False
    return person.role.name == "it" if newcomer.admin else person.role.name in OFFICE


def background(past: Past, pool: list[Stretch], day: date, seed: int) -> tuple[list[Record], list[Record]]:
    """Harmless records of real machines at every Windows desk, a stretch a day: those before the day, and
    those of the day.
    """
    rng = np.random.default_rng((seed, 77))
    before: list[Record] = []
    today: list[Record] = []
    first = day_us(day) - DAYS * 86_400_000_000
    for number in range(DAYS + 1):
        for name, address in sorted(past.desks.items()):
            source = pool[int(rng.integers(len(pool)))]
            start = int(rng.integers(len(source.records)))
            at = first + number * 86_400_000_000 + int(rng.uniform(7, 17) * 3_600_000_000)
            found = clip(source, start, CLIP_RECORDS, name, address, at)
            (before if number < DAYS else today).extend(found)
    return before, today


def control(pool: list[Stretch], host: str, address: str, n: int, at_us: int) -> list[Record]:
    """As many records as an attack left on a machine, all of them harmless, taken from several recordings."""
    found: list[Record] = []
    at: Any = at_us
    for source in pool:
        if len(found) >= n:
            break
        wanted = min(n - len(found), len(source.records))
        found += clip(source, 0, wanted, host, address, at)
        at += 120_000_000
    return found
