"""Benign oddities: rare, legitimate, odd to look at. They outnumber campaigns by far and are written down.

An oddity changes a day's plan (another place, machine or hour), or adds to the day, or both. KINDS lists
them. Everybody has them at a steady rate of their own from the first to the last day, so that the mere number
of odd days says nothing about the days on which campaigns lie.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import accumulate
from typing import TYPE_CHECKING

from training.simulate import networks, odd_acts, odd_admin, odd_data, odd_plans, places
from training.simulate.chance import Chance
from training.simulate.organisation import Account, Host, Organisation, Person, new_job
from training.simulate.roles import FAMILY_NAMES, ROLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from training.simulate.odd_plans import Adjust
    from training.simulate.plan import Plan, World

PER_CAMPAIGN = 16
"""Oddities planned for every campaign on the days where campaigns lie; some fall into a leave and do not come
about."""
PER_PERSON_WEEK = 0.4

DAYS, ONWARDS, ALWAYS = "days", "onwards", "always"


@dataclass(frozen=True)
class Episode:
    """One oddity: its kind, who, the days (indices, both included) on which it is odd, and its size.

    `size` scales how much happens: its logarithm is normal, from 0.4 to 4 with median 1. `desk` is the new
    machine of a change of machines, `after` the person after a change of name, phone or job.
    """

    number: int
    kind: str
    person: Person
    first: int
    last: int
    size: float = 1.0
    desk: Host | None = None
    after: Person | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of oddity.

    `weight` says how frequent it is; `days` the fewest and most days it is odd; `reach` when it has an
    effect: on its days, from its first day onwards, or always; `roles` who can have it (empty: all);
    `weekend` whether it begins on a free day; `unsettles` whether account or machine are others afterwards.
    """

    weight: float
    days: tuple[int, int] = (1, 1)
    reach: str = DAYS
    roles: tuple[str, ...] = ()
    adjust: Adjust | None = None
    act: Callable[[World, Plan, Chance, float], None] | None = None
    weekend: bool = False
    unsettles: bool = False


_IT, _CLOUD = ("it",), ("engineering", "it", "contractor")
KINDS = {
    # another place, hour, machine, name
    "travel": Kind(7, (2, 5), adjust=odd_plans.travel),
    "phone_abroad": Kind(4, (1, 3), adjust=odd_plans.phone_abroad),
    "new_home_line": Kind(4, (1, 2), ONWARDS, adjust=odd_plans.line(networks.home, lasts=True)),
    "mobile_hotspot": Kind(5, adjust=odd_plans.line(networks.mobile, lasts=False)),
    "privacy_vpn": Kind(5, (1, 2), adjust=odd_plans.line(odd_plans.privacy_exit, lasts=False)),
    "night_work": Kind(5, (1, 2), adjust=odd_plans.night),
    "early_start": Kind(3, (1, 2), adjust=odd_plans.early),
    "weekend_work": Kind(3, (1, 2), adjust=odd_plans.weekend, weekend=True),
    "new_browser": Kind(3, reach=ONWARDS, adjust=odd_plans.other_browser),
    "new_phone": Kind(3, reach=ONWARDS, adjust=odd_plans.other_person),
    "new_workstation": Kind(
        2, (1, 2), ONWARDS, adjust=odd_plans.other_desk, act=odd_admin.set_up, unsettles=True
    ),
    "host_renamed": Kind(2, reach=ONWARDS, adjust=odd_plans.other_desk, unsettles=True),
    "host_reinstalled": Kind(2, (1, 2), act=odd_admin.set_up),
    "account_renamed": Kind(1.5, (1, 2), ONWARDS, adjust=odd_plans.other_person, unsettles=True),
    "new_hire": Kind(2, (1, 5), ALWAYS, adjust=odd_plans.not_yet, act=odd_admin.set_up, unsettles=True),
    "leaver": Kind(
        1.5, (1, 3), ALWAYS, adjust=odd_plans.no_longer, act=odd_data.project_hand_over, unsettles=True
    ),
    "role_move": Kind(2, (2, 4), ONWARDS, adjust=odd_plans.other_person, act=odd_data.other_department),
    # signing in
    "forgotten_password": Kind(5, act=odd_acts.forgotten_password),
    "expired_password": Kind(4, act=odd_acts.expired_password),
    "stale_phone_password": Kind(4, (1, 2), act=odd_acts.stale_phone_password),
    "stale_drive_password": Kind(3, (1, 2), act=odd_acts.stale_drive_password),
    "mfa_trouble": Kind(4, act=odd_acts.mfa_trouble),
    "wrong_name": Kind(2, act=odd_acts.wrong_name),
    "colleague_desk": Kind(4, act=odd_admin.colleague_desk),
    # files, mail, the web
    "inbox_rules": Kind(3, act=odd_data.inbox_rules),
    "mailbox_search": Kind(3, (1, 2), act=odd_data.mailbox_search),
    "many_mails": Kind(3, act=odd_data.many_mails),
    "bulk_download": Kind(6, (1, 2), act=odd_data.bulk_download),
    "laptop_sync": Kind(3, act=odd_data.laptop_sync),
    "bulk_copy": Kind(5, (1, 2), act=odd_data.bulk_copy),
    "mass_rewrite": Kind(3, act=odd_data.mass_rewrite),
    "other_department": Kind(5, (1, 2), act=odd_data.other_department),
    "hand_over": Kind(4, act=odd_data.hand_over),
    "project_hand_over": Kind(4, (1, 3), act=odd_data.project_hand_over),
    "new_tools": Kind(5, (1, 3), act=odd_data.new_tools),
    "new_program_polls": Kind(5, (1, 9), act=odd_data.new_program_polls),
    "virus_scan": Kind(4, (1, 2), act=odd_data.virus_scan),
    "many_sites": Kind(4, act=odd_data.many_sites),
    # machines and the cloud
    "troubleshooting": Kind(5, act=odd_admin.troubleshooting),
    "service_tickets": Kind(3, act=odd_admin.service_tickets),
    "admin_round": Kind(14, (1, 2), roles=_IT, act=odd_admin.admin_round),
    "weekend_maintenance": Kind(
        7, roles=_IT, adjust=odd_plans.weekend, act=odd_admin.admin_round, weekend=True
    ),
    "inventory_sweep": Kind(9, roles=_IT, act=odd_admin.inventory_sweep),
    "own_job_fails": Kind(6, (1, 3), roles=_IT, act=odd_admin.own_job_fails),
    "emergency_account": Kind(3, roles=_IT, act=odd_admin.emergency_account),
    "directory_work": Kind(6, roles=_IT, act=odd_admin.directory_work),
    "supplier_visit": Kind(20, (1, 2), roles=("contractor",), act=odd_admin.supplier_visit),
    "cloud_migration": Kind(8, (1, 2), roles=_CLOUD, act=odd_admin.cloud_migration),
    "infrastructure_run": Kind(8, roles=_CLOUD, act=odd_admin.infrastructure_run),
}


def plan_episodes(
    organisation: Organisation, start: date, days: int, campaigns: int, campaign_days: int
) -> list[Episode]:
    """Oddities of a simulation, each person's evenly over its days.

    Parameters
    ----------
    organisation
        Whose people.
    start, days
        The days of the simulation.
    campaigns, campaign_days
        How many campaigns there will be, on how many days: as many oddities are planned that PER_CAMPAIGN of
        each fall on these days, and at least PER_PERSON_WEEK for a person and week.

    Returns
    -------
    list of Episode
        In order of number. Nobody gets two that change who or where they are for good.
    """
    people = organisation.people
    wanted = max(PER_CAMPAIGN * campaigns * days / campaign_days, PER_PERSON_WEEK * len(people) * days / 7)
    slots = _slots(organisation, days, wanted)
    kinds = _kinds(organisation, slots)
    return [
        _episode(organisation, number, kind, person, place, start, days)
        for number, ((person, place), kind) in enumerate(zip(slots, kinds, strict=True))
    ]


def _slots(organisation: Organisation, days: int, wanted: float) -> list[tuple[Person, float]]:
    """Who has an oddity and about when (in days): each person's lie in equal parts of the whole time."""
    chance = Chance(organisation.seed, "oddities")
    rates = [2.0 ** chance.normal(0.0, 0.5) for _ in organisation.people]
    begin = chance.uniform()
    ends = [begin + wanted * rate / sum(rates) for rate in accumulate(rates)]
    found = []
    for person, low, high in zip(organisation.people, [begin, *ends], ends, strict=False):
        n = int(high) - int(low)
        found += [(person, (step + chance.uniform()) * days / n) for step in range(n)]
    return found


def _kinds(organisation: Organisation, slots: list[tuple[Person, float]]) -> list[str]:
    """A kind for each slot by weight; those that never came up take the place of the most frequent."""
    fixed: set[str] = set()
    drawn: list[str] = []
    for number, (person, _) in enumerate(slots):
        fitting = [
            name for name in KINDS if _fits(name, person) and not (_lasts(name) and person.key in fixed)
        ]
        ends = list(accumulate(KINDS[name].weight for name in fitting))
        aim = Chance(organisation.seed, "kind", number).uniform(0.0, ends[-1])
        kind = fitting[next(place for place, end in enumerate(ends) if aim < end or end == ends[-1])]
        if _lasts(kind):
            fixed.add(person.key)
        drawn.append(kind)
    counts = Counter(drawn)
    for kind in KINDS:
        open_to = [
            number
            for number, (person, _) in enumerate(slots)
            if _fits(kind, person)
            and counts[drawn[number]] > 1
            and not (_lasts(kind) and person.key in fixed)
        ]
        if counts[kind] == 0 and open_to:
            number = max(open_to, key=lambda one: counts[drawn[one]])
            counts[drawn[number]] -= 1
            counts[kind] += 1
            drawn[number] = kind
            if _lasts(kind):
                fixed.add(slots[number][0].key)
    return drawn


def _fits(kind: str, person: Person) -> bool:
    if kind == "new_phone" and not person.phone:
        return False
    # administrators' second accounts go by the first one's name, and campaigns need them all along
    if kind in ("account_renamed", "role_move") and person.role.name in ("it", "contractor"):
        return False
    if kind in ("new_hire", "leaver") and person.role.name == "it":
        return False
    return not KINDS[kind].roles or person.role.name in KINDS[kind].roles


def _lasts(kind: str) -> bool:
    return KINDS[kind].reach != DAYS


def _episode(
    organisation: Organisation, number: int, kind: str, person: Person, place: float, start: date, days: int
) -> Episode:
    chance = Chance(organisation.seed, "episode", number)
    first = _first_day(chance, kind, person, place, start, days)
    last = min(first + chance.between(*KINDS[kind].days) - 1, days - 1)
    size = min(max(2.0 ** chance.normal(0.0, 0.8), 0.4), 4.0)
    desk, after = None, None
    if kind in ("new_workstation", "host_renamed"):
        old = person.workstation
        address = (
            old.ip if kind == "host_renamed" else f"{old.ip.rpartition('.')[0]}.{chance.between(200, 219)}"
        )
        desk = Host(f"{old.name[:3]}{3001 + number}", "workstation", old.linux, address, old.site)
    elif kind == "new_phone":
        after = replace(person, phone=chance.pick([one for one in places.PHONES if one != person.phone]))
    elif kind == "account_renamed":
        old_account = person.account
        name = f"{person.name.split('.')[0]}.{chance.pick(FAMILY_NAMES)}{number}"
        after = replace(
            person, account=Account(name, old_account.sid, old_account.object_id, old_account.unix_uid)
        )
    elif kind == "role_move":
        others = [role for role in ROLES if role.name not in (person.role.name, "it", "contractor")]
        role = chance.pick([one for one in others if not one.shifts])
        after = new_job(organisation, person, role)
    return Episode(number, kind, person, first, last, size, desk, after)


def _first_day(chance: Chance, kind: str, person: Person, place: float, start: date, days: int) -> int:
    """A day near the slot on which it can begin: a free day for work on one, else a working day."""
    always = person.role.shifts
    lowest = 3 if _lasts(kind) and days > 10 else int(_lasts(kind))
    near = [
        index
        for index in range(max(int(place) - 3, lowest), min(int(place) + 4, days))
        if always or ((start + timedelta(days=index)).weekday() >= 5) == KINDS[kind].weekend
    ]
    return chance.pick(near) if near else max(min(int(place), days - 1), lowest)


def unsettled(episodes: list[Episode]) -> set[str]:
    """Names of people whose account or machine comes, goes or changes; no campaign should begin with them."""
    return {episode.person.name for episode in episodes if KINDS[episode.kind].unsettles}


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
        add(world, plan, world.chance(f"act {episode.number}", plan.day), episode.size)
    return True
