"""Which campaigns an organisation gets, on which days, against whom, how hard to find, and their acting."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from training.simulate import networks, plan
from training.simulate.campaigns import cloud, endpoint, identity, insider, network, suppliers
from training.simulate.campaigns.campaign import DIFFICULTIES, Campaign
from training.simulate.chance import Chance
from training.simulate.worktime import Day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from training.simulate.organisation import Account, Person
    from training.simulate.plan import Plan, World

WARM_UP_DAYS = 28
"""Campaigns begin on or after this day (by index) in a simulation of at least `WARM_UP_DAYS` + 7 days."""
LAST_DAYS = 7
"""In a shorter one they lie in so many days at its end."""
FEWEST = 4
USERS_PER_SET, DAYS_PER_SET = 250, 14
"""One campaign of every kind for so many people over so many test days."""


@dataclass(frozen=True)
class Kind:
    """A kind of campaign.

    `days` are the fewest and most calendar days, by difficulty; `addresses` the fewest and most addresses of
    the intruder. `who` names a rule for the victim (see `_fits`); `present` says that the victim has to be at
    work for it.
    """

    act: Callable[[World, Campaign, Plan, Chance], None]
    technique: str
    days: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    who: str = "person"
    present: bool = False
    addresses: tuple[tuple[int, int], tuple[int, int], tuple[int, int]] = ((1, 1), (1, 1), (1, 1))


_FEW = ((1, 1), (2, 3), (4, 7))
_MANY = ((2, 3), (6, 9), (12, 18))

KINDS: dict[str, Kind] = {
    "password_spray": Kind(
        identity.password_spray, "T1110.003", ((1, 2), (2, 3), (3, 5)), addresses=_FEW
    ),
    "lateral_movement_fast": Kind(
        endpoint.lateral_movement_fast, "T1021.002", ((1, 1), (1, 2), (1, 2)), "windows", True
    ),
    "c2_beaconing": Kind(
        network.c2_beaconing, "T1071.001", ((2, 4), (3, 6), (4, 8)), "person", True
    ),
    "cloud_key_theft": Kind(cloud.cloud_key_theft, "T1552.005", ((1, 2), (2, 3), (2, 5)), "key"),
    "account_takeover": Kind(identity.account_takeover, "T1078.004", ((2, 3), (2, 4), (3, 5))),
    "insider_exfiltration": Kind(
        insider.insider_exfiltration, "T1567.002", ((2, 3), (3, 5), (4, 8)), "windows", True
    ),
    "lateral_movement_slow": Kind(
        endpoint.lateral_movement_slow, "T1021.001", ((6, 8), (8, 11), (10, 14)), "windows", True
    ),
    "dns_tunnelling": Kind(
        network.dns_tunnelling, "T1071.004", ((1, 2), (2, 4), (4, 8)), "windows", True
    ),
    "impossible_travel": Kind(
        identity.impossible_travel, "T1550.004", ((1, 2), (1, 2), (2, 3)), "person", True
    ),
    "ransomware": Kind(endpoint.ransomware, "T1486", ((1, 2), (2, 2), (2, 3)), "windows", True),
    "cloud_misconfiguration": Kind(
        cloud.cloud_misconfiguration, "T1562.008", ((1, 2), (1, 3), (2, 4)), "operator"
    ),
    "mailbox_rule_abuse": Kind(
        identity.mailbox_rule_abuse, "T1564.008", ((1, 2), (2, 3), (2, 4))
    ),
    "privilege_misuse": Kind(
        insider.privilege_misuse, "T1078.002", ((2, 3), (2, 4), (3, 6)), "administrator", True
    ),
    "credential_stuffing": Kind(
        identity.credential_stuffing, "T1110.004", ((1, 2), (2, 2), (2, 3)), addresses=_MANY
    ),
    "living_off_the_land": Kind(
        endpoint.living_off_the_land, "T1218", ((1, 2), (2, 3), (3, 6)), "windows", True
    ),
    "dormant_account": Kind(identity.dormant_account, "T1078.001", ((1, 2), (1, 3), (2, 4)), "sponsor"),
}  # fmt: skip
"""All kinds, in an order in which neighbours differ, so that any few in a row are of several families."""
_PRIVILEGED = ("lateral_movement_fast", "lateral_movement_slow")


def window(days: int) -> range:
    """Days on which campaigns may lie."""
    return (
        range(WARM_UP_DAYS, days)
        if days >= WARM_UP_DAYS + LAST_DAYS
        else range(max(days - LAST_DAYS, 0), days)
    )


def campaigns_in(users: int, days: int = WARM_UP_DAYS + DAYS_PER_SET) -> int:
    """How many campaigns an organisation gets: every kind once for 250 people over 14 test days.

    More people or days bring more, but not in proportion (exponents 0.6 below and 0.8 above that size): small
    organisations would have too few to measure anything by.
    """
    size = users * len(window(days)) / (USERS_PER_SET * DAYS_PER_SET)
    return max(FEWEST, round(len(KINDS) * float(size ** (0.6 if size < 1.0 else 0.8))))


def plan_campaigns(
    world: World, start: date, days: int, excluded: set[str], count: int | None = None
) -> list[Campaign]:
    """Lay campaigns over the test days, their kinds in turn from one that depends on the seed.

    Nobody is a victim twice while there are others, and nobody of `excluded` is one. Difficulties are dealt
    evenly. `count` is the number of campaigns; None for `campaigns_in`.
    """
    organisation = world.organisation
    n = campaigns_in(len(organisation.people), days) if count is None else count
    # a short simulation has no time for an account to be used and then forgotten
    names = [kind for kind in KINDS if kind != "dormant_account" or days >= 2 * LAST_DAYS]
    taken = set(excluded)
    planned: list[Campaign] = []
    order = Chance(organisation.seed, "campaign order").shuffled(range(n))
    grades = _dealt(organisation.seed)
    for number in range(1, n + 1):
        name = names[(organisation.seed * FEWEST + number - 1) % len(names)]
        kind, difficulty = KINDS[name], next(grades)
        chance = Chance(organisation.seed, "campaign", number)
        first, length = _when(chance, kind, difficulty, start, days, (order[number - 1], n))
        dates = [Day(first + step, start + timedelta(days=first + step)) for step in range(length)]
        person = _victim(world, chance, kind, taken, dates)
        taken.add(person.name)
        planned.append(
            Campaign(
                number=number,
                kind=name,
                technique=kind.technique,
                difficulty=difficulty,
                first=first,
                last=first + length - 1,
                person=person,
                ips=_addresses(organisation.seed, number, kind, difficulty, person),
                account=_account(world, chance, name, kind, person),
            )
        )
    return planned


def against_one(
    world: World, chance: Chance, numbers: range, kinds: Sequence[str], on: Day, taken: set[str]
) -> list[Campaign]:
    """Easy campaigns of one intruder (the same addresses) against one person at a Windows machine who is at
    work that day, as long as there is one who is not in `taken`.
    """
    person = _victim(world, chance, KINDS["lateral_movement_fast"], taken, [on])
    ips = _addresses(world.organisation.seed, numbers[0], KINDS[kinds[0]], "easy", person)
    return [
        Campaign(
            number=number,
            kind=name,
            technique=KINDS[name].technique,
            difficulty="easy",
            first=on.index,
            last=on.index,
            person=person,
            ips=ips,
            account=_account(world, chance, name, KINDS[name], person),
        )
        for number, name in zip(numbers, kinds, strict=True)
    ]


def act(world: World, campaign: Campaign, victim: Plan) -> None:
    """What a campaign does on a day."""
    if campaign.first <= victim.day.index <= campaign.last:
        person = victim.person  # who may have another name by now
        own = campaign.account is campaign.person.account
        campaign = replace(campaign, person=person, account=person.account if own else campaign.account)
        chance = world.chance("campaign", victim.day, campaign.name)
        KINDS[campaign.kind].act(world, campaign, victim, chance)


def _dealt(seed: int) -> Iterator[str]:
    """Difficulties, each once in every three."""
    chance = Chance(seed, "difficulties")
    while True:
        yield from chance.shuffled(DIFFICULTIES)


def _of(grades: tuple[tuple[int, int], ...], difficulty: str) -> tuple[int, int]:
    return grades[DIFFICULTIES.index(difficulty)]


def _when(
    chance: Chance, kind: Kind, difficulty: str, start: date, days: int, turn: tuple[int, int]
) -> tuple[int, int]:
    """First day and number of days: in this turn of so many, on a working day where it matters."""
    room = window(days)
    length = min(chance.between(*_of(kind.days, difficulty)), len(room))
    place, n = turn
    free = len(room) - length + 1
    first = room[0] + min(int((place + chance.uniform()) / n * free), free - 1)
    if not kind.present:
        return first, length
    # work begins on a Monday to Thursday, as near as can be
    options = [
        index
        for index in range(room[0], room[-1] - min(length, 2) + 2)
        if (start + timedelta(days=index)).weekday() < 4
    ]
    first = min(options or [first], key=lambda index: (abs(index - first), index))
    return first, min(length, room[-1] - first + 1)


def _victim(world: World, chance: Chance, kind: Kind, taken: set[str], dates: list[Day]) -> Person:
    """Somebody who fits, and where it matters is at work on these days: the first above all."""
    organisation = world.organisation
    everybody = chance.shuffled(organisation.people)
    fitting = [person for person in everybody if _fits(world, kind.who, person)] or everybody
    free = [person for person in fitting if person.name not in taken] or fitting
    if not kind.present:
        return free[0]

    def presence(person: Person) -> tuple[bool, int]:
        works = [bool(plan.make(world, person, day).blocks) for day in dates]
        return works[0], sum(works)

    return max(free[:10], key=presence)


def _fits(world: World, who: str, person: Person) -> bool:
    administrator = person.name in world.organisation.admins
    if who == "administrator":
        return administrator
    if who in ("operator", "key"):
        return person.role.calls > 0
    if who == "sponsor":
        supplier = suppliers.sponsored_by(world.organisation, person)
        return supplier is not None and supplier.habit == suppliers.SILENT
    return not administrator and not (who == "windows" and person.workstation.linux)


def _account(world: World, chance: Chance, name: str, kind: Kind, person: Person) -> Account:
    organisation = world.organisation
    if name in _PRIVILEGED:
        admins = [account for owner, account in organisation.admins.items() if owner != person.name]
        return chance.pick(admins or list(organisation.admins.values()))
    if kind.who == "administrator":
        return organisation.admins.get(person.name, person.account)
    if kind.who == "sponsor":
        supplier = suppliers.sponsored_by(organisation, person)
        return supplier.account if supplier is not None else person.account
    if kind.who == "key":
        service = organisation.services[chance.pick(sorted(cloud.SERVICE_CALLS))]
        return service if chance.happens(0.6) or person.role.calls == 0 else person.account
    return person.account


def _addresses(seed: int, number: int, kind: Kind, difficulty: str, person: Person) -> tuple[str, ...]:
    """Where intruders come from: hosts and far countries, or lines in the victim's own country."""
    chance = Chance(seed, "strangers", number)
    near = (0.0, 0.4, 0.8)[DIFFICULTIES.index(difficulty)]
    found = []
    for _ in range(chance.between(*_of(kind.addresses, difficulty))):
        if chance.happens(near):
            found.append(networks.home(person.home_country, chance))
        else:
            found.append(networks.hosted(chance) if chance.happens(0.75) else networks.abroad(chance))
    return tuple(found)
