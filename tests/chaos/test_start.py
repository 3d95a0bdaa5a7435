"""P4: what a start has to do is bounded, however long the history is. Seconds: benchmarks/bench_serving."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from serving.core import Core
from tests.durable_events import CALM, TENANT, lines, submission

if TYPE_CHECKING:
    from pathlib import Path

BODIES, SIZE = 13, 50


def test_after_a_stop_a_start_replays_nothing(tmp_path: Path) -> None:
    with Core(tmp_path / "data", CALM) as core:
        for number in range(BODIES):
            core.offer(submission(lines(number * SIZE, SIZE))).result(120)
    with Core(tmp_path / "data", CALM) as core:
        assert core.metrics()["replayed_entries"] == 0
        assert core.metrics()["tenants"][TENANT]["received"] == BODIES * SIZE


def test_after_a_kill_a_start_replays_what_came_since_the_last_checkpoint_and_no_more(tmp_path: Path) -> None:
    """Checkpoints by count bound the replay for a stream that is faster than the clock's checkpoints."""
    settings = replace(CALM, checkpoint_events=2 * SIZE)
    with Core(tmp_path / "data", settings) as core:
        for number in range(BODIES):
            core.offer(submission(lines(number * SIZE, SIZE))).result(120)
            until = time.monotonic() + 60
            while core.metrics()["writer_jobs"] and time.monotonic() < until:
                time.sleep(0.01)
        crash = shutil.copytree(tmp_path / "data", tmp_path / "crash")
    with Core(crash, settings) as core:
        assert 0 < core.metrics()["replayed_entries"] <= 3
        assert core.metrics()["tenants"][TENANT]["received"] == BODIES * SIZE
