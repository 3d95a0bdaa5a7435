"""The risk of an entity over days: what was odd about it, fading, with repeats of one thing counted once.

Each finding is a cause with a value (`models.days.Findings`) and g nats of evidence beyond the everyday at a
time t. Of the findings of one cause and value only the one with the largest decayed evidence counts, so a
repeat replaces what it exceeds and nothing stacks. Two tracks differ in their half-life h, a day and a week:

    track_h(now) = sum over (cause, value) of max over its findings of g 2^(-(now - t) / h)
    risk(now) = weight (track_day(now) + track_week(now)) / 2

Fresh evidence counts in full, a day later .70, a week later .25 of it. weight: of the asset, 1 unless a
directory says otherwise. The maxima are kept in forward-decayed form, log2 g + t / h (Cormode et al.,
"Forward decay", ICDE 2009), which no passing of time changes: the order in which findings come does not
matter.

It is additive and explains itself, as the day's ranking does not; it is no better a ranking (docs/scores.md).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from features.baselines import DAY_US

HALF_LIVES_DAYS = (1.0, 7.0)
"""Of the two tracks."""
LEAST_NATS = 0.05
"""What has faded below this on the slow track is forgotten."""


class EntityRisks(NamedTuple):
    """Risk of some entities, float64 (n,) each: with asset weight, and the two tracks without."""

    risk: np.ndarray
    day: np.ndarray
    week: np.ndarray


class RiskLedger:
    """Decayed evidence of every entity, by cause and value.

    `learn` and `at` are O(n log n) in what is kept: findings of about a month.
    """

    def __init__(self) -> None:
        # key: (entity, cause, value), distinct, in lexicographic order; level: (n, 2) log2 g + t / half-life
        self._key = np.zeros((0, 3), np.int64)
        self._level = np.zeros((0, len(HALF_LIVES_DAYS)))
        self._weights: dict[int, float] = {}

    def __len__(self) -> int:
        """Things that are remembered."""
        return len(self._key)

    def set_weight(self, entity: int, weight: float) -> None:
        """How much an entity (id) matters, above 0; 1 for all others."""
        self._weights[entity] = weight

    def learn(
        self, entity: np.ndarray, cause: np.ndarray, value: np.ndarray, gain: np.ndarray, time_us: np.ndarray
    ) -> None:
        """Take in findings in any order. gain: nats beyond the everyday; rows at or below 0 say nothing."""
        rows = np.flatnonzero(gain > 0)
        key = np.stack([entity[rows], cause[rows], value[rows]], axis=1).astype(np.int64)
        level = np.log2(gain[rows].astype(np.float64))[:, None] + _faded(time_us[rows][:, None])
        self._key, self._level = _highest(
            np.concatenate([self._key, key]), np.concatenate([self._level, level])
        )

    def forget(self, now_us: int) -> None:
        """Drop what has faded, as of now."""
        kept = self._level[:, -1] - _faded(now_us)[-1] >= np.log2(LEAST_NATS)
        self._key, self._level = self._key[kept], self._level[kept]

    def at(self, now_us: int, entity: np.ndarray, more: RiskLedger | None = None) -> EntityRisks:
        """Risk as of a time. entity: int64 (n,) distinct ids, ascending. more: findings not learned yet."""
        key, level = self._key, self._level
        if more is not None:
            key, level = _highest(np.concatenate([key, more._key]), np.concatenate([level, more._level]))
        tracks = np.zeros((len(entity), len(HALF_LIVES_DAYS)))
        if len(entity) and len(key):
            place = np.minimum(np.searchsorted(entity, key[:, 0]), len(entity) - 1)
            mine = entity[place] == key[:, 0]
            np.add.at(tracks, place[mine], np.exp2(level[mine] - _faded(now_us)))
        weight = np.array([self._weights.get(int(one), 1.0) for one in entity]) if self._weights else 1.0
        return EntityRisks(weight * tracks.mean(axis=1), tracks[:, 0], tracks[:, 1])

    def causes(self, entity: int, now_us: int) -> list[tuple[int, int, float]]:
        """(cause, value, decayed nats of both tracks on average) of one entity, the heaviest first."""
        rows = np.flatnonzero(self._key[:, 0] == entity)
        nats = np.exp2(self._level[rows] - _faded(now_us)).mean(axis=1)
        return [
            (int(self._key[rows[at], 1]), int(self._key[rows[at], 2]), float(nats[at]))
            for at in np.argsort(-nats, kind="stable")
        ]

    # -------------------------------------------------------------------------------------------------- state

    def held_ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Entity and value ids that are still needed here."""
        weighted = np.array(sorted(self._weights), np.int64)
        return np.concatenate([self._key[:, 0], weighted]), self._key[:, 2].copy()

    def renumber(self, entities: np.ndarray, values: np.ndarray) -> None:
        """Follow a renumbering (old id -> new id)."""
        key = np.stack([entities[self._key[:, 0]], self._key[:, 1], values[self._key[:, 2]]], axis=1)
        self._key, self._level = _highest(key.astype(np.int64), self._level)
        self._weights = {int(entities[one]): weight for one, weight in self._weights.items()}

    def export(self) -> dict[str, np.ndarray]:
        """Arrays of a checkpoint."""
        weighted = sorted(self._weights)
        return {
            "key": self._key.copy(),
            "level": self._level.copy(),
            "weighted": np.array(weighted, np.int64),
            "weight": np.array([self._weights[one] for one in weighted]),
        }

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray]) -> RiskLedger:
        """The ledger that was exported."""
        ledger = cls()
        ledger._key, ledger._level = arrays["key"].copy(), arrays["level"].copy()
        ledger._weights = dict(zip(arrays["weighted"].tolist(), arrays["weight"].tolist(), strict=True))
        return ledger


def _faded(time_us: int | np.ndarray) -> np.ndarray:
    """How many half-lives of each track a time is after 1970, (..., 2)."""
    return np.asarray(np.asarray(time_us) / DAY_US / np.array(HALF_LIVES_DAYS), np.float64)


def _highest(key: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct keys in lexicographic order, each with the highest level of each track."""
    if not len(key):
        return key, level
    order = np.lexsort(key.T[::-1])
    key, level = key[order], level[order]
    first = np.flatnonzero(np.append(True, (key[1:] != key[:-1]).any(axis=1)))
    return key[first], np.maximum.reduceat(level, first, axis=0)
