"""History comes back in event time, a slice at a time, however it was written."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from features.baselines import Baselines
from features.behaviours import VALUE_COLUMNS, WIDTH
from features.errors import InputError
from models.detector import Detector
from models.ranking.ranker import Ranker
from models.ranking.settings import RankerSettings
from serving import replay
from serving.state import opened
from training import events_table, fit, history

if TYPE_CHECKING:
    from pathlib import Path

HOUR = history.HOUR_US


def in_words(batch, values) -> list[tuple[object, ...]]:
    return list(
        zip(
            batch.time_us.tolist(),
            batch.class_uid.tolist(),
            values.many(batch.src_ip),
            *(values.many(batch.columns[:, index]) for index in range(len(VALUE_COLUMNS))),
            *((batch.columns[:, index] > 0).tolist() for index in range(len(VALUE_COLUMNS), WIDTH)),
            batch.bytes_in.tolist(),
            batch.bytes_out.tolist(),
            strict=True,
        )
    )


def read_directly(folder: Path) -> list[tuple[object, ...]]:
    detector = Detector(key_seed=1)
    reader = detector.reader()
    logs, _ = replay.choose_sources(reader, [str(folder / "events.ndjson")])
    found = [
        row
        for log, source in logs
        for chunk in reader.chunks(log, source)
        for row in in_words(chunk.batch, detector.baselines.values)
    ]
    return sorted(found, key=lambda row: row[0])


def read_from(lake: history.EventLake) -> list[tuple[object, ...]]:
    baselines = Baselines()
    return [
        row
        for table in lake.slices()
        for row in in_words(events_table.batch_of(table, baselines), baselines.values)
    ]


def test_a_lake_gives_the_same_features_as_the_log_files_in_event_time(office):
    assert office.laid_out.events == office.laid_out.read == len(office.lake)
    assert read_from(office.lake) == read_directly(office.folder)


def test_segments_and_slices_change_nothing(office, tmp_path, monkeypatch):
    monkeypatch.setattr(history, "SEGMENT_EVENTS", 10_000)
    monkeypatch.setattr(history, "SLICE_EVENTS", 4000)
    monkeypatch.setattr(history, "ROW_GROUP", 300)
    monkeypatch.setattr(history, "STRINGS", 10)
    scratch = history.Scratch()
    logs, _ = replay.choose_sources(scratch.reader, [str(office.folder / "events.ndjson")])
    history.lay_out(scratch, logs, tmp_path)
    lake = history.EventLake.opened(tmp_path)
    assert len(list(tmp_path.rglob("*.parquet"))) > len(list((office.folder / "lake").rglob("*.parquet")))
    assert read_from(lake) == read_from(office.lake)
    for table in lake.slices():
        hours = np.unique(table["time_us"].to_numpy() // HOUR)
        assert len(table) <= 4000 or len(hours) == 1, "memory is bounded by the slice"


def test_how_many_events_are_scored_at_once_changes_nothing_that_is_learned(office, monkeypatch):
    since = office.lake.span_us[0]
    day = office.lake.between(since, since + 24 * HOUR)
    found = []
    for events in (700, 1 << 20):
        monkeypatch.setattr(history, "PIECE_EVENTS", events)
        assert max(len(table) for table in day.slices()) <= events
        settings = RankerSettings(members=("excess",), weights=(("excess", 1.0),))
        detector = Detector(key_seed=0, ranker=Ranker(settings))
        found.append((fit.replay(detector, day).days, detector.baselines.habits()))
    (left, own), (right, other) = found
    pd.testing.assert_frame_equal(left, right, check_exact=True)
    names = [column for column in own.columns if column not in ("weight", "share")]
    pd.testing.assert_frame_equal(
        own.sort_values(names, ignore_index=True), other.sort_values(names, ignore_index=True)
    )


def test_a_part_of_the_history_is_cut_at_midnight_utc(office):
    since, until = date(2026, 2, 4), date(2026, 2, 6)
    part = history.EventLake.opened(office.folder / "lake", since, until)
    low, high = history.day_start_us(since), history.day_start_us(until)
    expected = [row for row in read_from(office.lake) if low <= row[0] < high]
    assert read_from(part) == expected
    assert len(part) == len(expected)
    assert part.span_us == (expected[0][0], expected[-1][0])
    assert read_from(office.lake.between(low, high)) == expected
    middle = expected[len(expected) // 2][0]
    assert read_from(part.between(middle + 1, high)) == [row for row in expected if row[0] > middle]


def test_what_a_state_folder_learned_can_be_read_as_a_lake(office, tmp_path):
    table = next(office.lake.slices()).slice(0, 2000)
    with opened(tmp_path) as state, state.learning() as learned:
        batch = events_table.batch_of(table, state.detector.baselines)
        learned.add(batch, [], state.detector.score_learn(batch))
    found = read_from(history.EventLake.opened(tmp_path / "learned"))
    assert [row[0] for row in found] == table["time_us"].to_pylist()
    assert [row[3:] for row in found] == [row[3:] for row in read_from(office.lake)[:2000]]


def test_a_lake_may_have_plain_text_and_no_bytes(office, tmp_path):
    table = next(office.lake.slices())
    plain = table.drop_columns(["bytes_in", "bytes_out", "held", "learned_us"])
    for name in VALUE_COLUMNS:
        index = plain.column_names.index(name)
        plain = plain.set_column(index, name, plain[name].cast(pa.string()))
    parquet.write_table(plain, tmp_path / "plain.parquet")
    found = read_from(history.EventLake.opened(tmp_path))
    without_bytes = [row[:-2] for row in read_from(office.lake)][: len(found)]
    assert [row[:-2] for row in found] == without_bytes
    assert {row[-2:] for row in found} == {(0, 0)}


def test_scores_without_their_values_are_no_history(tmp_path):
    parquet.write_table(pa.table({"time": [1], "risk": [0.5]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="scores without the values"):
        history.EventLake.opened(tmp_path)


def test_other_tables_files_and_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="no Parquet files"):
        history.EventLake.opened(tmp_path)
    with pytest.raises(InputError, match="no Parquet files"):
        history.EventLake.opened(tmp_path / "none")
    (tmp_path / "a.parquet").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match="is no Parquet file"):
        history.EventLake.opened(tmp_path)
    parquet.write_table(pa.table({"x": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="lacks the column 'time_us'"):
        history.EventLake.opened(tmp_path)


def test_segments_that_were_merged_are_read_once(office, tmp_path):
    table = next(office.lake.slices())
    for name, part in (
        ("00000001", table.slice(0, 100)),
        ("00000002", table.slice(100, 100)),
        ("00000001-00000002", table.slice(0, 200)),
        ("00000003", table.slice(200, 50)),
    ):
        parquet.write_table(part, tmp_path / f"{name}.parquet")
    lake = history.EventLake.opened(tmp_path)
    assert [path.stem for path in lake.files] == ["00000001-00000002", "00000003"]
    assert len(lake) == 250
