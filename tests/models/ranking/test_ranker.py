from typing import NamedTuple

import numpy as np
import pytest

from features.errors import InputError
from models.days import DayTable
from models.ranking.ensemble import features
from models.ranking.ranker import Ranker
from models.ranking.sample import EventSample
from models.ranking.settings import (
    BATCH_MEMBERS,
    BOOSTING,
    COMBINER,
    EXCESS,
    HALF_SPACE_TREES,
    LOGISTIC,
    MEMBERS,
    RankerSettings,
)
from models.ranking.training import logit
from tests.days_world import DAY0, World, joined_batches, take

DAYS = 18
SETTINGS = RankerSettings(distorted_rows=600, reference_rows=3_000, seed=3)


class Told(NamedTuple):
    """A history, and the day after it with three intrusions; `what_if` scores against what was learned."""

    days: list[DayTable]
    sample: EventSample
    today: DayTable
    victims: list[int]
    world: World


@pytest.fixture(scope="module")
def told():
    world, sample, days = World(11), EventSample(seed=1), []
    for day in range(DAY0, DAY0 + DAYS):
        batch = world.day(day)
        days.append(world.table(batch))
        world.learn(batch)
        sample.add(batch)
    victims = [2, 17, 30]
    batch = joined_batches(
        [world.day(DAY0 + DAYS), *(world.intrusion(who, DAY0 + DAYS, 6) for who in victims)]
    )
    return Told(
        days,
        sample,
        world.table(batch.take(np.argsort(batch.time_us, kind="stable"))),
        [who + 1 for who in victims],
        world,
    )


def taught(told, settings=SETTINGS, order=None):
    ranker = Ranker(settings)
    for days in told.days:
        ranker.learn_day(days if order is None else take(days, order.permutation(len(days.day))))
    report = ranker.refit(told.sample, told.world.what_if)
    return ranker, report


@pytest.fixture(scope="module")
def fitted(told):
    return taught(told)


@pytest.fixture(scope="module")
def ranker(fitted):
    return fitted[0]


def contents(ranker):
    arrays, state = ranker.export()
    return {name: array.tobytes() for name, array in arrays.items()} | {"state": repr(state)}


def places(risk, told):
    """How many users stand above each victim."""
    users = told.today.kind == 0
    at = [int(np.flatnonzero(users & (told.today.entity == who))[0]) for who in told.victims]
    return [int((risk[users] > risk[row]).sum()) for row in at]


def test_planted_strange_days_rank_high(ranker, told):
    assert max(places(ranker.score(told.today).risk, told)) <= 4


@pytest.mark.parametrize("form", [BOOSTING, LOGISTIC])
def test_the_combiner_tells_distorted_days_from_real_ones(fitted, told, form):
    ranker, report = fitted
    if form == LOGISTIC:
        ranker, report = taught(told, RankerSettings(distorted_rows=600, combiner=LOGISTIC))
    assert report.distorted == 600
    assert report.separation["graft"] > 0.9
    assert max(places(ranker.score(told.today).members[COMBINER], told)) <= 6


def test_risk_is_in_nats_of_past_days(ranker, told):
    again = np.concatenate([ranker.score(days).risk for days in told.days[-6:]])
    assert (again >= 0).all()
    assert np.isfinite(again).all()
    # one day in ten should have a risk of ln 10 or more; these days were fitted, so rather fewer
    assert 0.02 < (again > np.log(10)).mean() < 0.16


def test_scoring_changes_nothing_and_repeats_itself(ranker, told):
    before = contents(ranker)
    one, two = ranker.score(told.today), ranker.score(told.today)
    assert contents(ranker) == before
    assert one.risk.tobytes() == two.risk.tobytes()


def test_rows_may_come_in_any_order_and_in_parts(ranker, told):
    whole = ranker.score(told.today).risk
    order = np.random.default_rng(0).permutation(len(whole))
    np.testing.assert_allclose(ranker.score(take(told.today, order)).risk, whole[order], rtol=1e-9)
    parts = [ranker.score(take(told.today, np.array([row]))).risk[0] for row in order[:10]]
    np.testing.assert_allclose(parts, whole[order[:10]], rtol=1e-9)


def test_the_same_history_in_another_order_of_rows_is_the_same_ranker(ranker, told):
    assert contents(taught(told, order=np.random.default_rng(5))[0]) == contents(ranker)


def test_a_restored_ranker_goes_on_like_the_original(ranker, told):
    one, two = (Ranker.restored(*ranker.export()) for _ in range(2))
    assert contents(one) == contents(ranker)
    assert one.score(told.today).risk.tobytes() == ranker.score(told.today).risk.tobytes()
    for each in (one, two):
        each.learn_day(told.today)
        each.refit(told.sample, told.world.what_if)
    assert contents(one) == contents(two)


def test_more_evidence_never_looks_more_real_to_the_combiner(ranker, told):
    rng = np.random.default_rng(1)
    days = told.today
    nats = {name: rng.exponential(1.0, len(days.day)) for name in (*BATCH_MEMBERS, HALF_SPACE_TREES)}
    z = ranker._profiles.z(days)
    more = days._replace(
        evidence=days.evidence + rng.exponential(3.0, days.evidence.shape).astype(np.float32)
    )
    before = logit(ranker._combiners, features(days, z, nats)[0])
    after = logit(ranker._combiners, features(more, z, nats)[0])
    assert (after >= before).all()


def test_without_history_risk_is_that_of_the_excess_sum(told):
    ranker = Ranker(SETTINGS)
    risk = ranker.score(told.today).risk
    total = told.today.evidence.sum(1)
    assert (np.diff(risk[np.argsort(total, kind="stable")]) >= -1e-12).all()
    assert risk[total == 0].max(initial=0.0) == 0.0


def test_trust_in_the_ensemble_grows_without_a_jump(told):
    ranker, jumps = Ranker(RankerSettings(members=(EXCESS, "histogram"))), []
    for days in told.days:
        ranker.learn_day(days)
        ranker.refit()
        jumps.append(ranker._trust[0])
    assert jumps[4] == 0.0
    assert jumps[-1] == 1.0
    assert max(np.diff(jumps)) < 0.35


def test_without_events_to_distort_the_other_members_rank(told):
    ranker = Ranker(SETTINGS)
    for days in told.days:
        ranker.learn_day(days)
    report = ranker.refit()
    assert report.distorted == 0
    scores = ranker.score(told.today)
    assert scores.members[COMBINER].max() == 0.0
    assert max(places(scores.risk, told)) <= 8


def test_scores_that_are_handed_on_are_those_it_would_work_out(told):
    alone, told_before = (Ranker(RankerSettings(members=(EXCESS, "histogram"))) for _ in range(2))
    for days in told.days:
        alone.learn_day(days)
        told_before.learn_day(days, told_before.score(days))
        for ranker in (alone, told_before):
            ranker.refit()
    (arrays, settings), (others, same) = alone.export(), told_before.export()
    assert settings == same
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name])


@pytest.mark.slow
@pytest.mark.parametrize("left_out", MEMBERS)
def test_every_member_can_be_left_out(told, left_out):
    settings = RankerSettings(
        members=tuple(name for name in MEMBERS if name != left_out), distorted_rows=100, reference_rows=600
    )
    ranker, _ = taught(told, settings)
    scores = ranker.score(told.today)
    assert set(scores.members) == set(settings.members)
    assert np.ptp(scores.risk) > 0


def test_a_fit_is_due_at_first_then_after_some_days_or_a_drift(told):
    ranker = Ranker(RankerSettings(members=(EXCESS,), refit_days=3))
    assert not ranker.due
    ranker.learn_day(told.days[0])
    assert ranker.due
    ranker.refit()
    assert not ranker.due
    ranker.learn_day(told.days[1])
    assert not ranker.due
    ranker.learn_day(told.days[3])
    assert ranker.due
    ranker.refit()
    ranker._drifted.add("risk")
    assert not ranker.due, "three days lie between fits even then"
    weekly = Ranker(RankerSettings(members=(EXCESS,), refit_days=7))
    weekly.learn_day(told.days[0])
    weekly.refit()
    weekly.learn_day(told.days[4])
    assert not weekly.due
    weekly._drifted.add("risk")
    assert weekly.due
    ranker._drifted.add("risk")
    assert ranker.refit().drifted == ("risk",)


def test_the_history_is_bounded_in_days_and_rows(told):
    settings = RankerSettings(members=(EXCESS,), history_days=7, history_rows=200)
    ranker = Ranker(settings)
    for days in told.days:
        ranker.learn_day(days)
    kept = ranker._history.past.days.day
    assert len(ranker) == 200
    assert kept.min() == DAY0 + DAYS - 7
    counts = np.unique(kept, return_counts=True)[1]
    assert counts.min() > 10


def test_renumbering_entities_changes_no_risk(ranker, told):
    moved = Ranker.restored(*ranker.export())
    ids = np.arange(3_000) * 2
    before = ranker.score(told.today).risk
    moved.renumber(ids)
    after = moved.score(told.today._replace(entity=ids[told.today.entity].astype(np.int32))).risk
    np.testing.assert_allclose(after, before, rtol=1e-9)


def test_a_table_with_other_columns_is_refused_with_advice(ranker, told):
    with pytest.raises(InputError, match="replay"):
        ranker.score(told.today._replace(counts=told.today.counts[:, 1:]))


def test_an_empty_table_has_no_risks(ranker, told):
    assert len(ranker.score(take(told.today, np.zeros(0, np.int64))).risk) == 0
    Ranker(SETTINGS).learn_day(take(told.today, np.zeros(0, np.int64)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"members": ("nobody",)},
        {"members": ()},
        {"distortions": ("nothing",)},
        {"weights": (("nobody", 1.0),)},
        {"weights": ((EXCESS, -1.0),)},
        {"combiner": "magic"},
        {"refit_days": 8},
        {"history_days": 1},
        {"tail_half_life_days": 0.0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(InputError, match="ranker"):
        RankerSettings(**wrong)
