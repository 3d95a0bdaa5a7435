"""Weights by cause: how far people's verdicts trust each kind of evidence, within narrow bounds.

An entity-day with evidence e_c (nats beyond the everyday by cause) has its risk multiplied by

    (sum of w_c e_c + EASE) / (sum of e_c + EASE),        1 / BOUND <= w_c <= BOUND,

so no set of weights can more than double or halve a risk, and a day without findings keeps its own. Without
weights every w_c is 1. Weights are data: they are fitted elsewhere (`training.reranker`), let in by a gate,
and hold until they are replaced or ended.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from features.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

BOUND = 2.0
"""Most that a weight is above or below 1, as a factor: e.g. the worst that wrong verdicts can do."""
EASE = 0.5
"""Nats beyond the everyday: an entity-day of less evidence is not judged by it."""
MOST_CAUSES = 1_000
MOST_TEXT = 100


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Judged entity-days of which a cause said most: how many were an attack, and how many there were."""

    true: int
    judged: int


class Weights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Weights of one tenant.

    Attributes
    ----------
    by_cause
        Weight by cause (`models.channels.Channels.causes`), from 1 / BOUND to BOUND; a cause that is not here
        has 1, and one that this version does not know is of no effect.
    seen
        What people said, by cause.
    fit
        How they were made: "online" or "batch".
    until
        Day (ISO, UTC) of the newest verdict behind them.
    """

    by_cause: dict[str, float]
    seen: dict[str, Seen] = {}
    fit: str = ""
    until: str = ""

    def of(self, causes: tuple[str, ...]) -> np.ndarray:
        """Weights of causes in their order, float64 (causes,)."""
        return np.array([self.by_cause.get(cause, 1.0) for cause in causes])

    def encoded(self) -> bytes:
        """As JSON, always the same for the same weights."""
        return msgspec.json.encode(self, order="sorted")

    def said(self, cause: str) -> str:
        """In words what a cause's weight does, and why."""
        weight = self.by_cause.get(cause, 1.0)
        seen = self.seen.get(cause)
        why = "" if seen is None else f": {seen.true} of {seen.judged} verdicts on it were true"
        return f"{cause} x {weight:.2f}{why}"


def checked(weights: Weights) -> Weights:
    """The weights as they are; InputError, saying which, when one is out of bounds."""
    if len(weights.by_cause) > MOST_CAUSES or len(weights.seen) > MOST_CAUSES:
        raise InputError(f"weights of more than {MOST_CAUSES:,} causes: no version of habitus has so many")
    for cause, weight in sorted(weights.by_cause.items()):
        if not (math.isfinite(weight) and 1.0 / BOUND <= weight <= BOUND):
            raise InputError(
                f"the weight of {cause[:MOST_TEXT]!r} is {weight}: give one from {1.0 / BOUND:g} to {BOUND:g}"
            )
    for text in (weights.fit, weights.until, *weights.by_cause, *weights.seen):
        if len(text) > MOST_TEXT or not text.isprintable():
            raise InputError(f"weights: {text[:MOST_TEXT]!r} is no name of a cause, a fit or a day")
    return weights


def decoded(content: bytes) -> Weights | None:
    """Weights from JSON, None for `null`; InputError when it is something else."""
    try:
        weights = msgspec.json.decode(content, type=Weights | None)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(
            f"these are no weights ({str(error)[:160]}); give by_cause, as `habitus retrain` writes them"
        ) from error
    return None if weights is None else checked(weights)


def factor(by_cause: np.ndarray, evidence: np.ndarray, left: np.ndarray) -> np.ndarray:
    """What is left of the risk, float64 (n,).

    by_cause: float64 (causes,). evidence, left: float64 (n, causes) nats, all of them and those that count.
    """
    return np.asarray(((left * by_cause).sum(axis=1) + EASE) / (evidence.sum(axis=1) + EASE))


def shares(evidence: Mapping[str, float]) -> dict[str, float]:
    """What part of an entity-day's evidence each cause gave; the sum stays below 1 for want of evidence."""
    total = sum(nats for nats in evidence.values() if nats > 0) + EASE
    return {cause: nats / total for cause, nats in sorted(evidence.items()) if nats > 0}


def leading(evidence: Mapping[str, float]) -> str:
    """The cause that gave most, the first by name of equal ones; "" without evidence."""
    found = {cause: nats for cause, nats in evidence.items() if nats > 0}
    return max(sorted(found), key=lambda cause: found[cause], default="")
