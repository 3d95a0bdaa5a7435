"""What keeps labels honest: a quota, contradictions that are shown, and golden alerts."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from serving.quota import Quota
from serving.store import tables
from tests.serving.triage.triage_app import alert, opened

DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    rows = [alert(tenant, number) for tenant in ("acme", "globex") for number in range(12)]
    made = opened(tmp_path_factory.mktemp("safety") / "data", rows)
    yield made
    made.core.stop()


def judge(desk, number, verdict_id, who="analyst", **more):
    answer = desk.ask(
        "POST", f"/v1/alerts/acme-{number}/verdict", who, json={"verdict_id": verdict_id}, **more
    )
    return answer.status_code, answer.json()


def shown(desk, number):
    return desk.ask("GET", f"/v1/alerts/acme-{number}").json()["unmapped"]


def test_opinions_that_contradict_each_other_are_shown_until_one_is_taken_back(desk):
    assert judge(desk, 1, 5)[0] == 201
    assert shown(desk, 1)["disagrees"] is False
    assert judge(desk, 1, 6, "scientist")[0] == 201, "two ways of being nothing agree"
    assert shown(desk, 1)["disagrees"] is False
    _status, answer = judge(desk, 1, 2, "admin")
    assert answer["alert"]["unmapped"]["disagrees"] is True
    judge(desk, 2, 2)  # nobody contradicts
    found = desk.ask("GET", "/v1/verdicts?disagreeing=true").json()["verdicts"]
    assert sorted((one["alert_id"], one["verdict_id"]) for one in found) == [
        ("acme-1", 2),
        ("acme-1", 5),
        ("acme-1", 6),
    ]
    assert desk.ask("GET", "/v1/verdicts?disagreeing=true", tenant="globex").json()["verdicts"] == []
    assert (
        desk.ask("GET", "/v1/metrics/soc?from=2025-03-01T00:00:00Z&to=2025-04-01T00:00:00Z").json()[
            "disagreeing"
        ]
        == 1
    )
    uid = answer["verdict"]["uid"]
    assert desk.ask("DELETE", f"/v1/verdicts/{uid}", "admin").status_code == 200
    assert shown(desk, 1)["disagrees"] is False
    assert desk.ask("GET", "/v1/verdicts?disagreeing=true").json()["verdicts"] == []


def test_nobody_gives_more_verdicts_an_hour_than_the_quota_and_is_told_when_to_go_on(desk, monkeypatch):
    before = len(desk.ask("GET", "/v1/verdicts?limit=1000").json()["verdicts"])
    mine = sum(
        one["actor"] == desk.own["acme", "scientist"].split("_")[1]
        for one in desk.ask("GET", "/v1/verdicts?limit=1000").json()["verdicts"]
    )
    settings = replace(desk.core.settings, quota=Quota(verdicts_per_hour=mine + 2))
    monkeypatch.setattr(desk.core, "settings", settings)
    once = {"headers": {"Idempotency-Key": "only once"}}
    assert judge(desk, 3, 7, "scientist", **once)[0] == 201
    assert judge(desk, 4, 7, "scientist")[0] == 201
    answer = desk.ask("POST", "/v1/alerts/acme-5/verdict", "scientist", json={"verdict_id": 7})
    assert answer.status_code == 429
    assert "verdicts of yours in an hour" in answer.json()["error"]
    assert 3000 < int(answer.headers["retry-after"]) <= 3600
    assert shown(desk, 5)["version"] == 0, "nothing was kept"
    assert judge(desk, 3, 7, "scientist", **once)[0] == 201, "the answer to a repeated request is no verdict"
    assert judge(desk, 5, 7, "admin")[0] == 201, "a colleague goes on"
    assert len(desk.ask("GET", "/v1/verdicts?limit=1000").json()["verdicts"]) == before + 3


def test_a_golden_alert_is_settled_hides_its_verdict_and_counts_for_whoever_answers(desk):
    assert desk.ask("GET", "/v1/golden").json() == {"alert": None}, "nothing is settled yet"
    for number in (6, 7, 8):
        judge(desk, number, 2 if number == 6 else 5, "admin")
        desk.ask("POST", f"/v1/alerts/acme-{number}/state", "admin", json={"state": "closed"})
    judge(desk, 9, 2, "admin")  # still open
    assert desk.ask("GET", "/v1/golden").json() == {"alert": None}, "what was said today may be taken back"
    long_ago = time.time_ns() // 1000 - 5 * DAY_US
    with desk.core.database.write() as connection:
        connection.execute(tables.verdicts.update().values(at_us=long_ago))
    assert desk.ask("GET", "/v1/golden", "admin").json() == {"alert": None}, "the admin has judged them all"
    seen = []
    for _ in range(3):
        golden = desk.ask("GET", "/v1/golden").json()["alert"]
        assert desk.ask("GET", "/v1/golden").json()["alert"] == golden, "the same one until it is answered"
        uid = golden["finding_info"]["uid"]
        seen.append(uid)
        assert golden["unmapped"]["golden"] is True
        assert golden["unmapped"]["state"] == "new"
        assert not {"verdict_id", "verdict", "assignee"} & set(golden)
        given = desk.ask("POST", f"/v1/golden/{uid}/verdict", json={"verdict_id": 1})
        assert given.status_code == 201
        right = 2 if uid == "acme-6" else 5
        assert given.json() == {
            "alert_id": uid,
            "agrees": right == 5,
            "settled_id": right,
            "settled": "True Positive" if right == 2 else "Benign",
        }
        assert desk.ask("POST", f"/v1/golden/{uid}/verdict", json={"verdict_id": 2}).status_code == 409
    assert sorted(seen) == ["acme-6", "acme-7", "acme-8"]
    assert desk.ask("GET", "/v1/golden").json() == {"alert": None}
    assert desk.ask("POST", "/v1/golden/acme-9/verdict", json={"verdict_id": 2}).status_code == 404
    assert desk.ask("GET", "/v1/golden", tenant="globex").json() == {"alert": None}
    agreement = desk.ask("GET", "/v1/metrics/soc").json()["agreement"]
    analyst = desk.own["acme", "analyst"].split("_")[1]
    assert agreement == [{"analyst": analyst, "answered": 3, "agreed": 2, "share": 2 / 3}]
    assert shown(desk, 7)["state"] == "closed", "the alert itself is as it was"
