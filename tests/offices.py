"""For tests of whole detectors: an office whose last day holds one of everything, and who watches it."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING

import numpy as np

from features.baselines import Baselines
from features.enrich import GeoDatabase
from models.detector import Detector
from models.ranking.ranker import Ranker
from models.ranking.settings import EXCESS, RankerSettings
from tests.activities import at, event

if TYPE_CHECKING:
    from pathlib import Path

DAYS = 6
PEOPLE = 8


def office(seed: int = 1, days: int = DAYS, first_day: int = 0) -> list[dict]:
    """People at work; on the last day one of them sprays, another jumps, and a host talks to its master."""
    rng = np.random.default_rng(seed)
    told = []
    for day, who in itertools.product(range(first_day, first_day + days), range(PEOPLE)):
        mine = {"user": f"user-{who}", "host": f"ws-{who}", "src_ip": f"10.0.0.{who}", "src_country": "DE"}
        for _ in range(int(rng.integers(8, 14))):
            what = str(
                rng.choice(["logon", "failure", "deletion", "start", "traffic"], p=[0.4, 0.1, 0.1, 0.2, 0.2])
            )
            more = {"dst": f"srv-{rng.integers(0, 4)}", "domain": f"d{rng.integers(0, 5)}.example"}
            told.append(
                event(at(day, 8 + 9 * rng.random()), what, sent=int(rng.integers(0, 9000)), **mine, **more)
            )
    last = first_day + days - 1
    told += [
        event(at(last, 9 + i / 900), "failure", user=f"user-{i % 3}", host="dc", src_ip="10.0.0.1")
        for i in range(90)
    ]
    told += [event(at(last, 8.5), user="user-2", src_country="JP", host="ws-2")]
    told += [
        event(at(last, i / 8), "traffic", host="ws-5", domain="evil.example", sent=300_000)
        for i in range(190)
    ]
    return sorted(told, key=lambda one: one["time_us"])


def detector(**options: object) -> Detector:
    """All channels; the ranker counts evidence only, which is quick."""
    return Detector(
        baselines=Baselines(),
        key_seed=7,
        geo=GeoDatabase(),
        ranker=Ranker(RankerSettings(members=(EXCESS,))),
        **options,
    )


def digest(one: Detector, folder: Path) -> dict[str, str]:
    """SHA-256 of every file of its checkpoint."""
    one.save(folder)
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("checkpoint-*/*")
    }
