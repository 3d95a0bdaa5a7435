"""Evidence of the links channel for habits that an event showed for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.activity import Findings, empty_findings
from models.calibration import CAP_NATS, THRESHOLD_NATS
from models.habit import OWN, UNSEEN

if TYPE_CHECKING:
    from models.channels import Channels
    from models.engine import Evidence
    from models.links import LinkModel


def link_findings(links: LinkModel, channels: Channels, habits: Evidence) -> Findings:
    """One row for each first-seen pair among the evidence of habits that the link model finds odd as well."""
    chosen = np.flatnonzero(links.watches(habits.behaviour) & (habits.counts[:, OWN] < UNSEEN))
    raw, nats = np.zeros(len(chosen)), np.zeros(len(chosen))
    behaviour = habits.behaviour[chosen].astype(np.int64)
    for each in np.unique(behaviour).tolist():
        rows = np.flatnonzero(behaviour == each)
        raw[rows] = links.evidence(each, habits.entity[chosen[rows]], habits.value[chosen[rows]])
        nats[rows] = np.minimum(-np.log(links.tail_probability(each, raw[rows])), CAP_NATS)
    odd = np.flatnonzero(nats > THRESHOLD_NATS)
    found = empty_findings(len(odd))
    chosen = chosen[odd]
    found.row[:] = habits.row[chosen]
    found.channel[:] = channels.links[behaviour[odd]]
    found.entity[:] = habits.entity[chosen]
    found.value[:] = habits.value[chosen]
    found.raw[:], found.nats[:] = raw[odd], nats[odd]
    return found
