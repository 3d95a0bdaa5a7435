"""Verdicts decide what becomes of events that were held back: learned at once, never, or in their time."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from serving.audit import Deed
from serving.core import Core
from serving.triage import verdicts
from serving.triage.verdicts import Opinion, Subject
from serving.triage.words import Asked
from tests.durable_events import CALM, START_MS, event, lines, submission

if TYPE_CHECKING:
    import pandas as pd

DAY_MS = 86_400_000
DAY = START_MS // DAY_MS
WHO = Deed("0123456789ab", "", "", "analyst")
BENIGN, TRUE, FALSE = 5, 2, 1
SAVING = replace(CALM, checkpoint_seconds=0.0)
HISTORY = lines(0, 300, step_ms=60_000)
"""Five hours of calm."""
USER, OTHER = "user3", "user2"


def odd(number: int, user: str) -> bytes:
    """Something that this user never did."""
    made = event(number, START_MS + 6 * 3_600_000 + number * 1000)
    made["user"] = {"name": user, "domain": "ACME"}
    made["device"] = {"hostname": f"vault-{number % 3}.acme.example"}
    made["src_endpoint"] = {"ip": f"203.0.113.{number % 5 + 1}"}
    return json.dumps(made).encode()


ODD = [odd(1000 + number, USER if number % 2 else OTHER) for number in range(12)]


@pytest.fixture(autouse=True)
def _held_early(monkeypatch):
    """A quiet organisation of five hours is surprised by little: hold back what surprises it at all."""
    monkeypatch.setattr("models.engine.HOLD_NATS", 1.0)


def send(core, records) -> None:
    core.offer(submission(records)).result(300)
    asyncio.run(core.flush("acme"))


def judge(core, number, user=USER, who=WHO, **given):
    asked = Asked("acme", who)
    given = asyncio.run(verdicts.give(core, asked, Subject("", "user", user, DAY), Opinion(number, **given)))
    return given.effect, json.loads(given.answer)["verdict"]["uid"], given.unlearned


def revert(core, uid):
    return asyncio.run(verdicts.revert(core, Asked("acme", WHO), uid=uid)).effect


def habits(core) -> pd.Series:
    frame = core.ask(core._tenants.states["acme"].detector.baselines.habits).result(300)
    return frame.set_index([name for name in frame.columns if name not in ("weight", "share")])["weight"]


def held(core) -> int:
    return core._tenants.states["acme"].detector.engine.held_count


def digest(core) -> str:
    return asyncio.run(core.digest("acme"))


def vaults(found: pd.Series, user: str) -> float:
    """Weight of a user's habits at what nobody used before."""
    rows = found.reset_index()
    return float(rows[rows["value"].str.contains("vault") & (rows["entity"] == user)]["weight"].sum())


def same(one: pd.Series, other: pd.Series) -> bool:
    """Equal habits; what weighs nothing may be missing."""
    return bool((one.sub(other, fill_value=0.0).abs() < 1e-9).all())


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A data directory with events that wait, and the habits without and with them."""
    patch = pytest.MonkeyPatch()
    patch.setattr("models.engine.HOLD_NATS", 1.0)
    folder = tmp_path_factory.mktemp("held")
    with Core(folder / "data", CALM) as core:
        send(core, HISTORY)
        send(core, ODD)
        waiting = core._tenants.states["acme"].detector.engine.held
        users = [core._tenants.states["acme"].detector.baselines.values.many([row])[0] for row in
                 waiting.columns[waiting.ends[0]:waiting.ends[1], 0].tolist()]  # fmt: skip
        without = habits(core)
    patch.undo()
    return folder / "data", without, users


@pytest.fixture
def core(before, tmp_path):
    with Core(shutil.copytree(before[0], tmp_path / "data"), CALM) as made:
        yield made


def test_there_is_something_to_decide_about(before):
    assert before[2].count(USER) >= 3
    assert before[2].count(OTHER) >= 3


def test_what_was_nothing_is_learned_at_once_and_what_was_an_attack_never(core, before):
    _, without, users = before
    effect, _uid, _ = judge(core, BENIGN)
    assert effect.learned == users.count(USER)
    assert held(core) == len(users) - effect.learned
    learned = habits(core)
    assert not same(learned, without)
    assert judge(core, TRUE, OTHER)[0].kept_out == users.count(OTHER)
    assert same(habits(core), learned)
    waiting = held(core)
    send(core, lines(5000, 60, start_ms=START_MS + 9 * DAY_MS, step_ms=1000))
    assert waiting > held(core) == 0, "nothing waits any more, and what was kept out is gone for good"
    assert vaults(habits(core), OTHER) <= vaults(without, OTHER)
    assert vaults(habits(core), USER) > vaults(without, USER)


def test_the_state_follows_from_the_verdicts_that_hold_whatever_came_before(core, before):
    _, without, users = before
    mine = users.count(USER)
    right = digest(core)
    effect, benign, _ = judge(core, BENIGN)
    learned = habits(core)
    other = WHO._replace(actor="ffffffffffff")
    effect, true, _ = judge(core, TRUE, who=other)
    assert effect.kept_out == mine, "of two opinions the dangerous one counts"
    assert same(habits(core), without)
    assert revert(core, true).learned == mine
    assert same(habits(core), learned)
    assert revert(core, benign).waiting == mine
    assert same(habits(core), without)
    assert held(core) == len(users)
    judge(core, TRUE)
    assert judge(core, FALSE)[0].learned == mine, "a change of mind replaces the verdict"
    assert same(habits(core), learned)
    uid = core._tenants.states["acme"].labels.all()[-1].uid
    assert revert(core, uid).waiting == mine
    assert core._tenants.states["acme"].labels.export() == {"labels": [], "moved": []}
    assert digest(core) != right, "the position counts"


def test_a_crash_after_every_verdict_gives_the_same_state(core, before, tmp_path):
    judge(core, BENIGN)
    uid = judge(core, TRUE, OTHER)[1]
    revert(core, uid)
    judge(core, TRUE, OTHER, unlearn=True)
    right = digest(core)
    crash = shutil.copytree(core.data_dir, tmp_path / "crash")
    with Core(crash, SAVING) as other:
        assert other.metrics()["replayed_entries"] > 0
        assert digest(other) == right
        for _ in range(1200):
            state = other.metrics()["tenants"]["acme"]
            if state["checkpoint_position"] == state["position"] and not other.metrics()["writer_jobs"]:
                break
            other._stopping.wait(0.05)
    with Core(crash, CALM) as other:
        assert other.metrics()["replayed_entries"] == 0
        assert digest(other) == right
        uid = other._tenants.states["acme"].labels.all()[-1].uid
        assert revert(other, uid).learned_again > 0, "a checkpoint knows what a verdict unlearned"


def test_an_incident_is_unlearned_with_its_verdict_and_comes_back_when_that_is_taken_back(core, before):
    _, without, users = before
    _, uid, unlearned = judge(core, TRUE, unlearn=True)
    own = sum(json.loads(record)["user"]["name"] == USER for record in HISTORY + ODD)
    assert unlearned.taken.events == own - users.count(USER)
    assert not [key for key in habits(core)[habits(core) > 1e-9].index if USER in key]
    back = revert(core, uid)
    assert back.learned_again == own - users.count(USER)
    assert back.waiting == users.count(USER)
    assert same(habits(core), without)


def test_what_a_verdict_kept_out_is_not_taken_out_again_by_unlearning(core, before):
    """Taking out what never went in leaves others' habits too light."""
    users = before[2]
    judge(core, TRUE)
    done = asyncio.run(
        core.unlearn("acme", "user", USER, DAY * DAY_MS * 1000, (DAY + 1) * DAY_MS * 1000, WHO)
    )
    own = sum(json.loads(record)["user"]["name"] == USER for record in HISTORY + ODD)
    assert done.taken.events == own - users.count(USER) > 0
    assert done.taken.missing_weight < 1e-9
    assert held(core) == len(users) - users.count(USER)


def test_a_verdict_lowers_the_risk_of_the_like_and_takes_it_back(core):
    state = core._tenants.states["acme"]
    risk = lambda: state.open_days().set_index("entity")["risk"][USER]  # noqa: E731
    before = core.ask(risk).result(60)
    uid = judge(core, BENIGN)[1]
    assert state.detector.feedback.verdicts
    after = core.ask(risk).result(60)
    assert after <= before
    revert(core, uid)
    assert not state.detector.feedback.verdicts
    assert core.ask(risk).result(60) == before


def test_an_attack_is_remembered_with_who_was_worked_with(core):
    feedback = core._tenants.states["acme"].detector.feedback
    judge(core, BENIGN)
    assert [one.partners for one in feedback.verdicts] == [()]
    judge(core, TRUE)
    partners = feedback.verdicts[-1].partners
    assert any(name.startswith("vault-") for kind, name in partners if kind == "host")
    assert all(kind != "src_ip" for kind, _ in partners)
