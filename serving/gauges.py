"""Measurements that the core's threads take of themselves, for operators: no state, nothing of it is kept."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from serving.tenant import TenantState

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histograms."""
NOMINAL = (0.01, 0.001)
"""Tail probabilities that are watched: so many of the events should have one as low."""
TAIL_HALF_LIFE = 50_000.0
"""Events after which one counts half: rare tails need some hundred thousand to be counted at all."""


class Histogram:
    """Counts by upper bound, and their sum; one thread writes, others read."""

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self.bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulated(self) -> list[tuple[str, int]]:
        """(upper bound as text, values up to it), "+Inf" last."""
        total, found = 0, []
        names = (*(f"{bound:g}" for bound in self.bounds), "+Inf")
        for bound, count in zip(names, list(self._counts), strict=True):
            total += count
            found.append((bound, total))
        return found


class TailMeter:
    """How many events had a tail probability at or below NOMINAL, lately: calibrated ones match it."""

    def __init__(self) -> None:
        self._weight = 0.0
        self._below = np.zeros(len(NOMINAL))

    def add(self, p_value: np.ndarray) -> None:
        """Take in scored events. p_value: float64 (n,)."""
        n = len(p_value)
        kept = 2.0 ** (-n / TAIL_HALF_LIFE)
        self._weight = self._weight * kept + n
        below = np.array([np.count_nonzero(p_value <= nominal) for nominal in NOMINAL])
        self._below = self._below * kept + below

    def shares(self) -> list[float] | None:
        """Share of the events at or below each of NOMINAL; None before there were any."""
        return (self._below / self._weight).tolist() if self._weight else None


class Fill(NamedTuple):
    """What a tenant's state holds and may hold, and its alerts today; taken between two groups.

    line: risk (nats) from which an entity-day is raised, inf while there is none.
    """

    entities: int
    entity_limit: int
    habits: int
    habit_limit: int
    nominal_alerts: int
    raised_alerts: int
    line: float


def fill_of(state: TenantState) -> Fill:
    """`Fill` of a tenant; on the engine's thread."""
    detector = state.detector
    baselines, book = detector.baselines, detector.alerts
    nominal = book.controller.nominal(max(detector.activity.today, 0), 0)
    return Fill(
        baselines.entities.count,
        baselines.entities.limit,
        len(baselines),
        baselines.max_entries,
        nominal,
        book.raised_today,
        float(book.controller.line(nominal)),
    )


class Gauges:
    """What the threads of one core measured; each field is written by one thread.

    commit_seconds
        From the first byte of a group to its acknowledgement: writing and syncing.
    apply_seconds
        Decoding, scoring and learning of a group.
    checkpoint_seconds, checkpoint_bytes
        The last checkpoint that was written: what it took, and its size.
    """

    def __init__(self) -> None:
        self.commit_seconds = Histogram()
        self.apply_seconds = Histogram()
        self.checkpoint_seconds = 0.0
        self.checkpoint_bytes = 0
        self.fills: dict[str, Fill] = {}
        self.tails: dict[str, TailMeter] = {}
        self._lock = threading.Lock()
        self._unsaved: dict[str, tuple[float, float]] = {}

    def changed(self, tenant: str) -> None:
        """A tenant's state is ahead of its checkpoint."""
        with self._lock:
            now = time.monotonic()
            self._unsaved[tenant] = self._unsaved.get(tenant, (now, now))[0], now

    def saved(self, tenant: str, taken: float) -> None:
        """A checkpoint of a tenant is on disk. taken: when it was taken, monotonic seconds."""
        with self._lock:
            first, last = self._unsaved.pop(tenant, (taken, taken))
            if last > taken:
                self._unsaved[tenant] = max(first, taken), last

    def numbers(self) -> dict[str, object]:
        """Everything by name; from any thread."""
        with self._lock:
            oldest = min((first for first, _ in self._unsaved.values()), default=None)
        fills = list(self.fills.values())
        shares = [found for meter in list(self.tails.values()) if (found := meter.shares()) is not None]
        return {
            "commit_seconds": self.commit_seconds,
            "apply_seconds": self.apply_seconds,
            "checkpoint_seconds": self.checkpoint_seconds,
            "checkpoint_bytes": self.checkpoint_bytes,
            "checkpoint_age_seconds": 0.0 if oldest is None else time.monotonic() - oldest,
            "entity_limit": sum(fill.entity_limit for fill in fills),
            "habit_limit": sum(fill.habit_limit for fill in fills),
            "entity_fill_ratio": max((fill.entities / fill.entity_limit for fill in fills), default=0.0),
            "habit_fill_ratio": max((fill.habits / fill.habit_limit for fill in fills), default=0.0),
            "alerts_nominal": sum(fill.nominal_alerts for fill in fills),
            "alerts_raised": sum(fill.raised_alerts for fill in fills),
            "alert_line_nats": min((fill.line for fill in fills), default=float("inf")),
            "tail_ratio": {
                f"{nominal:g}": max((share[place] for share in shares), default=0.0) / nominal
                for place, nominal in enumerate(NOMINAL)
            },
        }
