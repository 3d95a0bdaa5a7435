from __future__ import annotations

import pyarrow as pa

from features.baselines import DAY_US
from serving import lake
from serving.outputs import EVENT_SCHEMA

MONDAY = 20_150
"""2025-03-03."""


def scored(*times_us: int) -> pa.Table:
    n = len(times_us)
    columns = {
        field.name: pa.array([""] * n if pa.types.is_string(field.type) else [0] * n).cast(field.type)
        for field in EVENT_SCHEMA
    }
    columns["time"] = pa.array(times_us, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    columns["event_uid"] = pa.array([str(time) for time in times_us])
    return pa.table(columns, schema=EVENT_SCHEMA)


def uids(folder, day: int) -> list[str]:
    return lake.read_day(folder, day)["event_uid"].to_pylist()


def test_events_lie_under_the_day_they_happened_in_the_order_they_were_scored(tmp_path):
    start = MONDAY * DAY_US
    assert lake.write_segment(tmp_path, 1, [scored(start + 5, start + DAY_US), scored(start + 6)]) == 3
    assert lake.write_segment(tmp_path, 2, [scored(start + 1)]) == 1
    assert uids(tmp_path, MONDAY) == [str(start + 5), str(start + 6), str(start + 1)]
    assert uids(tmp_path, MONDAY + 1) == [str(start + DAY_US)]
    assert uids(tmp_path, MONDAY + 2) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["day=2025-03-03", "day=2025-03-04"]


def test_a_segment_that_is_written_again_is_there_once(tmp_path):
    for _ in range(2):
        lake.write_segment(tmp_path, 1, [scored(MONDAY * DAY_US)])
    assert len(uids(tmp_path, MONDAY)) == 1


def test_a_recovery_leaves_what_its_checkpoint_counts(tmp_path):
    """P3. A segment behind the checkpoint may hold other days than the one that will get its number."""
    for number in range(1, 4):
        lake.write_segment(tmp_path, number, [scored(MONDAY * DAY_US + number)])
    (lake.day_folder(tmp_path, MONDAY) / "00000004.new").write_bytes(b"unfinished")
    assert lake.remove_after(tmp_path, 2) == 2
    assert uids(tmp_path, MONDAY) == [str(MONDAY * DAY_US + number) for number in (1, 2)]
    assert len(list(lake.day_folder(tmp_path, MONDAY).iterdir())) == 2


def test_days_past_their_retention_go_as_a_whole(tmp_path):
    for day in range(5):
        lake.write_segment(tmp_path, day, [scored((MONDAY + day) * DAY_US)])
    assert lake.remove_before(tmp_path, (MONDAY + 4) * DAY_US, days=2) == 2
    assert [len(uids(tmp_path, MONDAY + day)) for day in range(5)] == [0, 0, 1, 1, 1]
