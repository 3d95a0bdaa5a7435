"""Reasons in plain words: the evidence is additive, so the explanation is the score."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

from models.habit import ORG, ORG_ALL, OWN, OWN_ALL, PEER, PEER_ALL

if TYPE_CHECKING:
    import numpy as np

    from features.baselines import Baselines

KIND_WORDS = {"user": "this user", "host": "this host", "src_ip": "this address"}
ENTITY_WORDS = {"user": "other users", "host": "other hosts", "src_ip": "other addresses"}


def count(events: float) -> str:
    """A decayed count as people read it: whole numbers, thousands separated, "<1" for a faded one."""
    if 0.001 < events < 0.5:
        return "<1"
    return f"{events:,.0f}" if events < 1e12 else f"{events:.0e}"


def odds(nats: float) -> str:
    """Odds such as "1 in 450" for the tail probability exp(-nats), to two digits."""
    times = exp(min(nats, 40.0))
    if times < 10:
        return f"1 in {times:.0f}"
    digits = len(str(int(times))) - 2
    return f"1 in {round(times, -digits):,.0f}"


def reason(
    baselines: Baselines, behaviour_id: int, entity: int, value: int, nats: float, counts: np.ndarray
) -> str:
    """One reason: what was done, how usual it is for the entity, its peers and the organisation, and how odd
    that makes it.

    counts: the six decayed counts of `models.habit` as they were when the event was scored.
    """
    behaviour = baselines.behaviours[behaviour_id]
    said = behaviour.says.format(value=baselines.values[value])
    parts = [
        f"{count(counts[OWN])} of {count(counts[OWN_ALL])} {behaviour.noun} by {KIND_WORDS[behaviour.entity]}"
    ]
    if counts[OWN_ALL] < 0.5:
        parts = [f"first {behaviour.noun} of {KIND_WORDS[behaviour.entity]}"]
    if counts[PEER_ALL] >= 0.5:
        group = baselines.group_name(entity)
        parts.append(f"{count(counts[PEER])} of {count(counts[PEER_ALL])} in {group}")
    if counts[ORG_ALL] >= 0.5:
        if counts[ORG] < 0.5:
            parts.append(f"never by the {ENTITY_WORDS[behaviour.entity]} (of {count(counts[ORG_ALL])})")
        else:
            share = 100 * float(counts[ORG]) / float(counts[ORG_ALL])
            parts.append(
                f"{_percent(share)} among all other {ENTITY_WORDS[behaviour.entity].split(' ', 1)[1]}"
            )
    return f"{said}: {', '.join(parts)}; {nats:.1f} nats, {odds(nats)}"


def _percent(share: float) -> str:
    if share < 0.1:
        return "<0.1%"
    return f"{share:.1f}%" if share < 10 else f"{share:.0f}%"
