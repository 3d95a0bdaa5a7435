"""Past sessions of one view, and since when each entity has known each partner."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.ranking.content import chosen_by, digest
from models.sessions.views import COUNTS

AGE_DAYS = 60
"""Days after which a partner that was not met again is forgotten."""
AGE_LIMIT = 4_000_000
"""Pairs remembered; beyond it those met longest ago are forgotten first (16 bytes each)."""
HISTORY_DAYS = 28
DAY_ROWS = 1_000
"""Sessions kept of a day, chosen by content; 28 days of them are 8 MB a view."""


class SessionTable(NamedTuple):
    """n sessions of one view.

    entity: int32 ids. partner: int64, see `models.sessions.views.partners`. day: int32 days since 1970, UTC.
    age_days: int32 days since the first session of the pair. days: int32 earlier days with one. counts:
    float32 (n, len(COUNTS)). evidence: float32 (n, causes) nats beyond the everyday.
    """

    entity: np.ndarray
    partner: np.ndarray
    day: np.ndarray
    age_days: np.ndarray
    days: np.ndarray
    counts: np.ndarray
    evidence: np.ndarray

    def take(self, rows: np.ndarray) -> SessionTable:
        """Some of the rows."""
        return SessionTable(*(array[rows] for array in self))


def empty_sessions(causes: int) -> SessionTable:
    """No sessions."""
    return SessionTable(
        np.zeros(0, np.int32),
        np.zeros(0, np.int64),
        np.zeros(0, np.int32),
        np.zeros(0, np.int32),
        np.zeros(0, np.int32),
        np.zeros((0, len(COUNTS)), np.float32),
        np.zeros((0, causes), np.float32),
    )


def joined(tables: list[SessionTable]) -> SessionTable:
    """Several tables (at least one) as one."""
    return SessionTable(*(np.concatenate(arrays) for arrays in zip(*tables, strict=True)))


def chosen(table: SessionTable, limit: int, seed: int) -> np.ndarray:
    """At most `limit` rows, uniform and decided by what they say (not by ids); ascending."""
    if len(table.day) <= limit:
        return np.arange(len(table.day))
    said = digest(table.day, table.age_days, table.days, table.counts, table.evidence)
    return chosen_by(said, limit, seed)


class Acquaintance:
    """For each (entity, partner): first and last day, and number of days. Days only, so that the order of a
    day's events does not matter; exceptions to the sums, as first and last are extremes.
    """

    def __init__(self) -> None:
        self.keys = np.zeros(0, np.int64)
        self.first = np.zeros(0, np.int32)
        self.last = np.zeros(0, np.int32)
        self.days = np.zeros(0, np.int32)

    def of(self, keys: np.ndarray, day: int) -> tuple[np.ndarray, np.ndarray]:
        """Age in days and number of earlier days of pairs (entity << 32 | partner), int32 (n,); 0 and 0 for
        strangers.
        """
        age, days = np.zeros(len(keys), np.int32), np.zeros(len(keys), np.int32)
        if len(self.keys):
            at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
            known = self.keys[at] == keys
            age[known] = np.maximum(day - self.first[at[known]], 0)
            days[known] = self.days[at[known]]
        return age, days

    def meet(self, keys: np.ndarray, day: int) -> None:
        """Pairs (distinct) that had a session on a day; forgets those of old. O(pairs)."""
        at = np.searchsorted(self.keys, keys)
        known = np.zeros(len(keys), np.bool_)
        inside = at < len(self.keys)
        known[inside] = self.keys[at[inside]] == keys[inside]
        self.last[at[known]] = day
        self.days[at[known]] += 1
        new = np.sort(keys[~known])
        place = np.searchsorted(self.keys, new)
        self.keys = np.insert(self.keys, place, new)
        self.first = np.insert(self.first, place, np.int32(day))
        self.last = np.insert(self.last, place, np.int32(day))
        self.days = np.insert(self.days, place, np.int32(1))
        kept = self.last >= day - AGE_DAYS
        if int(kept.sum()) > AGE_LIMIT:
            oldest = np.partition(self.last, len(self.last) - AGE_LIMIT)[len(self.last) - AGE_LIMIT]
            kept &= self.last > oldest
        if not kept.all():
            self._keep(np.flatnonzero(kept))

    def _keep(self, rows: np.ndarray) -> None:
        self.keys, self.first = self.keys[rows], self.first[rows]
        self.last, self.days = self.last[rows], self.days[rows]

    def renumber(self, keys: np.ndarray) -> None:
        """Follow a renumbering; keys: the new key of each pair, 0 for one that is gone."""
        self.keys = keys
        rows = np.flatnonzero(keys)
        self._keep(rows[np.argsort(keys[rows])])


class SessionHistory:
    """Closed sessions of the last HISTORY_DAYS days that had any."""

    def __init__(self, causes: int, seed: int) -> None:
        self.seed = seed
        self.past = empty_sessions(causes)

    def add(self, table: SessionTable) -> None:
        """Keep a closed day."""
        self.past = joined([self.past, table.take(chosen(table, DAY_ROWS, self.seed))])
        recent = np.unique(self.past.day)[-HISTORY_DAYS:]
        if len(recent):
            self.past = self.past.take(np.flatnonzero(self.past.day >= recent[0]))
