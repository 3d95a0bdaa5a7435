"""Who has a baseline: users, hosts and source addresses of one tenant, their peer groups, and the
organisation.

An entity's id is its place in the totals: it owns `units` blocks of UNIT behaviours, so ids have gaps and
look-ups have no indirection. Id 0 is nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.behaviours import ENTITY_KINDS
from features.intmap import IntMap
from features.sketch import MAX_ENTITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

UNIT = 4
"""Behaviours in one block of totals."""
KINDS = len(ENTITY_KINDS)
GROUP, ORGANISATION = KINDS, 2 * KINDS
"""Kind codes: 0-2 an entity, 3-5 a peer group of such entities, 6-8 all of them."""


class Entities:
    """Entities by (kind, name id).

    Parameters
    ----------
    behaviours_by_kind
        Number of behaviours of users, hosts and source addresses: decides how many units each owns.
    limit
        Most entities kept; further ones get id 0 and are counted in `refused` until room is made.
    """

    def __init__(self, behaviours_by_kind: Sequence[int], limit: int = 4_000_000) -> None:
        self._units = [max(1, -(-count // UNIT)) for count in behaviours_by_kind]
        self.limit = limit
        self.refused = 0
        self.count = 0
        self._map = IntMap()
        self.kind = np.full(1024, -1, np.int8)
        self.name = np.zeros(1024, np.int32)
        self.group = np.zeros(1024, np.int32)
        self.end = 1
        self.organisation = tuple(
            int(self._add(ORGANISATION + kind, np.zeros(1, np.int32))[0]) for kind in range(KINDS)
        )
        self.count = 0

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._map.nbytes + self.kind.nbytes + self.name.nbytes + self.group.nbytes

    def units_of(self, kind: int) -> int:
        """Blocks of totals that one entity of a kind (any code) owns."""
        return self._units[kind % KINDS]

    @staticmethod
    def _keys(kind: int, names: np.ndarray) -> np.ndarray:
        return np.asarray(names.astype(np.int64) + (np.int64(kind + 1) << 32), dtype=np.int64)

    def find(self, kind: int, names: np.ndarray) -> np.ndarray:
        """Ids of entities by name id, 0 where unknown."""
        ids: np.ndarray = self._map.get(self._keys(kind, names))
        ids[ids < 0] = 0
        return ids

    def ids(self, kind: int, names: np.ndarray) -> np.ndarray:
        """Ids of entities by name id, new ones added; 0 where the limit refuses one."""
        found = self._map.get(self._keys(kind, names))
        missing = found < 0
        if missing.any():
            fresh = np.unique(names[missing])
            room = max(0, self.limit - self.count)
            if len(fresh) > room:
                self.refused += len(fresh) - room
                fresh = fresh[:room]
            if len(fresh):
                self._add(kind, fresh)
            found = np.maximum(self._map.get(self._keys(kind, names)), 0)
        return found

    def _add(self, kind: int, names: np.ndarray) -> np.ndarray:
        units = self.units_of(kind)
        ids = self.end + units * np.arange(len(names))
        end = self.end + units * len(names)
        if end >= MAX_ENTITIES:
            room = (MAX_ENTITIES - 1 - self.end) // units
            self.refused += len(names) - room
            return self._add(kind, names[:room]) if room > 0 else np.zeros(0, np.int64)
        if end > len(self.kind):
            more = max(end, 2 * len(self.kind)) - len(self.kind)
            self.kind = np.concatenate([self.kind, np.full(more, -1, np.int8)])
            self.name = np.concatenate([self.name, np.zeros(more, np.int32)])
            self.group = np.concatenate([self.group, np.zeros(more, np.int32)])
        self.kind[ids] = kind
        self.name[ids] = names
        self.end = end
        self.count += len(names)
        self._map.put(self._keys(kind, names), ids)
        return ids

    def all_ids(self, kinds: Sequence[int] = tuple(range(KINDS))) -> np.ndarray:
        """Ids of all entities of the given kind codes, ascending."""
        return np.flatnonzero(np.isin(self.kind[: self.end], np.asarray(kinds, np.int8)))

    def rebuilt(self, keep: np.ndarray) -> tuple[Entities, np.ndarray]:
        """Entities with only the kept ids (organisations always stay), and the map old id -> new id (0:
        gone).
        """
        new = Entities([units * UNIT for units in self._units], self.limit)
        new.refused = self.refused
        renumbered = np.zeros(self.end, np.int32)
        for kind in range(KINDS):
            renumbered[self.organisation[kind]] = new.organisation[kind]
        for kind in range(2 * KINDS):
            old = self.all_ids((kind,))
            old = old[keep[old]]
            if len(old):
                renumbered[old] = new._add(kind, self.name[old])
        old = np.flatnonzero(renumbered)
        new.group[renumbered[old]] = renumbered[self.group[old]]
        return new, renumbered

    def rename(self, renumbered: np.ndarray) -> None:
        """Follow a renumbering of the value strings that are the names (old id -> new id)."""
        for kind in range(3 * KINDS):
            ids = self.all_ids((kind,))
            self.name[ids] = renumbered[self.name[ids]]
        self._map = IntMap(room=max(512, self.count))
        for kind in range(3 * KINDS):
            ids = self.all_ids((kind,))
            if len(ids):
                self._map.put(self._keys(kind, self.name[ids]), ids)

    @classmethod
    def restored(
        cls, like: Entities, kind: np.ndarray, name: np.ndarray, group: np.ndarray, refused: int
    ) -> Entities:
        """Entities with the given arrays and the units and limit of another instance."""
        new = cls([units * UNIT for units in like._units], like.limit)
        new.kind, new.name, new.group, new.end = kind.copy(), name.copy(), group.copy(), len(kind)
        new.refused = refused
        new.rename(np.arange(int(name.max(initial=0)) + 1, dtype=np.int32))
        new.count = len(new.all_ids(tuple(range(2 * KINDS))))
        return new
