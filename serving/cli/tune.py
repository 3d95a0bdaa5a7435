"""`habitus tune`: look for values of a run file that find more planted campaigns."""

from __future__ import annotations

import fcntl
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from training.experiment import History
    from training.runfile import Run
    from training.tune import Tuned


@click.command(name="tune")
@click.argument("run_file", type=click.Path(path_type=Path, dir_okay=False), metavar="RUN.toml")
@click.option(
    "--study",
    type=click.Path(path_type=Path, dir_okay=False),
    help="SQLite file of the trials; RUN.study.db beside the run file by default.",
)
@click.option(
    "--trials", type=click.IntRange(1), help="Trials in all; the run file's tune.trials by default."
)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Processes at a time.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the best values here (TOML)."
)
def command(run_file: Path, study: Path | None, trials: int | None, jobs: int, out: Path | None) -> None:
    """Try values of the [tune.space] of RUN.toml, judged by PED-B on its history, and print the best.

    Can be stopped and started again: it goes on with the study where it was. Values that are best on the
    organisations they were tried on flatter themselves; judge them on others before you believe them.
    """
    run(run_file, study, trials, jobs, out)


def run(
    run_file: Path,
    study: Path | None = None,
    trials: int | None = None,
    jobs: int = 1,
    out: Path | None = None,
) -> None:
    """Tune and print."""
    from training import runfile, tune

    settings, _ = runfile.read_run(run_file)
    tune.check(settings, str(run_file))
    path = (study or run_file.with_suffix(".study.db")).resolve()
    wanted = trials or settings.tune.trials
    with _alone(path), tune.opened(settings, path) as found:
        lost = tune.give_up_unfinished(found)
        if lost:
            click.echo(f"{lost} trials had been left unfinished and are tried no further", err=True)
        done = tune.finished(found)
        if done:
            click.echo(f"going on after {done} trials in {path}", err=True)
        shares = [share for share in _shares(max(0, wanted - done), jobs) if share]
        if len(shares) == 1:
            _work(run_file, path, shares[0], 0)
        elif shares:
            # spawned: numba and Optuna's connections do not survive a fork
            with ProcessPoolExecutor(len(shares), mp_context=get_context("spawn")) as pool:
                asked = [pool.submit(_work, run_file, path, share, n) for n, share in enumerate(shares)]
                for one in as_completed(asked):
                    one.result()
        _print(tune.standing(found), settings, path, out)


def _shares(trials: int, jobs: int) -> list[int]:
    return [trials // jobs + (number < trials % jobs) for number in range(jobs)]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Nobody else tunes with this study at the same time: their running trials would look abandoned."""
    from features.errors import StateError

    with path.with_name(f"{path.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateError(
                f"{path}: another `habitus tune` works on this study; wait for it, or name another with"
                " --study"
            ) from error
        yield


def _work(run_file: Path, path: Path, trials: int, worker: int) -> None:
    """One process's share of the trials."""
    from features.kernel_cache import use_user_cache
    from serving.cli.histories import progress_bar
    from training import runfile, tune

    use_user_cache()
    settings, _ = runfile.read_run(run_file)
    with ExitStack() as stack:
        bar = stack.enter_context(progress_bar())
        histories = list(_histories(settings, run_file.resolve().parent, stack, bar))
        study = stack.enter_context(tune.opened(settings, path))

        def tell(number: int, figure: float | None) -> None:
            said = "cut short" if figure is None else f"{settings.tune.metric} {figure:.4f}"
            click.echo(f"trial {number}: {said}", err=True)

        tune.work(study, settings, histories, trials, worker=worker, progress=tell)


def _histories(
    settings: Run, base: Path, stack: ExitStack, bar: Callable[[str, int, int], None]
) -> Iterator[History]:
    import msgspec

    from serving.cli.histories import opened

    data, simulated = settings.data, settings.data.simulated
    chosen = [data]
    if simulated is not None and settings.tune.seeds:
        others = [msgspec.structs.replace(simulated, seed=seed) for seed in settings.tune.seeds]
        chosen = [msgspec.structs.replace(data, simulated=other) for other in others]
    for one in chosen:
        yield stack.enter_context(opened(one, base, None, bar))


def _print(found: Tuned, settings: Run, path: Path, out: Path | None) -> None:
    from training.tune import as_toml

    metric = settings.tune.metric
    click.echo(f"{found.trials} trials, {found.cut_short} of them cut short; kept in {path}")
    if found.first is not None:
        click.echo(f"  the run file as it stands: {metric} {found.first:.4f}")
    click.echo(f"  the best: {metric} {found.best:.4f}, with\n")
    text = as_toml(settings, found.values)
    click.echo(text)
    if out is not None:
        out.write_text(text, "utf-8")
