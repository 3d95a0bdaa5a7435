"""Which day is open: event time, as far as more than one clock vouches for it.

The open day of an organisation is moved by its events. If any event could move it, one machine whose clock is
years ahead would close every day until then. So a time counts as reached only when

1. it is less than `_reach` beyond the newest time that is trusted, where reach is SHORT_US, or more where
   events have been rarer than that lately; or
2. events ahead came in a row, without one in between that still tells the trusted time: one more of them than
   there are witnesses lately (at most MOST_WITNESSES), from as many witnesses, whose claims lie within a day
   of each other. The earliest of those claims is then trusted, not the farthest; or
3. events ahead came in a row, spread over a day or more and not farther ahead than FAR_US: only one machine
   is left to be heard.

A witness is who keeps the clock: the event's host, else its address, else its user. A run of claims that an
event of the trusted time interrupts has been contradicted, and until the next day runs must be
CONTRADICTED times as long: a whole site that writes local time as UTC contradicts the rest all day.

What is ahead and not trusted belongs to no open day. Everything here depends on the order of events alone,
not on how they are cut into batches. The very first event is trusted: there is nothing to compare it with.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from features.baselines import DAY_US

HOUR_US = DAY_US // 24
SHORT_US = 2 * HOUR_US
"""Nobody needs a second witness for a step as short as this."""
LONG_US = 4 * DAY_US
"""Most that rare events stretch it: a long weekend."""
FAR_US = 40 * DAY_US
"""A single machine is never believed farther ahead than this; several are."""
MOST_WITNESSES = 3
CONTRADICTED = 3
CLAIMS = 8
"""Witnesses whose latest claims are kept."""
GAPS, LEAST_GAPS = 32, 8
"""Trusted steps whose median says how rare events are, and how many it takes to say so."""
GAPS_REACHED = 8
"""Median steps that make the reach."""
BLOCK = 4_096


class Clock:
    """The newest trusted time of one tenant's events."""

    def __init__(self) -> None:
        self.newest_us = -1
        self._gaps: deque[int] = deque(maxlen=GAPS)
        self._claims: dict[int, int] = {}
        self._run = 0
        self._run_first_us = 0
        self._contradicted = 0
        self._today: set[int] = set()
        self._before: set[int] = set()

    # ------------------------------------------------------------------------------------------------- moving

    def advance(self, time_us: np.ndarray, witness: np.ndarray) -> np.ndarray:
        """Take in events in the order of arrival.

        time_us: int64 (n,). witness: int64 (n,) ids, see the module. Returns int64 (n,): newest trusted time
        (microseconds since 1970, UTC) after each event; an event later than it is ahead. O(n), by arrays
        where no event is far ahead.
        """
        out = np.empty(len(time_us), np.int64)
        for first in range(0, len(time_us), BLOCK):
            part = slice(first, first + BLOCK)
            out[part] = self._advance_block(time_us[part], witness[part])
        return out

    def _advance_block(self, time_us: np.ndarray, witness: np.ndarray) -> np.ndarray:
        if self.newest_us >= 0:
            reached = np.maximum.accumulate(np.concatenate([[self.newest_us], time_us]))
            calm = not (time_us > reached[:-1] + SHORT_US).any()
            if calm and reached[-1] // DAY_US == self.newest_us // DAY_US:
                self._present(time_us, witness, reached)
                return np.asarray(reached[1:], np.int64)
        out = np.empty(len(time_us), np.int64)
        for index, (time, who) in enumerate(zip(time_us.tolist(), witness.tolist(), strict=True)):
            self._see(time, who)
            out[index] = self.newest_us
        return out

    def _present(self, time_us: np.ndarray, witness: np.ndarray, reached: np.ndarray) -> None:
        """Events of one day of which none is ahead, at once: as `_see` does one by one."""
        present = time_us >= reached[:-1] - SHORT_US
        if self._run and present.any():
            self._contradict()
        if len(self._today) < MOST_WITNESSES:
            ids, first = np.unique(witness[present], return_index=True)
            for who in ids[np.argsort(first)].tolist():
                self._meet(who)
        self._gaps.extend(np.diff(reached)[-GAPS:].tolist())
        self.newest_us = int(reached[-1])

    def _see(self, time_us: int, witness: int) -> None:
        if self.newest_us < 0:
            self.newest_us = time_us
            self._meet(witness)
            return
        before_us = self.newest_us
        if self._is_ahead(time_us) and (not self._claim(time_us, witness) or self._is_ahead(time_us)):
            return
        present = time_us >= self.newest_us - SHORT_US
        if present:
            if self._run:
                self._contradict()
            self._meet(witness)
        self._move(max(time_us, self.newest_us))
        self._gaps.append(self.newest_us - before_us)

    def _is_ahead(self, time_us: int) -> bool:
        return time_us > self.newest_us + SHORT_US and time_us > self.newest_us + self._reach()

    def _reach(self) -> int:
        """How far ahead an event may be without a second witness."""
        if self._witnesses() < 2:
            return LONG_US
        if len(self._gaps) < LEAST_GAPS:
            return SHORT_US
        rare = GAPS_REACHED * sorted(self._gaps)[len(self._gaps) // 2]
        return min(max(rare, SHORT_US), LONG_US)

    def _witnesses(self) -> int:
        """Different witnesses of the open day and the one before, at most MOST_WITNESSES."""
        return min(len(self._today | self._before), MOST_WITNESSES)

    def _claim(self, time_us: int, witness: int) -> bool:
        """Note an event ahead; True when a later time than before is trusted now."""
        if not self._run:
            self._run_first_us = time_us
        self._run += 1
        self._run_first_us = min(self._run_first_us, time_us)
        self._claims.pop(witness, None)
        self._claims[witness] = time_us
        if len(self._claims) > CLAIMS:
            del self._claims[next(iter(self._claims))]
        known = max(self._witnesses(), 1)
        if self._run < max(known + 1, CONTRADICTED * self._contradicted):
            return False
        claims = sorted(self._claims.values())
        for first, last in zip(claims, claims[known - 1 :], strict=False):
            if last - first <= DAY_US:
                self._believe(first)
                return True
        if time_us - self._run_first_us >= DAY_US and time_us - self.newest_us <= FAR_US:
            self._believe(time_us)
            return True
        return False

    def _believe(self, time_us: int) -> None:
        # claims that the new time bears out are no contradiction of it
        self._claims = {who: claim for who, claim in self._claims.items() if claim > time_us + SHORT_US}
        self._run = len(self._claims)
        self._run_first_us = min(self._claims.values(), default=0)
        self._move(time_us)

    def _contradict(self) -> None:
        self._contradicted = max(self._contradicted, self._run)
        self._claims, self._run = {}, 0

    def _move(self, time_us: int) -> None:
        if time_us // DAY_US > self.newest_us // DAY_US:
            self._before, self._today = self._today, set()
            self._contradicted //= 2
        self.newest_us = time_us

    def _meet(self, witness: int) -> None:
        if len(self._today) < MOST_WITNESSES:
            self._today.add(witness)

    # -------------------------------------------------------------------------------------------------- state

    def renumber(self, entities: np.ndarray) -> None:
        """Follow a renumbering of entities (old id -> new id, 0: gone)."""
        self._claims = {int(entities[who]): claim for who, claim in self._claims.items() if entities[who]}
        self._today = {int(entities[who]) for who in self._today}
        self._before = {int(entities[who]) for who in self._before}

    def export(self) -> dict[str, Any]:
        """Settings of a checkpoint."""
        return {
            "newest_us": self.newest_us,
            "gaps": list(self._gaps),
            "claims": [[who, claim] for who, claim in self._claims.items()],
            "run": [self._run, self._run_first_us, self._contradicted],
            "today": sorted(self._today),
            "before": sorted(self._before),
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Clock:
        """The clock that was exported."""
        clock = cls()
        clock.newest_us = int(state["newest_us"])
        clock._gaps.extend(state["gaps"])
        clock._claims = {int(who): int(claim) for who, claim in state["claims"]}
        clock._run, clock._run_first_us, clock._contradicted = state["run"]
        clock._today, clock._before = set(state["today"]), set(state["before"])
        return clock


def witnesses(columns: np.ndarray) -> np.ndarray:
    """Who kept each event's clock, int64 (n,) entity ids: host, else address, else user, else 0."""
    user, host, address = columns[:, -3], columns[:, -2], columns[:, -1]
    return np.where(host > 0, host, np.where(address > 0, address, user)).astype(np.int64)
