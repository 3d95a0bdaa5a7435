"""People at work on alerts, over HTTP and a real core: states, verdicts, races, repeats, tenants."""

from __future__ import annotations

import json

import pytest

from serving import audit
from tests.serving.triage.triage_app import alert, at_once, known_users, opened

A = "/v1/alerts/acme-1"


@pytest.fixture(scope="module")
def module_desk(tmp_path_factory):
    made = opened(tmp_path_factory.mktemp("desk") / "data")
    known_users(made.core)
    yield made
    made.core.stop()


@pytest.fixture
def desk(module_desk):
    """The same core, with alerts as on the first day."""
    from sqlalchemy import delete, insert

    from serving.store import tables

    with module_desk.core.database.write() as connection:
        for table in (tables.alerts, tables.verdicts, tables.alert_history, tables.requests, tables.views):
            connection.execute(delete(table))
        rows = [alert(tenant, number) for tenant in ("acme", "globex") for number in range(1, 4)]
        connection.execute(insert(tables.alerts), rows)
    return module_desk


def own(finding, *names):
    return [finding["unmapped"][name] for name in names]


def history(desk, path=A):
    lines = desk.ask("GET", f"{path}/history").json()["lines"]
    return [(line["what"], line["old"], line["new"]) for line in lines]


def test_a_case_goes_its_way_and_every_step_is_told(desk):
    assert own(desk.ask("GET", A).json(), "state", "version", "acknowledged_time") == ["new", 0, None]
    first = desk.ask("POST", f"{A}/state", json={"state": "in_progress"}).json()
    assert own(first, "state", "version") == ["in_progress", 1]
    assert (first["status_id"], first["activity_id"], first["type_uid"]) == (2, 2, 200402)
    assert first["unmapped"]["acknowledged_time"] > 0
    given = desk.ask("POST", f"{A}/assign", json={"assignee": "Zoë Ash"}).json()
    assert given["assignee"] == {"name": "Zoë Ash"}
    assert desk.ask("POST", f"{A}/notes", json={"text": "asked the user\nno answer"}).status_code == 201
    closed = desk.ask("POST", f"{A}/state", json={"state": "closed"}).json()
    assert (closed["status_id"], closed["activity_id"]) == (4, 3)
    assert closed["unmapped"]["contained_time"] == closed["unmapped"]["closed_time"]
    again = desk.ask("POST", f"{A}/state", json={"state": "triaged"}).json()
    assert own(again, "contained_time", "closed_time") == [None, None]
    assert again["unmapped"]["acknowledged_time"] == first["unmapped"]["acknowledged_time"]
    assert history(desk) == [
        ("state", "new", "in_progress"),
        ("assignee", "", "Zoë Ash"),
        ("note", "", "asked the user\nno answer"),
        ("state", "in_progress", "closed"),
        ("state", "closed", "triaged"),
    ]
    lines = audit.lines(desk.core.database, "acme", 5)
    assert [line["action"] for line in lines][::-1] == [
        "alert.state", "alert.assign", "alert.note", "alert.state", "alert.state",
    ]  # fmt: skip
    assert "no answer" not in str(lines), "what a note says can be removed from the store, not from the log"
    assert audit.verify(desk.core.database).broken == 0


def test_what_has_the_state_already_stays_as_it_is(desk):
    desk.ask("POST", f"{A}/state", json={"state": "triaged"})
    assert own(desk.ask("POST", f"{A}/state", json={"state": "triaged"}).json(), "version") == [1]
    assert len(history(desk)) == 1


def test_a_verdict_marks_the_alert_and_is_taken_back(desk):
    answer = desk.ask("POST", f"{A}/verdict", json={"verdict_id": 5, "reason": "a backup"})
    assert answer.status_code == 201
    told = answer.json()
    assert told["verdict"]["verdict"] == "Benign"
    assert (told["alert"]["verdict_id"], told["alert"]["verdict"]) == (5, "Benign")
    assert own(told["alert"], "state") == ["triaged"], "who judges has seen it"
    assert told["effect"] == {"learned": 0, "kept_out": 0, "waiting": 0, "learned_again": 0}
    assert len(desk.core.state_of("acme").labels) == 1
    back = desk.ask("DELETE", f"{A}/verdict").json()
    assert back["verdict"]["reverted_time"] > 0
    assert "verdict_id" not in back["alert"]
    assert len(desk.core.state_of("acme").labels) == 0
    assert desk.ask("DELETE", f"{A}/verdict").status_code == 404
    assert [line[0] for line in history(desk)] == ["verdict", "state", "revert"]


def test_a_second_opinion_stands_beside_the_first_and_a_change_of_mind_replaces_it(desk):
    desk.ask("POST", f"{A}/verdict", json={"verdict_id": 5})
    desk.ask("POST", f"{A}/verdict", who="admin", json={"verdict_id": 2})
    desk.ask("POST", f"{A}/verdict", json={"verdict_id": 1})
    page = desk.ask("GET", "/v1/verdicts?alert_id=acme-1").json()["verdicts"]
    assert [one["verdict_id"] for one in page if one["reverted_time"] is None] == [1, 2]
    assert [one["verdict_id"] for one in page] == [1, 2, 5]
    assert desk.ask("GET", A).json()["verdict_id"] == 1
    assert {label.verdict_id for label in desk.core.state_of("acme").labels.all()} == {1, 2}
    desk.ask("DELETE", f"{A}/verdict")
    assert desk.ask("GET", A).json()["verdict_id"] == 2
    uid = next(one["uid"] for one in page if one["verdict_id"] == 2)
    assert desk.ask("DELETE", f"/v1/verdicts/{uid}").status_code == 200
    first = desk.ask("GET", "/v1/verdicts?limit=2").json()
    rest = desk.ask("GET", f"/v1/verdicts?limit=2&after={first['next']}").json()
    assert len(first["verdicts"] + rest["verdicts"]) == 3
    assert desk.ask("GET", "/v1/verdicts?reverted=false").json()["verdicts"] == []


def test_an_entity_day_without_an_alert_can_be_judged_and_so_can_one_event(desk):
    body = {"verdict_id": 2, "entity_kind": "user", "entity": "ACME\\user5", "day": "2025-03-03"}
    told = desk.ask("POST", "/v1/verdicts", json=body).json()
    assert told["alert"] is None
    assert (told["verdict"]["subject"], told["verdict"]["entity"]) == ("entity_day", "user5")
    event = desk.ask(
        "POST", "/v1/verdicts", json={**body, "entity": "user1", "event_uid": "event-7-3"}
    ).json()
    assert event["verdict"]["subject"] == "event"
    assert event["alert"]["finding_info"]["uid"] == "acme-1"
    assert "verdict_id" not in event["alert"], "one event is not the whole alert"
    for wrong in ({"day": "today"}, {"entity_kind": "planet"}, {"entity": "nobody"}, {"verdict_id": 3}):
        assert desk.ask("POST", "/v1/verdicts", json={**body, **wrong}).status_code == 400, wrong
    for uid in (told["verdict"]["uid"], event["verdict"]["uid"]):
        desk.ask("DELETE", f"/v1/verdicts/{uid}")


def test_a_stale_update_is_told_what_the_alert_is_now(desk):
    desk.ask("POST", f"{A}/state", json={"state": "triaged", "version": 0})
    for path, body in (
        ("state", {"state": "closed"}),
        ("assign", {"assignee": "me"}),
        ("notes", {"text": "x"}),
        ("verdict", {"verdict_id": 2}),
    ):
        answer = desk.ask("POST", f"{A}/{path}", json={**body, "version": 0})
        assert answer.status_code == 409, path
        assert own(answer.json()["present"], "state", "version") == ["triaged", 1]
    assert desk.ask("DELETE", f"{A}/verdict?version=0").status_code == 409
    assert own(desk.ask("GET", A).json(), "version") == [1]


@pytest.mark.parametrize("path", ["state", "verdict"])
def test_of_two_at_the_same_moment_one_wins_and_the_other_is_told(desk, path):
    bodies = {
        "state": ({"state": "closed"}, {"state": "triaged"}),
        "verdict": ({"verdict_id": 5}, {"verdict_id": 2}),
    }

    def call(body, who):
        return lambda: desk.ask("POST", f"{A}/{path}", who=who, json={**body, "version": 0})

    answers = at_once(call(bodies[path][0], "analyst"), call(bodies[path][1], "scientist"))
    assert sorted(answer.status_code // 100 for answer in answers) == [2, 4]
    assert own(desk.ask("GET", A).json(), "version") == [1]
    desk.ask("DELETE", f"{A}/verdict")


@pytest.mark.parametrize(
    ("path", "body"),
    [("verdict", {"verdict_id": 5}), ("notes", {"text": "once"}), ("state", {"state": "closed"})],
)
def test_a_request_with_a_key_is_carried_out_once(desk, path, body):
    headers = {"Idempotency-Key": f"try-{path}"}
    call = lambda: desk.ask("POST", f"{A}/{path}", json=body, headers=headers)  # noqa: E731
    answers = [*at_once(call, call, call), call()]
    assert {answer.status_code // 100 for answer in answers} == {2}
    told = [{**answer.json(), "effect": None} for answer in answers]
    assert all(one == told[0] for one in told)
    assert own(desk.ask("GET", A).json(), "version") == [1]
    other = desk.ask("POST", f"/v1/alerts/acme-2/{path}", json=body, headers=headers)
    assert other.status_code == 409
    foreign = desk.ask("POST", f"/v1/alerts/globex-1/{path}", tenant="globex", json=body, headers=headers)
    assert foreign.status_code // 100 == 2 or "known" in foreign.text, "keys are the tenant's own"
    desk.ask("DELETE", f"{A}/verdict")
    desk.ask("DELETE", "/v1/alerts/globex-1/verdict", tenant="globex")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/verdict", {"verdict_id": 5}),
        ("DELETE", "/verdict", None),
        ("POST", "/state", {"state": "closed"}),
        ("POST", "/assign", {"assignee": "me"}),
        ("POST", "/notes", {"text": "x"}),
        ("GET", "/history", None),
    ],
)
def test_other_tenants_and_collectors_do_nothing_here(desk, method, path, body):
    assert desk.ask(method, A + path, who="collector", json=body).status_code == 403
    foreign = desk.ask(method, A + path, tenant="globex", json=body)
    nowhere = desk.ask(method, "/v1/alerts/none" + path, tenant="globex", json=body)
    assert (foreign.status_code, foreign.text) == (nowhere.status_code, nowhere.text)
    assert foreign.status_code == 404
    assert own(desk.ask("GET", A).json(), "version") == [0]
    assert history(desk) == []


def test_a_verdict_of_another_tenant_is_not_to_be_had(desk):
    uid = desk.ask("POST", f"{A}/verdict", json={"verdict_id": 5}).json()["verdict"]["uid"]
    assert desk.ask("DELETE", f"/v1/verdicts/{uid}", tenant="globex").status_code == 404
    assert desk.ask("GET", "/v1/verdicts", tenant="globex").json()["verdicts"] == []
    assert desk.ask("GET", f"/v1/verdicts?after={uid}", tenant="globex").status_code == 400
    desk.ask("DELETE", f"/v1/verdicts/{uid}")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("verdict", {"verdict_id": 3}),
        ("verdict", {"verdict_id": "2"}),
        ("verdict", {"verdict_id": 2, "reason": "\x1b[2J"}),
        ("verdict", {"verdict_id": 2, "reason": "x" * 2001}),
        ("verdict", {"verdict_id": 5, "unlearn": True}),
        ("verdict", {"verdict_id": 5, "state": "new"}),
        ("verdict", {"verdict": 5}),
        ("state", {"state": "new"}),
        ("state", {"state": "gone"}),
        ("state", {"state": "closed", "version": -1}),
        ("assign", {"assignee": "a\nb"}),
        ("notes", {"text": " \n"}),
        ("notes", {"text": "a\0b"}),
        ("notes", {"text": "x" * 10_001}),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(desk, path, body):
    answer = desk.ask("POST", f"{A}/{path}", content=json.dumps(body).encode())
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert own(desk.ask("GET", A).json(), "version") == [0]
    assert history(desk) == []


def test_views_are_saved_for_the_tenant(desk):
    assert desk.ask("PUT", "/v1/views/night shift", json={"query": "state=new"}).status_code == 200
    desk.ask("PUT", "/v1/views/night shift", json={"query": "state=new&min_severity=4"})
    (view,) = desk.ask("GET", "/v1/views").json()["views"]
    assert (view["name"], view["query"]) == ("night shift", "state=new&min_severity=4")
    assert desk.ask("GET", "/v1/views", tenant="globex").json()["views"] == []
    assert desk.ask("DELETE", "/v1/views/night shift", tenant="globex").status_code == 404
    assert desk.ask("DELETE", "/v1/views/night shift").status_code == 204


def test_when_the_store_takes_nothing_the_answer_says_so_and_nothing_happened(desk):
    from sqlalchemy import text

    with desk.core.database.write() as connection:
        connection.execute(
            text("CREATE TRIGGER no BEFORE INSERT ON alert_history BEGIN SELECT RAISE(ABORT, 'full'); END")
        )
    try:
        assert desk.ask("POST", f"{A}/state", json={"state": "closed"}).status_code == 503
        assert desk.ask("POST", f"{A}/verdict", json={"verdict_id": 5}).status_code == 503
    finally:
        with desk.core.database.write() as connection:
            connection.execute(text("DROP TRIGGER no"))
    for _ in range(600):
        if not desk.core.metrics()["journal_trouble"]:
            break
        desk.core._stopping.wait(0.05)
    assert own(desk.ask("GET", A).json(), "version") == [0]
    assert len(desk.core.state_of("acme").labels) == 0
    assert desk.ask("POST", f"{A}/verdict", json={"verdict_id": 5}).status_code == 201
    desk.ask("DELETE", f"{A}/verdict")
