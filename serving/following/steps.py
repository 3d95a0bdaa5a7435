"""What to do next so that a tenant's models are those that the registry names; decides, and does nothing."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from serving.following.orders import OWN, Mark
from serving.following.watching import ALIASES

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

CHAMPION, CHALLENGER = ALIASES


class Act(Enum):
    """prepare: a model that shall stand beside. swap: with the one that does. drop: that one."""

    PREPARE = "prepare"
    SWAP = "swap"
    DROP = "drop"


class Standing(NamedTuple):
    """What a tenant has: what serves, what stands beside (None for nothing), whether that has served before
    and for how many seconds it has stood there; scored: events so far.
    """

    serving: Mark
    beside: Mark | None
    has_served: bool
    beside_seconds: float
    scored: int


class Step(NamedTuple):
    """One act with the model it is about."""

    act: Act
    mark: Mark


def next_step(
    wanted: Mapping[str, Mark], standing: Standing, refused: Container[str], keep_seconds: float
) -> Step | None:
    """The next step, None when everything is as it should be.

    Parameters
    ----------
    wanted
        Marks by alias.
    refused
        Digests of models that could not be used.
    keep_seconds
        How long a former champion goes on learning, so that it can be had back as if it had served.
    """
    champion, challenger = wanted.get(CHAMPION, OWN), wanted.get(CHALLENGER)
    beside = standing.beside
    if champion.digest != standing.serving.digest:
        if beside is not None and beside.digest == champion.digest:
            return Step(Act.SWAP, champion)
        # the model of its own events stands beside after the first swap, or is gone: it cannot be prepared
        if champion.digest and champion.digest not in refused:
            return Step(Act.PREPARE, champion)
        return None
    is_new = challenger is not None and challenger.digest != standing.serving.digest
    if challenger is not None and is_new and challenger.digest not in refused:
        if beside is None or beside.digest != challenger.digest:
            return Step(Act.PREPARE, challenger)
        return None
    if beside is None:
        return None
    if beside.digest and challenger is not None and beside.digest == challenger.digest:
        return None
    # a challenger that is one no longer; or a former champion that nobody wanted back
    if not standing.has_served or standing.beside_seconds > keep_seconds:
        return Step(Act.DROP, beside)
    return None
