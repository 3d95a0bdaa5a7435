"""From a seed to files: days in order, events of a day in order, and the ground truth beside them.

A simulation is written as events.ndjson (OCSF 1.8, one event a line, in order of arrival: a small share comes
late), directory.csv, labels.ndjson (the planted campaigns), oddities.ndjson (the benign ones) and
delivery.json (what came late or never). Nothing but labels and oddities says which is which. Memory does not
grow with the number of days.
"""

from __future__ import annotations

import csv
from bisect import bisect_left
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from features.errors import InputError
from training.simulate import machines, oddities, organisation, plan, rollout, routine
from training.simulate.campaigns import planning
from training.simulate.campaigns.counterparts import benign_counterparts
from training.simulate.campaigns.suppliers import suppliers
from training.simulate.chance import Chance
from training.simulate.delivery import Delivery
from training.simulate.plan import World
from training.simulate.worktime import HOUR_MS, Day

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from training.simulate.campaigns.campaign import Campaign
    from training.simulate.oddities import Episode
    from training.simulate.records import Record

SEED, DAYS, USERS = 7, 21, 60
START = date(2026, 2, 2)
LIMITS = {"seed": (0, 2**32 - 1), "days": (8, 1000), "users": (8, 20_000)}
MOST_CAMPAIGNS = 500
_EARLIEST_LOCAL_MS = 12 * HOUR_MS
"""No site's calendar day begins earlier than this before midnight UTC."""


class Label(msgspec.Struct, gc=False):
    """Ground truth of one campaign at one entity on one UTC day, from its first to its last event there."""

    campaign: str
    kind: str
    day: str
    entity_kind: str
    entity: str
    start: str
    end: str
    event_uids: list[str]
    difficulty: str = ""
    technique: str = ""


class Oddity(msgspec.Struct, gc=False):
    """A benign oddity that came about: who, and on which days (by the calendar of the person's site).

    `entity_kind` is "user", or "site" for a change of the network that befell all of a site.
    """

    oddity: str
    kind: str
    entity_kind: str
    entity: str
    days: list[str]


class Held(msgspec.Struct, gc=False):
    """Events that came late or (`arrives` is null) never, and why; an empty `source` or `host` means all."""

    reason: str
    source: str
    host: str
    start: str
    end: str
    arrives: str | None
    events: int


class Manifest(msgspec.Struct, gc=False):
    """How the events were delivered: how many came, how many of them late, how many never, and which."""

    events: int
    late: int
    lost: int
    late_by_source: dict[str, int]
    held: list[Held]


@dataclass
class Summary:
    """What was written. `late` of the events came out of order; `lost` ones were not written."""

    events: int = 0
    bytes: int = 0
    people: int = 0
    hosts: int = 0
    late: int = 0
    lost: int = 0
    attack_events: int = 0
    campaigns: list[Campaign] = field(default_factory=list)
    oddities: int = 0


class Simulation:
    """One organisation over some days.

    Parameters
    ----------
    seed
        0 to 2^32 - 1; the same arguments give the same bytes.
    users
        People with a desk (8 to 20,000); service, shared and administrator accounts come on top.
    days
        Calendar days in UTC (8 to 1,000).
    start
        First day.
    campaigns
        Number of planted campaigns (0 to 500); None for what suits so many people and days.
    in_order
        Every event in its place by time, as if none had come late.

    Raises
    ------
    InputError
        If an argument is out of its range.
    """

    def __init__(
        self,
        seed: int = SEED,
        users: int = USERS,
        days: int = DAYS,
        start: date = START,
        campaigns: int | None = None,
        *,
        in_order: bool = False,
    ) -> None:
        for name, value in (("seed", seed), ("days", days), ("users", users)):
            low, high = LIMITS[name]
            if not low <= value <= high:
                raise InputError(f"--{name} {value}: give a number from {low} to {high}")
        if not date(1990, 1, 1) <= start <= date(2090, 1, 1):
            raise InputError(f"--start {start}: give a date from 1990-01-01 to 2090-01-01")
        self.seed, self.days, self.start = seed, days, start
        self.world = World(organisation.build(seed, users))
        if campaigns is None:
            campaigns = planning.campaigns_in(users, days)
        elif not 0 <= campaigns <= MOST_CAMPAIGNS:
            raise InputError(f"--campaigns {campaigns}: give a number from 0 to {MOST_CAMPAIGNS}")
        self.episodes = oddities.plan_episodes(
            self.world.organisation, start, days, campaigns, len(planning.window(days))
        )
        """Benign oddities, in no special order; taking some away leaves everything else as it is."""
        unsettled = oddities.unsettled(self.episodes)
        self.campaigns = planning.plan_campaigns(self.world, start, days, unsettled, campaigns)
        self.shown: dict[int, list[str]] = {}
        """Days on which oddities came about, by their number."""
        self.delivery = Delivery(self.world.organisation, in_order=in_order)

    def __iter__(self) -> Iterator[list[Record]]:
        """Records of one day after the other (from noon to noon, UTC), in order of arrival; once."""
        by_person: dict[str, list[Episode]] = {}
        for episode in self.episodes:
            by_person.setdefault(episode.person.key, []).append(episode)
        begin = Day(0, self.start).midnight_ms
        end = Day(self.days, self.start + timedelta(days=self.days)).midnight_ms
        records = self.world.sensors.records
        for index in range(self.days):
            day = Day(index, self.start + timedelta(days=index))
            self._live(day, by_person)
            last = index == self.days - 1
            until = end if last else day.midnight_ms + 24 * HOUR_MS - _EARLIEST_LOCAL_MS
            # what lies beyond the calendar day (evenings in the west, long nights) waits for its turn
            records.sort(key=itemgetter(0, 1))
            count = bisect_left(records, until, key=itemgetter(0))
            ready = records[bisect_left(records, begin, key=itemgetter(0)) : count]
            del records[:count]
            yield self.delivery.arrivals(ready, day, until, last=last)

    def _live(self, day: Day, by_person: dict[str, list[Episode]]) -> None:
        world = self.world
        plans = {}
        for person in world.organisation.people:
            today = plan.make(world, person, day)
            episodes = [one for one in by_person.get(person.key, ()) if oddities.reaches(one, day.index)]
            for episode in episodes:
                oddities.adjust(world, today, episode)
            routine.live(world, today)
            for episode in episodes:
                if oddities.act(world, today, episode):
                    self.shown.setdefault(episode.number, []).append(day.date.isoformat())
            rollout.wave(world, today)
            benign_counterparts(world, today)
            plans[person.key] = today
        machines.run(world, day)
        for campaign in self.campaigns:
            planning.act(world, campaign, plans[campaign.person.key])


def write(simulation: Simulation, folder: Path) -> Summary:
    """Write a simulation into a folder (made if missing; its own five files are replaced)."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = Summary(
        people=len(simulation.world.organisation.people), hosts=len(simulation.world.organisation.hosts)
    )
    labels = _Labels(simulation)
    with ExitStack() as stack:
        out = stack.enter_context((folder / "events.ndjson.part").open("wb"))
        for index, records in enumerate(simulation):
            uids = event_uids(simulation.seed, index, len(records))
            lines = [
                f'{{"metadata":{{"uid":"{uid}",{record.body}\n'
                for uid, record in zip(uids, records, strict=True)
            ]
            summary.bytes += out.write("".join(lines).encode())
            summary.events += len(lines)
            for uid, record in zip(uids, records, strict=True):
                if record.mark is not None:
                    labels.add(uid, record)
    (folder / "events.ndjson.part").replace(folder / "events.ndjson")
    _write_directory(simulation, folder / "directory.csv")
    (folder / "labels.ndjson").write_bytes(msgspec.json.Encoder().encode_lines(labels.found()))
    _write_manifest(simulation, summary, folder / "delivery.json")
    happened = _oddities(simulation)
    (folder / "oddities.ndjson").write_bytes(msgspec.json.Encoder().encode_lines(happened))
    summary.attack_events, summary.campaigns, summary.oddities = (
        labels.events,
        simulation.campaigns,
        len(happened),
    )
    return summary


def event_uids(seed: int, index: int, n: int) -> list[str]:
    """Unique ids of one day's events, shaped as version 4 UUIDs (RFC 9562)."""
    text = Chance(seed, "uid", index).hexadecimal(16 * n)
    parts = (text[at : at + 32] for at in range(0, len(text), 32))
    return [f"{part[:8]}-{part[8:12]}-4{part[13:16]}-a{part[17:20]}-{part[20:]}" for part in parts]


def _stamp(time_ms: int) -> str:
    return (
        datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


class _Labels:
    """Gathers the ground truth while events are written; small, because campaigns are."""

    def __init__(self, simulation: Simulation) -> None:
        self._campaigns = {campaign.number: campaign for campaign in simulation.campaigns}
        self._found: dict[tuple[int, str, str, str], Label] = {}
        self.events = 0

    def add(self, uid: str, record: Record) -> None:
        """Take in one planted event, in order of arrival."""
        mark = record.mark
        if mark is None:
            return
        self.events += 1
        stamp = _stamp(record.time_ms)
        campaign = self._campaigns[mark.campaign]
        for kind, entity in mark.entities:
            key = (mark.campaign, stamp[:10], kind, entity)
            label = self._found.get(key)
            if label is None:
                label = Label(
                    campaign.name,
                    campaign.kind,
                    stamp[:10],
                    kind,
                    entity,
                    stamp,
                    stamp,
                    [],
                    campaign.difficulty,
                    campaign.technique,
                )
                self._found[key] = label
            label.start, label.end = min(label.start, stamp), max(label.end, stamp)
            label.event_uids.append(uid)

    def found(self) -> list[Label]:
        """Labels by campaign, day and entity."""
        return [self._found[key] for key in sorted(self._found)]


def _oddities(simulation: Simulation) -> list[Oddity]:
    by_number = {episode.number: episode for episode in simulation.episodes}
    found = [
        Oddity(f"o{number:04d}", by_number[number].kind, "user", by_number[number].person.name, days)
        for number, days in sorted(simulation.shown.items())
    ]
    for number, change in enumerate(simulation.world.company.changes(simulation.days)):
        last = min(change.last, simulation.days - 1)
        days = [
            (simulation.start + timedelta(days=index)).isoformat() for index in range(change.first, last + 1)
        ]
        found.append(Oddity(f"n{number:04d}", change.kind, "site", change.site.name, days))
    return found


def _write_manifest(simulation: Simulation, summary: Summary, path: Path) -> None:
    delivery = simulation.delivery
    summary.late, summary.lost = delivery.late, delivery.lost
    held = [
        Held(
            gap.reason,
            gap.source,
            gap.host.lower(),
            _stamp(gap.start_ms),
            _stamp(gap.end_ms),
            None if gap.arrives_ms is None else _stamp(gap.arrives_ms),
            gap.events,
        )
        for gap in delivery.gaps
        if gap.events
    ]
    by_source = dict(sorted(delivery.late_of.items()))
    manifest = Manifest(summary.events, delivery.late, delivery.lost, by_source, held)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def _write_directory(simulation: Simulation, path: Path) -> None:
    """People by department, accounts of other kinds, machines by kind; names as events' names come out."""
    org = simulation.world.organisation
    owners = {person.workstation.name: person.name for person in org.people}
    heavy = {"domain controller": "3", "file server": "2", "database": "2", "backup server": "2"}
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("entity_kind", "entity", "group", "weight", "owner"))
        for person in org.people:
            rows.writerow(("user", person.name, person.role.name, "1", ""))
        for name, account in org.admins.items():
            rows.writerow(("user", account.name, "administrators", "2", name))
        for account in (*org.services.values(), *org.shared):
            rows.writerow(("user", account.name, "shared" if account in org.shared else "services", "1", ""))
        for person, supplier in suppliers(org):
            rows.writerow(("user", supplier.account.name, "suppliers", "1", person.name))
        for host in org.hosts:
            rows.writerow(
                ("host", host.name.lower(), host.kind, heavy.get(host.kind, "1"), owners.get(host.name, ""))
            )
