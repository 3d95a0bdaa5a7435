"""The sessions of one tenant: collected by day, judged against past ones, folded into entity-days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from features.activity_bits import ActivityBits
from features.baselines import DAY_US
from features.behaviours import ENTITY_KINDS, WIDTH
from models.explain import odds
from models.ranking.threads import one_thread
from models.sessions import book
from models.sessions.history import Acquaintance, SessionHistory, SessionTable
from models.sessions.scorer import Scorer
from models.sessions.views import (
    COLUMNS,
    COUNTS,
    FRESH_DAYS,
    INSIDE,
    NOUNS,
    VIEWS,
    View,
    bits_of,
    partners,
)

if TYPE_CHECKING:
    from features.baselines import Baselines
    from features.columns import Batch
    from models.channels import Channels
    from models.engine import Evidence


SAID_NATS = 3.0
"""A session below this is nothing to speak of: one in twenty has as much."""
MOST_NATS = 12.0
"""As with other evidence, more than this is not claimed of any session."""
SAID_COUNTS = 3


class Judged(NamedTuple):
    """Sessions of one view. view: its place. asked: int64 (m,) places of the entities that the view looks at;
    row: int64 (k,) whose each session is; nats: float64 (k,).
    """

    view: int
    asked: np.ndarray
    row: np.ndarray
    table: SessionTable
    nats: np.ndarray


class Remark(NamedTuple):
    """Why a session is odd, in words, with the nats of its tail probability: of a sum s of two that are
    independent, s - ln(1 + s).
    """

    nats: float
    text: str


class Sessions:
    """Sessions of the open day, of the past, and what is usual among them.

    Call `open_day`, `add` for every scored batch, `scores` as often as wanted, `close_day`, and `refit` from
    time to time.

    Parameters
    ----------
    baselines
        The tenant's; ids are theirs.
    channels
        Their causes are the columns of the evidence.
    seed
        Which past sessions are kept.
    views
        Ways to cut a day.
    """

    def __init__(
        self, baselines: Baselines, channels: Channels, seed: int = 0, views: tuple[View, ...] = VIEWS
    ) -> None:
        self._baselines = baselines
        self._channels = channels
        self._seed = seed
        self.views = views
        self.today = -1
        causes = len(channels.causes)
        self._days = [book.empty_day(causes) for _ in views]
        self._met = [Acquaintance() for _ in views]
        self._past = [SessionHistory(causes, seed) for _ in views]
        self._scorers: list[Scorer | None] = [None for _ in views]
        self._bits = ActivityBits(baselines, bits_of)
        self._looks = [_Look() for _ in views]

    @property
    def dropped(self) -> int:
        """Events and findings of the open day that found no room."""
        return sum(int(day.meta[book.DROPPED]) for day in self._days)

    # ------------------------------------------------------------------------------------------------ days

    def open_day(self, day: int) -> None:
        """Begin a day (days since 1970, UTC); the last one must be closed."""
        self.today = day
        self._days = [book.empty_day(len(self._channels.causes)) for _ in self.views]
        self._looks = [_Look() for _ in self.views]

    def add(self, batch: Batch, fresh: np.ndarray, evidence: Evidence) -> None:
        """Take in a scored batch with what `models.engine.Scores` says of it. Events of other days than the
        open one are left out.

        fresh: uint8 (n, 3) values that user, host and address showed for the first time. evidence: by event.
        """
        today = np.flatnonzero(batch.time_us // DAY_US == self.today)
        if not len(today):
            return
        place = np.full(len(batch.time_us), -1, np.int64)
        place[today] = np.arange(len(today))
        part = batch if len(today) == len(place) else batch.take(today)
        bits = self._bits.of(part)
        sums = book.sums_of(part, fresh[today])
        found = np.flatnonzero((evidence.gain > 0) & (place[evidence.row] >= 0))
        channel = evidence.behaviour[found].astype(np.int64)
        findings = (
            place[evidence.row[found]],
            self._channels.cause_of[channel],
            self._channels.column_of[channel],
            evidence.value[found].astype(np.int64),
            evidence.gain[found].astype(np.float64),
        )
        for index, view in enumerate(self.views):
            self._days[index] = book.collected(
                self._days[index],
                part,
                partners(view, part.columns),
                WIDTH - len(ENTITY_KINDS) + view.kind,
                bits,
                sums,
                findings,
            )

    def table(self, index: int) -> SessionTable:
        """Sessions of the open day in one view (by place in `views`), as far as the day has come."""
        day = self._days[index]
        used = int(day.meta[book.ROWS])
        entity, partner = day.entity[:used], day.partner[:used]
        age, days = self._met[index].of(_keys(entity, partner), self.today)
        return SessionTable(
            entity.copy(),
            partner.copy(),
            np.full(used, self.today, np.int32),
            age,
            days,
            day.counts[:used].astype(np.float32),
            day.evidence[:used].astype(np.float32),
        )

    def scores(self, judged: list[Judged], entities: int) -> np.ndarray:
        """Nats of the strangest session of each of n entities, float32 (n, COLUMNS): over all partners, and
        over new ones; NaN where no view looks, or the past is too short to say.
        """
        out = np.full((entities, COLUMNS), np.nan, np.float32)
        for one in judged:
            column = int(self.views[one.view].fresh_only)
            out[one.asked, column] = np.fmax(out[one.asked, column], 0.0)
            np.maximum.at(out[:, column], one.row, one.nats.astype(np.float32))
        return out

    def judged(self, kind: np.ndarray, entity: np.ndarray) -> list[Judged]:
        """Sessions of some entities as far as the open day has come, by view; changes nothing.

        kind: int8 (n,). entity: (n,) ids, ascending. Views that cannot say anything yet are left out.
        """
        found = []
        with one_thread():
            for index, view in enumerate(self.views):
                scorer = self._scorers[index]
                mine = np.flatnonzero(kind == view.kind)
                if scorer is None or not scorer.spaces or not len(mine):
                    continue
                table = self.table(index)
                at = np.minimum(np.searchsorted(entity[mine], table.entity), len(mine) - 1)
                here = entity[mine[at]] == table.entity
                if view.fresh_only:
                    here &= table.age_days <= FRESH_DAYS
                rows = np.flatnonzero(here)
                table = table.take(rows)
                nats = self._looks[index].nats(scorer, rows, table)
                found.append(Judged(index, mine, mine[at[here]], table, nats))
        return found

    def remarks(self, judged: list[Judged]) -> dict[int, Remark]:
        """What is to be said of entities (by place in what was asked) that have a session of SAID_NATS or
        more: of each the strangest.
        """
        best: dict[int, tuple[float, int, int]] = {}
        for number, one in enumerate(judged):
            tail = one.nats - np.log1p(one.nats)
            for place in np.flatnonzero(tail >= SAID_NATS).tolist():
                candidate = (float(tail[place]), -number, -place)
                row = int(one.row[place])
                best[row] = max(best.get(row, candidate), candidate)
        said = {}
        for number, one in enumerate(judged):
            rows = {row: -place for row, (_, owner, place) in best.items() if -owner == number}
            texts = self._texts(one, np.array(list(rows.values()), np.int64))
            for row, text in zip(rows, texts, strict=True):
                nats = min(best[row][0], MOST_NATS)
                said[row] = Remark(nats, f"{text}; {nats:.1f} nats, {odds(nats)}")
        return said

    def _texts(self, judged: Judged, places: np.ndarray) -> list[str]:
        view, table = self.views[judged.view], judged.table.take(places)
        scorer = self._scorers[judged.view]
        if scorer is None or not len(places):
            return []
        z, usual = scorer.farthest(table)
        texts = []
        for row in range(len(places)):
            partner = int(table.partner[row])
            name = self._baselines.values[partner - INSIDE] if partner > INSIDE else "inside"
            counts = [
                f"{table.counts[row, column]:,.0f} {NOUNS.get(COUNTS[column], COUNTS[column])}"
                f" (usually {usual[row, column]:,.0f})"
                for column in np.argsort(-z[row], kind="stable")[:SAID_COUNTS]
                if z[row, column] > 1.0
            ]
            what = f": {', '.join(counts)}" if counts else ""
            texts.append(f"an unusual session {view.says.format(partner=name)}{what}")
        return texts

    def close_day(self) -> None:
        """Learn the open day's sessions."""
        for index in range(len(self.views)):
            table = self.table(index)
            self._past[index].add(table)
            self._met[index].meet(_keys(table.entity, table.partner), self.today)

    def refit(self) -> None:
        """Learn from the past what is usual."""
        with one_thread():
            self._scorers = [Scorer.fitted(past.past, self._seed) for past in self._past]
        self._looks = [_Look() for _ in self.views]

    # ----------------------------------------------------------------------------------------------- state

    def held_ids(self) -> tuple[np.ndarray, np.ndarray]:
        """Entity and value ids that are still needed here."""
        entities, values = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for day, met in zip(self._days, self._met, strict=True):
            used = int(day.meta[book.ROWS])
            entities += [day.entity[:used].astype(np.int64), met.keys >> 32]
            both = np.concatenate([day.partner[:used], met.keys & 0xFFFFFFFF])
            values.append(both[both > INSIDE] - INSIDE)
            values += [day.tags[day.tags != 0] & 0x7FFFFFFF, day.best_keys[day.best_keys != 0] & 0x7FFFFFFF]
        return np.concatenate(entities), np.concatenate(values)

    def renumber(self, entities: np.ndarray, values: np.ndarray) -> None:
        """Follow a renumbering (old id -> new id)."""
        self._bits.forget()
        for index in range(len(self.views)):
            day, met, past = self._days[index], self._met[index], self._past[index]
            used = int(day.meta[book.ROWS])
            day.entity[:used] = entities[day.entity[:used]]
            day.partner[:used] = _renamed(day.partner[:used], values)
            self._days[index] = book.renumbered(day, values)
            pair_entity = entities[met.keys >> 32].astype(np.int64)
            keys = pair_entity << 32 | _renamed(met.keys & 0xFFFFFFFF, values)
            keys[pair_entity == 0] = 0
            met.renumber(keys)
            past.past = past.past._replace(entity=entities[past.past.entity].astype(np.int32))

    def export(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and settings of a checkpoint: data only."""
        arrays: dict[str, np.ndarray] = {}
        for view, day, met, past, scorer in zip(
            self.views, self._days, self._met, self._past, self._scorers, strict=True
        ):
            for part, fields in (
                ("day", day._asdict()),
                ("met", vars(met)),
                ("past", past.past._asdict()),
            ):
                arrays |= {f"{view.name}_{part}_{name}": array.copy() for name, array in fields.items()}
            if scorer is not None:
                arrays |= scorer.export(f"{view.name}_scorer")
        fitted = [scorer is not None for scorer in self._scorers]
        return arrays, {"today": self.today, "fitted": fitted, "views": [view.name for view in self.views]}

    def restore(self, arrays: dict[str, np.ndarray], settings: dict[str, Any]) -> None:
        """Go on from what was exported; ValueError when it was cut into other views."""
        if settings["views"] != [view.name for view in self.views]:
            raise ValueError(f"sessions of {settings['views']}")
        self.today = int(settings["today"])
        self._looks = [_Look() for _ in self.views]
        for index, view in enumerate(self.views):
            self._days[index] = book.Day(
                *(arrays[f"{view.name}_day_{name}"].copy() for name in book.Day._fields)
            )
            for name in vars(self._met[index]):
                setattr(self._met[index], name, arrays[f"{view.name}_met_{name}"].copy())
            self._past[index].past = SessionTable(
                *(arrays[f"{view.name}_past_{name}"].copy() for name in SessionTable._fields)
            )
            if settings["fitted"][index]:
                self._scorers[index] = Scorer.restored(f"{view.name}_scorer", arrays)


class _Look:
    """Nats of the open day's sessions when they were last looked at, by row of the day's book: most sessions
    have not gone on between two looks. Nothing of it is state.
    """

    def __init__(self) -> None:
        self._nats = np.zeros(0)
        self._counts: np.ndarray | None = None
        self._evidence: np.ndarray | None = None

    def nats(self, scorer: Scorer, rows: np.ndarray, table: SessionTable) -> np.ndarray:
        """float64 (n,) nats of the sessions in some rows, int64 (n,)."""
        counts, evidence = self._room(int(rows.max(initial=-1)) + 1, table)
        nats = np.asarray(self._nats[rows], np.float64)
        changed = np.flatnonzero(
            np.isnan(nats)
            | (counts[rows] != table.counts).any(axis=1)
            | (evidence[rows] != table.evidence).any(axis=1)
        )
        if len(changed):
            at, part = rows[changed], table.take(changed)
            nats[changed] = self._nats[at] = scorer.nats(part)
            counts[at], evidence[at] = part.counts, part.evidence
        return nats

    def _room(self, end: int, table: SessionTable) -> tuple[np.ndarray, np.ndarray]:
        if self._counts is None or self._evidence is None:
            self._counts, self._evidence = table.counts[:0], table.evidence[:0]
        more = end - len(self._nats)
        if more > 0:
            more += len(self._nats)
            self._nats = np.append(self._nats, np.full(more, np.nan))
            self._counts, self._evidence = (
                np.concatenate([kept, np.zeros((more, kept.shape[1]), np.float32)])
                for kept in (self._counts, self._evidence)
            )
        return self._counts, self._evidence


def _renamed(partner: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Partners after a renumbering of values; what is no value stays."""
    new = partner.copy()
    named = partner > INSIDE
    new[named] = values[partner[named] - INSIDE].astype(np.int64) + INSIDE
    return new


def _keys(entity: np.ndarray, partner: np.ndarray) -> np.ndarray:
    return np.asarray(entity.astype(np.int64) << 32 | partner, np.int64)
