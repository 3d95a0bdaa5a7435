"""An alert told from its receipt: what its risk is made of, the story, techniques, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from features.behaviours import BEHAVIOURS
from models.explain import reason
from models.incidents.alert import Alert, Clue, clean
from models.incidents.book import IncidentBook
from models.incidents.story import describe, moment, what
from serving.days import DAY_US

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from models.incidents.incident import Evidence
    from serving.tenant import TenantState

MOST_PIECES, MOST_SAID = 12, 6
WHOLE, BEFORE, FEEDBACK, REST = "ranking", "before", "feedback", "rest"
BEHAVIOUR_OF = {behaviour.name: behaviour for behaviour in BEHAVIOURS}


class Told(NamedTuple):
    """story: in sentences. steps: what to do. techniques: ATT&CK ids with their names."""

    story: str
    steps: list[str]
    techniques: list[dict[str, str]]


def pieces(receipt: Mapping[str, Any], says: list[str]) -> list[dict[str, Any]]:
    """What the risk is made of; `points` add up to it, up to rounding of the last bits.

    Each kind of finding (cause) has a share of the risk in proportion to its evidence, as far as its nats
    reach, and is told by its strongest finding; what the ranking
    makes of the day beyond them (counts, sessions, what came together) is one piece, and so are what
    was raised of the entity before and what feedback took away or added.

    says: a finding's reason, by its place in the receipt.
    """
    factor, risk = float(receipt["factor"]), float(receipt["risk"])
    fresh = risk / factor if factor > 0 else risk
    whole = float(receipt.get("rarity", fresh))
    evidence = [max(float(value), 0.0) for value in receipt["evidence"]]
    total = sum(evidence)
    unit = min(total, whole) / total if total > 0 else 0.0
    strongest: dict[int, int] = {}
    for place in by_gain(receipt):
        strongest.setdefault(receipt["findings"][place]["cause"], place)
    causes = sorted((c for c in strongest if evidence[c] > 0), key=lambda c: (-evidence[c], c))
    shown, behind = causes[:MOST_PIECES], sum(evidence) - sum(evidence[c] for c in causes[:MOST_PIECES])
    out = [_piece(receipt["findings"][strongest[c]], evidence[c] * unit, says[strongest[c]]) for c in shown]
    if behind > 1e-9:
        text = f"{len([c for c in evidence if c > 0]) - len(shown)} further kinds of findings, each weaker"
        out.append(
            {"channel": REST, "label": "Others", "nats": behind, "points": behind * unit, "reason": text}
        )
    told = sum(piece["points"] for piece in out)
    if abs(whole - told) > 1e-9:
        text = "how rare the day as a whole is among past days: what was odd together, and how much was done"
        rest = whole - told
        out.append({"channel": WHOLE, "label": "Whole picture", "nats": 0.0, "points": rest, "reason": text})
    if abs(whole - fresh) > 1e-9:
        text = "raised before, in the last days: half of what was told then is no news"
        lost = fresh - whole
        out.append({"channel": BEFORE, "label": "Told before", "nats": 0.0, "points": lost, "reason": text})
    if factor != 1.0:
        text = "the same things were judged harmless here before, or are excepted"
        if factor > 1.0:
            text = "an attack was confirmed here, or where it worked closely, in the last days: under watch"
        lost = risk - fresh
        out.append({"channel": FEEDBACK, "label": "Feedback", "nats": 0.0, "points": lost, "reason": text})
    return out


def by_gain(receipt: Mapping[str, Any]) -> list[int]:
    """Places of the findings, the strongest first."""
    gains = [-max(float(finding["gain"]), 0.0) for finding in receipt["findings"]]
    return [int(place) for place in np.argsort(gains, kind="stable")]


def _piece(finding: Mapping[str, Any], points: float, says: str) -> dict[str, Any]:
    channel = finding["channel"]
    piece = {
        "channel": channel,
        "label": label(channel),
        "nats": float(finding["nats"]),
        "points": points,
        "reason": says,
        "time": finding["time_us"] // 1000,
    }
    if finding["value"]:
        piece |= {"behaviour": channel, "value": finding["value"]}
    return piece


def label(channel: str) -> str:
    """A channel in words: "user.src_country" is "Source country"."""
    words = channel.partition(".")[2].partition("/")[0].replace("_", " ")
    words = {"src ip": "source address", "src net": "source network", "src country": "source country",
             "src host": "source host", "dst": "destination", "dst net": "destination network",
             "dst service": "service", "api": "operation", "auth": "kind of logon",
             "status detail": "outcome"}.get(words, words)  # fmt: skip
    return words[:1].upper() + words[1:]


def reasons(state: TenantState, receipt: Mapping[str, Any]) -> list[str]:
    """A reason for each finding; on the engine's thread, which has the words. O(findings)."""
    baselines, channels = state.detector.baselines, state.detector.channels
    number_of = {channel.name: channel for channel in channels.all}
    known = dict(baselines.find(receipt["entity"]))
    entity = known.get(receipt["entity_kind"], 0)
    out = [label(finding["channel"]) for finding in receipt["findings"]]
    for place in by_gain(receipt)[: 10 * MOST_PIECES]:
        finding = receipt["findings"][place]
        channel, value = number_of.get(finding["channel"]), baselines.values.find(finding["value"])
        if channel is None or not entity or (finding["value"] and not value):
            out[place] = f"{out[place]} {finding['value']}; {finding['nats']:.1f} nats"
            continue
        out[place] = reason(baselines, channel, entity, value, finding["nats"], np.array(finding["counts"]))
    return [clean(text) for text in out]


def told(tenant: str, receipt: Mapping[str, Any], says: list[str], day: date) -> Told:
    """Story, next steps and likely techniques of an alert by itself."""
    cause_of = receipt["causes"]
    first_us = (day.toordinal() - 719_163) * DAY_US
    order = by_gain(receipt)[:100]
    clues = tuple(
        Clue(
            channel=finding["channel"],
            cause=cause_of[finding["cause"]],
            value=clean(finding["value"]),
            nats=max(float(finding["gain"]), 0.0),
            first_us=finding["time_us"],
            last_us=finding["time_us"],
            says=says[place],
        )
        for place in order
        for finding in [receipt["findings"][place]]
    )
    alert = Alert(
        uid=receipt["alert_id"],
        entity_kind=receipt["entity_kind"],
        entity=receipt["entity"],
        risk=max(float(receipt["risk"]), 0.0),
        first_us=min((clue.first_us for clue in clues), default=first_us),
        last_us=max((clue.last_us for clue in clues), default=first_us + DAY_US - 1),
        clues=clues,
        count=max(int(receipt["n_events"]), 1),
    )
    book = IncidentBook(tenant)
    book.take([alert])
    incident = book.find(book.home(alert.uid))
    if incident is None:
        return Told("", [], [])
    found = describe(incident)
    steps = [step for part in found.next_steps for step in (*part.check, *part.collect, *part.contain)]
    techniques = [{"id": one.uid, "name": one.name} for one in found.techniques]
    return Told(_story(alert, incident.evidence()), list(dict.fromkeys(steps)), techniques)


def _story(alert: Alert, evidence: Sequence[Evidence]) -> str:
    """The strongest of each cause in order of time, without numbers: those stand beside it."""
    strongest: dict[str, Evidence] = {}
    for one in evidence:
        strongest.setdefault(one.cause, one)
    told = sorted(list(strongest.values())[:MOST_SAID], key=lambda one: (one.first_us, one.signature))
    words = list(dict.fromkeys(what(one) for one in told))
    if not words:
        return ""
    *before, last = words
    listed = f"{', '.join(before)}, and {last}" if before else last
    who = f"{alert.entity_kind.replace('src_ip', 'address')} {alert.entity}"
    more = len(evidence) - len(told)
    end = f" {more} weaker findings stand behind that." if more > 1 else ""
    return clean(f"From {moment(alert.first_us)} to {moment(alert.last_us)} UTC, {who} {listed}.{end}")
