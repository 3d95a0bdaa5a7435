"""What stands around an alert and an entity, the quarantine, and models: over a core that raises alerts."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from models.risk import Budget
from serving import audit
from serving.core import Core
from serving.modelling import calibration, drift
from tests.durable_events import CALM, START_MS, lines, submission
from tests.serving.triage.triage_app import over

DAY_MS = 86_400_000
DAYS = 7
PAGING = replace(CALM, alert_seconds=0.0, budget=Budget(page_nats=0.5))


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    with Core(tmp_path_factory.mktemp("context") / "data", PAGING) as core:
        for day in range(DAYS):
            start_ms = START_MS + day * DAY_MS
            records = lines(200 * day, 60, start_ms=start_ms - 200 * day * 600_000, step_ms=600_000)
            core.offer(submission(records)).result(300)
            core.offer(submission(lines(0, 5, seed=day + 100, start_ms=start_ms, step_ms=1))).result(300)
            asyncio.run(core.flush("acme"))
        made = over(core)
        for _ in range(600):  # the engine looks for alerts when it has time
            if any(one["unmapped"]["first_time"] for one in made.get("/v1/alerts").json()["alerts"]):
                break
            core._stopping.wait(0.1)
        yield made


@pytest.fixture(scope="module")
def told(desk):
    """An alert with a receipt, and its context."""
    alert = next(one for one in desk.get("/v1/alerts").json()["alerts"] if one["unmapped"]["first_time"])
    answer = desk.get(f"/v1/alerts/{alert['finding_info']['uid']}/context")
    assert answer.status_code == 200, answer.text
    return alert, answer.json()


def test_the_points_of_the_evidence_add_up_to_the_risk(desk):
    tried = 0
    for alert in desk.get("/v1/alerts").json()["alerts"]:
        if not alert["unmapped"]["first_time"]:
            continue
        context = desk.get(f"/v1/alerts/{alert['finding_info']['uid']}/context").json()
        points = sum(piece["points"] for piece in context["evidence"])
        assert points == pytest.approx(alert["unmapped"]["risk"], abs=1e-6)
        assert all(piece["label"] and piece["reason"] for piece in context["evidence"])
        tried += 1
        if tried == 5:
            break
    assert tried


def test_the_story_says_who_and_what_and_what_to_do(told):
    alert, context = told
    assert alert["unmapped"]["entity"] in context["story"]
    assert context["next_steps"]
    assert all(set(one) == {"id", "name"} for one in context["techniques"])


def test_usual_stands_against_now_for_what_was_odd(told):
    alert, context = told
    assert len({side["behaviour"] for side in context["usual"]}) == len(context["usual"]) >= 3
    assert all(side["behaviour"].startswith(alert["unmapped"]["entity_kind"]) for side in context["usual"])
    odd = {piece["behaviour"] for piece in context["evidence"] if "value" in piece}
    shown = {side["behaviour"] for side in context["usual"] if any(one["odd"] for one in side["now"])}
    assert shown <= odd
    for side in context["usual"]:
        assert all(0 <= one["share"] <= 1 for one in side["usual"] + side["everybody"])
        shares = [one["share"] for one in side["usual"]]
        assert shares == sorted(shares, reverse=True)


def test_hours_timeline_and_graph_tell_of_the_same_events(told):
    alert, context = told
    own = alert["unmapped"]
    # what came after the day was closed is shown, and was not counted into its risk
    assert sum(context["hours"]["now"]) == context["events"] >= own["n_events"]
    assert len({one["event_uid"] for one in context["timeline"]}) == context["events"], "each once"
    assert len(context["hours"]["now"]) == 168
    times = [one["time"] for one in context["timeline"]]
    assert times == sorted(times)
    assert {one[own["entity_kind"]] for one in context["timeline"]} == {own["entity"]}
    names = {one["id"]: one for one in context["graph"]["nodes"]}
    centre = names[f"{own['entity_kind']}:{own['entity']}"]
    assert centre["kind"] == own["entity_kind"]
    assert all(edge["from"] in names and edge["to"] in names for edge in context["graph"]["edges"])
    assert all(edge["count"] >= 1 for edge in context["graph"]["edges"])


def test_risk_over_time_and_what_is_alike_are_of_the_past(told, desk):
    alert, context = told
    days = [one["day"] for one in context["risk_history"]]
    assert days == sorted(days)
    assert alert["unmapped"]["day"] == days[-1]
    assert context["risk_history"][-1]["alert"] == alert["finding_info"]["uid"]
    assert alert["finding_info"]["uid"] not in {one["id"] for one in context["similar"]}


def test_hours_of_the_week_are_those_of_the_calendar(told):
    from datetime import UTC, datetime

    _, context = told
    for one in context["timeline"]:
        at = datetime.fromtimestamp(one["time"] / 1000, UTC)
        assert context["hours"]["now"][24 * at.weekday() + at.hour] >= 1


def test_events_come_as_they_were_sent_the_oddest_first(told, desk):
    alert, _ = told
    path = f"/v1/alerts/{alert['finding_info']['uid']}/events"
    found = desk.get(f"{path}?limit=5").json()
    assert len(found["events"]) == min(5, found["total"])
    risks = [one["risk"] for one in found["events"]]
    assert risks == sorted(risks, reverse=True)
    whole = desk.get(f"{path}?limit=500").json()["events"]
    sent = [one for one in whole if one["raw"]]
    for one in sent:
        record = json.loads(one["raw"])
        assert record["metadata"]["uid"] == one["event_uid"]
        assert record["time"] == one["time"]


def test_nothing_of_it_is_shown_to_another_tenant(told, desk):
    alert, _ = told
    uid, entity = alert["finding_info"]["uid"], alert["unmapped"]["entity"]
    kind = alert["unmapped"]["entity_kind"]
    for path in (f"/v1/alerts/{uid}/context", f"/v1/alerts/{uid}/events"):
        assert desk.get(path).status_code == 200
        other = desk.get(path, "globex")
        assert other.status_code == 404
        assert other.text == desk.get(path.replace(uid, "none"), "globex").text
    assert desk.get(f"/v1/entities/{kind}/{entity}/context", "globex").status_code == 404
    assert desk.get(f"/v1/entities?text={entity}", "globex").json() == {"entities": []}
    assert desk.get("/v1/operations", "globex").json()["sources"] == []
    assert desk.get("/v1/models", "globex").json()["ranked_with"] is None


def test_an_entity_is_found_by_a_part_of_its_name_and_told_about(told, desk):
    alert, _ = told
    kind, entity = alert["unmapped"]["entity_kind"], alert["unmapped"]["entity"]
    found = desk.get(f"/v1/entities?text={entity[:4].upper()}").json()["entities"]
    assert {"kind", "entity_kind", "entity", "risk", "last_seen"} == set(found[0])
    assert (kind, entity) in {(one["kind"], one["entity"]) for one in found}
    risks = [one["risk"] or 0.0 for one in found]
    assert risks == sorted(risks, reverse=True)
    context = desk.get(f"/v1/entities/{kind}/{entity}/context").json()
    assert context["habits"]
    assert context["risk_history"][-1]["day"] >= alert["unmapped"]["day"]
    times = [one["time"] for one in context["events"]]
    assert times == sorted(times, reverse=True)
    for text in ("", "x" * 201):
        assert desk.get(f"/v1/entities?text={text}").status_code == 400


def test_habits_are_those_of_the_baseline(told, desk):
    alert, _ = told
    kind, entity = alert["unmapped"]["entity_kind"], alert["unmapped"]["entity"]
    context = desk.get(f"/v1/entities/{kind}/{entity}/context").json()
    rows = desk.get(f"/v1/baselines/{entity}?limit=1000").json()["habits"]
    known = {
        (row["behaviour"], row["value"]): (row["share"], row["weight"])
        for row in rows
        if row["entity_kind"] == kind
    }
    tried = 0
    for side in context["habits"]:
        for one in side["usual"]:
            share, weight = known[side["behaviour"], one["value"]]
            assert one["share"] == pytest.approx(min(1.0, share), abs=1e-3)
            assert one["count"] == pytest.approx(weight, abs=1e-2)
            tried += 1
    assert tried > 3


# ---------------------------------------------------------------------------------------------- operations


def test_operations_tell_sources_ledger_and_lag(desk):
    told = desk.get("/v1/operations").json()
    assert told["ledger"]["received"] >= DAYS * 60
    assert told["sources"][0]["events"] >= 1
    assert told["sources"][0]["last_received"] > 1_700_000_000_000
    assert told["lag_seconds"] > 0


def test_what_could_not_be_read_is_shown_and_read_again(desk):
    for body in (b'{"broken', b'{"class_uid":"x"}'):
        sent = desk.ask("POST", "/v1/events", who="collector", content=body)
        assert sent.json()["quarantined"] == 1
    asyncio.run(desk.core.flush("acme"))
    for _ in range(100):
        found = desk.get("/v1/quarantine").json()
        if len(found["records"]) >= 2:
            break
        desk.core._stopping.wait(0.1)
    assert {one["raw"] for one in found["records"]} >= {'{"broken', '{"class_uid":"x"}'}
    assert sum(one["records"] for one in found["reasons"]) == len(found["records"])
    first = desk.get("/v1/quarantine?limit=1").json()
    second = desk.get(f"/v1/quarantine?limit=1&after={first['next']}").json()
    assert first["records"][0]["id"] != second["records"][0]["id"]
    uid = first["records"][0]["id"]
    assert desk.get("/v1/quarantine", "globex").json() == {"records": [], "next": None, "reasons": []}
    assert desk.ask("POST", f"/v1/quarantine/{uid}/retry", tenant="globex").status_code == 400
    assert desk.ask("POST", f"/v1/quarantine/{uid}/retry", who="collector").status_code == 403
    told = desk.ask("POST", f"/v1/quarantine/{uid}/retry").json()
    assert (told["records"], told["accepted"]) == (1, 0)
    assert told["quarantined"] + told["duplicate"] == 1, "it is as broken as before"
    assert uid not in {one["id"] for one in desk.get("/v1/quarantine").json()["records"]}
    assert audit.lines(desk.core.database, "acme", 1)[0]["action"] == "quarantine.retry"
    for body in ({}, {"ids": ["x"]}, {"ids": ["1-1"], "reason": "y"}, {"ids": ["1-x"]}, {"reason": "none"}):
        assert desk.ask("POST", "/v1/quarantine/retry", json=body).status_code == 400


def test_a_record_that_can_be_read_now_leaves_the_quarantine(desk):
    from sqlalchemy import insert

    from serving.store import tables

    record = lines(0, 1, seed=999, start_ms=START_MS + DAYS * DAY_MS, step_ms=1)[0].strip()
    row = {"tenant": "acme", "seq": 10**9, "record": 3, "received_us": 10**15, "protocol": "native",
           "reason": "a decoder that was wrong", "raw": record}  # fmt: skip
    with desk.core.database.write() as connection:
        connection.execute(insert(tables.quarantine), [row])
    told = desk.ask("POST", "/v1/quarantine/retry", json={"reason": "a decoder that was wrong"}).json()
    assert told == {"accepted": 1, "quarantined": 0, "duplicate": 0, "records": 1}
    assert f"{10**9}-3" not in desk.get("/v1/quarantine").text


def test_models_tell_what_is_known_and_null_for_the_rest(desk):
    told = desk.get("/v1/models").json()
    assert told["active"]["events"] > 0
    assert told["ranked_with"]["ranker"]
    assert told["champion"] is None
    budget = told["budget_by_day"]
    assert len(budget["nominal"]) == len(budget["realised"]) == len(budget["days"]) >= 3


def test_calibration_counts_closed_days_of_users_and_hosts(desk):
    import math

    from sqlalchemy import insert

    from serving.store import tables

    rows = [
        {"tenant": "initech", "day": 20_000 + n % 20, "entity_kind": "user" if n % 2 else "host",
         "entity": f"e{n}", "closed_on": 20_020, "risk": -math.log((n + 0.5) / 400), "alert": False,
         "n_events": 1, "reasons": "[]", "alerted_us": None, "entity_risk": None}
        for n in range(400)
    ]  # fmt: skip
    rows += [{**rows[0], "entity_kind": "src_ip", "entity": f"a{n}", "risk": 50.0} for n in range(100)]
    rows += [{**rows[0], "day": 19_000, "entity": f"old{n}", "risk": 50.0} for n in range(100)]
    with desk.core.database.write() as connection:
        connection.execute(insert(tables.entity_days), rows)
    found = calibration(desk.core.database, "initech")
    assert found["days"] == 400
    assert found["nominal"][0] == 0.1
    assert found["realised"] == pytest.approx(found["nominal"], abs=1 / 400)
    assert calibration(desk.core.database, "nobody") is None


def test_drift_compares_the_last_week_with_the_weeks_before(desk):
    import random

    from sqlalchemy import insert

    from serving.store import tables

    rng = random.Random(3)
    rows = [
        {"tenant": "hooli", "day": 20_000 + day, "entity_kind": kind, "entity": f"e{n}", "closed_on": 20_030,
         "risk": rng.expovariate(1.0 if day < 21 else 3.0), "rarity": [None, rng.expovariate(1.0)][day > 3],
         "alert": False, "alerted_us": None, "entity_risk": None,
         "n_events": rng.randrange(10, 50) * (3 if day > 20 and kind == "host" else 1), "reasons": "[]"}
        for day in range(28) for kind in ("user", "host") for n in range(40)
    ]  # fmt: skip
    with desk.core.database.write() as connection:
        connection.execute(insert(tables.entity_days), rows)
    found = drift(desk.core.database, "hooli")
    assert [row["name"] for row in found if row["value"] > row["bar"]] == ["events of hosts"]
    assert {row["name"] for row in found} == {
        "rarity of users", "events of users", "rarity of hosts", "events of hosts"
    }  # fmt: skip
    assert drift(desk.core.database, "nobody") is None
