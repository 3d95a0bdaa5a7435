"""Sites, their clocks and holidays, and the days of a simulation.

Time zone rules are written out here rather than read from the system, because a simulation has to come out
the same, byte for byte, on a machine with another edition of the time zone database or none.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """An office: name, ISO 3166 country, winter offset from UTC, rule of summer time, first octets inside."""

    name: str
    country: str
    offset_minutes: int
    summer_time: str
    network: str


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day; `index` counts from 0 at the simulation's start."""

    index: int
    date: date

    @property
    def midnight_ms(self) -> int:
        """Milliseconds since 1970 of 00:00 UTC."""
        return (self.date.toordinal() - _EPOCH) * DAY_MS

    @property
    def weekend(self) -> bool:
        """Saturday or Sunday."""
        return self.date.weekday() >= 5

    def local_midnight_ms(self, site: Site) -> int:
        """UTC milliseconds of 00:00 at a site; on the day of a clock change by the clock of the afternoon."""
        return self.midnight_ms - utc_offset_minutes(site, self.date) * MINUTE_MS


SITES = (
    Site("hamburg", "DE", 60, "EU", "10.20"),
    Site("leeds", "GB", 0, "EU", "10.30"),
    Site("newark", "US", -300, "US", "10.40"),
    Site("pune", "IN", 330, "", "10.50"),
)


def _weekday_of_month(year: int, month: int, weekday: int, nth: int) -> date:
    """The nth (1 first, -1 last) given weekday (0 Monday) of a month."""
    if nth > 0:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
    last = date(year, 12, 31) if month == 12 else date(year, month + 1, 1) - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - weekday) % 7)


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Jones and Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)


def is_closing(on: date) -> bool:
    """Whether the books of a month are being closed: its last two and its first three weekdays."""
    if on.weekday() >= 5:
        return False
    first = on.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    since = sum((first + timedelta(days=step)).weekday() < 5 for step in range((on - first).days))
    left = sum((on + timedelta(days=step)).weekday() < 5 for step in range(1, (following - on).days))
    return since < 3 or left < 2


def utc_offset_minutes(site: Site, on: date) -> int:
    """Minutes that the site's clock is ahead of UTC in the afternoon of that date.

    European Union and United Kingdom: last Sunday of March to last Sunday of October. United States: second
    Sunday of March to first Sunday of November.
    """
    if site.summer_time == "EU":
        begins, ends = _weekday_of_month(on.year, 3, 6, -1), _weekday_of_month(on.year, 10, 6, -1)
    elif site.summer_time == "US":
        begins, ends = _weekday_of_month(on.year, 3, 6, 2), _weekday_of_month(on.year, 11, 6, 1)
    else:
        return site.offset_minutes
    return site.offset_minutes + (60 if begins <= on < ends else 0)


def is_holiday(site: Site, on: date) -> bool:
    """Whether most of a site stays at home: the public holidays of its country that move or stay."""
    year = on.year
    if site.country == "US":
        moving = {
            _weekday_of_month(year, 1, 0, 3),
            _weekday_of_month(year, 2, 0, 3),
            _weekday_of_month(year, 5, 0, -1),
            _weekday_of_month(year, 9, 0, 1),
            _weekday_of_month(year, 11, 3, 4),
        }
        return on in moving or (on.month, on.day) in {(1, 1), (6, 19), (7, 4), (12, 25)}
    if site.country == "IN":
        return (on.month, on.day) in {(1, 26), (8, 15), (10, 2), (12, 25)}
    easter = _easter(year)
    if on in {easter - timedelta(days=2), easter + timedelta(days=1)}:
        return True
    if site.country == "GB":
        spring = {_weekday_of_month(year, 5, 0, 1), _weekday_of_month(year, 5, 0, -1)}
        return on in spring | {_weekday_of_month(year, 8, 0, -1)} or (on.month, on.day) in {
            (1, 1),
            (12, 25),
            (12, 26),
        }
    church = {easter + timedelta(days=39), easter + timedelta(days=50)}
    return on in church or (on.month, on.day) in {(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)}
