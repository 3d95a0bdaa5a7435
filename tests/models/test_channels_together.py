"""All channels at once, in a detector: cut, saved, late, hostile, crowded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.enrich import GeoDatabase
from features.windows import LATE
from models.calibration import THRESHOLD_NATS
from models.channels import KINDS
from models.detector import Detector
from models.engine import concatenated_scores
from models.ranking.ranker import Ranker
from models.ranking.settings import EXCESS, RankerSettings
from tests.activities import START_DAY, at, batch_of, event
from tests.batches import assert_identical, habits, pieces
from tests.offices import DAYS, detector, digest, office

if TYPE_CHECKING:
    from features.columns import Batch


def scored(one: Detector, everything: Batch, sizes: list[int]):
    return concatenated_scores(
        [one.score_learn(everything.take(cut)) for cut in pieces(len(everything.time_us), sizes)]
    )


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The office in one batch: scores, state, and the risk of every entity-day."""
    one = detector()
    scores = one.score_learn(batch_of(one.baselines, office()))
    return scores, digest(one, tmp_path_factory.mktemp("whole")), one.entity_days("acme"), one


def test_every_kind_of_evidence_that_was_planted_is_there(reference):
    scores, _, _, one = reference
    found = {one.channels.all[channel].name for channel in scores.details.behaviour[scores.details.gain > 0]}
    assert {"user.failures/hour", "src_ip.failures/5m", "user.travel", "host.regular"} <= found
    assert any(one.channels.all[number].kind == 0 for number in scores.details.behaviour)
    assert (scores.details.nats[scores.details.gain > 0] > THRESHOLD_NATS).all()


@settings(max_examples=4)
@given(sizes=st.lists(st.integers(1, 400), min_size=1, max_size=6).filter(lambda sizes: sum(sizes) > 60))
def test_any_cutting_of_one_order_gives_the_same_scores_findings_and_state(
    reference, tmp_path_factory, sizes
):
    scores, state, frame, _ = reference
    one = detector()
    assert_identical(scored(one, batch_of(one.baselines, office()), sizes), scores)
    assert one.entity_days("acme").equals(frame)
    assert digest(one, tmp_path_factory.mktemp("cut")) == state


@pytest.mark.parametrize("share", [0.35, 0.97])
def test_a_detector_saved_in_the_middle_of_a_day_goes_on_as_if_nothing_had_happened(
    reference, tmp_path, share
):
    scores, state, frame, _ = reference
    one = detector()
    everything = batch_of(one.baselines, office())
    cut = int(share * len(everything.time_us))
    first = one.score_learn(everything.take(slice(0, cut)))
    one.save(tmp_path / "middle")
    other = Detector.load(tmp_path / "middle", geo=GeoDatabase())
    rest = other.score_learn(everything.take(slice(cut, None)))
    assert_identical(concatenated_scores([first, rest]), scores)
    today = frame["day"].max()
    after = other.entity_days("acme")
    assert after[after["day"] == today].reset_index(drop=True).equals(frame[frame["day"] == today])
    assert digest(other, tmp_path / "after") == state


def test_events_of_a_closed_day_are_late_for_counts_and_learned_as_habits():
    one = detector()
    one.score_learn(batch_of(one.baselines, office()))
    before = one.activity.counts_so_far()
    late = [event(at(1, 12 + i / 100), user="user-1", host="ws-late", src_ip="10.0.0.1") for i in range(20)]
    scores = one.score_learn(batch_of(one.baselines, late))
    assert one.activity.open.meta[LATE] == 20
    assert one.activity.today == START_DAY + DAYS - 1
    assert one.activity.counts_so_far().counts.tobytes() == before.counts.tobytes()
    kinds = {KINDS[one.channels.all[number].kind] for number in scores.details.behaviour}
    assert kinds <= {"habit", "link", "travel"}
    learned = habits(one.baselines, at(DAYS, 0))
    assert ("entity", "host", "ws-late", "host.user", "user-1") in learned.index
    frame = one.entity_days("acme").set_index(["entity", "day"])
    of_day_1 = frame.loc["user-1"].sort_index()["n_events"].tolist()[1]
    assert of_day_1 >= 20, "the frame counts them in their own day"


def test_house_keeping_in_the_middle_of_a_day_keeps_the_day():
    one = detector()
    one.score_learn(batch_of(one.baselines, office()))
    counts, frame = one.activity.counts_so_far().counts.copy(), one.entity_days("acme")
    one.baselines.entities.limit = one.baselines.entities.count
    assert one.keep_house()
    assert one.activity.counts_so_far().counts.tobytes() == counts.tobytes()
    assert one.entity_days("acme").equals(frame)
    scores = one.score_learn(batch_of(one.baselines, office(seed=3, days=2, first_day=DAYS)))
    assert np.isfinite(scores.evidence).all()


def test_house_keeping_makes_room_again_and_again():
    one = detector()
    for day in range(4):
        crowd = [event(at(day, i / 20), user=f"u{day}-{i}", host=f"h{day}-{i}") for i in range(300)]
        one.score_learn(batch_of(one.baselines, crowd))
    # on the day they came in their ids are needed, and whoever has a history is not pushed out for them
    known = [event(at(4, i / 20), user=f"u3-{i}", host=f"h3-{i}") for i in range(60)]
    one.score_learn(batch_of(one.baselines, known))
    one.books.days = type(one.days)(one.baselines, one.channels)  # a new run: what was written out is let go
    one.ranker = Ranker(RankerSettings(members=(EXCESS,)))
    one.books.sample = type(one.books.sample)()
    one.baselines.entities.limit = one.baselines.entities.count
    assert one.keep_house()
    assert one.baselines.entities.count < 0.95 * one.baselines.entities.limit
    assert not one.keep_house()


@pytest.mark.parametrize("day", [-START_DAY, 43_800 - START_DAY, 47_481 - START_DAY])
def test_clocks_that_are_decades_off_and_petabytes_give_numbers(day):
    one = detector()
    one.score_learn(batch_of(one.baselines, office(days=3)))
    strange = [
        event(
            at(day, hours),
            "traffic",
            user="user-1",
            host="ws-1",
            domain="d",
            dst="d",
            sent=1 << 53,
            src_country="US",
        )
        for hours in (0.0, 0.1, 23.9)
    ]
    scores = [one.score_learn(batch_of(one.baselines, strange))]
    scores.append(one.score_learn(batch_of(one.baselines, office(seed=2, days=2, first_day=3))))
    for part in scores:
        for array in (part.evidence, part.p_value, part.details.nats, part.details.gain, part.details.counts):
            assert np.isfinite(array).all()
    frame = one.entity_days("acme")
    assert np.isfinite(frame["risk"]).all()
    assert (
        frame["reasons"]
        .map(lambda reasons: all("nan" not in text and "inf " not in text for text in reasons))
        .all()
    )


@pytest.mark.parametrize("kind", ["volume", "travel", "regular"])
def test_a_kind_that_is_off_adds_nothing_and_leaves_the_others(reference, kind):
    scores, _, _, _ = reference
    one = detector(off=frozenset({kind}))
    without = one.score_learn(batch_of(one.baselines, office()))
    silent = np.array([KINDS[one.channels.all[number].kind] == kind for number in without.details.behaviour])
    assert not without.details.gain[silent].any()
    same = ~silent
    assert (scores.details.gain[silent] > 0).any()
    assert without.details.gain[same].tobytes() == scores.details.gain[same].tobytes()
