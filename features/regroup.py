"""Moving entities between peer groups together with what they did: afterwards the sums of every group
concerned are those of its members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features import sketch
from features.entities import GROUP, KINDS
from features.errors import InputError
from features.pairs import chunks

if TYPE_CHECKING:
    from features.baselines import Baselines

KEY_REST = (1 << 39) - 1
"""The part of a habit's key that is not the entity: behaviour and value."""


def move(baselines: Baselines, members: np.ndarray, groups: np.ndarray) -> int:
    """Put entities into other peer groups and their habits with them; returns how many entities changed
    group.

    The sums of every group that loses or gains a member are made anew from the habits of those who are in it
    now. So they do not depend on which moves went before, moving there and back leaves the same sums, and
    nothing is left over by subtraction; what an entity's habits had already lost (dropped entries, shed
    entities) leaves the group as well.

    Parameters
    ----------
    baselines
        Changed in place. Entities, values and the organisation's sums stay as they are.
    members
        Entity ids, int64 (n,), distinct, each of kind user, host or source address.
    groups
        Ids of peer groups of the same kind, int64 (n,); 0 for none.

    Raises
    ------
    InputError
        When an id is no entity, or a group none of its kind.

    Notes
    -----
    One pass over the habit table into a new one: O(entries), about half a second a million; for a moment
    both are held. When the new one is larger than `max_entries`, the lightest entries go and are counted, as
    everywhere.
    """
    members, groups = np.asarray(members, np.int64), np.asarray(groups, np.int64)
    _check(baselines, members, groups)
    current = baselines.entities.group
    changed = current[members] != groups
    if not changed.any():
        return 0
    concerned = np.concatenate([current[members[changed]], groups[changed]])
    current[members[changed]] = groups[changed]
    remake(baselines, concerned)
    return int(changed.sum())


def remake(baselines: Baselines, groups: np.ndarray) -> None:
    """Make the sums of peer groups anew from the habits of their members. groups: int64 (n,) ids, 0: none."""
    current = baselines.entities.group
    remade = np.zeros(baselines.entities.end, np.bool_)
    remade[groups] = True
    remade[0] = False
    table = sketch.empty_table(baselines._table.capacity)
    for keys, weights in chunks(baselines):
        holder = keys >> 39
        own = ~remade[holder]
        group = current[holder].astype(np.int64)
        given = remade[group]
        in_group = baselines.voices.of(holder[given])[..., 0]
        local = baselines.program.local[keys[given] >> 32 & 127]
        heard = weights[given] * in_group[np.arange(len(local)), local]
        pairs = np.empty(2 * (int(own.sum()) + int(given.sum())), np.int64)
        pairs[0::2] = np.concatenate([keys[own], group[given] << 39 | keys[given] & KEY_REST])
        pairs.view(np.float64)[1::2] = np.concatenate([weights[own], heard])
        if sketch.needs_growth(table, len(pairs) // 2):
            table = sketch.grown(table, len(pairs) // 2)
        table.meta[sketch.ENTRIES] += sketch.insert_all(
            table.keys, table.weights, pairs, pairs.view(np.float64)
        )
    baselines._table = table
    baselines._recount()
    if len(baselines) > baselines.max_entries:
        baselines.make_room(baselines.watermark_us)


def _check(baselines: Baselines, members: np.ndarray, groups: np.ndarray) -> None:
    end, kind = baselines.entities.end, baselines.entities.kind
    if members.shape != groups.shape or len(np.unique(members)) != len(members):
        raise InputError("give one peer group for each entity, and each entity once")
    ids = np.concatenate([members, groups])
    if len(ids) and (ids.min() < 0 or ids.max() >= end):
        raise InputError(f"an entity or peer group id is not below {end}: was it taken before a renumbering?")
    if not np.isin(kind[members], np.arange(KINDS)).all():
        raise InputError("only users, hosts and source addresses can be put into peer groups")
    grouped = groups > 0
    if not (kind[groups[grouped]] == GROUP + kind[members[grouped]]).all():
        raise InputError("a peer group must be one of the same kind as its members (see Entities.ids)")
