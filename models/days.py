"""Entity-days: what was odd about each user, host and address on each UTC day, and which deserve a person.

The evidence of an entity-day is the sum, over the distinct things (cause and value) that were odd about it
that day, of the strongest finding for each. Repeats of one thing do not stack, and the sum is its own
explanation. With the day's counts beside it, it is the vector that `models.ranking` ranks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.baselines import DAY_US
from features.intmap import put_many
from features.measures import COUNTS
from models.day_counts import count_days, look_up
from models.day_frame import Ranked, reasons_of, unsorted_frame, with_highest, with_raised
from models.entity_risk import RiskLedger
from models.feedback.feedback import Feedback, Things
from models.repeats import Repeats, news
from models.risk import Budget
from models.sessions.views import COLUMNS as SESSION_COLUMNS
from models.strongest import strongest

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from features.baselines import Baselines
    from features.columns import Batch
    from models.activity import DayCounts
    from models.alerts import AlertBook
    from models.channels import Channels
    from models.engine import Evidence
    from models.entity_risk import EntityRisks
    from models.sessions.sessions import Remark

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
    everyday by cause (`Channels.causes`). counts: float32 (n, len(COUNTS)). sessions: float32 (n, 2) nats of
    the strangest session, over all partners and over new ones (`models.sessions`), and in a third column,
    where the sequence model is on, of the order of events (`models.sequence`); NaN where nothing is known.
    """

    kind: np.ndarray
    entity: np.ndarray
    day: np.ndarray
    n_events: np.ndarray
    age_days: np.ndarray
    evidence: np.ndarray
    counts: np.ndarray
    sessions: np.ndarray

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
        np.zeros((0, SESSION_COLUMNS), np.float32),
    )


def joined_days(tables: list[DayTable]) -> DayTable:
    """Several tables (at least one) as one. Where some lack a column of sessions that others have, they know
    nothing of it.
    """
    widest = max(table.sessions.shape[1] for table in tables)
    same = [
        table._replace(
            sessions=np.pad(
                table.sessions, ((0, 0), (0, widest - table.sessions.shape[1])), constant_values=np.nan
            )
        )
        for table in tables
    ]
    return DayTable(*(np.concatenate(arrays) for arrays in zip(*same, strict=True)))


class DayBook:
    """Collects findings, events and counts by entity and UTC day, batch after batch, and the risk of closed
    days.

    Findings and rarities are kept as they were found. What people were told before (`repeats`) and what
    analysts said (`feedback`) is applied when they are read, so that it holds for what is stored as well, and
    taking it back brings everything back.
    """

    def __init__(self, baselines: Baselines, channels: Channels, feedback: Feedback | None = None) -> None:
        self._baselines = baselines
        self._channels = channels
        self.feedback = Feedback() if feedback is None else feedback
        self._findings: list[Findings] = []
        self._past: list[Findings] = []
        self._keys = np.zeros(1 << 12, np.int64)
        self._counts = np.zeros(1 << 12, np.int64)
        self._used = 0
        self._closed: list[DayTable] = []
        self._remarks: list[dict[int, Remark]] = []
        self._rarity: list[np.ndarray] = []
        self._entity_risk: list[np.ndarray] = []
        self.ledger = RiskLedger()
        self.repeats = Repeats()

    # ---------------------------------------------------------------- taking in

    def add(self, batch: Batch, evidence: Evidence) -> None:
        """Take in a scored batch with its evidence (`models.engine.Scores.details`), by event."""
        days = batch.time_us // DAY_US
        row = 0
        while row < len(days):
            if self._used * 4 > len(self._keys):
                self._grow()
            added, row = count_days(self._keys, self._counts, batch.columns, days, row)
            self._used += added
        found = evidence.take(np.flatnonzero(evidence.gain > 0))
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

    def close(self, table: DayTable, rarity: np.ndarray, remarks: dict[int, Remark] | None = None) -> None:
        """Keep the vectors of a closed day with their rarity, remarks on their sessions by row, and what its
        findings leave of the entities' own risk.
        """
        self._closed.append(table)
        self._remarks.append(remarks or {})
        self._rarity.append(rarity)
        # a day that is open is looked at every hour: what is over is not to be sorted again each time
        if self._findings and len(table.day):
            found = self._merge()
            over = found.day <= table.day[0]
            self._past.append(Findings(*(array[over] for array in found)))
            self._findings = [Findings(*(array[~over] for array in found))]
            self._owe(self.ledger, found, int(table.day[0]))
        end_us = (int(table.day[0]) + 1) * DAY_US if len(table.day) else 0
        self._entity_risk.append(self.ledger.at(end_us, table.entity.astype(np.int64)).risk)
        self.ledger.forget(end_us)

    def _owe(self, ledger: RiskLedger, found: Findings, day: int) -> None:
        """Put a day's findings into a ledger, less what they share with other entities."""
        found = shared(found, self._channels, day)
        found = Findings(*(array[~self._exempted(found)] for array in found))
        cause = self._channels.cause_of[found.channel]
        ledger.learn(found.entity, cause, found.value, found.gain, found.time_us)

    def entity_risks(self, entity: np.ndarray, day: int, now_us: int) -> EntityRisks:
        """Risk with decay of entities (distinct ids, ascending), findings of the open day so far included."""
        today = RiskLedger()
        if self._findings:
            self._owe(today, self._merge(), day)
        return self.ledger.at(now_us, entity, today)

    def forget(self, day: int) -> None:
        """Drop everything about days before this one: whoever runs for months keeps them elsewhere."""
        keys = self._keys[self._keys != 0]
        keys = np.sort(keys[keys & 0xFFFFFFFF >= day])
        counts = np.zeros(len(keys), np.int64)
        look_up(self._keys, self._counts, keys, counts)
        size = 1 << int(np.ceil(np.log2(4 * len(keys) + 4096)))
        self._keys, self._counts = np.zeros(size, np.int64), np.zeros(size, np.int64)
        put_many(self._keys, self._counts, keys, counts)
        self._used = len(keys)
        self._past, self._findings = (
            [Findings(*(array[found.day >= day] for array in found)) for found in parts]
            for parts in (self._past, self._findings)
        )
        kept = [place for place, table in enumerate(self._closed) if len(table.day) and table.day[0] >= day]
        self._closed = [self._closed[place] for place in kept]
        self._remarks = [self._remarks[place] for place in kept]
        self._rarity = [self._rarity[place] for place in kept]
        self.repeats.forget(day)
        self._entity_risk = [self._entity_risk[place] for place in kept]

    @property
    def oldest(self) -> int:
        """The first closed day that is still here; a day far off when there is none."""
        return min((int(table.day[0]) for table in self._closed if len(table.day)), default=1 << 40)

    def _grow(self) -> None:
        used = np.flatnonzero(self._keys)
        keys = np.zeros(4 * len(self._keys), np.int64)
        counts = np.zeros(len(keys), np.int64)
        put_many(keys, counts, self._keys[used], self._counts[used])
        self._keys, self._counts = keys, counts

    def _merge(self) -> Findings:
        merged = Findings(*(np.concatenate(parts) for parts in zip(*self._findings, strict=True)))
        merged = self._strongest(merged)
        self._findings = [merged]
        return merged

    def findings(self) -> Findings | None:
        """Findings of all days."""
        parts = [*self._past, *self._findings]
        if not parts:
            return None
        return self._strongest(Findings(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True))))

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
        look_up(self._keys, self._counts, keys, counts)
        arrays = {"days_keys": keys, "days_events": counts}
        arrays |= {f"days_ledger_{name}": array for name, array in self.ledger.export().items()}
        arrays |= {f"days_repeats_{name}": array for name, array in self.repeats.export().items()}
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
        put_many(self._keys, self._counts, keys, arrays["days_events"])
        self._used = len(keys)
        self.ledger = RiskLedger.restored(_named(arrays, "days_ledger_"))
        self.repeats = Repeats.restored(_named(arrays, "days_repeats_"))
        if "days_entity" in arrays:
            self._findings = [Findings(*(arrays[f"days_{name}"].copy() for name in Findings._fields))]

    # ---------------------------------------------------------------- reading

    def vectors(self, day: int, so_far: DayCounts, first_day: np.ndarray) -> DayTable:
        """Vectors of a day's entities, as far as the day has come.

        so_far: what they did, one row an entity. first_day: by entity id, day it was first seen. Rows are in
        the order of the ids; sessions are left unknown.
        """
        order = np.argsort(so_far.entity)
        entity = so_far.entity[order]
        evidence = np.zeros((len(entity), len(self._channels.causes)))
        if self._findings:
            evidence = self._by_cause(shared(self._merge(), self._channels, day), entity)
        events = np.zeros(len(entity), np.int64)
        look_up(self._keys, self._counts, entity << 32 | day, events)
        return DayTable(
            so_far.kind[order].astype(np.int8),
            entity.astype(np.int32),
            np.full(len(entity), day, np.int32),
            events,
            np.maximum(day - first_day[entity], 0).astype(np.int32),
            evidence.astype(np.float32),
            so_far.counts[order].astype(np.float32),
            np.full((len(entity), SESSION_COLUMNS), np.nan, np.float32),
        )

    def _by_cause(self, found: Findings, entity: np.ndarray) -> np.ndarray:
        """Sums of gains of entities (ids, ascending), float64 (n, causes)."""
        evidence = np.zeros((len(entity), len(self._channels.causes)))
        things = self._things(found, entity)
        np.add.at(evidence, (things.row, things.cause), things.nats)
        return evidence

    def _exempted(self, found: Findings) -> np.ndarray:
        return self.feedback.covers(
            self._baselines, self._channels, found.channel, found.entity, found.value, found.time_us
        )

    def evidence_of(self, entity: int, day: int) -> dict[str, dict[str, float]]:
        """Nats beyond the everyday by cause and value ("" for none) of one entity-day; empty when none is in
        the books.
        """
        found = self._of_day(day)
        if found is None:
            return {}
        mine = Findings(*(array[(found.entity == entity) & (found.gain > 0)] for array in found))
        columns = self._channels.column_of[mine.channel].tolist()
        texts = self._baselines.values.many(mine.value)
        out: dict[str, dict[str, float]] = {}
        for column, text, gain in zip(columns, texts, mine.gain.tolist(), strict=True):
            values = out.setdefault(self._channels.causes[column], {})
            values[str(text)] = values.get(str(text), 0.0) + gain
        return out

    def _of_day(self, day: int) -> Findings | None:
        """Findings of one day, shared where many had them."""
        parts = [*self._past, *self._findings]
        if not parts:
            return None
        of_day = [Findings(*(array[found.day == day] for array in found)) for found in parts]
        found = self._strongest(Findings(*(np.concatenate(arrays) for arrays in zip(*of_day, strict=True))))
        return shared(found, self._channels, day)

    def told(self, table: DayTable) -> np.ndarray:
        """What people had been told of the entities of one day, float64 (n,) nats, see `models.repeats`.

        A confirmed attack begins anew: what was raised of its entity until then does not count on later days.
        """
        if not len(table.day):
            return np.zeros(0)
        day = int(table.day[0])
        attacked = self.feedback.attacked(self._baselines, day)
        return self.repeats.told(table.entity.astype(np.int64), day, attacked)

    def weighed(self, table: DayTable, rarity: np.ndarray) -> np.ndarray:
        """Risk of entity-days of one day (ids ascending), float64 (n,): their rarity, less what people were
        told before, and after what they said of the like.
        """
        return np.asarray(rarity * news(rarity, self.told(table)) * self.factors(table))

    def factors(self, table: DayTable) -> np.ndarray:
        """How feedback changes the risk of entity-days of one day (ids ascending), float64 (n,)."""
        day = int(table.day[0]) if len(table.day) else 0
        if self.feedback.says_nothing:
            return np.ones(len(table.day))
        entity = table.entity.astype(np.int64)
        causes = self._channels.causes
        found = self._of_day(day)
        if found is None:
            evidence = np.zeros((len(entity), len(causes)))
            none = np.zeros(0, np.int64)
            things = Things(none, none, none, np.zeros(0))
            return self.feedback.factors(self._baselines, causes, entity, day, evidence, evidence, things)
        evidence = self._by_cause(found, entity)
        exempted = self._exempted(found)
        kept = Findings(*(array[~exempted] for array in found))
        left, things = self._by_cause(kept, entity), self._things(kept, entity)
        return self.feedback.factors(self._baselines, causes, entity, day, evidence, left, things)

    def _things(self, found: Findings, entity: np.ndarray) -> Things:
        """Findings of a day by row of its entities (ids, ascending)."""
        at = np.searchsorted(entity, found.entity)
        inside = at < len(entity)
        inside[inside] = entity[at[inside]] == found.entity[inside]
        column = self._channels.column_of[found.channel[inside]].astype(np.int64)
        return Things(at[inside], column, found.value[inside], found.gain[inside])

    def table(self) -> DayTable:
        """Vectors of all closed days."""
        return joined_days(self._closed) if self._closed else empty_days(len(self._channels.causes))

    def rarities(self) -> np.ndarray:
        """Rarity of each row of `table`, nats."""
        return np.concatenate(self._rarity) if self._rarity else np.zeros(0)

    def risks(self) -> np.ndarray:
        """Risk of each row of `table`, see `weighed`."""
        of_days = zip(self._closed, self._rarity, strict=True)
        return np.concatenate([np.zeros(0), *(self.weighed(table, rarity) for table, rarity in of_days)])

    def held_ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Entity and value ids that are still needed here."""
        found = self.findings()
        entities = [
            self._keys[self._keys != 0] >> 32,
            *(table.entity.astype(np.int64) for table in self._closed),
        ]
        owing, values = self.ledger.held_ids()
        if found is not None:
            values = np.concatenate([values, found.value])
        return np.concatenate([*entities, owing, self.repeats.held_ids()]), values

    def renumber(self, entities: np.ndarray, values: np.ndarray) -> None:
        """Follow a renumbering (old id -> new id)."""
        used = np.flatnonzero(self._keys)
        keys = entities[self._keys[used] >> 32].astype(np.int64) << 32 | self._keys[used] & 0xFFFFFFFF
        counts = self._counts[used]
        self._keys, self._counts = np.zeros_like(self._keys), np.zeros_like(self._counts)
        put_many(self._keys, self._counts, keys, counts)
        self._findings, self._past = (
            [
                found._replace(
                    entity=entities[found.entity].astype(np.int64), value=values[found.value].astype(np.int64)
                )
                for found in parts
            ]
            for parts in (self._findings, self._past)
        )
        self.ledger.renumber(entities, values)
        self.repeats.renumber(entities)
        self._closed = [
            table._replace(entity=entities[table.entity].astype(np.int32)) for table in self._closed
        ]

    def frame(
        self,
        tenant: str,
        budget: Budget | None = None,
        now: tuple[DayTable, np.ndarray] | None = None,
        now_us: int = 0,
        picture: Callable[[DayTable], list[str]] | None = None,
        alerts: AlertBook | None = None,
        remarks: dict[int, Remark] | None = None,
    ) -> pd.DataFrame:
        """One row an entity-day, strangest first within each day, newest day first.

        now, now_us: vectors and rarity of the day that is still open, and its newest time.
        picture: a reason for each of some entity-days that neither a finding nor a session explains. alerts:
        what was raised as the days went; without it `alert` marks the highest risks of each day within the
        budget. remarks: on the open day's sessions, by row of `now`.

        Columns: tenant, entity_kind, entity, day (UTC date), risk, alert, n_events, reasons (list of text),
        alerted_at (UTC; NaT: never, or not yet), entity_risk (`models.entity_risk`, at the end of the day;
        NaN: never ranked), rarity (nats, see `models.ranking`; NaN: never ranked).

        With `alerts`, `alert` is whether the entity-day was raised; on the open day also whether it would be
        if the day ended now, without a moment. An entity-day that was never ranked (late events alone) has
        the sum of its evidence as risk and is never raised.
        """
        used = np.flatnonzero(self._keys)
        order = np.argsort(self._keys[used])
        keys, counts = self._keys[used][order], self._counts[used][order]
        ranked = [
            Ranked(table, rarity, self.weighed(table, rarity), owed)
            for table, rarity, owed in zip(self._closed, self._rarity, self._entity_risk, strict=True)
        ]
        if now is not None:
            owed = self.entity_risks(now[0].entity.astype(np.int64), now_us // DAY_US, now_us).risk
            ranked.append(Ranked(*now, self.weighed(*now), owed))
            now = now[0], ranked[-1].risk
        found = self.findings()
        if found is not None:
            found = Findings(*(array[~self._exempted(found)] for array in found))
        said: dict[int, Remark] = {}
        tables = [*self._closed, *([now[0]] if now is not None else [])]
        for table, of_rows in zip(tables, [*self._remarks, remarks or {}], strict=False):
            said |= {int(table.entity[row]) << 32 | int(table.day[row]): one for row, one in of_rows.items()}
        reasons = reasons_of(self._baselines, self._channels, keys, found, said)
        if picture is not None:
            for table, _, risk, _ in ranked:
                at = np.searchsorted(keys, table.entity.astype(np.int64) << 32 | table.day)
                bare = [row for row in np.flatnonzero(risk > 0).tolist() if not reasons[at[row]]]
                for row, text in zip(bare, picture(table.take(np.array(bare, np.int64))), strict=True):
                    reasons[at[row]].append(text)
        evidence = np.zeros(len(keys))
        if found is not None:
            np.add.at(evidence, np.searchsorted(keys, found.entity << 32 | found.day), found.gain)
        frame = unsorted_frame(self._baselines, tenant, keys, counts, evidence, ranked, reasons)
        if alerts is None:
            return with_highest(frame, budget or Budget())
        return with_raised(frame, keys, alerts, now)


def _named(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


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
