"""How often alerts name a thing: in which ten-minute slots of the last days, tenant by tenant.

Slots are counted, not alerts, so that a burst (a scanner that raises 400,000 alerts in twenty minutes) is two
slots and does not become everyday by being loud. The newest hour is left out when a thing is judged: an
attack must not vouch for itself.
"""

from __future__ import annotations

from math import log
from typing import Any

from models.incidents.alert import SLOT_US

SLOTS_A_DAY = 144
DAY_US = SLOTS_A_DAY * SLOT_US
WINDOW_DAYS = 14
LAG_SLOTS = 6
"""Slots before the one that is judged that do not count yet: an hour."""
PRIOR_SLOTS = 144.0
"""Weight of what is expected of an unknown thing: a day's worth of slots."""
PRIOR_ACTIVE = 0.5
"""Active slots expected in PRIOR_SLOTS (Krichevsky-Trofimov's half count)."""
MOST_THINGS_A_DAY = 50_000


class Recurrence:
    """Active slots by thing and day.

    Parameters
    ----------
    window_days
        Days that count.

    Notes
    -----
    Memory: at most MOST_THINGS_A_DAY things a day, 18 bytes of slots each beside their names; further things
    of that day are counted in `refused` and judged as unknown. Both operations cost one look-up a day of the
    window.
    """

    def __init__(self, window_days: int = WINDOW_DAYS) -> None:
        self.window_days = window_days
        self.refused = 0
        self._days: dict[int, dict[str, int]] = {}
        self._first_slot = -1

    def learn(self, one: str, first_us: int, last_us: int) -> None:
        """Mark a thing as named between two moments: the slots of both ends and those between on those days.

        A span of more than a day counts as its two ends: nobody says that it went on between.
        """
        first, last = first_us // SLOT_US, last_us // SLOT_US
        if last - first >= SLOTS_A_DAY:
            self.learn(one, first_us, first_us)
            first = last
        if self._first_slot < 0 or first < self._first_slot:
            self._first_slot = first
        for slot in range(first, last + 1):
            day = self._days.setdefault(slot // SLOTS_A_DAY, {})
            bits = day.get(one, 0)
            if not bits and len(day) >= MOST_THINGS_A_DAY:
                self.refused += 1
                continue
            day[one] = bits | 1 << slot % SLOTS_A_DAY

    def active(self, one: str, at_us: int) -> tuple[int, int]:
        """Slots in which the thing was named, and slots in all, within the window before a moment."""
        end = at_us // SLOT_US - LAG_SLOTS
        if self._first_slot < 0 or end <= self._first_slot:
            return 0, 0
        begin = max(self._first_slot, end - self.window_days * SLOTS_A_DAY)
        found = 0
        for day in range(begin // SLOTS_A_DAY, end // SLOTS_A_DAY + 1):
            bits = self._days.get(day, {}).get(one, 0)
            if not bits:
                continue
            start = day * SLOTS_A_DAY
            bits &= (1 << max(0, min(SLOTS_A_DAY, end - start))) - 1
            found += (bits >> max(0, begin - start)).bit_count()
        return found, end - begin

    def share(
        self, one: str, at_us: int, expected: float = PRIOR_ACTIVE / PRIOR_SLOTS, own_slots: int = 0
    ) -> float:
        """Share of slots in which the thing is named, shrunk to what is expected of it.

        own_slots: active slots that are left out, for what is judged has named the thing itself.
        """
        found, slots = self.active(one, at_us)
        found = max(0, found - own_slots)
        return (found + PRIOR_SLOTS * expected) / (slots + PRIOR_SLOTS)

    def forget(self, now_us: int) -> None:
        """Drop days that no longer count."""
        oldest = now_us // DAY_US - self.window_days
        for day in [day for day in self._days if day < oldest]:
            del self._days[day]

    def export(self) -> dict[str, Any]:
        """The state as plain data; slots as hexadecimal text."""
        days = {
            str(day): {one: f"{bits:x}" for one, bits in sorted(things.items())}
            for day, things in sorted(self._days.items())
        }
        return {
            "window_days": self.window_days,
            "first_slot": self._first_slot,
            "refused": self.refused,
            "days": days,
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Recurrence:
        """What was exported."""
        new = cls(int(state["window_days"]))
        new._first_slot = int(state["first_slot"])
        new.refused = int(state["refused"])
        new._days = {
            int(day): {one: int(bits, 16) for one, bits in things.items()}
            for day, things in state["days"].items()
        }
        return new


def surprise(share: float) -> float:
    """Nats of something that happens in a share of all slots."""
    return max(0.0, -log(min(share, 1.0)))
