"""PyOD's detectors (Zhao, Nasrullah, Li, JMLR 2019) with their default settings, in two views of the counts.

"global": log1p counts, standardised over everybody's past days. "own": deviations of each entity from its own
past days, as `training.pedb.vectors.entity_z` has them, also standardised.
"""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.peers.common import Peer, blocks, logarithms, own_deviations, standardised

if TYPE_CHECKING:
    from training.pedb.vectors import DayMatrix

SEED = 0
NAMES = ("IForest", "ECOD", "KNN", "HBOS", "LODA")
VIEWS = {"global": logarithms, "own": own_deviations}


def detector_of(name: str) -> Any:
    """A new PyOD detector, seeded if it draws."""
    from pyod.models.ecod import ECOD
    from pyod.models.hbos import HBOS
    from pyod.models.iforest import IForest
    from pyod.models.knn import KNN
    from pyod.models.loda import LODA

    return {
        "IForest": partial(IForest, random_state=SEED),
        "ECOD": ECOD,
        "KNN": KNN,
        "HBOS": HBOS,
        "LODA": partial(LODA, random_state=SEED),
    }[name]()


def batch_score(name: str, view: str, days: DayMatrix, test_days: np.ndarray) -> np.ndarray:
    """Scores of one PyOD detector, fitted anew each week on what is past."""
    x = VIEWS[view](days)
    score = np.full(len(x), np.nan)
    for past, rows in blocks(days, test_days, SEED):
        if len(past) < 2 or not len(rows):
            continue
        scaled = standardised(x, past)
        # a column that never varied can surprise nobody, and breaks histograms
        varied = scaled[past].std(axis=0) > 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            detector = detector_of(name).fit(scaled[past][:, varied])
            score[rows] = np.nan_to_num(detector.decision_function(scaled[rows][:, varied]), posinf=1e9)
    return score


BATCH_PEERS: dict[str, Peer] = {
    f"PyOD {name}, {view}": partial(batch_score, name, view) for name in NAMES for view in VIEWS
}
