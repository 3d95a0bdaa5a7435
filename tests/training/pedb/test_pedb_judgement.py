"""PED-B counts what it says it counts: slots, places, ties, campaigns, hours, rates, what is withheld."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from features.errors import InputError
from training.metrics import recall_at_fpr
from training.pedb import metrics
from training.pedb.outcome import judge
from training.pedb.protocol import Protocol
from training.pedb.ranking import perfect, ranking_of
from training.pedb.truth import DAY_MS, Label, Oddity, day_number, drift_days, truth_of

FIRST = day_number("2026-03-02")
PROTOCOL = Protocol(per_entities=100)


def label(campaign, entity, day=0, *, kind="ransomware", entity_kind="user", at="12:00:00", difficulty=""):
    text = str(pd.Timestamp((FIRST + day) * DAY_MS, unit="ms").date())
    return Label(campaign, kind, text, entity_kind, entity, f"{text}T{at}Z", f"{text}T23:00:00Z", difficulty)


def frame(scores, **more):
    """scores: {(entity, day): score}; all are users."""
    keys = list(scores)
    return pd.DataFrame(
        {
            "entity_kind": "user",
            "entity": [name for name, _ in keys],
            "day": [pd.Timestamp((FIRST + day) * DAY_MS, unit="ms").date() for _, day in keys],
            "score": list(scores.values()),
            **more,
        }
    )


def judged(scores, labels, last=0, protocol=PROTOCOL, withheld=(), drift=(), **more):
    return judge(
        "m",
        ranking_of(frame(scores, **more)),
        truth_of(labels, withheld),
        protocol,
        first_day=FIRST,
        last_day=FIRST + last,
        drift={FIRST + day for day in drift},
    )


def value(metric, outcome, **arguments):
    return metric(outcome, np.ones((1, len(outcome.campaigns))), **arguments)[0]


def recall(outcome, budget, protocol=PROTOCOL):
    return value(metrics.campaign_recall, outcome, budget=budget, protocol=protocol)


@pytest.mark.parametrize(
    ("budget", "entities", "slots"),
    [
        (10, 500, 10),
        (10, 525, 11),
        (10, 524, 10),
        (3, 50, 1),
        (20, 60, 2),
        (10, 1000, 20),
        (5, 0, 1),
        (900, 7, 7),
    ],
)
def test_slots_are_rounded_half_up_and_are_at_least_one_and_at_most_everybody(budget, entities, slots):
    assert Protocol().slots(budget, entities) == slots


def test_a_campaign_is_found_when_any_of_its_entity_days_is_shown():
    scores = {(f"u{i}", day): float(i) for i in range(100) for day in range(2)}
    labels = [label("a", "u10"), label("a", "u99", 1), label("b", "u95"), label("c", "u0")]
    outcome = judged(scores, labels, last=1)
    assert recall(outcome, 1) == pytest.approx(1 / 3)
    assert recall(outcome, 5) == pytest.approx(2 / 3)
    assert value(metrics.precision, outcome, budget=5, protocol=PROTOCOL) == pytest.approx(2 / 10)


def test_equal_scores_are_broken_against_the_method():
    scores = {(f"u{i}", 0): 1.0 for i in range(100)}
    outcome = judged(scores, [label("a", "u0"), label("b", "u1")])
    assert recall(outcome, 20) == 0
    assert recall(outcome, 99) == 0.5
    assert recall(outcome, 100) == 1
    assert value(metrics.average_precision, outcome) == pytest.approx((1 / 99 + 2 / 100) / 2)


def test_a_labelled_entity_day_without_a_score_counts_and_comes_last():
    outcome = judged({(f"u{i}", 0): 0.0 for i in range(99)}, [label("a", "nobody")])
    assert [(hit.place, hit.entities) for hit in outcome.hits] == [(100, 100)]


def test_labels_of_addresses_and_of_other_days_are_no_entity_days():
    labels = [label("a", "10.0.0.1", entity_kind="src_ip"), label("a", "u1"), label("b", "u2", 5)]
    outcome = judged({("u1", 0): 2.0, ("u2", 0): 1.0}, labels)
    assert [fact.name for fact in outcome.campaigns] == ["a"]
    assert len(outcome.hits) == 1


def test_a_judgement_without_any_campaign_is_refused():
    with pytest.raises(InputError, match="warm-up"):
        judged({("u1", 0): 2.0}, [label("a", "u1", 9)])


def test_withheld_kinds_are_neither_hits_nor_false_alerts():
    scores = {(f"u{i}", 0): float(i) for i in range(100)}
    labels = [label("a", "u98"), label("x", "u99", kind="secret"), label("x", "u98", kind="secret")]
    outcome = judged(scores, labels, withheld={"secret"})
    assert [fact.name for fact in outcome.campaigns] == ["a"]
    assert outcome.hits[0].place == 1
    assert outcome.unlabelled == 98


def test_an_entity_day_of_two_campaigns_finds_both_and_is_one_entity_day():
    scores = {(f"u{i}", 0): float(i) for i in range(100)}
    outcome = judged(scores, [label("a", "u99"), label("b", "u99")])
    assert recall(outcome, 1) == 1
    assert value(metrics.precision, outcome, budget=1, protocol=PROTOCOL) == 1
    assert value(metrics.average_precision, outcome) == 1
    assert outcome.unlabelled == 99


def test_time_to_detection_runs_from_the_campaigns_first_event_to_when_it_is_shown():
    scores = {(f"u{i}", day): float(i) for i in range(100) for day in range(3)}
    labels = [label("a", "u3", -2, at="06:00:00"), label("a", "u99", 1, at="05:00:00")]
    by_day = judged(scores, labels, last=2)
    assert metrics.detection_hours(by_day, budget=1, protocol=PROTOCOL).tolist() == [24 * 4 - 6]
    alerted = [pd.Timestamp("2026-03-03T09:30:00Z") if key == ("u99", 1) else pd.NaT for key in scores]
    live = judged(scores, labels, last=2, alerted_at=alerted)
    assert metrics.detection_hours(live, budget=1, protocol=PROTOCOL).tolist() == [24 * 3 - 6 + 9.5]
    early = [pd.Timestamp("2026-03-03T01:00:00Z") if key == ("u99", 1) else pd.NaT for key in scores]
    before = judged(scores, labels, last=2, alerted_at=early)
    assert metrics.detection_hours(before, budget=1, protocol=PROTOCOL).tolist() == [24 * 3 - 6 + 5]


def test_a_campaign_that_is_never_shown_is_never_detected():
    outcome = judged({("u1", 0): 2.0, ("u2", 0): 1.0}, [label("a", "u2")])
    assert metrics.detection_hours(outcome, budget=1, protocol=PROTOCOL).tolist() == [np.inf]


@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_entity_day_figures_agree_with_scikit_learn(seed, levels):
    rng = np.random.default_rng(seed)
    scores = {(f"u{i}", day): float(rng.integers(levels)) for i in range(20) for day in range(3)}
    labels = [label(f"c{i % 3}", f"u{i}", i % 3) for i in range(6)]
    outcome = judged(scores, labels, last=2)
    planted = {(row.entity, i % 3) for i, row in enumerate(labels)}
    truth = np.array([key in planted for key in scores])
    given_scores = np.array(list(scores.values()))
    assert value(metrics.roc_auc, outcome) == pytest.approx(roc_auc_score(truth, given_scores))
    nudged = given_scores - 1e-6 * truth  # ties against the method
    assert value(metrics.average_precision, outcome) == pytest.approx(
        np.mean([_precision_at(nudged, truth, row) for row in np.flatnonzero(truth)])
    )
    for rate in (0.02, 0.1, 0.5):
        assert value(metrics.recall_at_fpr, outcome, rate=rate) == pytest.approx(
            recall_at_fpr(truth.astype(int), given_scores, rate)
        )


def _precision_at(scores, truth, row):
    before = scores > scores[row]
    same = np.flatnonzero((scores == scores[row]) & truth)
    rank = int(np.searchsorted(same, row)) + 1
    return (truth[before].sum() + rank) / (before.sum() + rank)


def test_average_precision_without_ties_is_scikit_learns():
    rng = np.random.default_rng(5)
    scores = {(f"u{i}", 0): float(rng.random()) for i in range(60)}
    outcome = judged(scores, [label("a", "u3"), label("b", "u17"), label("c", "u40")])
    truth = np.isin(np.arange(60), (3, 17, 40))
    assert value(metrics.average_precision, outcome) == pytest.approx(
        average_precision_score(truth, np.array(list(scores.values())))
    )


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    scores = {(f"u{i}", day): float(rng.integers(5)) for i in range(20) for day in range(2)}
    labels = [label("a", "u1"), label("a", "u2", 1), label("b", "u9", difficulty="hard")]
    mixed = dict(np.array(list(scores.items()), object)[rng.permutation(len(scores))].tolist())
    assert judged(scores, labels, last=1) == judged(mixed, labels[::-1], last=1)


def test_who_knows_the_labels_finds_all_that_there_is_room_for():
    scores = {(f"u{i}", 0): 0.0 for i in range(100)}
    labels = [label(f"c{i // 3}", f"u{i}") for i in range(9)]
    ranking, truth = ranking_of(frame(scores)), truth_of(labels)
    outcome = judge("perfect", perfect(ranking, truth), truth, PROTOCOL, first_day=FIRST, last_day=FIRST)
    assert [recall(outcome, budget) for budget in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])
    assert value(metrics.average_precision, outcome) == 1
    assert value(metrics.roc_auc, outcome) == 1


def test_new_entities_and_days_after_a_change_are_marked():
    scores = {("old", day): 1.0 for day in range(-20, 3)} | {("young", day): 2.0 for day in range(3)}
    labels = [label("a", "old", 0), label("b", "young", 2), label("c", "young", 1)]
    outcome = judged(scores, labels, last=2, drift=(-2,))
    assert [(fact.cold, fact.after_drift) for fact in outcome.campaigns] == [
        (False, True),
        (True, False),
        (True, False),
    ]
    assert [day.after_drift for day in outcome.days] == [True, False, False]
    assert [day.new_entities for day in outcome.days] == [1, 1, 1]


def test_alert_rates_are_those_of_the_tail_probabilities_when_a_method_states_them():
    scores = {(f"u{i}", 0): float(i) for i in range(1000)}
    tail = [(1000 - i) / 1000 for i in range(1000)]
    outcome = judged(scores, [label("a", "u999")], tail=tail)
    counts = {row.nominal: (row.reported, row.unlabelled) for row in outcome.rates if not row.after_drift}
    assert counts[0.01] == (9, 999)
    assert counts[0.1] == (99, 999)


def test_alert_rates_of_other_methods_come_from_the_quantiles_of_their_own_past():
    rng = np.random.default_rng(1)
    scores = {(f"u{i}", day): rng.normal() for i in range(200) for day in range(20)}
    outcome = judged(scores, [label("a", "u1")], last=19)
    (counts,) = (row for row in outcome.rates if row.nominal == 0.1 and not row.after_drift)
    assert counts.unlabelled == 200 * 13
    assert counts.reported / counts.unlabelled == pytest.approx(0.1, abs=0.025)


def test_a_change_is_an_oddity_of_nobody_or_of_many_on_one_day():
    day = "2026-03-05"
    many = [Oddity("rollout", "user", f"u{i}", [day]) for i in range(10)]
    few = [Oddity("travel", "user", f"u{i}", ["2026-03-07"]) for i in range(9)]
    org = [Oddity("egress", "organisation", "", ["2026-03-09", "2026-03-10"])]
    assert drift_days(many + few + org, 100) == {day_number(day), day_number("2026-03-09")}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.drop(columns="day"), "'day'"),
        (lambda f: f.assign(score=[np.nan, 1.0]), "missing or infinite"),
        (lambda f: f.assign(entity="u1"), "two rows"),
    ],
)
def test_entity_days_that_cannot_be_judged_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        ranking_of(change(frame({("u1", 0): 1.0, ("u2", 0): 2.0})))


def test_addresses_are_not_ranked():
    given_frame = frame({("u1", 0): 1.0, ("10.0.0.1", 0): 2.0}).assign(entity_kind=["user", "src_ip"])
    assert ranking_of(given_frame).name.tolist() == ["u1"]


@pytest.mark.parametrize("wrong", [{"day": "yesterday"}, {"start": "noon"}])
def test_labels_with_broken_times_are_refused(wrong):
    values = {"campaign": "a", "kind": "k", "day": "2026-03-02", "entity_kind": "user", "entity": "u"} | wrong
    with pytest.raises(InputError, match="is not a"):
        truth_of([Label(**values)])
