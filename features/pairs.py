"""Habits of entities as plain arrays: what nightly models are fitted from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features import sketch
from features.entities import KINDS
from features.errors import InputError
from features.lowlevel import hash_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from features.baselines import Baselines

CHUNK_SLOTS = 1 << 20
"""Slots of the habit table looked at together: bounds what reading a large table takes beside its result."""


class Pairs(NamedTuple):
    """Habits of single entities (groups and organisation left out), in order of entity, behaviour and value.

    entity, value: int64 (n,) ids. behaviour: int64 (n,) place among the baseline's behaviours. weight:
    float64 (n,) decayed events as of the newest event learned.
    """

    entity: np.ndarray
    behaviour: np.ndarray
    value: np.ndarray
    weight: np.ndarray

    def take(self, part: slice | np.ndarray) -> Pairs:
        """Some of the pairs."""
        return Pairs(*(array[part] for array in self))


def chunks(baselines: Baselines) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Keys and weights (int64, float64 as stored) of all habit entries, piece by piece, in order of slots."""
    sums = baselines.sums()
    for start in range(0, len(sums.keys), 2 * CHUNK_SLOTS):
        keys = sums.keys[start : start + 2 * CHUNK_SLOTS : 2]
        used = keys != 0
        yield keys[used], sums.weights[start + 1 : start + 2 * CHUNK_SLOTS : 2][used]


def behaviour_numbers(baselines: Baselines, names: Sequence[str]) -> np.ndarray:
    """Places (int64) of named behaviours among those of a baseline; names that it does not watch are left
    out.

    Raises
    ------
    InputError
        When it watches none of them.
    """
    places = {behaviour.name: place for place, behaviour in enumerate(baselines.behaviours)}
    found = np.array([places[name] for name in names if name in places], np.int64)
    if not len(found):
        raise InputError(
            f"the baselines watch none of {', '.join(names)}; name behaviours that they were made with"
        )
    return found


def entity_pairs(baselines: Baselines, behaviours: np.ndarray, least_weight: float = 0.0) -> Pairs:
    """Habits of entities in some behaviours.

    Parameters
    ----------
    baselines
        Read only.
    behaviours
        Places of the wanted behaviours, int64.
    least_weight
        Decayed events below which a habit is left out as forgotten.

    Notes
    -----
    One pass over the table, and memory of 16 bytes a wanted habit. Sorted by key: how the table came about
    does not show.
    """
    wanted = np.zeros(sketch.MAX_BEHAVIOURS, np.bool_)
    wanted[behaviours] = True
    single = (baselines.entities.kind >= 0) & (baselines.entities.kind < KINDS)
    decay = baselines.decay()
    found_keys, found_weights = [np.zeros(0, np.int64)], [np.zeros(0)]
    for keys, weights in chunks(baselines):
        chosen = wanted[keys >> 32 & (sketch.MAX_BEHAVIOURS - 1)] & single[keys >> 39]
        chosen &= weights * decay >= least_weight
        found_keys.append(keys[chosen])
        found_weights.append(weights[chosen])
    keys = np.concatenate(found_keys)
    order = np.argsort(keys)
    entity, behaviour, value = sketch.unpack(keys[order])
    return Pairs(entity, behaviour, value, np.concatenate(found_weights)[order] * decay)


class Placed(NamedTuple):
    """Pairs with places instead of ids, and the ids (int64) by place. Places are in an order of names, so
    what is fitted from these does not depend on the order in which ids were given.
    """

    pairs: Pairs
    entities: np.ndarray
    values: np.ndarray


def placed(baselines: Baselines, pairs: Pairs) -> Placed:
    """Pairs in the order of their entities' and values' names (by a hash of them), by behaviour in between.

    O(n log n).
    """
    entities, entity = np.unique(pairs.entity, return_inverse=True)
    values, value = np.unique(pairs.value, return_inverse=True)
    known = baselines.entities
    by_entity = np.lexsort((known.kind[entities], name_hashes(baselines, known.name[entities])))
    by_value = np.argsort(name_hashes(baselines, values), kind="stable")
    entity, value = _places(by_entity)[entity], _places(by_value)[value]
    order = np.lexsort((value, pairs.behaviour, entity))
    found = Pairs(entity[order], pairs.behaviour[order], value[order], pairs.weight[order])
    return Placed(found, entities[by_entity], values[by_value])


def _places(order: np.ndarray) -> np.ndarray:
    places = np.zeros(len(order), np.int64)
    places[order] = np.arange(len(order))
    return places


def name_hashes(baselines: Baselines, ids: np.ndarray, seed: int = 0) -> np.ndarray:
    """A number (uint64) for each string id that does not depend on the order in which ids were given."""
    table = baselines.values.arrays
    out = np.zeros(len(ids), np.uint64)
    names = ids.astype(np.int64)
    hash_ranges(table.blob, table.offsets[names] + 1, table.offsets[names + 1], seed, out)
    return out
