"""Whether today's organisation is still the one that a model was trained on.

Two looks, both pure functions over what a replay gives:

- population stability of every day count, by kind of entity: psi = sum (o - e) ln(o / e) over bins that held
  equal shares in training (Siddiqi, "Credit Risk Scorecards", 2006: below 0.1 nothing, 0.1 to 0.25 some,
  above 0.25 a shift). With few entity-days psi is large by chance: without any drift it is distributed as
  (1/n + 1/m) chi-squared with bins - 1 degrees of freedom (Yurdakul, Naranjo, "Statistical properties of the
  population stability index", Journal of Risk Model Validation 14(4), 2020), so it must be beyond
  that as well.
- the calibrated outputs: ADWIN (Bifet, Gavalda, "Learning from time-changing data with adaptive windowing",
  SDM 2007) over the tail probabilities of closed days.

A drift changes nothing by itself: it is a reason to train a challenger, which the report proposes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from features.behaviours import ENTITY_KINDS
from features.errors import StateError
from features.measures import COUNTS
from models.ranking.streaming import DriftWatch
from training import stability

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from training.harvest import Sample

BINS = 10
SOME, SHIFT = 0.1, 0.25
CHANCE = 0.001
"""Probability with which chance alone would be taken for a drift, for one feature."""
RISK = "risk"
LEAST_ROWS = 50
SHARE_THAT_MATTERS = 0.1
"""Share of the compared features with a shift from which retraining is proposed."""


class FeatureReference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a feature was distributed in training.

    kind: of entity. feature: a name of `features.measures.COUNTS`, or "risk". edges: ascending inner edges
    of the bins; a value equal to an edge lies above it. shares: of the rows in each bin, one more than edges.
    rows: entity-days they were counted on.
    """

    kind: str
    feature: str
    edges: list[float]
    shares: list[float]
    rows: int


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the newest training days looked like. days: how many, newest_day: the last, since 1970-01-01."""

    days: int
    newest_day: int
    features: list[FeatureReference]


class DriftReport(msgspec.Struct, frozen=True):
    """What has changed. features: dicts with kind, feature, psi, chance (what psi may be without a drift),
    verdict (none, some, shift), strongest first. drifted_days: days since 1970 on which the calibrated
    outputs changed. proposal: what to do, "" for nothing.
    """

    days: int
    entity_days: int
    features: list[dict[str, object]]
    drifted_days: list[int]
    proposal: str

    @property
    def shifted(self) -> list[dict[str, object]]:
        """Features with a shift."""
        return [row for row in self.features if row["verdict"] == "shift"]

    def frame(self) -> pd.DataFrame:
        """The features as a table."""
        import pandas as pd

        return pd.DataFrame(self.features, columns=["kind", "feature", "psi", "chance", "verdict"])


def reference_of(samples: Sequence[Sample]) -> Reference:
    """The reference that a model keeps of its newest training days; O(rows x features)."""
    found = []
    for kind, name in enumerate(ENTITY_KINDS):
        columns = _columns(samples, kind)
        for feature, values in columns.items():
            if len(values) < LEAST_ROWS:
                continue
            edges = _edges(values)
            shares = _counts(values, edges) / len(values)
            found.append(
                FeatureReference(
                    name, feature, [float(e) for e in edges], [float(s) for s in shares], len(values)
                )
            )
    days = [sample.day for sample in samples]
    return Reference(len(days), max(days, default=-1), found)


class Moved(NamedTuple):
    """psi: population stability index. chance: what it may be without a drift."""

    psi: float
    chance: float


def between(before: np.ndarray, recent: np.ndarray) -> Moved | None:
    """How far recent values are from those before them, float64 (n,) and (m,); None with fewer than
    `LEAST_ROWS` of either.
    """
    if min(len(before), len(recent)) < LEAST_ROWS:
        return None
    edges = _edges(before)
    index = psi(_counts(before, edges), _counts(recent, edges))
    return Moved(index, by_chance(len(edges) + 1, len(before), len(recent)))


def psi(expected: np.ndarray, observed: np.ndarray) -> float:
    """Population stability index of counts or shares in the same bins; half an entity-day is added to every
    bin, so that an empty one does not make it infinite.

    expected, observed: float64 (bins,) counts.
    """
    e = (expected + 0.5) / (expected + 0.5).sum()
    o = (observed + 0.5) / (observed + 0.5).sum()
    return float(((o - e) * np.log(o / e)).sum())


def by_chance(bins: int, expected_rows: int, observed_rows: int) -> float:
    """Psi that is exceeded without any drift with the probability `CHANCE`."""
    from scipy.stats import chi2

    scale = 1.0 / max(expected_rows, 1) + 1.0 / max(observed_rows, 1)
    return float(scale * chi2.ppf(1.0 - CHANCE, max(bins - 1, 1)))


def drift(reference: Reference, samples: Sequence[Sample], days: pd.DataFrame) -> DriftReport:
    """Compare what a replay gave with a model's reference.

    Parameters
    ----------
    samples, days
        Of `training.fit.replay`, days after the model's training only.
    """
    features: list[dict[str, object]] = []
    for one in reference.features:
        values = _columns(samples, ENTITY_KINDS.index(one.kind)).get(one.feature, np.zeros(0))
        if len(values) < LEAST_ROWS:
            continue
        shares = np.array(one.shares)
        index = psi(shares * one.rows, _counts(values, np.array(one.edges)))
        chance = by_chance(len(shares), one.rows, len(values))
        verdict = "none"
        if index > max(SOME, chance):
            verdict = "shift" if index > max(SHIFT, chance) else "some"
        features.append(
            {"kind": one.kind, "feature": one.feature, "psi": index, "chance": chance, "verdict": verdict}
        )
    features.sort(key=lambda row: (-float(str(row["psi"])), str(row["kind"]), str(row["feature"])))
    moved = changed_days(days)
    shifted = sum(row["verdict"] == "shift" for row in features)
    proposal = ""
    if features and shifted >= SHARE_THAT_MATTERS * len(features):
        proposal = (
            f"{shifted} of {len(features)} features shifted: train a challenger on recent history"
            " (`habitus train`) and let `habitus promote` compare them"
        )
    elif any(row["feature"] == RISK and row["verdict"] == "shift" for row in features):
        proposal = (
            "the risk itself shifted: look at the alert rate, and train a challenger if it stays"
            " (`habitus train`)"
        )
    return DriftReport(len(samples), len(days), features, moved, proposal)


def changed_days(days: pd.DataFrame) -> list[int]:
    """Days (since 1970-01-01) after which ADWIN saw that the tail probabilities had changed; users and hosts
    only, entity-days of a day in order of their names.
    """
    people = stability.people(days).sort_values(["day", "entity_kind", "entity"], kind="stable")
    number, risk = stability.day_numbers(people), people["risk"].to_numpy(np.float64)
    watch = DriftWatch()
    return [day for day in np.unique(number).tolist() if watch.learn(risk[number == day])]


def encoded(reference: Reference) -> bytes:
    """As JSON, always the same bytes."""
    return msgspec.json.encode(reference, order="sorted")


def decoded(content: bytes, place: str) -> Reference:
    """From JSON; StateError when it is something else."""
    try:
        reference = msgspec.json.decode(content, type=Reference)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise StateError(f"{place}: is no reference of a model ({str(error)[:120]})") from error
    for one in reference.features:
        if one.kind not in ENTITY_KINDS or len(one.shares) != len(one.edges) + 1 or one.rows < 1:
            raise StateError(f"{place}: {one.kind[:16]} {one.feature[:32]} contradicts itself")
    return reference


def _columns(samples: Sequence[Sample], kind: int) -> dict[str, np.ndarray]:
    """Features of a kind's rows by name, float64; the risk among them."""
    parts = [(sample.counts[sample.kind == kind], sample.risk[sample.kind == kind]) for sample in samples]
    if not parts:
        return {}
    counts = np.concatenate([part[0] for part in parts]).astype(np.float64)
    columns = {name: counts[:, index] for index, name in enumerate(COUNTS)}
    return columns | {RISK: np.concatenate([part[1] for part in parts])}


def _edges(values: np.ndarray) -> np.ndarray:
    """Ascending inner edges of `BINS` bins that hold about the same number of values."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    edges = edges[edges > values.min()]
    # nearly always one value: what is above it is the news
    return edges if len(edges) else np.array([np.nextafter(values.min(), np.inf)])


def _counts(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    bins = np.searchsorted(edges, values, side="right")
    found: np.ndarray = np.bincount(bins, minlength=len(edges) + 1).astype(np.float64)
    return found
