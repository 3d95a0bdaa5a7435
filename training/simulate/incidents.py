"""Planted campaigns: accounts and machines with an ordinary past in the hands of somebody else.

Intruders use what is there: the same programs, clients, doors and folders as everybody (`actions`). Their
addresses come from the same providers as those of travellers and privacy VPNs. What differs is who does what
from where, and how much.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from training.simulate import actions, catalogue, networks, places, plan
from training.simulate.chance import Chance
from training.simulate.records import BAD_CLOUD_PASSWORD, INTERACTIVE, OPEN, Client, Mark
from training.simulate.worktime import HOUR_MS, MINUTE_MS, Day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from training.simulate.organisation import Account, Host, Person
    from training.simulate.plan import Plan, World

LAST_DAYS = 7
"""Campaigns lie in this many days at the end of a simulation."""
PEOPLE_PER_SET = 60
"""One campaign of every kind for so many people."""


@dataclass(frozen=True)
class Campaign:
    """One campaign: kind, days (indices, both included), whose account or machine, intruder's addresses."""

    number: int
    kind: str
    first: int
    last: int
    person: Person
    ips: tuple[str, ...]
    admin: Account | None = None

    @property
    def name(self) -> str:
        """Name in the ground truth."""
        return f"c{self.number:02d}"


@contextmanager
def _shown(world: World, campaign: Campaign, *entities: tuple[str, str]) -> Iterator[None]:
    """Mark what is recorded meanwhile as the campaign's, visible at these entities."""
    world.sensors.mark = Mark(campaign.number, entities)
    try:
        yield
    finally:
        world.sensors.mark = None


def _user(account: Account) -> tuple[str, str]:
    return "user", account.name


def _host(host: Host) -> tuple[str, str]:
    return "host", host.name.lower()


def _hour(campaign: Campaign, victim: Plan, chance: Chance) -> float:
    """When an intruder comes: in the victim's own hours, or in the intruder's."""
    if victim.blocks and campaign.number % 2:
        return victim.start_ms + chance.uniform(0.3, 5.0) * HOUR_MS
    return victim.day.midnight_ms + chance.uniform(1.0, 19.0) * HOUR_MS


def _somebodys_browser(world: World, day: Day, chance: Chance) -> str:
    person = chance.pick(world.organisation.people)
    return places.browser(person.browser, day.date, person.update_delay_days)


def account_takeover(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """A stolen password, a second factor that was worn down, mail read, libraries fetched over days."""
    account, ip = campaign.person.account, campaign.ips[0]
    lasting = Chance(world.organisation.seed, "intruder", campaign.number)
    client = Client(ip, _somebodys_browser(world, victim.day, lasting))
    at = _hour(campaign, victim, chance)
    with _shown(world, campaign, _user(account), ("src_ip", ip)):
        if victim.day.index == campaign.first:
            at = actions.sign_in_cloud(
                world, chance, at, account, client, wrong=chance.below(2), refused=lasting.below(5)
            )
            at = actions.read_mail(world, chance, at, account, client, chance.between(5, 18))
            if lasting.happens(0.6):
                world.sensors.mailbox(at, account, client, places.INBOX_RULE)
            at = actions.fetch_library(
                world,
                chance,
                at,
                account,
                client,
                campaign.person.libraries[0],
                chance.between(6, 20),
                40_000,
            )
        else:
            at = actions.sign_in_cloud(world, chance, at, account, client)
            areas = (*campaign.person.role.shares, "Projects")
            wheres = [(area, folder) for area in areas for folder in places.SHARE_FOLDERS[area]]
            for where in (*campaign.person.libraries[:2], *chance.some(wheres, 2)):
                gap = chance.uniform(3_000, 30_000)
                at = actions.fetch_library(
                    world, chance, at, account, client, where, chance.between(18, 55), gap
                )


def lateral_movement(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """From somebody's machine, with an administrator's credential, to servers and other machines."""
    account, admin, desk = campaign.person.account, campaign.admin, victim.host
    assert admin is not None  # noqa: S101 - set for this kind when campaigns are planned
    at = victim.start_ms + chance.uniform(0.5, 3.0) * HOUR_MS
    if victim.day.index == campaign.first:
        with _shown(world, campaign, _user(account), _host(desk)):
            actions.run(world, chance, at, account, desk, catalogue.SCRIPTS)
            at = actions.look_around(world, chance, at + 90_000, account, desk, chance.between(2, 6))
        at += chance.uniform(0.2, 1.5) * HOUR_MS
        with _shown(world, campaign, _user(admin), _host(desk)):
            world.sensors.logon(at, admin, desk, INTERACTIVE, source_ip="127.0.0.1")
            at = actions.look_around(world, chance, at + 20_000, admin, desk, chance.between(1, 4))
    windows = [host for host in world.organisation.servers if not host.linux]
    desks = [person.workstation for person in world.organisation.people if not person.workstation.linux]
    targets = [*chance.some(windows, chance.between(2, 5)), *chance.some(desks, chance.below(3))]
    for target in targets:
        with _shown(world, campaign, _user(admin), _host(target)):
            at = actions.on_server(
                world, chance, at, admin, target, desk, victim.inside_ip, chance.between(1, 4)
            )
            if chance.happens(0.35):
                world.sensors.scheduled_job(at, admin, target, "Cleanup", r"C:\Tools\cleanup.bat")
            if chance.happens(0.35):
                at = actions.pack(world, chance, at, admin, target, "IT")
        at += chance.exponential(25 * MINUTE_MS)
    if victim.day.index == campaign.last:
        share = chance.pick(("Finance", "People", "Projects"))
        with _shown(world, campaign, _user(admin)):
            for folder in chance.some(places.SHARE_FOLDERS[share], 2):
                where, n = (share, folder), chance.between(20, 50)
                at = actions.copy_folder(world, chance, at, admin, desk, victim.inside_ip, where, n, 4_000)


def password_spray(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """One password for everybody, slowly, from few addresses; on the last day one fits, and is used."""
    organisation = world.organisation
    gateway = organisation.of_kind("vpn gateway")[0]
    lasting = Chance(organisation.seed, "intruder", campaign.number)
    at_cloud, agent = lasting.happens(0.5), _somebodys_browser(world, victim.day, lasting)
    at = victim.day.midnight_ms + chance.uniform(0.5, 14.0) * HOUR_MS
    gap = chance.uniform(30_000, 6 * MINUTE_MS)
    for person in chance.some(organisation.people, min(45, len(organisation.people))):
        if person is campaign.person and victim.day.index == campaign.last:
            continue
        ip = chance.pick(campaign.ips)
        with _shown(world, campaign, ("src_ip", ip)):
            if at_cloud:
                client = Client(ip, agent)
                world.sensors.cloud_sign_in(
                    at, person.account, "OfficeHome", client, mfa=False, failure=BAD_CLOUD_PASSWORD
                )
            else:
                world.sensors.vpn(at, person.name, gateway, ip, failed=True)
        at += chance.exponential(gap)
    if victim.day.index < campaign.last:
        return
    account, ip = campaign.person.account, campaign.ips[0]
    at += chance.exponential(20 * MINUTE_MS)
    with _shown(world, campaign, _user(account), ("src_ip", ip)):
        if at_cloud:
            client = Client(ip, agent)
            at = actions.sign_in_cloud(world, chance, at, account, client)
            at = actions.read_mail(world, chance, at, account, client, chance.between(8, 25))
            for where in campaign.person.libraries[:2]:
                at = actions.fetch_library(
                    world, chance, at, account, client, where, chance.between(10, 40), 12_000
                )
            return
        world.sensors.vpn(at, account.name, gateway, ip)
        inside_ip = networks.vpn_pool(chance)
        world.sensors.tunnel(at + 600, account, gateway, ip, inside_ip, OPEN)
    # what the tunnel carries shows the account and the address inside, no longer the one outside
    with _shown(world, campaign, _user(account)):
        controller = organisation.of_kind("domain controller")[0]
        for share in chance.some(("Projects", "Finance", "Sales", "People", "IT"), 3):
            world.sensors.ticket(
                at + 5_000, account, controller, f"cifs/{organisation.file_server(share).name}", inside_ip
            )
            for folder in chance.some(places.SHARE_FOLDERS[share], 2):
                for number in range(chance.between(5, 20)):
                    at += chance.exponential(15_000)
                    actions.share_file(world, at + 6_000, account, inside_ip, (share, folder), number)


def insider_copying(world: World, campaign: Campaign, victim: Plan, chance: Chance) -> None:
    """Somebody about to leave takes along more than their own: copied, packed, sent off, over days."""
    if not victim.blocks:
        return
    person, host = campaign.person, victim.host
    at = (
        victim.end_ms - chance.uniform(0.2, 2.5) * HOUR_MS
        if chance.happens(0.6)
        else victim.moments(chance, 1)[0]
    )
    others = [
        (share, folder)
        for share in ("Projects", "Engineering", "Sales")
        for folder in places.SHARE_FOLDERS[share]
    ]
    gap = chance.uniform(1_500, 20_000)
    with _shown(world, campaign, _user(person.account)):
        for where in (*chance.some(person.folders, 2), *chance.some(others, chance.between(1, 3))):
            n = chance.between(20, 55)
            at = actions.copy_folder(world, chance, at, person.account, host, victim.inside_ip, where, n, gap)
        if chance.happens(0.5):
            where, n = chance.pick(person.libraries), chance.between(15, 50)
            at = actions.fetch_library(world, chance, at, person.account, victim.client, where, n, 8_000)
    with _shown(world, campaign, _user(person.account), _host(host)):
        at = actions.pack(world, chance, at, person.account, host, person.role.shares[0])
        if not host.linux:
            actions.run(
                world,
                chance,
                at,
                person.account,
                host,
                catalogue.COPYING,
                person.role.shares[0],
                parent=catalogue.CMD,
            )
        if victim.day.index == campaign.last or chance.happens(0.5):
            actions.hand_over(
                world, chance, at + 60_000, person.account, host, victim.inside, chance.between(3, 12)
            )


KINDS: dict[str, Callable[[World, Campaign, Plan, Chance], None]] = {
    "account_takeover": account_takeover,
    "lateral_movement": lateral_movement,
    "password_spray": password_spray,
    "insider_copying": insider_copying,
}


def campaigns_in(users: int) -> int:
    """How many campaigns an organisation of this size gets: every kind at least once."""
    return len(KINDS) * max(1, users // PEOPLE_PER_SET)


def plan_campaigns(world: World, start: date, days: int, excluded: set[str]) -> list[Campaign]:
    """Lay every kind into the last week, one set for every 60 people.

    Nobody is a victim twice while there are others, and nobody of `excluded` is one.
    """
    organisation = world.organisation
    taken = set(excluded)
    planned: list[Campaign] = []
    for number in range(1, campaigns_in(len(organisation.people)) + 1):
        kind = list(KINDS)[(number - 1) % len(KINDS)]
        chance = Chance(organisation.seed, "campaign", number)
        last_days = range(max(days - LAST_DAYS, 0), days)
        length = min({"account_takeover": 3, "insider_copying": 4}.get(kind, 2), len(last_days))
        first = last_days[0] + chance.below(len(last_days) - length + 1)
        candidates = [person for person in organisation.people if person.name not in taken] or list(
            organisation.people
        )
        person = _party(
            world, chance.shuffled(candidates), kind, [_day(start, first + step) for step in range(length)]
        )
        taken.add(person.name)
        strangers = Chance(organisation.seed, "strangers", number)
        lines = (
            networks.hosted,
            networks.abroad,
            lambda other, own=person: networks.home(own.home_country, other),
        )
        spray = kind == "password_spray"
        ips = tuple(
            networks.hosted(strangers) if spray else strangers.pick(lines)(strangers)
            for _ in range(strangers.between(1, 3))
        )
        admins = [account for name, account in organisation.admins.items() if name != person.name]
        admin = (
            chance.pick(admins or list(organisation.admins.values())) if kind == "lateral_movement" else None
        )
        planned.append(Campaign(number, kind, first, first + length - 1, person, ips, admin))
    return planned


def _day(start: date, index: int) -> Day:
    return Day(index, start + timedelta(days=index))


def _party(world: World, people: list[Person], kind: str, days: list[Day]) -> Person:
    """The first who fits: outside of IT, and where it matters on Windows and at work on these days."""
    fitting = [person for person in people if person.role.name != "it"] or people
    if kind in ("lateral_movement", "insider_copying"):
        fitting = [person for person in fitting if not person.workstation.linux] or fitting

        def working_days(person: Person) -> int:
            return sum(bool(plan.make(world, person, day).blocks) for day in days)

        return max(fitting[:12], key=working_days)
    return fitting[0]


def act(world: World, campaign: Campaign, victim: Plan) -> None:
    """What a campaign does on a day."""
    if campaign.first <= victim.day.index <= campaign.last:
        KINDS[campaign.kind](world, campaign, victim, world.chance("campaign", victim.day, campaign.name))
