"""Which of some counts an event belongs to, as a bit mask, worked out once for each activity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.behaviours import COLUMN
from features.windows import with_room

if TYPE_CHECKING:
    from collections.abc import Callable

    from features.baselines import Baselines
    from features.columns import Batch

ACTIVITY = COLUMN["activity"]


class ActivityBits:
    """Bit masks by value id of the activity text, which names the class too (see `features.columns`).

    Parameters
    ----------
    baselines
        Whose values the ids are.
    bits_of
        Mask of a class_uid and an activity text.
    """

    def __init__(self, baselines: Baselines, bits_of: Callable[[int, str], int]) -> None:
        self._baselines = baselines
        self._bits_of = bits_of
        self.by_id = np.zeros(0, np.int64)
        """int64 (value ids,): masks, -1 where the id has not been met."""

    def meet(self, batch: Batch) -> None:
        """Work out the masks of activities not met before."""
        values = self._baselines.values
        self.by_id = with_room(self.by_id, len(values) + 1, -1)
        ids = batch.columns[:, ACTIVITY]
        unknown = np.flatnonzero(self.by_id[ids] == -1)
        if not len(unknown):
            return
        for row in unknown[np.unique(ids[unknown], return_index=True)[1]].tolist():
            self.by_id[ids[row]] = self._bits_of(int(batch.class_uid[row]), values[int(ids[row])])

    def of(self, batch: Batch) -> np.ndarray:
        """Mask of each event, int64 (n,); 0 for values that were invented and are in no table."""
        ids = batch.columns[:, ACTIVITY]
        known = ids <= len(self._baselines.values)
        self.meet(batch if known.all() else batch.take(known))
        masks = np.zeros(len(ids), np.int64)
        masks[known] = self.by_id[ids[known]]
        return masks

    def forget(self) -> None:
        """Ids mean something else now."""
        self.by_id = np.zeros(0, np.int64)
