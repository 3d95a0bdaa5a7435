"""What is normal for whom: habits of every user, host and source address, of their peers and of the
organisation.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from features import regroup, sketch, voices
from features.behaviours import BEHAVIOURS, ENTITY_KINDS, VALUE_COLUMNS, Behaviour
from features.entities import GROUP, KINDS, UNIT, Entities
from features.errors import InputError, StateError
from features.interner import StringTable
from features.kernel import (
    DONE,
    LEVELS,
    MIN_EXPONENT,
    NEEDS_LANDMARK,
    Sums,
    class_slots,
    compile_program,
    learn_rows,
    recount,
    scale,
    unlearn_rows,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

    from features.columns import Batch

DAY_US = 86_400_000_000


class Baselines:
    """Forward-decayed habit sums of one tenant.

    Parameters
    ----------
    half_life_days
        Days after which an observation counts half. 30: habits of a month ago still matter, those of a
        quarter fade.
    max_entries
        Most habit entries kept; the lightest are dropped (and counted in `dropped_entries`) when it is
        reached.
    max_entities
        Most users, hosts and source addresses kept.
    floor
        Entries that have decayed below this weight are dropped when room is needed.
    behaviours
        What is watched; part of the checkpoint's schema.
    """

    def __init__(
        self,
        *,
        half_life_days: float = 30.0,
        max_entries: int = 50_000_000,
        max_entities: int = 4_000_000,
        floor: float = 2.0**-10,
        behaviours: tuple[Behaviour, ...] = BEHAVIOURS,
    ) -> None:
        least = 10 * LEVELS * len(behaviours)
        if max_entries < least:
            raise InputError(
                f"max_entries is {max_entries}: one event can touch {least // 10}, so allow at least {least}"
            )
        self.half_life_days = half_life_days
        self.max_entries = max_entries
        self.floor = floor
        self.behaviours = behaviours
        self.program = compile_program(behaviours)
        self.values = StringTable()
        by_kind = [sum(b.entity == kind for b in behaviours) for kind in ENTITY_KINDS]
        self.entities = Entities(by_kind, max_entities)
        self.landmark_us: int | None = None
        self.watermark_us = 0
        self.dropped_entries = 0
        self.dropped_weight = 0.0
        self.renumberings = 0
        self._table = sketch.empty_table(1 << 12)
        self._totals = np.zeros(1024 * UNIT)
        self._distinct = np.zeros(1024 * UNIT, np.int32)
        self._pairs = np.zeros(len(behaviours), np.int64)
        self.voices = voices.Voices(int(self.program.local.max()) + 1)

    # ---------------------------------------------------------------- size

    def __len__(self) -> int:
        return int(self._table.meta[sketch.ENTRIES])

    @property
    def table_nbytes(self) -> int:
        """Bytes of the habit table with its totals: what `bytes a habit entry` is measured on."""
        return self._table.nbytes + self._totals.nbytes + self._distinct.nbytes

    @property
    def nbytes(self) -> int:
        """Bytes of everything held: table, totals, entities and the strings of values."""
        return self.table_nbytes + self.entities.nbytes + self.values.nbytes

    # ---------------------------------------------------------------- time

    @property
    def half_life_us(self) -> float:
        """The half-life in microseconds."""
        return self.half_life_days * DAY_US

    def exponents(self, time_us: np.ndarray) -> np.ndarray:
        """Half-lives from the landmark to each time; sets the landmark from the first event of all."""
        if self.landmark_us is None and len(time_us):
            self.landmark_us = self._grid(int(time_us[0]))
        exponents = (time_us - np.int64(self.landmark_us or 0)) / self.half_life_us
        return np.clip(exponents, MIN_EXPONENT, -MIN_EXPONENT, out=exponents)

    def _grid(self, time_us: int) -> int:
        # landmarks lie on multiples of the half-life: moving one, or merging two, scales by an exact power of
        # two
        return round(time_us // self.half_life_us * self.half_life_us)

    def move_landmark(self, time_us: int) -> int:
        """Bring the landmark to the grid point at or before a time; returns the half-lives it moved by."""
        if self.landmark_us is None:
            self.landmark_us = self._grid(time_us)
            return 0
        steps = round((self._grid(time_us) - self.landmark_us) / self.half_life_us)
        factor = 2.0**-steps
        scale(self._table.weights, factor)
        self._totals *= factor
        self.landmark_us = self._grid(time_us)
        return steps

    def decay(self, at_us: int | None = None) -> float:
        """Factor that turns stored weights into weights as of a time (default: the newest event learned)."""
        at = self.watermark_us if at_us is None else at_us
        exponent = (at - (self.landmark_us or 0)) / self.half_life_us
        return float(2.0 ** -min(max(exponent, MIN_EXPONENT), -MIN_EXPONENT))

    # ---------------------------------------------------------------- learning

    def sums(self) -> Sums:
        """The arrays for kernels; valid until room is made."""
        end = self.entities.end * UNIT
        if end > len(self._totals):
            room = max(end, len(self._totals) * 3 // 2)
            self._totals = np.concatenate([self._totals, np.zeros(room - len(self._totals))])
            self._distinct = np.concatenate([self._distinct, np.zeros(room - len(self._distinct), np.int32)])
        self.voices.grow(self.entities.end)
        return Sums(
            keys=self._table.keys,
            weights=self._table.weights,
            meta=self._table.meta,
            totals=self._totals,
            distinct=self._distinct,
            pairs=self._pairs,
            group=self.entities.group,
            organisation=np.array(self.entities.organisation, np.int64),
            quiet=self.voices.row_of,
            voices=self.voices.table,
            limit=self.max_entries,
        )

    def learn(self, batch: Batch) -> None:
        """Add every event of the batch; order and chunking do not change the sums."""
        slots = class_slots(self.program, batch.class_uid)
        row, state = 0, -1
        while state != DONE:
            exponents = self.exponents(batch.time_us)
            row, state = learn_rows(self.sums(), self.program, batch.columns, slots, exponents, row)
            if state == NEEDS_LANDMARK:
                self.move_landmark(int(batch.time_us[row]))
            elif state != DONE:
                self.make_room(int(batch.time_us[row]))
        if len(batch.time_us):
            self.watermark_us = max(self.watermark_us, int(batch.time_us.max()))

    def unlearn(self, batch: Batch) -> float:
        """Take events out again; returns the decayed weight that was no longer there to be taken."""
        slots = class_slots(self.program, batch.class_uid)
        exponents = self.exponents(batch.time_us)
        missing = unlearn_rows(self.sums(), self.program, batch.columns, slots, exponents)
        self._recount()  # a total that was mostly the weight of one odd clock has lost its other digits
        return float(missing) * self.decay()

    def weigh_voices(self) -> int:
        """Let no entity decide what is normal for others (`features.voices`); returns how many do not speak
        in full. Whoever learns calls this now and then.
        """
        return voices.weigh(self)

    def make_room(self, now_us: int) -> None:
        """Grow the table, or at its limit drop the lightest entries."""
        extra = max(1024, 4 * len(self.behaviours))
        if len(self) + extra < self.max_entries:
            room = min(len(self) * (sketch.GROWTH - 1) + extra, self.max_entries - len(self))
            self._drop(self._below(self.floor / self.decay(now_us)), now_us)
            if sketch.needs_growth(self._table, int(room * 0.1) + extra):
                self._table = sketch.grown(self._table, int(room))
            return
        surplus = len(self) - int(self.max_entries * 0.9)
        self._drop(self._below(self.floor / self.decay(now_us)) | self._lightest(surplus), now_us)
        if sketch.needs_growth(self._table, extra):
            self._table = sketch.grown(self._table, extra)

    def _below(self, threshold: float) -> np.ndarray:
        light: np.ndarray = (self._table.keys[0::2] != 0) & (self._table.weights[1::2] < threshold)
        return light

    def _lightest(self, count: int) -> np.ndarray:
        """The `count` lightest entries, bool by slot; of equal ones those of larger keys."""
        chosen = np.zeros(self._table.capacity, np.bool_)
        if count > 0:
            used = np.flatnonzero(self._table.keys[0::2])
            keys, weights = self._table.keys[2 * used], self._table.weights[2 * used + 1]
            heaviest = np.partition(weights, count - 1)[count - 1]
            tied = np.flatnonzero(weights == heaviest)
            tied = tied[np.argsort(-keys[tied])]
            chosen[used[weights < heaviest]] = True
            chosen[used[tied[: count - int(chosen.sum())]]] = True
        return chosen

    def _drop(self, light: np.ndarray, now_us: int) -> None:
        keys, weights = self._table.keys[0::2], self._table.weights[1::2]
        count = int(light.sum())
        if not count:
            return
        self.dropped_entries += count
        self.dropped_weight += float(weights[light].sum()) * self.decay(now_us)
        kept = (keys != 0) & ~light
        capacity = self._table.capacity
        pairs = np.empty(2 * int(kept.sum()), np.int64)
        pairs[0::2] = keys[kept]
        pairs.view(np.float64)[1::2] = weights[kept]
        self._table = sketch.empty_table(capacity)
        self._table.meta[sketch.ENTRIES] = sketch.insert_all(
            self._table.keys, self._table.weights, pairs, pairs.view(np.float64)
        )
        self._recount()

    def _recount(self) -> None:
        recount(self.sums(), self.program.local, self.entities.kind)

    # ---------------------------------------------------------------- merge, renumber

    def merge(self, other: Baselines) -> None:
        """Add the sums of another baseline of the same behaviours and half-life; the halves of a history make
        the whole. Everybody speaks in full until voices are weighed again.
        """
        if other.behaviours != self.behaviours or other.half_life_days != self.half_life_days:
            raise StateError("baselines with other behaviours or another half-life cannot be merged")
        if other.landmark_us is None:
            return
        voices.speak_up(self)
        self.move_landmark(
            max(other.landmark_us, other.landmark_us if self.landmark_us is None else self.landmark_us)
        )
        values = np.concatenate(
            [[0], self.values.intern_many(other.values.many(range(1, len(other.values) + 1)))]
        )
        entities, mixed = self._adopt(other.entities, values)
        keys, weights = sketch.entries(voices.in_full(other))
        entity, behaviour, value = sketch.unpack(keys)
        weights = weights * 2.0 ** ((other.landmark_us - (self.landmark_us or 0)) / self.half_life_us)
        refused = entities[entity] == 0
        self.dropped_entries += int(refused.sum())
        self.dropped_weight += float(weights[refused].sum()) * self.decay(
            max(self.watermark_us, other.watermark_us)
        )
        entity, behaviour, value, weights = (a[~refused] for a in (entity, behaviour, value, weights))
        pairs = np.empty(2 * len(entity), np.int64)
        pairs[0::2] = entities[entity] << 39 | behaviour << 32 | values[value]
        pairs.view(np.float64)[1::2] = weights
        if sketch.needs_growth(self._table, len(entity)):
            self._table = sketch.grown(self._table, len(entity))
        self._table.meta[sketch.ENTRIES] += sketch.insert_all(
            self._table.keys, self._table.weights, pairs, pairs.view(np.float64)
        )
        self._recount()
        regroup.remake(self, mixed)
        self.watermark_us = max(self.watermark_us, other.watermark_us)
        self.dropped_entries += other.dropped_entries
        self.dropped_weight += other.dropped_weight
        if len(self) > self.max_entries:
            self.make_room(self.watermark_us)

    def _adopt(self, other: Entities, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Own ids of another baseline's entities, added where new, int64 by the other's id; and the groups
        whose members differed.
        """
        mixed = [np.zeros(0, np.int64)]
        ids = np.zeros(other.end, np.int64)
        for kind in range(2 * KINDS):
            theirs = other.all_ids((kind,))
            if len(theirs):
                ids[theirs] = self.entities.ids(kind, values[other.name[theirs]])
        for kind in range(KINDS):
            ids[other.organisation[kind]] = self.entities.organisation[kind]
            theirs = other.all_ids((kind,))
            theirs = theirs[other.group[theirs] != 0]
            ours, groups = ids[theirs], ids[other.group[theirs]]
            mine = self.entities.group[ours].astype(np.int64)
            mixed += [mine[mine != groups], groups[mine != groups]]
            self.entities.group[ours[mine == 0]] = groups[mine == 0]
        return ids, np.unique(np.concatenate(mixed))

    def shed_entities(self, share: float = 0.2, newcomers: np.ndarray | None = None) -> int:
        """Drop the habits of the lightest entities (by decayed weight of all their habits); returns how many
        entities.

        What they did stays in the sums of their peers and of the organisation. Ids stay valid until
        `renumber`.

        newcomers: bool by id, who was never seen before the open day. Where they alone could make up the
        share they do: whoever invents names must not push out those who have a history, however light.
        """
        ids = self.entities.all_ids()
        sums = self.sums()
        weight = np.zeros(len(ids))
        for place in range(max(self.entities.units_of(kind) for kind in range(KINDS)) * UNIT):
            inside = place < UNIT * np.array([self.entities.units_of(kind) for kind in range(KINDS)])
            mine = inside[self.entities.kind[ids]]
            weight[mine] += sums.totals[ids[mine] * UNIT + place]
        count = int(len(ids) * share)
        if not count:
            return 0
        if newcomers is not None:
            # those without weight have been shed before, and go as soon as nobody holds them
            fresh = np.flatnonzero(newcomers[ids] & (weight > 0))
            if len(fresh) >= count:
                ids, weight = ids[fresh], weight[fresh]
        gone = np.zeros(self.entities.end, np.bool_)
        gone[ids[np.argsort(weight, kind="stable")[:count]]] = True
        keys = self._table.keys[0::2]
        self._drop((keys != 0) & gone[keys >> 39], self.watermark_us)
        return count

    def renumber(self, keep_entities: np.ndarray, keep_values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Forget entities without habits and strings without use; returns the maps old -> new of entity and
        value ids.

        Scores do not change. Ids in `keep_entities` and `keep_values` stay known, so that whoever holds them
        can map them; the columniser's memo must be emptied.
        """
        keys, weights = sketch.entries(self._table)
        entity, behaviour, value = sketch.unpack(keys)
        alive = np.zeros(self.entities.end, np.bool_)
        alive[entity] = True
        alive[keep_entities] = True
        alive[self.entities.group[np.flatnonzero(alive)]] = True
        self.entities, entities = self.entities.rebuilt(alive)
        used = np.zeros(len(self.values) + 1, np.bool_)
        used[value] = True
        used[keep_values] = True
        used[self.entities.name[: self.entities.end]] = True
        self.values, values = self.values.compacted(used)
        self.entities.rename(values)
        self.voices.renumber(entities, self.entities.end)
        self._totals = np.zeros(self.entities.end * UNIT)
        self._distinct = np.zeros(self.entities.end * UNIT, np.int32)
        self._table = sketch.from_entries(
            entities[entity].astype(np.int64) << 39 | behaviour << 32 | values[value].astype(np.int64),
            weights,
        )
        self._recount()
        self.renumberings += 1
        return entities, values

    # ---------------------------------------------------------------- reading

    def find(self, name: str) -> list[tuple[str, int]]:
        """(kind, id) of every entity of this name, in the order user, host, source address."""
        value = self.values.find(name)
        if value == 0:
            return []
        ids = [int(self.entities.find(kind, np.array([value]))[0]) for kind in range(KINDS)]
        return [(ENTITY_KINDS[kind], entity) for kind, entity in enumerate(ids) if entity]

    def similar(self, name: str, limit: int = 5) -> list[str]:
        """Names of entities that are spelt alike, closest first."""
        ids = self.entities.all_ids()
        names = self.values.many(self.entities.name[ids[:100_000]])
        return get_close_matches(name.lower(), list(dict.fromkeys(names)), n=limit, cutoff=0.6)

    def group_name(self, entity: int) -> str:
        """Name of an entity's peer group, "" for none."""
        group = int(self.entities.group[entity])
        return self.values[int(self.entities.name[group])] if group else ""

    def set_groups(self, kind: str, names: Sequence[str], groups: Sequence[str]) -> None:
        """Put entities (by kind and resolved name) into peer groups, together with what they did; of a name
        that comes twice the last group counts. Names and groups are added when new.
        """
        number = ENTITY_KINDS.index(kind)
        members = self.entities.ids(number, self.values.intern_many(names)).astype(np.int64)
        joined = self.entities.ids(GROUP + number, self.values.intern_many(groups)).astype(np.int64)
        group_of = dict(zip(members.tolist(), joined.tolist(), strict=True))
        group_of.pop(0, None)  # refused: no room for more entities
        regroup.move(self, np.array(list(group_of), np.int64), np.array(list(group_of.values()), np.int64))

    def habits(self, name: str | None = None, *, at: datetime | None = None) -> pd.DataFrame:
        """Baselines as a table, heaviest first.

        Parameters
        ----------
        name
            An entity (all kinds of that name), else everything, peer groups and organisation included.
        at
            As of when weights are given (default: the newest event learned); a time without zone is UTC.

        Returns
        -------
        DataFrame with level ("entity", "peers", "organisation"), entity_kind, entity, behaviour, value,
        weight (decayed events), share (of the behaviour's total), distinct (values the entity has in this
        behaviour).
        """
        import pandas as pd

        keys, weights = sketch.entries(self._table)
        entity, behaviour, value = sketch.unpack(keys)
        if name is not None:
            chosen = np.isin(entity, [found for _, found in self.find(name)])
            entity, behaviour, value, weights = (a[chosen] for a in (entity, behaviour, value, weights))
        if at is not None and at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        decay = self.decay(None if at is None else round(at.timestamp() * 1e6))
        totals = entity * UNIT + self.program.local[behaviour]
        kind = self.entities.kind[entity]
        frame = pd.DataFrame(
            {
                "level": np.array(["entity", "peers", "organisation"], object)[kind // KINDS],
                "entity_kind": np.array(ENTITY_KINDS, object)[kind % KINDS],
                "entity": self.values.many(self.entities.name[entity]),
                "behaviour": np.array([b.name for b in self.behaviours], object)[behaviour],
                "value": self.values.many(value),
                "weight": weights * decay,
                "share": weights / np.maximum(self._totals[totals], np.finfo(float).tiny),
                "distinct": self._distinct[totals],
            }
        )
        return frame.sort_values(
            ["level", "entity_kind", "entity", "behaviour", "weight", "value"],
            ascending=[True, True, True, True, False, True],
            ignore_index=True,
        )

    # ---------------------------------------------------------------- checkpoint

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        """Arrays and settings of a checkpoint (data only)."""
        keys, weights = sketch.layout(self._table)
        sums = self.sums()
        end = self.entities.end
        blob, offsets = self.values.export()
        arrays = {
            "keys": keys,
            "weights": weights,
            "totals": sums.totals[: end * UNIT].copy(),
            "entity_kind": self.entities.kind[:end].copy(),
            "entity_name": self.entities.name[:end].copy(),
            "entity_group": self.entities.group[:end].copy(),
            "value_blob": blob,
            "value_offsets": offsets,
            **self.voices.export(),
        }
        settings: dict[str, object] = {
            "half_life_days": self.half_life_days,
            "max_entries": self.max_entries,
            "max_entities": self.entities.limit,
            "floor": self.floor,
            "landmark_us": self.landmark_us,
            "watermark_us": self.watermark_us,
            "capacity": self._table.capacity,
            "dropped_entries": self.dropped_entries,
            "dropped_weight": self.dropped_weight,
            "refused_entities": self.entities.refused,
        }
        return arrays, settings

    @classmethod
    def restored(
        cls,
        arrays: dict[str, np.ndarray],
        settings: dict[str, Any],
        behaviours: tuple[Behaviour, ...] = BEHAVIOURS,
    ) -> Baselines:
        """The baselines that were exported; the caller has checked digests and schema."""
        new = cls(
            half_life_days=settings["half_life_days"],
            max_entries=settings["max_entries"],
            max_entities=settings["max_entities"],
            floor=settings["floor"],
            behaviours=behaviours,
        )
        new.values = StringTable.restored(arrays["value_blob"], arrays["value_offsets"])
        new.entities = Entities.restored(
            new.entities,
            arrays["entity_kind"],
            arrays["entity_name"],
            arrays["entity_group"],
            settings["refused_entities"],
        )
        new.landmark_us = settings["landmark_us"]
        new.watermark_us = settings["watermark_us"]
        new.dropped_entries = settings["dropped_entries"]
        new.dropped_weight = settings["dropped_weight"]
        new._table = sketch.from_entries(arrays["keys"], arrays["weights"], settings["capacity"])
        new.voices.restore(arrays)
        new._recount()
        new._totals[: len(arrays["totals"])] = arrays["totals"]
        return new


def schema_digest(behaviours: tuple[Behaviour, ...] = BEHAVIOURS) -> str:
    """SHA-256 of what ids in a checkpoint mean: value columns and behaviours with everything that sets their
    numbering.
    """
    described = [VALUE_COLUMNS, [(b.name, b.entity, b.value, b.cause, b.classes) for b in behaviours]]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()
