"""Likely ATT&CK techniques and stages of an incident's evidence."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from models.incidents.attack_data import ATTACK_VERSION, FOREIGN, PATTERNS, TACTICS, TECHNIQUES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.incidents.incident import Evidence, Incident

MOST = 8
"""Techniques named for an incident."""


class Likely(NamedTuple):
    """A technique that evidence supports: its id and name, its tactic (a key of TACTICS), the strongest
    evidence for it in nats, and whether a detector claimed it.
    """

    uid: str
    name: str
    tactic: str
    nats: float
    claimed: bool


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression)


def base(channel: str) -> str:
    """A channel's name without window and link: "user.failures/hour" is "user.failures"."""
    return channel.partition("/")[0]


def shown_by(evidence: Evidence) -> list[str]:
    """Ids of the techniques that one piece of evidence supports, most specific patterns last."""
    if evidence.source != "habitus":
        text = evidence.channel.lower()
        return [one.technique for one in FOREIGN if _compiled(one.value).search(text)]
    channel, value = base(evidence.channel), evidence.value.lower()
    return [
        one.technique
        for one in PATTERNS
        if channel in one.channels and (not one.value or _compiled(one.value).search(value))
    ]


def likely(evidence: Iterable[Evidence], claimed: Iterable[str] = ()) -> list[Likely]:
    """Techniques of an incident, by the nats of what supports them; claimed ones first.

    Where a sub-technique is shown, its parent is not named beside it. A claimed id that this version of
    ATT&CK data does not hold is left out: it stays with the alert.
    """
    nats: dict[str, float] = {}
    for one in evidence:
        for uid in shown_by(one):
            nats[uid] = max(nats.get(uid, 0.0), one.nats)
    known = {uid for uid in claimed if uid in TECHNIQUES}
    for uid in known:
        nats.setdefault(uid, 0.0)
    parents = {uid.partition(".")[0] for uid in nats if "." in uid}
    found = [
        Likely(uid, *TECHNIQUES[uid], strength, uid in known)
        for uid, strength in nats.items()
        if uid not in parents
    ]
    return sorted(found, key=lambda one: (not one.claimed, -one.nats, one.uid))[:MOST]


def stages(techniques: Iterable[Likely]) -> list[str]:
    """Tactics (keys of TACTICS) in the order of an attack."""
    named = {one.tactic for one in techniques}
    return [tactic for tactic in TACTICS if tactic in named]


def of_incident(incident: Incident) -> list[Likely]:
    """Likely techniques of an incident."""
    return likely(incident.evidence(), incident.techniques)


def ocsf_attacks(techniques: Iterable[Likely]) -> list[dict[str, Any]]:
    """OCSF `attacks` objects (schema 1.8)."""
    found = []
    for one in techniques:
        uid, name, _ = TACTICS[one.tactic]
        parent, _, sub = one.uid.partition(".")
        attack: dict[str, Any] = {"version": ATTACK_VERSION, "tactic": {"uid": uid, "name": name}}
        if sub:
            attack["sub_technique"] = {"uid": one.uid, "name": one.name}
            if parent in TECHNIQUES:
                attack["technique"] = {"uid": parent, "name": TECHNIQUES[parent][0]}
            else:
                attack["technique"] = {"uid": parent}
        else:
            attack["technique"] = {"uid": one.uid, "name": one.name}
        found.append(attack)
    return found
