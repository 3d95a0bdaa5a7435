"""Weights of evidence over HTTP and a real core: set, ended, and kept by a restart."""

from __future__ import annotations

import asyncio
import json

import pytest

from serving import audit
from serving.judgement import WEIGHTS_SET
from serving.labelling import queue, remembered
from tests.serving.triage.triage_app import known_users, opened

PATH = "/v1/weights"
WEIGHTS = {"by_cause": {"process": 1.5}, "seen": {"process": {"true": 12, "judged": 15}}, "fit": "batch",
           "until": "2025-03-04"}  # fmt: skip
BODY = {"weights": WEIGHTS, "reason": "acme.weights version 1"}
END = f"{PATH}?reason=a+trial+is+over"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    made = opened(tmp_path_factory.mktemp("weights") / "data")
    known_users(made.core)
    yield made
    made.core.stop()


def test_weights_are_set_and_end_without_a_trace(desk):
    assert desk.ask("GET", PATH).json() == {"weights": None}
    before = asyncio.run(desk.core.digest("acme"))
    assert desk.ask("PUT", PATH, "admin", json=BODY).json() == {"weights": WEIGHTS}
    assert desk.ask("GET", PATH).json() == {"weights": WEIGHTS}
    assert asyncio.run(desk.core.digest("acme")) != before
    assert desk.ask("GET", PATH, tenant="globex").json() == {"weights": None}, "of one tenant alone"
    assert desk.ask("DELETE", END, "admin").json() == {"weights": None}
    assert desk.ask("GET", PATH).json() == {"weights": None}
    lines = [line for line in audit.lines(desk.core.database, "acme", 10) if line["action"] == WEIGHTS_SET]
    details = [json.loads(line["detail"]) for line in lines]
    assert [detail.get("weights") for detail in details] == [None, WEIGHTS]
    assert [detail["reason"] for detail in details] == ["a trial is over", BODY["reason"]]


@pytest.mark.parametrize("who", ["analyst", "collector"])
def test_whoever_may_not_promote_a_model_does_not_change_them(desk, who):
    assert desk.ask("PUT", PATH, who, json=BODY).status_code == 403
    assert desk.ask("DELETE", END, who).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        "null",
        "[]",
        "{}",
        '{"weights": {"by_cause": {"process": 3}}, "reason": "x"}',
        '{"weights": {"by_cause": {}, "more": 1}, "reason": "x"}',
        '{"weights": {"by_cause": {}}, "reason": " "}',
        '{"weights": {"by_cause": {}}}',
        "\xff",
    ],
)
def test_what_is_no_weights_is_refused_and_changes_nothing(desk, body):
    answer = desk.ask("PUT", PATH, "admin", content=body.encode("latin-1"))
    assert answer.status_code == 400
    assert desk.ask("DELETE", PATH, "admin").status_code == 400, "without a reason"
    assert desk.ask("GET", PATH).json() == {"weights": None}


def test_a_restart_keeps_them(tmp_path):
    one = opened(tmp_path / "data")
    known_users(one.core)
    one.ask("PUT", PATH, "admin", json=BODY)
    digest = asyncio.run(one.core.digest("acme"))
    one.core.stop()
    memory = remembered(tmp_path / "data" / "tenants" / "acme" / "state")
    again = opened(tmp_path / "data")
    try:
        assert again.ask("GET", PATH).json() == {"weights": WEIGHTS}
        assert asyncio.run(again.core.digest("acme")) == digest
        if memory.weights is not None:  # a checkpoint was written on the way out
            assert queue(again.core.database, "acme", memory)[1].present == memory.weights
    finally:
        again.core.stop()
