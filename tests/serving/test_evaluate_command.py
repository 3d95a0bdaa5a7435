"""`habitus evaluate` judges simulated and given logs, and says what it was asked wrongly."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from features.errors import InputError
from serving import evaluation
from serving.cli.main import cli
from training.pedb.held_out import held_out
from training.pedb.protocol import Protocol

SMALL = ("--users", "10", "--days", "9", "--warm-up", "2", "--seeds", "11")


def call(*arguments):
    return CliRunner().invoke(cli, ("evaluate", *map(str, arguments)))


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    return folder, call(*SMALL, "--out", folder)


def test_the_evaluation_prints_its_tables_and_writes_its_files(judged):
    folder, done = judged
    assert done.exit_code == 0, done.output
    for words in ("recall@10", "perfect ranking", "nominal rate", "held out"):
        assert words in done.output
    data = json.loads((folder / "evaluation.json").read_text())
    assert [method["method"] for method in data["methods"]][:2] == ["habitus", "perfect ranking"]
    assert data["methods"][1]["figures"]["ap"]["value"] == 1
    for name in ("recall-against-budget.svg", "calibration.svg", "scenarios.svg"):
        assert (folder / name).read_text().startswith("<svg")


def test_any_seven_days_have_the_alerts_of_the_budget(judged):
    folder, _ = judged
    ratios = json.loads((folder / "evaluation.json").read_text())["alerts_over_budget_by_week"]
    assert 0.8 <= ratios["least"] <= ratios["most"] <= 1.2


def test_entity_days_are_kept_with_the_campaigns_they_belong_to(judged):
    folder, _ = judged
    (path,) = folder.glob("*-entity-days.parquet")
    days = pd.read_parquet(path)
    campaigns = {name for names in days["campaigns"] for name in names}
    data = json.loads((folder / "evaluation.json").read_text())
    facts = data["outcomes"]["habitus"][0]["campaigns"]
    assert {fact["name"] for fact in facts} <= campaigns


@pytest.mark.slow
def test_given_logs_are_judged_like_simulated_ones(judged, tmp_path):
    folder, _ = judged
    (place,) = (path for path in folder.iterdir() if path.is_dir())
    files = ("--events", place / "events.ndjson", "--labels", place / "labels.ndjson")
    more = ("--directory", place / "directory.csv", "--oddities", place / "oddities.ndjson")
    done = call(*files, *more, "--warm-up", "2", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    ours, theirs = (
        json.loads((path / "evaluation.json").read_text())["methods"][0]["figures"]
        for path in (folder, tmp_path)
    )
    assert {name: part["value"] for name, part in ours.items()} == {
        name: part["value"] for name, part in theirs.items()
    }


def test_an_organisation_is_used_again_until_its_arguments_or_the_simulator_change(judged):
    folder, _ = judged
    (place,) = (path for path in folder.iterdir() if path.is_dir())
    before = (place / "events.ndjson").stat().st_mtime_ns
    evaluation.simulated(folder, 11, 10, 9)
    assert (place / "events.ndjson").stat().st_mtime_ns == before
    stamp = json.loads((place / evaluation.STAMP).read_text())
    (place / evaluation.STAMP).write_text(json.dumps(stamp | {"simulator": "older"}))
    evaluation.simulated(folder, 11, 10, 9)
    assert (place / "events.ndjson").stat().st_mtime_ns > before


def test_a_digest_changes_with_any_source(tmp_path):
    (tmp_path / "a.py").write_text("A = 1\n")
    first = evaluation.digest_of(tmp_path)
    (tmp_path / "note.txt").write_text("not code")
    assert evaluation.digest_of(tmp_path) == first
    (tmp_path / "a.py").write_text("A = 2\n")
    assert evaluation.digest_of(tmp_path) != first


def test_held_out_seeds_are_refused_before_anything_is_simulated(tmp_path):
    done = call("--seeds", f"1,{min(held_out().seeds)}", "--out", tmp_path / "new")
    assert isinstance(done.exception, InputError)
    assert "--final" in str(done.exception)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "wrong", [("--seeds", "one"), ("--seeds", "1,1"), ("--users", "-5"), ("--jobs", "0")]
)
def test_a_wrong_option_is_bad_usage(wrong):
    assert call(*wrong).exit_code == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--events", "x.ndjson"), "--labels"),
        (("--labels", "x.ndjson"), "belongs to --events"),
        (("--users", "10", "--days", "9", "--seeds", "11"), "warm-up"),
    ],
)
def test_what_cannot_be_judged_is_said(judged, tmp_path, options, words):
    folder = judged[0] if "--users" in options else tmp_path
    done = call(*options, "--out", folder)
    assert isinstance(done.exception, InputError)
    assert words in str(done.exception)


def test_vectors_have_the_days_names_and_columns_that_peers_ask_for(judged):
    folder, _ = judged
    dataset = evaluation.simulated(folder, 11, 10, 9)
    scored = evaluation.score(dataset, Protocol(warm_up_days=2))
    vectors = scored.vectors
    assert vectors.column("first_seen").sum() > 0
    assert vectors.evidence.shape == (len(vectors.day), len(vectors.causes))
    assert int(vectors.day.max()) == scored.last_day, "the last day of the logs is ranked too"
    known = set(zip(scored.days["entity_kind"], scored.days["entity"], strict=True))
    assert set(zip(vectors.kind.tolist(), vectors.name.tolist(), strict=True)) <= known
