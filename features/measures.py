"""What is counted: each measure is one line of data, like `features.behaviours` for habits.

A measure says: of events like these, how many did this *entity* have (or how many different values, or how
many bytes) in five minutes, an hour, a day. `features.windows` counts, `models.volume` judges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features import events as ocsf
from features.behaviours import COLUMN, ENTITY_KINDS, FILES, LOGON, NETWORK, PROCESS

FIVE_MINUTES, HOUR, DAY = 0, 1, 2
WINDOWS = ("5 minutes", "an hour", "a day")
WINDOW_US = (300_000_000, 3_600_000_000, 86_400_000_000)

EVENTS, DISTINCT, BYTES_IN, BYTES_OUT, FRESH = range(5)
"""How a measure counts: events, different values of a column, bytes, values that the entity never showed
before.
"""

API = (
    ocsf.API_ACTIVITY,
    ocsf.ENTITY_MANAGEMENT,
    ocsf.DATASTORE_ACTIVITY,
    ocsf.ACCOUNT_CHANGE,
    ocsf.USER_ACCESS,
)
CHANGES = ("create", "update", "rename", "delete", "set security", "file create", "file overwrite", "upload")


@dataclass(frozen=True)
class Measure:
    """One thing that is counted.

    Attributes
    ----------
    name
        "<entity kind>.<what>", unique. What comes after the dot is the column of the day's vector; kinds
        share it.
    entity
        "user", "host" or "src_ip".
    how
        EVENTS, DISTINCT, BYTES_IN, BYTES_OUT or FRESH.
    says
        What was counted in plain words, plural.
    cause
        Measures of one entity kind and cause are one piece of evidence.
    column
        The value column of a DISTINCT measure.
    classes
        OCSF class_uids; empty for all.
    activities
        Activity names (`features.events.ACTIVITY_NAMES`); empty for all.
    status
        1 only successes, 2 only failures, 0 all.
    windows
        Which windows are judged; the day is always counted.
    """

    name: str
    entity: str
    how: int
    says: str
    cause: str
    column: str = ""
    classes: tuple[int, ...] = ()
    activities: tuple[str, ...] = ()
    status: int = 0
    windows: tuple[int, ...] = (HOUR, DAY)

    @property
    def what(self) -> str:
        """The part of the name after the kind."""
        return self.name.partition(".")[2]

    def applies(self, class_uid: int, activity: str) -> bool:
        """Whether events of a class with this activity text (see `features.columns`) are counted."""
        if self.classes and class_uid not in self.classes:
            return False
        if self.status and not activity.endswith(("", " succeeded", " failed")[self.status]):
            return False
        what = activity.partition(": ")[2].removesuffix(" succeeded").removesuffix(" failed")
        return not self.activities or what in self.activities


def _measures() -> tuple[Measure, ...]:
    bursts = (FIVE_MINUTES, HOUR, DAY)
    found = []
    for kind in ("user", "host"):
        found += [
            Measure(f"{kind}.events", kind, EVENTS, "events", "events"),
            Measure(f"{kind}.failures", kind, EVENTS, "failures", "failures", status=2, windows=bursts),
            Measure(f"{kind}.logons", kind, EVENTS, "logons", "logons", classes=LOGON, status=1),
            Measure(f"{kind}.destinations", kind, DISTINCT, "destinations", "fan-out", "dst"),
            Measure(
                f"{kind}.changes",
                kind,
                EVENTS,
                "changed files",
                "files",
                classes=FILES,
                activities=CHANGES,
                windows=bursts,
            ),
            Measure(f"{kind}.folders", kind, DISTINCT, "places of files", "files", "file"),
            Measure(f"{kind}.processes", kind, EVENTS, "process starts", "processes", classes=PROCESS),
            Measure(f"{kind}.commands", kind, DISTINCT, "commands", "processes", "command", classes=PROCESS),
            Measure(f"{kind}.bytes_in", kind, BYTES_IN, "bytes received", "bytes"),
            Measure(f"{kind}.bytes_out", kind, BYTES_OUT, "bytes sent", "bytes"),
            Measure(f"{kind}.domains", kind, DISTINCT, "Internet domains", "domains", "domain"),
            Measure(f"{kind}.resources", kind, DISTINCT, "resources", "resources", "resource"),
            Measure(f"{kind}.first_seen", kind, FRESH, "things for the first time", "novelty"),
        ]
    found += [
        Measure("user.hosts", "user", DISTINCT, "hosts", "fan-out", "host"),
        Measure("user.sources", "user", DISTINCT, "source networks", "sources", "src_net"),
        Measure("user.files", "user", EVENTS, "file events", "files", classes=FILES),
        Measure("user.calls", "user", EVENTS, "calls", "calls", classes=API),
        Measure("user.apis", "user", DISTINCT, "kinds of calls", "calls", "api"),
        Measure("user.accounts", "user", DISTINCT, "accounts acted upon", "accounts", "target_user"),
        Measure("host.users", "host", DISTINCT, "users", "accounts", "user"),
        Measure("host.sources", "host", DISTINCT, "source addresses", "sources", "src_ip"),
        Measure("host.connections", "host", EVENTS, "connections", "connections", classes=NETWORK),
        Measure("host.services", "host", DISTINCT, "kinds of services", "fan-out", "dst_service"),
        Measure("host.queries", "host", EVENTS, "name look-ups", "queries", classes=(ocsf.DNS_ACTIVITY,)),
        Measure("src_ip.events", "src_ip", EVENTS, "events", "events"),
        Measure("src_ip.failures", "src_ip", EVENTS, "failures", "failures", status=2, windows=bursts),
        Measure("src_ip.users", "src_ip", DISTINCT, "accounts", "accounts", "user"),
        Measure("src_ip.hosts", "src_ip", DISTINCT, "hosts", "fan-out", "host"),
        Measure("src_ip.apis", "src_ip", DISTINCT, "kinds of calls", "calls", "api"),
        Measure("src_ip.first_seen", "src_ip", FRESH, "things for the first time", "novelty"),
    ]
    return tuple(sorted(found, key=lambda measure: ENTITY_KINDS.index(measure.entity)))


MEASURES = _measures()
COUNTS = tuple(dict.fromkeys(measure.what for measure in MEASURES))
"""Columns of a day's vector of counts; kinds share them."""


@dataclass(frozen=True)
class Cells:
    """Measures compiled for kernels. A cell is (measure, window); cells of one kind are numbered from 0.

    Attributes
    ----------
    first
        int64 (4,): measures of kind k are first[k]:first[k + 1] in `how`, `column`, `cells`, `what`.
    how, column, what
        int64 (measures,): how it counts, its value column, its column in COUNTS.
    cells
        int64 (measures, 3): cell of each window, -1 where that window is not kept.
    per_kind
        Cells of each kind; the number of active windows is kept in three more behind them.
    """

    first: np.ndarray
    how: np.ndarray
    column: np.ndarray
    what: np.ndarray
    cells: np.ndarray
    per_kind: np.ndarray

    @property
    def widest(self) -> int:
        """Most cells of a kind."""
        return int(self.per_kind.max())


def compile_cells(measures: tuple[Measure, ...] = MEASURES) -> Cells:
    """Arrays of the declared measures, which are sorted by entity kind."""
    kinds = [ENTITY_KINDS.index(measure.entity) for measure in measures]
    counts = tuple(dict.fromkeys(measure.what for measure in measures))
    cells = np.full((len(measures), len(WINDOWS)), -1, np.int64)
    per_kind = np.zeros(len(ENTITY_KINDS), np.int64)
    for index, measure in enumerate(measures):
        for window in sorted({*measure.windows, DAY}):
            cells[index, window] = per_kind[kinds[index]]
            per_kind[kinds[index]] += 1
    return Cells(
        first=np.searchsorted(kinds, range(len(ENTITY_KINDS) + 1)).astype(np.int64),
        how=np.array([measure.how for measure in measures], np.int64),
        column=np.array([COLUMN[m.column] if m.column else -1 for m in measures], np.int64),
        what=np.array([counts.index(measure.what) for measure in measures], np.int64),
        cells=cells,
        per_kind=per_kind,
    )
