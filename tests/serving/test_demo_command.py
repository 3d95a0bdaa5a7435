"""`habitus demo --score` and `habitus simulate`: what they write, what they say, what they refuse."""

from __future__ import annotations

import msgspec
import pandas as pd
import pytest
from click.testing import CliRunner

from features.errors import InputError
from serving.cli.demo_score import outcomes
from serving.cli.main import cli
from training.simulate.writer import Label

SMALL = ("--users", "10", "--days", "9", "--seed", "11")


def call(*arguments):
    return CliRunner().invoke(cli, arguments)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "new"
    return folder, call("demo", "--score", *SMALL, "--out", str(folder), "--top", "4")


def test_the_demo_scores_everything_and_says_what_became_of_each_campaign(demo):
    folder, done = demo
    assert done.exit_code == 0, done.output
    text = (folder / "labels.ndjson").read_bytes()
    kinds = {label["kind"] for label in msgspec.json.Decoder().decode_lines(text)}
    for kind in kinds:
        assert kind.replace("_", " ") in done.output
    assert "quarantined 0" in done.output
    assert f"of {len(kinds)}" in done.output
    assert len([line for line in done.output.splitlines() if line.startswith(("  found", "  missed"))]) == 4


def test_the_demo_keeps_what_it_wrote_and_names_it(demo):
    folder, done = demo
    assert str(folder) in done.output
    assert (folder / "state").is_dir()
    assert len(pd.read_parquet(folder / "scored" / "entity_days.parquet")) > 50


def test_the_command_that_the_demo_suggests_works(demo):
    _, done = demo
    suggested = next(line for line in done.output.splitlines() if "habitus baseline show" in line)
    shown = call(*suggested.split()[1:])
    assert shown.exit_code == 0, shown.output
    assert "user." in shown.output


def test_the_demo_refuses_a_folder_with_something_in_it(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    done = call("demo", "--score", *SMALL, "--out", str(tmp_path))
    assert isinstance(done.exception, InputError)
    assert "not empty" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_simulate_writes_its_files_and_leaves_others_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    done = call("simulate", "--out", str(tmp_path), "--users", "8", "--days", "8", "--start", "2027-03-01")
    assert done.exit_code == 0, done.output
    names = {path.name for path in tmp_path.iterdir()} - {"mine.txt"}
    assert names == {"delivery.json", "directory.csv", "events.ndjson", "labels.ndjson", "oddities.ndjson"}
    assert (tmp_path / "mine.txt").read_text() == "precious"
    with (tmp_path / "events.ndjson").open("rb") as lines:
        first = msgspec.json.decode(next(lines))
    assert first["time"] // 86_400_000 == pd.Timestamp("2027-03-01").value // 86_400_000_000_000
    assert "events" in done.output


@pytest.mark.parametrize("wrong", [("--start", "tomorrow"), ("--users", "many")])
def test_simulate_calls_a_wrong_option_bad_usage(tmp_path, wrong):
    assert call("simulate", "--out", str(tmp_path), *wrong).exit_code == 2


def test_simulate_refuses_a_size_out_of_range(tmp_path):
    done = call("simulate", "--out", str(tmp_path), "--users", "1")
    assert isinstance(done.exception, InputError)
    assert "--users 1" in str(done.exception)
    assert not list(tmp_path.iterdir())


def frame(*rows):
    columns = ["entity_kind", "entity", "day", "risk", "alert"]
    return pd.DataFrame([dict(zip(columns, row, strict=True)) for row in rows], columns=columns)


def label(campaign, entity, day="2026-02-20", kind="user"):
    return Label(campaign, "insider_copying", day, kind, entity, "", "", ["u"])


def test_a_campaign_is_found_when_any_of_its_entity_days_alerts():
    days = frame(
        ("user", "ann", "2026-02-19", 50.0, False),
        ("user", "ann", "2026-02-20", 40.0, True),
        ("user", "bob", "2026-02-20", 90.0, True),
    )
    (found,) = outcomes(days, [label("c01", "ann", "2026-02-19"), label("c01", "ann")])
    assert found.alert
    assert (found.day, found.place) == ("2026-02-20", 2)


def test_a_missed_campaign_is_shown_with_its_best_place():
    days = frame(
        ("user", "ann", "2026-02-20", 10.0, False),
        ("host", "ws-1", "2026-02-20", 20.0, False),
        ("user", "bob", "2026-02-20", 90.0, True),
        ("user", "eve", "2026-02-20", 0.0, False),
    )
    labels = [
        label("c01", "ann"),
        label("c01", "ws-1", kind="host"),
        label("c02", "eve"),
        label("c03", "zoe"),
    ]
    found = {outcome.campaign: outcome for outcome in outcomes(days, labels)}
    assert (found["c01"].entity, found["c01"].place) == ("ws-1", 2)
    assert not any(outcome.alert for outcome in found.values())
    assert found["c02"].place == found["c03"].place == 0
