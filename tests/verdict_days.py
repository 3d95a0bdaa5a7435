"""Days of alerts made by hand, with what people said of each and what it was in truth."""

from __future__ import annotations

import numpy as np

from training.labels import Lesson
from training.retraining import Queue

CAUSES = [f"cause {number}" for number in range(6)]
DAY_US = 86_400_000_000
SHOWN = 12


def office(
    seed: int, *, days: int = 45, telling: bool = True, flipped: float = 0.0, rate: float = 0.15
) -> tuple[Queue, list[bool]]:
    """Days of alerts, and what each was in truth. telling: cause 0 is mostly attacks, 1 false alarms."""
    rng = np.random.default_rng(seed)
    lessons, truth = [], []
    for day in range(days):
        for _ in range(SHOWN):
            true = bool(rng.random() < rate)
            nats = rng.gamma(0.5, 3.0, len(CAUSES))
            if telling:
                nats[0 if true else 1] += rng.gamma(3.0, 4.0)
            said = true ^ bool(rng.random() < flipped)
            key = ("user", f"user-{rng.integers(200)}-{len(truth)}", day)
            evidence = dict(zip(CAUSES, nats.tolist(), strict=True))
            lessons.append(Lesson(*key, said, day + 1, 6.0 + rng.gamma(2.0, 1.0), evidence, day * DAY_US))
            truth.append(true)
    others = {day: rng.uniform(0.0, 2.5, 100) for day in range(days)}
    return Queue(lessons, others, dict.fromkeys(range(days), SHOWN)), truth
