"""An incident as a person reads it: title, story, timeline, scope, severity, techniques, next steps.

Every sentence is built from findings; nothing is invented. Text is free of control characters and bounded,
but not escaped: whoever writes it into HTML does that.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

from models.explain import odds
from models.incidents import attack
from models.incidents.alert import clean, kind_and_name
from models.incidents.attack import Likely
from models.incidents.attack_data import ATTACK_VERSION, TACTICS
from models.incidents.runbooks import NextSteps, next_steps
from models.incidents.severity import NAMES, severity_id
from models.incidents.views import view_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.incidents.incident import Evidence, Incident, Reason

MOST_TITLE = 140
MOST_TOLD = 8
"""Pieces of evidence told in the story, the strongest; the timeline has them all."""
MOST_NAMED = 20
MOST_MOMENTS = 200
KIND_WORDS = {"user": "user", "host": "host", "src_ip": "address"}
PLURALS = {"user": "users", "host": "hosts", "src_ip": "addresses"}
THING_WORDS = {
    "user": "user",
    "session": "session",
    "host": "host",
    "src_ip": "address",
    "tree": "process tree",
    "lineage": "process start",
    "net": "network",
    "user_agent": "client",
    "rule": "rule",
    "hash": "file hash",
    "api": "call",
}


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the timeline: first and last time (microseconds since 1970, UTC), view, entity, words,
    nats, and how often.
    """

    first_us: int
    last_us: int
    view: str
    entity_kind: str
    entity: str
    says: str
    nats: float
    count: int


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Who and what is touched: entities that alerts are about, and what their odd findings name, each with
    the names (at most MOST_NAMED of a kind) and their number by kind of thing.
    """

    affected: dict[str, list[str]]
    touched: dict[str, list[str]]
    numbers: dict[str, int]


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """An incident in words; lists are in the order in which they should be read."""

    incident_id: str
    title: str
    story: list[str]
    severity_id: int
    severity: str
    risk: float
    techniques: list[Likely]
    attack_version: str
    stages: list[str]
    timeline: list[Moment]
    scope: Scope
    next_steps: list[NextSteps]
    alerts: int
    events: int
    related: list[str]


def describe(incident: Incident) -> Description:
    """Everything that a person is shown about an incident."""
    evidence = incident.evidence()
    techniques = [] if incident.routine else attack.likely(evidence, incident.techniques)
    tactics = attack.stages(techniques)
    severity = severity_id(incident.risk, incident.weight, tactics, routine=incident.routine)
    return Description(
        incident_id=incident.incident_id,
        title=title(incident, evidence),
        story=_story(incident, evidence, techniques, severity),
        severity_id=severity,
        severity=NAMES[severity],
        risk=incident.risk,
        techniques=techniques,
        attack_version=ATTACK_VERSION,
        stages=[TACTICS[tactic][1] for tactic in tactics],
        timeline=timeline(evidence),
        scope=scope(incident),
        next_steps=next_steps(evidence),
        alerts=incident.alerts,
        events=incident.events,
        related=list(incident.related),
    )


def title(incident: Incident, evidence: Sequence[Evidence]) -> str:
    """One line: the entity with the highest risk, its strongest evidence, and how far it goes."""
    lead = min(incident.parties, key=lambda who: (-incident.parties[who].risk, who))
    name = _entity(lead)
    if incident.routine:
        return clean(
            f"Everyday alerts of {name}: {_number(len(evidence), 'kind')}, "
            f"{_number(incident.events, 'event')}",
            MOST_TITLE,
        )
    told: dict[tuple[str, str], Evidence] = {}
    for one in evidence:
        told.setdefault((one.who, one.cause), one)
    own = [one for one in told.values() if one.who == lead][:2]
    if len(incident.parties) > 1:
        other = next((one for one in told.values() if one.who != lead), None)
        own = [*own[:1], *([other] if other else [])]
    ranked = sorted(own, key=lambda one: (one.who != lead, one.first_us, one.signature))
    words = [what(one) if one.who == lead else f"{_entity(one.who)} {what(one)}" for one in ranked]
    more = len(incident.parties) - len({lead, *(one.who for one in own)})
    end = f" and {more} more" if more > 0 else ""
    return clean(f"{name}: {'; '.join(words)}{end}", MOST_TITLE)


def what(evidence: Evidence) -> str:
    """The words of a piece of evidence without its numbers."""
    said, found, _ = spoken(evidence).rpartition(": ")
    return said if found and evidence.source == "habitus" else spoken(evidence).partition("; ")[0]


def spoken(evidence: Evidence) -> str:
    """The words of a piece of evidence as they follow the entity's name: a count gets its verb."""
    return f"had {evidence.says}" if evidence.says[:1].isdigit() else evidence.says


def timeline(evidence: Sequence[Evidence]) -> list[Moment]:
    """The strongest MOST_MOMENTS pieces of evidence in order of time."""
    moments = [
        Moment(
            first_us=one.first_us,
            last_us=one.last_us,
            view=view_of(one),
            entity_kind=kind_and_name(one.who)[0],
            entity=kind_and_name(one.who)[1],
            says=spoken(one),
            nats=one.nats,
            count=one.count,
        )
        for one in evidence[:MOST_MOMENTS]
    ]
    return sorted(moments, key=lambda one: (one.first_us, one.entity_kind, one.entity, one.says))


def scope(incident: Incident) -> Scope:
    """Who and what an incident touches. What was merely used around it is left out, and so is what only links
    (sessions, process trees) or names the alert itself (rules).
    """
    affected: dict[str, list[str]] = {}
    touched: dict[str, list[str]] = {}
    numbers: dict[str, int] = {}
    for one in sorted(incident.things):
        kind, name = kind_and_name(one)
        if not incident.things[one][2] or kind in ("session", "tree", "rule"):
            continue
        into = affected if one in incident.parties else touched
        numbers[kind] = numbers.get(kind, 0) + 1
        names = into.setdefault(kind, [])
        if len(names) < MOST_NAMED:
            names.append(name)
    return Scope(affected=affected, touched=touched, numbers=numbers)


# ---------------------------------------------------------------------------------------------- the story


def _story(
    incident: Incident, evidence: Sequence[Evidence], techniques: Sequence[Likely], severity: int
) -> list[str]:
    begin, end = moment(incident.first_us), moment(incident.last_us)
    when = f"At {begin}" if begin == end else f"From {begin} to {end}"
    who = _parties(incident)
    if incident.routine:
        return [
            f"{when} UTC, {who} raised {_number(incident.events, 'alert')} "
            f"of {_number(len(evidence), 'kind')} that come up there all the time. "
            "They are kept together and counted."
        ]
    alerts = _number(incident.alerts, "alert")
    part = "tells of" if incident.alerts == 1 else "tell one story of"
    paragraphs = [
        f"{when} UTC, {alerts} {part} {who}: risk {incident.risk:.1f} nats, "
        f"severity {NAMES[severity].lower()}.",
        _told(evidence),
    ]
    ties = _ties(incident)
    if ties:
        paragraphs.append(ties)
    if techniques:
        named = "; ".join(f"{one.name} ({one.uid}, {TACTICS[one.tactic][1]})" for one in techniques)
        paragraphs.append(f"It would fit these techniques: {named}.")
    else:
        paragraphs.append("The findings do not point to a particular technique.")
    if incident.dropped:
        paragraphs.append(
            f"{_number(incident.dropped, 'weaker detail')} found no room here; the alerts hold them."
        )
    return [clean(text, 4_000) for text in paragraphs]


def _told(evidence: Sequence[Evidence]) -> str:
    strongest = sorted(evidence[:MOST_TOLD], key=lambda one: (one.first_us, one.signature))
    sentences = []
    day = ""
    for (at, who), group in groupby(strongest, key=lambda one: (moment(one.first_us), one.who)):
        date, time = at.split(" ")
        said = [f"{spoken(one)} ({one.count:,} times)" if one.count > 1 else spoken(one) for one in group]
        sentences.append(f"{time if date == day else at} {_entity(who)} {'; '.join(said)}.")
        day = date
    left = len(evidence) - len(strongest)
    if left > 0:
        sentences.append(f"{_number(left, 'weaker finding')} more.")
    return " ".join(sentences)


def _ties(incident: Incident) -> str:
    """Why the alerts were put together: of each entity the strongest tie."""
    best: dict[str, Reason] = {}
    for reason in incident.reasons:
        known = best.get(reason.who)
        if known is None or (-len(reason.things), -reason.nats) < (-len(known.things), -known.nats):
            best[reason.who] = reason
    parts = []
    for reason in sorted(best.values(), key=lambda one: (-one.nats, one.who))[:MOST_TOLD]:
        if reason.things:
            names = " and ".join(_thing(one) for one in reason.things)
            parts.append(f"{_entity(reason.who)} by {names} (by chance {odds(reason.nats)})")
        else:
            parts.append(f"{_entity(reason.who)} by the same finding again")
    return f"What ties it together: {'; '.join(parts)}." if parts else ""


def _thing(one: str) -> str:
    kind, name = kind_and_name(one)
    return f"{THING_WORDS.get(kind, kind)} {name}"


def _parties(incident: Incident) -> str:
    parts = []
    for kind in ("user", "host", "src_ip"):
        names = [kind_and_name(who)[1] for who in sorted(incident.parties) if who.startswith(f"{kind}:")]
        if len(names) == 1:
            parts.append(f"{KIND_WORDS[kind]} {names[0]}")
        elif names:
            shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
            parts.append(f"{len(names)} {PLURALS[kind]} ({shown})")
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _entity(who: str) -> str:
    kind, name = kind_and_name(who)
    return f"{KIND_WORDS[kind]} {name}"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def moment(at_us: int) -> str:
    """A moment as people read it, UTC, to the minute."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M")
