"""Exceptions over HTTP and a real core: previewed, made, approved by a second person, lifted, replayed."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from serving import receipts
from serving.core import Core
from serving.submission import Protocol
from tests.durable_events import CALM, START_MS, event, lines, submission
from tests.serving.triage.triage_app import opened

UNTIL = (datetime.now(UTC) + timedelta(days=90)).isoformat()
ODD = "vault-1.acme.example"


def odd(number: int) -> bytes:
    made = event(number, START_MS + 30_000_000 + number * 1000)
    made["user"] = {"name": "user3", "domain": "ACME"}
    made["device"] = {"hostname": ODD}
    return json.dumps(made).encode()


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    made = opened(tmp_path_factory.mktemp("exceptions") / "data")
    made.core.offer(submission(lines(0, 400, step_ms=60_000))).result(300)
    made.core.offer(submission([odd(1000 + number) for number in range(3)])).result(300)
    asyncio.run(made.core.flush("acme"))
    yield made
    made.core.stop()


@pytest.fixture
def wish(desk):
    yield {"entity_kind": "user", "entity": "user3", "until": UNTIL, "reason": "a new vault"}
    for one in desk.ask("GET", "/v1/exceptions").json()["exceptions"]:
        desk.ask("DELETE", f"/v1/exceptions/{one['uid']}")


def risk(desk):
    day = desk.ask("GET", "/v1/entities/user/user3").json()["days"][0]
    assert day["open"]
    return day["risk"]


def oddest(desk):
    """Behaviour and value of what is oddest about user3 and has a value."""

    def look():
        detector = desk.core.state_of("acme").detector
        table = detector.today()
        made = receipts.take(detector, "acme", table, np.arange(len(table.day)))
        (own,) = [one for one in made if one["entity"] == "user3"]
        found = max((one for one in own["findings"] if one["value"]), key=lambda one: one["gain"])
        return found["channel"], found["value"]

    return desk.core.ask(look).result(60)


def score(desk, number):
    receipt = desk.core.offer(submission([odd(number)], Protocol.SCORE), want_scores=True).result(60)
    return receipt.scores[0].evidence


def test_a_preview_says_what_then_happens_and_lifting_undoes_it(desk, wish):
    before = risk(desk)
    assert before > 0
    told = desk.ask("POST", "/v1/exceptions/preview", json=wish).json()
    (row,) = [one for one in told["changed"] if one["entity"] == "user3"]
    assert (told["wide"], row["risk"]) == (False, before)
    assert risk(desk) == before, "a preview changes nothing"
    made = desk.ask("POST", "/v1/exceptions", json=wish)
    assert (made.status_code, made.json()["state"]) == (201, "holds")
    assert risk(desk) == row["risk_after"] < before
    assert desk.ask("DELETE", f"/v1/exceptions/{made.json()['uid']}").json()["state"] == "lifted"
    assert risk(desk) == before
    assert desk.ask("DELETE", f"/v1/exceptions/{made.json()['uid']}").status_code == 404


def test_it_holds_for_the_next_event(desk, wish):
    before = score(desk, 2001)
    uid = desk.ask("POST", "/v1/exceptions", json=wish).json()["uid"]
    assert score(desk, 2002) < before, "what is odd for the host, not the user, still counts"
    desk.ask("DELETE", f"/v1/exceptions/{uid}")


def test_what_hides_many_needs_a_second_person(desk, wish):
    behaviour, value = oddest(desk)
    wide = {**wish, "entity": "", "behaviour": behaviour, "value": value}
    made = desk.ask("POST", "/v1/exceptions", json=wide).json()
    assert (made["state"], made["wide"]) == ("proposed", True)
    before = risk(desk)
    path = f"/v1/exceptions/{made['uid']}/approve"
    assert desk.ask("POST", path).status_code == 409
    assert desk.ask("POST", path, tenant="globex").status_code == 404
    approved = desk.ask("POST", path, who="scientist")
    assert (approved.status_code, approved.json()["state"]) == (200, "holds")
    assert risk(desk) < before
    assert desk.ask("POST", path, who="admin").status_code == 409


def test_a_replay_knows_exceptions_and_their_end(desk, wish, tmp_path):
    first = desk.ask("POST", "/v1/exceptions", json=wish).json()["uid"]
    desk.ask("POST", "/v1/exceptions", json={**wish, "behaviour": "user.host"})
    desk.ask("DELETE", f"/v1/exceptions/{first}")
    right = asyncio.run(desk.core.digest("acme"))
    crash = shutil.copytree(desk.core.data_dir, tmp_path / "crash")
    with Core(crash, CALM) as core:
        assert asyncio.run(core.digest("acme")) == right
        assert len(core.state_of("acme").detector.feedback.exemptions) == 1


def test_a_request_with_a_key_makes_one_exception(desk, wish):
    headers = {"Idempotency-Key": "once"}
    answers = [desk.ask("POST", "/v1/exceptions", json=wish, headers=headers) for _ in range(3)]
    assert len({answer.json()["uid"] for answer in answers}) == 1
    assert len(desk.core.state_of("acme").detector.feedback.exemptions) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"until": "2020-01-01"},
        {"until": "2999-01-01"},
        {"until": "soon"},
        {"entity_kind": "planet"},
        {"reason": " "},
        {"entity": ""},
        {"behaviour": "user.hots"},
        {"group": "staff"},
        {"value": "a*"},
        {"entity": "a\x1b"},
        {"more": 1},
    ],
)
def test_an_exception_that_cannot_be_is_refused(desk, wish, change):
    for path in ("/v1/exceptions", "/v1/exceptions/preview"):
        if path.endswith("preview") and change in ({"reason": " "}, {"entity": "a\x1b"}):
            continue  # nothing of these is kept
        answer = desk.ask("POST", path, json={**wish, **change})
        assert answer.status_code == 400, (path, answer.text)
    assert desk.core.state_of("acme").detector.feedback.exemptions == []


def test_collectors_and_other_tenants_make_none(desk, wish):
    assert desk.ask("POST", "/v1/exceptions", who="collector", json=wish).status_code == 403
    uid = desk.ask("POST", "/v1/exceptions", json=wish).json()["uid"]
    assert desk.ask("GET", "/v1/exceptions", tenant="globex").json() == {"exceptions": []}
    assert desk.ask("DELETE", f"/v1/exceptions/{uid}", tenant="globex").status_code == 404
    assert len(desk.core.state_of("acme").detector.feedback.exemptions) == 1


def test_a_preview_equals_what_a_replay_makes_of_it(desk, wish, tmp_path):
    told = desk.ask("POST", "/v1/exceptions/preview", json=wish).json()
    (row,) = [one for one in told["changed"] if one["entity"] == "user3"]
    desk.ask("POST", "/v1/exceptions", json=wish)
    crash = shutil.copytree(desk.core.data_dir, tmp_path / "crash")
    with Core(crash, CALM) as other:
        assert other.metrics()["replayed_entries"] > 0
        frame = asyncio.run(other.open_days("acme"))
        (found,) = frame.loc[(frame["entity_kind"] == "user") & (frame["entity"] == "user3"), "risk"]
        assert found == row["risk_after"]
