"""`habitus promote` and `habitus rollback` of weights, with a real registry, server and core."""

from __future__ import annotations

import asyncio

import pytest

from features.errors import InputError
from models.feedback.weights import Weights
from serving.cli import promote, rollback
from tests.serving.triage.triage_app import known_users, listening, opened
from training import reranker
from training.tracking import Registry

NAME = "acme.weights"
FIRST, SECOND = Weights(by_cause={"process": 1.5}), Weights(by_cause={"process": 0.75})


@pytest.fixture
def service(tmp_path):
    """(address, an admin's key, what the core weighs with)."""
    desk = opened(tmp_path / "data")
    known_users(desk.core)
    feedback = desk.core.ask(lambda: desk.core.state_of("acme").detector.feedback).result(60)
    with listening(desk) as url:
        yield url, desk, lambda: feedback.weights


@pytest.fixture
def models(tmp_path):
    where = str(tmp_path / "models")
    registry = Registry(where)
    for number, weights in enumerate((FIRST, SECOND)):
        bundle = reranker.write(tmp_path / f"bundle-{number}", NAME, weights, [], {}, "# card\n")
        registry.log_run("feedback", NAME, parameters={}, metrics={}, tags={}, bundle=bundle)
    return where


def test_weights_go_to_the_service_and_back_one_step_at_a_time(service, models, capsys):
    url, desk, now = service
    key = desk.own["acme", "admin"]
    digest = asyncio.run(desk.core.digest("acme"))
    promote.run(NAME, "1", models=models, url=url, key=key)
    assert now() == FIRST
    with_first = asyncio.run(desk.core.digest("acme"))
    promote.run(NAME, "2", models=models, url=url, key=key)
    assert now() == SECOND
    rollback.run(NAME, models, url, key)
    assert now() == FIRST
    assert asyncio.run(desk.core.digest("acme")) != digest
    assert with_first != digest
    champion = Registry(models).champion(NAME)
    assert champion is not None
    assert champion.number == 1
    assert "counts evidence by these weights from now on" in capsys.readouterr().out


def test_a_service_that_refuses_leaves_the_alias_where_it_was(service, models):
    url, desk, now = service
    with pytest.raises(InputError, match="answered 403"):
        promote.run(NAME, "1", models=models, url=url, key=desk.own["acme", "analyst"])
    assert Registry(models).champion(NAME) is None
    assert now() is None


def test_a_trial_changes_neither_alias_nor_service(service, models, capsys):
    url, desk, now = service
    promote.run(NAME, "2", models=models, url=url, key=desk.own["acme", "admin"], dry_run=True)
    assert now() is None
    assert Registry(models).champion(NAME) is None
    assert "would be promoted" in capsys.readouterr().out


def test_without_a_service_only_the_alias_moves(models):
    promote.run(NAME, "2", models=models)
    champion = Registry(models).champion(NAME)
    assert champion is not None
    assert champion.number == 2
