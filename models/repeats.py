"""What people were told a short while ago is only half news.

The rarity of an entity-day says how unusual the day is among past days, not whether anybody was told of its
entity. The same few accounts and machines with wide habits would fill a day's budget again and again, and
each place they take is one that a first sight of something else does not get. So what was raised of an entity
counts against its later days, at most by half, and less from day to day:

    told = max over what was raised of it before, nats 2^(-d / HALF_LIFE_DAYS), d days ago
    risk = rarity (1 - SHARE min(1, told / rarity))

A day that is much rarer than what was raised keeps nearly all of its risk. Days on which nothing was raised
count for nothing, so nobody gets out of sight by slowly becoming stranger.
"""

from __future__ import annotations

import numpy as np

SHARE = 0.5
"""Of what was told yesterday, how much is no news. On four development organisations anything from a third to
two thirds found more campaigns than nothing at all (docs/decisions.md)."""
HALF_LIFE_DAYS = 7.0
"""A week, as that of alert lines and of an entity's own slow risk."""
MEMORY_DAYS = 35
"""Five half-lives: what is left then changes a risk by less than two in a hundred."""


class Repeats:
    """Entity-days that were raised, with their rarity; `learn` them in order of days."""

    def __init__(self) -> None:
        self._entity = np.zeros(0, np.int64)
        self._day = np.zeros(0, np.int64)
        self._nats = np.zeros(0)

    def __len__(self) -> int:
        """Entity-days that are remembered."""
        return len(self._entity)

    def learn(self, entity: np.ndarray, day: int, rarity: np.ndarray) -> None:
        """Entities (ids) that were raised on a day (since 1970, UTC) and the rarity of that day, nats."""
        self._entity = np.concatenate([self._entity, entity.astype(np.int64)])
        self._day = np.concatenate([self._day, np.full(len(entity), day)])
        self._nats = np.concatenate([self._nats, rarity.astype(np.float64)])

    def told(self, entity: np.ndarray, day: int, cleared: dict[int, int] | None = None) -> np.ndarray:
        """What people were told of entities before a day, float64 (n,) nats, 0 for nothing.

        entity: (n,) ids in any order. cleared: by id, a day up to which what was raised does not count.
        """
        out = np.zeros(len(entity))
        counts = self._day < day
        for one, until in (cleared or {}).items():
            counts &= (self._entity != one) | (self._day > until)
        rows = np.flatnonzero(counts)
        if not len(rows) or not len(entity):
            return out
        known, place = np.unique(self._entity[rows], return_inverse=True)
        most = np.zeros(len(known))
        np.maximum.at(most, place, self._nats[rows] * 2.0 ** ((self._day[rows] - day) / HALF_LIFE_DAYS))
        at = np.minimum(np.searchsorted(known, entity), len(known) - 1)
        same = known[at] == entity
        out[same] = most[at[same]]
        return out

    def forget(self, day: int) -> None:
        """Drop what no day from this one on asks for."""
        self._keep(self._day >= day - MEMORY_DAYS)

    def _keep(self, kept: np.ndarray) -> None:
        self._entity, self._day, self._nats = self._entity[kept], self._day[kept], self._nats[kept]

    # -------------------------------------------------------------------------------------------------- state

    def adopt(self, other: Repeats, entities: np.ndarray) -> None:
        """Take what people were told by another model instead. entities: ids here by ids there, 0 for who is
        not known here.
        """
        self._entity = entities[other._entity].astype(np.int64)
        self._day, self._nats = other._day.copy(), other._nats.copy()
        self._keep(self._entity > 0)

    def held_ids(self) -> np.ndarray:
        """Entity ids that are still needed here."""
        return self._entity.copy()

    def renumber(self, entities: np.ndarray) -> None:
        """Follow a renumbering (old id -> new id)."""
        self._entity = entities[self._entity].astype(np.int64)

    def export(self) -> dict[str, np.ndarray]:
        """Arrays of a checkpoint."""
        return {"entity": self._entity.copy(), "day": self._day.copy(), "nats": self._nats.copy()}

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray]) -> Repeats:
        """What was exported."""
        book = cls()
        book._entity, book._day, book._nats = (arrays[name].copy() for name in ("entity", "day", "nats"))
        return book


def news(rarity: np.ndarray, told: np.ndarray) -> np.ndarray:
    """How much of each rarity is news after what was told, float64 (n,), from 1 - SHARE to 1.

    rarity, told: nats; nothing is less news where nothing is rare.
    """
    share = np.zeros(len(rarity))
    np.divide(np.minimum(told, rarity), rarity, out=share, where=rarity > 0)
    return np.asarray(1.0 - SHARE * share)
