"""Benign oddities: rare, legitimate, odd to look at. They outnumber campaigns by far and are written down.

An oddity changes a day's plan (another place, machine or hour), or adds to the day, or both. KINDS lists
them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from training.simulate import networks, odd_acts, places
from training.simulate.chance import Chance
from training.simulate.organisation import Host
from training.simulate.worktime import HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from training.simulate.organisation import Organisation, Person
    from training.simulate.plan import Plan, World

PER_CAMPAIGN = 16
"""Oddities planned for every campaign; some fall into a leave and do not come about."""
PER_PERSON_WEEK = 0.4

DAYS, ONWARDS, ALWAYS = "days", "onwards", "always"


@dataclass(frozen=True)
class Episode:
    """One oddity: its kind, who, and the days (indices, both included) on which it is odd."""

    number: int
    kind: str
    person: Person
    first: int
    last: int
    desk: Host | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of oddity.

    `weight` says how frequent it is; `days` the fewest and most days it is odd; `reach` when it has an
    effect: on its days, from its first day onwards, or always; `roles` who can have it (empty: all).
    """

    weight: float
    days: tuple[int, int] = (1, 1)
    reach: str = DAYS
    roles: tuple[str, ...] = ()
    adjust: Callable[[World, Plan, Episode, Chance], None] | None = None
    act: Callable[[World, Plan, Chance], None] | None = None


def _travel(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    trip = Chance(world.organisation.seed, "trip", episode.number)
    country = trip.pick(sorted(networks.ABROAD))
    plan.outside = True
    plan.inside_ip = networks.vpn_pool(chance)
    plan.public_ip = networks.abroad(trip if trip.happens(0.6) else chance, country)
    plan.phone_ip = networks.abroad(trip, country)


def _line(
    make: Callable[[str, Chance], str], *, lasts: bool
) -> Callable[[World, Plan, Episode, Chance], None]:
    def adjust(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
        stays = Chance(world.organisation.seed, "line", episode.number)
        plan.public_ip = make(plan.person.home_country, stays if lasts else chance)
        if not lasts and not plan.outside:
            plan.outside = True
            plan.inside_ip = networks.vpn_pool(chance)

    return adjust


def _hosted(country: str, chance: Chance) -> str:
    return networks.hosted(chance)


def _night(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    if plan.blocks and not plan.day.weekend:
        begins = plan.local(chance.uniform(21.8, 23.5))
        plan.blocks.append((begins, begins + chance.uniform(1.0, 3.5) * HOUR_MS))


def _weekend(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    if not plan.blocks:
        begins = plan.local(chance.uniform(9.0, 14.0))
        plan.blocks.append((begins, begins + chance.uniform(2.0, 6.0) * HOUR_MS))


def _other_desk(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    if episode.desk is not None:
        plan.host = episode.desk
        if not plan.outside:
            plan.inside_ip = episode.desk.ip


def _other_browser(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    others = [name for name in ("chrome", "edge", "firefox") if name != plan.person.browser]
    family = Chance(world.organisation.seed, "browser", episode.number).pick(others)
    plan.user_agent = places.browser(family, plan.day.date, plan.person.update_delay_days)


def _not_yet(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    if plan.day.index < episode.first:
        plan.absent = True
        plan.blocks.clear()


KINDS = {
    "travel": Kind(7, (2, 5), adjust=_travel),
    "new_home_line": Kind(5, (1, 2), ONWARDS, adjust=_line(networks.home, lasts=True)),
    "mobile_hotspot": Kind(5, adjust=_line(networks.mobile, lasts=False)),
    "privacy_vpn": Kind(5, (1, 2), adjust=_line(_hosted, lasts=False)),
    "night_work": Kind(5, (1, 2), adjust=_night),
    "weekend_work": Kind(3, (1, 2), adjust=_weekend),
    "new_workstation": Kind(3, (1, 2), ONWARDS, adjust=_other_desk, act=odd_acts.set_up),
    "new_browser": Kind(3, (1, 1), ONWARDS, adjust=_other_browser),
    "new_hire": Kind(3, (1, 5), ALWAYS, adjust=_not_yet, act=odd_acts.set_up),
    "role_move": Kind(3, (2, 4), act=odd_acts.other_department),
    "forgotten_password": Kind(6, act=odd_acts.forgotten_password),
    "stale_phone_password": Kind(4, (1, 2), act=odd_acts.stale_phone_password),
    "mfa_trouble": Kind(4, act=odd_acts.mfa_trouble),
    "inbox_rules": Kind(3, act=odd_acts.inbox_rules),
    "bulk_download": Kind(7, (1, 2), act=odd_acts.bulk_download),
    "bulk_copy": Kind(6, (1, 2), act=odd_acts.bulk_copy),
    "other_department": Kind(6, act=odd_acts.other_department),
    "hand_over": Kind(5, act=odd_acts.hand_over),
    "colleague_desk": Kind(5, act=odd_acts.colleague_desk),
    "troubleshooting": Kind(5, act=odd_acts.troubleshooting),
    "admin_round": Kind(5, roles=("it",), act=odd_acts.admin_round),
    "cloud_migration": Kind(4, (1, 2), roles=("engineering", "it"), act=odd_acts.cloud_migration),
}


def plan_episodes(organisation: Organisation, start: date, days: int, campaigns: int) -> list[Episode]:
    """Oddities of a simulation, evenly over its days; at most two of a person begin in a week."""
    n = max(PER_CAMPAIGN * campaigns, round(PER_PERSON_WEEK * len(organisation.people) * days / 7))
    names = list(KINDS)
    weights = [KINDS[name].weight for name in names]
    bag = [name for name, weight in zip(names, weights, strict=True) for _ in range(round(weight))]
    begun: Counter[tuple[str, int]] = Counter()
    fixed: set[str] = set()
    episodes: list[Episode] = []
    for number in range(n):
        chance = Chance(organisation.seed, "oddity", number)
        # every kind comes up before any comes up again
        kind = names[number] if number < len(names) else chance.pick(bag)
        first = _first_day(chance, kind, start, days)
        people = organisation.of_role(*KINDS[kind].roles) if KINDS[kind].roles else organisation.people
        person = chance.pick(people)
        for _ in range(20):
            if begun[person.name, first // 7] < 2 and not (
                KINDS[kind].reach != DAYS and person.name in fixed
            ):
                break
            person = chance.pick(people)
        begun[person.name, first // 7] += 1
        if KINDS[kind].reach != DAYS:
            fixed.add(person.name)
        last = min(first + chance.between(*KINDS[kind].days) - 1, days - 1)
        desk = None
        if kind == "new_workstation":
            old = person.workstation
            address = f"{old.ip.rpartition('.')[0]}.{chance.between(200, 219)}"
            desk = Host(f"{old.name[:3]}{3001 + number}", "workstation", old.linux, address, old.site)
        episodes.append(Episode(number, kind, person, first, last, desk))
    return episodes


def _first_day(chance: Chance, kind: str, start: date, days: int) -> int:
    """A day on which it can begin: a Saturday for work at the weekend, else a working day."""
    candidates = [
        index
        for index in range(days)
        if ((start + timedelta(days=index)).weekday() >= 5) == (kind == "weekend_work")
        and (index > 0 or kind != "new_hire")
    ]
    return chance.pick(candidates or range(days))


def reaches(episode: Episode, day: int) -> bool:
    """Whether an oddity has an effect on a day."""
    reach = KINDS[episode.kind].reach
    return reach == ALWAYS or (episode.first <= day and (reach == ONWARDS or day <= episode.last))


def adjust(world: World, plan: Plan, episode: Episode) -> None:
    """Change a day's plan."""
    change = KINDS[episode.kind].adjust
    if change is not None:
        change(world, plan, episode, world.chance(f"adjust {episode.number}", plan.day))


def act(world: World, plan: Plan, episode: Episode) -> bool:
    """Add to a day what the oddity adds; says whether the oddity shows on that day."""
    if not plan.blocks or not episode.first <= plan.day.index <= episode.last:
        return False
    add = KINDS[episode.kind].act
    if add is not None:
        add(world, plan, world.chance(f"act {episode.number}", plan.day))
    return True
