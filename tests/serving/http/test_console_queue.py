"""The compact queue, verdicts on many alerts, and the stream of changes."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from sqlalchemy import insert, update

from serving.days import day_of
from serving.http import live
from serving.store import tables
from tests.serving.accounts.desk import ROOT, Office
from tests.serving.triage.triage_app import DAY, alert, known_users, opened


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    made = opened(tmp_path_factory.mktemp("queue") / "data")
    known_users(made.core)
    rows = [
        alert(tenant, number, day=DAY + number // 3)
        for tenant in ("acme", "globex")
        for number in range(1, 6)
    ]
    days = [
        {"tenant": tenant, "day": DAY - back, "entity_kind": "user", "entity": "user1", "closed_on": DAY,
         "risk": float(back), "alert": False, "n_events": 1, "reasons": "[]"}
        for tenant in ("acme", "globex") for back in range(20)
    ]  # fmt: skip
    with made.core.database.write() as connection:
        connection.execute(insert(tables.alerts), rows)
        connection.execute(insert(tables.entity_days), days)
    yield made
    made.core.stop()


def test_the_compact_queue_has_the_same_alerts_in_the_same_order(desk):
    whole = desk.ask("GET", "/v1/alerts?sort=risk").json()["alerts"]
    told = desk.ask("GET", "/v1/alerts?sort=risk&fields=queue").json()
    assert [one["id"] for one in told["alerts"]] == [one["finding_info"]["uid"] for one in whole]
    assert (told["total"], told["next"]) == (5, None)
    for line, finding in zip(told["alerts"], whole, strict=True):
        own = finding["unmapped"]
        for name in ("day", "risk", "entity_kind", "entity", "state", "version"):
            assert line[name] == own[name]
        assert line["severity"] == finding["severity_id"]
        assert line["raised"] == finding["time"]
        assert line["reason"] == own["reasons"][0]
        assert line["verdict_id"] is None


def test_sparks_are_the_last_fourteen_days_oldest_first(desk):
    lines = desk.ask("GET", "/v1/alerts?fields=queue&entity=user1").json()["alerts"]
    newest = DAY + 5 // 3
    expected = [
        max([float(DAY - day)] + [4.0] * (day == DAY)) if day <= DAY else None
        for day in range(newest - 13, newest + 1)
    ]
    assert lines[0]["spark"] == expected


def test_pages_of_the_compact_queue_say_how_many_there_are(desk):
    first = desk.ask("GET", "/v1/alerts?fields=queue&limit=3").json()
    rest = desk.ask("GET", f"/v1/alerts?fields=queue&limit=3&after={first['next']}").json()
    assert [len(first["alerts"]), len(rest["alerts"]), first["total"], rest["total"]] == [3, 2, 5, 5]
    assert desk.ask("GET", "/v1/alerts?fields=queue&text=user3").json()["total"] == 1
    assert desk.ask("GET", "/v1/alerts?fields=queue&limit=10000").status_code == 200
    for query in ("fields=queue&limit=10001", "fields=all", "limit=10000"):
        assert desk.ask("GET", f"/v1/alerts?{query}").status_code == 400


def test_lines_are_asked_for_by_id_and_without_their_days(desk):
    told = desk.ask("GET", "/v1/alerts?fields=queue&ids=acme-2,acme-4,globex-1,none").json()
    assert {line["id"] for line in told["alerts"]} == {"acme-2", "acme-4"}
    assert all(line["spark"] for line in told["alerts"])
    closed = desk.ask("GET", "/v1/alerts?fields=queue&ids=acme-2&state=closed").json()
    assert (closed["alerts"], closed["total"]) == ([], 0)
    plain = desk.ask("GET", "/v1/alerts?fields=queue&sparks=2").json()["alerts"]
    assert [bool(line["spark"]) for line in plain] == [True] * 2 + [False] * 3
    many = ",".join(f"acme-{number}" for number in range(201))
    assert desk.ask("GET", f"/v1/alerts?ids={many}").status_code == 400


def test_what_was_raised_in_the_first_week_says_so_and_comes_last_by_risk(tmp_path):
    made = opened(tmp_path / "data")
    rows = [alert("acme", number, day=DAY + number, risk=99.0 - number) for number in range(12)]
    with made.core.database.write() as connection:
        connection.execute(insert(tables.alerts), rows)
    try:
        whole = made.ask("GET", "/v1/alerts?fields=queue&sort=risk").json()
        order = [int(line["id"].partition("-")[2]) for line in whole["alerts"]]
        assert order == [7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6]
        assert [line["learning"] for line in whole["alerts"]] == [False] * 5 + [True] * 7
        assert whole["learning_until"] == day_of(DAY + 7).isoformat()
        pages, after = [], ""
        while after is not None:
            page = made.ask("GET", f"/v1/alerts?fields=queue&sort=risk&limit=3&after={after}").json()
            pages += [int(line["id"].partition("-")[2]) for line in page["alerts"]]
            after = page["next"]
        assert pages == order
        findings = made.ask("GET", "/v1/alerts?sort=risk").json()["alerts"]
        assert [one["unmapped"]["learning"] for one in findings] == [False] * 5 + [True] * 7
        assert made.ask("GET", "/v1/alerts/acme-3").json()["unmapped"]["learning"] is True
    finally:
        made.core.stop()


def test_long_answers_are_packed_for_those_who_take_that(tmp_path):
    made = opened(tmp_path / "data", [alert("acme", number, day=DAY + number // 20) for number in range(120)])
    try:
        packed = made.ask("GET", "/v1/alerts?fields=queue", headers={"accept-encoding": "gzip"})
        plain = made.ask("GET", "/v1/alerts?fields=queue", headers={"accept-encoding": "identity"})
        short = made.ask("GET", "/v1/alerts?fields=queue&limit=3", headers={"accept-encoding": "gzip"})
    finally:
        made.core.stop()
    assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "accept-encoding")
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < len(plain.content) / 4
    assert "content-encoding" not in short.headers


def test_the_budget_tells_of_the_open_day(desk):
    told = desk.ask("GET", "/v1/budget").json()
    assert told["nominal"] >= 1
    assert told["today"] == 2, "alerts of the day of the newest events"
    assert told["rate"] is None
    assert desk.ask("GET", "/v1/budget", tenant="globex").json()["day"] is None


def test_one_verdict_is_given_to_many_and_what_fails_is_told(desk):
    body = {"ids": ["acme-1", "acme-2", "acme-1", "globex-3", "none"], "verdict_id": 5, "reason": "backup"}
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        told = desk.ask("POST", "/v1/alerts/verdicts", json=body, headers=headers).json()
        assert told["done"] == ["acme-1", "acme-2"]
        assert [one["id"] for one in told["failed"]] == ["globex-3", "none"]
    found = desk.ask("GET", "/v1/verdicts").json()["verdicts"]
    assert sorted(one["alert_id"] for one in found) == ["acme-1", "acme-2"]
    assert {(one["verdict_id"], one["reason"]) for one in found} == {(5, "backup")}
    for wrong in ({**body, "ids": []}, {**body, "verdict_id": 3}, {**body, "state": "gone"}):
        assert desk.ask("POST", "/v1/alerts/verdicts", json=wrong).status_code == 400
    assert desk.ask("POST", "/v1/alerts/verdicts", "collector", json=body).status_code == 403
    assert desk.ask("GET", "/v1/verdicts", tenant="globex").json()["verdicts"] == []


# ------------------------------------------------------------------------------------------------ the stream


async def streamed(front, headers, enough, query=b""):
    """Events of /v1/live until `enough` says so."""
    found = []
    done = asyncio.Event()
    scope = {
        "type": "http", "method": "GET", "path": "/v1/live", "query_string": query, "headers": headers,
        "client": ("192.0.2.1", 1), "http_version": "1.1", "scheme": "http", "raw_path": b"/v1/live",
        "server": ("habitus", 80), "root_path": "", "asgi": {"version": "3.0", "spec_version": "2.3"},
    }  # fmt: skip

    async def receive():
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        for part in message.get("body", b"").split(b"\n\n"):
            lines = [line for line in part.split(b"\n") if line.startswith((b"event", b"data"))]
            if len(lines) == 2:
                found.append((lines[0][7:].decode(), json.loads(lines[1][6:])))
        if enough(found):
            done.set()

    async with asyncio.timeout(60):
        await front(scope, receive, send)
    return found


def test_a_page_is_told_what_changed_in_its_tenant_and_nothing_else(desk):
    office = Office(desk.core)
    office.hire("zoe")
    office.hire("eve", tenant="globex")

    async def watch():
        seen = {}

        def enough(login):
            def check(found):
                seen[login] = found
                return any("acme-4" in told.get("ids", ()) for _, told in found) or ends.is_set()

            return check

        ends = asyncio.Event()
        pages = []
        for login in ("zoe", "eve"):
            browser = office.browser()
            token = await asyncio.to_thread(lambda b=browser, w=login: b.sign_in(w) and b.cookies["habitus"])
            headers = [(b"cookie", f"habitus={token}".encode())]
            query = b"" if login == "zoe" else b"seconds=4"
            pages.append(asyncio.create_task(streamed(office.front, headers, enough(login), query)))
        await asyncio.sleep(1.5)

        def change():
            with desk.core.database.write() as connection:
                mine = tables.alerts.c.alert_id == "acme-4"
                values = {"state": "closed", "updated_us": time.time_ns() // 1000}
                connection.execute(update(tables.alerts).where(mine).values(values))

        await asyncio.to_thread(change)
        return await asyncio.gather(*pages)

    zoe, eve = asyncio.run(watch())
    assert zoe[0][0] == eve[0][0] == "hello"
    first = next(told for name, told in zoe if name == "alerts")
    last = [told for name, told in zoe if name == "alerts"][-1]
    assert last["ids"] == ["acme-4"]
    assert last["total_open"] == first["total_open"] - 1
    assert last["by_state"]["closed"] == 1
    assert any(name == "budget" for name, _ in zoe)
    assert "acme" not in str(eve)
    assert [told["total_open"] for name, told in eve if name == "alerts"] == [5]


def test_a_stream_ends_with_its_session_and_with_the_service(desk, monkeypatch):
    monkeypatch.setattr(live, "HEARTBEAT_SECONDS", 0.5)
    office = Office(desk.core)
    office.hire("ann")
    browser = office.browser("ann")
    headers = [(b"cookie", f"habitus={browser.cookies['habitus']}".encode())]

    async def until_stopped():
        page = asyncio.create_task(streamed(office.front, headers, lambda found: False))
        await asyncio.sleep(0.5)
        office.front.closing()
        return await page

    assert asyncio.run(until_stopped())[0][0] == "hello"

    async def until_disabled():
        page = asyncio.create_task(streamed(again.front, headers, lambda found: False))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(again.people.book.disable, "ann", ROOT)
        again.people.sessions.forget()
        return await page

    again = Office(desk.core)
    assert browser.ask("GET", "/v1/live?seconds=0").text.count("event: hello") == 1
    assert browser.ask("GET", "/v1/live?seconds=901").status_code == 400
    assert asyncio.run(until_disabled())[-1][0] == "bye"
