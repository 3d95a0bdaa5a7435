"""Entity-days: which users, hosts and addresses deserve a person today.

The risk of an entity-day is the sum, over the distinct things (cause and value) that were odd about it that
day, of the strongest evidence beyond the everyday for each. Repeats of one thing do not stack, and the sum is
its own explanation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.baselines import DAY_US
from features.behaviours import ENTITY_KINDS
from features.intmap import slot_of
from models.explain import reason

if TYPE_CHECKING:
    import pandas as pd

    from features.baselines import Baselines
    from features.columns import Batch
    from models.engine import Scores

from numba import njit

REASONS = 5
"""Reasons kept for an entity-day."""


class _Findings(NamedTuple):
    entity: np.ndarray
    day: np.ndarray
    behaviour: np.ndarray
    value: np.ndarray
    nats: np.ndarray
    gain: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class Budget:
    """How many entity-days people can read.

    alerts_per_day: for every 500 entities seen that day (at least one alert a day). Default 10, the PED-B
    reference point.
    """

    alerts_per_day: float = 10.0

    def alerts(self, entities: int) -> int:
        """Alerts allowed on a day with this many entities."""
        return max(1, round(self.alerts_per_day * max(entities, 500) / 500))


@njit(cache=True)
def _count_days(
    keys: np.ndarray, counts: np.ndarray, columns: np.ndarray, days: np.ndarray, first: int
) -> tuple[int, int]:
    """Count events by (entity, day); returns (new keys, next row), stops while half the table is free."""
    width = columns.shape[1]
    added = 0
    for row in range(first, columns.shape[0]):
        if added + 3 > keys.shape[0] // 4:
            return added, row
        for kind in range(3):
            entity = np.int64(columns[row, width - 3 + kind])
            if entity != 0:
                key = entity << 32 | days[row]
                slot = slot_of(keys, key)
                if keys[slot] == 0:
                    keys[slot] = key
                    added += 1
                counts[slot] += 1
    return added, columns.shape[0]


class EntityDays:
    """Collects findings and event counts by entity and UTC day, batch after batch."""

    def __init__(self, baselines: Baselines) -> None:
        self._baselines = baselines
        self._findings: list[_Findings] = []
        self._keys = np.zeros(1 << 12, np.int64)
        self._counts = np.zeros(1 << 12, np.int64)
        self._used = 0

    def add(self, batch: Batch, scores: Scores) -> None:
        """Take in one scored batch."""
        days = batch.time_us // DAY_US
        row = 0
        while row < len(days):
            if self._used * 4 > len(self._keys):
                self._grow()
            added, row = _count_days(self._keys, self._counts, batch.columns, days, row)
            self._used += added
        details = scores.details
        chosen = np.flatnonzero(details.gain > 0)
        found = details.take(chosen)
        self._findings.append(
            _strongest(
                _Findings(
                    found.entity.astype(np.int64),
                    days[found.row],
                    found.behaviour.astype(np.int64),
                    found.value.astype(np.int64),
                    found.nats,
                    found.gain,
                    found.counts,
                ),
                self._baselines.program.cause,
            )
        )
        if len(self._findings) >= 64:
            self._merge()

    def held_ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Entity and value ids that are still needed here."""
        found = self._merge() if self._findings else None
        entities = self._keys[self._keys != 0] >> 32
        return entities, np.zeros(0, np.int64) if found is None else found.value

    def renumber(self, entities: np.ndarray, values: np.ndarray) -> None:
        """Follow a renumbering (old id -> new id)."""
        used = np.flatnonzero(self._keys)
        keys = entities[self._keys[used] >> 32].astype(np.int64) << 32 | self._keys[used] & 0xFFFFFFFF
        counts = self._counts[used]
        self._keys, self._counts = np.zeros_like(self._keys), np.zeros_like(self._counts)
        _copy(self._keys, self._counts, keys, counts)
        self._findings = [
            found._replace(
                entity=entities[found.entity].astype(np.int64), value=values[found.value].astype(np.int64)
            )
            for found in self._findings
        ]

    def _grow(self) -> None:
        used = np.flatnonzero(self._keys)
        keys = np.zeros(4 * len(self._keys), np.int64)
        counts = np.zeros(len(keys), np.int64)
        _copy(keys, counts, self._keys[used], self._counts[used])
        self._keys, self._counts = keys, counts

    def _merge(self) -> _Findings:
        merged = _Findings(*(np.concatenate(parts) for parts in zip(*self._findings, strict=True)))
        merged = _strongest(merged, self._baselines.program.cause)
        self._findings = [merged]
        return merged

    def frame(self, tenant: str, budget: Budget | None = None) -> pd.DataFrame:
        """One row an entity-day, strangest first within each day, newest day first.

        Columns: tenant, entity_kind, entity, day (UTC date), risk, alert, n_events, reasons (list of text).
        `alert` marks the highest risks of each day within the budget.
        """
        import pandas as pd

        budget = budget or Budget()
        baselines = self._baselines
        used = np.flatnonzero(self._keys)
        keys = np.sort(self._keys[used])
        counts = self._counts[used][np.argsort(self._keys[used])]
        entity, day = keys >> 32, keys & 0xFFFFFFFF
        risk = np.zeros(len(keys))
        reasons: list[list[str]] = [[] for _ in keys]
        if self._findings:
            found = self._merge()
            at = np.searchsorted(keys, found.entity << 32 | found.day)
            np.add.at(risk, at, found.gain)
            order = np.lexsort((-found.gain, at))
            place = np.arange(len(order)) - np.searchsorted(at[order], at[order])
            for index in order[place < REASONS]:
                reasons[at[index]].append(
                    reason(
                        baselines,
                        int(found.behaviour[index]),
                        int(found.entity[index]),
                        int(found.value[index]),
                        float(found.nats[index]),
                        found.counts[index],
                    )
                )
        names = baselines.values.many(baselines.entities.name[entity])
        frame = pd.DataFrame(
            {
                "tenant": tenant,
                "entity_kind": np.array(ENTITY_KINDS, object)[baselines.entities.kind[entity]],
                "entity": names,
                "day": pd.to_datetime(day, unit="D").date,
                "risk": risk,
                "n_events": counts,
                "reasons": reasons,
            }
        )
        frame = frame.sort_values(
            ["day", "risk", "entity_kind", "entity"], ascending=[False, False, True, True]
        )
        rank = frame.groupby("day").cumcount()
        allowed = frame.groupby("day")["risk"].transform("size").map(budget.alerts)
        frame.insert(5, "alert", (rank < allowed) & (frame["risk"] > 0))
        return frame.reset_index(drop=True)


@njit(cache=True)
def _copy(keys: np.ndarray, counts: np.ndarray, from_keys: np.ndarray, from_counts: np.ndarray) -> None:
    for i in range(from_keys.shape[0]):
        slot = slot_of(keys, from_keys[i])
        keys[slot] = from_keys[i]
        counts[slot] = from_counts[i]


def _strongest(found: _Findings, cause: np.ndarray) -> _Findings:
    """For each (entity, day, cause, value) the finding with the largest gain; the earliest on a tie."""
    order = np.lexsort((-found.gain, found.value, cause[found.behaviour], found.day, found.entity))
    same = np.ones(len(order), np.bool_)
    for array in (found.entity, found.day, cause[found.behaviour], found.value):
        ordered = array[order]
        same[1:] &= ordered[1:] == ordered[:-1]
    same[:1] = False
    kept = order[~same]
    return _Findings(*(array[kept] for array in found))
