"""For the tests of models as artifacts: a small fitted detector, and what belongs to its bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from features.baselines import Baselines
from features.enrich import GeoDatabase
from models.detector import Detector
from models.engine import Engine
from models.ranking.ranker import Ranker
from models.ranking.settings import EXCESS, RankerSettings
from tests.batches import batch, story
from training import bundle
from training.manifest import DataFact

if TYPE_CHECKING:
    from pathlib import Path

    from features.columns import Batch

EVENTS = 3000
FACTS = bundle.Facts(
    "office",
    "2026-03-01T00:00:00.000000Z",
    "2026-03-20T00:00:00.000000Z",
    EVENTS // 2,
    [DataFact("events.ndjson", 12, "0" * 64)],
    {"recall@10": 0.5, "ap": None, "events": 1},
)
DOCUMENTS = {"run.toml": b'name = "office"\n', "pictures/calibration.svg": b"<svg/>"}


def events(detector: Detector) -> Batch:
    return batch(detector.baselines, story(5, EVENTS, people=20, days=20.0, strange=0.05))


def fitted(off: frozenset[str] = frozenset()) -> Detector:
    """A detector that has learned the first half of `events`."""
    baselines = Baselines()
    detector = Detector(
        baselines=baselines,
        engine=Engine(baselines),
        key_seed=7,
        geo=GeoDatabase(),
        ranker=Ranker(RankerSettings(members=(EXCESS,))),  # the others take a second a night
        off=off,
    )
    detector.score_learn(events(detector).take(slice(0, EVENTS // 2)))
    return detector


def written(folder: Path, off: frozenset[str] = frozenset()) -> bundle.Bundle:
    return bundle.write(folder, fitted(off), FACTS, DOCUMENTS)
