"""Weights by cause, fitted to verdicts: how much people found each kind of evidence to be worth.

    log odds of an attack = a + sum of theta_c x_c,      x_c: part of the day's evidence that cause c gave
    weight_c = exp(theta_c - their mean), within [1 / BOUND, BOUND]

theta is centred at 0, where all weights are equal and the ranking is the present one: its prior is normal
with a deviation of which two reach the bound. The mean is over what the causes gave, so a typical day keeps
its risk and the alert line its meaning. One form, two fits that learn from the same lessons:

  online   river's logistic regression, one step for each verdict in the order in which they were given
  batch    scikit-learn's logistic regression over all of them, the posterior mode

Both are functions of the lessons alone, so the same verdicts give the same weights, bit for bit on one
machine.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np

from features.errors import InputError, StateError
from models.feedback.weights import BOUND, Seen, Weights, checked, leading, shares
from training import bundle as bundles
from training.manifest import CARD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from training.bundle import Bundle
    from training.labels import Lesson
    from training.manifest import Manifest

ONLINE, BATCH = "online", "batch"
FITS = (BATCH, ONLINE)
SPREAD = math.log(BOUND) / 2.0
"""Deviation of the prior of a log weight."""
LEAST_JUDGED, LEAST_OF_EACH = 50, 10
"""Judged entity-days, and attacks and harmless ones among them, below which nothing is fitted: with fewer, a
dozen causes fit anything.
"""
RATE = 0.1
"""Step of the online fit: after about ten verdicts on a cause a first opinion."""
SUFFIX = ".weights"
"""Behind a tenant's name: the registered model of its weights."""
SCHEMA = "weights-1"
CAUSES, VALUES, SETTINGS = "causes", "weights", "weights"


class Fit(Protocol):
    """What learns weights, one lesson after the other."""

    def learn_one(self, evidence: Mapping[str, float], true: bool) -> None:
        """Take in what people said of an entity-day."""

    def log_weights(self) -> dict[str, float]:
        """Log weight by cause, not yet centred or bounded; a cause without opinion is missing or 0."""


class Online:
    """One gradient step a verdict (river)."""

    def __init__(self) -> None:
        from river import linear_model, optim

        # the penalty of as many steps as there must be verdicts is the prior's
        self._model = linear_model.LogisticRegression(
            optimizer=optim.SGD(RATE), l2=1.0 / (SPREAD**2 * LEAST_JUDGED), intercept_lr=RATE
        )

    def learn_one(self, evidence: Mapping[str, float], true: bool) -> None:
        """See `Fit`."""
        self._model.learn_one(shares(evidence), true)

    def log_weights(self) -> dict[str, float]:
        """See `Fit`."""
        return {cause: float(theta) for cause, theta in sorted(self._model.weights.items())}


class Batch:
    """The posterior mode over all verdicts so far (scikit-learn); fitted when it is asked. O(verdicts)."""

    def __init__(self) -> None:
        self._rows: list[dict[str, float]] = []
        self._true: list[bool] = []

    def learn_one(self, evidence: Mapping[str, float], true: bool) -> None:
        """See `Fit`."""
        self._rows.append(shares(evidence))
        self._true.append(true)

    def log_weights(self) -> dict[str, float]:
        """See `Fit`."""
        from sklearn.linear_model import LogisticRegression

        causes = sorted({cause for row in self._rows for cause in row})
        if not causes or len(set(self._true)) < 2:
            return {}
        column = {cause: place for place, cause in enumerate(causes)}
        table = np.zeros((len(self._rows), len(causes)))
        for number, row in enumerate(self._rows):
            for cause, share in row.items():
                table[number, column[cause]] = share
        # its objective is C times the losses and half the squares: C is the prior's variance
        model = LogisticRegression(C=SPREAD**2, solver="newton-cholesky", tol=1e-9).fit(table, self._true)
        return dict(zip(causes, model.coef_[0].tolist(), strict=True))


class Learner:
    """A fit with what has to be known to make weights of it. fit: one of FITS."""

    def __init__(self, fit: str) -> None:
        self.fit = fit
        self._fit: Fit = Online() if fit == ONLINE else Batch()
        self._given: dict[str, float] = {}
        self._seen: dict[str, list[int]] = {}
        self._until_us = 0
        self.count = [0, 0]

    def learn(self, lesson: Lesson) -> None:
        """Take in a lesson; one without evidence or opinion teaches nothing."""
        if lesson.true is None or not lesson.evidence:
            return
        self._fit.learn_one(lesson.evidence, lesson.true)
        for cause, share in shares(lesson.evidence).items():
            self._given[cause] = self._given.get(cause, 0.0) + share
        seen = self._seen.setdefault(leading(lesson.evidence), [0, 0])
        seen[0] += lesson.true
        seen[1] += 1
        self.count[lesson.true] += 1
        self._until_us = max(self._until_us, lesson.at_us)

    @property
    def lacks(self) -> str:
        """What is missing before anything can be fitted, "" when nothing is."""
        harmless, true = self.count
        if harmless + true < LEAST_JUDGED:
            return f"needs {LEAST_JUDGED} judged entity-days with evidence, has {harmless + true}"
        for count, name in ((true, "attacks"), (harmless, "harmless ones")):
            if count < LEAST_OF_EACH:
                return f"needs {LEAST_OF_EACH} {name} among the verdicts, has {count}"
        return ""

    def weights(self) -> Weights:
        """The weights as of now."""
        found = self._fit.log_weights()
        total = sum(self._given.values())
        mean = sum(found.get(cause, 0.0) * given for cause, given in sorted(self._given.items()))
        mean = mean / total if total > 0 else 0.0
        by_cause = {
            cause: min(max(math.exp(found.get(cause, 0.0) - mean), 1.0 / BOUND), BOUND)
            for cause in sorted(self._given)
        }
        seen = {cause: Seen(*counts) for cause, counts in sorted(self._seen.items()) if cause}
        until = str(np.datetime64(self._until_us, "us").astype("datetime64[D]"))
        return Weights(by_cause=by_cause, seen=seen, fit=self.fit, until=until)


def fitted(lessons: Sequence[Lesson], fit: str) -> Weights:
    """Weights of all lessons, which are taken in their order."""
    learner = Learner(fit)
    for lesson in lessons:
        learner.learn(lesson)
    return learner.weights()


# ---------------------------------------------------------------------------------------------------- bundles


def write(
    folder: Path,
    name: str,
    weights: Weights,
    lessons: Sequence[Lesson],
    metrics: Mapping[str, float | None],
    card: str,
) -> Bundle:
    """Write weights as a bundle into a folder that does not exist yet; see `training.bundle.write`."""
    days = [lesson.day for lesson in lessons] or [0]
    first, last = (f"{np.datetime64(day, 'D')}T00:00:00.000000Z" for day in (min(days), max(days)))
    causes = sorted(weights.by_cause)
    values = np.array([weights.by_cause[cause] for cause in causes], np.float64)
    settings: dict[str, Any] = {CAUSES: causes, SETTINGS: json.loads(weights.encoded())}
    facts = bundles.Facts(name, first, last, len(lessons), (), metrics)
    return bundles.write_parts(folder, {VALUES: values}, settings, SCHEMA, (), facts, {CARD: card.encode()})


def holds_weights(bundle: Bundle) -> bool:
    """Whether a bundle is one of weights, and not of a detector."""
    return bundle.manifest.feature_schema == SCHEMA


def load(folder: Path, digest: str = "") -> Weights:
    """The weights of a bundle; StateError when it is damaged, foreign or out of bounds."""
    arrays, settings, _ = bundles.load_parts(folder, digest, _of_weights)
    try:
        weights = checked(msgspec.convert(settings[SETTINGS], Weights))
        same = [weights.by_cause[cause] for cause in settings[CAUSES]] == arrays[VALUES].tolist()
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise StateError(f"{folder}: lacks or contradicts a part of its weights ({error})") from error
    if not same or len(settings[CAUSES]) != len(weights.by_cause):
        raise StateError(f"{folder}: its weights contradict each other; fetch it again or retrain")
    return weights


def _of_weights(folder: Path, manifest: Manifest) -> None:
    if manifest.feature_schema != SCHEMA:
        raise StateError(f"{folder}: holds no weights of feedback; `habitus retrain` registers some")
