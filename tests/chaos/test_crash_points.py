"""P1, P2, P3 at every operation on the disk: the process ends there, or the power does.

A process that is killed keeps what it wrote in the page cache; a power cut keeps what was synced. The first
is done for real, by a library that kills at the N-th operation; the second is rebuilt from the recorded
operations of one run.
"""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import concat_tables, parquet

from tests.chaos.disk import AFTER, BEFORE, TORN, Disk, Operation, Zygote, built_shim, read_log
from tests.durable_events import TENANT
from tests.durable_process import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

BODIES = 8
STEP_MS = 60_000
CUT = 5


class World:
    """A zygote, a run that nobody disturbed, and the operations it made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.zygote = Zygote(built_shim(folder))
        calm = self.zygote.run(folder / "calm", 0, BODIES, step_ms=STEP_MS, log=str(folder / "log"))
        assert calm.failed == ""
        assert calm.ledger is not None
        self.operations = read_log(folder / "log", folder / "calm")
        self.right = lake(folder / "calm")
        self.numbered = [operation for operation in self.operations if operation.kind not in "as"]

    def number_of(self, kind: str, part: str, which: int = 0) -> int:
        """Number (from 1) of an operation of the calm run, by its kind and a part of its path."""
        found = [n for n, op in enumerate(self.numbered, 1) if op.kind == kind and part in op.path]
        return found[which]

    def kill(self, name: str, number: int, how: int) -> tuple[Path, list[int]]:
        """The folder that a process left which was killed at an operation, and what it had acknowledged."""
        folder = self.folder / name
        run = self.zygote.run(folder, 0, BODIES, step_ms=STEP_MS, kill_at=number, how=how)
        return folder, run.acknowledged

    def cut(
        self, name: str, upto: int, *, without: str = "", synced_only: bool = True
    ) -> tuple[Path, list[int]]:
        """The folder that a power cut behind so many records leaves, and what was acknowledged by then.

        without: leave out the syncs of paths that hold this, as if they had not been asked for.
        """
        disk = Disk()
        acknowledged = []
        for operation in self.operations[:upto]:
            if operation.kind == "a":
                acknowledged += said(operation)
            elif not (operation.kind in "bs" and without and without in operation.path):
                disk.apply(operation)
        disk.write(self.folder / name, synced_only=synced_only)
        return self.folder / name, acknowledged

    def losses(self, folder: Path, acknowledged: list[int]) -> list[str]:
        """What is wrong when the service goes on with a folder; its clients send what was not
        acknowledged.
        """
        first = max(acknowledged, default=-1) + 1
        run = self.zygote.run(folder, first, BODIES, step_ms=STEP_MS, armed=False)
        if run.ledger is None:
            return [f"it did not come up: {run.failed}"]
        wrong = []
        parts = ("scored", "duplicate", "late", "quarantined", "waiting")
        if run.ledger["received"] != sum(run.ledger[part] for part in parts):
            wrong.append(f"the ledger does not balance: {run.ledger}")
        if run.ledger["scored"] != BODIES * EVENTS:
            wrong.append(f"{run.ledger['scored']} of {BODIES * EVENTS} events are scored")
        if not lake(folder).equals(self.right):
            wrong.append("the scored events are others")
        return wrong


def said(operation: Operation) -> list[int]:
    """The bodies that a line of standard output acknowledges."""
    words = operation.data.split()
    return [int(words[1])] if words[0] == b"ack" else []


def lake(folder: Path) -> pa.Table:
    """All scored events, by their ids."""
    files = sorted((folder / "tenants" / TENANT / "lake").glob("day=*/*.parquet"))
    return concat_tables([parquet.read_table(file, partitioning=None) for file in files]).sort_by("event_uid")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("crash"))
    yield made
    made.zygote.close()


def test_the_library_sees_every_kind_of_operation(world: World) -> None:
    """Without it a sweep would prove nothing: the run must write, sync, rename and remove, in all parts."""
    kinds = {operation.kind for operation in world.operations}
    assert kinds >= {"w", "b", "s", "r", "u", "c", "a"}
    synced = " ".join(operation.path for operation in world.operations if operation.kind == "s")
    for part in ("habitus.db-wal", "arrays.safetensors", "manifest.json", "CURRENT.new", "/lake/day="):
        assert part in synced
    assert [body for op in world.operations if op.kind == "a" for body in said(op)] == list(range(BODIES))


@pytest.mark.parametrize(
    ("name", "kind", "part", "which", "how"),
    [
        ("the journal is written by half", "w", "habitus.db-wal", -10, TORN),
        ("the checkpoint is complete but not in force", "r", "CURRENT.new", 1, BEFORE),
        ("an old checkpoint is removed by half", "u", "checkpoint-", 1, AFTER),
    ],
)
def test_a_kill_at_an_operation_loses_nothing_and_changes_nothing(
    world: World, name: str, kind: str, part: str, which: int, how: int
) -> None:
    """P1, P2, P3. A replay that does not skip what the checkpoint holds fails it."""
    number = world.number_of(kind, part, which)
    assert world.losses(*world.kill(name.replace(" ", "-"), number, how)) == []


def test_a_segment_that_no_checkpoint_counts_is_gone_after_the_start(world: World) -> None:
    """P3, P14. It would show its events twice: a replay writes them again, into other segments."""
    folder = world.folder / "stray"
    shutil.copytree(world.folder / "calm", folder)
    one = min((folder / "tenants" / TENANT / "lake").glob("day=*/*.parquet"))
    shutil.copy(one, one.with_name("00000099.parquet"))
    assert not lake(folder).equals(world.right)
    assert world.losses(folder, [BODIES - 1]) == []


@pytest.mark.parametrize("synced_only", [True, False])
def test_a_power_cut_right_after_an_acknowledgement_loses_nothing(world: World, synced_only: bool) -> None:
    """P1 on the least that a disk promises: only what was synced is there."""
    said_at = [place for place, operation in enumerate(world.operations, 1) if operation.kind == "a"]
    # an odd one came as bulk: its answer waits for the disk alone, and not for the engine
    folder, acknowledged = world.cut(f"cut-{synced_only}", said_at[CUT], synced_only=synced_only)
    assert acknowledged == list(range(CUT + 1))
    assert world.losses(folder, acknowledged) == []


def test_without_the_journal_s_syncs_a_power_cut_would_be_seen_to_lose_events(world: World) -> None:
    """The mutation, kept: a journal with synchronous=OFF makes the same calls but the syncs."""
    said_at = [place for place, operation in enumerate(world.operations, 1) if operation.kind == "a"]
    folder, acknowledged = world.cut("unsynced", said_at[CUT], without="habitus.db-wal")
    assert world.losses(folder, acknowledged) != []


def sweep(count: int, most: int, seed: int) -> list[int]:
    rng = random.Random(seed)
    return sorted(rng.sample(range(1, count + 1), min(most, count)))


def report(found: dict[Any, list[str]]) -> str:
    return "\n".join(f"{point}: {'; '.join(wrong)}" for point, wrong in found.items())


@pytest.mark.chaos
@pytest.mark.parametrize("part", range(6))
def test_a_kill_at_a_hundred_and_twenty_operations_loses_nothing(world: World, part: int) -> None:
    """Before, after, and in the middle of operations from the first to the last."""
    wrong = {}
    for number in sweep(len(world.numbered), 120, 1)[part::6]:
        how = (BEFORE, AFTER, TORN)[number % 3]
        found = world.losses(*world.kill(f"kill-{number}", number, how))
        if found:
            wrong[number, how] = found
    assert not wrong, report(wrong)


@pytest.mark.chaos
@pytest.mark.parametrize("part", range(6))
def test_a_power_cut_at_a_hundred_and_twenty_operations_loses_nothing(world: World, part: int) -> None:
    wrong = {}
    for place in sweep(len(world.operations), 120, 2)[part::6]:
        found = world.losses(*world.cut(f"power-{place}", place))
        if found:
            wrong[place] = [*found, str(world.operations[place - 1][:3])]
    assert not wrong, report(wrong)
