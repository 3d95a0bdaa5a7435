"""Who was seen with whom: users, hosts and addresses that share events, by day.

It answers two questions about an alert: what else the entity touched that day, and what share of the
organisation touches that, so that a domain controller, a proxy, a NAT address or a jump host ties nobody.
"""

from __future__ import annotations

import itertools

import numpy as np

from features.baselines import DAY_US
from features.behaviours import ENTITY_KINDS

WINDOW_DAYS = 14
MOST_PAIRS_A_DAY = 4_000_000
_PENDING = 32


class Company:
    """Pairs of entities of different kinds that shared an event, of the last days.

    Parameters
    ----------
    window_days
        Days that count.

    Notes
    -----
    8 bytes a pair and direction, at most MOST_PAIRS_A_DAY a day; what does not fit is counted in `refused`.
    Learning a batch sorts its distinct pairs: about 0.3 microseconds an event.
    """

    def __init__(self, window_days: int = WINDOW_DAYS) -> None:
        self.window_days = window_days
        self.refused = 0
        self._days: dict[int, list[np.ndarray]] = {}
        self._window: tuple[int, np.ndarray, np.ndarray] | None = None

    def learn(self, time_us: np.ndarray, entities: np.ndarray) -> None:
        """Take in events.

        Parameters
        ----------
        time_us
            int64 (n,), microseconds since 1970-01-01 UTC.
        entities
            int32 (n, 3): ids of user, host and source address, 0 for none: the last columns of
            `features.columns.Batch.columns`.
        """
        self._window = None
        days = time_us // DAY_US
        wide = entities.astype(np.int64)
        for day in np.unique(days).tolist():
            rows = wide[days == day]
            parts = []
            for left, right in itertools.combinations(range(len(ENTITY_KINDS)), 2):
                both = (rows[:, left] > 0) & (rows[:, right] > 0)
                met = np.unique(rows[both, left] << 32 | rows[both, right])
                parts += [met, met << 32 | met >> 32]
            pairs = self._days.setdefault(day, [])
            pairs.append(np.concatenate(parts))
            if len(pairs) > _PENDING:
                self._merge(day)

    def _merge(self, day: int) -> np.ndarray:
        parts = self._days.get(day, [])
        if not parts:
            return np.zeros(0, np.int64)
        if len(parts) > 1:
            merged = np.unique(np.concatenate(parts))
            if len(merged) > MOST_PAIRS_A_DAY:
                # those that were there first stay: what a flood of names adds must not push them out
                fresh = np.setdiff1d(merged, parts[0], assume_unique=False)
                room = max(0, MOST_PAIRS_A_DAY - len(parts[0]))
                self.refused += len(fresh) - room
                merged = np.union1d(parts[0], fresh[:room])
            self._days[day] = [merged]
        else:
            self._days[day] = [np.unique(parts[0])]
        return self._days[day][0]

    def partners(self, entity: int, day: int) -> np.ndarray:
        """Ids of what an entity shared events with on a day (days since 1970, UTC), ascending."""
        pairs = self._merge(day)
        low, high = np.searchsorted(pairs, [entity << 32, (entity + 1) << 32])
        return pairs[low:high] & 0xFFFFFFFF

    def lately(self, entity: int, day: int) -> np.ndarray:
        """Ids of what an entity shared events with in the window up to a day, ascending."""
        pairs, _ = self._until(day)
        low, high = np.searchsorted(pairs, [entity << 32, (entity + 1) << 32])
        return pairs[low:high] & 0xFFFFFFFF

    def shares(self, entities: np.ndarray, day: int, kind_of: np.ndarray) -> np.ndarray:
        """How much of the organisation shares events with entities: for each the largest, over the other
        kinds, of the share of the entities of that kind seen in the window up to a day.

        Parameters
        ----------
        entities
            int64 (n,) ids.
        day
            The last day that counts.
        kind_of
            int8 by entity id: 0 user, 1 host, 2 src_ip (`features.entities.Entities.kind`).

        Returns
        -------
        np.ndarray
            float64 (n,), 0 to 1; 0 for an entity that shared nothing.
        """
        pairs, everybody = self._until(day)
        if not len(pairs):
            return np.zeros(len(entities))
        seen = kind_of[everybody]
        totals = np.array([max(1, int((seen == kind).sum())) for kind in range(len(ENTITY_KINDS))])
        found = np.zeros(len(entities))
        for place, entity in enumerate(entities.tolist()):
            kinds = kind_of[self.lately(entity, day)]
            counts = np.array([int((kinds == kind).sum()) for kind in range(len(ENTITY_KINDS))])
            found[place] = (counts / totals).max()
        return found

    def _until(self, day: int) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of the window of a day, and ids of all in it; kept, because many are asked about in turn."""
        if self._window is None or self._window[0] != day:
            parts = [self._merge(one) for one in sorted(self._days) if day - self.window_days < one <= day]
            pairs = np.unique(np.concatenate([np.zeros(0, np.int64), *parts]))
            self._window = day, pairs, np.unique(pairs >> 32)
        return self._window[1:]

    def forget(self, day: int) -> None:
        """Drop what the window of a day does not cover."""
        self._window = None
        for one in [one for one in self._days if one <= day - self.window_days]:
            del self._days[one]

    # ---------------------------------------------------------------------------------------------- state

    def held_ids(self) -> np.ndarray:
        """Entity ids that are still needed here."""
        parts = [self._merge(day) >> 32 for day in sorted(self._days)]
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)

    def renumber(self, entities: np.ndarray) -> None:
        """Follow a renumbering (old id -> new id, 0: gone)."""
        self._window = None
        for day in sorted(self._days):
            pairs = self._merge(day)
            left = entities[pairs >> 32].astype(np.int64)
            right = entities[pairs & 0xFFFFFFFF].astype(np.int64)
            self._days[day] = [np.unique((left << 32 | right)[(left > 0) & (right > 0)])]

    def export(self) -> dict[str, np.ndarray]:
        """Arrays of a checkpoint."""
        return {f"day_{day}": self._merge(day) for day in sorted(self._days)}

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray], window_days: int = WINDOW_DAYS) -> Company:
        """What was exported."""
        new = cls(window_days)
        new._days = {int(name.removeprefix("day_")): [array.copy()] for name, array in arrays.items()}
        return new
