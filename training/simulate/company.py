"""What befalls the whole organisation: ways out that change, services in trouble, passwords that run out.

Everything is a function of the seed and the day, so it needs no state and no last day.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from training.simulate import networks
from training.simulate.chance import Chance
from training.simulate.worktime import HOUR_MS, SITES

if TYPE_CHECKING:
    from training.simulate.worktime import Day, Site

PERIOD_DAYS = 21
"""In each period one site's line changes with `LINE_CHANGES`, and all remote work goes by a gateway in the
cloud for some days with `GATEWAY_SPELLS`."""
LINE_CHANGES, GATEWAY_SPELLS = 0.7, 0.75
FIRST_EXITS = {"DE": "217.91.44.18", "GB": "81.143.77.6", "US": "12.190.31.66", "IN": "115.110.201.34"}
SERVICES = ("directory", "vpn", "shares", "cloud")
TROUBLE_A_DAY = 0.06
"""Probability that a service is in trouble for a while on a day."""
PASSWORD_DAYS = (45, 60, 90)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A service that refuses good credentials or fails from `start_ms` to `end_ms` (UTC)."""

    service: str
    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the network for all at a site: `kind`, site, days (indices, both included)."""

    kind: str
    site: Site
    first: int
    last: int


class Company:
    """The organisation's own weather, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._line_changes = cache(self._find_line_change)
        self._spells = cache(self._find_spell)
        self._day_of_trouble = cache(self._find_trouble)
        self._exits = cache(self._find_exit)

    def exit(self, site: Site, index: int) -> str:
        """Public address of an office on a day."""
        return self._exits(site, index)

    def gateway(self, index: int, place: int) -> str:
        """Public address of remote work on a day if it leaves by a gateway, else empty; one of four."""
        spell = self._spells(index // PERIOD_DAYS)
        if spell is None or not spell.first <= index <= spell.last:
            return ""
        chance = Chance(self._seed, "gateway", spell.first)
        prefix = f"{chance.pick(networks.GATEWAYS)}.{chance.between(1, 254)}"
        return f"{prefix}.{10 + (place + chance.below(200)) % 4 * 17}"

    def changes(self, days: int) -> list[Change]:
        """All changes of the network in the first days of a simulation, by time."""
        found = []
        for period in range(-(-days // PERIOD_DAYS)):
            found += [
                change
                for change in (self._line_changes(period), self._spells(period))
                if change is not None and change.first < days
            ]
        return sorted(found, key=lambda change: (change.first, change.kind))

    def in_trouble(self, service: str, day: Day, at: float) -> bool:
        """Whether a service is in trouble at a time of a day."""
        return any(
            one.service == service and one.start_ms <= at < one.end_ms for one in self._day_of_trouble(day)
        )

    def trouble(self, day: Day) -> tuple[Trouble, ...]:
        """Troubles that begin on a day."""
        return self._day_of_trouble(day)

    def password_due(self, key: str, index: int) -> bool:
        """Whether somebody has to choose a new password on a day."""
        chance = Chance(self._seed, "password", key)
        period = chance.pick(PASSWORD_DAYS)
        return (index + chance.below(period)) % period == 0

    def _find_line_change(self, period: int) -> Change | None:
        chance = Chance(self._seed, "line change", period)
        if not chance.happens(LINE_CHANGES):
            return None
        site, first = chance.pick(SITES), period * PERIOD_DAYS + chance.between(1, PERIOD_DAYS - 1)
        return Change("line_change", site, first, first)

    def _find_spell(self, period: int) -> Change | None:
        chance = Chance(self._seed, "gateway spell", period)
        if not chance.happens(GATEWAY_SPELLS):
            return None
        first = period * PERIOD_DAYS + chance.between(1, PERIOD_DAYS - 7)
        return Change("gateway_exit", SITES[0], first, first + chance.between(1, 5))

    def _find_exit(self, site: Site, index: int) -> str:
        changes = [self._line_changes(period) for period in range(index // PERIOD_DAYS + 1)]
        passed = [one for one in changes if one is not None and one.site is site and one.first <= index]
        if not passed:
            return FIRST_EXITS[site.country]
        chance = Chance(self._seed, "exit", site.name, passed[-1].first)
        return networks.within(chance.pick(networks.BUSINESS[site.country]), chance)

    def _find_trouble(self, day: Day) -> tuple[Trouble, ...]:
        found = []
        for service in SERVICES:
            chance = Chance(self._seed, "trouble", service, day.index)
            if chance.happens(TROUBLE_A_DAY):
                start = day.midnight_ms + chance.uniform(5.0, 16.0) * HOUR_MS
                found.append(Trouble(service, start, start + chance.uniform(0.2, 2.5) * HOUR_MS))
        return tuple(found)
