"""P5, P6, P9: more than there is room for, in the queue, in memory, and on the disk."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyarrow import concat_tables, parquet

from serving.core import Core
from serving.submission import Busy, Protocol, Receipt, Refused
from tests.durable_events import CALM, TENANT, lines, submission

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
GROWTH_MIB = 96
"""What a detector may grow by while it meets nine times its limit of entities: allocator slack, not tables.
"""


def known_uids(folder: Path) -> list[str]:
    files = sorted((folder / "tenants" / TENANT / "lake").glob("day=*/*.parquet"))
    table = concat_tables([parquet.read_table(file, partitioning=None) for file in files])
    return sorted(table["event_uid"].to_pylist())


def uids(bodies: dict[int, int]) -> list[str]:
    """Ids of the events of bodies, given by number and size."""
    return sorted(
        json.loads(line)["metadata"]["uid"]
        for number, size in bodies.items()
        for line in lines(number * 1_000, size)
    )


def test_three_times_what_fits_is_shed_and_what_was_acknowledged_is_all_there(tmp_path: Path) -> None:
    """P5. Sixteen senders, none of which waits, offer bodies faster than they can be written. A queue that
    drops what it has no room for instead of saying so, or counts it as taken, fails it.
    """
    # a body is 30 to 60 kB: room for about ten in the queue, and for two behind the commit
    settings = replace(CALM, queue_bytes=500_000, tenant_queue_bytes=500_000, backlog_bytes=100_000)
    taken: dict[int, int] = {}
    busy: list[float] = []

    def send(core: Core, number: int) -> None:
        size = 100 + 10 * (number % 10)
        try:
            receipt: Receipt = core.offer(submission(lines(number * 1_000, size), Protocol.BULK)).result(120)
        except Busy as refusal:
            busy.append(refusal.retry_after_s)
        else:
            assert receipt.accepted == size
            taken[number] = size

    with Core(tmp_path / "data", settings) as core:
        with ThreadPoolExecutor(48) as pool:
            for future in [pool.submit(send, core, number) for number in range(240)]:
                future.result()
        asyncio.run(core.flush(TENANT))
        ledger = core.metrics()["tenants"][TENANT]
        assert core.metrics()["busy"] == len(busy)
    assert busy, "nothing was shed: this machine is too fast for the test"
    assert min(busy) > 0, "a client is not told when to come back"
    assert ledger["received"] == sum(taken.values())
    assert ledger["quarantined"] == 0
    assert known_uids(tmp_path / "data") == uids(taken)


def test_memory_stays_bounded_at_ten_times_the_entities() -> None:
    """P6. Tables that grow with every name they are told fail it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.memory_process", "4000"],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=True,
    )  # fmt: skip
    filled, end, known = json.loads(done.stdout.splitlines()[-1])
    assert known <= 3 * 4_000
    assert end - filled <= GROWTH_MIB, f"{filled} MiB when full, {end} MiB at ten times the entities"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB; skips where none may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=24m", "habitus-test", str(folder)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting a tmpfs needs root: {mounted.stderr.strip()[:100]}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("min_free_mib", [0, 6])
def test_a_disk_that_is_full_refuses_serves_reads_and_heals(small_disk: Path, min_free_mib: int) -> None:
    """P9 on a real file system: with the reserve that the default keeps, and without one, where the disk
    itself says no. Taking a refused body for written, or staying shut when there is room again, fails it.
    """
    filler = small_disk / "filler"
    taken: dict[int, int] = {}
    refused: list[str] = []
    settings = replace(CALM, min_free_bytes=min_free_mib << 20)
    with Core(small_disk / "data", settings) as core:
        taken[0] = core.offer(submission(lines(0, 300))).result(120).accepted
        before = asyncio.run(core.digest(TENANT))
        fill(filler, leave=min_free_mib << 20 if min_free_mib else 0)
        for number in range(1, 40):
            try:
                taken[number] = core.offer(submission(lines(number * 1_000, 300))).result(120).accepted
            except Refused as refusal:
                refused.append(str(refusal))
            if len(refused) >= 3:
                break
        assert len(refused) >= 3, "the disk never was full"
        assert all(any(word in why for word in ("disk", "full", "free")) for why in refused), refused
        asyncio.run(core.open_days(TENANT))
        if len(taken) == 1:
            assert asyncio.run(core.digest(TENANT)) == before
        filler.unlink()
        until = time.monotonic() + 60
        while True:
            try:
                taken[50] = core.offer(submission(lines(50_000, 300))).result(120).accepted
                break
            except Refused:
                assert time.monotonic() < until, "it does not heal"
                time.sleep(0.1)
        asyncio.run(core.flush(TENANT))
        ledger = core.metrics()["tenants"][TENANT]
    assert ledger["scored"] == sum(taken.values())
    assert known_uids(small_disk / "data") == uids(taken)


def fill(path: Path, leave: int) -> None:
    """Write until so many bytes are free."""
    with path.open("wb") as file:
        while True:
            free = os.statvfs(path.parent).f_bavail * os.statvfs(path.parent).f_frsize
            if free <= leave:
                return
            try:
                file.write(bytes(min(1 << 20, free - leave)))
                file.flush()
            except OSError:
                return
