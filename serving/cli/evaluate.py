"""`habitus evaluate`: how many planted campaigns are found by people who read k entity-days a day."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from serving.evaluation import Dataset, Frame, Scored
    from training.pedb.held_out import HeldOut
    from training.pedb.outcome import Outcome
    from training.pedb.protocol import Protocol
    from training.pedb.ranking import Ranking
    from training.pedb.report import Summary

OURS, PERFECT, SUPERVISED = "habitus", "perfect ranking", "supervised"


@dataclass(frozen=True)
class Options:
    """What `habitus evaluate` was asked for; see the command's own help."""

    users: tuple[int, ...] = (250,)
    days: int = 42
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    warm_up: int = 28
    out: Path = Path("out/evaluation")
    jobs: int = 1
    events: Path | None = None
    labels: Path | None = None
    directory: Path | None = None
    oddities: Path | None = None
    final: bool = False


class Judged(NamedTuple):
    """One dataset after scoring, with the outcomes of our ranking and of the perfect one."""

    dataset: Dataset
    scored: Scored
    frame: Frame
    outcomes: list[Outcome]


def numbers(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """A list as `1,2,3`, each number once."""
    try:
        found = tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is not a list of numbers such as 1,2,3", ctx, parameter
        ) from None
    if len(set(found)) != len(found) or min(found) < 0:
        raise click.BadParameter(f"{value!r}: each number once, none below 0", ctx, parameter)
    return found


@click.command(name="evaluate")
@click.option(
    "--users",
    default="250",
    show_default=True,
    callback=numbers,
    help="People with a desk; 50,250 for two sizes.",
)
@click.option("--days", default=42, show_default=True, type=click.IntRange(2), help="Calendar days in UTC.")
@click.option(
    "--seeds", default="1,2,3,4,5", show_default=True, callback=numbers, help="One organisation each."
)
@click.option(
    "--warm-up",
    default=28,
    show_default=True,
    type=click.IntRange(0),
    help="First days, learned but not judged.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="out/evaluation",
    show_default=True,
    help="Folder for results; organisations in it are used again.",
)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Seeds at a time.")
@click.option("--events", type=click.Path(path_type=Path), help="Judge these logs instead of simulated ones.")
@click.option("--labels", type=click.Path(path_type=Path), help="Ground truth of --events (labels.ndjson).")
@click.option("--directory", type=click.Path(path_type=Path), help="Peer groups of --events.")
@click.option(
    "--oddities", type=click.Path(path_type=Path), help="Benign changes in --events (oddities.ndjson)."
)
@click.option("--final", is_flag=True, help="Look at the seeds and scenarios that are held out.")
def command(**options: Any) -> None:
    """Judge the detector by PED-B: replay in event time, score before learning, and count the planted
    campaigns that are found by people who read k entity-days a day.

    Writes DIR/evaluation.json, the entity-days of each organisation and three pictures, and prints the table.
    Intervals are 95%, by a bootstrap over seeds and campaigns. Two seeds and two kinds of campaign are held
    out for the last judgement: without --final they are refused and left out.
    """
    run(Options(**options))


def run(options: Options) -> dict[str, Any]:
    """Simulate, score, judge, print and write; returns what is in evaluation.json."""
    import msgspec

    from serving import evaluation
    from training.pedb import pictures, report
    from training.pedb.held_out import allowed
    from training.pedb.protocol import Protocol

    protocol = Protocol(warm_up_days=options.warm_up)
    aside = allowed(options.seeds if options.events is None else (), final=options.final)
    options.out.mkdir(parents=True, exist_ok=True)
    judged = list(_all_judged(options, protocol, aside))
    methods = {
        name: [outcome for one in judged for outcome in one.outcomes if outcome.method == name]
        for name in (OURS, PERFECT)
    }
    with_labels = _supervised(protocol, judged)
    if with_labels:
        methods[SUPERVISED] = with_labels
    summaries = [report.summarise(outcomes, protocol) for outcomes in methods.values()]
    ratios = [
        ratio
        for one in judged
        for ratio in evaluation.budget_ratios(one.scored.days, one.scored.first_day, one.scored.last_day)
    ]
    result = {
        "protocol": asdict(protocol),
        "seeds": list(options.seeds) if options.events is None else [],
        "users": list(options.users) if options.events is None else [],
        "days": options.days if options.events is None else None,
        "final": options.final,
        "held_out_kinds": sorted(aside.kinds),
        "methods": [summary.as_data() for summary in summaries],
        "alerts_over_budget_by_week": {"least": min(ratios), "most": max(ratios)},
        "outcomes": msgspec.to_builtins(methods),
    }
    (options.out / "evaluation.json").write_text(
        json.dumps(result, indent=1, allow_nan=False) + "\n", "utf-8"
    )
    for name, text in (
        ("recall-against-budget.svg", pictures.recall_against_budget(methods, protocol)),
        ("calibration.svg", pictures.calibration(summaries[:1])),
        ("scenarios.svg", pictures.scenario_heat_map(methods, protocol)),
    ):
        (options.out / name).write_text(text, "utf-8")
    _print(summaries, protocol, aside, options, (min(ratios), max(ratios)))
    return result


def datasets(options: Options) -> Iterator[Dataset | tuple[int, int]]:
    """The logs given, or (seed, users) of each organisation to simulate."""
    from features.errors import InputError
    from serving.evaluation import Dataset

    if options.events is None:
        given = next((name for name in ("labels", "directory", "oddities") if getattr(options, name)), None)
        if given:
            raise InputError(f"--{given} belongs to --events; simulated organisations bring their own")
        yield from ((seed, users) for users in options.users for seed in options.seeds)
        return
    if options.labels is None:
        raise InputError("--events needs --labels: without ground truth nothing can be judged")
    yield Dataset("given", options.events, options.labels, options.directory, options.oddities)


def _all_judged(options: Options, protocol: Protocol, aside: HeldOut) -> Iterator[Judged]:
    """Every dataset after scoring, in order; several at a time when asked for."""
    tasks = list(datasets(options))
    if options.jobs == 1 or len(tasks) == 1:
        for task in tasks:
            yield _announced(judge_one(task, options, protocol, aside), task)
        return
    # spawned, not forked: numba's threads do not survive a fork
    with ProcessPoolExecutor(min(options.jobs, len(tasks)), get_context("spawn")) as pool:
        waiting = {pool.submit(judge_one, task, options, protocol, aside): task for task in tasks}
        done = {
            waiting[future]: _announced(future.result(), waiting[future]) for future in as_completed(waiting)
        }
    yield from (done[task] for task in tasks)


def _announced(judged: Judged, task: Dataset | tuple[int, int]) -> Judged:
    what = f"seed {task[0]}, {task[1]} users" if isinstance(task, tuple) else str(task.events)
    campaigns = len(judged.outcomes[0].campaigns)
    click.echo(
        f"scored {what}: {campaigns} campaigns on {len(judged.outcomes[0].days)} judged days", err=True
    )
    return judged


def judge_one(
    task: Dataset | tuple[int, int], options: Options, protocol: Protocol, aside: HeldOut
) -> Judged:
    """Simulate (unless it is there), score, keep the entity-days, and judge ours and the perfect ranking."""
    from features.kernel_cache import use_user_cache
    from serving import evaluation
    from training.pedb.ranking import perfect, ranking_of

    use_user_cache()
    dataset = (
        evaluation.simulated(options.out, task[0], task[1], options.days) if isinstance(task, tuple) else task
    )
    scored = evaluation.score(dataset, protocol)
    frame = evaluation.frame_of(dataset, scored.days, aside)
    ranking = ranking_of(scored.days)
    outcomes = [
        judge_with(OURS, ranking, dataset, scored, frame, protocol),
        judge_with(PERFECT, perfect(ranking, frame.truth), dataset, scored, frame, protocol),
    ]
    days = options.out / f"{dataset.name}-entity-days.parquet"
    _with_campaigns(scored.days, frame).to_parquet(days, index=False)
    return Judged(dataset, scored, frame, outcomes)


def judge_with(
    method: str,
    ranking: Ranking,
    dataset: Dataset,
    scored: Scored,
    frame: Frame,
    protocol: Protocol,
) -> Outcome:
    """Judge one ranking of a scored dataset."""
    from training.pedb.outcome import judge

    return judge(
        method,
        ranking,
        frame.truth,
        protocol,
        first_day=scored.first_day,
        last_day=scored.last_day,
        seed=dataset.seed,
        users=dataset.users,
        drift=frame.drift,
        age=frame.age,
    )


def _with_campaigns(days: pd.DataFrame, frame: Frame) -> pd.DataFrame:
    """Entity-days with the names of the campaigns they belong to (a list, mostly empty)."""
    import numpy as np
    import pandas as pd

    number = days["day"].to_numpy("datetime64[D]").astype(np.int64).tolist()
    keys = zip(days["entity_kind"].tolist(), days["entity"].tolist(), number, strict=True)
    names = [[frame.truth.campaigns[n].name for n in sorted(frame.truth.marks.get(key, ()))] for key in keys]
    return days.assign(campaigns=pd.Series(names, index=days.index, dtype=object))


def _supervised(protocol: Protocol, judged: Sequence[Judged]) -> list[Outcome]:
    """What a model with the other organisations' labels reaches, where there are several."""
    from training.pedb.ranking import ranking_of
    from training.pedb.supervised import supervised_scores

    if len(judged) < 2:
        return []
    matrices = [one.scored.vectors for one in judged]
    truths, first_days = [one.frame.truth for one in judged], [one.scored.first_day for one in judged]
    return [
        judge_with(SUPERVISED, ranking_of(matrix.frame(score)), one.dataset, one.scored, one.frame, protocol)
        for matrix, score, one in zip(
            matrices, supervised_scores(matrices, truths, first_days), judged, strict=True
        )
    ]


def _print(
    summaries: Sequence[Summary],
    protocol: Protocol,
    aside: HeldOut,
    options: Options,
    ratios: tuple[float, float],
) -> None:
    from training.pedb import report

    ours = summaries[0]
    click.echo(
        f"\n{ours.campaigns} campaigns in {ours.seeds} organisations, {ours.days} judged days,"
        f" {ours.entity_days:,} entity-days of which {ours.labelled:,} are labelled;"
        f" k entity-days a day for every {protocol.per_entities} entities\n"
    )
    # figures as rows: a terminal is higher than it is wide
    rows = report.methods_table(summaries, protocol)
    click.echo(report.plain([list(column) for column in zip(*rows, strict=True)]))
    click.echo(f"\nCampaigns found at {protocol.reference} a day, by habitus:")
    click.echo(report.plain(report.slices_table(ours)))
    click.echo("\nRealised over nominal alert rate among benign entity-days:")
    click.echo(report.plain(report.rates_table(ours)))
    least, most = ratios
    click.echo(f"\nalerts over budget in any seven days: {least:.2f} to {most:.2f}")
    if aside.kinds:
        click.echo(f"\nheld out (see --final): {', '.join(sorted(aside.kinds))}")
    click.echo(f"everything is in {options.out}")
