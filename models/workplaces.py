"""Who works where: pairs of a user and a host that are mainly each other's.

What somebody does at their own workstation is odd for the person and for the machine alike, event by event.
As two entity-days it is one piece of news, and whoever reads the one has read the other. A pair is a user and
a host of which neither is closer to anybody else, where

    closeness(user, host) = share of the user's hosts x share of the host's users,

each share in ln(1 + decayed events) of the habits `user.host` and `host.user`, so that not the noisiest
decides (as for peer groups, `models.groups`): a person and their workstation, a service account and its
server. An account that is on every machine is close to none, and neither is a machine to all who use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.behaviours import ENTITY_KINDS
from features.pairs import behaviour_numbers, entity_pairs, name_hashes

if TYPE_CHECKING:
    from features.baselines import Baselines
    from features.pairs import Pairs

USER, HOST = ENTITY_KINDS.index("user"), ENTITY_KINDS.index("host")
LEAST_WEIGHT = 0.1
"""Decayed events below which a habit is forgotten, as for peer groups (`models.groups`)."""


class Workplaces:
    """Pairs of a user and a host; no entity is in two.

    Parameters
    ----------
    user, host
        int64 (n,) entity ids, row by row a pair.
    """

    def __init__(self, user: np.ndarray | None = None, host: np.ndarray | None = None) -> None:
        none = np.zeros(0, np.int64)
        self._user, self._host = none if user is None else user, none if host is None else host
        one, other = np.concatenate([self._user, self._host]), np.concatenate([self._host, self._user])
        order = np.argsort(one)
        self._one, self._other = one[order], other[order]

    def __len__(self) -> int:
        """Pairs."""
        return len(self._user)

    @classmethod
    def of(cls, baselines: Baselines) -> Workplaces:
        """As the habits are now; none where the baselines watch neither who uses which host nor the reverse.

        What ties is decided by names, so the order of ids does not matter. One pass over all habits.
        """
        watched = {behaviour.name for behaviour in baselines.behaviours}
        if not {"user.host", "host.user"} <= watched:
            return cls()
        numbers = behaviour_numbers(baselines, ["user.host", "host.user"])
        pairs = entity_pairs(baselines, numbers, LEAST_WEIGHT)
        there = _shares(baselines, pairs.take(pairs.behaviour == numbers[0]), HOST)
        back = _shares(baselines, pairs.take(pairs.behaviour == numbers[1]), USER)
        key = there.entity << 32 | there.other
        other_key = back.other << 32 | back.entity
        order = np.argsort(other_key)
        both, at, place = np.intersect1d(key, other_key[order], assume_unique=True, return_indices=True)
        user, host = both >> 32, both & 0xFFFFFFFF
        close = there.share[at] * back.share[order][place]
        names = baselines.entities.name
        by_name = np.lexsort((name_hashes(baselines, names[host]), name_hashes(baselines, names[user])))
        user, host, close = user[by_name], host[by_name], close[by_name]
        mutual = np.intersect1d(_closest(user, close), _closest(host, close))
        return cls(user[mutual], host[mutual])

    def mates(self, entity: np.ndarray) -> np.ndarray:
        """Row of each entity's other half among the given ones, int64 (n,), -1 where it is not there.

        entity: ids, ascending.
        """
        out = np.full(len(entity), -1, np.int64)
        if not len(self._one) or not len(entity):
            return out
        at = np.minimum(np.searchsorted(self._one, entity), len(self._one) - 1)
        rows = np.flatnonzero(self._one[at] == entity)
        other = self._other[at[rows]]
        place = np.minimum(np.searchsorted(entity, other), len(entity) - 1)
        there = entity[place] == other
        out[rows[there]] = place[there]
        return out

    def renumbered(self, entities: np.ndarray) -> Workplaces:
        """After a renumbering (old id -> new id, 0: gone)."""
        user, host = entities[self._user].astype(np.int64), entities[self._host].astype(np.int64)
        left = (user > 0) & (host > 0)
        return Workplaces(user[left], host[left])

    def export(self) -> dict[str, np.ndarray]:
        """Arrays of a checkpoint."""
        return {"user": self._user.copy(), "host": self._host.copy()}

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray]) -> Workplaces:
        """What was exported."""
        return cls(arrays["user"].copy(), arrays["host"].copy())


class _Shares(NamedTuple):
    """entity, other: int64 (n,) ids, each pair once. share: float64 (n,) of the entity's others."""

    entity: np.ndarray
    other: np.ndarray
    share: np.ndarray


def _shares(baselines: Baselines, pairs: Pairs, kind: int) -> _Shares:
    """Of habits whose values are names of a kind of entity; names without an id are left out, not their
    shares.
    """
    entity, place = np.unique(pairs.entity, return_inverse=True)
    weight = np.log1p(pairs.weight)
    share = weight / np.bincount(place, weight, len(entity))[place]
    other = baselines.entities.find(kind, pairs.value)
    known = other > 0
    return _Shares(pairs.entity[known], other[known].astype(np.int64), share[known])


def _closest(entity: np.ndarray, close: np.ndarray) -> np.ndarray:
    """Row of each entity's closest pair, the first of equals."""
    order = np.lexsort((np.arange(len(entity)), -close, entity))
    first = np.unique(entity[order], return_index=True)[1]
    return np.asarray(order[first])
