"""The second model of a tenant: a challenger in shadow, or the former champion while it can be had back.

It scores and learns what the serving one does, in the same order, and is told the same of verdicts,
exceptions and unlearning. Nothing that it says reaches anybody but the report of differences. What it becomes
does not depend on which of the two serves: so a model that is taken back scores as if it had served all the
time.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.behaviours import VALUE_COLUMNS
from features.errors import StateError
from features.translate import Translator
from models.detector import Detector
from models.feedback.feedback import Feedback
from serving.days import DAY_US
from serving.following.differences import KEPT_DAYS, compared
from serving.following.orders import Mark
from serving.judgement import Bench, Labels, nobody
from serving.learned import NUMBERED, Window, take_back
from serving.triage.words import TRUE_POSITIVE
from serving.unlearning import Past, unlearn
from training.events_table import batch_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from features.columns import Batch
    from features.enrich import GeoDatabase
    from serving.following.orders import Shadow
    from serving.journal import Entry
    from serving.judgement import Partners

PREFIX = "second/"
ROWS = 1 << 16
"""Rows that are learned at once while catching up; part of what a replay has to do alike."""
NO_KEYS = {"seen_current": np.zeros(0, np.uint64), "seen_previous": np.zeros(0, np.uint64)}


class Beside:
    """A model beside the one that serves.

    Parameters
    ----------
    mark
        Which one it is.
    detector, labels, past
        What it has learned, the verdicts that hold for it and what they moved, and what was unlearned.
    since_us
        When it came to stand beside (receipt of that entry, microseconds UTC).
    has_served
        Whether it is the former champion.
    """

    def __init__(
        self,
        mark: Mark,
        detector: Detector,
        labels: Labels,
        past: Past,
        since_us: int,
        *,
        has_served: bool = False,
    ) -> None:
        self.mark = mark
        self.detector = detector
        self.labels = labels
        self.past = past
        self.since_us = since_us
        self.has_served = has_served
        self.report: deque[dict[str, Any]] = deque(maxlen=KEPT_DAYS)
        """Differences by closed day, see `serving.following.differences.compared`."""
        self._translator: Translator | None = None

    def translator(self, serving: Detector) -> Translator:
        """From the ids of the model that serves to those of this one."""
        known = self._translator
        if (
            known is None
            or known.source is not serving.baselines
            or known.target is not self.detector.baselines
        ):
            known = self._translator = Translator(serving.baselines, self.detector.baselines)
        return known

    # ------------------------------------------------------------------------------------------------ events

    def score(self, batch: Batch, serving: Detector) -> None:
        """Score and learn events that the serving model has scored, given in its ids."""
        self.detector.score_learn(self.translator(serving).batch(batch))

    def day_closes(self, tenant: str, serving: pd.DataFrame, today: int) -> None:
        """Note where the two differed on days before today, and forget them. serving: its entity-days."""
        own = self.detector.entity_days(tenant)
        days = serving["day"].to_numpy("datetime64[D]").astype(np.int64)
        noted = {row["day"] for row in self.report}
        for day in np.unique(days[days < today]).tolist():
            found = compared(serving, own, day)
            if found is not None and found["day"] not in noted:
                self.report.append(found)
        self.detector.days.forget(today)

    # -------------------------------------------------------------------------------------------- operations

    def bench(self, recall: Callable[[Window], pa.Table], partners: Partners = nobody) -> Bench:
        """What verdicts work on. Which events a model held back is its own affair: all rows of a window are
        looked for among them.
        """

        def all_may_be_held(window: Window) -> pa.Table:
            rows = recall(window)
            place = rows.schema.get_field_index("held")
            return rows.set_column(place, "held", pa.array(np.ones(len(rows), np.bool_)))

        return Bench(self.detector, self.labels, self.past, all_may_be_held, partners)

    def unlearn(self, entry: Entry, scored: int, recall: Callable[[Window], pa.Table]) -> None:
        """Apply the unlearning that the serving model has applied."""
        body = entry.operation.body
        unlearn(self.detector, body, self.past, scored, recall, self.labels.without_kept_out)

    # ------------------------------------------------------------------------------------------------- state

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays (copies) and settings of a checkpoint, without what belongs to the door."""
        arrays, settings = self.detector.export()
        arrays = {PREFIX + name: np.array(array, copy=True) for name, array in (arrays | NO_KEYS).items()}
        return arrays, {
            "mark": msgspec.to_builtins(self.mark),
            "detector": settings | {"key_seed": 0, "sids": {}},
            "unlearned": self.past.export(),
            **self.labels.export(),
            "since_us": self.since_us,
            "has_served": self.has_served,
            "report": list(self.report),
        }

    @classmethod
    def restored(
        cls, arrays: Mapping[str, np.ndarray], own: Mapping[str, Any], place: str, geo: GeoDatabase
    ) -> Beside:
        """What was exported; StateError when it lacks or contradicts a part."""
        mine = {name.removeprefix(PREFIX): array for name, array in arrays.items() if name.startswith(PREFIX)}
        try:
            detector = Detector.restored(mine, own["detector"], f"{place} (second model)", geo=geo)
            found = cls(
                Mark(**own["mark"]),
                detector,
                Labels(own),
                Past(own["unlearned"]),
                int(own["since_us"]),
                has_served=bool(own["has_served"]),
            )
            found.report.extend(own["report"])
        except (KeyError, TypeError, ValueError) as error:
            raise StateError(
                f"the second model of {place} lacks or contradicts a part ({error!r})"
            ) from error
        return found


# ------------------------------------------------------------------------------------------- catching up


def learn_rows(detector: Detector, rows: pa.Table, until_us: int) -> int:
    """Score and learn rows (`serving.learned.NUMBERED`, by number) that happened after a moment, as they were
    scored; returns how many. Ids do not depend on how the rows were cut into files.
    """
    rows = rows.filter(pc.greater(rows["time_us"], until_us))
    for first in range(0, len(rows), ROWS):
        detector.keep_house()
        part = rows.slice(first, ROWS)
        for name in VALUE_COLUMNS:
            place = part.schema.get_field_index(name)
            part = part.set_column(place, name, part[name].cast(pa.string()))
        detector.score_learn(batch_of(part, detector.baselines))
    return len(rows)


def joining(
    order: Shadow,
    detector: Detector,
    labels: Labels,
    past: Past,
    feedback: Feedback,
    behind: Callable[[int], pa.Table],
    recall: Callable[[Window], pa.Table],
    received_us: int,
) -> Beside:
    """A prepared model, brought to where the tenant is.

    Parameters
    ----------
    detector
        As it was prepared; it shares the tenant's door already.
    labels, past, feedback
        The tenant's; copied.
    behind
        Rows from a number on.
    recall
        Rows of a window.
    received_us
        When the order came in.

    1 what was scored since it was prepared is learned, 2 what people said holds for it too, 3 what was taken
    back, or kept out, is no longer known to it.
    """
    learn_rows(detector, behind(order.base), order.until_us)  # 1
    detector.days.feedback = Feedback.restored(feedback.export())  # 2
    own, done = labels.kept_out_only(), Past(past.export())
    taken = [done.taken(recall)]  # 3
    for label in own.all():
        if label.covers_the_day and label.verdict_id == TRUE_POSITIVE:
            start_us = label.day * DAY_US
            window = Window(label.entity_kind, label.entity, start_us, start_us + DAY_US)
            taken.append(own.kept_out(recall(window)))
    rows = pa.concat_tables([NUMBERED.empty_table(), *(part.cast(NUMBERED) for part in taken)])
    rows = rows.filter(pc.greater_equal(rows["time_us"], order.from_us))
    first = np.unique(rows["number"].to_numpy(), return_index=True)[1]
    take_back(detector, rows.take(pa.array(first)))
    return Beside(order.mark, detector, own, done, received_us)
