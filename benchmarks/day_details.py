"""What was odd about entity-days, thing by thing, who worked with whom, and where: a pass that ranks nothing.

Kept beside the scored days of `bench_detection`, under a key of the same kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from benchmarks.bench_detection import detector_key, key_of
from features.behaviours import ENTITY_KINDS
from models.days import Findings, shared
from models.detector import Detector
from models.feedback.feedback import Things
from models.feedback.partners import partners
from models.incidents.company import Company
from models.ranking.ranker import Ranker
from models.watcher import Watcher
from serving import directory, evaluation, replay
from training.pedb.protocol import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.bench_detection import Job
    from features.columns import Batch
    from models.days import DayTable
    from models.ranking.ranker import RankScores

Key = tuple[str, str, int]
"""Kind, name and day (since 1970, UTC) of an entity-day."""


class DayDetails(NamedTuple):
    """Things of m findings and p pairs of entity-days with partners.

    days: entity-days. names: of partners. causes, values: texts. found: int64 (m, 3) places of entity-day,
    cause and value. nats: float64 (m,). met: int64 (p, 2) places of entity-day and partner. pairs: user,
    host and day of those that are each other's (`models.workplaces`).
    """

    days: list[Key]
    names: list[tuple[str, str]]
    causes: list[str]
    values: list[str]
    found: np.ndarray
    nats: np.ndarray
    met: np.ndarray
    pairs: list[tuple[str, str, int]]

    def things(self, place: Mapping[Key, int], causes: tuple[str, ...]) -> tuple[Things, list[str]]:
        """Things of chosen entity-days, by their places, ascending; and the texts of their values."""
        row_of = np.array([place.get(day, -1) for day in self.days], np.int64)
        column = np.array([causes.index(cause) for cause in self.causes], np.int64)
        row = row_of[self.found[:, 0]]
        order = np.argsort(row, kind="stable")
        order = order[row[order] >= 0]
        chosen = self.found[order]
        return Things(row[order], column[chosen[:, 1]], chosen[:, 2], self.nats[order]), self.values

    def partners(self, place: Mapping[Key, int]) -> dict[int, tuple[tuple[str, str], ...]]:
        """Partners of chosen entity-days, by their places."""
        found: dict[int, list[tuple[str, str]]] = {}
        for day, name in self.met.tolist():
            row = place.get(self.days[day], -1)
            if row >= 0:
                found.setdefault(row, []).append(self.names[name])
        return {row: tuple(names) for row, names in found.items()}

    def mates(self, place: Mapping[Key, int]) -> np.ndarray:
        """Place of each chosen entity-day's other half, int64, -1 for none. place: 0 to n - 1."""
        out = np.full(len(place), -1, np.int64)
        for user, host, day in self.pairs:
            one, other = place.get(("user", user, day), -1), place.get(("host", host, day), -1)
            if one >= 0 and other >= 0:
                out[one], out[other] = other, one
        return out

    def save(self, path: Path) -> None:
        """Write as .npz (data only)."""
        texts = msgspec.json.encode([self.days, self.names, self.causes, self.values, self.pairs])
        text = np.frombuffer(texts, np.uint8)
        np.savez_compressed(path, text=text, found=self.found, nats=self.nats, met=self.met)

    @classmethod
    def load(cls, path: Path) -> DayDetails:
        """Read what `save` wrote."""
        form = tuple[list[Key], list[tuple[str, str]], list[str], list[str], list[tuple[str, str, int]]]
        with np.load(path, allow_pickle=False) as kept:
            *texts, pairs = msgspec.json.decode(kept["text"].tobytes(), type=form)
            return cls(*texts, kept["found"], kept["nats"], kept["met"], pairs)


class _Unranked(Ranker):
    """Learns nothing, so that a pass takes a fifth of the time; findings do not depend on it."""

    @property
    def due(self) -> bool:
        """Never."""
        return False

    def learn_day(self, days: DayTable, scores: RankScores | None = None) -> None:
        """Nothing."""


class _Meetings(Watcher):
    """Who was seen with whom, and who is whose on each day."""

    def __init__(self, detector: Detector) -> None:
        self.company = Company()
        self.pairs: list[tuple[str, str, int]] = []
        self._detector = detector

    def scored(self, batch: Batch) -> None:
        """See `Watcher`."""
        self.company.learn(batch.time_us, batch.columns[:, -3:])

    def closed(self, table: DayTable, risk: np.ndarray) -> None:
        """See `Watcher`."""
        self.look(table)

    def look(self, table: DayTable) -> None:
        """Take in the pairs of a day's table."""
        mate, known = self._detector.days.mates(table), self._detector.baselines
        users = np.flatnonzero((mate >= 0) & (table.kind == ENTITY_KINDS.index("user")))
        user, host = (
            known.values.many(known.entities.name[table.entity[rows]]) for rows in (users, mate[users])
        )
        days = table.day[users].tolist()
        self.pairs += [(str(one), str(other), day) for one, other, day in zip(user, host, days, strict=True)]


def details_of(job: Job) -> DayDetails:
    """Of an organisation, from disk if the same code has found them before."""
    dataset = evaluation.simulated(job.work, job.seed, job.users, job.days)
    place = job.work / dataset.name / "scored"
    place.mkdir(exist_ok=True)
    path = place / f"details-{key_of(detector_key(job))}.npz"
    if not path.is_file():
        found(dataset).save(path)
    return DayDetails.load(path)


def found(dataset: evaluation.Dataset) -> DayDetails:
    """Replay a dataset. The last two weeks' pairs of every day are looked through: O(entity-days)."""
    detector = Detector(key_seed=1, ranker=_Unranked(), mark_hours=24)
    meetings = detector.watcher = _Meetings(detector)
    reader = detector.reader()
    logs, _ = replay.choose_sources(reader, [str(dataset.events)])
    if dataset.directory is not None:
        directory.apply(directory.read(dataset.directory), detector)
    replay.replay(detector, reader, logs)
    meetings.look(detector.today())
    table = detector.days.table()
    first, last = int(table.day.min()), detector.activity.today
    everything = detector.days.findings()
    if everything is None:
        raise ValueError(f"{dataset.events}: nothing was found")
    by_day = [shared(everything, detector.channels, day) for day in range(first, last + 1)]
    joined = Findings(*(np.concatenate(parts) for parts in zip(*by_day, strict=True)))
    return _named(detector, meetings, joined)


def _named(detector: Detector, meetings: _Meetings, everything: Findings) -> DayDetails:
    known = detector.baselines
    kind_of = known.entities.kind
    wanted = np.isin(kind_of[everything.entity], [ENTITY_KINDS.index(kind) for kind in KINDS])
    wanted &= everything.gain > 0
    everything = Findings(*(array[wanted] for array in everything))
    # by day: whoever is asked who was seen with whom keeps one day's window
    keys, of_key = np.unique(everything.day << 32 | everything.entity, return_inverse=True)
    values, of_value = np.unique(everything.value, return_inverse=True)
    entities, numbers = keys & 0xFFFFFFFF, (keys >> 32).tolist()
    texts = known.values.many(known.entities.name[entities])
    days: list[Key] = [
        (ENTITY_KINDS[int(kind_of[entity])], text, day)
        for entity, text, day in zip(entities, texts, numbers, strict=True)
    ]
    pairs = [
        (row, partner)
        for row, (entity, day) in enumerate(zip(entities.tolist(), numbers, strict=True))
        for partner in partners(meetings.company, entity, day, kind_of)
    ]
    met = np.array(pairs, np.int64).reshape(-1, 2)
    others, of_other = np.unique(met[:, 1], return_inverse=True)
    names = [
        (ENTITY_KINDS[int(kind_of[one])], text)
        for one, text in zip(others, known.values.many(known.entities.name[others]), strict=True)
    ]
    return DayDetails(
        days,
        names,
        [str(cause) for cause in detector.channels.causes],
        known.values.many(values),
        np.stack([of_key, detector.channels.column_of[everything.channel], of_value], axis=1).astype(
            np.int64
        ),
        everything.gain,
        np.stack([met[:, 0], of_other], axis=1).astype(np.int64),
        meetings.pairs,
    )
