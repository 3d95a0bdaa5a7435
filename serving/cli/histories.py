"""What the commands about models share: where models are kept, and opening the history they learn from."""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from training.experiment import History
    from training.runfile import Data
    from training.tracking import Registry

DEFAULT_MODELS = "habitus-models"


def models_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The option --models."""
    return click.option(
        "--models",
        default=DEFAULT_MODELS,
        show_default=True,
        envvar="HABITUS_MODELS",
        metavar="DIR|URL",
        help="Folder of runs and models, or an MLflow server (also HABITUS_MODELS).",
    )(function)


def events_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options --events and --lake, for recent history."""
    function = click.option("--lake", default="", metavar="DIR", help="Folder of Parquet files of events.")(
        function
    )
    return click.option(
        "--events",
        multiple=True,
        metavar="FILE",
        help="Log file or folder, as for `habitus score`; repeatable.",
    )(function)


def registry_of(models: str) -> Registry:
    """The registry; a folder must exist, so that a misspelt one is not made."""
    from features.errors import InputError
    from training.tracking import Registry

    if "://" not in models and not Path(models).is_dir():
        raise InputError(
            f"{models}: no such folder of models; `habitus train` makes one, --models names another"
        )
    return Registry(models)


@contextmanager
def opened(
    data: Data, base: Path, work: Path | None, bar: Callable[[str, int, int], None]
) -> Iterator[History]:
    """A run file's [data], ready to learn from. Log files are laid out in a temporary folder.

    base: what paths are relative to. work: where simulated organisations are kept and log files laid out; the
    system's folder for temporary files when None. bar: told what is done, done, and all.
    """
    from dataclasses import replace

    from features.errors import InputError
    from serving import directory, evaluation
    from training.experiment import History, digests
    from training.history import EventLake
    from training.pedb.held_out import allowed

    withheld: frozenset[str] = frozenset()
    labels, oddities, groups = (
        base / name if name else None for name in (data.labels, data.oddities, data.directory)
    )
    for given in (labels, oddities, groups):
        if given is not None and not given.is_file():
            raise InputError(f"{given}: no such file; paths are relative to the run file")
    with tempfile.TemporaryDirectory(dir=work, prefix=".habitus-") as scratch:
        files = [str(base / name) if name != "-" else name for name in data.files]
        if data.simulated is not None:
            chosen = data.simulated
            withheld = allowed((chosen.seed,), final=False).kinds
            bar("simulating an organisation", 0, 0)
            place = (work if work is not None else Path(scratch)) / "simulated"
            dataset = evaluation.simulated(place, chosen.seed, chosen.users, chosen.days)
            files = [str(dataset.events)]
            labels, oddities, groups = dataset.labels, dataset.oddities, dataset.directory
        frame = directory.read(groups) if groups is not None else None
        history = History(
            EventLake((), 0, 0, (), _no_hours()),
            (),
            prepare=None if frame is None else lambda detector: directory.apply(frame, detector),
            labels=labels,
            oddities=oddities,
            withheld_kinds=withheld,
        )
        if data.lake:
            lake = EventLake.opened(base / data.lake, data.since, data.until)
            yield replace(history, lake=lake, data=digests(lake.files, base))
            return
        yield replace(history, **_laid_out(data, base, files, Path(scratch) / "lake", bar))


def _no_hours() -> Any:
    import numpy as np

    return np.zeros((0, 2), np.int64)


def _laid_out(
    data: Data, base: Path, files: list[str], folder: Path, bar: Callable[[str, int, int], None]
) -> dict[str, Any]:
    """The parts of a history that come from log files."""
    from features.errors import InputError
    from features.sources.mapping import load_mapping
    from serving import replay
    from training.experiment import digests
    from training.history import EventLake, Scratch, lay_out

    mapping = load_mapping(base / data.mapping) if data.mapping else None
    scratch = Scratch(source=data.source, make_decoder=mapping.decoder if mapping is not None else None)
    if "-" in files:
        raise InputError("a model is learned from files: its data must be there to be looked at again")
    logs, skipped = replay.choose_sources(scratch.reader, files)
    if skipped:
        click.echo(f"skipped {len(skipped)} files of unknown format: {', '.join(skipped[:5])}", err=True)
    paths = [Path(log.name) for log, _ in logs]
    total, done = sum(path.stat().st_size for path in paths), 0

    def read(more: int) -> None:
        nonlocal done
        done += more
        bar("reading", done, total)

    found = lay_out(scratch, logs, folder, read)
    if not found.events:
        raise InputError(f"{', '.join(files)[:200]}: hold no event that could be learned")
    if found.quarantined:
        click.echo(f"{found.quarantined:,} of {found.read:,} records could not be read", err=True)
    return {
        "lake": EventLake.opened(folder, data.since, data.until),
        "data": digests(paths, base),
        "sids": found.sids,
    }


@contextmanager
def progress_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar with rate and time left, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total or None)
            bar.update(tasks[what], completed=done, total=total or None)

        yield tell
