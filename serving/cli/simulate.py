"""`habitus simulate`: write the logs of an invented organisation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from datetime import datetime

    from training.simulate.writer import Summary


@click.command(name="simulate")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write to."
)
@click.option("--seed", default=7, show_default=True, help="Another number gives another organisation.")
@click.option("--days", default=21, show_default=True, help="Calendar days in UTC.")
@click.option("--users", default=60, show_default=True, help="People with a desk.")
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d"]),
    default="2026-02-02",
    show_default=True,
    metavar="DATE",
    help="First day.",
)
@click.option(
    "--campaigns",
    type=int,
    default=None,
    help="Planted attack campaigns; by default a number that suits the users and days.",
)
def command(out: Path, seed: int, days: int, users: int, start: datetime, campaigns: int | None) -> None:
    """Write the logs of an invented organisation: people with habits, benign oddities and planted attacks.

    DIR/events.ndjson is OCSF 1.8, one event a line in order of arrival (a small share comes late, see
    DIR/delivery.json); DIR/directory.csv the peer groups for `habitus score --directory`. What was planted is
    in DIR/labels.ndjson, what was odd but benign in DIR/oddities.ndjson, and nowhere else. The same arguments
    give the same bytes.
    """
    from training.simulate.writer import Simulation, write

    summary = write(Simulation(seed, users, days, start.date(), campaigns), out)
    echo(summary, out)


def echo(summary: Summary, out: Path) -> None:
    """Say what was written, without giving away the ground truth."""
    planted = len(summary.campaigns)
    click.echo(
        f"{out}: {summary.events:,} events ({summary.bytes / 1e6:,.0f} MB) of {summary.people} people and"
        f" {summary.hosts} machines"
    )
    click.echo(
        f"{planted} campaigns were planted ({summary.attack_events:,} events, see labels.ndjson) beside"
        f" {summary.oddities} benign oddities (oddities.ndjson)"
    )
