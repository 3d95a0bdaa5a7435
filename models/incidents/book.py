"""The open incidents of one tenant: alerts come in, and join, open or merge them.

How an alert finds its place
----------------------------
1. An alert that is here already is brought up to date in place; equal repeats change nothing.
2. An alert of another detector below `routine_nats` goes to the everyday incident of its entity and UTC day.
   That is never merged with anything and never grows into a story.
3. Otherwise it joins the open incident it is tied to the strongest, if the tie (`models.incidents.ties`)
   reaches `join_nats`, or if the incident holds the same cause and value of the same entity. Nothing is
   joined across more than `quiet_hours` of silence, and no incident older than `most_days` grows.
4. Further incidents that it is tied to with `merge_nats` are the same story: they merge into the oldest.
5. What joins nothing opens an incident.

What a verdict changes: after true positive, suspicious or insufficient data, an alert that is tied to the
incident within `reopen_days` opens it again. After any other verdict (false positive, benign, test,
duplicate) only repeats are kept with it, and only counted: the same causes and values of the same entities
at less than `reopen_nats` more than its highest risk. Whatever else is tied to it opens a new incident that
names it as related. A closed incident never takes in anything new without opening.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from features.errors import InputError, StateError
from models.incidents.alert import OWN, Alert, checked
from models.incidents.incident import (
    AGED,
    CLOSED,
    CROWDED,
    OPEN,
    QUIET,
    VERDICT,
    Incident,
    Reason,
    incident_id,
)
from models.incidents.recurrence import DAY_US, Recurrence
from models.incidents.rules import Change, Kind, Rules, Taken
from models.incidents.ties import ANY, Tie, things_of, tie

if TYPE_CHECKING:
    from collections.abc import Iterable

HOUR_US = 3_600_000_000
REOPENING = frozenset({2, 4, 7})
"""OCSF verdict_id after which an incident opens again: true positive, suspicious, insufficient data."""
VERDICTS = frozenset(range(11)) | {99}
VERSION = 1
MOST_CANDIDATES = 64
MOST_REPEATS = 200
_Placed = tuple[str, list[Change]]
_LOUDEST: tuple[Kind, ...] = ("merged", "opened", "reopened", "closed", "updated", "recurred")


class IncidentBook:
    """Open and lately closed incidents of one tenant.

    Parameters
    ----------
    tenant
        Part of the ids.
    rules
        Default: `Rules()`.

    Notes
    -----
    Memory: `most_open` + `most_closed` incidents, each with at most 200 whole alerts, 400 pieces of evidence
    and 2,000 things. An alert costs one look-up for each of its things and each incident that names one (at
    most MOST_CANDIDATES, the newest).
    """

    def __init__(self, tenant: str, rules: Rules | None = None) -> None:
        self.tenant = tenant
        self.rules = rules or Rules()
        self.recurrence = Recurrence()
        self.incidents: dict[str, Incident] = {}
        self.crowded_out = 0
        """Incidents closed early or dropped because there were too many."""
        self._aliases: dict[str, str] = {}
        self._homes: dict[str, str] = {}
        self._naming: dict[str, dict[str, None]] = {}
        self._now_us = 0

    # ---------------------------------------------------------------------------------------------- taking in

    def take(self, alerts: list[Alert], now_us: int | None = None) -> Taken:
        """Take in a batch of alerts; their order does not matter.

        Parameters
        ----------
        alerts
            New ones, and those that say something else than before.
        now_us
            The tenant's event time, by which incidents fall quiet: microseconds since 1970, UTC. Default:
            the latest alert. Give it where alerts come from outside: one from the future would close all
            others.

        Raises
        ------
        InputError
            If an alert cannot be used; then none of the batch was taken.
        """
        if now_us is None:
            now_us = max((alert.last_us for alert in alerts), default=0)
        latest: dict[str, Alert] = {}
        for alert in sorted((checked(alert) for alert in alerts), key=_order):
            latest[alert.uid] = alert
        changes: dict[str, Change] = {}
        homes: dict[str, str] = {}
        for alert in sorted(latest.values(), key=_order):
            home, found = self._place(alert)
            homes[alert.uid] = home
            for change in found:
                _record(changes, change)
            if not self._is_everyday(alert):
                # what everyday alerts name says nothing about how rarely alerts that matter name it
                self._learn(alert)
        for change in self.sweep(now_us):
            _record(changes, change)
        homes = {uid: self._aliases.get(home, home) for uid, home in homes.items()}
        return Taken([changes[key] for key in sorted(changes)], homes)

    def _learn(self, alert: Alert) -> None:
        self.recurrence.learn(ANY, alert.first_us, alert.last_us)
        for one, span in things_of(alert).items():
            if span.odd:
                self.recurrence.learn(one, span.first_us, span.last_us)

    def _place(self, alert: Alert) -> _Placed:
        home = self.find(self._homes.get(alert.uid) or incident_id(self.tenant, alert.uid))
        everyday = self._is_everyday(alert)
        if home is not None and (everyday or not home.routine):
            return self._again(home, alert)
        if everyday:
            return self._everyday(alert)
        joined, merged, judged = self._candidates(alert)
        if joined is not None:
            return self._join(joined, alert, merged)
        if judged is None:
            return self._open(alert, [])
        incident, how = judged
        if incident.verdict_id in REOPENING:
            self._reopen(incident)
            self._add(incident, alert, how)
            return incident.incident_id, [Change("reopened", incident.incident_id)]
        if self._known(incident, alert) and alert.clues:
            return self._repeat(incident, alert.uid)
        return self._open(alert, [incident.incident_id])

    def _open(self, alert: Alert, related: list[str]) -> _Placed:
        key, again = incident_id(self.tenant, alert.uid), 0
        while key in self.incidents:
            again += 1
            key = incident_id(self.tenant, alert.uid, again)
        self.incidents[key] = Incident(
            incident_id=key, first_us=alert.first_us, last_us=alert.last_us, related=related
        )
        self._add(self.incidents[key], alert, None)
        return key, [Change("opened", key)]

    def _again(self, home: Incident, alert: Alert) -> _Placed:
        """An alert that is here already."""
        before = home.members.get(alert.uid)
        if before == alert or (before is None and self._known(home, alert)):
            return home.incident_id, []
        if home.routine:
            self._keep(home, alert)
            return home.incident_id, [Change("updated", home.incident_id)]
        if home.state == OPEN:
            _, merged, _ = self._candidates(alert, apart_from=home.incident_id)
            return self._join((home, None), alert, merged)
        if self._known(home, alert):
            self._keep(home, alert)
            if home.closed_for == VERDICT:
                self._name(home, things_of(alert))
            return home.incident_id, [Change("updated", home.incident_id)]
        if home.closed_for == VERDICT and home.verdict_id not in REOPENING:
            # the verdict was about what was known then: what an alert has become since is another story
            return self._open(alert, [home.incident_id])
        self._reopen(home)
        self._add(home, alert, None)
        return home.incident_id, [Change("reopened", home.incident_id)]

    def _everyday(self, alert: Alert) -> _Placed:
        key = incident_id(self.tenant, "everyday", alert.who, alert.first_us // DAY_US)
        known = key in self.incidents
        if not known:
            self.incidents[key] = Incident(
                incident_id=key, first_us=alert.first_us, last_us=alert.last_us, routine=True
            )
        self._keep(self.incidents[key], alert)
        return key, [Change("updated" if known else "opened", key)]

    def _is_everyday(self, alert: Alert) -> bool:
        return alert.source != OWN and alert.risk < self.rules.routine_nats

    def _known(self, incident: Incident, alert: Alert) -> bool:
        """Whether an alert says nothing that the incident does not say, and no louder."""
        louder = alert.risk >= _peak(incident) + self.rules.reopen_nats
        return not louder and alert.signatures() <= incident.signs

    def _repeat(self, incident: Incident, uid: str) -> _Placed:
        """Count a repeat of what was judged harmless."""
        if uid in incident.repeats:
            return incident.incident_id, []
        incident.repeats = [*incident.repeats, uid][-MOST_REPEATS:]
        incident.recurrences += 1
        incident.revision += 1
        return incident.incident_id, [Change("recurred", incident.incident_id)]

    # ---------------------------------------------------------------------------------------- candidates

    def _candidates(
        self, alert: Alert, apart_from: str = ""
    ) -> tuple[tuple[Incident, Tie] | None, list[Incident], tuple[Incident, Tie] | None]:
        """The open incident to join, those to merge with it, and the judged one that it is tied to."""
        own = things_of(alert)
        signatures = alert.signatures()
        near: dict[str, None] = {}
        for one in sorted(own):
            near |= self._naming.get(one, {})
        found = []
        for key in sorted(near, key=lambda key: (-self.incidents[key].last_us, key))[:MOST_CANDIDATES]:
            incident = self.incidents[key]
            if key == apart_from or not self._reachable(incident, alert):
                continue
            how = tie(alert, own, incident.things, incident.sizes, incident.shares, self.recurrence)
            same = not signatures.isdisjoint(incident.signs)
            if how.nats >= self.rules.join_nats:
                found.append((same, how, incident))
            elif same:
                found.append((same, Tie(how.nats, ()), incident))
        found.sort(key=lambda item: (not item[0], -item[1].nats, item[2].first_us, item[2].incident_id))
        open_ones = [(how, incident) for _, how, incident in found if incident.state == OPEN]
        judged = [(incident, how) for _, how, incident in found if incident.state == CLOSED]
        merged = [
            incident
            for how, incident in open_ones[0 if apart_from else 1 :]
            if how.nats >= self.rules.merge_nats
        ]
        best = (open_ones[0][1], open_ones[0][0]) if open_ones else None
        return best, merged, judged[0] if judged else None

    def _reachable(self, incident: Incident, alert: Alert) -> bool:
        gap = max(alert.first_us - incident.last_us, incident.first_us - alert.last_us)
        if incident.routine:
            return False
        if incident.state == CLOSED:
            return incident.closed_for == VERDICT and gap <= self.rules.reopen_days * DAY_US
        age = max(alert.last_us, incident.last_us) - min(alert.first_us, incident.first_us)
        return gap <= self.rules.quiet_hours * HOUR_US and age <= self.rules.most_days * DAY_US

    # ---------------------------------------------------------------------------------------------- growing

    def _join(self, to: tuple[Incident, Tie | None], alert: Alert, merged: list[Incident]) -> _Placed:
        ranked = sorted([to[0], *merged], key=lambda one: (one.first_us, one.incident_id))
        survivor = ranked[0]
        changes = [Change("updated", survivor.incident_id)]
        for other in ranked[1:]:
            self._merge(survivor, other)
            changes.append(Change("merged", other.incident_id, survivor.incident_id))
        self._add(survivor, alert, to[1])
        return survivor.incident_id, changes

    def _add(self, incident: Incident, alert: Alert, how: Tie | None) -> None:
        self._keep(incident, alert)
        if how is not None:
            incident.explain(Reason(alert.uid, alert.who, tuple(one for one, _ in how.things), how.nats))
        self._name(incident, things_of(alert))

    def _keep(self, incident: Incident, alert: Alert) -> None:
        self._homes[alert.uid] = incident.incident_id
        for uid in incident.add(alert):
            self._homes.pop(uid, None)

    def _merge(self, survivor: Incident, other: Incident) -> None:
        for uid in other.members:
            self._homes[uid] = survivor.incident_id
        for uid in survivor.swallow(other):
            self._homes.pop(uid, None)
        self._unname(other)
        self._name(survivor, other.things)
        del self.incidents[other.incident_id]
        for old, into in self._aliases.items():
            if into == other.incident_id:
                self._aliases[old] = survivor.incident_id
        self._aliases[other.incident_id] = survivor.incident_id

    def _name(self, incident: Incident, things: Iterable[str]) -> None:
        """Make an incident reachable by things that it names."""
        if not incident.routine:
            for one in things:
                if one in incident.things:
                    self._naming.setdefault(one, {})[incident.incident_id] = None

    def _unname(self, incident: Incident) -> None:
        for one in incident.things:
            naming = self._naming.get(one, {})
            naming.pop(incident.incident_id, None)
            if not naming:
                self._naming.pop(one, None)

    def _reopen(self, incident: Incident) -> None:
        incident.state, incident.closed_for, incident.closed_us, incident.verdict_id = OPEN, "", 0, 0
        self._name(incident, incident.things)

    # ---------------------------------------------------------------------------------------------- closing

    def resolve(self, key: str) -> str:
        """The id under which an incident is kept now: its own, or of the one it was merged into.

        Raises
        ------
        StateError
            If none is kept under it (any more).
        """
        key = self._aliases.get(key, key)
        if key not in self.incidents:
            raise StateError(f"incident {key[:40]!r} is not kept here (any more); look it up in the store")
        return key

    def find(self, key: str) -> Incident | None:
        """The incident under an id, old ones included; None if there is none."""
        return self.incidents.get(self._aliases.get(key, key))

    def home(self, uid: str) -> str:
        """Id of the incident that an alert is in, "" where none is known."""
        found = self.find(self._homes.get(uid) or incident_id(self.tenant, uid))
        return "" if found is None else found.incident_id

    def judge(self, key: str, verdict_id: int, at_us: int) -> Change:
        """Close an incident with a verdict (OCSF verdict_id). A later verdict replaces it; 0 takes it back
        and opens the incident again.

        Raises
        ------
        StateError
            If the incident is not kept here.
        InputError
            If OCSF knows no such verdict.
        """
        if verdict_id not in VERDICTS:
            raise InputError(f"verdict_id {verdict_id} is none of OCSF's; use 0 to 10 or 99")
        incident = self.incidents[self.resolve(key)]
        incident.revision += 1
        if verdict_id == 0:
            self._reopen(incident)
            return Change("reopened", incident.incident_id)
        self._close(incident, VERDICT, at_us)
        incident.verdict_id = verdict_id
        # it may have been quiet before: a verdict makes it reachable again, for what is tied to it
        self._name(incident, incident.things)
        return Change("closed", incident.incident_id)

    def _close(self, incident: Incident, why: str, at_us: int) -> None:
        incident.state, incident.closed_for, incident.closed_us = CLOSED, why, at_us
        if why != VERDICT:
            self._unname(incident)

    def sweep(self, now_us: int) -> list[Change]:
        """Close what has been quiet or grown too old by a moment of event time, and make room."""
        self._now_us = max(self._now_us, now_us)
        rules, changes = self.rules, []
        open_ones = [one for one in self.incidents.values() if one.state == OPEN]
        for incident in sorted(open_ones, key=lambda one: one.incident_id):
            quiet = self._now_us - incident.last_us > rules.quiet_hours * HOUR_US
            aged = self._now_us - incident.first_us > (rules.most_days + rules.quiet_hours / 24) * DAY_US
            if quiet or aged:
                self._close(incident, QUIET if quiet else AGED, self._now_us)
                changes.append(Change("closed", incident.incident_id))
        open_ones = sorted((one for one in open_ones if one.state == OPEN), key=_quietest_first)
        for incident in open_ones[: max(0, len(open_ones) - rules.most_open)]:
            self._close(incident, CROWDED, self._now_us)
            self.crowded_out += 1
            changes.append(Change("closed", incident.incident_id))
        self._forget()
        self.recurrence.forget(self._now_us)
        return changes

    def _forget(self) -> None:
        closed = sorted((one for one in self.incidents.values() if one.state == CLOSED), key=_quietest_first)
        too_many = len(closed) - self.rules.most_closed
        gone = set()
        for place, incident in enumerate(closed):
            old = self._now_us - max(incident.last_us, incident.closed_us) > self.rules.keep_days * DAY_US
            if old or place < too_many:
                self.crowded_out += not old
                gone.add(incident.incident_id)
        if not gone:
            return
        for key in gone:
            self._unname(self.incidents.pop(key))
        self._aliases = {old: into for old, into in self._aliases.items() if into not in gone}
        self._homes = {uid: key for uid, key in self._homes.items() if key not in gone}

    # ---------------------------------------------------------------------------------------------- state

    def export(self) -> bytes:
        """The whole state as JSON; the same state gives the same bytes."""
        return msgspec.json.encode(
            {
                "version": VERSION,
                "tenant": self.tenant,
                "rules": self.rules,
                "now_us": self._now_us,
                "crowded_out": self.crowded_out,
                "recurrence": self.recurrence.export(),
                "aliases": self._aliases,
                "homes": self._homes,
                "incidents": [self.incidents[key] for key in sorted(self.incidents)],
            },
            order="sorted",
        )

    @classmethod
    def restored(cls, state: bytes) -> IncidentBook:
        """The book that was exported.

        Raises
        ------
        StateError
            If the bytes are no such state, or of another version.
        """
        try:
            plain: dict[str, Any] = msgspec.json.decode(state)
            if plain["version"] != VERSION:
                raise StateError(
                    f"incidents of version {plain['version']}; this habitus reads {VERSION}: "
                    "start from the alerts"
                )
            book = cls(str(plain["tenant"]), msgspec.convert(plain["rules"], Rules))
            book.recurrence = Recurrence.restored(plain["recurrence"])
            book._now_us, book.crowded_out = int(plain["now_us"]), int(plain["crowded_out"])
            book._aliases, book._homes = dict(plain["aliases"]), dict(plain["homes"])
            incidents = msgspec.convert(plain["incidents"], list[Incident])
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            raise StateError("the state of the incidents is damaged; start from the alerts") from error
        for incident in incidents:
            book.incidents[incident.incident_id] = incident
            if incident.state == OPEN or incident.closed_for == VERDICT:
                book._name(incident, incident.things)
        return book


def _order(alert: Alert) -> tuple[int, str, int, float, bytes]:
    # what one uid says last in event time is what it says; equal times are decided by content, not by arrival
    return alert.first_us, alert.uid, alert.last_us, alert.risk, msgspec.json.encode(alert, order="sorted")


def _quietest_first(incident: Incident) -> tuple[int, str]:
    return incident.last_us, incident.incident_id


def _peak(incident: Incident) -> float:
    return max((party.risk for party in incident.parties.values()), default=0.0)


def _record(changes: dict[str, Change], change: Change) -> None:
    """Of several changes of one incident the one that says most."""
    before = changes.get(change.incident_id)
    if before is None or _LOUDEST.index(change.kind) < _LOUDEST.index(before.kind):
        changes[change.incident_id] = change
