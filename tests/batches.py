"""For the engine's tests: invented histories as batches, what must hold for every baseline, comparisons."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from features import events as ocsf
from features import sketch
from features.behaviours import COLUMN, ENTITY_KINDS, VALUE_COLUMNS, WIDTH
from features.columns import Batch
from features.entities import KINDS, UNIT
from models.engine import Evidence, Scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from features.baselines import Baselines
    from models.engine import Engine

DAY_US = 86_400_000_000
START_US = 1_740_787_200_000_000
"""2025-03-01 UTC."""
CLASSES = (
    ocsf.AUTHENTICATION,
    ocsf.PROCESS_ACTIVITY,
    ocsf.NETWORK_ACTIVITY,
    ocsf.FILE_ACTIVITY,
    ocsf.API_ACTIVITY,
    ocsf.BASE_EVENT,
    777,
)


class Story(NamedTuple):
    """Events before ids are given. codes: int64 (n, value columns), 0 missing; 3 as a host is "host-3"."""

    time_us: np.ndarray
    class_uid: np.ndarray
    codes: np.ndarray

    @property
    def count(self) -> int:
        """Number of events."""
        return len(self.time_us)

    def take(self, rows: np.ndarray | slice) -> Story:
        return Story(self.time_us[rows], self.class_uid[rows], self.codes[rows])


def story(
    seed: int,
    events: int,
    *,
    people: int = 5,
    days: float = 60.0,
    start_us: int = START_US,
    strange: float = 0.02,
    ordered: bool = True,
) -> Story:
    """People with two habits in every column; in a share of the events they do what somebody else does."""
    rng = np.random.default_rng(seed)
    width = len(VALUE_COLUMNS)
    habits = np.random.default_rng(99).integers(1, 20 + 4 * people, (people, width, 2))
    who = rng.integers(0, people, events)
    acting = np.where(rng.random(events) < strange, rng.integers(0, people, events), who)
    choice = (rng.random((events, width)) < 0.2).astype(np.int64)
    codes = habits[acting[:, None], np.arange(width), choice]
    new = rng.random((events, width)) < 0.002
    codes = np.where(new, rng.integers(100, 10_000, (events, width)), codes)
    codes[rng.random((events, width)) < 0.2] = 0
    codes[:, COLUMN["user"]] = np.where(rng.random(events) < 0.9, who + 1, 0)
    time_us = start_us + rng.integers(0, max(1, int(days * DAY_US)), events)
    if ordered:
        time_us.sort()
    class_uid = rng.choice(np.array(CLASSES), events).astype(np.int32)
    return Story(time_us.astype(np.int64), class_uid, codes.astype(np.int64))


def joined(parts: Sequence[Story]) -> Story:
    return Story(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def batch(baselines: Baselines, told: Story) -> Batch:
    """The story with the ids of one baseline; names and entities are added where they are new."""
    columns = np.zeros((told.count, WIDTH), np.int32)
    for column, name in enumerate(VALUE_COLUMNS):
        distinct, places = np.unique(told.codes[:, column], return_inverse=True)
        ids = baselines.values.intern_many([f"{name}-{code}" if code else "" for code in distinct.tolist()])
        columns[:, column] = ids[places]
    for kind, name in enumerate(ENTITY_KINDS):
        names = columns[:, COLUMN[name]]
        known = names > 0
        columns[known, len(VALUE_COLUMNS) + kind] = baselines.entities.ids(kind, names[known])
    nothing = np.zeros(told.count, np.int64)
    return Batch(
        told.time_us.copy(),
        told.class_uid.copy(),
        columns[:, COLUMN["src_ip"]].copy(),
        columns,
        nothing,
        nothing.copy(),
    )


def in_groups(baselines: Baselines, people: int = 5) -> Baselines:
    """The same baselines with every second user in one peer group and the others in another one."""
    names = [f"user-{code + 1}" for code in range(people)]
    baselines.set_groups("user", names, [("sales", "finance")[code % 2] for code in range(people)])
    return baselines


def pieces(events: int, sizes: Sequence[int]) -> list[slice]:
    """Slices that cover all events; sizes are used in turn, again and again."""
    found, start, turn = [], 0, 0
    while start < events:
        size = max(1, sizes[turn % len(sizes)])
        found.append(slice(start, start + size))
        start += size
        turn += 1
    return found


def score_in_pieces(engine: Engine, everything: Batch, sizes: Sequence[int]) -> Scores:
    """Scores of the whole batch, given to the engine in pieces."""
    parts = [
        (cut.start, engine.score_learn(everything.take(cut)))
        for cut in pieces(len(everything.time_us), sizes)
    ]
    details = [part.details._replace(row=part.details.row + start) for start, part in parts]
    return Scores(
        *(np.concatenate([getattr(part, name) for _, part in parts]) for name in Scores._fields[:-1]),
        Evidence(*(np.concatenate(arrays) for arrays in zip(*details, strict=True))),
    )


def assert_identical(left: Scores, right: Scores) -> None:
    """Bit for bit the same scores and details."""
    for name in Scores._fields[:-1]:
        assert getattr(left, name).tobytes() == getattr(right, name).tobytes(), name
    for name in Evidence._fields:
        assert getattr(left.details, name).tobytes() == getattr(right.details, name).tobytes(), name


def assert_close(left: Scores, right: Scores, tolerance: float) -> None:
    """The same scores up to rounding."""
    np.testing.assert_allclose(left.evidence, right.evidence, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(left.p_value, right.p_value, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(left.top, right.top)
    np.testing.assert_array_equal(left.held, right.held)


def assert_sound(baselines: Baselines) -> None:
    """What holds after any operation: the counts are those of the entries, and every entry is found."""
    table, sums = baselines._table, baselines.sums()
    used = np.flatnonzero(table.keys[0::2])
    keys, weights = table.keys[2 * used], table.weights[2 * used + 1]
    assert len(baselines) == len(used)
    assert len(np.unique(keys)) == len(keys)
    assert len(used) < table.capacity
    assert np.isfinite(weights).all()
    assert (weights >= 0).all()
    assert not table.weights[1::2][table.keys[0::2] == 0].any(), "a free slot keeps no weight"
    assert [int(sketch.find(table.keys, key)) for key in keys.tolist()] == used.tolist(), "unreachable entry"
    holder, behaviour, value = sketch.unpack(keys)
    assert (holder > 0).all(), "nobody has no habits"
    assert (baselines.entities.kind[holder] >= 0).all()
    assert (value <= len(baselines.values)).all()
    place = holder * UNIT + baselines.program.local[behaviour]
    totals, distinct = np.zeros(len(sums.totals)), np.zeros(len(sums.distinct), np.int64)
    np.add.at(totals, place, weights)
    np.add.at(distinct, place, 1)
    np.testing.assert_array_equal(sums.distinct, distinct)
    heaviest = float(weights.max(initial=0.0))
    np.testing.assert_allclose(sums.totals, totals, rtol=1e-9, atol=1e-12 * heaviest)
    of_entities = behaviour[baselines.entities.kind[holder] < KINDS]
    np.testing.assert_array_equal(sums.pairs, np.bincount(of_entities, minlength=len(sums.pairs)))


def habits(baselines: Baselines, at_us: int) -> pd.DataFrame:
    """All habits by what they are of, as of one time."""
    frame = baselines.habits(at=datetime.fromtimestamp(at_us / 1e6, UTC))
    return frame.set_index(["level", "entity_kind", "entity", "behaviour", "value"]).sort_index()


def assert_same_habits(left: Baselines, right: Baselines, at_us: int, tolerance: float = 1e-9) -> None:
    """Equal habits, weights within a relative tolerance; counts of distinct values and of pairs exactly."""
    ours, theirs = habits(left, at_us), habits(right, at_us)
    assert ours.index.equals(theirs.index), ours.index.symmetric_difference(theirs.index)[:5].tolist()
    np.testing.assert_allclose(ours["weight"], theirs["weight"], rtol=tolerance)
    np.testing.assert_allclose(ours["share"], theirs["share"], rtol=tolerance)
    np.testing.assert_array_equal(ours["distinct"], theirs["distinct"])
    np.testing.assert_array_equal(left._pairs, right._pairs)


def state_of(engine: Engine) -> list[str]:
    """Digests of every array of an engine and its baselines, and what they know of time."""
    baselines = engine.baselines
    arrays = [
        *baselines.sums(),
        *engine.behaviours,
        *engine.events,
        *engine.held,
    ]
    times = (baselines.landmark_us, baselines.watermark_us, baselines.dropped_entries, len(baselines.values))
    return [hashlib.sha256(np.asarray(array).tobytes()).hexdigest() for array in arrays] + [repr(times)]
