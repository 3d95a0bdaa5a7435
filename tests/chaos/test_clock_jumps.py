"""P8: the machine's clock jumps while the service runs; scores and baselines are those of a clock that does
not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import concat_tables, parquet

from tests.durable_events import TENANT

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")
OFFSETS = ("+0", "+1d", "-1d", "+12y", "+0")


def library() -> str:
    for pattern in LIBRARIES:
        found = sorted(Path("/").glob(pattern.lstrip("/")))
        if found:
            return str(found[0])
    pytest.skip("needs libfaketime (Debian, Ubuntu: apt-get install faketime)")


def run(folder: Path, offsets: tuple[str, ...]) -> dict[str, Any]:
    clock = folder.with_name(f"{folder.name}-clock")
    clock.write_text("+0\n")
    environment = {
        **os.environ,
        "LD_PRELOAD": library(),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # as the kernel has it: only the wall clock can be set
    }
    command = [sys.executable, "-m", "tests.chaos.clock_process", str(folder), str(clock), ",".join(offsets)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def scores(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "tenants" / TENANT / "lake").glob("day=*/*.parquet"))
    return list(concat_tables([parquet.read_table(file, partitioning=None) for file in files]).to_pylist())


def test_a_day_ahead_a_day_back_and_2038_change_no_score_and_stop_no_timer(tmp_path: Path) -> None:
    """Weights or watermarks by the wall clock would expire what was learned, or make everything late; a timer
    by it would sleep for a day after the jump back.
    """
    jumping = run(tmp_path / "jumping", OFFSETS)
    walls = [step["wall"] for step in jumping["steps"]]
    assert walls[1] - walls[0] > 80_000, "the clock did not jump"
    assert walls[1] - walls[2] > 160_000
    assert [step["clock"] for step in jumping["steps"]][3] >= "2038"
    calm = run(tmp_path / "calm", ("+0",) * len(OFFSETS))
    for done in (jumping, calm):
        assert done["failed"] == ""
        assert [step["timers"] for step in done["steps"]] == [True] * len(OFFSETS)
        assert [step["accepted"] for step in done["steps"]] == [120] * len(OFFSETS)
    assert scores(tmp_path / "jumping") == scores(tmp_path / "calm")
    for name in ("received", "scored", "late", "quarantined", "duplicate", "habits", "entities"):
        assert jumping["ledger"][name] == calm["ledger"][name], name
