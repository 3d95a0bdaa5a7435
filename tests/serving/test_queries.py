"""What people ask the store of one entity, in an organisation with many."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, event, insert

from serving.queries import DAYS_AT_ONCE, find_days
from serving.store.database import default_url, open_database
from serving.store.tables import entity_days

FIRST = 19_000


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    found = open_database(default_url(tmp_path_factory.mktemp("queries")))
    days = [FIRST, FIRST + 1, FIRST + 2 * DAYS_AT_ONCE, FIRST + 2 * DAYS_AT_ONCE + 1]
    rows = [
        {"tenant": tenant, "day": day, "entity_kind": "user", "entity": entity, "closed_on": day + late,
         "risk": float(late), "alert": False, "n_events": 1, "reasons": "[]"}
        for tenant in ("acme", "hooli") for day in days for entity in ("ann", "bob") for late in (0, 3)
    ]  # fmt: skip
    with found.write() as connection:
        connection.execute(insert(entity_days), rows)
    yield found
    found.close()


def test_days_of_an_entity_come_newest_first_across_long_gaps(database):
    found = find_days(database, "acme", "user", "ann", 100)
    days = [row["day"] for row in found]
    assert days == sorted(days, reverse=True)
    assert len(days) == 8
    assert [row["risk"] for row in found] == [3.0, 0.0] * 4  # the part that came late is the newer one


def test_a_limit_cuts_what_is_oldest(database):
    assert (
        find_days(database, "acme", "user", "ann", 5) == find_days(database, "acme", "user", "ann", 100)[:5]
    )


def test_who_is_not_there_has_no_days(database):
    assert find_days(database, "acme", "user", "eve", 100) == []
    assert find_days(database, "acme", "host", "ann", 100) == []
    assert find_days(database, "nobody", "user", "ann", 100) == []


def test_other_entities_of_a_day_are_not_read(database):
    said = []

    def before(connection, cursor, statement, parameters, context, executemany):
        plan = connection.connection.dbapi_connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        said.extend(row[-1] for row in plan if row[-1].startswith(("SEARCH", "SCAN")))

    event.listen(Engine, "before_cursor_execute", before)
    try:
        find_days(database, "acme", "user", "ann", 100)
    finally:
        event.remove(Engine, "before_cursor_execute", before)
    assert [step for step in said if "entity=?" in step]
    assert not [step for step in said if step.startswith("SCAN")]
    assert all("entity=?" in step for step in said if "day=?" in step)
