"""How logs arrive: mostly at once, a small share hours late and out of order, some never.

A laptop without a connection keeps its events and sends them later, in order, in one go. Cloud services write
their audit logs late. A collector in trouble catches up, or what it should have taken is lost.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from heapq import heappop, heappush
from operator import attrgetter
from typing import TYPE_CHECKING

from training.simulate import records as forms
from training.simulate.chance import Chance
from training.simulate.worktime import DAY_MS, HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from training.simulate.organisation import Organisation
    from training.simulate.records import Record
    from training.simulate.worktime import Day

SOURCES = {
    "Windows Security": forms.WINDOWS,
    "Sysmon": forms.SYSMON,
    "auditd": forms.AUDITD,
    "OpenSSH": forms.SSHD,
    "Zeek": forms.ZEEK,
    "BIND": forms.RESOLVER,
    "Squid": forms.PROXY,
    "Access Server": forms.VPN,
    "Microsoft Entra ID": forms.ENTRA,
    "Microsoft 365": forms.M365,
    "CloudTrail": forms.AWS,
}
"""What every event of a source begins with."""
_CLOUD = ("Microsoft 365", "Microsoft Entra ID", "CloudTrail")
_COLLECTED = ("Windows Security", "Sysmon", "Zeek", "Squid", "auditd", "BIND")
OFFLINE_A_DAY, DEAF_A_DAY = 0.03, 0.005
"""Share of desks that keep their events for some hours on a day; share of machines whose sensor is down."""
CLOUD_DELAYS_A_DAY, BACKLOGS_A_DAY, OUTAGES_A_DAY = 3.0, 0.2, 0.1
_CATCHING_UP_MS = 4
_DEVICE = ',"device":{"hostname":"'
_TIME = attrgetter("time_ms")


@dataclass(slots=True)
class Gap:
    """Events of a source, of a machine, or of a source of all machines, that do not arrive at once.

    Attributes
    ----------
    reason
        "offline", "slow audit log", "backlog", "sensor down" or "outage".
    source, host
        Name of the source (a key of SOURCES) and of the machine; empty for all.
    start_ms, end_ms
        When the events happened, UTC milliseconds.
    arrives_ms
        When they come; None if they are lost.
    events
        How many there were (counted while the simulation runs).
    """

    reason: str
    source: str
    host: str
    start_ms: int
    end_ms: int
    arrives_ms: int | None
    events: int = 0


class Delivery:
    """Puts the events of an organisation into the order of their arrival.

    Memory is bounded by the events of the gaps that are open, some hours of a source at most.

    Parameters
    ----------
    organisation
        Whose events.
    in_order
        Late events are put where they belong by their time; lost ones stay lost.
    """

    def __init__(self, organisation: Organisation, *, in_order: bool = False) -> None:
        self._organisation = organisation
        self._in_order = in_order
        self._waiting: list[tuple[int, int, Record]] = []
        self._number = 0
        self._planned = 0
        self.gaps: list[Gap] = []
        """All gaps so far; some held back nothing."""
        self._open: list[Gap] = []
        self.late = 0
        self.lost = 0
        self.late_of: dict[str, int] = {}
        """Late events by source."""

    def arrivals(self, records: list[Record], day: Day, until_ms: int, *, last: bool) -> list[Record]:
        """Events in order of arrival.

        Parameters
        ----------
        records
            New events in order of time, all before `until_ms`; those of earlier calls were earlier.
        day
            The day up to which gaps are planned.
        until_ms
            Whatever arrives later waits for the next call.
        last
            Nothing will follow: what still waits comes at the end.
        """
        while self._planned <= day.index:
            planned = self._plan(day.midnight_ms + (self._planned - day.index) * DAY_MS, self._planned)
            self.gaps += planned
            self._open += planned
            self._planned += 1
        held: set[int] = set()
        self._hold_machines(records, held)
        for gap in self._open:
            if gap.source:
                self._hold_source(gap, records, held)
        self._open = [gap for gap in self._open if gap.end_ms > until_ms]
        ready = [record for place, record in enumerate(records) if place not in held] if held else records
        if not self._waiting:
            return ready
        arriving: list[tuple[int, int, Record]] = []
        while self._waiting and (last or self._waiting[0][0] < until_ms):
            arriving.append(heappop(self._waiting))
        # what comes at the same time as an event of now comes after it
        merged = [(record.time_ms, 0, place, record) for place, record in enumerate(ready)]
        merged += [(at, 1, number, record) for at, number, record in arriving]
        merged.sort(key=lambda item: item[:3])
        return [record for *_, record in merged]

    def _hold_machines(self, records: list[Record], held: set[int]) -> None:
        by_host = {gap.host: gap for gap in self._open if gap.host}
        for place, (time_ms, body, _) in enumerate(records) if by_host else ():
            at = body.rfind(_DEVICE)
            if at < 0:
                continue
            at += len(_DEVICE)
            gap = by_host.get(body[at : body.index(".", at)])
            if gap is not None and gap.start_ms <= time_ms < gap.end_ms:
                self._take(gap, records[place], place, held)

    def _hold_source(self, gap: Gap, records: list[Record], held: set[int]) -> None:
        prefix = SOURCES[gap.source]
        place = bisect_left(records, gap.start_ms, key=_TIME)
        while place < len(records) and records[place].time_ms < gap.end_ms:
            if place not in held and records[place].body.startswith(prefix):
                self._take(gap, records[place], place, held)
            place += 1

    def _take(self, gap: Gap, record: Record, place: int, held: set[int]) -> None:
        gap.events += 1
        if gap.arrives_ms is None:
            self.lost += 1
            held.add(place)
            return
        if self._in_order:
            return
        self.late += 1
        name = next(name for name, prefix in SOURCES.items() if record.body.startswith(prefix))
        self.late_of[name] = self.late_of.get(name, 0) + 1
        held.add(place)
        self._number += 1
        arrives = gap.arrives_ms + gap.events * _CATCHING_UP_MS
        heappush(self._waiting, (arrives, self._number, record))

    def _plan(self, midnight_ms: int, index: int) -> list[Gap]:
        """Gaps that begin on a day."""
        chance = Chance(self._organisation.seed, "delivery", index)
        hosts = [host for host in self._organisation.hosts if host.kind != "kiosk"]
        desks = [host for host in hosts if host.kind == "workstation"]
        found = []

        def gap(reason: str, source: str, host: str, hour: float, hours: float, after: float | None) -> None:
            start = midnight_ms + int(hour * HOUR_MS)
            end = start + int(hours * HOUR_MS)
            arrives = None if after is None else end + int(after * MINUTE_MS)
            found.append(Gap(reason, source, host, start, end, arrives))

        for desk in chance.some(desks, chance.poisson(OFFLINE_A_DAY * len(desks))):
            gap(
                "offline", "", desk.name, chance.uniform(5, 17), chance.uniform(0.7, 8), chance.uniform(0, 30)
            )
        for host in chance.some(hosts, chance.poisson(DEAF_A_DAY * len(hosts))):
            gap("sensor down", "", host.name, chance.uniform(0, 20), chance.uniform(0.5, 10), None)
        for _ in range(chance.poisson(CLOUD_DELAYS_A_DAY)):
            source, hours = chance.pick(_CLOUD), chance.uniform(0.1, 0.8)
            gap("slow audit log", source, "", chance.normal(12, 4), hours, chance.uniform(10, 180))
        if chance.happens(BACKLOGS_A_DAY):
            source, hours = chance.pick(_COLLECTED), chance.uniform(0.3, 2.5)
            gap("backlog", source, "", chance.uniform(4, 18), hours, chance.uniform(0, 90))
        if chance.happens(OUTAGES_A_DAY):
            source, hours = chance.pick((*_COLLECTED, *_CLOUD)), chance.uniform(0.3, 3.0)
            gap("outage", source, "", chance.uniform(2, 18), hours, None)
        return found
