"""For the ranker's tests: a small organisation, its days as vectors, and a what-if scorer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.baselines import DAY_US
from features.behaviours import COLUMN, VALUE_COLUMNS, WIDTH
from features.columns import Batch
from models.days import DayTable

if TYPE_CHECKING:
    from collections.abc import Sequence

DAY0 = 20_000
WATCHED = ("dst", "process", "host", "api")
VALUES = 400
KINDS = 2
CAUSES = KINDS * len(WATCHED)
MEASURES = 4 + len(WATCHED)


class Planted(NamedTuple):
    """A day made strange by the test: which entity, which day."""

    entity: int
    day: int


def make_batch(
    time_us: np.ndarray, user: np.ndarray, host: np.ndarray, values: dict[str, np.ndarray]
) -> Batch:
    """Events of users 1.. on hosts 1001.., value ids equal to codes; a host's value id is its entity id."""
    columns = np.zeros((len(time_us), WIDTH), np.int32)
    for name, codes in values.items():
        columns[:, COLUMN[name]] = codes
    columns[:, COLUMN["user"]] = user
    columns[:, COLUMN["host"]] = host
    columns[:, len(VALUE_COLUMNS)] = user
    columns[:, len(VALUE_COLUMNS) + 1] = host
    given = {
        "time_us": np.asarray(time_us, np.int64),
        "class_uid": np.full(len(time_us), 3002, np.int32),
        "src_ip": np.zeros(len(time_us), np.int32),
        "columns": columns,
    }
    more = {name: np.full(len(time_us), 100, np.int64) for name in Batch._fields if name not in given}
    return Batch(**(given | more))


class World:
    """People with a role and personal habits; baselines are dense counts of past events."""

    def __init__(self, seed: int, people: int = 40) -> None:
        self.people = people
        self.rng = np.random.default_rng(seed)
        self.own = np.zeros((2_000, len(WATCHED), VALUES))
        self.role = self.rng.integers(0, 4, people)
        self.habits = {
            "dst": self.rng.integers(1, 30, (people, 6)) + 40 * self.role[:, None],
            "process": self.rng.integers(1, 25, (people, 5)) + 40 * self.role[:, None],
            "api": self.rng.integers(1, 15, (people, 3)) + 40 * self.role[:, None],
        }
        self.rate = self.rng.lognormal(3.2, 0.4, people)

    def day(self, day: int) -> Batch:
        """Everybody's events of one day, benign oddities included: now and then somebody tries new things."""
        rng = self.rng
        parts = []
        for person in range(self.people):
            count = max(3, int(rng.poisson(self.rate[person] * rng.lognormal(0, 0.25))))
            time = np.sort(rng.normal(13 * 3600, 2.5 * 3600, count).clip(0, 86_399))
            values = {
                name: table[person, rng.zipf(1.6, count) % table.shape[1]]
                for name, table in self.habits.items()
            }
            if rng.random() < 0.12:
                odd = rng.integers(0, count, rng.integers(1, 6))
                name = str(rng.choice(list(values)))
                values[name] = values[name].copy()
                values[name][odd] = rng.integers(1, 190, len(odd))
            host = np.where(rng.random(count) < 0.97, 201 + person, 201 + rng.integers(0, self.people, count))
            parts.append(
                make_batch(
                    day * DAY_US + (time * 1e6).astype(np.int64), np.full(count, person + 1), host, values
                )
            )
        return joined_batches(parts)

    def intrusion(self, person: int, day: int, events: int = 14) -> Batch:
        """Somebody uses this account for what another role does, on other people's hosts."""
        rng = self.rng
        others = np.flatnonzero(self.role != self.role[person])
        other = int(rng.choice(others))
        values = {
            name: rng.choice(table[other], events) for name, table in self.habits.items() if name != "api"
        }
        host = 201 + rng.choice(self.people, events)
        time = day * DAY_US + rng.integers(9 * 3600, 20 * 3600, events) * 1_000_000
        return make_batch(np.sort(time), np.full(events, person + 1), host, values)

    def learn(self, batch: Batch) -> None:
        for kind in range(KINDS):
            entity = batch.columns[:, len(VALUE_COLUMNS) + kind]
            for place, name in enumerate(WATCHED):
                np.add.at(self.own, (entity, place, batch.columns[:, COLUMN[name]]), 1.0)

    def table(self, batch: Batch, *, age: int = 100) -> DayTable:
        """The entity-days of one day's events, against what was learned before."""
        day = int(batch.time_us[0] // DAY_US)
        kinds, entities, rows = [], [], []
        for kind in range(KINDS):
            of_event = batch.columns[:, len(VALUE_COLUMNS) + kind]
            for entity in np.unique(of_event).tolist():
                kinds.append(kind)
                entities.append(entity)
                rows.append(np.flatnonzero(of_event == entity))
        n = len(rows)
        base = DayTable(
            np.array(kinds, np.int8),
            np.array(entities, np.int32),
            np.full(n, day, np.int32),
            np.zeros(n, np.int64),
            np.full(n, age, np.int32),
            np.zeros((n, CAUSES), np.float32),
            np.zeros((n, MEASURES), np.float32),
            np.full((n, 2), np.nan, np.float32),
        )
        everything = joined_batches([batch.take(part) for part in rows])
        group = np.repeat(np.arange(n), [len(part) for part in rows])
        return self.what_if(everything, group, base.entity, base)

    def what_if(self, batch: Batch, group: np.ndarray, target: np.ndarray, base: DayTable) -> DayTable:
        """Base plus invented events, by the likelihood ratio over the dense counts."""
        evidence, counts = base.evidence.copy(), base.counts.copy()
        m = len(base.day)
        entity = target[group]
        n_events = np.bincount(group, minlength=m)
        hour = batch.time_us % DAY_US // 3_600_000_000
        counts[:, 0] += n_events
        counts[:, 1] += np.bincount(group, (hour < 7) | (hour > 19), minlength=m)
        counts[:, 2] += np.bincount(group[:-1], np.diff(batch.time_us) < 2_000_000, minlength=m)
        for place, name in enumerate(WATCHED):
            value = batch.columns[:, COLUMN[name]]
            seen = (value > 0) & (value < VALUES)
            known = np.where(seen, value, 0)
            mine = np.where(seen, self.own[entity, place, known], 0.0)
            total = self.own[entity, place].sum(1)
            kind = base.kind[group]
            org = np.where(
                kind == 0, self.own[:200, place].sum(0)[known], self.own[200:, place].sum(0)[known]
            )
            all_org = np.where(kind == 0, self.own[:200, place].sum(), self.own[200:, place].sum())
            background = np.where(seen, (org + 0.1) / (all_org + 40), 1e-3)
            nats = np.log(background / ((mine + 2.0 * background) / (total + 2.0)))
            gain = np.where(value > 0, np.maximum(nats - 1.0, 0.0), 0.0)
            _, first, pair = np.unique(
                np.stack([group, value]), axis=1, return_index=True, return_inverse=True
            )
            best = np.zeros(len(first))
            np.maximum.at(best, pair, gain)
            cause = np.where(base.kind == 0, 0, len(WATCHED)) + place
            np.add.at(evidence, (group[first], cause[group[first]]), best)
            counts[:, 4 + place] += np.bincount(group[first], minlength=m)
            counts[:, 3] += np.bincount(group[first], (mine[first] == 0) & (value[first] > 0), minlength=m)
        return base._replace(evidence=evidence, counts=counts, n_events=base.n_events + n_events)


def joined_batches(parts: Sequence[Batch]) -> Batch:
    return Batch(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def joined_tables(parts: Sequence[DayTable]) -> DayTable:
    return DayTable(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def take(days: DayTable, rows: np.ndarray) -> DayTable:
    return DayTable(*(array[rows] for array in days))
