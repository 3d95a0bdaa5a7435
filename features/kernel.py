"""The learning kernel: one event's weight added to (or taken from) the sums of its entities, groups and
organisation.

Everything here works on plain arrays, so that the same functions serve learning alone (history, merge,
unlearn) and the score-then-learn loop of `models.engine`. A kernel that needs room or a new landmark stops
before the event and says so; Python makes room and resumes, so results never depend on how events were cut
into chunks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from features.behaviours import COLUMN, ENTITY_KINDS, Behaviour
from features.entities import KINDS, UNIT
from features.sketch import MAX_LOAD, find, pack, remove_slot

DONE, NEEDS_ROOM, NEEDS_LANDMARK, NEEDS_OUTPUT = 0, 1, 2, 3
LEVELS = 3
ENTITY, PEERS, EVERYONE = 0, 1, 2
MAX_EXPONENT = 32.0
"""Half-lives after the landmark at which it is moved: far from any loss of digits, and rare."""
MIN_EXPONENT = -900.0
"""Half-lives before the landmark at which age ends: float64 holds this weight, and its inverse."""
GONE = 1e-9
"""What is left of a sum after unlearning, relative to what was taken, below which it is rounding and counts
as nothing.
"""


class Sums(NamedTuple):
    """Arrays of a baseline.

    keys, weights, meta: the habit table. totals, distinct: all weight and number of values, by entity id *
    UNIT + local behaviour. pairs: (entity, value) pairs by behaviour, groups and organisation left out.
    group, organisation: the levels above. quiet, voices: see `features.voices`. limit: most entries,
    `has_room` keeps it.
    """

    keys: np.ndarray
    weights: np.ndarray
    meta: np.ndarray
    totals: np.ndarray
    distinct: np.ndarray
    pairs: np.ndarray
    group: np.ndarray
    organisation: np.ndarray
    quiet: np.ndarray
    voices: np.ndarray
    limit: int


class Program(NamedTuple):
    """Behaviours compiled for kernels.

    classes
        Sorted OCSF classes that some behaviour names; slot len(classes) stands for all others.
    first, listed
        Behaviours of class slot s are listed[first[s]:first[s + 1]].
    kind, value, local, cause
        By behaviour: entity kind, value column, place among the behaviours of its kind, cause number.
    """

    classes: np.ndarray
    first: np.ndarray
    listed: np.ndarray
    kind: np.ndarray
    value: np.ndarray
    local: np.ndarray
    cause: np.ndarray


def compile_program(behaviours: tuple[Behaviour, ...]) -> Program:
    """Arrays of the declared behaviours."""
    kinds = [ENTITY_KINDS.index(behaviour.entity) for behaviour in behaviours]
    local = [kinds[:index].count(kind) for index, kind in enumerate(kinds)]
    causes = sorted({(behaviour.entity, behaviour.cause) for behaviour in behaviours})
    classes = sorted({uid for behaviour in behaviours for uid in behaviour.classes})
    lists = [
        [
            index
            for index, behaviour in enumerate(behaviours)
            if not behaviour.classes or uid in behaviour.classes
        ]
        for uid in [*classes, None]
    ]
    return Program(
        classes=np.array(classes, np.int64),
        first=np.cumsum([0, *map(len, lists)]).astype(np.int64),
        listed=np.array([index for listed in lists for index in listed], np.int64),
        kind=np.array(kinds, np.int64),
        value=np.array([COLUMN[behaviour.value] for behaviour in behaviours], np.int64),
        local=np.array(local, np.int64),
        cause=np.array([causes.index((b.entity, b.cause)) for b in behaviours], np.int64),
    )


def class_slots(program: Program, class_uid: np.ndarray) -> np.ndarray:
    """Class slot of every event."""
    slots = np.searchsorted(program.classes, class_uid)
    slots[np.append(program.classes, -1)[slots] != class_uid] = len(program.classes)
    return slots


@njit(cache=True, inline="always")
def level_entity(sums: Sums, entity: int, kind: int, level: int) -> int:
    """Id whose sums hold a level of an entity: itself, its peer group (0: none) or its organisation."""
    if level == ENTITY:
        return entity
    if level == PEERS:
        return sums.group[entity]
    return sums.organisation[kind]


@njit(cache=True, inline="always")
def voice(sums: Sums, entity: int, local: int, level: int) -> float:
    """Part of an entity's weight that counts at a level."""
    row = sums.quiet[entity]
    return sums.voices[row, local, level - 1] if row != 0 and level != ENTITY else 1.0


@njit(cache=True, inline="always")
def has_room(sums: Sums, extra: int) -> bool:
    """Whether `extra` more entries stay under the load limit and the limit of entries."""
    return sums.meta[0] + extra <= min(np.int64((sums.keys.shape[0] >> 1) * MAX_LOAD), sums.limit)


@njit(cache=True, inline="always")
def add_at(sums: Sums, slot: int, key: int, local: int, level: int, weight: float) -> None:
    """Add a weight to an entry whose slot is known (or free for it) and to its total."""
    total = (key >> 39) * UNIT + local
    if sums.keys[2 * slot] == 0:
        sums.keys[2 * slot] = key
        sums.weights[2 * slot + 1] = weight
        sums.meta[0] += 1
        sums.distinct[total] += 1
        if level == ENTITY:
            sums.pairs[key >> 32 & 127] += 1
    else:
        sums.weights[2 * slot + 1] += weight
    sums.totals[total] += weight


@njit(cache=True)
def take_from(sums: Sums, key: int, local: int, level: int, weight: float) -> float:
    """Take a weight out of an entry and its total; returns the part that was not there (0 when all was)."""
    total = (key >> 39) * UNIT + local
    slot = find(sums.keys, key)
    if sums.keys[2 * slot] == 0:
        return weight
    held = sums.weights[2 * slot + 1]
    taken = min(weight, held)
    left = held - taken
    if left <= GONE * weight:
        remove_slot(sums.keys, sums.weights, slot)
        sums.meta[0] -= 1
        sums.distinct[total] -= 1
        if level == ENTITY:
            sums.pairs[key >> 32 & 127] -= 1
        taken = held
    else:
        sums.weights[2 * slot + 1] = left
    rest = sums.totals[total] - taken
    sums.totals[total] = rest if rest > GONE * weight else 0.0
    return max(0.0, weight - held) if weight - held > GONE * weight else 0.0


@njit(cache=True)
def learn_row(sums: Sums, program: Program, columns: np.ndarray, row: int, slot: int, weight: float) -> None:
    """Add one event to all levels of all its behaviours; the caller has made room."""
    width = columns.shape[1]
    for index in range(program.first[slot], program.first[slot + 1]):
        behaviour = program.listed[index]
        kind = program.kind[behaviour]
        entity = columns[row, width - 3 + kind]
        value = columns[row, program.value[behaviour]]
        if entity == 0 or value == 0:
            continue
        for level in range(LEVELS):
            holder = level_entity(sums, entity, kind, level)
            if holder != 0:
                key = pack(holder, behaviour, value)
                local = program.local[behaviour]
                part = weight * voice(sums, entity, local, level)
                add_at(sums, find(sums.keys, key), key, local, level, part)


@njit(cache=True, nogil=True)
def learn_rows(
    sums: Sums,
    program: Program,
    columns: np.ndarray,
    slots: np.ndarray,
    exponents: np.ndarray,
    first: int,
) -> tuple[int, int]:
    """Learn events from `first` on; returns (next row, DONE | NEEDS_ROOM | NEEDS_LANDMARK).

    exponents: (time - landmark) / half-life of each event.
    """
    for row in range(first, columns.shape[0]):
        if exponents[row] > MAX_EXPONENT:
            return row, NEEDS_LANDMARK
        count = program.first[slots[row] + 1] - program.first[slots[row]]
        if not has_room(sums, LEVELS * count):
            return row, NEEDS_ROOM
        learn_row(sums, program, columns, row, slots[row], 2.0 ** exponents[row])
    return columns.shape[0], DONE


@njit(cache=True, nogil=True)
def unlearn_rows(
    sums: Sums, program: Program, columns: np.ndarray, slots: np.ndarray, exponents: np.ndarray
) -> float:
    """Take events out again; returns the decayed weight that was not there (dropped or never learned)."""
    missing = 0.0
    width = columns.shape[1]
    for row in range(columns.shape[0]):
        weight = 2.0 ** exponents[row]
        for index in range(program.first[slots[row]], program.first[slots[row] + 1]):
            behaviour = program.listed[index]
            kind = program.kind[behaviour]
            entity = columns[row, width - 3 + kind]
            value = columns[row, program.value[behaviour]]
            if entity == 0 or value == 0:
                continue
            for level in range(LEVELS):
                holder = level_entity(sums, entity, kind, level)
                if holder != 0:
                    key = pack(holder, behaviour, value)
                    local = program.local[behaviour]
                    part = weight * voice(sums, entity, local, level)
                    missing += take_from(sums, key, local, level, part)
    return missing


@njit(cache=True)
def recount(sums: Sums, local: np.ndarray, kind: np.ndarray) -> None:
    """Totals, distinct counts and pairs from the entries alone. kind: by entity id, below KINDS for an
    entity.
    """
    sums.totals[:] = 0.0
    sums.distinct[:] = 0
    sums.pairs[:] = 0
    for slot in range(sums.keys.shape[0] >> 1):
        key = sums.keys[2 * slot]
        if key != 0:
            holder, behaviour = key >> 39, key >> 32 & 127
            total = holder * UNIT + local[behaviour]
            sums.totals[total] += sums.weights[2 * slot + 1]
            sums.distinct[total] += 1
            if kind[holder] < KINDS:
                sums.pairs[behaviour] += 1


@njit(cache=True)
def scale(weights: np.ndarray, factor: float) -> None:
    """Multiply every weight of a habit table in place."""
    for slot in range(weights.shape[0] >> 1):
        weights[2 * slot + 1] *= factor
