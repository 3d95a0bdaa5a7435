"""Ways in which a real day is made strange: generic, declared as data, and knowing nothing of any attack.

Each line of DISTORTIONS says where foreign events come from, how many there are, what of them is kept and
when they happen. `Distorter` reads a line and makes the events. A combiner that can tell such days from real
ones has learned which departures this tenant's own days never show. Days that are only busier with the
entity's own doings are made too, as counter-examples (`strange=False`): volume alone is not to be learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features.baselines import DAY_US
from features.behaviours import COLUMN, ENTITY_KINDS, VALUE_COLUMNS
from features.columns import Batch, concatenated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.ranking.sample import EventSample

UNSEEN_FROM = 1 << 30
"""Value ids from here on are values that nobody has shown; string tables never grow that far."""
MINUTE_US = 60_000_000
MOST_EVENTS = 256
"""Events that one distorted day gains at most."""
OWN, OTHER = "own", "other"
KEPT, OWN_HOURS, SHIFTED, SQUEEZED = "kept", "own", "shifted", "squeezed"

_ENTITY = {name: len(VALUE_COLUMNS) + kind for kind, name in enumerate(ENTITY_KINDS)}
CONTEXT = tuple(
    COLUMN[name] for name in ("user", "host", "src_ip", "src_net", "src_country", "src_host")
) + tuple(_ENTITY.values())
"""Columns that say who, where and from where; the others say what was done."""
IDENTITY = (
    (COLUMN["user"], _ENTITY["user"]),
    (COLUMN["host"], _ENTITY["host"]),
    (COLUMN["src_ip"], COLUMN["src_net"], COLUMN["src_country"], _ENTITY["src_ip"]),
)
"""Columns that say which user, host or address an event belongs to, by entity kind."""
LINKED: tuple[tuple[int, ...], ...] = (
    (COLUMN["user"], _ENTITY["user"]),
    (COLUMN["host"], _ENTITY["host"]),
    (COLUMN["src_ip"], _ENTITY["src_ip"]),
    (COLUMN["src_ip"], COLUMN["src_net"], _ENTITY["src_ip"]),
    (COLUMN["src_ip"], COLUMN["src_net"], COLUMN["src_country"], _ENTITY["src_ip"]),
    (COLUMN["src_host"],),
    (COLUMN["dst"],),
    (COLUMN["dst"], COLUMN["dst_net"]),
    (COLUMN["dst_service"],),
    (COLUMN["process"], COLUMN["lineage"], COLUMN["command"]),
    (COLUMN["lineage"],),
    (COLUMN["command"],),
    (COLUMN["file"],),
    (COLUMN["api"],),
    (COLUMN["resource"],),
    (COLUMN["user_agent"],),
    (COLUMN["domain"],),
    (COLUMN["domain"], COLUMN["dst"]),
    (COLUMN["target_user"],),
    (COLUMN["cloud_region"],),
)
"""Columns that change together: a new program has a new lineage, a new address may have a new network. The
first one must be filled in an event for it to change.
"""


@dataclass(frozen=True)
class Distortion:
    """One way to make a day strange.

    Attributes
    ----------
    name, says
        For settings and tables, and in words.
    donor
        Whose events: "other" (a random other entity of the kind, on any sampled day) or "own".
    events
        Fewest and most events, log-uniform: days of graded strength, weak ones included. From `repeats` on
        events are used again.
    repeats
        Fewest and most times that each event happens, log-uniform.
    own_place
        Who, where and from where are taken from an event of the entity itself; only what is done is foreign.
    hours
        "kept": the donor's time of day; "own": times of day of the entity's own events; "shifted": 5 to 19
        hours from the entity's own; "squeezed": all within `minutes`.
    minutes
        Shortest and longest span when squeezed, log-uniform.
    unseen
        Fewest and most linked groups of columns (LINKED) set to values that nobody has shown.
    sweep
        One group of columns runs through as many values that others use as there are events.
    traffic
        Fewest and most times that bytes in and out are multiplied, log-uniform.
    parts
        Names of others of which two are applied together, each at half strength.
    strange
        False for a counter-example.
    share
        Of the distorted days, relative to the others.
    """

    name: str
    says: str
    donor: str = OWN
    events: tuple[int, int] = (1, 32)
    repeats: tuple[int, int] = (1, 1)
    own_place: bool = False
    hours: str = KEPT
    minutes: tuple[int, int] = (2, 120)
    unseen: tuple[int, int] = (0, 0)
    sweep: bool = False
    traffic: tuple[float, float] = (1.0, 1.0)
    parts: tuple[str, ...] = ()
    strange: bool = True
    share: float = 1.0


DISTORTIONS = (
    Distortion("graft", "another entity's events happen under this name", OTHER, (1, 48), share=1.5),
    Distortion(
        "graft_in_place", "another entity's doings, from one's own place", OTHER, (1, 48), own_place=True
    ),
    Distortion("burst", "own events, many in a short time", OWN, (2, 12), (3, 40), hours=SQUEEZED, share=0.5),
    Distortion("shift", "own events at foreign hours", OWN, (3, 48), hours=SHIFTED, share=0.5),
    Distortion(
        "volume",
        "the whole day at several times its size",
        OWN,
        (16, 64),
        (2, 8),
        traffic=(2.0, 100.0),
        share=0.5,
    ),
    Distortion("unseen", "own events with values that nobody has shown", OWN, (1, 16), unseen=(1, 3)),
    Distortion("sweep", "one own event repeated over many things that others use", OWN, (3, 64), sweep=True),
    Distortion("drip", "a few foreign events a day, at one's own hours", OTHER, (1, 5), hours=OWN_HOURS),
    Distortion(
        "mixture",
        "two of the others together",
        parts=("graft", "graft_in_place", "burst", "shift", "volume", "unseen", "sweep"),
        share=1.5,
    ),
    Distortion("busy", "more of one's own, as on another day", OWN, (4, 64), strange=False, share=1.5),
)


class Invented(NamedTuple):
    """Invented events. batch: ordered by group and time. group: int64 (events,) day that each belongs to.
    distortion: int64 (days,) place in the list of distortions used.
    """

    batch: Batch
    group: np.ndarray
    distortion: np.ndarray


class _Piece(NamedTuple):
    """Events of one day before their columns are changed: rows of the sample, times, rows for the context."""

    rows: np.ndarray
    time_us: np.ndarray
    place: np.ndarray
    own_place: bool
    pool: np.ndarray
    columns: tuple[tuple[int, ...], ...]
    traffic: float


class Distorter:
    """Makes events of distorted days from a sample.

    Parameters
    ----------
    sample
        Recent raw events.
    names
        Which of DISTORTIONS.
    seed
        Of all choices.
    """

    def __init__(self, sample: EventSample, names: Sequence[str], seed: Sequence[int]) -> None:
        self.kinds = [kind for kind in DISTORTIONS if kind.name in names]
        self._by_name = {kind.name: kind for kind in self.kinds}
        self._rng = np.random.default_rng(seed)
        self._events = sample.events
        self._entity, self._day, self._kind = sample.entity, sample.day, sample.kind
        # the sample's own order does not depend on ids, and runs of one entity-day stand together
        key = self._entity.astype(np.int64) << 20 | self._day & 0xFFFFF
        change = np.flatnonzero((key[1:] != key[:-1]) | (self._kind[1:] != self._kind[:-1])) + 1
        self._starts = np.concatenate([[0], change, [len(key)]]).astype(np.int64)
        first = self._starts[:-1]
        self.day_kind, self.day_entity, self.day_day = (
            self._kind[first],
            self._entity[first],
            self._day[first],
        )
        self._of_kind = [np.flatnonzero(self.day_kind == kind) for kind in range(len(ENTITY_KINDS))]
        self._filled = [np.flatnonzero(self._events.columns[:, linked[0]]) for linked in LINKED]

    def invent(self, chosen: np.ndarray) -> Invented:
        """Events that make each chosen sampled entity-day (index into `day_entity`) strange or busy."""
        usable = [kind for kind in self.kinds if not kind.parts or len(self._parts(kind)) > 1]
        if not usable or not len(chosen):
            return Invented(concatenated([]), np.zeros(0, np.int64), np.zeros(0, np.int64))
        share = np.array([kind.share for kind in usable])
        picked = self._rng.choice(len(usable), len(chosen), p=share / share.sum())
        pieces: list[_Piece] = []
        group: list[int] = []
        for index, (place, which) in enumerate(zip(chosen.tolist(), picked.tolist(), strict=True)):
            kind = usable[which]
            made = [kind]
            if kind.parts:
                names = self._rng.choice(self._parts(kind), 2, replace=False).tolist()
                made = [self._by_name[name] for name in names]
            for part in made:
                pieces.append(self._piece(part, place, 1.0 / len(made)))
                group.append(index)
        at = np.array([self.kinds.index(usable[which]) for which in picked.tolist()], np.int64)
        return self._assembled(pieces, np.array(group, np.int64), chosen, at)

    def _parts(self, kind: Distortion) -> list[str]:
        return [name for name in kind.parts if name in self._by_name]

    def _graded(self, bounds: tuple[float, float], strength: float = 1.0) -> float:
        low, high = bounds
        return float(low * (high / low) ** (self._rng.random() * strength)) if high > low else float(low)

    def _rows_of(self, place: int) -> np.ndarray:
        return np.arange(self._starts[place], self._starts[place + 1])

    def _donor(self, kind: Distortion, place: int) -> np.ndarray:
        """Rows of the donor's day: another entity's, or another day of one's own where there is one."""
        others = self._of_kind[int(self.day_kind[place])]
        if kind.donor == OTHER:
            for _ in range(8):
                other = int(self._rng.choice(others))
                if self.day_entity[other] != self.day_entity[place]:
                    return self._rows_of(other)
        elif not kind.strange:
            same = others[(self.day_entity[others] == self.day_entity[place]) & (others != place)]
            if len(same):
                return self._rows_of(int(self._rng.choice(same)))
        return self._rows_of(place)

    def _piece(self, kind: Distortion, place: int, strength: float) -> _Piece:
        rng = self._rng
        own = self._rows_of(place)
        donor = self._donor(kind, place)
        donor = donor[np.argsort(self._events.time_us[donor], kind="stable")]
        wanted = round(self._graded(kind.events, strength))
        columns: tuple[tuple[int, ...], ...] = ()
        pool = np.zeros(0, np.int64)
        if kind.sweep:
            row = int(rng.choice(donor))
            which = self._group_of(row, int(self.day_kind[place]))
            rows = np.full(wanted, row)
            if which is not None:
                columns = (LINKED[which],)
                pool = rng.choice(self._filled[which], wanted)
        else:
            # a run of events that followed each other is more like a session than single ones are
            first = int(rng.integers(0, max(1, len(donor) - wanted + 1)))
            rows = donor[first : first + wanted]
            repeats = round(self._graded(kind.repeats, strength))
            rows = np.tile(rows, repeats)[:MOST_EVENTS]
            if kind.unseen[1]:
                count = int(rng.integers(kind.unseen[0], kind.unseen[1] + 1))
                found = [
                    self._group_of(int(rng.choice(rows)), int(self.day_kind[place])) for _ in range(count)
                ]
                columns = tuple(LINKED[which] for which in sorted({w for w in found if w is not None}))
        context = rng.choice(own, len(rows))
        return _Piece(
            rows,
            int(self.day_day[place]) * DAY_US + self._times(kind, rows, context),
            context,
            kind.own_place,
            pool,
            columns,
            self._graded(kind.traffic, strength),
        )

    def _group_of(self, row: int, kind: int) -> int | None:
        """A random group of columns that the event fills and that does not say whose day it is."""
        columns = self._events.columns[row]
        found = [
            which
            for which, linked in enumerate(LINKED)
            if columns[linked[0]] and linked[0] != IDENTITY[kind][0]
        ]
        return int(self._rng.choice(found)) if found else None

    def _times(self, kind: Distortion, rows: np.ndarray, context: np.ndarray) -> np.ndarray:
        """Microseconds of the day."""
        rng = self._rng
        own = self._events.time_us[context] % DAY_US
        if kind.hours == KEPT:
            times = self._events.time_us[rows] % DAY_US + rng.integers(0, MINUTE_US, len(rows))
        elif kind.hours == OWN_HOURS:
            times = own + rng.integers(0, 10 * MINUTE_US, len(rows))
        elif kind.hours == SHIFTED:
            shift = int(rng.uniform(5.0, 19.0) * 60.0) * MINUTE_US
            times = self._events.time_us[rows] + shift
        else:
            span = max(1, int(self._graded(kind.minutes) * MINUTE_US))
            times = own[0] + np.sort(rng.integers(0, span, len(rows)))
        return np.asarray(times % DAY_US, np.int64)

    def _assembled(
        self, pieces: list[_Piece], group: np.ndarray, chosen: np.ndarray, at: np.ndarray
    ) -> Invented:
        sizes = np.array([len(piece.rows) for piece in pieces])
        rows = np.concatenate([piece.rows for piece in pieces])
        context = np.concatenate([piece.place for piece in pieces])
        of_event = np.repeat(np.arange(len(pieces)), sizes)
        events = self._events.take(rows)
        columns, original = events.columns.copy(), self._events.columns
        places = np.repeat([piece.own_place for piece in pieces], sizes)
        for column in CONTEXT:
            moved = places & (columns[:, column] != 0)
            columns[moved, column] = original[context[moved], column]
        ends = np.cumsum(sizes)
        for index, piece in enumerate(pieces):
            part = slice(ends[index] - sizes[index], ends[index])
            for linked in piece.columns:
                for column in linked:
                    if len(piece.pool):
                        columns[part, column] = original[piece.pool, column]
                    elif column >= len(VALUE_COLUMNS):
                        columns[part, column] = 0  # nobody that is known
                    else:
                        filled = columns[part, column] != 0
                        fresh = UNSEEN_FROM + int(group[index]) * len(VALUE_COLUMNS) + column
                        columns[part, column] = np.where(filled, fresh, 0)
        # last of all whose day it is
        kind_of = self.day_kind[chosen][group][of_event]
        for kind, identity in enumerate(IDENTITY):
            mine = kind_of == kind
            for column in identity:
                columns[mine, column] = original[context[mine], column]
        src_ip = np.where(
            columns[:, COLUMN["src_ip"]] != events.columns[:, COLUMN["src_ip"]],
            columns[:, COLUMN["src_ip"]],
            events.src_ip,
        )
        time_us = np.concatenate([piece.time_us for piece in pieces])
        factor = np.repeat([piece.traffic for piece in pieces], sizes)
        traffic = {
            name: np.minimum(np.rint(getattr(events, name) * factor), 2.0**53).astype(np.int64)
            for name in ("bytes_in", "bytes_out")
            if name in Batch._fields
        }
        events = events._replace(time_us=time_us, columns=columns, src_ip=src_ip, **traffic)
        order = np.lexsort((time_us, group[of_event]))
        return Invented(events.take(order), group[of_event][order], at)
