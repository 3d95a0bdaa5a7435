"""What was odd about entity-days, thing by thing, and who worked with whom: a pass that ranks nothing.

Kept beside the scored days of `bench_detection`, under a key of the same kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from benchmarks.bench_detection import detector_key, key_of
from benchmarks.rankings import Key
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


class DayDetails(NamedTuple):
    """Things of m findings and p pairs of entity-days with partners.

    days: entity-days. names: of partners. causes, values: texts. found: int64 (m, 3) places of entity-day,
    cause and value. nats: float64 (m,). met: int64 (p, 2) places of entity-day and partner.
    """

    days: list[Key]
    names: list[tuple[str, str]]
    causes: list[str]
    values: list[str]
    found: np.ndarray
    nats: np.ndarray
    met: np.ndarray

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

    def save(self, path: Path) -> None:
        """Write as .npz (data only)."""
        texts = msgspec.json.encode([self.days, self.names, self.causes, self.values])
        text = np.frombuffer(texts, np.uint8)
        np.savez_compressed(path, text=text, found=self.found, nats=self.nats, met=self.met)

    @classmethod
    def load(cls, path: Path) -> DayDetails:
        """Read what `save` wrote."""
        form = tuple[list[Key], list[tuple[str, str]], list[str], list[str]]
        with np.load(path, allow_pickle=False) as kept:
            texts = msgspec.json.decode(kept["text"].tobytes(), type=form)
            return cls(*texts, kept["found"], kept["nats"], kept["met"])


class _Unranked(Ranker):
    """Learns nothing, so that a pass takes a fifth of the time; findings do not depend on it."""

    @property
    def due(self) -> bool:
        """Never."""
        return False

    def learn_day(self, days: DayTable, scores: RankScores | None = None) -> None:
        """Nothing."""


class _Meetings(Watcher):
    """Who was seen with whom."""

    def __init__(self) -> None:
        self.company = Company()

    def scored(self, batch: Batch) -> None:
        """See `Watcher`."""
        self.company.learn(batch.time_us, batch.columns[:, -3:])


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
    detector, meetings = Detector(key_seed=1, ranker=_Unranked(), mark_hours=24), _Meetings()
    detector.watcher = meetings
    reader = detector.reader()
    logs, _ = replay.choose_sources(reader, [str(dataset.events)])
    if dataset.directory is not None:
        directory.apply(directory.read(dataset.directory), detector)
    replay.replay(detector, reader, logs)
    table = detector.days.table()
    first, last = int(table.day.min()), detector.activity.today
    everything = detector.days.findings()
    if everything is None:
        raise ValueError(f"{dataset.events}: nothing was found")
    by_day = [shared(everything, detector.channels, day) for day in range(first, last + 1)]
    joined = Findings(*(np.concatenate(parts) for parts in zip(*by_day, strict=True)))
    return _named(detector, meetings.company, joined)


def _named(detector: Detector, company: Company, everything: Findings) -> DayDetails:
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
        for partner in partners(company, entity, day, kind_of)
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
    )
