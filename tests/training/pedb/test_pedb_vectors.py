"""Entity-day vectors: kept on disk, put in deviations from an entity's own past, and learned with labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from training.pedb.ranking import ranking_of
from training.pedb.supervised import supervised_features, supervised_scores
from training.pedb.truth import Label, truth_of
from training.pedb.vectors import DEVIATION_FLOOR, DayMatrix, entity_z, numbered


def matrix(seed=0, entities=30, days=20, strange=()):
    """Poisson counts around each entity's own level; `strange` (entity, day) pairs have evidence."""
    rng = np.random.default_rng(seed)
    who, day = (part.ravel() for part in np.meshgrid(np.arange(entities), np.arange(days)))
    kind = np.array(["user", "host"], object)[who % 2]
    name = np.array([f"e{index}" for index in who], object)
    level = rng.gamma(2.0, 10.0, (entities, 3))
    evidence = rng.exponential(0.3, (len(who), 2)).astype(np.float32)
    for entity, when in strange:
        evidence[(who == entity) & (day == when), 1] += 4
    counts = rng.poisson(level[who]).astype(np.float32)
    return DayMatrix(
        kind,
        name,
        numbered(kind, name),
        day,
        day,
        counts,
        evidence,
        ("events", "fails", "new"),
        ("odd", "far"),
    )


def test_vectors_survive_the_disk(tmp_path):
    days = matrix()
    days.save(tmp_path / "v.npz")
    again = DayMatrix.load(tmp_path / "v.npz")
    for left, right in zip(days, again, strict=True):
        np.testing.assert_array_equal(left, right)
    assert again.kind.dtype == object


def test_a_foreign_file_is_refused(tmp_path):
    (tmp_path / "v.npz").write_bytes(b"no")
    with pytest.raises(InputError, match="not a file of entity-day vectors"):
        DayMatrix.load(tmp_path / "v.npz")


def test_an_unknown_column_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="events, fails, new"):
        matrix().column("bytes")


def plain_z(days, row):
    """The definition, row by row."""
    x = np.log1p(days.counts.astype(np.float64))
    past = (days.day < days.day[row]) & (days.kind == days.kind[row])
    if not past.any():
        return np.zeros(x.shape[1])
    own = past & (days.entity == days.entity[row])
    n = own.sum() + 5.0
    mean = (x[own].sum(axis=0) + 5 * x[past].mean(axis=0)) / n
    square = ((x[own] ** 2).sum(axis=0) + 5 * (x[past] ** 2).mean(axis=0)) / n
    return (x[row] - mean) / np.sqrt(np.maximum(square - mean**2, DEVIATION_FLOOR**2))


@given(st.integers(0, 2**32 - 1))
def test_z_is_what_its_definition_says_in_any_order_of_rows(seed):
    rng = np.random.default_rng(seed)
    days = matrix(seed, entities=4, days=6)
    z = entity_z(days)
    for row in rng.integers(0, len(z), 5):
        np.testing.assert_allclose(z[row], plain_z(days, row), atol=1e-9)
    order = rng.permutation(len(z))
    np.testing.assert_allclose(entity_z(days.take(order)), z[order], atol=1e-9)


def test_what_comes_later_does_not_change_z():
    days = matrix()
    early = days.day < 12
    np.testing.assert_array_equal(entity_z(days)[early], entity_z(days.take(early)))


def test_rows_without_a_score_are_no_part_of_a_frame():
    days = matrix(entities=3, days=4)
    score = np.where(days.day >= 2, 1.5, np.nan)
    assert ranking_of(days.frame(score)).day.tolist() == [2, 2, 2, 3, 3, 3]


def organisations():
    planted = [[(seed + 1, 12 + seed), (seed + 2, 14), (seed + 5, 16)] for seed in range(3)]
    sets = [matrix(seed, strange=rows) for seed, rows in enumerate(planted)]
    truths = []
    for rows in planted:
        labels = [
            Label(f"c{e}", "k", f"1970-01-{day + 1:02d}", ("user", "host")[e % 2], f"e{e}") for e, day in rows
        ]
        truths.append(truth_of(labels))
    return sets, truths, planted


def test_the_supervised_frame_finds_what_labels_elsewhere_have_taught():
    sets, truths, planted = organisations()
    scores = supervised_scores(sets, truths, [10, 10, 10])
    for days, score, rows in zip(sets, scores, planted, strict=True):
        assert np.isnan(score[days.day < 10]).all()
        best = set(np.argsort(-np.nan_to_num(score, nan=-np.inf))[:8].tolist())
        strange = {int(np.flatnonzero((days.name == f"e{e}") & (days.day == day))[0]) for e, day in rows}
        assert len(strange & best) >= 2


def test_an_organisations_own_labels_do_not_touch_its_scores():
    sets, truths, _ = organisations()
    blank = [truths[0]._replace(marks={}), *truths[1:]]
    np.testing.assert_array_equal(
        supervised_scores(sets, truths, [10, 10, 10])[0], supervised_scores(sets, blank, [10, 10, 10])[0]
    )


def test_one_organisation_is_not_enough_and_columns_must_agree():
    sets, truths, _ = organisations()
    with pytest.raises(InputError, match="at least two"):
        supervised_scores(sets[:1], truths[:1], [10])
    with pytest.raises(InputError, match="different columns"):
        supervised_scores([sets[0], sets[1]._replace(causes=("odd", "near"))], truths[:2], [10, 10])


def test_the_supervised_features_have_the_stated_width():
    assert supervised_features(matrix()).shape == (600, 2 + 2 * 3 + 4)
