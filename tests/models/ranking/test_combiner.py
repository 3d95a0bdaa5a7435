import numpy as np
import pytest

from features.errors import StateError
from models.ranking import combiner
from models.ranking.settings import BOOSTING, LOGISTIC

RISING = np.array([True, True, False])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1_500, 3))
    # the second feature misleads: where it is high, days are real
    strange = x[:, 0] - x[:, 1] + np.abs(x[:, 2]) + rng.normal(size=1_500) > 0.8
    return x, strange, rng.uniform(0.5, 2.0, 1_500)


@pytest.fixture(scope="module", params=[BOOSTING, LOGISTIC])
def model(request, data):
    x, strange, weights = data
    return combiner.fitted(request.param, x, strange, weights, RISING, 0)


def test_more_of_a_rising_feature_never_lowers_the_logit(model, data):
    x = data[0][:300]
    for column in (0, 1):
        more = x.copy()
        more[:, column] += np.random.default_rng(1).exponential(1.0, len(x))
        assert (model.logit(more) >= model.logit(x)).all()


def test_distorted_days_stand_out(model, data):
    x, strange, _ = data
    logit = model.logit(x)
    assert np.median(logit[strange]) > np.quantile(logit[~strange], 0.75)


def test_a_restored_combiner_gives_the_same_bits(model, data):
    again = combiner.restored("c", model.export("c"))
    assert again.logit(data[0]).tobytes() == model.logit(data[0]).tobytes()


def test_a_row_has_the_same_logit_in_any_company(model, data):
    whole = model.logit(data[0])
    assert model.logit(data[0][7:8])[0] == whole[7]
    assert model.logit(data[0][::-1]).tobytes() == whole[::-1].tobytes()


def test_our_trees_say_what_scikit_learn_says(data, monkeypatch):
    import sklearn.ensemble

    grown = []

    class Watched(sklearn.ensemble.HistGradientBoostingClassifier):
        def fit(self, X, y, sample_weight=None):
            grown.append((super().fit(X, y, sample_weight=sample_weight), X))
            return self

    monkeypatch.setattr(sklearn.ensemble, "HistGradientBoostingClassifier", Watched)
    x, strange, weights = data
    ours = combiner.fitted(BOOSTING, x, strange, weights, RISING, 0)
    model, codes = grown[0]
    np.testing.assert_allclose(ours.logit(x), model.decision_function(codes), rtol=1e-9, atol=1e-12)


def test_a_constant_feature_and_one_class_do_not_break_the_logistic_form():
    x = np.ones((50, 3))
    model = combiner.fitted(LOGISTIC, x, np.ones(50, np.bool_), np.ones(50), RISING, 0)
    assert np.isfinite(model.logit(x)).all()


def test_trees_that_point_outside_are_refused(data):
    x, strange, weights = data
    arrays = combiner.fitted(BOOSTING, x, strange, weights, RISING, 0).export("c")
    for part, wrong in (("left", 10_000), ("right", -1), ("feature", -5)):
        damaged = {name: array.copy() for name, array in arrays.items()}
        damaged[f"c_{part}"][3, 0] = wrong
        with pytest.raises(StateError, match="damaged"):
            combiner.restored("c", damaged)
