"""Who is under watch: entities on which an attack was confirmed, and those that shared events with them.

An attack lasts for days and moves between a person and the machines they work on. So on the WATCH_DAYS days
after a day that was confirmed as an attack the entity's risk counts up to WATCH times, and that of the few
partners it shared events with on that day (`models.feedback.partners`) up to LINKED times, both less every
day. A harmless verdict on a later day, of either, ends it.

A watch counts as much as watches have paid. Of the judged days under watch a share q was an attack, of all
other judged days a share b; what a watch tells beyond chance is

    (q - b) / (1 - b)

(Cohen, A coefficient of agreement for nominal scales, 1960), with PRIOR_DAYS days of which half paid, and
PRIOR_OTHERS others of which 1 in 20 was an attack, before anything is known. Its ratio to what it is then,
at most 1, scales the watch: where true positives are given by chance, the days after them are no worse than
others, and nobody's place is taken any more.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

Key = tuple[str, str]
"""Kind and name of an entity."""
WATCH, LINKED = 3.0, 2.0
WATCH_DAYS = 5
"""Chosen on simulated organisations of which no figure is published; 2 to 4 times and 3 to 7 days do much the
same (docs/decisions.md).
"""
PRIOR_DAYS, PRIOR_PAID = 10.0, 5.0
PRIOR_OTHERS, PRIOR_ATTACKS = 10.0, 0.5


class Opinion(NamedTuple):
    """What was said of an entity-day: an attack, or harmless. partners: see `models.feedback.partners`."""

    key: Key
    day: int
    attack: bool
    partners: tuple[Key, ...] = ()


class Record(NamedTuple):
    """Judged entity-days, and how many of them were attacks: under watch, and all others."""

    watched: int
    watched_attacks: int
    others: int
    others_attacks: int

    @property
    def trust(self) -> float:
        """What watches have told beyond chance, relative to what is assumed before anything is known; 0 to
        1.
        """
        begin = _beyond_chance(PRIOR_PAID / PRIOR_DAYS, PRIOR_ATTACKS / PRIOR_OTHERS)
        paid = (self.watched_attacks + PRIOR_PAID) / (self.watched + PRIOR_DAYS)
        base = (self.others_attacks + PRIOR_ATTACKS) / (self.others + PRIOR_OTHERS)
        return min(1.0, max(0.0, _beyond_chance(paid, base) / begin))


def _beyond_chance(paid: float, base: float) -> float:
    return (paid - base) / (1.0 - base)


class _Days:
    """What was said of one entity: its judged days, ascending, and the harmless ones among them."""

    def __init__(self) -> None:
        self.said: dict[int, bool] = {}
        self.judged: list[int] = []
        self.harmless: list[int] = []

    def settle(self) -> None:
        self.judged = sorted(self.said)
        self.harmless = [day for day in self.judged if not self.said[day]]


class Watch:
    """Who is under watch on a day, as of what was said of days up to it. O(opinions log opinions) to make.

    Several opinions of one entity-day are an attack if one of them is.
    """

    def __init__(self, opinions: Iterable[Opinion], day: int) -> None:
        self.day = day
        self._days: dict[Key, _Days] = {}
        self._linked: dict[Key, list[tuple[int, Key]]] = {}
        for one in opinions:
            if one.day > day:
                continue
            said = self._days.setdefault(one.key, _Days()).said
            said[one.day] = said.get(one.day, False) or one.attack
            if one.attack:
                for partner in one.partners:
                    self._linked.setdefault(partner, []).append((one.day, one.key))
        for days in self._days.values():
            days.settle()
        self.record = self._record()

    def _record(self) -> Record:
        counts = [0, 0, 0, 0]
        for key, days in self._days.items():
            for day in days.judged:
                # the day itself shows what a watch is worth only when it is over
                if day < self.day:
                    place = 0 if max(self._since(key, day)) >= 0 else 2
                    counts[place] += 1
                    counts[place + 1] += days.said[day]
        return Record(*counts)

    def _since(self, key: Key, day: int) -> tuple[int, int]:
        """Days of the attacks that put an entity under watch on a day: its own, a partner's; -1 for none."""
        own = linked = -1
        days = self._days.get(key)
        if days is not None and (place := bisect_left(days.judged, day)):
            newest = days.judged[place - 1]
            if days.said[newest] and day - newest <= WATCH_DAYS:
                own = newest
        for attacked, source in self._linked.get(key, ()):
            if 0 < day - attacked <= WATCH_DAYS:
                ended = max(self._harmless_before(key, day), self._harmless_before(source, day))
                if ended <= attacked:
                    linked = max(linked, attacked)
        return own, linked

    def _harmless_before(self, key: Key, day: int) -> int:
        days = self._days.get(key)
        place = bisect_left(days.harmless, day) if days is not None else 0
        return days.harmless[place - 1] if days is not None and place else -1

    def times(self) -> dict[Key, float]:
        """How often the risk of those under watch counts, above 1. A day that was judged itself stands as it
        was found.
        """
        found = {}
        trust = self.record.trust
        for key in sorted({*self._days, *self._linked}):
            if key in self._days and self.day in self._days[key].said:
                continue
            own, linked = self._since(key, self.day)
            most = max(_times(WATCH, own, self.day, trust), _times(LINKED, linked, self.day, trust))
            if most > 1.0:
                found[key] = most
        return found


def _times(most: float, since: int, day: int, trust: float) -> float:
    if since < 0:
        return 1.0
    return 1.0 + (most - 1.0) * trust * (1.0 - (day - since - 1) / WATCH_DAYS)
