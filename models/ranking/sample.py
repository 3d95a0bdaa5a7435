"""A bounded sample of recent raw events: what invented days are made of.

For every UTC day and entity kind the entity-days with the smallest hashes are kept (bottom-k sampling: Cohen,
Kaplan, "Summarizing Data Using Bottom-k Sketches", PODC 2007), and of each the events with the smallest
hashes. So it is uniform over entity-days and over the events of each, whatever their number; and since a hash
decides, cutting the stream in other places gives the same sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.baselines import DAY_US
from features.behaviours import VALUE_COLUMNS, WIDTH
from features.columns import Batch, concatenated
from features.windows import with_room
from models.ranking.content import digest, mixed

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = 3
MERGE_EVENTS = 16_384
"""Candidates collected before they are merged: a sort for each batch would cost more than it saves."""
SCALE = np.uint64(0xD6E8FEB86659FD93)
_NO_BAR = np.iinfo(np.uint64).max


class _Day(NamedTuple):
    """What is kept of one day, ordered by kind, hash of the entity-day and hash of the event; then, of
    entity-days that have all the events they may: their hashes, and the highest event hash of each.
    """

    events: Batch
    kind: np.ndarray
    group: np.ndarray
    event: np.ndarray
    full: np.ndarray
    full_bars: np.ndarray


class EventSample:
    """Events of at most `entity_days` entity-days of each kind and day, at most `events_each` of each.

    Parameters
    ----------
    seed
        Which ones.
    days
        Days kept: the newest that had events. Days, not a span before the newest one: one record from a clock
        that is years ahead must not empty the sample.
    entity_days, events_each
        Bounds; 14 days, 3 kinds, 96 and 64 make at most 4,032 entity-days and 258,048 events (30 MB).
    identity
        A 64-bit number for each of many entity ids that does not depend on how ids were given (a hash of the
        name, say). The ids themselves by default: then the sample depends on them, and an entity-day that a
        renumbering cuts in two may be there twice.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        days: int = 14,
        entity_days: int = 96,
        events_each: int = 64,
        identity: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.seed, self.days, self.entity_days, self.events_each = seed, days, entity_days, events_each
        self._identity = identity
        self._days: dict[int, _Day] = {}
        self._joined: tuple[Batch, np.ndarray] | None = None
        self._pending: list[tuple[Batch, np.ndarray, np.ndarray, np.ndarray]] = []
        self._pending_events = 0
        self._recent = np.zeros(0, np.int64)
        self._bars: dict[tuple[int, int], np.uint64] = {}
        self._full = self._full_bars = np.zeros(0, np.uint64)
        self._digests = np.zeros(0, np.uint64)
        self._digested = np.zeros(0, np.int8)

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def events(self) -> Batch:
        """The sampled events, by day, kind, entity-day."""
        return self._all()[0]

    @property
    def kind(self) -> np.ndarray:
        """int8 (n,): entity kind that each event was sampled for."""
        return self._all()[1]

    @property
    def entity(self) -> np.ndarray:
        """int32 (n,): whose entity-day each sampled event belongs to; one event may be there once a kind."""
        events, kind = self._all()
        return np.asarray(events.columns[np.arange(len(kind)), len(VALUE_COLUMNS) + kind], np.int32)

    @property
    def day(self) -> np.ndarray:
        """int64 (n,): days since the epoch, UTC."""
        return np.asarray(self.events.time_us // DAY_US, np.int64)

    def _all(self) -> tuple[Batch, np.ndarray]:
        self.settle()
        if self._joined is None:
            days = [self._days[day] for day in sorted(self._days)]
            kinds = [np.zeros(0, np.int8), *(part.kind for part in days)]
            self._joined = concatenated([part.events for part in days]), np.concatenate(kinds)
        return self._joined

    def add(self, batch: Batch) -> None:
        """Offer events; O(n) but for one sort every MERGE_EVENTS candidates."""
        if not len(batch.time_us):
            return
        days = batch.time_us // DAY_US
        first, last = int(days.min()), int(days.max())
        if first < last or not (self._recent == first).any():
            self._recent = np.union1d(self._recent, days)[-self.days :]
        recent = days >= self._recent[0]
        seed = mixed(np.array([self.seed], np.uint64))
        powers = 1 << np.arange(len(VALUE_COLUMNS))
        for kind in range(KINDS):
            entities = batch.columns[:, len(VALUE_COLUMNS) + kind]
            rows = np.flatnonzero(recent & (entities != 0))
            if not len(rows):
                continue
            group = self._group(entities[rows], days[rows], kind, seed)
            rows, group = self._within_bars(rows, group, days, kind)
            if not len(rows):
                continue
            # which columns are filled, not with what: value ids may depend on how the stream was cut
            filled = (batch.columns[rows, : len(VALUE_COLUMNS)] != 0) @ powers
            event = mixed(digest(batch.time_us[rows], batch.class_uid[rows], filled) ^ group)
            inside = self._still_open(group, event)
            rows, group, event = rows[inside], group[inside], event[inside]
            kinds = np.full(len(rows), kind, np.int8)
            self._pending.append((batch.take(rows), kinds, group, event))
            self._pending_events += len(rows)
        if self._pending_events >= MERGE_EVENTS:
            self.settle()

    def _group(self, entities: np.ndarray, days: np.ndarray, kind: int, seed: np.ndarray) -> np.ndarray:
        key = self._digest_of(entities, kind)
        return mixed((key ^ seed) + days.astype(np.uint64) * SCALE)

    def _digest_of(self, entities: np.ndarray, kind: int) -> np.ndarray:
        """uint64 (n,) digests of entity ids of one kind; each is worked out once, as names never change."""
        ids = int(entities.max()) + 1
        self._digests, self._digested = with_room(self._digests, ids), with_room(self._digested, ids)
        unknown = np.unique(entities[self._digested[entities] != kind + 1])
        if len(unknown):
            who = unknown if self._identity is None else self._identity(unknown)
            self._digests[unknown] = digest(who, np.full(len(who), kind))
            self._digested[unknown] = kind + 1
        return np.asarray(self._digests[entities], np.uint64)

    def _within_bars(
        self, rows: np.ndarray, group: np.ndarray, days: np.ndarray, kind: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Leave out what the entity-days kept so far already rule out."""
        if not self._bars:
            return rows, group
        of_row = days[rows]
        first, last = int(of_row.min()), int(of_row.max())
        bar = np.full(len(rows), self._bars.get((kind, first), _NO_BAR), np.uint64)
        for day in range(first + 1, last + 1) if last - first < len(rows) else np.unique(of_row).tolist():
            bar[of_row == day] = self._bars.get((kind, day), _NO_BAR)
        inside = group <= bar
        return rows[inside], group[inside]

    def _still_open(self, group: np.ndarray, event: np.ndarray) -> np.ndarray:
        """Which events a full entity-day would still take in; of equal hashes the first to arrive stays."""
        if not len(self._full):
            return np.arange(len(group))
        at = np.minimum(np.searchsorted(self._full, group), len(self._full) - 1)
        return np.flatnonzero((self._full[at] != group) | (event < self._full_bars[at]))

    def settle(self) -> None:
        """Merge what was offered; every read does it by itself."""
        if not self._pending:
            return
        events = concatenated([part[0] for part in self._pending])
        kind, group, event = (np.concatenate([part[place] for part in self._pending]) for place in (1, 2, 3))
        self._pending, self._pending_events, self._joined = [], 0, None
        day_of = events.time_us // DAY_US
        for day in np.unique(day_of[day_of >= self._recent[0]]).tolist():
            rows = np.flatnonzero(day_of == day)
            fresh = events.take(rows), kind[rows], group[rows], event[rows]
            old = self._days.get(day)
            if old is not None:
                fresh = (
                    concatenated([old.events, fresh[0]]),
                    np.concatenate([old.kind, fresh[1]]),
                    np.concatenate([old.group, fresh[2]]),
                    np.concatenate([old.event, fresh[3]]),
                )
            self._days[day] = self._chosen(day, *fresh)
        self._days = {day: kept for day, kept in self._days.items() if day >= self._recent[0]}
        self._bars = {at: bar for at, bar in self._bars.items() if at[1] >= self._recent[0]}
        self._find_full()

    def _chosen(
        self, day: int, events: Batch, kind: np.ndarray, group: np.ndarray, event: np.ndarray
    ) -> _Day:
        """The smallest hashes of what there is for one day."""
        # stable: events with one hash (the same in all that is hashed) stand in order of arrival
        order = np.lexsort((event, group, kind))
        kind_new = _starts(kind[order])
        group_new = kind_new | _starts(group[order])
        number = np.cumsum(group_new)
        group_rank = number - np.maximum.accumulate(np.where(kind_new, number, 0))
        place = np.arange(len(order))
        event_rank = place - np.maximum.accumulate(np.where(group_new, place, 0))
        for row in order[(group_rank == self.entity_days - 1) & group_new]:
            self._bars[int(kind[row]), day] = group[row]
        kept = order[(group_rank < self.entity_days) & (event_rank < self.events_each)]
        return self._stored(events.take(kept), kind[kept], group[kept], event[kept])

    def _stored(self, events: Batch, kind: np.ndarray, group: np.ndarray, event: np.ndarray) -> _Day:
        last = np.flatnonzero(_starts(group[::-1], kind[::-1])[::-1])
        full = last[np.diff(last, prepend=-1) == self.events_each]
        return _Day(events, kind, group, event, group[full], event[full])

    def _find_full(self) -> None:
        nothing = np.zeros(0, np.uint64)
        full = np.concatenate([nothing, *(part.full for part in self._days.values())])
        bars = np.concatenate([nothing, *(part.full_bars for part in self._days.values())])
        order = np.argsort(full)
        self._full, self._full_bars = full[order], bars[order]

    def held_ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Entity and value ids that are still needed here."""
        events, width = self.events, len(VALUE_COLUMNS)
        values = np.concatenate([events.columns[:, :width].ravel(), events.src_ip])
        return np.unique(events.columns[:, width:]), np.unique(values)

    def renumber(self, entities: np.ndarray, values: np.ndarray) -> None:
        """Follow a renumbering (old id -> new id, 0: gone); events of entities that are gone are dropped."""
        self.settle()
        self._joined = None
        self._digested[:] = 0
        width = len(VALUE_COLUMNS)
        for day, part in self._days.items():
            columns = part.events.columns.copy()
            columns[:, :width] = values[columns[:, :width]]
            columns[:, width:] = entities[columns[:, width:]]
            src_ip = values[part.events.src_ip].astype(np.int32)
            kept = np.flatnonzero(columns[np.arange(len(columns)), width + part.kind] != 0)
            events = part.events._replace(columns=columns, src_ip=src_ip).take(kept)
            self._days[day] = self._stored(events, part.kind[kept], part.group[kept], part.event[kept])
        self._find_full()

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, int]]:
        """Arrays and settings of a checkpoint."""
        events, kind = self._all()
        days = [self._days[day] for day in sorted(self._days)]
        nothing = np.zeros(0, np.uint64)
        arrays = {f"sample_{name}": array.copy() for name, array in events._asdict().items()}
        arrays |= {
            "sample_kind": kind.copy(),
            "sample_group_hash": np.concatenate([nothing, *(part.group for part in days)]).view(np.int64),
            "sample_event_hash": np.concatenate([nothing, *(part.event for part in days)]).view(np.int64),
            "sample_bars": _bars_array(self._bars),
            "sample_recent": self._recent.copy(),
        }
        settings = {"seed": self.seed, "days": self.days, "entity_days": self.entity_days}
        return arrays, settings | {"events_each": self.events_each}

    @classmethod
    def restored(
        cls,
        arrays: dict[str, np.ndarray],
        settings: dict[str, int],
        identity: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> EventSample:
        """The sample that was exported."""
        given = {name: settings[name] for name in ("seed", "days", "entity_days", "events_each")}
        sample = cls(identity=identity, **given)
        events = Batch(*(arrays[f"sample_{name}"] for name in Batch._fields))
        if events.columns.shape[1] != WIDTH:
            raise ValueError("events of the sample have other columns")
        group, event = (arrays[f"sample_{name}_hash"].view(np.uint64) for name in ("group", "event"))
        day_of = events.time_us // DAY_US
        for day in np.unique(day_of).tolist():
            rows = np.flatnonzero(day_of == day)
            sample._days[day] = sample._stored(
                events.take(rows), arrays["sample_kind"][rows], group[rows], event[rows]
            )
        kinds, days, bars = arrays["sample_bars"]
        sample._bars = {
            (kind, day): np.uint64(bar)
            for kind, day, bar in zip(kinds.tolist(), days.tolist(), bars.view(np.uint64), strict=True)
        }
        sample._recent = arrays["sample_recent"].copy()
        sample._find_full()
        return sample


def _bars_array(bars: dict[tuple[int, int], np.uint64]) -> np.ndarray:
    keys = sorted(bars)
    hashes = np.array([bars[key] for key in keys], np.uint64).view(np.int64)
    return np.stack(
        [np.array([kind for kind, _ in keys], np.int64), np.array([day for _, day in keys], np.int64), hashes]
    )


def _starts(*keys: np.ndarray) -> np.ndarray:
    """Where a run of equal keys starts."""
    starts = np.zeros(len(keys[0]), np.bool_)
    starts[:1] = True
    for key in keys:
        starts[1:] |= key[1:] != key[:-1]
    return starts
