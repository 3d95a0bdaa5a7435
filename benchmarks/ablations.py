"""What each part of habitus is worth: variants of the detector.

A variant is the real detector with other settings, replayed anew; what needs no replay is in
`benchmarks.rankings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ADDED = "added: "
"""Before the name of what is off by default: such a variant is worth something where it beats habitus."""
FOREVER_DAYS = 36_500.0
"""A half-life within which nothing is forgotten."""


@dataclass(frozen=True)
class Variant:
    """The detector with other settings.

    settings: makes its keyword arguments, called in the process that scores. Their repr names the variant's
    results on disk, so it must say everything (as that of a frozen dataclass does).
    directory: whether it is told who belongs to which peer group.
    """

    name: str
    settings: Callable[[], dict[str, Any]]
    directory: bool = True


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


def _feature_only() -> tuple[str, ...]:
    """Members that have no say of their own: the combiner alone looks at them."""
    from models.ranking.settings import MEMBERS, RankerSettings

    say = {name for name, _ in RankerSettings().weights}
    return tuple(name for name in MEMBERS if name not in say)


def _never_forgetting() -> dict[str, Any]:
    """Calibration of which no past score ever counts less."""
    from features.baselines import Baselines
    from models.engine import Engine
    from models.ranking.ranker import Ranker
    from models.ranking.settings import RankerSettings

    return {
        "engine": Engine(Baselines(), calibration_half_life_days=FOREVER_DAYS),
        "ranker": Ranker(RankerSettings(tail_half_life_days=FOREVER_DAYS)),
    }


def _variants() -> tuple[Variant, ...]:
    from models.channels import KINDS
    from models.ranking.distortions import DISTORTIONS
    from models.ranking.settings import MEMBERS, NEURAL, OWN, SESSIONS

    found = [Variant(f"channel off: {kind}", partial(dict, off=frozenset({kind}))) for kind in KINDS]
    found.append(Variant("no learned peer groups", partial(dict, learn_groups=False)))
    found.append(Variant("no peer groups", partial(dict, learn_groups=False), directory=False))
    found.append(Variant("calibration forgets nothing", _never_forgetting))
    found.append(Variant("no sessions", partial(_without, *SESSIONS)))
    say_nothing = partial(_without, *_feature_only())
    found.append(Variant("members off: all without a say", say_nothing))
    for member in MEMBERS:
        # what compares with another member's word cannot do without it
        followers = [name for name, followed in OWN.items() if followed == member]
        found.append(Variant(f"member off: {member}", partial(_without, member, *followers)))
    found += [Variant(f"distortion off: {kind.name}", partial(_untaught, kind.name)) for kind in DISTORTIONS]
    found += [Variant(f"{ADDED}{name}", partial(_with, name)) for name in NEURAL]
    return tuple(found)


VARIANTS = _variants()
