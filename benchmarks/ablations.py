"""What each part of habitus is worth: variants of the detector, and simpler rankings of the same evidence.

A variant is the real detector with other settings, replayed anew. A ranking needs no replay: it orders the
same entity-days by something simpler than the ranker does.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from training.pedb.vectors import DayMatrix


ADDED = "added: "
"""Before the name of what is off by default: such a variant is worth something where it beats habitus."""


@dataclass(frozen=True)
class Variant:
    """The detector with other settings.

    settings: makes its keyword arguments, called in the process that scores. Their repr names the variant's
    results on disk, so it must say everything (as that of a frozen dataclass does).
    """

    name: str
    settings: Callable[[], dict[str, Any]]


def _without(*members: str) -> dict[str, Any]:
    """A ranker without some members."""
    from models.ranking.ranker import Ranker
    from models.ranking.settings import MEMBERS, RankerSettings

    return {"ranker": Ranker(RankerSettings(members=tuple(m for m in MEMBERS if m not in members)))}


def _untaught(distortion: str) -> dict[str, Any]:
    """A ranker whose combiner never saw one kind of distortion."""
    from models.ranking.ranker import Ranker
    from models.ranking.settings import RankerSettings

    kinds = tuple(name for name in RankerSettings().distortions if name != distortion)
    return {"ranker": Ranker(RankerSettings(distortions=kinds))}


def _with(*members: str) -> dict[str, Any]:
    """A ranker with members that are off by default, each with the weight 1."""
    from models.ranking.ranker import Ranker
    from models.ranking.settings import MEMBERS, RankerSettings

    weights = (*RankerSettings().weights, *((name, 1.0) for name in members))
    return {"ranker": Ranker(RankerSettings(members=(*MEMBERS, *members), weights=weights))}


def _variants() -> tuple[Variant, ...]:
    from models.channels import KINDS
    from models.ranking.distortions import DISTORTIONS
    from models.ranking.settings import MEMBERS, NEURAL, OWN, SESSIONS

    found = [Variant(f"channel off: {kind}", partial(dict, off=frozenset({kind}))) for kind in KINDS]
    found.append(Variant("no learned peer groups", partial(dict, learn_groups=False)))
    found.append(Variant("no sessions", partial(_without, *SESSIONS)))
    for member in MEMBERS:
        # what compares with another member's word cannot do without it
        followers = [name for name, followed in OWN.items() if followed == member]
        found.append(Variant(f"member off: {member}", partial(_without, member, *followers)))
    found += [Variant(f"distortion off: {kind.name}", partial(_untaught, kind.name)) for kind in DISTORTIONS]
    found += [Variant(f"{ADDED}{name}", partial(_with, name)) for name in NEURAL]
    return tuple(found)


VARIANTS = _variants()


def excess_sum(days: DayMatrix) -> np.ndarray:
    """Sum of the evidence over causes: what the ranker has to beat."""
    return days.evidence.sum(axis=1, dtype=np.float64)


def strongest_cause(days: DayMatrix) -> np.ndarray:
    """Evidence of the strongest cause alone, as Tippett's smallest p does."""
    return days.evidence.max(axis=1, initial=0).astype(np.float64)


def number_of_causes(days: DayMatrix) -> np.ndarray:
    """How many causes have any evidence; the sum decides between equals."""
    total = excess_sum(days)
    return (days.evidence > 0).sum(axis=1) + total / (1.0 + total)


def busiest(days: DayMatrix) -> np.ndarray:
    """Total of the day's counts: no detector at all."""
    return np.log1p(days.counts).sum(axis=1, dtype=np.float64)


RANKINGS: dict[str, Callable[[DayMatrix], np.ndarray]] = {
    "ranking: sum of evidence": excess_sum,
    "ranking: strongest cause": strongest_cause,
    "ranking: number of causes": number_of_causes,
    "ranking: busiest": busiest,
}
