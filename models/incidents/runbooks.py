"""Next steps for an incident: the runbooks of its strongest evidence, filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from models.incidents.alert import clean, kind_and_name
from models.incidents.attack import base, shown_by
from models.incidents.runbook_data import BY_CHANNEL, RUNBOOKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.incidents.incident import Evidence

FOREIGN = "alert of another detector"
FALLBACK = "unusual activity"
BY_TECHNIQUE = {
    "T1110": "failed logons",
    "T1190": "web attack",
    "T1595": "outside scan",
    "T1595.003": "web attack",
    "T1505.003": "web attack",
    "T1548.003": "raised rights",
    "T1071.004": "dns volume",
    "T1486": "mass file change",
}
"""Runbooks for alerts of other detectors, by the technique that their rule's name shows."""
MOST = 3
"""Runbooks named for an incident: nobody follows ten."""

_NAME_OF = {channel: name for name, channels in BY_CHANNEL.items() for channel in channels.split()}


class NextSteps(NamedTuple):
    """A runbook for one entity: its name, whom it is about, and the steps."""

    name: str
    who: str
    check: tuple[str, ...]
    collect: tuple[str, ...]
    contain: tuple[str, ...]


def runbook_of(evidence: Evidence) -> str:
    """Name of the runbook for a piece of evidence."""
    if evidence.source != "habitus":
        return next((BY_TECHNIQUE[uid] for uid in shown_by(evidence) if uid in BY_TECHNIQUE), FOREIGN)
    return _NAME_OF.get(base(evidence.channel), FALLBACK)


def next_steps(evidence: Iterable[Evidence]) -> list[NextSteps]:
    """Runbooks for the strongest evidence, each once, at most MOST; the general ones only if there is no
    other.
    """
    found: dict[str, Evidence] = {}
    for one in sorted(evidence, key=lambda one: (-one.nats, one.first_us, one.signature)):
        found.setdefault(runbook_of(one), one)
    special = [name for name in found if name not in (FALLBACK, FOREIGN)] or list(found)
    return [_filled(name, found[name]) for name in special[:MOST]]


def _filled(name: str, evidence: Evidence) -> NextSteps:
    who = kind_and_name(evidence.who)[1]
    value = evidence.value or (evidence.channel if evidence.source != "habitus" else "it")

    def fill(steps: tuple[str, ...]) -> tuple[str, ...]:
        # no str.format: values come from attackers, and may hold braces
        return tuple(
            clean(step.replace("{value}", "\0").replace("{who}", who).replace("\0", clean(value, 80)), 400)
            for step in steps
        )

    runbook = RUNBOOKS[name]
    return NextSteps(name, evidence.who, fill(runbook.check), fill(runbook.collect), fill(runbook.contain))
