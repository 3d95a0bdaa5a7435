"""`habitus tune`: tries values on PED-B, cuts short what is poor, and goes on where it was stopped."""

from __future__ import annotations

import pytest

optuna = pytest.importorskip("optuna")

from features.errors import InputError, StateError  # noqa: E402
from training import runfile, tune  # noqa: E402

SPACE = """
[tune]
metric = "ap"
trials = 2
[tune.space]
"detector.half_life_days" = {low = 5.0, high = 50.0, log = true}
"ranker.weights.count_neighbours" = {low = 0.0, high = 2.0}
"ranker.neighbours" = {low = 3, high = 9}
"ranker.combiner" = {choices = ["boosting", "logistic"]}
"""
RUN = (
    """
name = "office"
[data]
files = ["events.ndjson"]
directory = "directory.csv"
labels = "labels.ndjson"
oddities = "oddities.ndjson"
[ranker]
members = ["excess", "count_neighbours"]
[evaluation]
warm_up_days = 1
"""
    + SPACE
)  # the members that take seconds a night are left out


@pytest.fixture
def run() -> runfile.Run:
    return runfile.parsed(RUN.encode())


@pytest.fixture
def history(office):
    return office.history(None, labels=True)


def test_two_trials_are_judged_and_a_second_call_goes_on(run, history, tmp_path):
    path = tmp_path / "study.db"
    with tune.opened(run, path) as study:
        tune.work(study, run, [history], 1)
        assert tune.finished(study) == 1
    seen = []
    with tune.opened(run, path) as study:
        tune.work(study, run, [history], 1, progress=lambda number, figure: seen.append((number, figure)))
        found = tune.standing(study)
    assert [number for number, _ in seen] == [1]
    assert found.trials == 2
    assert found.best >= found.first > 0
    assert found.first == pytest.approx(study_value(path, 0))
    with tune.opened(run, path) as study:
        first = study.trials[0].params
        assert first["detector.half_life_days"] == 30.0  # the run file as it stands comes first
        assert first["ranker.neighbours"] == 8
        assert study.trials[1].params != first
        assert study.trials[0].intermediate_values


def study_value(path, number: int) -> float:
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    try:
        return optuna.load_study(study_name="office", storage=storage).trials[number].value
    finally:
        storage.engine.dispose()


@pytest.mark.slow
def test_a_trial_below_the_median_is_cut_short(run, history, tmp_path):
    with tune.opened(run, tmp_path / "study.db") as study:
        floats = {
            key: optuna.distributions.FloatDistribution(span.low, span.high, log=span.log)
            for key, span in run.tune.space.items()
            if isinstance(span.low, float)
        }
        for number in range(tune.STARTUP_TRIALS + 1):  # as if others had found everything at every step
            study.add_trial(
                optuna.trial.create_trial(
                    params={key: 5.0 if "half" in key else 1.0 for key in floats},
                    distributions=floats,
                    value=1.0,
                    intermediate_values=dict.fromkeys(range(tune.STEPS_EACH), 1.0 + number),
                )
            )
        seen = []
        tune.work(study, run, [history], 1, progress=lambda number, figure: seen.append(figure))
        assert seen == [None]
        assert tune.standing(study).cut_short == 1


def test_what_a_killed_process_left_is_given_up(run, tmp_path):
    with tune.opened(run, tmp_path / "study.db") as study:
        study.ask()
        assert tune.give_up_unfinished(study) == 1
        assert tune.finished(study) == 0
        with pytest.raises(InputError, match="no trial was judged"):
            tune.standing(study)


def test_a_study_of_another_run_is_refused_but_more_trials_are_not(run, tmp_path):
    path = tmp_path / "study.db"
    with tune.opened(run, path):
        pass
    with tune.opened(runfile.parsed(RUN.replace("trials = 2", "trials = 9").encode()), path):
        pass
    other = runfile.parsed(RUN.replace("high = 9", "high = 12").encode())
    with pytest.raises(StateError, match="another run file"), tune.opened(other, path):
        pass


def test_a_file_that_is_no_study_is_refused(run, tmp_path):
    path = tmp_path / "study.db"
    path.write_bytes(b"certainly no database" * 100)
    with pytest.raises(StateError, match="no study"), tune.opened(run, path):
        pass


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("high = 9", "high = 2"), "low below high"),
        (("ranker.neighbours", "ranker.neighbors"), "did you mean ranker.neighbours"),
        (('"logistic"', '"tree"'), "no combiner is called 'tree'"),
        (("low = 5.0", "low = 0.0"), "above 0"),
        (('metric = "ap"', 'metric = "auc"'), "choose from ap"),
        (("low = 3,", "low = 0,"), "neighbours must be at least 1"),
    ],
)
def test_a_space_that_cannot_work_is_refused_before_anything_is_learned(change, said):
    with pytest.raises(InputError, match=said):
        tune.check(runfile.parsed(RUN.replace(*change).encode()), "run.toml")


def test_a_run_without_a_space_is_refused():
    with pytest.raises(InputError, match="says nothing to try"):
        tune.check(runfile.parsed(RUN.replace(SPACE, "").encode()), "run.toml")


def test_history_without_labels_is_refused(run, office, tmp_path):
    with (
        tune.opened(run, tmp_path / "study.db") as study,
        pytest.raises(InputError, match="no campaign is labelled"),
    ):
        tune.work(study, run, [office.history()], 1)


def test_the_best_values_are_a_run_file_again(run):
    values = {"detector.half_life_days": 12.5, "ranker.weights.count_neighbours": 0.5}
    text = tune.as_toml(run, values)
    assert "half_life_days = 12.5" in text
    again = runfile.parsed(('[data]\nlake = "lake"\n' + text).encode())
    assert again.ranker.weights["count_neighbours"] == 0.5
    assert again.ranker.weights["combiner"] == run.ranker.weights["combiner"]
