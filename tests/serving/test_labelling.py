"""Verdicts of a service's store become a data set and weights, while the service may run."""

from __future__ import annotations

import json
from typing import Any

import pytest
import zstandard
from pyarrow import parquet
from sqlalchemy import insert

from features import checkpoint
from features.errors import InputError
from models.detector import Detector
from models.feedback.feedback import BENIGN, TRUE_POSITIVE, Verdict
from models.feedback.weights import Weights
from serving import labelling
from serving.cli import labels as labels_command
from serving.cli import retrain as retrain_command
from serving.judgement import WEIGHTS_SET
from serving.store.database import default_url, open_database
from serving.store.tables import alerts, audit, entity_days, golden_answers, receipts, tenants, verdicts
from tests.verdict_days import DAY_US, SHOWN, office
from training.labels import lessons

EPOCH_DAY = 20_000
NOTHING = labelling.Remembered({}, None)


def alert(key: tuple[str, str, int], risk: float, **given: Any) -> dict[str, Any]:
    kind, entity, day = key
    return {
        "tenant": "acme", "alert_id": f"{entity}-{day}", "entity_kind": kind, "entity": entity, "day": day,
        "risk": risk, "n_events": 3, "reasons": "[]", "raised_us": (day + 1) * DAY_US,
        "updated_us": (day + 1) * DAY_US, "seq": 1, "why": "", **given,
    }  # fmt: skip


def verdict(key: tuple[str, str, int], verdict_id: int, **given: Any) -> dict[str, Any]:
    kind, entity, day = key
    return {
        "tenant": "acme", "uid": f"v-{entity}-{day}", "subject": "alert", "event_uid": "",
        "alert_id": f"{entity}-{day}", "entity_kind": kind, "entity": entity, "day": day,
        "verdict_id": verdict_id, "reason": "looked at it", "actor": "key-1",
        "at_us": (day + 1) * DAY_US + 3_600_000_000, "reverted_us": None, "reverted_by": None, **given,
    }  # fmt: skip


def receipt(key: tuple[str, str, int], risk: float, evidence: dict[str, float]) -> dict[str, Any]:
    body = {"risk": risk, "factor": 1.0, "causes": list(evidence), "evidence": list(evidence.values())}
    _, entity, day = key
    packed = zstandard.ZstdCompressor().compress(json.dumps(body).encode())
    return {"tenant": "acme", "alert_id": f"{entity}-{day}", "at_us": (day + 1) * DAY_US, "body": packed}


@pytest.fixture
def store(tmp_path):
    database = open_database(default_url(tmp_path))
    with database.write() as connection:
        connection.execute(insert(tenants), [{"tenant": "acme", "created_us": 0, "key_seed": 1}])
    yield database
    database.close()


def put(store, table, *rows: dict[str, Any]) -> None:
    with store.write() as connection:
        connection.execute(insert(table), list(rows))


def lived(store, seed: int = 1, **given: Any) -> None:
    """Weeks of alerts with verdicts, as of `tests.training.test_retraining.office`."""
    queue, _ = office(seed, **given)
    made: list[list[dict[str, Any]]] = [[], [], [], []]
    for lesson in queue.lessons:
        key = lesson.entity_kind, lesson.entity, lesson.day + EPOCH_DAY
        made[0].append(alert(key, lesson.risk))
        made[1].append(verdict(key, TRUE_POSITIVE if lesson.true else BENIGN))
        made[2].append(receipt(key, lesson.risk, dict(lesson.evidence)))
    for day, risks in queue.others.items():
        made[3] += [
            {
                "tenant": "acme",
                "day": day + EPOCH_DAY,
                "entity_kind": "user",
                "entity": f"other-{number}",
                "closed_on": day + EPOCH_DAY,
                "risk": risk,
                "alert": False,
                "n_events": 1,
                "reasons": "[]",
            }
            for number, risk in enumerate(risks.tolist())
        ]
    for table, rows in zip((alerts, verdicts, receipts, entity_days), made, strict=True):
        put(store, table, *rows)


ZOE = ("user", "zoë", EPOCH_DAY)


def test_a_verdict_is_told_with_where_it_comes_from(store) -> None:
    put(store, alerts, alert(ZOE, 8.0, why="to learn from"))
    put(store, receipts, receipt(ZOE, 7.5, {"process": 4.0, "network": 0.0}))
    put(store, verdicts, verdict(ZOE, BENIGN), verdict(ZOE, TRUE_POSITIVE, uid="v2", actor="key-2"))
    blind = {"tenant": "acme", "alert_id": "zoë-20000", "settled_id": BENIGN, "at_us": 1}
    put(
        store,
        golden_answers,
        {**blind, "actor": "a", "verdict_id": BENIGN},
        {**blind, "actor": "b", "verdict_id": 7},
    )
    first, second = labelling.labels(store, "acme", NOTHING)
    assert (first["analyst"], first["delay_seconds"], first["reason"]) == ("key-1", 3600.0, "looked at it")
    assert (first["risk"], first["evidence"], first["evidence_from"]) == (7.5, {"process": 4.0}, "receipt")
    assert (first["golden_agree"], first["golden_differ"], first["why"]) == (1, 1, "to learn from")
    assert first["disagrees"]
    assert second["disagrees"]
    assert labelling.labels(store, "globex", NOTHING) == []


def test_a_verdict_without_an_alert_has_what_the_checkpoint_remembers(store, tmp_path) -> None:
    key = ("user", "quiet", EPOCH_DAY)
    put(store, verdicts, verdict(key, TRUE_POSITIVE, subject="entity_day", alert_id=""))
    put(
        store,
        entity_days,
        {
            "tenant": "acme",
            "day": EPOCH_DAY,
            "entity_kind": "user",
            "entity": "quiet",
            "closed_on": EPOCH_DAY,
            "risk": 1.5,
            "alert": False,
            "n_events": 1,
            "reasons": "[]",
        },
    )
    detector = Detector(key_seed=0)
    detector.feedback.judge(
        Verdict(
            uid="v-quiet-20000",
            entity_kind="user",
            entity="quiet",
            day=EPOCH_DAY,
            verdict_id=TRUE_POSITIVE,
            at_us=1,
            evidence={"process": 2.0},
        )
    )
    detector.feedback.weigh(Weights(by_cause={"process": 1.5}))
    state = tmp_path / "state"
    checkpoint.write(state, *detector.export(), Detector.schema())
    memory = labelling.remembered(state)
    assert memory.weights == Weights(by_cause={"process": 1.5})
    (row,) = labelling.labels(store, "acme", memory)
    assert (row["risk"], row["evidence"], row["evidence_from"]) == (1.5, {"process": 2.0}, "state")
    assert labelling.remembered(tmp_path / "none") == NOTHING


def test_the_queue_holds_what_was_raised_judged_or_not_and_the_risks_of_the_rest(store) -> None:
    lived(store, days=3)
    put(store, alerts, alert(ZOE, 9.0), alert(("host", "db", EPOCH_DAY), 3.0, why="to learn from"))
    put(store, receipts, receipt(ZOE, 9.0, {"cause 0": 2.0}))
    rows, queue = labelling.queue(store, "acme", NOTHING)
    assert len(rows) == 3 * SHOWN
    assert len(queue.lessons) == 3 * SHOWN + 1
    assert [one.true for one in queue.lessons if one.entity == "zoë"] == [None]
    assert queue.raised[EPOCH_DAY] == SHOWN + 1, "what was there to learn from took no place"
    assert all(0 < len(risks) <= 100 for risks in queue.others.values())
    newest = labelling.queue(store, "acme", NOTHING, history_days=1)[1]
    assert {one.day for one in newest.lessons} == {EPOCH_DAY + 1, EPOCH_DAY + 2}


def test_risks_of_days_under_other_weights_are_compared_as_the_present_ones_would_have_them(store) -> None:
    put(store, alerts, alert(ZOE, 8.0))
    put(store, receipts, receipt(ZOE, 8.0, {"process": 9.5}))
    detail = json.dumps({"weights": {"by_cause": {"process": 2.0}}})
    line = {"tenant": "acme", "actor": "k", "subject": "acme", "previous": b"", "hash": b""}
    put(store, audit, {**line, "number": 90, "at_us": 1, "action": WEIGHTS_SET, "detail": detail})
    (then,) = labelling.queue(store, "acme", NOTHING)[1].lessons
    assert then.risk == pytest.approx(8.0 / ((2 * 9.5 + 0.5) / 10.0))
    now = Weights(by_cause={"process": 2.0})
    (same,) = labelling.queue(store, "acme", labelling.Remembered({}, now))[1].lessons
    assert same.risk == 8.0


def test_the_command_writes_a_data_set_that_is_all_of_the_verdicts(store, tmp_path, capsys) -> None:
    lived(store, days=2)
    put(store, verdicts, verdict(ZOE, BENIGN, alert_id="", reverted_us=5, reverted_by="key-1"))
    count = labels_command.run(tmp_path, None, "acme", tmp_path / "labels.parquet")
    read = parquet.read_table(tmp_path / "labels.parquet")
    assert read.num_rows == count == 2 * SHOWN + 1
    assert f"{2 * SHOWN} entity-days can be learned from" in capsys.readouterr().out
    assert [row["reverted_by"] for row in read.to_pylist() if not row["holds"]] == ["key-1"]
    assert not list(tmp_path.glob(".*part"))


def test_retraining_registers_weights_that_help_and_says_what_they_do(store, tmp_path, capsys) -> None:
    from training import reranker
    from training.tracking import Registry

    lived(store)
    models = str(tmp_path / "models")
    found = retrain_command.run(tmp_path, tenant="acme", models=models)
    said = capsys.readouterr().out
    assert found.decision.passed, said
    assert "acme.weights version 1 is registered" in said
    assert "verdicts on it were true" in said
    assert "stand in another place of their day" in said
    registry = Registry(models)
    version = registry.version("acme.weights", "challenger")
    bundle = registry.fetch(version, tmp_path / "fetched")
    assert reranker.load(bundle.folder, version.digest) == found.weights
    assert (bundle.folder / "card.md").read_text().startswith("# Weights of evidence of acme")


def test_too_few_verdicts_register_nothing(store, tmp_path, capsys) -> None:
    lived(store, days=2)
    models = tmp_path / "models"
    assert not retrain_command.run(tmp_path, tenant="acme", models=str(models)).decision.passed
    assert "needs 50 judged entity-days with evidence, has 24" in capsys.readouterr().out
    assert not models.exists()


def test_what_is_no_store_or_no_tenant_is_named(store, tmp_path) -> None:
    with pytest.raises(InputError, match="holds no store"):
        retrain_command.run(tmp_path / "nowhere", tenant="acme")
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(InputError, match=r"'globex' \(known: acme\)"):
        labels_command.run(tmp_path, None, "globex", tmp_path / "out.parquet")


def test_what_is_read_twice_is_the_same(store) -> None:
    lived(store, days=2)
    once, again = (labelling.queue(store, "acme", NOTHING) for _ in range(2))
    assert once[0] == again[0]
    assert lessons(once[0]) == lessons(again[0])
    assert once[1].lessons == again[1].lessons
