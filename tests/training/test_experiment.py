"""A run file makes a model: the same one every time, and the one that `habitus score` would have come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from features.errors import InputError
from serving import directory, replay
from tests.training.conftest import RUN
from training import bundle, drift, experiment, fit, runfile
from training.manifest import CARD, CARD_PAGE, MANIFEST, REFERENCE
from training.manifest import RUN as RUN_FILE

if TYPE_CHECKING:
    from tests.training.conftest import Office

KEY = ["entity_kind", "entity", "day"]


@pytest.fixture(scope="module")
def made(office: Office, tmp_path_factory) -> experiment.Experiment:
    folder = tmp_path_factory.mktemp("made") / "office"
    return experiment.conduct(office.run, RUN, office.history(None, labels=True), folder)


def test_training_says_the_same_of_every_entity_day_as_scoring_the_files(office, made):
    detector = fit.new_detector(office.run)
    reader = detector.reader()
    logs, _ = replay.choose_sources(reader, [str(office.folder / "events.ndjson")])
    directory.apply(directory.read(office.folder / "directory.csv"), detector)
    days, _ = replay.replay(detector, reader, logs)
    both = days.merge(made.replayed.days, on=KEY, how="outer", suffixes=("", "_trained"), indicator=True)
    assert (both["_merge"] == "both").all()
    assert (both["alert"] == both["alert_trained"]).all()
    assert (both["n_events"] == both["n_events_trained"]).all()
    # ids are given in another order, so sums of groups are rounded in another order
    np.testing.assert_allclose(both["risk"], both["risk_trained"], atol=1e-4)


def test_the_same_run_gives_the_same_bundle_bit_for_bit(office, made, tmp_path):
    again = experiment.conduct(office.run, RUN, office.history(None, labels=True), tmp_path / "again")
    assert again.bundle.digest == made.bundle.digest
    for path in (*made.bundle.manifest.files, MANIFEST):
        assert (again.bundle.folder / path).read_bytes() == (made.bundle.folder / path).read_bytes(), path


def test_a_bundle_says_what_it_was_made_from(office, made):
    manifest = made.bundle.manifest
    assert manifest.events == len(office.lake)
    assert manifest.trained_from == fit.moment(office.lake.span_us[0])
    assert fit.microseconds(manifest.trained_until) == office.lake.span_us[1]
    assert [fact.name for fact in manifest.data] == ["events.ndjson"]
    assert bundle.read_document(made.bundle, RUN_FILE) == RUN
    assert runfile.parsed(bundle.read_document(made.bundle, RUN_FILE)) == office.run


def test_with_labels_a_model_is_judged_by_the_campaigns_it_found(made):
    metrics = made.judgement.metrics
    assert metrics["campaigns"] >= 1
    assert 0 <= metrics["recall@3"] <= metrics["recall@20"] <= 1
    assert {"pictures/recall-against-budget.svg", "pictures/scenarios.svg"} < set(made.bundle.manifest.files)


def test_without_labels_a_model_is_judged_by_its_stability(office, tmp_path):
    run = msgspec.structs.replace(
        office.run, evaluation=msgspec.structs.replace(office.run.evaluation, second_seed=True)
    )
    found = experiment.conduct(run, RUN, office.history(), tmp_path / "unlabelled")
    assert found.judgement.summary is None
    metrics = found.bundle.manifest.metrics
    assert "recall@10" not in metrics
    assert 0 < metrics["seed_overlap"] <= 1
    assert metrics["effective_causes"] > 1
    assert "no labels" in bundle.read_document(found.bundle, CARD).decode()


def test_the_card_and_the_reference_are_in_the_bundle(made):
    card = bundle.read_document(made.bundle, CARD).decode()
    assert "# Model card: office" in card
    assert made.bundle.manifest.data[0].sha256 in card
    assert "living" in card or "recall" in card
    page = bundle.read_document(made.bundle, CARD_PAGE).decode()
    assert "<script" not in page
    reference = drift.decoded(bundle.read_document(made.bundle, REFERENCE), "here")
    assert reference.newest_day > 20_000


def test_a_run_with_channels_off_hears_nothing_of_them(office, tmp_path):
    run = msgspec.structs.replace(
        office.run, detector=msgspec.structs.replace(office.run.detector, off=["volume", "habit"])
    )
    found = experiment.conduct(run, RUN, office.history(), tmp_path / "deaf")
    assert found.bundle.manifest.off == ["habit", "volume"]
    assert "volume is turned off in this model" in bundle.read_document(found.bundle, CARD).decode()


def test_closed_days_do_not_stay_in_memory(office):
    detector, _ = fit.fit(office.run, office.history().lake)
    assert len(np.unique(detector.days.table().day)) <= 1


def test_an_empty_history_is_refused(office):
    with pytest.raises(InputError, match="no event between"):
        fit.fit(office.run, office.lake.between(0, 1))


def test_what_was_chosen_is_listed_flat_for_the_tracking_server(office):
    found = experiment.parameters(office.run)
    assert found["detector.half_life_days"] == 30.0
    assert found["name"] == "office"
    assert all(not isinstance(value, dict) or name == "ranker.weights" for name, value in found.items())


@pytest.mark.parametrize("text", ["", "yesterday", "2026-03-01T00:00:00"])
def test_a_time_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="no time in UTC"):
        fit.microseconds(text)
