"""Weights learned from verdicts are let in when they help for sure, and never when they lose attacks."""

from __future__ import annotations

import numpy as np
import pytest

from features.errors import StateError
from models.feedback.weights import BOUND, Weights
from tests.verdict_days import DAY_US, SHOWN, office
from training import reranker
from training.labels import Lesson
from training.reranker import BATCH, FITS, LEAST_JUDGED, ONLINE, Learner, fitted
from training.retraining import Queue, factors, moves, retrain


def found_above(queue: Queue, truth: list[bool], weights: Weights | None) -> int:
    """True attacks in the upper half of the days."""
    risk = np.array([lesson.risk for lesson in queue.lessons]) * factors(weights, queue.lessons)
    day = np.array([lesson.day for lesson in queue.lessons])
    count = 0
    for one in np.unique(day):
        rows = np.flatnonzero(day == one)
        count += sum(truth[row] for row in rows[np.argsort(-risk[rows])][: SHOWN // 2])
    return count


def test_causes_that_tell_attacks_from_false_alarms_get_weights_that_are_let_in() -> None:
    queue, _ = office(1)
    found = retrain(queue)
    assert found.decision.passed, found.decision.reasons
    assert found.weights is not None
    by_cause = found.weights.by_cause
    assert by_cause["cause 0"] > 1.0 > by_cause["cause 1"]
    assert found.metrics["precision_after"] > found.metrics["precision_before"]  # type: ignore[operator]
    assert any(line.startswith("cause 0 x") and "verdicts on it were true" in line for line in found.said)
    later, truth = office(2)
    assert found_above(later, truth, found.weights) > found_above(later, truth, None)


def test_a_tenth_of_wrong_verdicts_lets_nothing_in_that_loses_attacks() -> None:
    let_in = 0
    for seed in range(3):
        for telling in (True, False):
            queue, truth = office(10 + seed, flipped=0.1, telling=telling)
            found = retrain(queue)
            if found.decision.passed:
                let_in += 1
                later, later_truth = office(50 + seed, telling=telling)
                assert found_above(queue, truth, found.weights) >= found_above(queue, truth, None)
                assert found_above(later, later_truth, found.weights) >= found_above(later, later_truth, None)
    assert let_in > 0, "with this, nothing was ever put to the test"


def test_where_causes_tell_nothing_the_refusal_says_so() -> None:
    queue, _ = office(4, telling=False)
    found = retrain(queue)
    assert not found.decision.passed
    assert any("gains nothing that is sure" in why and "interval" in why for why in found.decision.reasons)


def test_verdicts_that_are_all_turned_round_are_judged_by_what_was_said_and_still_bounded() -> None:
    queue, _ = office(5, flipped=1.0)
    for fit in FITS:
        weights = fitted(queue.lessons, fit)
        assert all(1.0 / BOUND <= weight <= BOUND for weight in weights.by_cause.values())


def test_too_few_verdicts_are_a_refusal_with_numbers() -> None:
    queue, _ = office(6, days=1)
    found = retrain(queue)
    assert found.weights is None
    assert found.decision.reasons == [f"needs {LEAST_JUDGED} judged entity-days with evidence, has {SHOWN}"]
    queue, _ = office(6, rate=0.0, telling=False)
    assert retrain(queue).decision.reasons == ["needs 10 attacks among the verdicts, has 0"]


def test_nobody_has_judged_anything() -> None:
    found = retrain(Queue([], {}, {}))
    assert found.decision.reasons == [f"needs {LEAST_JUDGED} judged entity-days with evidence, has 0"]


def test_a_day_is_queued_with_what_was_known_before_it_only() -> None:
    """Verdicts that come after all days can change no day, whatever they say."""
    queue, _ = office(7)
    late = [lesson._replace(known_day=1_000) for lesson in queue.lessons]
    found = retrain(queue._replace(lessons=late))
    assert found.weights is None
    assert "no judged day is behind that many verdicts yet" in found.decision.reasons[0]


def test_a_confirmed_attack_that_was_raised_is_raised_still() -> None:
    queue, _ = office(8)
    # a quiet attack of the cause that is mostly false alarms, just above what was not raised
    quiet = Lesson("user", "quiet", 5, True, 6, 2.6, {"cause 1": 30.0}, 5 * DAY_US)
    held = retrain(queue._replace(lessons=[*queue.lessons, quiet], raised={**queue.raised, 5: SHOWN + 1}))
    free = retrain(queue)
    assert free.weights is not None
    assert held.weights is not None
    assert held.weights.by_cause["cause 1"] > free.weights.by_cause["cause 1"], "the weights gave way"


def test_the_same_verdicts_give_the_same_weights_and_other_fits_agree_about_what_matters() -> None:
    queue, _ = office(9)
    for fit in FITS:
        assert fitted(queue.lessons, fit).encoded() == fitted(queue.lessons, fit).encoded()
    online, batch = (fitted(queue.lessons, fit).by_cause for fit in (ONLINE, BATCH))
    for by_cause in (online, batch):
        assert max(by_cause, key=by_cause.__getitem__) == "cause 0"
        assert min(by_cause, key=by_cause.__getitem__) == "cause 1"


def test_without_verdicts_all_weights_are_one() -> None:
    for fit in FITS:
        learner = Learner(fit)
        assert learner.weights().by_cause == {}
        learner.learn(Lesson("user", "a", 1, None, 2, 5.0, {"cause 0": 3.0}))
        assert learner.weights().by_cause == {}, "nobody has judged it"


def test_a_typical_day_keeps_its_risk() -> None:
    queue, _ = office(11)
    for fit in FITS:
        weights = fitted(queue.lessons, fit)
        logs = np.log(factors(weights, queue.lessons))
        assert abs(logs.mean()) < 0.25
        assert np.ptp(logs) > 0.5


def test_what_moves_is_listed_with_both_places() -> None:
    queue, _ = office(12, days=10)
    moved = moves(queue, Weights(by_cause={"cause 0": 2.0, "cause 1": 0.5}))
    assert moved
    assert all(one.before != one.after for one in moved)
    steps = [abs(one.before - one.after) for one in moved]
    assert steps == sorted(steps, reverse=True)
    assert moves(queue, Weights(by_cause={})) == []


def test_weights_are_registered_as_a_bundle_that_is_checked(tmp_path) -> None:
    queue, _ = office(13)
    weights = fitted(queue.lessons, BATCH)
    bundle = reranker.write(
        tmp_path / "one", "acme.weights", weights, queue.lessons, {"gain": 0.1}, "# card\n"
    )
    assert reranker.holds_weights(bundle)
    assert reranker.load(bundle.folder, bundle.digest) == weights
    again = reranker.write(
        tmp_path / "two", "acme.weights", weights, queue.lessons, {"gain": 0.1}, "# card\n"
    )
    assert again.digest == bundle.digest
    settings = bundle.folder / "settings.json"
    settings.write_bytes(settings.read_bytes().replace(b"batch", b"other"))
    with pytest.raises(StateError, match="does not match its checksum"):
        reranker.load(bundle.folder, bundle.digest)


def test_a_detector_is_not_taken_for_weights_nor_weights_for_a_detector(tmp_path) -> None:
    from models.detector import Detector
    from training import bundle as bundles

    facts = bundles.Facts("acme", "", "", 0, (), {})
    model = bundles.write(tmp_path / "model", Detector(key_seed=0), facts, {})
    with pytest.raises(StateError, match="holds no weights"):
        reranker.load(model.folder)
    weights = reranker.write(tmp_path / "weights", "acme.weights", Weights(by_cause={}), [], {}, "")
    with pytest.raises(StateError, match="trained with other features"):
        bundles.load_detector(weights.folder)
