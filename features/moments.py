"""Moments of counts by (holder, cell): how often, how much, how spread, as forward-decayed sums.

The sums are (n, x, x^2) with weights of two half-lives side by side: a fast one that follows the entity, and
a slow one that somebody who drifts a little every day moves away from. Like the habit table they decay by a
landmark, add up, and hold three levels: entity, peer group, organisation.

A holder has one block with all its cells: what an event asks of an entity lies side by side, and nothing is
searched. Entities' sums are float32: means and spreads need seven digits, and a cell is 24 bytes. A float32
sum of ones stops growing at 2^24, which the windows of one entity do not reach and those of an organisation
do: the levels above are few, and are float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from features.windows import with_room

if TYPE_CHECKING:
    from typing import Any

CELL_BITS = 8
"""Cells of one entity kind, the counts of active windows included, are fewer than 2^CELL_BITS."""
FAST, SLOW = 0, 3
"""Places of (n, x, x^2) in a cell."""
SUMS = 6
GROWTH = 1.5


USED, MOST = 0, 1


class Blocks(NamedTuple):
    """Blocks of cells, SUMS numbers a cell.

    first
        int32 (ids,): first cell of a holder's block; -1: it has none yet.
    sums
        float32 or float64 (cells * SUMS,).
    meta
        int64: [cells used, most before room is made].
    """

    first: np.ndarray
    sums: np.ndarray
    meta: np.ndarray


@njit(cache=True, inline="always")
def first_cell(blocks: Blocks, holder: int, length: int) -> int:
    """First cell of a holder, who gets a block of `length` cells if it has none; the caller has made room."""
    found = np.int64(blocks.first[holder])
    if found < 0:
        found = blocks.meta[USED]
        blocks.first[holder] = found
        blocks.meta[USED] += length
    return found


@njit(cache=True, inline="always")
def add_moment(sums: np.ndarray, cell: int, x: float, fast: float, slow: float) -> None:
    """Add one observation to a cell."""
    at = SUMS * cell
    sums[at] += fast
    sums[at + 1] += fast * x
    sums[at + 2] += fast * x * x
    sums[at + 3] += slow
    sums[at + 4] += slow * x
    sums[at + 5] += slow * x * x


def _empty_blocks(cells: int, dtype: type[np.floating[Any]]) -> Blocks:
    return Blocks(np.full(1024, -1, np.int32), np.zeros(cells * SUMS, dtype), np.array([0, cells], np.int64))


def _rows(blocks: Blocks) -> np.ndarray:
    """Sums of the used cells, (cells, SUMS), a view."""
    return blocks.sums[: SUMS * blocks.meta[USED]].reshape(-1, SUMS)


def _holders(blocks: Blocks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Holders in order of their blocks: ids, first cells, lengths."""
    ids = np.flatnonzero(blocks.first >= 0)
    ids = ids[np.argsort(blocks.first[ids])]
    first = blocks.first[ids].astype(np.int64)
    return ids, first, np.diff(np.append(first, blocks.meta[USED]))


def _with_most(blocks: Blocks, most: int) -> Blocks:
    """The same blocks in arrays for `most` cells."""
    sums = np.zeros(most * SUMS, blocks.sums.dtype)
    used = SUMS * int(blocks.meta[USED])
    sums[:used] = blocks.sums[:used]
    return Blocks(blocks.first, sums, np.array([blocks.meta[USED], most], np.int64))


def _compacted(blocks: Blocks, keep: np.ndarray) -> Blocks:
    """Without the blocks of holders who are not kept (bool by id), and without gaps."""
    ids, _, lengths = _holders(blocks)
    kept = keep[ids]
    cells = _rows(blocks)[np.repeat(kept, lengths)]
    first = np.full_like(blocks.first, -1)
    first[ids[kept]] = np.cumsum(lengths[kept]) - lengths[kept]
    sums = np.zeros_like(blocks.sums)
    sums[: cells.size] = cells.ravel()
    return Blocks(first, sums, np.array([len(cells), blocks.meta[MOST]], np.int64))


class Moments:
    """The blocks of all holders, their landmark and the bound of the entities'.

    Attributes
    ----------
    own
        Blocks of entities, float32.
    above
        Blocks of groups and organisations, float64.
    dropped
        Entities that lost their block for want of room.

    Parameters
    ----------
    half_life_days, slow_half_life_days
        Days after which an observation counts half in the fast and in the slow sums.
    max_entries
        Most cells of entities kept, 24 bytes each. When it is reached, the entities with the fewest windows
        (by slow weight) lose their blocks. A batch of cells that alone takes more than nine tenths of it is
        let in all the same. Blocks of groups and organisations stay.
    """

    def __init__(
        self,
        *,
        half_life_days: float = 30.0,
        slow_half_life_days: float = 180.0,
        max_entries: int = 40_000_000,
    ) -> None:
        self.half_life_days = half_life_days
        self.slow_half_life_days = slow_half_life_days
        self.max_entries = max_entries
        self.landmark_day: int | None = None
        self.dropped = 0
        self.own = _empty_blocks(min(1 << 12, max_entries), np.float32)
        self.above = _empty_blocks(1 << 10, np.float64)

    def __len__(self) -> int:
        """Cells of entities, those of which nothing is known yet included."""
        return int(self.own.meta[USED])

    @property
    def nbytes(self) -> int:
        """Bytes held, free cells included."""
        return sum(array.nbytes for array in (*self.own, *self.above))

    def weights(self, day: int) -> tuple[float, float]:
        """Weights of an observation of a day (days since 1970, UTC), fast and slow; moves the landmark when
        due.
        """
        if self.landmark_day is None:
            self.landmark_day = day
        if day - self.landmark_day > 40 * self.half_life_days:
            steps = day - self.landmark_day
            for rows in (_rows(self.own), _rows(self.above)):
                for place, half_life in ((FAST, self.half_life_days), (SLOW, self.slow_half_life_days)):
                    rows[:, place : place + 3] *= rows.dtype.type(2.0 ** -min(steps / half_life, 900.0))
            self.landmark_day = day
        age = day - self.landmark_day
        return (
            float(2.0 ** max(age / self.half_life_days, -100.0)),
            float(2.0 ** max(age / self.slow_half_life_days, -100.0)),
        )

    def take_ids(self, ids: int) -> None:
        """Room for holders' ids below `ids`."""
        self.own = self.own._replace(first=with_room(self.own.first, ids, -1))
        self.above = self.above._replace(first=with_room(self.above.first, ids, -1))

    def has_room(self, own: int, above: int) -> bool:
        """Whether so many more cells of entities, and of groups and organisations, fit."""
        return all(
            int(blocks.meta[USED]) + more <= int(blocks.meta[MOST])
            for blocks, more in ((self.own, own), (self.above, above))
        )

    def make_room(self, own: int, above: int) -> None:
        """Grow, or at the bound drop entities with a tenth of all cells. O(cells).

        Who loses a block asks for another one at its next window: let `own` count whoever is about to learn,
        with a block or without.
        """
        if len(self) + own > self.max_entries:
            self._drop(len(self) + own - int(self.max_entries * 0.9))
        used = len(self)
        self.own = _with_most(self.own, max(min(int(GROWTH * used) + own, self.max_entries), used + own))
        used = int(self.above.meta[USED])
        if used + above > self.above.meta[MOST]:
            self.above = _with_most(self.above, int(GROWTH * used) + above)

    def _drop(self, surplus: int) -> None:
        """Give up the blocks of the lightest entities until `surplus` cells are free."""
        ids, first, lengths = _holders(self.own)
        if not len(ids):
            return
        windows = np.maximum.reduceat(_rows(self.own)[:, SLOW], first)
        order = np.lexsort((ids, windows))
        gone = np.cumsum(lengths[order]) - lengths[order] < surplus
        self.dropped += int(gone.sum())
        keep = np.ones(len(self.own.first), np.bool_)
        keep[ids[order[gone]]] = False
        self.own = _compacted(self.own, keep)

    def renumber(self, entities: np.ndarray) -> None:
        """Follow a renumbering of entities, groups and organisations (old id -> new id, 0: gone)."""
        self.own, self.above = (_renumbered(blocks, entities) for blocks in (self.own, self.above))

    # ---------------------------------------------------------------- reading

    def sums(self, holder: int, cell: int) -> np.ndarray:
        """The six sums of a cell as stored, float64 (6,), zeros where nothing is known; changes nothing."""
        for blocks in (self.own, self.above):
            if holder < len(blocks.first) and blocks.first[holder] >= 0:
                return _rows(blocks)[blocks.first[holder] + cell].astype(np.float64)
        return np.zeros(SUMS)

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, object]]:
        """Arrays and settings of a checkpoint: the cells that hold something, by key (holder, cell)."""
        arrays: dict[str, np.ndarray] = {}
        for name, blocks in (("moment", self.own), ("above", self.above)):
            ids, first, lengths = _holders(blocks)
            cells = np.arange(blocks.meta[USED]) - np.repeat(first, lengths)
            keys = np.repeat(ids, lengths) << CELL_BITS | cells
            known = np.flatnonzero(_rows(blocks).any(axis=1))
            known = known[np.argsort(keys[known])]
            arrays |= {f"{name}_keys": keys[known], f"{name}_sums": _rows(blocks)[known]}
        settings: dict[str, object] = {
            name: getattr(self, name)
            for name in ("half_life_days", "slow_half_life_days", "max_entries", "landmark_day", "dropped")
        }
        return arrays, settings

    @classmethod
    def restored(
        cls,
        arrays: dict[str, np.ndarray],
        settings: dict[str, Any],
        lengths: np.ndarray,
        above: np.ndarray,
    ) -> Moments:
        """The moments that were exported.

        lengths: int64 by id, cells of a holder's block. above: bool by id, whether it is a group or an
        organisation; earlier versions kept these among the entities.
        """
        moments = cls(
            half_life_days=settings["half_life_days"],
            slow_half_life_days=settings["slow_half_life_days"],
            max_entries=settings["max_entries"],
        )
        moments.landmark_day = settings["landmark_day"]
        moments.dropped = settings["dropped"]
        keys, sums = arrays["moment_keys"], arrays["moment_sums"]
        higher = above[keys >> CELL_BITS]
        above_keys = np.concatenate([keys[higher], arrays.get("above_keys", np.zeros(0, np.int64))])
        above_sums = np.concatenate([sums[higher], arrays.get("above_sums", np.zeros((0, SUMS)))])
        moments.own = _filled(keys[~higher], sums[~higher], lengths)
        moments.above = _filled(above_keys, above_sums, lengths)
        return moments


def _renumbered(blocks: Blocks, entities: np.ndarray) -> Blocks:
    known = np.zeros(len(blocks.first), np.bool_)
    known[: len(entities)] = entities[: len(known)] > 0
    blocks = _compacted(blocks, known)
    held = np.flatnonzero(blocks.first >= 0)
    first = np.full_like(blocks.first, -1)
    first[entities[held]] = blocks.first[held]
    return blocks._replace(first=first)


def _filled(keys: np.ndarray, sums: np.ndarray, lengths: np.ndarray) -> Blocks:
    """Blocks that hold these cells, in order of ids."""
    ids = np.unique(keys >> CELL_BITS)
    begin = np.cumsum(lengths[ids]) - lengths[ids]
    used = int(lengths[ids].sum())
    first = np.full(max(1024, len(lengths)), -1, np.int32)
    first[ids] = begin
    blocks = Blocks(first, np.zeros(SUMS * used, sums.dtype), np.array([used, used], np.int64))
    _rows(blocks)[first[keys >> CELL_BITS] + (keys & ((1 << CELL_BITS) - 1))] = sums
    return blocks
