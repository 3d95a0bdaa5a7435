"""Tuning a run: which values find more planted campaigns? Optuna proposes them, PED-B judges.

A trial learns every organisation from its first day with the proposed values, as `habitus train` would. After
each judged week the figure so far is reported, and a trial that is below the median of the earlier ones at
the same point is cut short (Golovin et al., "Google Vizier", KDD 2017). The first trial is the run file as it
stands, so that what is proposed is always seen beside what there was.

The study is a SQLite file: it can be stopped at any time and goes on where it was, in as many processes as
wanted. With one process the same file and number of trials propose the same values; with several, who comes
first decides.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from features.baselines import DAY_US
from features.errors import InputError, StateError
from models.risk import Budget
from training import stability
from training.events_table import batch_of
from training.fit import new_detector
from training.harvest import Harvest
from training.judging import ground_of, judged
from training.runfile import Run, with_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import optuna

    from training.experiment import History

WEEK = 7
STARTUP_TRIALS = 4
"""Trials that are never cut short: a median of fewer says little."""
STEPS_EACH = 1_000
"""Numbers of steps kept for one organisation."""
METRICS = ("ap", "recall@3", "recall@5", "recall@10", "recall@20")


class Tuned(NamedTuple):
    """Where a study stands. values: of the best trial, by key. first: figure of the run file as it stands."""

    trials: int
    cut_short: int
    best: float
    values: dict[str, Any]
    first: float | None


def check(run: Run, place: str) -> None:
    """Refuse a run that cannot be tuned: InputError."""
    tune = run.tune
    if not tune.space:
        raise InputError(
            f"{place}: says nothing to try; add a table such as [tune.space] with"
            ' "ranker.neighbours" = {low = 4, high = 16}'
        )
    if tune.metric not in METRICS:
        raise InputError(f"{place}: tune.metric is {tune.metric!r}; choose from {', '.join(METRICS)}")
    if tune.trials < 1:
        raise InputError(f"{place}: tune.trials is {tune.trials}; give 1 or more")
    if tune.seeds and run.data.simulated is None:
        raise InputError(f"{place}: tune.seeds are of simulated organisations; add data.simulated")
    for key, span in tune.space.items():
        if not span.choices and (span.low is None or span.high is None or not span.low < span.high):
            raise InputError(f"{place}: tune.space {key!r}: give low below high, or choices")
        if span.log and not (span.low or 0) > 0:
            raise InputError(f"{place}: tune.space {key!r}: with log, low must be above 0")
        for value in span.choices or (span.low, span.high):
            with_values(run, {key: value}, f"{place}: tune.space")


def identity(run: Run) -> str:
    """Digest of everything that trials of one study must have in common; not how many there are."""
    same = msgspec.structs.replace(run, tune=msgspec.structs.replace(run.tune, trials=1))
    return hashlib.sha256(msgspec.json.encode(same, order="sorted")).hexdigest()


@contextmanager
def opened(run: Run, path: Path) -> Iterator[optuna.Study]:
    """The study in a SQLite file, made when there is none. Needs the extra `tune`.

    Raises
    ------
    StateError
        When the file is of another run, or no study.
    """
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            "tuning needs Optuna, which is not installed: pip install 'habitus[tune]'"
        ) from error
    import sqlalchemy

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 60}}
        )
        study = optuna.create_study(
            storage=storage,
            study_name=run.name,
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS),
        )
        known = study.user_attrs.get("run")
    except (sqlalchemy.exc.SQLAlchemyError, RuntimeError) as error:
        raise StateError(f"{path}: is no study of Optuna ({str(error)[:120]}); name another file") from error
    try:
        if known is None:
            study.set_user_attr("run", identity(run))
            study.enqueue_trial({key: _value(run, key) for key in run.tune.space}, skip_if_exists=True)
        elif known != identity(run):
            raise StateError(
                f"{path}: holds trials of another run file (or an earlier state of this one); name another"
                " file"
            )
        yield study
    finally:
        storage.engine.dispose()


def _value(run: Run, key: str) -> Any:
    """What a run has under a dotted key; the low end where it has nothing."""
    found: Any = msgspec.to_builtins(run)
    for part in key.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    span = run.tune.space[key]
    if span.choices:
        return found if found in span.choices else span.choices[0]
    if found is None or span.low is None or span.high is None:
        return span.low
    return min(max(found, span.low), span.high)


def give_up_unfinished(study: optuna.Study) -> int:
    """Mark trials that a killed process left behind as failed, and say how many there were. Only
    while nobody else works on the study.
    """
    from optuna.trial import TrialState

    left = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in left:
        study.tell(trial.number, state=TrialState.FAIL)
    return len(left)


def finished(study: optuna.Study) -> int:
    """Trials that were judged or cut short."""
    from optuna.trial import TrialState

    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))


def work(
    study: optuna.Study,
    run: Run,
    histories: Sequence[History],
    trials: int,
    *,
    worker: int = 0,
    progress: Callable[[int, float | None], object] | None = None,
) -> None:
    """Do so many trials. progress: told a trial's number and its figure, None when it was cut short.

    Raises
    ------
    InputError
        When an organisation has no labelled campaign on its judged days.
    """
    import optuna

    # a sampler that starts from the same seed again would draw its first values again
    seed = (run.detector.seed + len(study.get_trials(deepcopy=False)) + 7919 * worker) % 2**32
    study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)

    def tell(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        if progress is not None:
            progress(trial.number, trial.value if trial.state.name == "COMPLETE" else None)

    study.optimize(lambda trial: _figure(trial, run, histories), n_trials=trials, callbacks=[tell])


def _figure(trial: optuna.Trial, run: Run, histories: Sequence[History]) -> float:
    """Mean figure over organisations."""
    import optuna

    proposed = with_values(run, {key: _proposed(trial, key, run) for key in run.tune.space})
    done: list[float] = []
    for number, history in enumerate(histories):
        last = None
        for week, found in _weekly(proposed, history):
            last = found
            trial.report(float(np.mean([*done, found])), STEPS_EACH * number + week)
            if trial.should_prune():
                raise optuna.TrialPruned
        if last is None:
            raise InputError(
                "no campaign is labelled on the judged days of the history; tuning needs data.labels (or"
                " data.simulated) and days after evaluation.warm_up_days"
            )
        done.append(last)
    return float(np.mean(done))


def _proposed(trial: optuna.Trial, key: str, run: Run) -> Any:
    span = run.tune.space[key]
    if span.choices:
        return trial.suggest_categorical(key, span.choices)
    low, high = span.low or 0, span.high or 0
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(key, low, high, log=span.log)
    return trial.suggest_float(key, low, high, log=span.log)


def _weekly(run: Run, history: History) -> Iterator[tuple[int, float]]:
    """The figure after each judged week and at the end, as soon as a campaign was on the judged days."""
    detector, harvest = new_detector(run, history.sids), Harvest()
    if history.prepare is not None:
        history.prepare(detector)
    if history.labels is None:
        return
    first_us, _ = history.lake.span_us
    first = first_us // DAY_US + run.evaluation.warm_up_days
    due = first + WEEK
    for table in history.lake.slices():
        detector.keep_house()
        detector.score_learn(batch_of(table, detector.baselines))
        harvest.take(detector)
        if detector.activity.today >= due:
            due += WEEK
            yield from _judged(run, history, harvest.frame(), (due - WEEK - first) // WEEK)
    days = harvest.finish(detector)
    yield from _judged(run, history, days, STEPS_EACH - 1)


def _judged(run: Run, history: History, days: Any, week: int) -> Iterator[tuple[int, float]]:
    if history.labels is None or not len(days):
        return
    entities = len(stability.people(days)[["entity_kind", "entity"]].drop_duplicates())
    ground = ground_of(history.labels, history.oddities, entities, history.withheld_kinds)
    found = judged(days, {}, run.protocol(), Budget(run.evaluation.budget), ground)
    figure = found.metrics.get(run.tune.metric)
    if figure is not None:
        yield week, figure


def standing(study: optuna.Study) -> Tuned:
    """Where a study stands; InputError when no trial was judged to its end."""
    from optuna.trial import TrialState

    whole = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not whole:
        raise InputError("no trial was judged to its end; go on with more trials")
    cut = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
    first = next((trial.value for trial in whole if trial.number == 0), None)
    best = max(whole, key=lambda trial: (trial.value or 0.0, -trial.number))
    return Tuned(len(whole) + len(cut), len(cut), float(best.value or 0.0), dict(best.params), first)


def as_toml(run: Run, values: dict[str, Any]) -> str:
    """The values as lines of a run file, by table; tables of weights are written out whole."""
    table = msgspec.to_builtins(with_values(run, values))
    lines: list[str] = []
    groups: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        group, _, name = key.rpartition(".")
        groups.setdefault(group, {})[name] = value
        if group == "ranker.weights":
            groups[group] = table["ranker"]["weights"]
    for group, content in sorted(groups.items()):
        lines.append(f"[{group}]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in content.items()]
        lines.append("")
    return "\n".join(lines)
