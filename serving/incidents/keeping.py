"""Incidents as part of a tenant's state: kept by the detector's own alerts and by the verdicts on them.

Alerts come at marks of event time (`models.watcher`), verdicts at their place in the journal, so a replay
comes to the same incidents. What changed is handed on as `Told`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from features.behaviours import ENTITY_KINDS
from features.errors import StateError
from models.days import Findings, shared
from models.feedback.partners import partners
from models.incidents.book import IncidentBook
from models.incidents.company import Company
from models.incidents.entity_days import alert_uid, of_entity_day
from models.incidents.incident import OPEN, VERDICT, Incident
from models.incidents.story import Description, describe
from serving.days import DAY_US

if TYPE_CHECKING:
    from collections.abc import Iterable

    from features.columns import Batch
    from models.days import DayTable
    from models.detector import Detector
    from models.incidents.rules import Change, Taken
    from serving.judgement import Label

PREFIX = "incidents/"
BOOK, DAYS = "book", "company/"
LEARN_ROWS = 8_192
"""Events that are looked through together for who was seen with whom."""
MOST_PARTIES = 100
GRAVEST = (2, 4, 7, 1, 5, 6, 10)
"""OCSF verdict_id of an incident: the first of these that was said of any of its alerts."""


class Link(NamedTuple):
    """An alert of an incident. day: since 1970, UTC; risk: nats, when the incident last heard of it."""

    alert_id: str
    entity_kind: str
    entity: str
    day: int
    risk: float


class Told(NamedTuple):
    """An incident as it is now.

    change: what became of it (`models.incidents.rules.Kind`). into: the id it was merged into, "" if it was
    not; nothing else is told of one that was. parties: entities that alerts are about, kind:name, the
    riskiest first.
    """

    incident_id: str
    change: str
    into: str
    revision: int
    first_us: int
    last_us: int
    active: bool
    closed_for: str
    verdict_id: int
    parties: tuple[str, ...]
    description: Description | None
    ties: tuple[dict[str, Any], ...]
    links: tuple[Link, ...]


class Incidents:
    """Open and lately closed incidents of one tenant, and who was seen with whom.

    Parameters
    ----------
    tenant
        Part of the ids.
    book, company
        Restored ones.
    """

    def __init__(self, tenant: str, book: IncidentBook | None = None, company: Company | None = None) -> None:
        self.tenant = tenant
        self.book = IncidentBook(tenant) if book is None else book
        self.company = Company() if company is None else company
        self._loose: list[tuple[np.ndarray, np.ndarray]] = []
        self._loose_rows = 0
        self._changed: dict[str, tuple[str, str]] = {}
        self._links: dict[str, dict[str, Link]] = {}

    # ---------------------------------------------------------------------------------------------- taking in

    def scored(self, batch: Batch) -> None:
        """Take in who was seen with whom."""
        self._loose.append((batch.time_us, batch.columns[:, -3:]))
        self._loose_rows += len(batch.time_us)
        if self._loose_rows >= LEARN_ROWS:
            self._settle()

    def _settle(self) -> None:
        if self._loose:
            times, entities = zip(*self._loose, strict=True)
            self._loose, self._loose_rows = [], 0
            self.company.learn(np.concatenate(times), np.concatenate(entities))

    def raised(self, detector: Detector, table: DayTable, risk: np.ndarray) -> None:
        """Take in entity-days of one day that were raised, as they are now, and let time pass.

        table, risk: as `models.watcher.Watcher` is told them.
        """
        self._settle()
        # who sends from the future must not close everything: the time that is trusted counts
        now_us = max(detector.clock.newest_us, 0)
        links: dict[str, Link] = {}
        alerts = []
        found = None
        if len(table.day):
            found = _findings(detector, int(table.day[0]))
        for row in range(len(table.day)):
            alert = of_entity_day(
                detector.baselines,
                detector.channels,
                found if found is not None else _no_findings(),
                tenant=self.tenant,
                entity=int(table.entity[row]),
                day=int(table.day[row]),
                risk=float(risk[row]),
                n_events=int(table.n_events[row]),
                company=self.company,
            )
            name = str(detector.baselines.values[int(detector.baselines.entities.name[table.entity[row]])])
            links[alert.uid] = Link(alert.uid, alert.entity_kind, name, int(table.day[row]), alert.risk)
            alerts.append(alert)
        self._note(self.book.take(alerts, now_us), links)

    def partners(self, detector: Detector, kind: str, name: str, day: int) -> tuple[tuple[str, str], ...]:
        """Kind and name of who an entity worked with closely on a day (`models.feedback.partners`)."""
        self._settle()
        known = detector.baselines
        entity = dict(known.find(name)).get(kind, -1)
        if entity < 0:
            return ()
        near = partners(self.company, entity, day, known.entities.kind)
        names = known.values.many(known.entities.name[np.array(near, np.int64)])
        return tuple(
            (ENTITY_KINDS[int(known.entities.kind[one])], text) for one, text in zip(near, names, strict=True)
        )

    def day_begins(self, day: int) -> None:
        """Forget what is older than the window of a day."""
        self.company.forget(day)

    def judged(self, label: Label, labels: Iterable[Label], now_us: int) -> None:
        """A verdict on an entity-day was given or taken back.

        An incident is judged when all of its alerts are. now_us: event time.

        Parameters
        ----------
        labels
            All verdicts that hold.
        """
        about = alert_uid(self.tenant, label.entity_kind, label.entity, label.day)
        home = self.book.find(self.book.home(about))
        if home is None or home.routine:
            return
        days = {alert.first_us // DAY_US for alert in home.members.values()}
        said: dict[str, set[int]] = {}
        for one in labels:
            if one.day in days and one.covers_the_day:
                uid = alert_uid(self.tenant, one.entity_kind, one.entity, one.day)
                said.setdefault(uid, set()).add(one.verdict_id)
        verdict_id = verdict_of([said.get(uid, set()) for uid in home.members])
        before = home.verdict_id if home.closed_for == VERDICT else 0
        if verdict_id != before:
            self._change(self.book.judge(home.incident_id, verdict_id, now_us))

    # --------------------------------------------------------------------------------------------- handing on

    def _note(self, taken: Taken, links: dict[str, Link]) -> None:
        for change in taken.changes:
            self._change(change)
        for uid, home in taken.homes.items():
            incident = self.book.find(home)
            if incident is not None:
                self._links.setdefault(incident.incident_id, {})[uid] = links[uid]
                # its risk may have moved without a word of the incident's story
                self._changed.setdefault(incident.incident_id, ("updated", ""))

    def _change(self, change: Change) -> None:
        before = self._changed.get(change.incident_id)
        if before is None or before[0] not in ("opened", "reopened", "merged") or change.kind == "merged":
            self._changed[change.incident_id] = (change.kind, change.into)

    def news(self) -> list[Told]:
        """What changed since this was asked last, by id; merged ones come first."""
        changed, self._changed = self._changed, {}
        links, self._links = self._links, {}
        out = []
        for key in sorted(changed, key=lambda key: (changed[key][0] != "merged", key)):
            kind, into = changed[key]
            incident = self.book.incidents.get(key)
            if kind == "merged":
                home = self.book.find(into)
                out.append(_merged(key, into if home is None else home.incident_id))
            elif incident is not None and not incident.routine:
                out.append(_told(incident, kind, tuple(links.get(key, {}).values())))
        return out

    # ------------------------------------------------------------------------------------------------- state

    def renumber(self, entities: np.ndarray) -> None:
        """Follow a renumbering of entities (old id -> new id, 0: gone). None is kept for this: whom the
        baselines forget need not be known here.
        """
        self._settle()
        self.company.renumber(entities)

    def export(self) -> dict[str, np.ndarray]:
        """Arrays of a checkpoint; what `news` would say is none: it is handed on before."""
        self._settle()
        arrays = {BOOK: np.frombuffer(self.book.export(), np.uint8)}
        arrays |= {DAYS + name: array.copy() for name, array in self.company.export().items()}
        return {PREFIX + name: array for name, array in arrays.items()}

    @classmethod
    def restored(cls, tenant: str, arrays: dict[str, np.ndarray]) -> Incidents:
        """What was exported; nothing yet where the checkpoint is from before there were incidents.

        Raises
        ------
        StateError
            If it is damaged, or another tenant's.
        """
        own = {name.removeprefix(PREFIX): array for name, array in arrays.items() if name.startswith(PREFIX)}
        if BOOK not in own:
            return cls(tenant)
        book = IncidentBook.restored(own[BOOK].tobytes())
        if book.tenant != tenant:
            raise StateError(f"{tenant} has the incidents of {book.tenant}: restore a back-up")
        days = {name.removeprefix(DAYS): array for name, array in own.items() if name.startswith(DAYS)}
        return cls(tenant, book, Company.restored(days))


def verdict_of(opinions: list[set[int]]) -> int:
    """OCSF verdict_id of an incident from what was said of each of its alerts; 0 while one is not judged."""
    if not opinions or not all(opinions):
        return 0
    everything = set().union(*opinions)
    return gravest(everything)


def gravest(given: set[int]) -> int:
    """Of some OCSF verdict_ids the one that decides."""
    return next((number for number in GRAVEST if number in given), min(given))


def _findings(detector: Detector, day: int) -> Findings | None:
    """A day's findings without what is exempted, shared where many had them."""
    found = detector.days.findings()
    if found is None:
        return None
    found = shared(found, detector.channels, day)
    gone = detector.feedback.covers(
        detector.baselines, detector.channels, found.channel, found.entity, found.value, found.time_us
    )
    return Findings(*(array[~gone] for array in found))


def _no_findings() -> Findings:
    whole, real = np.zeros(0, np.int64), np.zeros(0)
    return Findings(whole, whole, whole, whole, real, real, np.zeros((0, 6), np.float32), whole)


def _merged(key: str, into: str) -> Told:
    return Told(key, "merged", into, 0, 0, 0, False, "", 0, (), None, (), ())


def _told(incident: Incident, change: str, links: tuple[Link, ...]) -> Told:
    parties = incident.parties
    return Told(
        incident_id=incident.incident_id,
        change=change,
        into="",
        revision=incident.revision,
        first_us=incident.first_us,
        last_us=incident.last_us,
        active=incident.state == OPEN,
        closed_for=incident.closed_for,
        verdict_id=incident.verdict_id,
        parties=tuple(sorted(parties, key=lambda who: (-parties[who].risk, who)))[:MOST_PARTIES],
        description=describe(incident),
        ties=tuple(msgspec.to_builtins(reason) for reason in incident.reasons),
        links=links,
    )
