"""How little is known about whether findings of a cause are ever true: what another verdict would teach.

A cause whose leading entity-days were judged true t times and harmless f times has a precision of
Beta(t + 1, f + 1); its variance is what is not known, 1/12 before any verdict, and falls with each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.feedback.feedback import HARMLESS, TRUE_POSITIVE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.feedback.feedback import Verdict

NOTHING = ""
"""Leading cause of an entity-day of which no single thing was odd."""


def variances(verdicts: Iterable[Verdict]) -> dict[str, float]:
    """Variance of the precision by leading cause, of causes that were judged."""
    counts: dict[str, list[int]] = {}
    for verdict in verdicts:
        if verdict.verdict_id == TRUE_POSITIVE or verdict.verdict_id in HARMLESS:
            lead = max(sorted(verdict.evidence), key=lambda cause: verdict.evidence[cause], default=NOTHING)
            counts.setdefault(lead, [1, 1])[verdict.verdict_id != TRUE_POSITIVE] += 1
    return {lead: a * b / ((a + b) ** 2 * (a + b + 1)) for lead, (a, b) in counts.items()}


def unknown(verdicts: Iterable[Verdict], causes: tuple[str, ...], evidence: np.ndarray) -> np.ndarray:
    """Variance of the precision of what says most of each entity-day, float64 (n,).

    evidence: (n, causes) nats beyond the everyday.
    """
    known = variances(verdicts)
    of_cause = np.array([known.get(cause, 1.0 / 12.0) for cause in (*causes, NOTHING)])
    if not len(evidence):
        return np.zeros(0)
    lead = np.where(evidence.max(axis=1) > 0, evidence.argmax(axis=1), len(causes))
    return np.asarray(of_cause[lead], np.float64)
