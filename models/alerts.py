"""When alerts are raised: the day's ranking, looked at again and again as the day goes.

At every mark (each EVERY_HOURS of event time) the entity-days so far are ranked; those whose risk has reached
the controller's line (`models.budget`) are raised, the highest first, while the day's cap allows. A day that
closes below its quota raises its highest ones then. What is raised stays raised, though its risk may fall.

Part of the quota (`Budget.learn_share`) is for alerts that a verdict would teach most by. They are raised
when the day closes: among those next below the line, first those whose leading cause has the least known
precision (`models.feedback.precision`), then those nearest to the line. Before any verdict they are what
would have been raised anyway.
Marks are moments of event time: how events are cut into batches changes nothing. Where events
are followed as they come (`AlertBook.follow`) marks lie closer together, and history keeps its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from features.baselines import DAY_US
from models.budget import Controller

if TYPE_CHECKING:
    from models.days import DayTable
    from models.risk import Budget

EVERY_HOURS = 3
"""A look at a day costs about as much as its closing, and most of that whatever the number of entities."""
NEVER = -1
MINUTE_US = 60_000_000
NOT_LIVE = 1 << 62
NEAR = 5
"""Times a day's alerts: how far below the line alerts to learn from are looked for."""


class Raised(NamedTuple):
    """Entity-days that were raised: key (entity << 32 | day, ascending), moment (microseconds since 1970,
    UTC), whether it paged, and whether it is there to learn from.
    """

    key: np.ndarray
    at_us: np.ndarray
    paged: np.ndarray
    learning: np.ndarray


class AlertBook:
    """Alerts of one tenant, and what its open day has come to.

    Parameters
    ----------
    budget
        Default: `Budget()`.
    every_hours
        Hours of event time between marks, 1 to 24; 24 raises at the end of the day only.
    """

    def __init__(self, budget: Budget | None = None, every_hours: int = EVERY_HOURS) -> None:
        self.controller = Controller(budget)
        self.every_hours = every_hours
        self._live_us = NOT_LIVE
        self._live_step_us = every_hours * DAY_US // 24
        self._raised: list[Raised] = []
        self._open()

    def _open(self) -> None:
        self._entity = np.zeros(0, np.int64)
        self._events = np.zeros(0, np.int64)
        self._peak = np.zeros(0)
        self._at_us = np.zeros(0, np.int64)
        self._paged = np.zeros(0, np.bool_)

    # -------------------------------------------------------------------------------------------------- marks

    def follow(self, from_us: int, minutes: int) -> None:
        """From this moment (microseconds UTC) on there is a mark every so many minutes, 1 to 1,440.

        A later call may move it on: what was before keeps `every_hours`.
        """
        self._live_us = from_us // (minutes * MINUTE_US) * (minutes * MINUTE_US)
        self._live_step_us = minutes * MINUTE_US

    def mark_after(self, time_us: int) -> int:
        """The first mark after a moment, microseconds; the end of a day is one."""
        live = time_us >= self._live_us
        step = self._live_step_us if live else self.every_hours * DAY_US // 24
        midnight = time_us // DAY_US * DAY_US
        found = min(midnight + ((time_us - midnight) // step + 1) * step, midnight + DAY_US)
        return found if live else min(found, self._live_us)

    def marks(self, time_us: np.ndarray) -> np.ndarray:
        """The last mark at or before each time, microseconds; -1 before there was a time."""
        step = np.where(time_us >= self._live_us, self._live_step_us, self.every_hours * DAY_US // 24)
        return np.where(time_us < 0, np.int64(-1), time_us - time_us % DAY_US % step)

    @property
    def watches(self) -> bool:
        """Whether marks can raise anything yet."""
        return self.controller.settled

    @property
    def raised_today(self) -> int:
        """How many entity-days of the open day were raised so far, those that page included."""
        return int((self._at_us != NEVER).sum())

    def due(self, days: DayTable) -> np.ndarray:
        """Rows of today's entity-days that a mark has to look at: not raised, and more events than at the
        last one.
        """
        at, known = self._places(days.entity.astype(np.int64))
        before = np.where(known, self._events[at], 0) if len(self._entity) else np.zeros(len(at), np.int64)
        raised = known & (self._at_us[at] != NEVER) if len(self._entity) else np.zeros(len(at), np.bool_)
        return np.flatnonzero((days.n_events > before) & ~raised)

    def mark(self, at_us: int, days: DayTable, risk: np.ndarray, entities: int) -> None:
        """Raise what has come up to the line, as of a mark.

        days: entity-days of the open day so far, or some of them. risk: float64 (n,) of them. entities: seen
        so far today.
        """
        self._take(days, risk)
        self._raise_above_line(at_us, days, risk, entities)

    def close(
        self, at_us: int, day: int, days: DayTable, risk: np.ndarray, unknown: np.ndarray | None = None
    ) -> None:
        """The day is over: its last mark (at_us), then what is left of the quota.

        days: all of its entity-days. unknown: float64 (n,) how little is known of what says most of each; all
        alike by default.
        """
        self._take(days, risk)
        self._raise_above_line(at_us, days, risk, len(risk))
        nominal = self.controller.budget.alerts(len(risk))
        room = self.controller.allowed(nominal) - self._spent()
        to_learn = max(0, min(self.controller.budget.to_learn(day, nominal), room))
        for row in self._left(days, risk, to_learn):
            self._raise(int(days.entity[row]), (day + 1) * DAY_US, paged=False)
        learning = self._most_informative(days, risk, to_learn, unknown)
        for row in learning:
            self._raise(int(days.entity[row]), (day + 1) * DAY_US, paged=False)
        raised = self._at_us != NEVER
        self.controller.close(
            day,
            nominal,
            int((raised & ~self._paged).sum()),
            int(self._paged.sum()),
            self._peak[~self._paged],
        )
        so_far = self._so_far(day)
        taught = np.isin(so_far.key >> 32, days.entity[np.array(learning, np.int64)])
        self._raised.append(so_far._replace(learning=taught))
        self._open()

    def _take(self, days: DayTable, risk: np.ndarray) -> None:
        """Events and highest risk so far."""
        entity = days.entity.astype(np.int64)
        fresh = entity[~self._places(entity)[1]]
        if len(fresh):
            self._insert(fresh)
        at = self._places(entity)[0]
        self._events[at] = days.n_events
        self._peak[at] = np.maximum(self._peak[at], risk)

    def _insert(self, fresh: np.ndarray) -> None:
        joined = np.concatenate([self._entity, fresh])
        order = np.argsort(joined, kind="stable")
        more = len(fresh)
        self._entity = joined[order]
        self._events = np.append(self._events, np.zeros(more, np.int64))[order]
        self._peak = np.append(self._peak, np.zeros(more))[order]
        self._at_us = np.append(self._at_us, np.full(more, NEVER))[order]
        self._paged = np.append(self._paged, np.zeros(more, np.bool_))[order]

    def _places(self, entity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not len(self._entity):
            return np.zeros(len(entity), np.int64), np.zeros(len(entity), np.bool_)
        at = np.minimum(np.searchsorted(self._entity, entity), len(self._entity) - 1)
        return at, self._entity[at] == entity

    def _order(self, days: DayTable, risk: np.ndarray) -> np.ndarray:
        """Rows by risk, the highest first; equal ones by kind, then by more events, then by id."""
        return np.lexsort((days.entity, -days.n_events, days.kind, -risk))

    def _raise_above_line(self, at_us: int, days: DayTable, risk: np.ndarray, entities: int) -> None:
        if not self.watches or not len(risk):
            return
        nominal = self.controller.nominal(int(days.day[0]), entities)
        apart = self.controller.budget.to_learn(int(days.day[0]), nominal)
        line = self.controller.line(nominal, apart)
        left = self.controller.allowed(nominal) - self._spent() - apart
        for row in self._order(days, risk).tolist():
            if risk[row] < line or risk[row] <= 0:
                break
            at = self._places(days.entity[row : row + 1].astype(np.int64))[0][0]
            if self._at_us[at] != NEVER:
                continue
            pages = bool(risk[row] >= self.controller.budget.page_nats)
            if pages or left > 0:
                self._raise(int(days.entity[row]), at_us, paged=pages)
                left -= not pages

    def _left(self, days: DayTable, risk: np.ndarray, apart: int = 0) -> list[int]:
        """Rows that fill up the quota if the day ends now. apart: alerts of it that are for others."""
        nominal = self.controller.budget.alerts(len(risk))
        left = self.controller.quota(nominal) - self._spent() - apart
        return self._below_line(days, risk)[: max(left, 0)]

    def _below_line(self, days: DayTable, risk: np.ndarray) -> list[int]:
        """Rows of what is not raised, the highest first."""
        at, known = self._places(days.entity.astype(np.int64))
        raised = known & (self._at_us[at] != NEVER) if len(self._entity) else np.zeros(len(risk), np.bool_)
        return [row for row in self._order(days, risk).tolist() if risk[row] > 0 and not raised[row]]

    def _most_informative(
        self, days: DayTable, risk: np.ndarray, count: int, unknown: np.ndarray | None
    ) -> list[int]:
        """Rows that a verdict would teach most by, among those next below what was raised."""
        if not count:
            return []
        nominal = self.controller.budget.alerts(len(risk))
        near = self._below_line(days, risk)[: NEAR * nominal]
        if unknown is not None:
            near.sort(key=lambda row: -float(unknown[row]))
        return near[:count]

    def _spent(self) -> int:
        return int(((self._at_us != NEVER) & ~self._paged).sum())

    def _raise(self, entity: int, at_us: int, *, paged: bool) -> None:
        at = int(np.searchsorted(self._entity, entity))
        self._at_us[at] = at_us
        self._paged[at] = paged

    def _so_far(self, day: int) -> Raised:
        rows = np.flatnonzero(self._at_us != NEVER)
        nothing = np.zeros(len(rows), np.bool_)
        return Raised(self._entity[rows] << 32 | day, self._at_us[rows], self._paged[rows], nothing)

    # ------------------------------------------------------------------------------------------------ reading

    def moments(self, key: np.ndarray, today: int) -> np.ndarray:
        """When entity-days were raised, int64 (n,) microseconds, NEVER if not. key: entity << 32 | day."""
        out = np.full(len(key), NEVER)
        for raised in (*self._raised, self._so_far(today)):
            if len(raised.key):
                at = np.minimum(np.searchsorted(raised.key, key), len(raised.key) - 1)
                found = raised.key[at] == key
                out[found] = raised.at_us[at[found]]
        return out

    def raised(self, days: DayTable) -> np.ndarray:
        """Which entity-days of a closed day were raised, bool (n,)."""
        key = days.entity.astype(np.int64) << 32 | days.day
        return np.asarray(self.moments(key, int(days.day[0]) if len(key) else 0) != NEVER)

    def learning(self, key: np.ndarray) -> np.ndarray:
        """Whether entity-days of closed days were raised to learn from, bool (n,). key: as of `moments`."""
        out = np.zeros(len(key), np.bool_)
        for raised in self._raised:
            out |= np.isin(key, raised.key[raised.learning])
        return out

    def forget(self, day: int) -> None:
        """Drop the moments of days before this one."""
        self._raised = [
            raised for raised in self._raised if len(raised.key) and raised.key[0] & 0xFFFFFFFF >= day
        ]

    def would_fill(self, days: DayTable, risk: np.ndarray) -> np.ndarray:
        """Entities (ids) of the open day that would be raised if it ended now, beside those that were."""
        return days.entity[np.array(self._left(days, risk), np.int64)].astype(np.int64)

    # -------------------------------------------------------------------------------------------------- state

    def adopt(self, other: AlertBook, entities: np.ndarray) -> None:
        """Take over what another book has raised, as it was given to people, instead of one's own; the line
        and what led to it stay one's own.

        entities: int, ids here by ids there, 0 for who is not known here.
        """
        rows = np.flatnonzero(other._at_us != NEVER)
        ids = entities[other._entity[rows]].astype(np.int64)
        rows, ids = rows[ids > 0], ids[ids > 0]
        fresh = np.setdiff1d(ids, self._entity)
        if len(fresh):
            self._insert(fresh)
        self._at_us[:], self._paged[:] = NEVER, False
        at = np.searchsorted(self._entity, ids)
        self._at_us[at], self._paged[at] = other._at_us[rows], other._paged[rows]
        self._raised = [_moved(raised, entities) for raised in other._raised]

    def held_ids(self) -> np.ndarray:
        """Entity ids that are still needed here."""
        return np.concatenate([self._entity, *(raised.key >> 32 for raised in self._raised)])

    def renumber(self, entities: np.ndarray) -> None:
        """Follow a renumbering of entities (old id -> new id)."""
        order = np.argsort(entities[self._entity], kind="stable")
        self._entity = entities[self._entity][order].astype(np.int64)
        for name in ("_events", "_peak", "_at_us", "_paged"):
            setattr(self, name, getattr(self, name)[order])
        self._raised = [_moved(raised, entities) for raised in self._raised]

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and settings of a checkpoint: the controller and the open day."""
        arrays, state = self.controller.export()
        own = {
            name: getattr(self, f"_{name}").copy() for name in ("entity", "events", "peak", "at_us", "paged")
        }
        arrays = {f"budget_{name}": array for name, array in arrays.items()} | own
        return arrays, {"controller": state, "every_hours": self.every_hours}

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray], state: dict[str, Any]) -> AlertBook:
        """The book that was exported."""
        book = cls(every_hours=int(state["every_hours"]))
        budget = {k.removeprefix("budget_"): v for k, v in arrays.items() if k.startswith("budget_")}
        book.controller = Controller.restored(budget, state["controller"])
        for name in ("entity", "events", "peak", "at_us", "paged"):
            setattr(book, f"_{name}", arrays[name].copy())
        return book


def _moved(raised: Raised, entities: np.ndarray) -> Raised:
    """The same entity-days by other ids (old id -> new id, 0: gone)."""
    entity = entities[raised.key >> 32].astype(np.int64)
    key = entity << 32 | raised.key & 0xFFFFFFFF
    order = np.argsort(key, kind="stable")
    order = order[entity[order] > 0]
    return Raised(key[order], raised.at_us[order], raised.paged[order], raised.learning[order])
