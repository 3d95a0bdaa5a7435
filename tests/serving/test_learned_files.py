"""What a run learned, written to Parquet and read back: the same batches, also from older files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from pyarrow import parquet

from serving.learned import batch_of
from serving.state import opened
from tests import batches

if TYPE_CHECKING:
    from pathlib import Path

    from features.columns import Batch
    from serving.state import State

VOLUMES = ("bytes_in", "bytes_out")
START = datetime.fromtimestamp(batches.START_US / 1e6, UTC)


def learned(state: State) -> Batch:
    """A batch with volumes that the state has scored, learned and kept, with the times of its weights."""
    made = batches.batch(state.detector.baselines, batches.story(3, 60, people=3))
    made = made._replace(bytes_in=np.arange(60), bytes_out=np.full(60, 1 << 53))
    with state.learning() as writer:
        scores = state.detector.score_learn(made)
        writer.add(made, [], scores)
    # a day of one event is not trusted at once, and is learned as of the time that is
    assert (scores.learned_us != made.time_us).any()
    return made._replace(time_us=scores.learned_us)


def test_a_learned_file_gives_back_the_batch_it_was_written_from(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        made = learned(state)
        (path,) = state.files()
        found = batch_of(state.detector, parquet.read_table(path))
    for name, array in made._asdict().items():
        np.testing.assert_array_equal(getattr(found, name), array, err_msg=name)
        assert getattr(found, name).dtype == array.dtype, name


def test_a_file_from_before_volumes_were_kept_is_unlearned_with_none(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        made = learned(state)
        (path,) = state.files()
        parquet.write_table(parquet.read_table(path).drop_columns(list(VOLUMES)), path)
        taken, missing = state.unlearn("user-1", START, START + timedelta(days=30))
        assert taken > 0
        assert missing < 1e-9
        (rewritten,) = state.files()
        rest = batch_of(state.detector, parquet.read_table(rewritten))
    assert len(rest.time_us) == len(made.time_us) - taken
    assert rest.bytes_in.dtype == rest.bytes_out.dtype == np.int64
    assert not rest.bytes_in.any()
    assert not rest.bytes_out.any()
