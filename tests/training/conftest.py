"""One small organisation that several tests learn from, laid out once."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import pytest

from serving import directory, replay
from training import experiment, history, runfile
from training.experiment import History
from training.simulate.writer import Simulation, write

if TYPE_CHECKING:
    from pathlib import Path

RUN = b"""
name = "office"
[data]
files = ["events.ndjson"]
[ranker]
members = ["excess", "count_neighbours"]
[evaluation]
warm_up_days = 2
"""
"""The members that take seconds a night are left out."""
CUT = date(2026, 2, 7)
"""Models are trained until here, and compared on the days after it."""


class Office(NamedTuple):
    folder: Path
    laid_out: history.LaidOut
    lake: history.EventLake
    run: runfile.Run

    def history(self, until: date | None = CUT, *, labels: bool = False) -> History:
        groups = directory.read(self.folder / "directory.csv")
        return History(
            history.EventLake.opened(self.folder / "lake", until=until),
            experiment.digests([self.folder / "events.ndjson"], self.folder),
            self.laid_out.sids,
            lambda detector: directory.apply(groups, detector),
            self.folder / "labels.ndjson" if labels else None,
            self.folder / "oddities.ndjson" if labels else None,
        )


@pytest.fixture(scope="session")
def office(tmp_path_factory) -> Office:
    folder = tmp_path_factory.mktemp("office")
    write(Simulation(5, users=8, days=9, campaigns=3), folder)
    scratch = history.Scratch()
    logs, _ = replay.choose_sources(scratch.reader, [str(folder / "events.ndjson")])
    laid_out = history.lay_out(scratch, logs, folder / "lake")
    return Office(folder, laid_out, history.EventLake.opened(folder / "lake"), runfile.parsed(RUN))
