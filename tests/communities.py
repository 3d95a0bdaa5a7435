"""For tests of what is learned from who uses what: an invented organisation of departments with common
habits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from features import events as ocsf
from features import sketch
from features.baselines import Baselines
from features.behaviours import COLUMN, ENTITY_KINDS, VALUE_COLUMNS, WIDTH
from features.columns import Batch
from features.entities import GROUP
from tests.batches import START_US

SHARED = {"process": 24, "resource": 16, "api": 16}
"""Values of each department, by column."""


class Organisation(NamedTuple):
    """baselines; department of each user by name; uses: who uses which value, by (user, column, value)."""

    baselines: Baselines
    department: dict[str, int]
    uses: set[tuple[str, str, str]]


def person(department: int, number: int) -> str:
    return f"user-{department}-{number}"


def value(column: str, department: int, number: int) -> str:
    return f"{column}-{department}-{number}"


def organisation(
    seed: int, *, departments: int = 4, people: int = 15, share: float = 0.6, structure: bool = True
) -> Organisation:
    """People who each use a share of their department's values (of anybody's, without structure)."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str, str]] = []
    for department in range(departments):
        for number in range(people):
            for column, count in SHARED.items():
                for place in range(count):
                    if rng.random() < share:
                        theirs = department if structure else int(rng.integers(departments))
                        rows.append((person(department, number), column, value(column, theirs, place)))
    names = {person(d, n): d for d in range(departments) for n in range(people)}
    baselines = Baselines()
    learn(baselines, rows, rng.geometric(0.2, len(rows)))
    return Organisation(baselines, names, set(rows))


def learn(baselines: Baselines, rows: list[tuple[str, str, str]], times: np.ndarray | int = 1) -> Batch:
    """Learn (user, column, value) rows, each so many times, on the user's own host; returns the batch."""
    columns = np.zeros((len(rows), WIDTH), np.int32)
    intern = baselines.values.intern_many
    columns[:, COLUMN["user"]] = intern([user for user, _, _ in rows])
    columns[:, COLUMN["host"]] = intern([f"pc-{user}" for user, _, _ in rows])
    for row, (_, column, text) in enumerate(rows):
        columns[row, COLUMN[column]] = baselines.values.intern(text)
    for kind, name in enumerate(ENTITY_KINDS):
        names = columns[:, COLUMN[name]]
        known = names > 0
        columns[known, len(VALUE_COLUMNS) + kind] = baselines.entities.ids(kind, names[known])
    columns = np.repeat(columns, times, axis=0)
    count = len(columns)
    batch = Batch(
        np.full(count, START_US, np.int64),
        np.full(count, ocsf.PROCESS_ACTIVITY, np.int32),
        np.zeros(count, np.int32),
        columns,
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
    )
    baselines.learn(batch)
    return batch


def ids(baselines: Baselines, kind: str, names: list[str]) -> np.ndarray:
    """Entity ids of names."""
    values = np.array([baselines.values.find(name) for name in names])
    return baselines.entities.find(ENTITY_KINDS.index(kind), values).astype(np.int64)


def assert_groups_are_their_members(baselines: Baselines) -> None:
    """Every entry of a group is the sum of its members' entries, and every member's entry is in it."""
    keys, weights = sketch.entries(baselines._table)
    holder = keys >> 39
    kind = baselines.entities.kind[holder]
    group = baselines.entities.group[holder].astype(np.int64)
    rest = keys & (1 << 39) - 1
    wanted: dict[int, float] = {}
    for key, weight in zip(
        (group << 39 | rest)[group > 0].tolist(), weights[group > 0].tolist(), strict=True
    ):
        wanted[key] = wanted.get(key, 0.0) + weight
    held = (kind >= GROUP) & (kind < 2 * GROUP)
    assert keys[held].tolist() == sorted(wanted)
    np.testing.assert_allclose(weights[held], [wanted[key] for key in keys[held].tolist()], rtol=1e-9)
