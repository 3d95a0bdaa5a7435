"""`habitus score`: replay log files through the detector and rank users and hosts."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from serving.replay import Ledger, Progress

REASONS_SHOWN = 3


@dataclass(frozen=True)
class Options:
    """What `habitus score` was asked for; see the command's own help."""

    files: tuple[str, ...]
    source: str = "auto"
    mapping: Path | None = None
    directory: Path | None = None
    state: Path | None = None
    out: Path | None = None
    format_: str = "parquet"
    top: int = 20
    budget: float = 10.0
    last_days: int | None = None


@click.command(name="score")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--source", default="auto", show_default=True, help="Log source of all files; auto looks at each."
)
@click.option(
    "--mapping", type=click.Path(path_type=Path), help="Field mapping (TOML) for an unknown source."
)
@click.option("--directory", type=click.Path(path_type=Path), help="Peer groups: entity_kind, entity, group.")
@click.option(
    "--state", type=click.Path(path_type=Path), help="Continue and save the baselines in this folder."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write events, entity-days, quarantine and ledger."
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["parquet", "csv", "ndjson"]),
    default="parquet",
    show_default=True,
    help="Format of the files in --out.",
)
@click.option("--top", default=20, show_default=True, type=click.IntRange(0), help="Entity-days to print.")
@click.option(
    "--budget",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Alerts a day for every 500 entities.",
)
@click.option("--last-days", type=click.IntRange(1), help="Print only the newest days of the logs.")
def command(**options: object) -> None:
    """Score log files in event time: score, then learn. Prints the strangest entity-days with their reasons.

    FILE is a log file (.json .ndjson .log .csv .evtx, plain, .gz or .zst), a folder of them, or - for
    standard input.
    """
    run(Options(**options))  # type: ignore[arg-type]


def run(options: Options) -> tuple[pd.DataFrame, Ledger]:
    """Score, write and print; returns the entity-days and the ledger."""
    from features.errors import InputError
    from features.kernel_cache import is_cold
    from features.sources.mapping import load_mapping
    from models.detector import Detector
    from models.risk import Budget
    from serving import directory, outputs, replay
    from serving.state import opened

    if options.source != "auto" and options.mapping is not None:
        raise InputError("--source and --mapping exclude each other: a mapping is a source of its own")
    mapping = load_mapping(options.mapping) if options.mapping is not None else None
    groups = directory.read(options.directory) if options.directory is not None else None
    if is_cold():
        click.echo("compiling the kernels of this version, once: about a minute", err=True)
    with ExitStack() as stack:
        state = stack.enter_context(opened(options.state)) if options.state is not None else None
        detector = state.detector if state is not None else Detector()
        detector.alerts.controller.budget = Budget(options.budget)
        reader = detector.reader(
            source=options.source, make_decoder=mapping.decoder if mapping is not None else None
        )
        logs, skipped = replay.choose_sources(reader, list(options.files))
        if groups is not None:
            directory.apply(groups, detector)
        out = None
        if options.out is not None:
            out = stack.enter_context(
                outputs.Folder(options.out, options.format_, detector.baselines, detector.channels.all)
            )
            reader.quarantine = out.put_aside
        learned = stack.enter_context(state.learning()) if state is not None else None
        progress = stack.enter_context(_progress(sum(_size(log.name) for log, _ in logs)))
        frame, ledger = replay.replay(
            detector,
            reader,
            logs,
            sinks=[sink.add for sink in (out, learned) if sink is not None],
            progress=progress,
        )
        ledger.skipped = skipped
        if out is not None:
            out.finish(frame, ledger)
    _print_ranking(frame, options.top, options.last_days)
    _print_ledger(ledger, options.out)
    return frame, ledger


def _size(name: str) -> int:
    return Path(name).stat().st_size if name != "-" else 0


@contextmanager
def _progress(total_bytes: int) -> Iterator[Progress]:
    """A progress bar with rate and time left, on a terminal only."""
    from serving.replay import Progress

    if not sys.stderr.isatty():
        yield Progress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        reading = bar.add_task("reading", total=total_bytes or None, rate="")
        scoring = bar.add_task("scoring", total=None, rate="", visible=False)

        def read(done: int) -> None:
            bar.update(reading, advance=done, rate=f"{(bar.tasks[0].speed or 0) / 1e6:,.1f} MB/s")

        def scored(done: int, total: int) -> None:
            rate = f"{bar.tasks[1].speed or 0:,.0f} events/s"
            bar.update(scoring, completed=done, total=total, visible=True, rate=rate)

        yield Progress(read, scored)


def _print_ranking(frame: pd.DataFrame, top: int, last_days: int | None) -> None:
    from serving.text import printable

    if last_days is not None and len(frame):
        frame = frame[frame["day"] > frame["day"].max() - timedelta(days=last_days)]
    shown = frame[frame["risk"] > 0].nlargest(top, "risk", keep="first")
    if not len(shown):
        click.echo("Nothing departed from the habits seen so far.")
        return
    click.echo(
        f"{'risk':>7}  {'day':10}  {'kind':6}  {'entity':36} {'events':>9}   (! is within the alert budget)"
    )
    for row in shown.to_dict("records"):
        name = printable(row["entity"])
        name = name if len(name) <= 36 else name[:35] + "…"
        mark = "!" if row["alert"] else " "
        who = f"{row['entity_kind']:6}  {name:36}"
        click.echo(f"{row['risk']:7.1f}{mark} {row['day']!s:10}  {who} {row['n_events']:9,}")
        for reason in row["reasons"][:REASONS_SHOWN]:
            click.echo(f"         · {printable(reason)}")


def _print_ledger(ledger: Ledger, out: Path | None) -> None:
    click.echo(
        f"\nread {ledger.read:,} = scored {ledger.scored:,} + duplicate {ledger.duplicate:,}"
        f" + quarantined {ledger.quarantined:,}"
    )
    click.echo(
        f"{ledger.entities:,} entities with {ledger.habits:,} habits;"
        f" {ledger.held:,} events held back from learning"
    )
    if ledger.quarantined:
        where = out / "quarantine.ndjson" if out is not None else "give --out to keep them with their reasons"
        click.echo(f"quarantined records: {where}")
    if ledger.skipped:
        click.echo(f"skipped {len(ledger.skipped)} files of unknown format: {', '.join(ledger.skipped[:5])}")
    if ledger.entities_refused:
        click.echo(f"{ledger.entities_refused:,} entities over the limit were not given baselines")
