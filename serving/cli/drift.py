"""`habitus drift`: is this still the organisation that the model was trained on?"""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from serving.cli.histories import events_options, models_option

if TYPE_CHECKING:
    from training.drift import DriftReport

MOST_ROWS = 15


@click.command(name="drift")
@click.argument("name")
@click.option("--version", "which", default="champion", show_default=True, help="Version number or alias.")
@events_options
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as JSON.")
@models_option
def command(name: str, which: str, events: tuple[str, ...], lake: str, out: Path | None, models: str) -> None:
    """Compare recent events with the days that the model NAME was trained on.

    The model replays the events after its training. Counted are shifts of what users, hosts and addresses do
    (population stability index) and changes of the calibrated risk (ADWIN). A drift that matters is a
    proposal to train a challenger; nothing is changed.
    """
    run(name, which, events, lake, out, models)


def run(
    name: str, which: str, events: tuple[str, ...], lake: str, out: Path | None, models: str
) -> DriftReport:
    """Replay, compare, print; returns the report."""
    from features.errors import InputError, StateError
    from serving.cli.histories import opened, progress_bar, registry_of
    from training import bundle as bundles
    from training import drift, fit
    from training.manifest import REFERENCE
    from training.runfile import Data

    if bool(events) == bool(lake):
        raise InputError("give recent events: either --events or --lake")
    registry = registry_of(models)
    version = registry.version(name, which)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="habitus-drift-")))
        bundle = registry.fetch(version, place / "bundle")
        content = bundles.read_document(bundle, REFERENCE)
        if content is None:
            raise StateError(f"{version} has no reference; train it again with this version")
        reference = drift.decoded(content, f"{version}: {REFERENCE}")
        detector, _ = bundles.load_detector(bundle.folder, version.digest)
        bar = stack.enter_context(progress_bar())
        data = Data(files=list(events), lake=lake)
        history = stack.enter_context(opened(data, Path(), place, bar))
        since = fit.microseconds(bundle.manifest.trained_until) + 1
        recent = history.lake.between(since, history.lake.until_us)
        if not len(recent):
            raise InputError(
                f"no event after {bundle.manifest.trained_until}, when the training of {version} ended"
            )
        found = fit.replay(detector, recent, lambda done, total: bar("comparing", done, total))
    report = drift.drift(reference, found.samples, found.days)
    if out is not None:
        out.write_text(json.dumps(as_data(report, str(version)), indent=1) + "\n", "utf-8")
    _print(report, str(version))
    return report


def as_data(report: DriftReport, version: str) -> dict[str, object]:
    """JSON-ready."""
    return {
        "model": version,
        "days": report.days,
        "entity_days": report.entity_days,
        "features": report.features,
        "drifted_days": [_iso(day) for day in report.drifted_days],
        "proposal": report.proposal,
    }


def _iso(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def _print(report: DriftReport, version: str) -> None:
    from training.pedb.report import plain

    click.echo(f"{version} on {report.entity_days:,} entity-days of {report.days} days since its training")
    moved = [row for row in report.features if row["verdict"] != "none"]
    if moved:
        rows = [["feature", "of", "psi", "by chance", ""]]
        rows += [
            [
                str(row["feature"]),
                str(row["kind"]),
                f"{row['psi']:.2f}",
                f"{row['chance']:.2f}",
                str(row["verdict"]),
            ]
            for row in moved[:MOST_ROWS]
        ]
        click.echo(plain(rows))
    click.echo(
        f"{len(report.shifted)} of {len(report.features)} features shifted,"
        f" {len(moved) - len(report.shifted)} moved a little"
    )
    if report.drifted_days:
        click.echo(f"the calibrated risk changed on {', '.join(_iso(day) for day in report.drifted_days)}")
    click.echo(report.proposal or "nothing that matters has changed")
