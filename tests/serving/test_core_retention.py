"""What goes, and when: P8. The machine's clock alone decides nothing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from serving.core import Core
from serving.store import tables
from tests.durable_events import CALM, START_MS, TENANT, lines, submission

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

DAY_MS = 86_400_000
YEAR_2038_NS = 2_145_916_800 * 10**9


def send(core: Core, records: list[bytes]) -> None:
    core.offer(submission(records)).result(300)
    asyncio.run(core.flush(TENANT))


def filled(folder: Path, start_ms: int) -> None:
    """A day and the beginning of the next, and a record in quarantine; with a checkpoint."""
    with Core(folder, CALM) as core:
        send(core, lines(0, 2, start_ms=start_ms))
        send(core, [*lines(2, 60, step_ms=1_800_000, start_ms=start_ms), b"no event"])


def kept(core: Core) -> tuple[int, int, int, int]:
    """Days in the lake, entity-days, records in quarantine, and journal entries, after keeping house."""
    core._writer.run(core._house.keep)
    core._writer.settle()
    days = len(list((core.data_dir / "tenants" / TENANT / "lake").glob("day=*")))
    with core.database.read() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (tables.entity_days, tables.quarantine, tables.journal)
        ]
    return days, counts[0], counts[1], counts[2]


def test_a_clock_that_is_years_ahead_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes with a wrong clock must not delete a year of history."""
    filled(tmp_path, START_MS)
    monkeypatch.setattr(time, "time_ns", lambda: YEAR_2038_NS)
    with Core(tmp_path, CALM) as core:
        days, entity_days, quarantine, journal = kept(core)
    assert days == 2
    assert entity_days > 0
    assert quarantine == 1
    assert journal == 4


def test_a_history_that_is_sent_in_stays_until_newer_events_have_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention by the clock alone would remove it as soon as it was scored; none at all would keep it."""
    filled(tmp_path, START_MS)
    monkeypatch.setattr(time, "time_ns", lambda: (START_MS + 502 * DAY_MS) * 10**6)
    with Core(tmp_path, CALM) as core:
        before = kept(core)
        assert before[0] == 2
        send(core, lines(1_000, 60, step_ms=1_000, start_ms=START_MS + 500 * DAY_MS))
    with Core(tmp_path, CALM) as core:
        assert core._tenants.states[TENANT].detector.clock.newest_us > (START_MS + 400 * DAY_MS) * 1000
        after = kept(core)
    lake = sorted(path.name for path in (tmp_path / "tenants" / TENANT / "lake").glob("day=*"))
    assert lake == ["day=2026-07-16"]
    assert after[:2] == (1, 0)
