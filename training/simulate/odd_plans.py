"""Benign oddities that change a day's plan: another place, machine, hour, name or job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.simulate import networks, places
from training.simulate.chance import Chance
from training.simulate.worktime import HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.simulate.oddities import Episode
    from training.simulate.plan import Plan, World

    Adjust = Callable[[World, Plan, Episode, Chance], None]


def travel(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    """Some days in another country: hotels, trains, the phone abroad too."""
    trip = Chance(world.organisation.seed, "trip", episode.number)
    country = trip.pick(sorted(networks.ABROAD))
    plan.outside = True
    plan.inside_ip = networks.vpn_pool(chance)
    plan.public_ip = networks.abroad(trip if trip.happens(0.6) else chance, country)
    plan.phone_ip = networks.abroad(trip, country)


def phone_abroad(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    """The phone's network leaves by another country or a privacy VPN while the desk is where it was."""
    trip = Chance(world.organisation.seed, "roaming", episode.number)
    plan.phone_ip = networks.abroad(trip) if trip.happens(0.5) else networks.hosted(trip)


def line(make: Callable[[str, Chance], str], *, lasts: bool) -> Adjust:
    """Work over another line, for good or for a day."""

    def adjust(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
        stays = Chance(world.organisation.seed, "line", episode.number)
        plan.public_ip = make(plan.person.home_country, stays if lasts else chance)
        if not lasts and not plan.outside:
            plan.outside = True
            plan.inside_ip = networks.vpn_pool(chance)

    return adjust


def privacy_exit(country: str, chance: Chance) -> str:
    """An exit of a commercial VPN."""
    return networks.hosted(chance)


def night(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    """Some hours late at night."""
    if plan.blocks and not plan.day.weekend:
        begins = max(plan.local(chance.uniform(21.8, 23.5)), plan.end_ms + 0.5 * HOUR_MS)
        plan.blocks.append((begins, begins + chance.uniform(0.6, 2.4) * episode.size * HOUR_MS))


def early(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    """An early start: a call with another continent, a flight to catch."""
    if plan.blocks and not plan.person.role.shifts:
        begins = plan.local(chance.uniform(3.5, 5.2))
        plan.blocks.insert(0, (begins, begins + chance.uniform(0.4, 1.2) * HOUR_MS))


def weekend(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    """Work on a free day."""
    if not plan.blocks:
        begins = plan.local(chance.uniform(9.0, 14.0))
        plan.blocks.append((begins, begins + chance.uniform(1.0, 4.0) * episode.size * HOUR_MS))


def other_desk(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    """Another machine, or the same one with another name, from now on."""
    if episode.desk is not None:
        world.desks[plan.person.key] = episode.desk
        plan.host = episode.desk
        if not plan.outside:
            plan.inside_ip = episode.desk.ip


def other_person(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    """The same person with another name, phone or job, from now on."""
    if episode.after is not None:
        plan.person = episode.after


def other_browser(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    """Another browser from now on."""
    others = [name for name in ("chrome", "edge", "firefox") if name != plan.person.browser]
    family = Chance(world.organisation.seed, "browser", episode.number).pick(others)
    plan.user_agent = places.browser(family, plan.day.date, plan.person.update_delay_days)


def not_yet(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    """Nobody has met this person before the first day."""
    if plan.day.index < episode.first:
        plan.absent = True
        plan.blocks.clear()


def no_longer(world: World, plan: Plan, episode: Episode, chance: Chance) -> None:
    """The person has left."""
    if plan.day.index > episode.last:
        plan.absent = True
        plan.blocks.clear()
