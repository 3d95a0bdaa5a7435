"""The line that a risk must pass to be raised as the day goes, held to a budget of alerts.

Who waits for the end of the day can raise its highest risks and no more. Who raises while the day lasts needs
a line. It is taken from the tenant's own past days: the height above which the entity-days' maximal risks
came as often as alerts are wanted, a forward-decayed quantile (Cormode et al., "Forward decay", ICDE 2009).
What is wanted follows from what was realised, by integral action with a leak, so a drift of the risks, days
of the week that differ, and growth are taken back within days:

    balance <- LEAK (balance + realised - nominal),    quota = nominal - GAIN balance

The quota is within LEAST_SHARE and 1.5 of the nominal number. When a day closes below its quota, its highest
risks that were not raised yet fill it up. Caps of a day and of any seven days bound it from above; the week's
cap always leaves LEAST_SHARE of the nominal number to each day. Alerts that page are no part of any of this.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from models.risk import Budget

WEEK = 7
HISTORY_DAYS = 28
HALF_LIFE_DAYS = 7.0
"""Of past days in the line: four weeks of them are kept, the weekdays are all in it."""
LEAST_DAYS = 3
"""Closed days before there is a line; until then alerts are raised when a day closes."""
GAIN, LEAK = 0.5, 0.95
LEAST_SHARE, MOST_SHARE = 0.25, 1.5
KEPT_PEAKS = 6
"""Highest risks kept of each day, times its nominal number: the line is never sought below them."""


class ClosedDay(NamedTuple):
    """What one day came to: alerts allowed, raised, and paged; the highest risks, float64 descending."""

    day: int
    nominal: int
    realised: int
    paged: int
    peaks: np.ndarray


class Realised(NamedTuple):
    """Alerts over some days: allowed, raised within the budget, and paged."""

    days: int
    nominal: int
    realised: int
    paged: int


class Controller:
    """Holds the alerts of one tenant to a budget.

    Parameters
    ----------
    budget
        May be exchanged at any time; what was realised counts on.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self._days: list[ClosedDay] = []
        self._balance = 0.0

    @property
    def settled(self) -> bool:
        """Whether there are days enough for a line."""
        return len(self._days) >= LEAST_DAYS

    def nominal(self, day: int, entities: int) -> int:
        """Alerts allowed on a day (since 1970) that is not over: by the entities seen so far, or while fewer
        were, the number of the same weekday last week (of yesterday, before there was one).
        """
        # a day begins with nobody
        expected = [closed.nominal for closed in self._days if closed.day in (day - WEEK, self._days[-1].day)]
        return max([self.budget.alerts(entities), *expected[:1]])

    def quota(self, nominal: int) -> int:
        """Alerts wanted on a day with this nominal number, at least 1."""
        share = 1.0 - GAIN * self._balance / nominal
        wanted = nominal * min(max(share, LEAST_SHARE), MOST_SHARE)
        # a week must not fall behind either
        past = self._days[-(WEEK - 1) :]
        owed = (2.0 - self.budget.week) * (nominal + sum(day.nominal for day in past))
        owed -= sum(day.realised for day in past)
        return max(1, min(round(max(wanted, min(owed, nominal))), self.allowed(nominal)))

    def allowed(self, nominal: int) -> int:
        """Most alerts of a day with this nominal number, at least 1."""
        past = self._days[-(WEEK - 1) :]
        most = self.budget.cap * nominal
        # every seven days with today among the last, as if the rest of them had their least
        for later in range(WEEK - 1):
            inside = past[max(0, len(past) - (WEEK - 1 - later)) :]
            total = sum(day.nominal for day in inside) + (1 + later) * nominal
            spent = sum(day.realised for day in inside) + later * max(1.0, LEAST_SHARE * nominal)
            most = min(most, self.budget.week * total - spent)
        return max(1, int(most + 1e-9))

    def line(self, nominal: int, apart: int = 0) -> float:
        """Risk from which an entity-day of today is raised; infinite while there is no history. apart: alerts
        of today's quota that are raised for another reason.

        O(days x peaks), for `HISTORY_DAYS` days.
        """
        if not self.settled:
            return np.inf
        newest = self._days[-1].day
        weights = [2.0 ** ((day.day - newest) / HALF_LIFE_DAYS) for day in self._days]
        peaks = np.concatenate([day.peaks for day in self._days])
        if not len(peaks):
            return np.inf
        weight = np.repeat(weights, [len(day.peaks) for day in self._days])
        wanted = sum(w * day.nominal for w, day in zip(weights, self._days, strict=True))
        wanted *= max(self.quota(nominal) - apart, 0) / nominal
        order = np.argsort(-peaks, kind="stable")
        above = np.cumsum(weight[order])
        inside = int(np.searchsorted(above, wanted, side="right"))
        return float(peaks[order[max(inside - 1, 0)]])

    def close(self, day: int, nominal: int, realised: int, paged: int, peaks: np.ndarray) -> None:
        """Learn a day that is over. peaks: maximal risks of its entity-days, those that paged left out."""
        kept = np.sort(peaks[peaks > 0])[::-1][: KEPT_PEAKS * nominal]
        self._days = [*self._days, ClosedDay(day, nominal, realised, paged, kept)][-HISTORY_DAYS:]
        self._balance = LEAK * (self._balance + realised - nominal)

    def realised(self, days: int = WEEK) -> Realised:
        """Nominal against realised over the last closed days."""
        past = self._days[-days:]
        return Realised(
            len(past),
            sum(day.nominal for day in past),
            sum(day.realised for day in past),
            sum(day.paged for day in past),
        )

    # -------------------------------------------------------------------------------------------------- state

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and settings of a checkpoint."""
        arrays = {
            "days": np.array([day[:4] for day in self._days], np.int64).reshape(-1, 4),
            "kept": np.array([len(day.peaks) for day in self._days], np.int64),
            "peaks": np.concatenate([np.zeros(0), *(day.peaks for day in self._days)]),
        }
        return arrays, {"balance": self._balance, "budget": list(vars(self.budget).values())}

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray], state: dict[str, Any]) -> Controller:
        """The controller that was exported."""
        controller = cls(Budget(*state["budget"]))
        controller._balance = float(state["balance"])
        ends = np.cumsum(arrays["kept"]).tolist()
        for row, first, last in zip(arrays["days"].tolist(), [0, *ends], ends, strict=False):
            day, nominal, realised, paged = row
            peaks = arrays["peaks"][first:last].copy()
            controller._days.append(ClosedDay(day, nominal, realised, paged, peaks))
        return controller
