"""The frame around the unsupervised methods: what someone with labels reaches on the same vectors.

Gradient boosting on the labels of the other organisations, scored on the one that was left out. It is no
competitor (nobody has such labels before the first incident) but says how much the vectors hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.errors import InputError
from training.pedb.vectors import entity_z

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.pedb.truth import Truth
    from training.pedb.vectors import DayMatrix


def supervised_features(days: DayMatrix) -> np.ndarray:
    """(n, E + 2C + 4) float32: log1p evidence by cause, log1p counts, per-entity z of the counts; sum and
    largest of the evidence, age in days, whether it is a host.
    """
    evidence = np.maximum(days.evidence, 0)
    summary = (evidence.sum(axis=1), evidence.max(axis=1, initial=0), days.age_days, days.kind == "host")
    parts = [
        np.log1p(evidence),
        np.log1p(np.maximum(days.counts, 0)),
        entity_z(days),
        np.stack(summary, axis=1),
    ]
    return np.hstack(parts).astype(np.float32)


def supervised_scores(
    organisations: Sequence[DayMatrix], truths: Sequence[Truth], first_days: Sequence[int], seed: int = 0
) -> list[np.ndarray]:
    """Scores of each organisation's entity-days by a model fitted on the judged days of all the others.

    Parameters
    ----------
    organisations, truths
        Vectors and labels, in the same order; at least two, with the same columns and causes.
    first_days
        First judged day of each (days since 1970-01-01); earlier rows are not learned.

    Returns
    -------
    list
        For each organisation (n,) float64, the log-odds; nan for addresses, before the first judged day, and
        for what is withheld.

    Raises
    ------
    InputError
        If there are fewer than two, or their columns differ.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    if len(organisations) < 2:
        raise InputError("a supervised frame is cross-fitted over organisations: give at least two seeds")
    if len({(days.columns, days.causes) for days in organisations}) > 1:
        raise InputError("the organisations' vectors have different columns: score them with one version")
    features, labels, used = [], [], []
    for days, truth, first in zip(organisations, truths, first_days, strict=True):
        keys = list(zip(days.kind.tolist(), days.name.tolist(), days.day.tolist(), strict=True))
        features.append(supervised_features(days))
        labels.append(np.array([key in truth.marks for key in keys], bool))
        withheld = np.array([key in truth.withheld for key in keys], bool)
        used.append((days.day >= first) & (days.kind != "src_ip") & ~withheld)
    scores = []
    for left_out in range(len(organisations)):
        others = [index for index in range(len(organisations)) if index != left_out]
        x = np.concatenate([features[index][used[index]] for index in others])
        y = np.concatenate([labels[index][used[index]] for index in others])
        # about one positive in a hundred: small leaves would learn campaigns by heart
        model = HistGradientBoostingClassifier(
            learning_rate=0.05,
            max_iter=200,
            max_leaf_nodes=15,
            min_samples_leaf=30,
            l2_regularization=5.0,
            early_stopping=False,
            random_state=seed,
        )
        score = np.full(len(features[left_out]), np.nan)
        rows = used[left_out]
        if rows.any() and 0 < y.sum() < len(y):
            score[rows] = model.fit(x, y).decision_function(features[left_out][rows])
        scores.append(score)
    return scores
