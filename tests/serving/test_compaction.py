"""Merging segments: nothing lost, nothing twice, whoever reads and wherever it is cut short."""

from __future__ import annotations

import sys
import threading

import pandas as pd
import pytest
from pyarrow import dataset, parquet

from features.baselines import DAY_US
from serving import compaction, lake, segments
from tests.serving.test_lake import MONDAY, scored

START = MONDAY * DAY_US


class Cut(BaseException):
    """The process ends here."""


class CrashPoints:
    """Raises at the n-th system call that Python tells of, and at all that follow: nothing cleans up."""

    EVENTS = frozenset(
        {"open", "os.mkdir", "os.link", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree", "ctypes.dlsym"}
    )

    def __init__(self) -> None:
        self.left = -1
        self.armed = False
        sys.addaudithook(self._hook)

    def _hook(self, event: str, _: object) -> None:
        if self.armed and event in self.EVENTS:
            self.left -= 1
            if self.left < 0:
                raise Cut

    def run(self, work, calls: int) -> bool:
        """Whether the work came to its end before so many calls."""
        self.left, self.armed = calls, True
        try:
            work()
        except Cut:
            return False
        finally:
            self.armed = False
        return True


CRASH = CrashPoints()


def fill(folder, numbers, per=5):
    """Segments of events that are a second apart, each in falling order."""
    for number in numbers:
        times = [START + (number * per + place) * 1_000_000 for place in range(per)]
        lake.write_segment(folder, number, [scored(*reversed(times))])


def uids(folder):
    return sorted(int(uid) for uid in pd.read_parquet(folder)["event_uid"])


def names(folder):
    return sorted(path.name for path in lake.day_folder(folder, MONDAY).iterdir())


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "lake"


def test_small_segments_become_one_in_the_order_of_time(folder):
    fill(folder, range(1, 20))
    before = uids(folder)
    assert compaction.merge_lake(folder, 19, MONDAY + 1) == 18
    assert names(folder) == ["00000001-00000019.parquet"]
    table = lake.read_day(folder, MONDAY)
    assert table["time"].to_pylist() == sorted(table["time"].to_pylist())
    assert uids(folder) == before
    assert not (folder.parent / "merging").exists()
    fill(folder, [20])
    assert compaction.merge_lake(folder, 20, MONDAY + 1) == 1
    assert names(folder) == ["00000001-00000020.parquet"]


def test_a_day_that_is_young_waits_and_large_files_stay(folder, monkeypatch):
    fill(folder, range(1, compaction.FEW))
    assert compaction.merge_lake(folder, 100, MONDAY) == 0
    monkeypatch.setattr(compaction, "ROWS", 20)
    fill(folder, [compaction.FEW], per=12)  # more than half of what a file should have
    fill(folder, range(compaction.FEW + 1, compaction.FEW + 4))
    assert compaction.merge_lake(folder, 100, MONDAY + 1) > 0
    spans = [span for span, _ in segments.segments(lake.day_folder(folder, MONDAY))]
    assert (compaction.FEW, compaction.FEW) in spans
    rows = [parquet.read_metadata(path).num_rows for path in lake.day_folder(folder, MONDAY).iterdir()]
    assert max(rows) <= 20


def test_what_no_checkpoint_counts_is_not_merged_and_a_recovery_removes_it(folder):
    """P3. Merging it would leave events twice when the journal is scored again."""
    fill(folder, range(1, 6))
    compaction.merge_lake(folder, 3, MONDAY + 1)
    assert names(folder) == ["00000001-00000003.parquet", "00000004.parquet", "00000005.parquet"]
    assert lake.remove_after(folder, 4) == 1
    assert len(uids(folder)) == 20


def test_a_merge_that_is_cut_short_anywhere_leaves_each_event_once(folder):
    """Removing the old files before the new ones are in force, or the other way round, makes it fail."""
    fill(folder, range(1, 5))
    before = uids(folder)
    calls = 0
    while not CRASH.run(lambda: compaction.merge_lake(folder, 4, MONDAY + 1), calls):
        assert uids(folder) == before, calls
        calls += 1
        if len(names(folder)) == 1:  # from here on there is nothing to be merged: begin anew
            fill(folder, [5])
            assert compaction.merge_lake(folder, 5, MONDAY + 1) == 1
            break
    assert calls > 5
    assert sorted(set(uids(folder)) & set(before)) == before
    assert not (folder.parent / "merging").exists()


def test_learned_segments_that_are_merged_are_read_once_wherever_it_is_cut_short(tmp_path):
    def write():
        for number in range(1, 1 + compaction.FEW):
            table = scored(START + number)
            segments.write_table(table, tmp_path / segments.Span(number, number).name)

    def read():
        tables = [parquet.read_table(path, partitioning=None) for _, path in segments.segments(tmp_path)]
        return [uid for table in tables for uid in table["event_uid"].to_pylist()]

    write()
    right = read()
    calls = 0
    while not CRASH.run(lambda: compaction.merge_learned(tmp_path, compaction.FEW), calls):
        assert read() == right, calls
        calls += 1
    assert calls > 3
    compaction.merge_learned(tmp_path, compaction.FEW)
    assert [path.name for path in tmp_path.iterdir()] == [f"00000001-{compaction.FEW:08d}.parquet"]
    assert read() == right


def test_whoever_reads_meanwhile_sees_every_event_once_or_is_told_to_list_anew(folder):
    """A moment without the old files, or with the old and the new ones, makes it fail."""
    fill(folder, range(1, 3))
    done = threading.Event()
    counts: list[int] = []

    def read() -> None:
        while not done.is_set() or len(counts) < 20:
            # a scan that fails because a file went away is asked again, as a person would
            try:
                counts.append(dataset.dataset(folder, format="parquet").count_rows())
            except FileNotFoundError:
                continue

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(3, 40):
            fill(folder, [number])
            compaction.merge_lake(folder, number, MONDAY + 1)
    finally:
        done.set()
        reader.join()
    assert counts == sorted(counts)
    assert all(count % 5 == 0 and count >= 10 for count in counts)
    assert counts[-1] == 39 * 5


def test_duckdb_and_pandas_read_a_merged_day(folder):
    duckdb = pytest.importorskip("duckdb", reason="pip install duckdb")
    fill(folder, range(1, 20))
    compaction.merge_lake(folder, 19, MONDAY + 1)
    found = duckdb.read_parquet(f"{folder}/*/*.parquet", hive_partitioning=True)
    count, day, distinct = found.aggregate("count(*), min(day), count(DISTINCT event_uid)").fetchall()[0]
    assert (count, str(day), distinct) == (95, "2025-03-03", 95)
    assert len(pd.read_parquet(folder)) == 95
