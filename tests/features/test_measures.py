"""What is counted is data: unique names, events that apply, cells that fit into keys."""

from __future__ import annotations

import pytest

from features import events as ocsf
from features.behaviours import COLUMN, ENTITY_KINDS
from features.measures import (
    COUNTS,
    DAY,
    DISTINCT,
    EVENTS,
    FIVE_MINUTES,
    HOUR,
    MEASURES,
    WINDOW_US,
    WINDOWS,
    Measure,
    compile_cells,
)
from features.moments import CELL_BITS


def measure(name: str) -> Measure:
    return next(one for one in MEASURES if one.name == name)


def test_every_measure_has_a_name_of_its_own_and_a_column_that_kinds_share():
    names = [one.name for one in MEASURES]
    assert len(set(names)) == len(names)
    assert all(one.name == f"{one.entity}.{one.what}" for one in MEASURES)
    assert set(COUNTS) == {one.what for one in MEASURES}
    assert len(set(COUNTS)) == len(COUNTS)
    assert measure("user.events").what == measure("host.events").what == "events"


def test_values_are_counted_in_columns_that_exist():
    for one in MEASURES:
        assert (one.column in COLUMN) == (one.how == DISTINCT), one.name
        assert one.entity in ENTITY_KINDS
        assert one.column != one.entity, "nobody counts himself"


def test_one_machine_word_holds_a_bit_for_every_measure():
    assert len(MEASURES) < 64


@pytest.mark.parametrize(
    ("name", "class_uid", "activity", "applies"),
    [
        ("user.failures", ocsf.AUTHENTICATION, "Authentication: logon failed", True),
        ("user.failures", ocsf.AUTHENTICATION, "Authentication: logon succeeded", False),
        ("user.failures", ocsf.FILE_ACTIVITY, "File System Activity failed", True),
        ("user.logons", ocsf.AUTHENTICATION, "Authentication: logon succeeded", True),
        ("user.logons", ocsf.AUTHENTICATION, "Authentication: logon", False),
        ("user.logons", ocsf.FILE_ACTIVITY, "File System Activity: open succeeded", False),
        ("user.events", 777, "", True),
        ("user.changes", ocsf.FILE_ACTIVITY, "File System Activity: delete", True),
        ("user.changes", ocsf.FILE_ACTIVITY, "File System Activity: delete failed", True),
        ("user.changes", ocsf.FILE_ACTIVITY, "File System Activity: read succeeded", False),
        ("user.changes", ocsf.FILE_ACTIVITY, "", False),
        ("user.changes", ocsf.API_ACTIVITY, "API Activity: delete", False),
        ("host.queries", ocsf.DNS_ACTIVITY, "DNS Activity: query", True),
    ],
)
def test_a_measure_counts_what_it_says(name, class_uid, activity, applies):
    assert measure(name).applies(class_uid, activity) is applies


def test_cells_of_a_kind_are_numbered_without_gaps_and_fit_into_a_key():
    cells = compile_cells()
    for kind in range(len(ENTITY_KINDS)):
        mine = cells.cells[cells.first[kind] : cells.first[kind + 1]]
        used = sorted(mine[mine >= 0].tolist())
        assert used == list(range(int(cells.per_kind[kind])))
        assert (mine[:, DAY] >= 0).all(), "the day is always counted"
        assert [MEASURES[i].entity for i in range(cells.first[kind], cells.first[kind + 1])] == (
            [ENTITY_KINDS[kind]] * len(mine)
        )
    assert cells.widest == cells.per_kind.max()
    assert cells.widest + len(WINDOWS) < 1 << CELL_BITS


def test_only_declared_windows_have_cells_besides_the_day():
    one = Measure("user.bursts", "user", EVENTS, "bursts", "bursts", windows=(FIVE_MINUTES,))
    two = Measure("user.hours", "user", EVENTS, "hours", "hours", windows=(HOUR, DAY))
    cells = compile_cells((one, two))
    assert cells.cells.tolist() == [[0, -1, 1], [-1, 2, 3]]
    assert cells.per_kind.tolist() == [4, 0, 0]
    assert tuple(int(us) for us in (3e8, 3.6e9, 8.64e10)) == WINDOW_US
