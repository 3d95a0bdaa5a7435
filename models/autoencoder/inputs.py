"""What the autoencoder looks at: a day's counts as numbers, and who and when as categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.ranking.profiles import KINDS

if TYPE_CHECKING:
    from models.days import DayTable

LIMIT = 6.0
"""Standardised counts beyond it count as it: one wild number must not be all that a loss sees."""
SPREAD_FLOOR = 0.1
"""Least standard deviation of ln(1 + count): a count that never moved may still move a little."""
AGES = (1, 3, 7, 14, 30)
"""Days since an entity was first seen at which its next age group begins."""
WEEKDAYS = 7


class Categories(NamedTuple):
    """int64 (n,) each: entity (place among those known, 0 for nobody in particular), kind, weekday (0 is
    Thursday, as 1970-01-01 was), age group.
    """

    entity: np.ndarray
    kind: np.ndarray
    weekday: np.ndarray
    age: np.ndarray

    def take(self, rows: np.ndarray) -> Categories:
        """Some of the rows."""
        return Categories(*(column[rows] for column in self))


SIZES = {"kind": KINDS, "weekday": WEEKDAYS, "age": len(AGES) + 1}
"""Values of each category but the entity."""


class Scale(NamedTuple):
    """Mean and standard deviation of ln(1 + count) by kind, float32 (KINDS, C) each."""

    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def fitted(cls, days: DayTable) -> Scale:
        """Of past days; kinds without any have mean 0 and spread 1."""
        logs = np.log1p(days.counts.astype(np.float64))
        mean, spread = np.zeros((KINDS, logs.shape[1])), np.ones((KINDS, logs.shape[1]))
        for kind in range(KINDS):
            mine = logs[days.kind == kind]
            if len(mine):
                mean[kind], spread[kind] = mine.mean(0), np.maximum(mine.std(0), SPREAD_FLOOR)
        return cls(mean.astype(np.float32), spread.astype(np.float32))

    def numbers(self, days: DayTable, z: np.ndarray) -> np.ndarray:
        """float32 (n, 2 C): counts in deviations from the kind's mean, then from the entity's own (z)."""
        kind = days.kind.astype(np.int64)
        logs = np.log1p(days.counts.astype(np.float32))
        standard = (logs - self.mean[kind]) / self.spread[kind]
        wide = np.concatenate([standard, z], axis=1)
        return np.asarray(np.clip(wide, -LIMIT, LIMIT), np.float32)


def categories(days: DayTable, entities: np.ndarray) -> Categories:
    """Categories of days. entities: int64 (k,) ids that are known, ascending."""
    place = np.zeros(len(days.entity), np.int64)
    if len(entities):
        at = np.minimum(np.searchsorted(entities, days.entity), len(entities) - 1)
        place = np.where(entities[at] == days.entity, at + 1, 0)
    return Categories(
        place,
        days.kind.astype(np.int64),
        days.day.astype(np.int64) % WEEKDAYS,
        np.searchsorted(AGES, days.age_days, side="right").astype(np.int64),
    )
