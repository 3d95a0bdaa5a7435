"""The travel channel: two sign-ins of one person that lie too far apart for the time between them.

Great-circle distance between the two countries, less the radius of each (features.places), over the time
between the sign-ins. Speeds that an airliner reaches are no evidence. Whoever jumps often (a VPN beside a
telephone) is believed: raw evidence is divided by one plus the entity's own jumps of the past.
"""

from __future__ import annotations

from math import log

import numpy as np
from numba import njit

from models.calibration import THRESHOLD_NATS, Histograms, bin_of, calibrated, observe

AIRLINER_KM_H = 900.0
LEAST_KM = 300.0
LEAST_HOURS = 1.0 / 60.0
JUMP_HALF_LIFE_DAYS = 30.0


@njit(cache=True, nogil=True)
def observe_travel(
    last_us: np.ndarray,
    last_country: np.ndarray,
    jumps: np.ndarray,
    histograms: Histograms,
    entity: np.ndarray,
    country: np.ndarray,
    time_us: np.ndarray,
    distance_km: np.ndarray,
    weight: float,
    decay: float,
    found_row: np.ndarray,
    found_raw: np.ndarray,
    found_nats: np.ndarray,
    found_counts: np.ndarray,
) -> int:
    """Take in located sign-ins; returns the number of findings.

    last_us, last_country, jumps: by entity id (country -1: none yet; jumps decayed as of last_us). country:
    index into distance_km, -1 unknown.
    """
    produced = 0
    for row in range(entity.shape[0]):
        who = entity[row]
        if who == 0 or country[row] < 0:
            continue
        before = last_country[who]
        hours = (time_us[row] - last_us[who]) / 3.6e9
        if before >= 0 and hours < 0.0:
            continue
        if before >= 0:
            jumps[who] *= 2.0 ** (-hours / 24.0 / JUMP_HALF_LIFE_DAYS)
        if before >= 0 and before != country[row]:
            away = np.float64(distance_km[before, country[row]])
            speed = away / max(hours, LEAST_HOURS)
            raw = 0.0
            if away >= LEAST_KM and speed > AIRLINER_KM_H:
                raw = (2.0 + 2.0 * log(speed / AIRLINER_KM_H)) / (1.0 + jumps[who])
            bin_index = bin_of(raw)
            nats = calibrated(histograms, 0, bin_index, raw, decay)
            observe(histograms, 0, bin_index, weight)
            if raw > 0.0:
                if nats > THRESHOLD_NATS:
                    found_row[produced] = row
                    found_raw[produced] = raw
                    found_nats[produced] = nats
                    found_counts[produced, 0] = away
                    found_counts[produced, 1] = hours
                    found_counts[produced, 2] = before
                    found_counts[produced, 3] = jumps[who]
                    produced += 1
                jumps[who] += 1.0
        last_country[who] = country[row]
        last_us[who] = time_us[row]
    return produced
