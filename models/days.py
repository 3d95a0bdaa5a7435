"""Entity-days: what was odd about each user, host and address on each UTC day, and which deserve a person.

The evidence of an entity-day is the sum, over the distinct things (cause and value) that were odd about it
that day, of the strongest finding for each. Repeats of one thing do not stack, and the sum is its own
explanation. With the day's counts beside it, it is the vector that `models.ranking` ranks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from features.baselines import DAY_US
from features.behaviours import ENTITY_KINDS
from features.intmap import slot_of
from features.measures import COUNTS
from models.explain import reason
from models.risk import Budget
from models.strongest import strongest

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from features.baselines import Baselines
    from features.columns import Batch
    from models.activity import DayCounts
    from models.channels import Channels
    from models.engine import Scores

REASONS = 5
"""Reasons kept for an entity-day."""
COUNT_REASONS = 2
"""Reasons that are counts, while there are others."""
ROLLOUT_ENTITIES = 4
"""A value that is odd for this many entities on one day is one event of the organisation: its evidence is
shared.
"""


class Findings(NamedTuple):
    """Rows of evidence by entity and day, see `models.engine.Evidence`."""

    entity: np.ndarray
    day: np.ndarray
    channel: np.ndarray
    value: np.ndarray
    nats: np.ndarray
    gain: np.ndarray
    counts: np.ndarray
    time_us: np.ndarray


class DayTable(NamedTuple):
    """Vectors of n entity-days.

    kind: int8, 0 user, 1 host, 2 src_ip. entity: int32 ids. day: int32 days since 1970, UTC. n_events: int64.
    age_days: int32 days since the entity was first seen. evidence: float32 (n, causes) nats beyond the
    everyday by cause (`Channels.causes`). counts: float32 (n, len(COUNTS)).
    """

    kind: np.ndarray
    entity: np.ndarray
    day: np.ndarray
    n_events: np.ndarray
    age_days: np.ndarray
    evidence: np.ndarray
    counts: np.ndarray

    def take(self, rows: np.ndarray | slice) -> DayTable:
        """Some of the rows."""
        return DayTable(*(array[rows] for array in self))


def empty_days(causes: int, measures: int = len(COUNTS)) -> DayTable:
    """No entity-days."""
    return DayTable(
        np.zeros(0, np.int8),
        np.zeros(0, np.int32),
        np.zeros(0, np.int32),
        np.zeros(0, np.int64),
        np.zeros(0, np.int32),
        np.zeros((0, causes), np.float32),
        np.zeros((0, measures), np.float32),
    )


def joined_days(tables: list[DayTable]) -> DayTable:
    """Several tables (at least one) as one."""
    return DayTable(*(np.concatenate(arrays) for arrays in zip(*tables, strict=True)))


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


@njit(cache=True)
def _copy(keys: np.ndarray, counts: np.ndarray, from_keys: np.ndarray, from_counts: np.ndarray) -> None:
    for i in range(from_keys.shape[0]):
        slot = slot_of(keys, from_keys[i])
        keys[slot] = from_keys[i]
        counts[slot] = from_counts[i]


@njit(cache=True)
def _look_up(keys: np.ndarray, counts: np.ndarray, wanted: np.ndarray, out: np.ndarray) -> None:
    for i in range(wanted.shape[0]):
        out[i] = counts[slot_of(keys, wanted[i])]


class DayBook:
    """Collects findings, events and counts by entity and UTC day, batch after batch, and the risk of closed
    days.
    """

    def __init__(self, baselines: Baselines, channels: Channels) -> None:
        self._baselines = baselines
        self._channels = channels
        self._findings: list[Findings] = []
        self._keys = np.zeros(1 << 12, np.int64)
        self._counts = np.zeros(1 << 12, np.int64)
        self._used = 0
        self._closed: list[DayTable] = []
        self._risk: list[np.ndarray] = []

    # ---------------------------------------------------------------- taking in

    def add(self, batch: Batch, scores: Scores) -> None:
        """Take in one scored batch."""
        days = batch.time_us // DAY_US
        row = 0
        while row < len(days):
            if self._used * 4 > len(self._keys):
                self._grow()
            added, row = _count_days(self._keys, self._counts, batch.columns, days, row)
            self._used += added
        found = scores.details.take(np.flatnonzero(scores.details.gain > 0))
        self._findings.append(
            self._strongest(
                Findings(
                    found.entity.astype(np.int64),
                    days[found.row],
                    found.behaviour.astype(np.int64),
                    found.value.astype(np.int64),
                    found.nats,
                    found.gain,
                    found.counts,
                    batch.time_us[found.row],
                )
            )
        )
        if len(self._findings) >= 64:
            self._merge()

    def close(self, table: DayTable, risk: np.ndarray) -> None:
        """Keep the vectors of a closed day with the risk they were given."""
        self._closed.append(table)
        self._risk.append(risk)

    def _grow(self) -> None:
        used = np.flatnonzero(self._keys)
        keys = np.zeros(4 * len(self._keys), np.int64)
        counts = np.zeros(len(keys), np.int64)
        _copy(keys, counts, self._keys[used], self._counts[used])
        self._keys, self._counts = keys, counts

    def _merge(self) -> Findings:
        merged = Findings(*(np.concatenate(parts) for parts in zip(*self._findings, strict=True)))
        merged = self._strongest(merged)
        self._findings = [merged]
        return merged

    def _strongest(self, found: Findings) -> Findings:
        """For each (entity, day, cause, value) the finding with the largest gain; the earliest on a tie."""
        cause = self._channels.cause_of[found.channel]
        kept = strongest(found.gain, found.entity, found.day, cause, found.value)
        return Findings(*(array[kept] for array in found))

    # ---------------------------------------------------------------- a day that is still open

    def export(self, day: int) -> dict[str, np.ndarray]:
        """Arrays of a checkpoint: findings and numbers of events of one day."""
        keys = np.sort(self._keys[self._keys != 0])
        keys = keys[keys & 0xFFFFFFFF == day]
        counts = np.zeros(len(keys), np.int64)
        _look_up(self._keys, self._counts, keys, counts)
        arrays = {"days_keys": keys, "days_events": counts}
        if self._findings:
            found = self._merge()
            found = Findings(*(array[found.day == day] for array in found))
            arrays |= {f"days_{name}": array for name, array in found._asdict().items()}
        return arrays

    def resume(self, arrays: dict[str, np.ndarray]) -> None:
        """Go on with the day that was exported; the book must be empty."""
        keys = arrays["days_keys"]
        size = 1 << int(np.ceil(np.log2(4 * len(keys) + 4096)))
        self._keys, self._counts = np.zeros(size, np.int64), np.zeros(size, np.int64)
        _copy(self._keys, self._counts, keys, arrays["days_events"])
        self._used = len(keys)
        if "days_entity" in arrays:
            self._findings = [Findings(*(arrays[f"days_{name}"].copy() for name in Findings._fields))]

    # ---------------------------------------------------------------- reading

    def vectors(self, day: int, so_far: DayCounts, first_day: np.ndarray) -> DayTable:
        """Vectors of a day's entities, as far as the day has come.

        so_far: what they did, one row an entity. first_day: by entity id, day it was first seen.
        """
        order = np.argsort(so_far.entity)
        entity = so_far.entity[order]
        evidence = np.zeros((len(entity), len(self._channels.causes)))
        if self._findings:
            found = self._merge()
            found = shared(found, self._channels, day)
            at = np.searchsorted(entity, found.entity)
            inside = at < len(entity)
            inside[inside] = entity[at[inside]] == found.entity[inside]
            np.add.at(
                evidence, (at[inside], self._channels.column_of[found.channel[inside]]), found.gain[inside]
            )
        events = np.zeros(len(entity), np.int64)
        _look_up(self._keys, self._counts, entity << 32 | day, events)
        return DayTable(
            so_far.kind[order].astype(np.int8),
            entity.astype(np.int32),
            np.full(len(entity), day, np.int32),
            events,
            np.maximum(day - first_day[entity], 0).astype(np.int32),
            evidence.astype(np.float32),
            so_far.counts[order].astype(np.float32),
        )

    def table(self) -> DayTable:
        """Vectors of all closed days."""
        return joined_days(self._closed) if self._closed else empty_days(len(self._channels.causes))

    def risks(self) -> np.ndarray:
        """Risk of each row of `table`."""
        return np.concatenate(self._risk) if self._risk else np.zeros(0)

    def held_ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Entity and value ids that are still needed here."""
        found = self._merge() if self._findings else None
        entities = [
            self._keys[self._keys != 0] >> 32,
            *(table.entity.astype(np.int64) for table in self._closed),
        ]
        return np.concatenate(entities), np.zeros(0, np.int64) if found is None else found.value

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
        self._closed = [
            table._replace(entity=entities[table.entity].astype(np.int32)) for table in self._closed
        ]

    def frame(
        self,
        tenant: str,
        budget: Budget | None = None,
        now: tuple[DayTable, np.ndarray] | None = None,
        picture: Callable[[DayTable], list[str]] | None = None,
    ) -> pd.DataFrame:
        """One row an entity-day, strangest first within each day, newest day first.

        picture: a reason for each of some entity-days that no finding explains. now: vectors and risk of the
        day that is still open. Columns: tenant, entity_kind, entity, day (UTC date), risk, alert, n_events,
        reasons (list of text). `alert` marks the highest risks of each day within the budget. An entity-day
        that was never ranked (late events alone) has the sum of its evidence as risk.
        """
        import pandas as pd

        budget = budget or Budget()
        baselines = self._baselines
        used = np.flatnonzero(self._keys)
        order = np.argsort(self._keys[used])
        keys, counts = self._keys[used][order], self._counts[used][order]
        entity, day = keys >> 32, keys & 0xFFFFFFFF
        risk = np.zeros(len(keys))
        if self._findings:
            found = self._merge()
            np.add.at(risk, np.searchsorted(keys, found.entity << 32 | found.day), found.gain)
        tables, risks = [*self._closed], [*self._risk]
        if now is not None:
            tables.append(now[0])
            risks.append(now[1])
        for table, found_risk in zip(tables, risks, strict=True):
            at = np.searchsorted(keys, table.entity.astype(np.int64) << 32 | table.day)
            risk[at] = found_risk
        reasons = self._reasons(keys)
        if picture is not None:
            for table, found_risk in zip(tables, risks, strict=True):
                at = np.searchsorted(keys, table.entity.astype(np.int64) << 32 | table.day)
                bare = [row for row in np.flatnonzero(found_risk > 0).tolist() if not reasons[at[row]]]
                for row, text in zip(bare, picture(table.take(np.array(bare, np.int64))), strict=True):
                    reasons[at[row]].append(text)
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

    def _reasons(self, keys: np.ndarray) -> list[list[str]]:
        reasons: list[list[str]] = [[] for _ in keys]
        if not self._findings:
            return reasons
        found = self._merge()
        at = np.searchsorted(keys, found.entity << 32 | found.day)
        order = np.lexsort((-found.gain, at))
        place = np.arange(len(order)) - np.searchsorted(at[order], at[order])
        # counts of one burst say much the same: after COUNT_REASONS of them, other kinds of reasons go first
        counted = (found.channel >= self._channels.volume) & (found.channel < self._channels.returns)
        before: np.ndarray = np.cumsum(counted[order]) - counted[order]
        before -= before[np.searchsorted(at[order], at[order])]
        later = counted[order] & (before >= COUNT_REASONS)
        order = order[np.lexsort((place, later, at[order]))]
        place = np.arange(len(order)) - np.searchsorted(at[order], at[order])
        chosen = order[place < REASONS]
        for index in chosen[np.lexsort((-found.gain[chosen], at[chosen]))]:
            reasons[at[index]].append(
                reason(
                    self._baselines,
                    self._channels.all[int(found.channel[index])],
                    int(found.entity[index]),
                    int(found.value[index]),
                    float(found.nats[index]),
                    found.counts[index],
                )
            )
        return reasons


def shared(found: Findings, channels: Channels, day: int) -> Findings:
    """Findings of a day; what is odd for many entities at once is shared among them.

    A value that is odd in one way for m >= ROLLOUT_ENTITIES entities of a day (a roll-out, a new exit
    network) is one event of the organisation: the first of them keeps its evidence, the others a
    ROLLOUT_ENTITIES / m part.
    """
    found = Findings(*(array[found.day == day] for array in found))
    cause = channels.cause_of[found.channel]
    together = cause.astype(np.int64) << 32 | found.value
    order = np.lexsort((found.time_us, together))
    kinds, first, number = np.unique(together[order], return_index=True, return_counts=True)
    many = np.searchsorted(kinds, together)
    adopters = number[many]
    share = np.where((adopters >= ROLLOUT_ENTITIES) & (found.value > 0), ROLLOUT_ENTITIES / adopters, 1.0)
    share[order[first]] = 1.0
    return found._replace(gain=found.gain * share)
