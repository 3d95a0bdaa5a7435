"""Finding alerts, and the numbers about how they are worked on."""

from __future__ import annotations

import pytest
from sqlalchemy import insert

from serving import queries, soc
from serving.queries import Wanted, find_alerts
from serving.store import tables
from serving.store.database import open_database
from tests.serving.triage.triage_app import DAY, alert

DAY_US, HOUR = 86_400_000_000, 3_600_000_000
T0 = DAY * DAY_US


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    database = open_database(f"sqlite:///{tmp_path_factory.mktemp('queue') / 'habitus.db'}")
    rows = [
        alert(
            tenant,
            number,
            day=DAY + number // 4,
            entity=f"{'svc_100%' if number % 5 == 0 else 'ann'}-{number}",
            risk=float(number % 6) * 3,
            reasons='["Erstes Gerät \\"db1\\" von nirgends"]' if number == 7 else '["first logon to db2"]',
            raised_us=T0 + number * HOUR,
            updated_us=T0 + (20 - number) * HOUR,
            state="closed" if number % 2 else "new",
            assignee="zoë" if number == 3 else "",
            verdict_id=2 if number in (3, 5) else 5 if number == 7 else None,
        )
        for tenant in ("acme", "globex")
        for number in range(12)
    ]
    with database.write() as connection:
        connection.execute(insert(tables.alerts), rows)
    yield database
    database.close()


def numbers(store, **given):
    found = find_alerts(store, "acme", Wanted(**given)).alerts
    assert {one["metadata"]["tenant_uid"] for one in found} <= {"acme"}
    return [int(one["finding_info"]["uid"].partition("-")[2]) for one in found]


@pytest.mark.parametrize("sort", queries.SORTS)
@pytest.mark.parametrize("limit", [1, 3, 4, 12])
def test_every_order_comes_whole_page_by_page(store, sort, limit):
    whole = numbers(store, sort=sort, limit=100)
    assert sorted(whole) == list(range(12))
    pages, after = [], ""
    for _ in range(20):
        page = find_alerts(store, "acme", Wanted(sort=sort, limit=limit, after=after))
        pages += [int(one["finding_info"]["uid"].partition("-")[2]) for one in page.alerts]
        if page.following is None:
            break
        after = page.following
    assert pages == whole


def test_orders_are_what_they_say(store):
    assert numbers(store, sort="raised") == list(range(11, -1, -1))
    assert numbers(store, sort="updated") == list(range(12))
    assert numbers(store, sort="risk")[:2] == [11, 5]
    assert numbers(store, sort="day")[:4] == [11, 10, 9, 8]


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ({"states": ("new",)}, [0, 2, 4, 6, 8, 10]),
        ({"min_severity": 4}, [3, 4, 5, 9, 10, 11]),
        ({"min_severity": 5}, [4, 5, 10, 11]),
        ({"entity": "ann-3"}, [3]),
        ({"text": "ANN-1"}, [1, 11]),
        ({"text": "100%"}, [0, 5, 10]),
        ({"text": "svc_"}, [0, 5, 10]),
        ({"text": "svc%1"}, []),
        ({"text": 'gerät "db1"'}, [7]),
        ({"text": "'; drop table alerts; --"}, []),
        ({"since_us": T0 + 10 * HOUR}, [10, 11]),
        ({"assignee": "zoë"}, [3]),
        ({"assignee": "", "states": ("closed",)}, [1, 5, 7, 9, 11]),
        ({"verdict_id": 2}, [3, 5]),
        ({"verdict_id": 0, "states": ("closed",)}, [1, 9, 11]),
    ],
)
def test_alerts_are_chosen_by_what_is_known_of_them(store, given, right):
    assert sorted(numbers(store, **given)) == right


@pytest.mark.parametrize(
    "after", ["x", "acme-3", "W10", "WyJkYXkiXQ", "WyJyaXNrIiwxLCJhIl0", "%%%", "WyJkYXkiLCJhIiwxLCJiIl0"]
)
def test_a_cursor_of_somebody_else_s_making_is_refused(store, after):
    from features.errors import InputError

    with pytest.raises(InputError, match="after"):
        find_alerts(store, "acme", Wanted(after=after))


def test_times_are_measured_from_what_happened_and_what_was_done(tmp_path):
    """By hand: acknowledged after 1, 2 and 3 hours; contained after 4 and 8; closed after 8."""
    database = open_database(f"sqlite:///{tmp_path / 'habitus.db'}")

    def worked(number, **given):
        return alert(
            "acme", number, raised_us=T0 + 10 * HOUR, first_us=T0, alerted_us=T0 + number * HOUR, **given
        )

    rows = [
        worked(
            1,
            acknowledged_us=T0 + 11 * HOUR,
            verdict_id=2,
            contained_us=T0 + 14 * HOUR,
            state="contained",
            channel="a",
        ),
        worked(
            2,
            acknowledged_us=T0 + 12 * HOUR,
            verdict_id=5,
            contained_us=T0 + 18 * HOUR,
            closed_us=T0 + 18 * HOUR,
            state="closed",
            channel="a",
        ),
        worked(3, acknowledged_us=T0 + 13 * HOUR, verdict_id=7, state="triaged", channel="b"),
        worked(4, acknowledged_us=None, verdict_id=None, channel="b"),
    ]
    blank = {
        "acknowledged_us": None,
        "contained_us": None,
        "closed_us": None,
        "state": "new",
        "verdict_id": None,
    }
    rows = [{**blank, **row} for row in rows]
    lines = [
        {
            "tenant": tenant,
            "alert_id": f"acme-{n}",
            "at_us": T0 + day * DAY_US,
            "actor": actor,
            "what": what,
            "old": "",
            "new": "",
        }
        for tenant, n, day, actor, what in (
            ("acme", 1, 0, "k1", "verdict"),
            ("acme", 1, 0, "k1", "state"),
            ("acme", 2, 0, "k1", "verdict"),
            ("acme", 3, 1, "k1", "verdict"),
            ("acme", 3, 1, "k2", "note"),
            ("acme", 4, 1, "k2", "state"),
            ("globex", 9, 1, "k9", "state"),
        )
    ]
    with database.write() as connection:
        connection.execute(insert(tables.alerts), [*rows, {**rows[0], "tenant": "globex"}])
        connection.execute(insert(tables.alert_history), lines)
    found = soc.numbers(database, "acme", T0, T0 + 5 * DAY_US)
    assert (found["alerts"], found["by_state"]) == (4, {"closed": 1, "contained": 1, "new": 1, "triaged": 1})
    assert found["time_to_detect"] == {"n": 4, "median_s": 2.5 * 3600, "p90_s": pytest.approx(3.7 * 3600)}
    assert found["time_to_acknowledge"] == {"n": 3, "median_s": 7200.0, "p90_s": pytest.approx(2.8 * 3600)}
    assert found["time_to_contain"]["median_s"] == 6 * 3600
    assert found["time_to_resolve"] == {"n": 1, "median_s": 8 * 3600.0, "p90_s": 8 * 3600.0}
    assert found["dwell_time"] == {"n": 1, "median_s": 14 * 3600.0, "p90_s": 14 * 3600.0}
    assert found["precision"] == {"true_positives": 1, "nothing": 1, "undecided": 1, "precision": 0.5}
    assert found["precision_by_channel"]["b"]["precision"] is None
    assert [(line["analyst"], line["alerts"]) for line in found["handled"]["by_analyst_and_day"]] == [
        ("k1", 2),
        ("k1", 1),
        ("k2", 1),
    ]
    nothing = soc.numbers(database, "acme", T0 + 6 * DAY_US, T0 + 7 * DAY_US)
    assert (nothing["alerts"], nothing["precision"]["precision"], nothing["handled"]["mean"]) == (
        0,
        None,
        None,
    )
    database.close()
