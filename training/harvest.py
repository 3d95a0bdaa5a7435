"""Entity-days as they close, taken out of the detector so that its memory does not grow with the history."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.behaviours import ENTITY_KINDS
from models.alerts import NEVER

if TYPE_CHECKING:
    import pandas as pd

    from models.days import DayTable
    from models.detector import Detector

SAMPLE_DAYS = 14
SAMPLE_ROWS = 5_000
"""Newest days, and entity-days of each of them, that are kept with all their counts."""


class Sample(NamedTuple):
    """Some entity-days of one day. kind: int8 (n,). counts: float32 (n, C). risk: float64 (n,) nats."""

    day: int
    kind: np.ndarray
    counts: np.ndarray
    risk: np.ndarray


class Harvest:
    """Collects what becomes of closed days: about 40 bytes an entity-day, and a sample of the newest.

    Call `take` after every batch that a detector has scored, and `finish` once.
    """

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray, ...]] = []
        self._names: dict[str, int] = {}
        self._today = -1
        self._evidence: np.ndarray | None = None
        self.samples: list[Sample] = []

    def take(self, detector: Detector) -> None:
        """Take the days that were closed since the last call, and make the detector forget them."""
        today = detector.activity.today
        if today == self._today:
            return
        table = detector.days.table()
        if len(table.day):
            self._add(detector, table, detector.days.rarities(), detector.days.risks(), today)
        detector.days.forget(today)
        self._today = today

    def finish(self, detector: Detector) -> pd.DataFrame:
        """The entity-days of all days, the open one included as if it ended now.

        Columns as of `habitus score`: entity_kind, entity, day (UTC date), risk (nats), alert, n_events,
        alerted_at (UTC; NaT: at the end of the day, or never), rarity (nats). Strangest first in each day,
        newest day first.
        """
        self.take(detector)
        if detector.activity.today >= 0:
            table = detector.today()
            rarity = detector.ranker.score(table).risk
            risk = detector.days.weighed(table, rarity)
            self._add(detector, table, rarity, risk, detector.activity.today)
        return self.frame()

    def frame(self) -> pd.DataFrame:
        """The entity-days taken so far, with the columns and in the order of `finish`."""
        import pandas as pd

        none = np.zeros(0)
        empty = (np.zeros(0, np.int8), *(np.zeros(0, np.int64),) * 4, none, none, np.zeros(0, np.bool_))
        kind, name, day, events, at_us, rarity, risk, alert = (
            np.concatenate(arrays) for arrays in zip(empty, *self._parts, strict=True)
        )
        stamps = at_us.astype("datetime64[us]")
        stamps[at_us == NEVER] = np.datetime64("NaT")
        frame = pd.DataFrame(
            {
                "entity_kind": np.array(ENTITY_KINDS, object)[kind.astype(np.int64)],
                "entity": np.array(list(self._names), object)[name],
                "day": pd.to_datetime(day, unit="D").date,
                "risk": risk,
                "alert": alert,
                "n_events": events,
                "alerted_at": pd.Series(stamps).dt.tz_localize("UTC"),
                "rarity": rarity,
            }
        )
        order = ["day", "risk", "entity_kind", "entity"]
        return frame.sort_values(order, ascending=[False, False, True, True]).reset_index(drop=True)

    def evidence_by_cause(self, detector: Detector) -> dict[str, float]:
        """Nats beyond the everyday that each cause gave, summed over users' and hosts' entity-days."""
        total = self._evidence
        causes = detector.channels.causes
        return {cause: 0.0 if total is None else float(total[i]) for i, cause in enumerate(causes)}

    def _add(
        self, detector: Detector, table: DayTable, rarity: np.ndarray, risk: np.ndarray, today: int
    ) -> None:
        known = detector.baselines
        names = known.values.many(known.entities.name[table.entity])
        codes = np.array([self._names.setdefault(name, len(self._names)) for name in names], np.int64)
        at_us = detector.alerts.moments(table.entity.astype(np.int64) << 32 | table.day, today)
        alert = at_us != NEVER
        open_day = table.day == today
        if open_day.any():
            part = table.take(open_day)
            filling = detector.alerts.would_fill(part, risk[open_day])
            alert |= open_day & np.isin(table.entity, filling)
        self._parts.append(
            (table.kind, codes, table.day.astype(np.int64), table.n_events, at_us, rarity, risk, alert)
        )
        people = table.kind < 2
        found = table.evidence[people].astype(np.float64).sum(axis=0)
        self._evidence = found if self._evidence is None else self._evidence + found
        for day in np.unique(table.day).tolist():
            rows = np.flatnonzero(table.day == day)
            rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE_ROWS)).astype(np.int64)]
            self.samples.append(Sample(day, table.kind[rows], table.counts[rows], risk[rows]))
        self.samples = self.samples[-SAMPLE_DAYS:]
