"""Detection metrics that scikit-learn does not have in the form the field reports them."""

from __future__ import annotations

import numpy as np


def recall_at_fpr(truth: np.ndarray, scores: np.ndarray, rate: float) -> float:
    """Share of positives above the threshold that lets at most `rate` of the negatives through.

    truth: (n,) 0 or 1. scores: (n,) higher is stranger. Ties at the threshold count as not detected, so that
    a constant score has recall 0.
    """
    negatives = np.sort(scores[truth == 0])[::-1]
    allowed = int(rate * len(negatives))
    threshold = negatives[allowed] if allowed < len(negatives) else -np.inf
    return float(np.mean(scores[truth == 1] > threshold))
