"""Who may say which model serves, and what comes of it."""

from __future__ import annotations

import time
from functools import partial

import pytest

from serving import audit
from serving.core import Core
from serving.following.follower import Follower
from tests.durable_events import CALM, lines, submission
from tests.serving.triage.triage_app import over


@pytest.fixture
def core(tmp_path):
    with Core(tmp_path / "data", CALM) as one:
        one.offer(submission(lines(0, 50))).result(300)
        yield one


def test_without_a_registry_nothing_can_be_promoted(core):
    ask = partial(over(core).ask, who="scientist")
    refused = ask("POST", "/v1/models/promote", json={"reason": "better"})
    assert refused.status_code == 400
    assert "--models" in refused.text
    told = ask("GET", "/v1/models").json()
    assert (told["registry"], told["actions"], told["beside"]) == (None, [], None)


def test_an_action_runs_as_the_command_does_and_says_what_it_said(core, tmp_path):
    follower = core.follower = Follower(core, str(tmp_path / "models"), {"acme": "office"})
    ask = partial(over(core).ask, who="scientist")
    try:
        for role in ("collector", "analyst"):
            assert ask("POST", "/v1/models/rollback", who=role, json={"reason": "worse"}).status_code == 403
        assert ask("POST", "/v1/models/rollback", json={"reason": ""}).status_code == 400
        assert ask("POST", "/v1/models/destroy", json={"reason": "why not"}).status_code == 400
        (tmp_path / "models").mkdir()
        begun = ask("POST", "/v1/models/rollback", json={"reason": "too many alerts"})
        assert (begun.status_code, begun.json()["state"]) == (202, "running")
        again = ask("POST", "/v1/models/rollback", json={"reason": "too many alerts"})
        assert again.status_code in (429, 503)
        for _ in range(1_200):
            job = ask("GET", "/v1/models").json()["registry"]["job"]
            if job["state"] != "running":
                break
            time.sleep(0.1)
        assert (job["action"], job["state"]) == ("rollback", "refused")
        assert "no model is called 'office'" in job["text"]
        assert ask("GET", "/v1/models", tenant="globex").json()["registry"]["job"] is None
    finally:
        follower.actions.stop()
    log = audit.lines(core.database, "acme")
    deeds = [(line["action"], line["detail"]) for line in log if line["action"].startswith("model.")]
    assert [action for action, _ in deeds] == ["model.rollback"]
    assert '"reason":"too many alerts"' in deeds[0][1]
