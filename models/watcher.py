"""Who is told what a detector comes to while it works: receipts are written and incidents are kept this way.

Everything is told at moments of event time, so how events are cut into batches changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from features.columns import Batch
    from models.days import DayTable


class Watcher:
    """Does nothing; whoever wants to be told overrides what it needs. Must not change the detector."""

    def scored(self, batch: Batch) -> None:
        """Events were scored and learned, none of them across a mark (`models.alerts`)."""

    def marked(self, raised: DayTable, risk: np.ndarray) -> None:
        """A mark was passed.

        Parameters
        ----------
        raised
            Everything that was raised so far on the open day, as it is now, by entity id; not empty.
        risk
            float64 (n,) after feedback.
        """

    def closed(self, table: DayTable, risk: np.ndarray) -> None:
        """A day is over: its alerts are raised, and nothing is fitted on it yet.

        Parameters
        ----------
        table
            All of its entity-days, by entity id.
        risk
            float64 (n,) after feedback.
        """

    def renumbered(self, entities: np.ndarray) -> None:
        """Entity ids were given anew: old id -> new id, 0 for those that are gone."""
