"""The detection benchmark runs as a command, keeps its results, and writes its page."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from benchmarks import bench_detection
from benchmarks.ablations import Variant
from training.pedb.outcome import Outcome
from training.pedb.vectors import DayMatrix, numbered

ARGUMENTS = ["--users", "8", "--days", "9", "--warm-up", "2", "--seeds", "11", "--only", "habitus,rankings"]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("detection")


@pytest.fixture(scope="module")
def methods(work):
    return bench_detection.main([*ARGUMENTS, "--work", str(work / "work"), "--docs", str(work / "docs")])


def test_the_page_has_every_method_and_its_pictures(work, methods):
    text = (work / "docs" / "detection.md").read_text()
    assert {"habitus", "perfect ranking"} <= methods.keys()
    for name in methods:
        assert f"| {name} |" in text
    for picture in ("recall", "calibration", "scenarios"):
        assert f"images/detection-{picture}.svg" in text
        assert (work / "docs" / "images" / f"detection-{picture}.svg").is_file()
    assert json.loads((work / "work" / "detection.json").read_text())["methods"][0]["method"] == "habitus"


def test_a_second_run_uses_what_the_first_has_kept(work, methods, monkeypatch):
    monkeypatch.setattr(bench_detection.evaluation, "score", None)  # a replay would fail
    again = bench_detection.main([*ARGUMENTS, "--work", str(work / "work")])
    assert again == methods


def test_a_variant_is_scored_with_its_settings_and_keeps_its_own_results(work, methods, monkeypatch):
    asked = []
    real = bench_detection.evaluation.score

    def score(dataset, protocol, settings):
        asked.append(settings)
        return real(dataset, protocol, {"ranker": settings["ranker"]})

    variants = [Variant("without x", lambda: {"x": False}), Variant("added: y", lambda: {"y": True})]
    monkeypatch.setattr(bench_detection.evaluation, "score", score)
    monkeypatch.setattr(bench_detection, "VARIANTS", tuple(variants))
    wanted = ["--only", "habitus,ablations", "--variants", "without"]
    found = bench_detection.main([*ARGUMENTS, *wanted, "--work", str(work / "work")])
    assert [one | {"ranker": None} for one in asked] == [{"x": False, "ranker": None}]
    (theirs,) = found["without x"]
    assert dataclasses_equal(theirs, methods["habitus"][0])


def test_every_variant_is_a_detector_of_its_own():
    from benchmarks.ablations import VARIANTS
    from models.detector import Detector

    names = [variant.name for variant in VARIANTS]
    assert len(set(names)) == len(names)
    said = [f"{variant.settings()} {variant.directory}" for variant in VARIANTS]
    # results are kept by what the settings say: the same in every process, different for every variant
    assert len(set(said)) == len(said)
    assert said == [f"{variant.settings()} {variant.directory}" for variant in VARIANTS]
    for variant in VARIANTS:
        Detector(key_seed=1, **variant.settings())


def test_a_variant_that_is_told_no_directory_is_another_one(tmp_path):
    from training.pedb.held_out import HeldOut
    from training.pedb.protocol import Protocol

    none = HeldOut(frozenset(), frozenset())
    job = bench_detection.Job(1, 8, 9, tmp_path, Protocol(), none, ("habitus",))
    told, untold = Variant("a", dict), Variant("b", dict, directory=False)
    assert bench_detection.variant_key(job, told) != bench_detection.variant_key(job, untold)
    assert bench_detection.variant_key(job, told) == bench_detection.variant_key(job, bench_detection.PLAIN)


def dataclasses_equal(left: Outcome, right: Outcome) -> bool:
    """But for the name."""
    return (left.hits, left.campaigns, left.rates) == (right.hits, right.campaigns, right.rates)


def test_results_of_another_key_are_not_used(tmp_path, methods):
    results = bench_detection.Results(tmp_path)
    (outcome,) = methods["habitus"]
    results.put(outcome, "key", 1.0)
    assert results.get("habitus", "key") == outcome
    assert results.get("habitus", "other") is None
    assert results.get("somebody", "key") is None


def test_keys_follow_the_rules_and_what_is_held_out(tmp_path):
    from training.pedb.held_out import HeldOut
    from training.pedb.protocol import Protocol

    none = HeldOut(frozenset(), frozenset())
    job = bench_detection.Job(1, 8, 9, tmp_path, Protocol(), none, ("habitus",))
    other_rules = dataclasses.replace(job, protocol=Protocol(warm_up_days=3))
    other_seed = dataclasses.replace(job, seed=2)
    assert bench_detection.judging_key(job) != bench_detection.judging_key(other_rules)
    assert bench_detection.detector_key(job) != bench_detection.detector_key(other_seed)
    assert bench_detection.detector_key(job) == bench_detection.detector_key(other_rules)


def matrix(counts):
    n = len(counts)
    kind, name = np.array(["user"] * n, object), np.array([f"u{i}" for i in range(n)], object)
    day = np.zeros(n, np.int64)
    evidence = np.array(counts, np.float32)
    return DayMatrix(kind, name, numbered(kind, name), day, day, evidence, evidence, ("a", "b"), ("a", "b"))


def test_the_peers_key_changes_with_any_count():
    first, other = matrix([[1, 2], [3, 4]]), matrix([[1, 2], [3, 5]])
    assert bench_detection.vectors_key(first) == bench_detection.vectors_key(matrix([[1, 2], [3, 4]]))
    assert bench_detection.vectors_key(first) != bench_detection.vectors_key(other)


def test_the_best_peer_is_the_one_with_the_highest_mean_recall():
    from training.pedb.outcome import CampaignFact, Hit
    from training.pedb.protocol import Protocol

    def outcomes(name, places):
        fact = CampaignFact("c", "k", "", False, False)
        return [
            Outcome(name, seed, 8, [fact], [Hit(0, True, place, 500, 0, 0, 1.0)], [], 1, [])
            for seed, place in enumerate(places)
        ]

    methods = {"a": outcomes("a", [1, 99]), "b": outcomes("b", [9, 10]), "c": outcomes("c", [50, 50])}
    assert bench_detection.best_peer(methods, ["a", "b", "c"], Protocol()) == "b"
    assert bench_detection.best_peer(methods, [], Protocol()) is None
