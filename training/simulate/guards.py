"""Does a simulation give its campaigns away? Four questions whose answers have to be no, no, no and yes.

A synthetic benchmark is worth what its realism is worth: where one count, a tree of two questions or a value
of its own tells attacks from life, a detector's figures mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from training.simulate.campaigns.campaign import DIFFICULTIES
from training.simulate.profile import ENTITY_KINDS, read

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from training.simulate.profile import Profile

HIGHEST_AP = 0.5
"""No feature and no tree may have a higher average precision."""
_TREE_FOLDS = 5


@dataclass(frozen=True)
class Answer:
    """Answers for one simulation.

    Attributes
    ----------
    features
        Average precision of the best single feature by entity kind: (value, feature).
    trees
        Cross-validated average precision of a tree of depth 2 by entity kind.
    own_values
        (column, value) that only planted events have, where benign life has no such single values.
    ranks
        (kind, difficulty, rank) of every campaign: how high simple detectors together put its best entity-day
        among those of its day, from 0 to 1 (on top). See `ranks` and `mean_ease`.
    """

    features: dict[str, tuple[float, str]]
    trees: dict[str, float]
    own_values: list[tuple[str, str]]
    ranks: list[tuple[str, str, float]]

    def faults(self) -> list[str]:
        """What gives campaigns away, in words; empty if nothing does."""
        return [
            *(
                f"{kind}: {name} alone has AP {ap:.2f}"
                for kind, (ap, name) in self.features.items()
                if ap > HIGHEST_AP
            ),
            *(
                f"{kind}: a tree of depth 2 has AP {ap:.2f}"
                for kind, ap in self.trees.items()
                if ap > HIGHEST_AP
            ),
            *(f"only campaigns have {column} {value}" for column, value in self.own_values),
        ]


def ask(folder: Path) -> Answer:
    """Read the files of a simulation and answer; needs pandas and scikit-learn."""
    return answer(read(folder))


def answer(profile: Profile) -> Answer:
    """Answer from a table of entity-days."""
    test = profile.days[profile.days["day"] >= _first_day(profile)]
    return Answer(
        features={kind: best_feature(test[test["kind"] == kind], profile.features) for kind in ENTITY_KINDS},
        trees={kind: tree(test[test["kind"] == kind], profile.features) for kind in ENTITY_KINDS},
        own_values=own_values(profile),
        ranks=ranks(profile),
    )


def _first_day(profile: Profile) -> int:
    return int(profile.days.loc[profile.days["campaign"] != "", "day"].min())


def best_feature(days: pd.DataFrame, features: list[str]) -> tuple[float, str]:
    """The highest average precision of a single feature, counting from above or from below."""
    from sklearn.metrics import average_precision_score

    truth = (days["campaign"] != "").to_numpy()
    if not truth.any():
        return 0.0, ""
    return max(
        (float(average_precision_score(truth, sign * days[name].to_numpy(float))), f"{word} {name}")
        for name in features
        for sign, word in ((1.0, "high"), (-1.0, "low"))
    )


def tree(days: pd.DataFrame, features: list[str]) -> float:
    """Cross-validated average precision of a decision tree of depth 2 over all features."""
    from sklearn.metrics import average_precision_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier

    truth = (days["campaign"] != "").to_numpy()
    if truth.sum() < _TREE_FOLDS:
        return 0.0
    model = DecisionTreeClassifier(max_depth=2, class_weight="balanced", random_state=0)
    folds = StratifiedKFold(_TREE_FOLDS, shuffle=True, random_state=0)
    guessed = cross_val_predict(
        model, days[features].to_numpy(float), truth, cv=folds, method="predict_proba"
    )
    return float(average_precision_score(truth, guessed[:, 1]))


def own_values(profile: Profile) -> list[tuple[str, str]]:
    """Values and key shapes of planted events alone, in columns where benign life has few of one holder.

    A small site that one person alone asks for is ordinary when hundreds of benign sites have one visitor. So
    a column may have values of campaigns only up to a tenth of its values with a single holder.
    """
    alone: dict[str, list[str]] = {}
    for column, value in profile.planted:
        if (column, value) not in profile.benign:
            alone.setdefault(column, []).append(value)
    return sorted(
        (column, value)
        for column, values in alone.items()
        if len(values) > 0.1 * profile.single[column]
        for value in values
    )


def ranks(profile: Profile) -> list[tuple[str, str, float]]:
    """(kind of campaign, difficulty, rank of its best entity-day) for simple detectors together.

    The detectors: novelty (values never seen at the entity) and the distance of every count from the entity's
    past. An entity-day's score is the mean of its twelve highest; its rank is among all of its kind and day.
    """
    import numpy as np

    past = [name for name in profile.features if name.endswith("against past")]
    days = profile.days
    scores = np.sort(days[past].to_numpy(float), axis=1)[:, -12:].mean(axis=1)
    place = days.assign(score=scores).groupby(["kind", "day"])["score"].rank(pct=True)
    best = place[days["campaign"] != ""].groupby(days["campaign"]).max()
    facts = {label["campaign"]: (label["kind"], label["difficulty"]) for label in profile.labels}
    return [(*facts[str(name)], float(rank)) for name, rank in best.items()]


def mean_ease(found: Iterable[list[tuple[str, str, float]]]) -> dict[str, float]:
    """Mean rank by difficulty over simulations; difficulties without a campaign are left out."""
    by: dict[str, list[float]] = {difficulty: [] for difficulty in DIFFICULTIES}
    for one in found:
        for _, difficulty, rank in one:
            by[difficulty].append(rank)
    return {name: sum(places) / len(places) for name, places in by.items() if places}
