"""The dormancy channel: an entity that comes back after a silence that is long for it.

From the share p of days on which it was active (half a day added to each side), a silence of g days has
probability (1 - p)^(g - 1); that is the raw evidence, calibrated among all returns of the kind: after
holidays many come back, after months few.
"""

from __future__ import annotations

from math import log1p
from typing import TYPE_CHECKING

from numba import njit

from models.calibration import THRESHOLD_NATS, Histograms, bin_of, calibrated, observe

if TYPE_CHECKING:
    import numpy as np

    from features.windows import Known

LEAST_GAP_DAYS = 3
LEAST_ACTIVE_DAYS = 3
MOST_NATS = 19.0


@njit(cache=True)
def observe_returns(
    known: Known,
    histograms: Histograms,
    kind_of: np.ndarray,
    entity: np.ndarray,
    day: int,
    weight: float,
    decay: float,
    found: np.ndarray,
    found_raw: np.ndarray,
    found_nats: np.ndarray,
    found_counts: np.ndarray,
) -> int:
    """Take in the entities that were seen for the first time today; returns the number of findings.

    found: places in `entity`. counts: days of silence, active days, days from first to last.
    """
    produced = 0
    for place in range(entity.shape[0]):
        who = entity[place]
        last, first, active = known.last[who], known.first[who], known.active[who]
        if last >= 0 and day - last >= LEAST_GAP_DAYS and active >= LEAST_ACTIVE_DAYS:
            gap = day - last
            span = last - first + 1
            share = (active + 0.5) / (span + 1.0)
            raw = min(-(gap - 1) * log1p(-min(share, 0.95)), MOST_NATS)
            kind = kind_of[who]
            nats = calibrated(histograms, kind, bin_of(raw), raw, decay)
            observe(histograms, kind, bin_of(raw), weight)
            if nats > THRESHOLD_NATS:
                found[produced] = place
                found_raw[produced] = raw
                found_nats[produced] = nats
                found_counts[produced, 0] = gap
                found_counts[produced, 1] = active
                found_counts[produced, 2] = span
                produced += 1
        if last < 0:
            known.first[who] = day
        if day > last:
            known.last[who] = day
            known.active[who] += 1
    return produced
