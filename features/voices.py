"""How loudly each entity speaks in the sums of its peer group and of its organisation.

The sums above an entity are those of its habits times its voice there: 1, unless the entity alone makes up
more than `SHARE` of a behaviour's weight; then as much as brings it down to that. So one account or machine,
however busy or hostile, cannot decide what is normal for others. The sums stay linear in the habits:
learning, unlearning and taking an entity out of the levels above it are exact for any voices, and a change of
voice moves what was learned before as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from features.entities import KINDS, UNIT
from features.sketch import Table, find
from features.windows import with_room

if TYPE_CHECKING:
    from features.baselines import Baselines

SHARE = 0.25
"""Largest part of a behaviour's weight at a level that one entity has when voices are weighed."""
EQUAL_PARTS = 2.0
"""Where few show a behaviour, that part is as many equal parts: 2 of 5 entities, all of 2."""
LEAST_WEIGHT = 100.0
"""Decayed events of a behaviour at a level below which everybody speaks with a full voice."""
TOLERANCE = 1.25
"""Voices stay as they are while none would change by a larger factor."""


class Voices:
    """Voices of the entities of one baseline that are not full.

    Attributes
    ----------
    row_of
        int32 (entity ids,) row in `table`; 0 for a full voice.
    table
        float64 (rows, behaviours of a kind, 2): voice in the peer group and in the organisation; row 0 is
        ones.
    """

    def __init__(self, behaviours: int) -> None:
        self.row_of = np.zeros(1024, np.int32)
        self.table = np.ones((1, behaviours, 2))

    def grow(self, end: int) -> None:
        """Make room for entity ids below `end`."""
        self.row_of = with_room(self.row_of, end)

    def renumber(self, entities: np.ndarray, end: int) -> None:
        """Follow a renumbering. entities: new ids by old id, 0 for those forgotten; end: of the new ids."""
        quiet = np.flatnonzero(self.row_of[: len(entities)])
        rows, moved = self.row_of[quiet], entities[quiet]
        self.row_of = np.zeros(max(1024, end), np.int32)
        self.row_of[moved[moved > 0]] = rows[moved > 0]

    def export(self) -> dict[str, np.ndarray]:
        """Arrays of a checkpoint."""
        quiet = np.flatnonzero(self.row_of)
        return {"voice_entity": quiet, "voice": self.table[self.row_of[quiet]]}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        """Take what was exported; a checkpoint from before there were voices has full ones."""
        if "voice_entity" in arrays:
            self._set(arrays["voice_entity"], arrays["voice"])

    def of(self, entities: np.ndarray) -> np.ndarray:
        """float64 (n, behaviours, 2) voices of entity ids."""
        return np.asarray(self.table[self.row_of[entities]])

    def _set(self, entities: np.ndarray, voices: np.ndarray) -> None:
        self.grow(int(entities.max()) + 1 if len(entities) else 0)
        self.row_of[:] = 0
        self.row_of[entities] = np.arange(1, len(entities) + 1)
        self.table = np.concatenate([np.ones((1, *self.table.shape[1:])), voices])


def weigh(baselines: Baselines) -> int:
    """Bring voices up to date with what everybody has shown; returns how many entities do not speak in full.

    O(entities); when some voice has to change (see TOLERANCE) also one pass over the habits.
    """
    found: list[np.ndarray] = []
    voices: list[np.ndarray] = []
    for kind in range(KINDS):
        ids, wanted = _wanted(baselines, kind)
        quiet = (wanted < 1.0).any(axis=(1, 2))
        found.append(ids[quiet])
        voices.append(wanted[quiet])
    chosen, wanted = np.concatenate(found), np.concatenate(voices)
    held = baselines.voices
    before = np.flatnonzero(held.row_of)
    concerned = np.union1d(chosen, before)
    if not len(concerned):
        return 0
    new = np.ones((len(concerned), *held.table.shape[1:]))
    new[np.searchsorted(concerned, chosen)] = wanted
    old = held.of(concerned)
    if (np.abs(np.log(new / old)) > np.log(TOLERANCE)).any():
        _change(baselines, baselines._table, baselines.sums().totals, concerned, new - old)
        order = np.argsort(chosen)
        held._set(chosen[order], wanted[order])
    return int((held.row_of > 0).sum())


def speak_up(baselines: Baselines) -> None:
    """Give everybody a full voice."""
    baselines._table = in_full(baselines)
    baselines.voices._set(np.zeros(0, np.int64), np.ones((0, *baselines.voices.table.shape[1:])))
    baselines._recount()


def in_full(baselines: Baselines) -> Table:
    """The habit table as it would be if everybody spoke with a full voice; the table itself when they do."""
    quiet = np.flatnonzero(baselines.voices.row_of)
    table, sums = baselines._table, baselines.sums()
    if not len(quiet):
        return table
    keys = table.keys.copy()
    copy = Table(keys, keys.view(np.float64), table.meta.copy())
    _change(baselines, copy, sums.totals.copy(), quiet, 1.0 - baselines.voices.of(quiet))
    return copy


def _change(
    baselines: Baselines, table: Table, totals: np.ndarray, entities: np.ndarray, by: np.ndarray
) -> None:
    """Add to the levels above some entities their habits times a difference of voices.

    entities: int64 (n,) distinct ids. by: float64 (n, behaviours, 2).
    """
    row_of = np.zeros(baselines.entities.end, np.int32)
    row_of[entities] = np.arange(1, len(entities) + 1)
    _add_above(
        table.keys,
        table.weights,
        totals,
        baselines.program.local,
        baselines.entities.kind,
        baselines.entities.group,
        np.array(baselines.entities.organisation, np.int64),
        row_of,
        np.concatenate([np.zeros((1, *by.shape[1:])), by]),
    )


@njit(cache=True)
def _add_above(
    keys: np.ndarray,
    weights: np.ndarray,
    totals: np.ndarray,
    local: np.ndarray,
    kind: np.ndarray,
    group: np.ndarray,
    organisation: np.ndarray,
    row_of: np.ndarray,
    deltas: np.ndarray,
) -> None:
    rest = (np.int64(1) << 39) - 1
    for slot in range(keys.shape[0] >> 1):
        key = keys[2 * slot]
        row = row_of[key >> 39]
        if row == 0 or key == 0:
            continue
        entity, place = key >> 39, local[key >> 32 & 127]
        for level in range(2):
            holder = np.int64(group[entity]) if level == 0 else organisation[kind[entity]]
            delta = deltas[row, place, level] * weights[2 * slot + 1]
            if holder == 0 or delta == 0.0:
                continue
            at = find(keys, holder << 39 | key & rest)
            if keys[2 * at] == 0:
                continue  # too light to be kept there
            changed = max(0.0, weights[2 * at + 1] + delta)
            total = holder * UNIT + place
            totals[total] = max(0.0, totals[total] + changed - weights[2 * at + 1])
            weights[2 * at + 1] = changed


def _wanted(baselines: Baselines, kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids of a kind and the voices they should have, float64 (n, behaviours, 2)."""
    ids = baselines.entities.all_ids((kind,))
    wanted = np.ones((len(ids), *baselines.voices.table.shape[1:]))
    totals, decay = baselines.sums().totals, baselines.decay()
    group = baselines.entities.group[ids].astype(np.int64)
    everybody = np.ones(len(ids), np.int64)
    for place in sorted({int(p) for p in baselines.program.local[baselines.program.kind == kind]}):
        weight = totals[ids * UNIT + place] * decay
        wanted[:, place, 0] = bounded(weight, group)
        wanted[:, place, 1] = bounded(weight, everybody)
    return ids, wanted


def bounded(weight: np.ndarray, holder: np.ndarray) -> np.ndarray:
    """Factors that leave nobody more than the share allowed of a level's weight, float64 (n,).

    weight: float64 (n,) decayed events of each entity. holder: int64 (n,) the level it belongs to, 0 for
    none.

    The heaviest k are cut to one height h with h = share (k h + the weight of the rest), that is
    h = share * rest / (1 - k share), for the smallest k that leaves nobody else above it.
    """
    factors = np.ones(len(weight))
    most = int(holder.max()) + 1 if len(holder) else 1
    total = np.bincount(holder, weight, most)
    speakers = np.bincount(holder, weight > 0, most)
    share = np.maximum(SHARE, EQUAL_PARTS / np.maximum(speakers, 1))
    loud = (weight > share[holder] * total[holder]) & (total[holder] >= LEAST_WEIGHT) & (holder > 0)
    if not loud.any():
        return factors
    concerned = np.zeros(most, np.bool_)
    concerned[holder[loud]] = True
    rows = np.flatnonzero(concerned[holder])
    rows = rows[np.lexsort((rows, -weight[rows], holder[rows]))]
    level, sorted_weight = holder[rows], weight[rows]
    starts = np.flatnonzero(np.diff(level, prepend=-1))
    first = np.repeat(starts, np.diff(starts, append=len(rows)))
    rank = np.arange(len(rows)) - first
    rest = np.empty(len(rows))
    for start, stop in zip(starts, np.append(starts[1:], len(rows)), strict=True):
        # summed from the lightest: a difference of sums would leave nothing of light ones beside heavy ones
        rest[start:stop] = np.cumsum(sorted_weight[start:stop][::-1])[::-1]
    room = 1.0 - rank * share[level]
    height = np.where(room > 0, share[level] * rest / np.where(room > 0, room, 1.0), np.inf)
    # the first of a level that is not above the height made by those before it ends the cut
    under = sorted_weight <= height
    end = np.minimum.reduceat(np.where(under, np.arange(len(rows)), len(rows)), starts)
    cut = np.arange(len(rows)) < end[np.searchsorted(starts, first)]
    heights = height[np.minimum(end, len(rows) - 1)][np.searchsorted(starts, first)]
    factors[rows[cut]] = heights[cut] / sorted_weight[cut]
    return factors
