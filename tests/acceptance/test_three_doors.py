"""The same events through a notebook, through `habitus train` and through the service give the same
features, bit for bit.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from features.behaviours import ENTITY_KINDS
from features.columns import concatenated
from features.enrich import GeoDatabase
from models.detector import Detector
from models.watcher import Watcher
from serving import replay
from serving.core import Core
from serving.submission import Protocol
from serving.tenant import TenantState
from tests.durable_events import CALM, TENANT, submission
from training import fit, history, lab

if TYPE_CHECKING:
    from pathlib import Path

    from models.days import DayTable


class Day(NamedTuple):
    """An entity's day: what was counted, and what was strange about it."""

    counts: bytes
    n_events: int
    evidence: np.ndarray


def days_of(detector: Detector, table: DayTable) -> dict[tuple[str, str, int], Day]:
    names = detector.baselines.values.many(detector.baselines.entities.name[table.entity])
    return {
        (ENTITY_KINDS[table.kind[row]], name, int(table.day[row])): Day(
            table.counts[row].tobytes(), int(table.n_events[row]), table.evidence[row].copy()
        )
        for row, name in enumerate(names)
    }


class Notes(Watcher):
    """Keeps the vectors of every day that closes."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.days: dict[tuple[str, str, int], Day] = {}
        detector.watcher = self

    def closed(self, table: DayTable, risk: np.ndarray) -> None:
        self.days |= days_of(self._detector, table)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lab.office(tmp_path_factory.mktemp("three") / "office", users=8, days=8)


def through_a_reader(folder: Path) -> dict[tuple[str, str, int], Day]:
    detector = Detector(key_seed=1, geo=GeoDatabase())
    notes = Notes(detector)
    reader = detector.reader()
    logs, _ = replay.choose_sources(reader, [str(folder / "events.ndjson")])
    batch = concatenated([chunk.batch for log, source in logs for chunk in reader.chunks(log, source)])
    detector.score_learn(batch.take(np.argsort(batch.time_us, kind="stable")))
    return notes.days


def through_training(folder: Path, place: Path) -> dict[tuple[str, str, int], Day]:
    scratch = history.Scratch()
    logs, _ = replay.choose_sources(scratch.reader, [str(folder / "events.ndjson")])
    history.lay_out(scratch, logs, place)
    detector = Detector(key_seed=0, geo=GeoDatabase())
    notes = Notes(detector)
    fit.replay(detector, history.EventLake.opened(place))
    return notes.days


def through_the_service(
    folder: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[tuple[str, str, int], Day]:
    found: dict[tuple[str, str, int], Day] = {}
    closes = TenantState.day_closes

    def noted(self: TenantState, table: DayTable, risk: np.ndarray) -> None:
        found.update(days_of(self.detector, table))
        closes(self, table, risk)

    monkeypatch.setattr(TenantState, "day_closes", noted)
    # a history that comes late as a whole waits for its place in event time
    settings: Any = replace(CALM, lateness_seconds=7 * 86_400.0)
    records = (folder / "events.ndjson").read_bytes().splitlines()
    with Core(place, settings) as core:
        for first in range(0, len(records), 700):
            sent = submission(records[first : first + 700], Protocol.NATIVE)
            assert core.offer(sent).result(300).quarantined == 0

        asyncio.run(core.flush(TENANT))
        assert core.ask(lambda: core.state_of(TENANT).ledger.balanced).result()
    return found


def test_notebook_training_and_service_see_the_same(
    office: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another order, another reading of a field, a record lost or read twice at any of the doors fails it."""
    one = through_a_reader(office)
    others = {
        "training": through_training(office, tmp_path / "lake"),
        "service": through_the_service(office, tmp_path / "data", monkeypatch),
    }
    assert len(one) > 100
    for name, other in others.items():
        assert other.keys() == one.keys(), name
        for key, day in one.items():
            assert other[key][:2] == day[:2], (name, key)
            # ids were given in another order, and with them sums are added up in another one
            np.testing.assert_allclose(other[key].evidence, day.evidence, rtol=1e-5, atol=1e-5)
