"""Closed entity-days of the last weeks, as they were seen then."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.days import DayTable, empty_days, joined_days
from models.ranking.content import chosen_by, content_digest, content_order

if TYPE_CHECKING:
    from models.ranking.settings import RankerSettings


class Past(NamedTuple):
    """Past entity-days: the table and z, float32 (n, C), as it was before the day was learned."""

    days: DayTable
    z: np.ndarray

    def take(self, rows: np.ndarray) -> Past:
        """Some of the rows."""
        return Past(self.days.take(rows), self.z[rows])


class DayHistory:
    """A bounded store of closed entity-days, in the order of `content_order` within each day."""

    def __init__(self, causes: int, measures: int) -> None:
        self.past = Past(empty_days(causes, measures), np.zeros((0, measures), np.float32))

    def __len__(self) -> int:
        return len(self.past.days.day)

    @property
    def newest_day(self) -> int:
        """Latest day kept, -1 for none."""
        return int(self.past.days.day.max(initial=-1))

    def add(self, days: DayTable, z: np.ndarray, settings: RankerSettings) -> None:
        """Keep closed days, given in `content_order`; an entity-day that is there already is replaced."""
        old = self.past.days
        key = days.entity.astype(np.int64) << 32 | days.day
        old_key = old.entity.astype(np.int64) << 32 | old.day
        fresh_from = max(self.newest_day, int(days.day.max(initial=-1))) - settings.history_days
        keep = np.flatnonzero((old.day > fresh_from) & ~np.isin(old_key, key))
        new = np.flatnonzero(days.day > fresh_from)
        kept, added = self.past.take(keep), Past(days, z).take(new)
        table = joined_days([kept.days, added.days])
        everything = Past(table, np.concatenate([kept.z, added.z]))
        if len(new) and int(days.day[new].min()) <= self.newest_day:
            everything = everything.take(content_order(everything.days))
        if len(table.day) > settings.history_rows:
            everything = everything.take(chosen_rows(table, settings.history_rows, settings.seed))
        self.past = everything

    def of_kind(self, kind: int) -> np.ndarray:
        """Rows of one kind."""
        return np.flatnonzero(self.past.days.kind == kind)

    def trust(self, rows_full: tuple[int, int], days_full: tuple[int, int]) -> np.ndarray:
        """0-1 by kind: 0 up to the first number of entity-days or days, 1 from the second, linear between."""
        trust = np.zeros(3)
        for kind in range(3):
            rows = self.of_kind(kind)
            days = len(np.unique(self.past.days.day[rows]))
            parts = [
                (have - low) / (high - low)
                for have, (low, high) in ((len(rows), rows_full), (days, days_full))
            ]
            trust[kind] = np.prod(np.clip(parts, 0.0, 1.0))
        return trust

    def renumber(self, entities: np.ndarray) -> None:
        """Follow a renumbering; days of entities that are gone stay, as nobody's."""
        days = self.past.days
        renamed = days._replace(entity=entities[days.entity].astype(np.int32))
        self.past = Past(renamed, self.past.z)

    def export(self) -> dict[str, np.ndarray]:
        """Arrays of a checkpoint."""
        arrays = {f"history_{name}": array.copy() for name, array in self.past.days._asdict().items()}
        return arrays | {"history_z": self.past.z.copy()}

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray]) -> DayHistory:
        """The history that was exported."""
        table = DayTable(*(arrays[f"history_{name}"].copy() for name in DayTable._fields))
        history = cls(table.evidence.shape[1], table.counts.shape[1])
        history.past = Past(table, arrays["history_z"].copy())
        return history


def chosen_rows(days: DayTable, limit: int, seed: int, among: np.ndarray | None = None) -> np.ndarray:
    """At most `limit` rows (of `among`, by default of all), uniform and decided by content; ascending."""
    rows = np.arange(len(days.day)) if among is None else among
    if len(rows) <= limit:
        return rows
    part = days.take(rows)
    return np.asarray(rows[chosen_by(content_digest(part), limit, seed, part.entity)], np.int64)
