"""Severity of an incident: how strange, how valuable, and how far along.

What a person should look at first is what costs most if it is left. With p the chance that nothing is behind
it, cost is about (chance that something is) x (value of the asset) x (how much worse this stage is); on the
scale of risk, which is -ln p, factors become terms:

    severity_nats = risk + ln(weight) + ln(stage)

The bars are those of single alerts (3, 6, 9, 12 nats), so an incident with one alert on an ordinary asset
that shows no stage has that alert's severity. Asset and stage together move it by one level at most, and they
never make anything of an alert below the first bar: value is no evidence.
"""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING

from models.incidents.attack_data import TACTICS

if TYPE_CHECKING:
    from collections.abc import Iterable

BARS = ((12.0, 5), (9.0, 4), (6.0, 3), (3.0, 2))
"""Nats, and OCSF severity_id: 5 critical, 4 high, 3 medium, 2 low; below, 1 informational."""
NAMES = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}
MOST_SHIFT = 3.0
"""Nats between two bars."""


def severity_id(
    risk: float, weight: float = 1.0, tactics: Iterable[str] = (), *, routine: bool = False
) -> int:
    """OCSF severity_id, 1 to 5.

    Parameters
    ----------
    risk
        Of the incident, nats.
    weight
        Of its most valuable entity; 1 is ordinary. Bounded to e^-3 ... e^3.
    tactics
        Stages that its evidence supports (keys of TACTICS); the worst counts.
    routine
        Everyday alerts are informational.
    """
    if routine or risk < BARS[-1][0]:
        return 1
    stage = max((TACTICS[tactic][2] for tactic in tactics), default=1.0)
    shift = log(min(max(weight, exp(-MOST_SHIFT)), exp(MOST_SHIFT))) + log(stage)
    nats = risk + min(max(shift, -MOST_SHIFT), MOST_SHIFT)
    return next((severity for bar, severity in BARS if nats >= bar), 1)
