"""`habitus baseline`: what is normal for a user or host."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(name="baseline")
def command() -> None:
    """Show what is normal for a user or host."""


@command.command()
@click.argument("entity")
@click.option(
    "--state", type=click.Path(path_type=Path), required=True, help="State folder of `habitus score --state`."
)
@click.option("--behaviour", help="Only this one, for example user.host.")
@click.option("--values", default=5, show_default=True, help="Values shown of each behaviour.")
@click.option("--csv", "as_csv", is_flag=True, help="The whole baseline as CSV on standard output.")
def show(entity: str, state: Path, behaviour: str | None, values: int, as_csv: bool) -> None:
    """Print the habits of ENTITY (a user, host or source address), usual values first with their share, and
    its risk with decay.
    """
    import numpy as np

    from features.errors import InputError
    from models.detector import Detector
    from serving.text import printable

    if not (state / "CURRENT").exists():
        raise InputError(f"{state}: no state here; make one with: habitus score FILE... --state {state}")
    detector = Detector.load(state)
    baselines = detector.baselines
    name = detector.known_name(entity)
    frame = baselines.habits(name)
    if behaviour is not None:
        if behaviour not in {b.name for b in baselines.behaviours}:
            raise InputError(
                f"{behaviour}: no such behaviour; one of {', '.join(b.name for b in baselines.behaviours)}"
            )
        frame = frame[frame["behaviour"] == behaviour]
    if as_csv:
        click.echo(frame.to_csv(index=False), nl=False)
        return
    for kind, entity_id in baselines.find(name):
        part = frame[frame["entity_kind"] == kind]
        group = baselines.group_name(entity_id)
        click.echo(f"{kind} {printable(name)}" + (f", peers: {printable(group)}" if group else ""))
        risk = detector.entity_risks(np.array([entity_id]))
        click.echo(
            f"  entity risk {risk.risk[0]:.1f}: evidence of the last day or so {risk.day[0]:.1f},"
            f" of the last week or so {risk.week[0]:.1f} nats"
        )
        for shown, habits in part.groupby("behaviour", sort=False):
            usual = ", ".join(
                f"{printable(str(row.value))} {row.share:.0%}" for row in habits.head(values).itertuples()
            )
            more = len(habits) - values
            rest = f", and {more:,} more" if more > 0 else ""
            click.echo(f"  {shown:20} {habits['weight'].sum():10,.0f} events: {usual}{rest}")
