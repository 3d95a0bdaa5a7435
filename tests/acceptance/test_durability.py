"""What a real process that is killed leaves behind. P1: acknowledged is on disk. P3: the same state again."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.durable_events import TENANT
from tests.durable_process import EVENTS, numbered_body

ROOT = Path(__file__).resolve().parents[2]


class Zygote:
    """Starts cores that can be killed."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.durable_process"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        assert self._answer() == ["ready"]

    def _answer(self) -> list[str]:
        line = self._process.stdout.readline()
        assert line, "the process of the cores ended"
        return line.split(maxsplit=1)

    def run(
        self, folder: Path, first: int, last: int, *, step_ms: int | str, kill_after: float | None = None
    ):
        """Send bodies first .. last; kill -9 after some seconds. Returns the acknowledged and the ledger."""
        self._process.stdin.write(f"{folder} {first} {last} {step_ms}\n")
        acknowledged, ledger, timer = [], None, None
        while (answer := self._answer())[0] != "ended":
            if answer[0] == "pid" and kill_after is not None:
                timer = threading.Timer(kill_after, _kill, [int(answer[1])])
                timer.start()
            elif answer[0] == "ack":
                acknowledged.append(int(answer[1].split()[0]))
            elif answer[0] in ("refused", "same"):
                self.said.append(" ".join(answer).strip())
            elif answer[0] == "done":
                ledger = json.loads(answer[1])
        if timer is not None:
            timer.cancel()
        return acknowledged, ledger

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def zygote():
    one = Zygote()
    yield one
    one.close()


def lake(folder: Path) -> pa.Table:
    files = sorted((folder / "tenants" / TENANT / "lake").glob("day=*/*.parquet"))
    return pa.concat_tables([parquet.read_table(file, partitioning=None) for file in files])


def expected_uids(bodies: int, step_ms: int) -> list[str]:
    return sorted(
        json.loads(line)["metadata"]["uid"] for n in range(bodies) for line in numbered_body(n, step_ms)
    )


def kill_again_and_again(zygote: Zygote, tmp_path: Path, kills: int, bodies: int, step_ms: int) -> None:
    rng = random.Random(kills)
    folder = tmp_path / "killed"
    first, killed = 0, 0
    while killed < kills:
        # the window moves, so that the kills are spread over all bodies and over recoveries too
        last = min(bodies, 1 + bodies * (killed + 1) // kills)
        acknowledged, _ = zygote.run(folder, first, last, step_ms=step_ms, kill_after=rng.uniform(0.05, 1.5))
        first = max([first, *(number + 1 for number in acknowledged)])
        killed += 1
    _, ledger = zygote.run(folder, first, bodies, step_ms=step_ms)
    _, calm = zygote.run(tmp_path / "calm", 0, bodies, step_ms=step_ms)

    assert ledger["received"] == sum(
        ledger[name] for name in ("scored", "duplicate", "late", "quarantined", "waiting")
    )
    assert (ledger["scored"], ledger["late"], ledger["waiting"]) == (bodies * EVENTS, 0, 0)
    assert calm["duplicate"] == 0
    found, right = lake(folder).sort_by("event_uid"), lake(tmp_path / "calm").sort_by("event_uid")
    assert found["event_uid"].to_pylist() == expected_uids(bodies, step_ms)  # P1, P2: each one, and once
    assert found.equals(right)  # P3: to the bit


def test_five_kills_lose_nothing_and_change_nothing(zygote, tmp_path):
    """P1, P2, P3. Acknowledging before the commit, or applying again what the checkpoint holds, makes
    it fail.
    """
    kill_again_and_again(zygote, tmp_path, kills=5, bodies=60, step_ms=20_000)


def test_a_full_disk_refuses_serves_reads_and_heals(zygote, tmp_path):
    """P9. Keeping a trace of what was refused makes its retry a duplicate; a journal that is not opened anew
    after the failure never takes anything again.
    """
    acknowledged, ledger = zygote.run(tmp_path / "full", 0, 10, step_ms="full")
    assert [line.split()[0] for line in zygote.said] == ["refused", "refused", "refused", "same"]
    assert zygote.said[-1] == "same True"
    assert "disk" in zygote.said[0]
    assert acknowledged == list(range(10))
    assert (ledger["received"], ledger["scored"], ledger["duplicate"]) == (200, 200, 0)


@pytest.mark.chaos
def test_two_hundred_kills_lose_nothing_and_change_nothing(zygote, tmp_path):
    """As above, over three days of events: midnights, refits and entity-days are killed too."""
    kill_again_and_again(zygote, tmp_path, kills=200, bodies=600, step_ms=20_000)
