"""What is a usual day for this entity: mean and spread of its own day counts, shrunk to its kind's.

The state is forward-decayed sums by entity (n, sum of x, sum of x^2 of x = ln(1 + count)) with the weight
2^(day / half-life), like every baseline. One exception: a count is learned only up to
WINSOR_SD above what was expected, so that one wild day does not hide the next one. That costs exact reversal
for such days.

Shrinkage is empirical Bayes for a normal mean with unknown group means (Morris, "Parametric Empirical Bayes
Inference", JASA 1983): with v the variance within entities and t that between them, an entity's mean gets the
kind's mean as v / t further days, and what is uncertain about a young entity's mean adds to the spread that
is expected of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from models.days import DayTable

KINDS = 3
SPREAD_DAYS = 5.0
"""Days that the kind's variance weighs beside an entity's own."""
WITHIN_FLOOR, BETWEEN_FLOOR = 0.05, 0.02
"""Least variances of ln(1 + count): a count that never moved may still move by a fifth unnoticed."""
FEWEST, MOST = 0.2, 20.0
"""Bounds of the days that the kind's mean weighs."""
WINSOR_SD = 4.0
Z_LOW, Z_BEND = -1.0, 4.0
"""Below Z_LOW all is the same: a quiet day, or a day that is not over yet, is no finding. Above Z_BEND z
grows by its logarithm only.
"""


class Kind(NamedTuple):
    """Per kind and measure, (KINDS, C): mean of ln(1 + count), variance within entities, weight of the mean
    in days.
    """

    mean: np.ndarray
    within: np.ndarray
    mean_days: np.ndarray


def soft(z: np.ndarray) -> np.ndarray:
    """Return z without its low side and with its far end bent to a logarithm; monotone."""
    z = np.maximum(z, Z_LOW)
    return np.where(z > Z_BEND, Z_BEND + 2.0 * np.log1p(np.maximum(z - Z_BEND, 0.0) / 2.0), z)


class Profiles:
    """Decayed sums of daily counts by entity.

    Parameters
    ----------
    measures
        Number of count columns C.
    half_life_days
        Days after which a past day counts half.
    """

    def __init__(self, measures: int, half_life_days: float) -> None:
        self.half_life_days = half_life_days
        self.landmark_day = 0
        self._entities = np.zeros(0, np.int64)
        self._kinds = np.zeros(0, np.int8)
        self._last_day = np.zeros(0, np.int32)
        self._weight = np.zeros(0)
        self._sums = np.zeros((0, measures))
        self._squares = np.zeros((0, measures))
        self._measures = measures
        self._index()

    def __len__(self) -> int:
        return len(self._entities)

    def _index(self) -> None:
        self._order = np.argsort(self._entities, kind="stable")
        self._sorted = self._entities[self._order]
        self._kind = self._fit_kinds()

    def _places(self, entities: np.ndarray) -> np.ndarray:
        """Slot of each entity, -1 where it is not known."""
        if not len(self._sorted):
            return np.full(len(entities), -1)
        at = np.minimum(np.searchsorted(self._sorted, entities), len(self._sorted) - 1)
        return np.where(self._sorted[at] == entities, self._order[at], -1)

    def _fit_kinds(self) -> Kind:
        shape = (KINDS, self._measures)
        mean, within, mean_days = np.zeros(shape), np.ones(shape), np.full(shape, 1.0)
        newest = int(self._last_day.max(initial=0))
        decay = 2.0 ** (-(newest - self.landmark_day) / self.half_life_days)
        for kind in range(KINDS):
            rows = np.flatnonzero((self._kinds == kind) & (self._weight > 0))
            if not len(rows):
                continue
            n = self._weight[rows, None] * decay
            sums, squares = self._sums[rows] * decay, self._squares[rows] * decay
            own = sums / n
            freedom = float(np.maximum(n - 1.0, 0.0).sum())
            inside = np.maximum(squares - sums * own, 0.0).sum(0)
            centre = sums.sum(0) / n.sum()
            # a few days of an assumed spread of 1 stand in until there is a second day of anybody
            v = np.maximum((inside + SPREAD_DAYS) / (freedom + SPREAD_DAYS), WITHIN_FLOOR)
            between = (n * (own - centre) ** 2).sum(0) / n.sum() - v * len(rows) / n.sum()
            mean[kind], within[kind] = centre, v
            mean_days[kind] = np.clip(v / np.maximum(between, BETWEEN_FLOOR), FEWEST, MOST)
        return Kind(mean, within, mean_days)

    def expected(self, days: DayTable) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, float64 (n, C), of ln(1 + count) that is expected of each row's
        entity.
        """
        kind = self._kind
        of = days.kind.astype(np.int64)
        mean_kind, within, mean_days = kind.mean[of], kind.within[of], kind.mean_days[of]
        slot = self._places(days.entity.astype(np.int64))
        known = slot >= 0
        decay = 2.0 ** (-(days.day.astype(np.float64) - self.landmark_day) / self.half_life_days)
        scale = np.where(known, np.minimum(decay, 1e300), 0.0)[:, None]
        n, sums, squares = np.zeros((len(of), 1)), np.zeros_like(mean_kind), np.zeros_like(mean_kind)
        if len(self):
            # a late day sees the weights of its own time, never more days than there are
            n = self._weight[slot, None] * scale
            sums, squares = self._sums[slot] * scale, self._squares[slot] * scale
        mean = (sums + mean_days * mean_kind) / (n + mean_days)
        about = np.maximum(squares - 2.0 * mean * sums + n * mean**2, 0.0)
        spread = (about + SPREAD_DAYS * within) / (n + SPREAD_DAYS)
        variance = np.maximum(spread, WITHIN_FLOOR) + within / (n + mean_days)
        return mean, np.sqrt(variance)

    def z(self, days: DayTable) -> np.ndarray:
        """float32 (n, C): how far each count lies from what is expected of its entity, see `soft`; changes
        nothing.
        """
        mean, deviation = self.expected(days)
        return np.asarray(soft((np.log1p(days.counts) - mean) / deviation), np.float32)

    def learn(self, days: DayTable) -> None:
        """Add closed days, in `content_order`, one row an (entity, day)."""
        if not len(days.day):
            return
        newest = int(days.day.max())
        if not len(self):
            self.landmark_day = newest
        elif newest - self.landmark_day > 30 * self.half_life_days:
            self._move_landmark(newest)
        mean, deviation = self.expected(days)
        x = np.minimum(np.log1p(days.counts.astype(np.float64)), mean + WINSOR_SD * deviation)
        entities = days.entity.astype(np.int64)
        fresh, first = np.unique(entities[self._places(entities) < 0], return_index=True)
        if len(fresh):
            unknown = np.flatnonzero(self._places(entities) < 0)
            self._append(entities[unknown[np.sort(first)]], days.kind[unknown[np.sort(first)]])
        slot = self._places(entities)
        weight = 2.0 ** ((days.day.astype(np.float64) - self.landmark_day) / self.half_life_days)
        np.add.at(self._weight, slot, weight)
        np.add.at(self._sums, slot, weight[:, None] * x)
        np.add.at(self._squares, slot, weight[:, None] * x**2)
        np.maximum.at(self._last_day, slot, days.day.astype(np.int32))
        self._index()

    def _append(self, entities: np.ndarray, kinds: np.ndarray) -> None:
        more = len(entities)
        self._entities = np.concatenate([self._entities, entities])
        self._kinds = np.concatenate([self._kinds, kinds.astype(np.int8)])
        self._last_day = np.concatenate([self._last_day, np.zeros(more, np.int32)])
        self._weight = np.concatenate([self._weight, np.zeros(more)])
        self._sums = np.concatenate([self._sums, np.zeros((more, self._measures))])
        self._squares = np.concatenate([self._squares, np.zeros((more, self._measures))])
        self._order = np.argsort(self._entities, kind="stable")
        self._sorted = self._entities[self._order]

    def _move_landmark(self, day: int) -> None:
        factor = 2.0 ** (-(day - self.landmark_day) / self.half_life_days)
        self._weight *= factor
        self._sums *= factor
        self._squares *= factor
        self.landmark_day = day

    def forget_before(self, day: int) -> None:
        """Drop entities whose last day was before this one."""
        self._keep(np.flatnonzero(self._last_day >= day))

    def renumber(self, entities: np.ndarray) -> None:
        """Follow a renumbering (old id -> new id, 0: gone)."""
        self._entities = entities[self._entities].astype(np.int64)
        self._keep(np.flatnonzero(self._entities > 0))

    def _keep(self, rows: np.ndarray) -> None:
        for name in ("_entities", "_kinds", "_last_day", "_weight", "_sums", "_squares"):
            setattr(self, name, getattr(self, name)[rows])
        self._index()

    def export(self) -> dict[str, np.ndarray]:
        """Arrays of a checkpoint."""
        names = ("entities", "kinds", "last_day", "weight", "sums", "squares")
        arrays = {f"profile_{name}": getattr(self, f"_{name}").copy() for name in names}
        return arrays | {"profile_landmark": np.array([self.landmark_day], np.int64)}

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray], half_life_days: float) -> Profiles:
        """The profiles that were exported."""
        profiles = cls(arrays["profile_sums"].shape[1], half_life_days)
        for name in ("entities", "kinds", "last_day", "weight", "sums", "squares"):
            setattr(profiles, f"_{name}", arrays[f"profile_{name}"].copy())
        profiles.landmark_day = int(arrays["profile_landmark"][0])
        profiles._index()
        return profiles
