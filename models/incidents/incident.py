"""An incident: alerts that belong to one story, and what is left of those that had to be folded."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from models.calibration import THRESHOLD_NATS
from models.incidents.alert import Alert, clean, kind_and_name
from models.incidents.ties import joined, things_of

MOST_MEMBERS = 200
"""Alerts kept whole; when there are more, the older half is folded into evidence with counts."""
MOST_EVIDENCE = 400
MOST_INCIDENT_THINGS = 2_000
MOST_REASONS = 100
MOST_TECHNIQUES = 50
MOST_RELATED = 50

if TYPE_CHECKING:
    from collections.abc import Iterable

OPEN, CLOSED = "open", "closed"
QUIET, VERDICT, CROWDED, AGED = "quiet", "verdict", "crowded", "aged"
"""Why an incident is closed: nothing came for a while; somebody judged it; room was needed; it is too old."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What one (entity, cause, value) came to: the strongest clue, all repeats counted.

    Times are microseconds since 1970-01-01 UTC.
    """

    who: str
    channel: str
    cause: str
    value: str
    nats: float
    first_us: int
    last_us: int
    says: str
    count: int
    source: str

    @property
    def signature(self) -> tuple[str, str, str]:
        """Entity, cause and value."""
        return self.who, self.cause, self.value


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """An entity that alerts are about: its highest risk, its weight as an asset, its times and its alerts."""

    risk: float
    weight: float
    first_us: int
    last_us: int
    alerts: int


class Reason(msgspec.Struct, frozen=True):
    """Why an alert is here: what tied it, the strongest first, and with how many nats in all. No things: it
    says again what the incident says already.
    """

    uid: str
    who: str
    things: tuple[str, ...]
    nats: float


class Incident(msgspec.Struct, kw_only=True):
    """One story.

    Attributes
    ----------
    incident_id
        Also the key by which receivers tell repeats. It stays for the incident's life; of merged incidents
        the oldest keeps its own, and the book resolves the others.
    first_us, last_us
        Time covered by the alerts, microseconds since 1970-01-01 UTC.
    routine
        Everyday alerts of one entity and day that tell no story.
    state, closed_for, closed_us, verdict_id
        OPEN or CLOSED; why and when (event time); OCSF verdict_id, 0 for none.
    members, folded
        Alerts by uid, and evidence of those that are not kept whole any more.
    parties
        By entity (a thing): whom the alerts are about.
    things, shares
        What the alerts name and when, and the share of entities that use it.
    alerts, events, dropped
        Numbers of alerts, of events or repeats behind them, and of pieces of evidence and things that found
        no room.
    recurrences, repeats
        Repeats since it was closed as harmless, and the uids of the newest.
    signs
        (entity, cause, value) of all clues, as far as there is room.
    sizes
        Number of things by kind.
    related
        Incidents that an alert was tied to without joining them.
    reasons
        Why alerts joined, the newest MOST_REASONS.
    revision
        Grows with every change.
    """

    incident_id: str
    first_us: int
    last_us: int
    routine: bool = False
    state: str = OPEN
    closed_for: str = ""
    closed_us: int = 0
    verdict_id: int = 0
    members: dict[str, Alert] = {}
    folded: list[Evidence] = []
    parties: dict[str, Party] = {}
    things: dict[str, tuple[int, int, bool]] = {}
    shares: dict[str, float] = {}
    techniques: list[str] = []
    alerts: int = 0
    events: int = 0
    dropped: int = 0
    recurrences: int = 0
    repeats: list[str] = []
    signs: set[tuple[str, str, str]] = set()
    sizes: dict[str, int] = {}
    related: list[str] = []
    reasons: list[Reason] = []
    revision: int = 0

    @property
    def risk(self) -> float:
        """Nats of the whole: the strongest entity's, and of the k-th strongest what exceeds the everyday,
        halved k - 1 times.

        Risks of alerts that were joined because they look linked are not independent, so they do not add up;
        halving bounds the sum by twice the strongest. The factor is a choice, not an estimate.
        """
        risks = sorted((party.risk for party in self.parties.values()), reverse=True)
        return sum(
            risk if place == 0 else max(risk - THRESHOLD_NATS, 0.0) / 2**place
            for place, risk in enumerate(risks)
        )

    @property
    def weight(self) -> float:
        """Of the most valuable entity in it."""
        return max((party.weight for party in self.parties.values()), default=1.0)

    # ------------------------------------------------------------------------------------------------ growing

    def add(self, alert: Alert) -> list[str]:
        """Take an alert in, or what an alert that is here says now.

        Returns
        -------
        list of str
            Uids of alerts that are not kept whole any more.
        """
        before = self.members.get(alert.uid)
        self.members[alert.uid] = alert
        self.alerts += before is None
        self.events += alert.count - (before.count if before is not None else 0)
        self.first_us, self.last_us = min(self.first_us, alert.first_us), max(self.last_us, alert.last_us)
        self._meet(alert, new=before is None)
        for technique in alert.techniques:
            if technique not in self.techniques and len(self.techniques) < MOST_TECHNIQUES:
                self.techniques.append(technique)
        self._sign(alert.signatures())
        self._note(things_of(alert).items(), alert.shares)
        self.revision += 1
        return self._fold()

    def _sign(self, signatures: Iterable[tuple[str, str, str]]) -> None:
        for one in sorted(signatures):
            if len(self.signs) < MOST_INCIDENT_THINGS or one in self.signs:
                self.signs.add(one)
            else:
                self.dropped += 1

    def _meet(self, alert: Alert, *, new: bool) -> None:
        """Keep whom an alert is about. Like an alert that was raised, a party keeps its highest risk."""
        party = self.parties.get(alert.who)
        self.parties[alert.who] = Party(
            risk=max(alert.risk, party.risk if party else 0.0),
            weight=max(alert.weight, party.weight if party else 0.0),
            first_us=min(alert.first_us, party.first_us if party else alert.first_us),
            last_us=max(alert.last_us, party.last_us if party else alert.last_us),
            alerts=(party.alerts if party else 0) + new,
        )

    def _note(self, things: Iterable[tuple[str, tuple[int, int, bool]]], shares: dict[str, float]) -> None:
        for one, span in things:
            known = self.things.get(one)
            if known is None and len(self.things) >= MOST_INCIDENT_THINGS:
                self.dropped += 1
                continue
            if known is None:
                kind = kind_and_name(one)[0]
                self.sizes[kind] = self.sizes.get(kind, 0) + 1
            first_us, last_us, odd = joined(known, span)
            self.things[one] = (first_us, last_us, odd)
            if one in shares:
                self.shares[one] = max(shares[one], self.shares.get(one, 0.0))

    def _fold(self) -> list[str]:
        if len(self.members) <= MOST_MEMBERS:
            return []
        oldest = sorted(self.members.values(), key=lambda alert: (alert.last_us, alert.uid))
        gone = oldest[: len(oldest) - MOST_MEMBERS // 2]
        self._keep(gathered([*self.folded, *(one for alert in gone for one in evidence_of(alert))]))
        for alert in gone:
            del self.members[alert.uid]
        return [alert.uid for alert in gone]

    def _keep(self, evidence: list[Evidence]) -> None:
        self.dropped += max(0, len(evidence) - MOST_EVIDENCE)
        self.folded = evidence[:MOST_EVIDENCE]

    def swallow(self, other: Incident) -> list[str]:
        """Take in a whole incident: the two were one. Returns what `add` returns."""
        self.first_us, self.last_us = min(self.first_us, other.first_us), max(self.last_us, other.last_us)
        self.members |= other.members
        self._keep(gathered([*self.folded, *other.folded]))
        for who, party in other.parties.items():
            own = self.parties.get(who)
            self.parties[who] = (
                party
                if own is None
                else Party(
                    risk=max(own.risk, party.risk),
                    weight=max(own.weight, party.weight),
                    first_us=min(own.first_us, party.first_us),
                    last_us=max(own.last_us, party.last_us),
                    alerts=own.alerts + party.alerts,
                )
            )
        self._sign(other.signs)
        self._note(other.things.items(), other.shares)
        more = [one for one in other.techniques if one not in self.techniques]
        self.techniques = [*self.techniques, *more][:MOST_TECHNIQUES]
        self.alerts += other.alerts
        self.events += other.events
        self.dropped += other.dropped
        self.related = sorted({*self.related, *other.related} - {self.incident_id, other.incident_id})[
            :MOST_RELATED
        ]
        self.reasons = [*self.reasons, *other.reasons][-MOST_REASONS:]
        self.revision += 1
        return self._fold()

    def explain(self, reason: Reason) -> None:
        """Keep why an alert is here."""
        self.reasons = [*self.reasons, reason][-MOST_REASONS:]

    # ------------------------------------------------------------------------------------------------ reading

    def evidence(self) -> list[Evidence]:
        """All evidence, the strongest first."""
        return gathered(
            [*self.folded, *(one for alert in self.members.values() for one in evidence_of(alert))]
        )


def evidence_of(alert: Alert) -> list[Evidence]:
    """An alert's clues as evidence; an alert without clues is its own."""
    if not alert.clues:
        return [
            Evidence(
                who=alert.who,
                channel="",
                cause="whole picture",
                value="",
                nats=alert.risk,
                first_us=alert.first_us,
                last_us=alert.last_us,
                says="unusual as a whole, by no single thing",
                count=alert.count,
                source=alert.source,
            )
        ]
    return [
        Evidence(
            who=alert.who,
            channel=clue.channel,
            cause=clue.cause,
            value=clean(clue.value),
            nats=clue.nats,
            first_us=clue.first_us,
            last_us=clue.last_us,
            says=clean(clue.says),
            count=clue.count,
            source=alert.source,
        )
        for clue in alert.clues
    ]


def gathered(evidence: Iterable[Evidence]) -> list[Evidence]:
    """One piece for each (entity, cause, value): the strongest's words, all counts; the strongest first."""
    found: dict[tuple[str, str, str], Evidence] = {}
    for one in sorted(evidence, key=_strongest_first):
        first = found.get(one.signature)
        found[one.signature] = (
            one
            if first is None
            else msgspec.structs.replace(
                first,
                first_us=min(first.first_us, one.first_us),
                last_us=max(first.last_us, one.last_us),
                count=first.count + one.count,
            )
        )
    return sorted(found.values(), key=_strongest_first)


def _strongest_first(one: Evidence) -> tuple[float, int, tuple[str, str, str], str, str]:
    return -one.nats, one.first_us, one.signature, one.channel, one.says


def incident_id(tenant: str, *name: str | int) -> str:
    """Id of an incident: 24 hexadecimal digits of a hash of what founded it."""
    return hashlib.sha256(msgspec.json.encode([tenant, "incident", *name])).hexdigest()[:24]
