"""`habitus unlearn`: take an incident's events out of the baselines, as if they had never been learned."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from datetime import datetime


@click.command(name="unlearn")
@click.option("--entity", required=True, help="User, host or source address of the incident.")
@click.option("--from", "start", required=True, help="First moment, ISO 8601; UTC when it has no zone.")
@click.option("--to", "end", required=True, help="First moment after the incident.")
@click.option("--state", type=click.Path(path_type=Path), required=True, help="State folder to change.")
def command(entity: str, start: str, end: str, state: Path) -> None:
    """Take every event of ENTITY between two moments out of what was learned, at all levels."""
    from features.errors import InputError
    from serving.state import opened, parse_moment
    from serving.text import printable

    low, high = parse_moment(start, "--from"), parse_moment(end, "--to")
    if low >= high:
        raise InputError(f"--from {start} is not before --to {end}")
    if not (state / "CURRENT").exists():
        raise InputError(f"{state}: no state here")
    with opened(state) as folder:
        name = folder.detector.known_name(entity)
        taken, missing = folder.unlearn(name, low, high)
    window = f"from {_utc(low)} to {_utc(high)} UTC"
    click.echo(f"took out {taken:,} events of {printable(name)} {window}")
    if missing > 0.5:
        click.echo(f"{missing:,.0f} habit weights were no longer there (faded or dropped)")


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
