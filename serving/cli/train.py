"""`habitus train`: learn a model from history, judge it, and register it as a challenger."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

    from training.experiment import Experiment
    from training.tracking import Version

SHOWN = (
    "recall@3",
    "recall@10",
    "recall@20",
    "ap",
    "campaigns",
    "calibration_error",
    "alerts_over_budget_least",
    "alerts_over_budget_most",
    "effective_causes",
    "repeated_alerts",
    "seed_overlap",
)


@click.command(name="train")
@click.argument("run_file", type=click.Path(path_type=Path, dir_okay=False), metavar="RUN.toml")
@click.option(
    "--models",
    default=None,
    envvar="HABITUS_MODELS",
    metavar="DIR|URL",
    help="Folder of runs and models, or an MLflow server; the run file's tracking.uri by default.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the model in this new folder as well.",
)
def command(run_file: Path, models: str | None, out: Path | None) -> None:
    """Learn a model as RUN.toml says, judge it by what it said on the way, and register it as a challenger.

    History is replayed in event time: score, then learn. With labels the model is judged by PED-B, without by
    its stability. The same run file gives the same model, bit for bit on one machine. docs/training.md has
    the run file; `mlflow ui` shows the runs.
    """
    run(run_file, models, out)


def run(run_file: Path, models: str | None = None, out: Path | None = None) -> tuple[Experiment, Version]:
    """Train, register and print; returns what came of it and the new version."""
    import time

    from features.errors import InputError
    from features.kernel_cache import is_cold
    from serving.cli.histories import opened, progress_bar
    from training import experiment, runfile
    from training.tracking import Registry
    from training.versions import code_version

    began_us = time.time_ns() // 1000
    settings, content = runfile.read_run(run_file)
    base = run_file.resolve().parent
    if out is not None and out.exists():
        raise InputError(f"{out}: exists already; give a folder that does not")
    where = models or settings.tracking.uri
    if models is None and "://" not in where:
        where = str(base / where)
    registry = Registry(where)
    if is_cold():
        click.echo("compiling the kernels of this version, once: about a minute", err=True)
    with ExitStack() as stack:
        work = Path(where) if "://" not in where else None
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=work, prefix=".train-")))
        bar = stack.enter_context(progress_bar())
        history = stack.enter_context(opened(settings.data, base, work, bar))
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
        made = experiment.conduct(settings, content, history, out or place / "bundle", progress=bar)
        version = registry.log_run(
            settings.tracking.experiment,
            run_file.stem,
            parameters=experiment.parameters(settings),
            metrics=made.judgement.metrics,
            tags={
                "code_version": code_version(),
                "data": ", ".join(f"{fact.name} {fact.sha256[:16]}" for fact in history.data)[:4000],
                "digest": made.bundle.digest,
            },
            bundle=made.bundle,
            began_us=began_us,
        )
    _print(made, version, where)
    return made, version


def _print(made: Experiment, version: Version, where: str) -> None:
    manifest = made.bundle.manifest
    click.echo(
        f"learned {manifest.events:,} events from {manifest.trained_from[:10]} to"
        f" {manifest.trained_until[:10]}; {len(made.replayed.days):,} entity-days"
    )
    click.echo(figures(made.judgement.metrics))
    if made.judgement.summary is None:
        click.echo("no labels on the judged days: stability only, nothing here says that it finds attacks")
    click.echo(
        f"\n{version} is registered in {where} as challenger: {made.bundle.bytes / 1e6:,.0f} MB,"
        f" digest {made.bundle.digest[:16]}"
    )


def figures(metrics: Mapping[str, float | None]) -> str:
    """The figures that a person looks at first, one a line."""
    lines = [
        f"  {name.replace('_', ' '):28} {value:8.3f}"
        for name in SHOWN
        if (value := metrics.get(name)) is not None
    ]
    return "\n".join(lines)
