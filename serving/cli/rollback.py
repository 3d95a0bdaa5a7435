"""`habitus rollback`: make the former champion the champion again."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from serving.cli.histories import models_option


@click.command(name="rollback")
@click.argument("name")
@models_option
def command(name: str, models: str) -> None:
    """Make the former champion of the model NAME the champion again, one step back.

    The former model is fetched and checked first: a rollback to something damaged is refused.
    """
    run(name, models)


def run(name: str, models: str) -> None:
    """Check the former champion, then move the alias."""
    from serving.cli.histories import registry_of

    registry = registry_of(models)
    former = registry.former(name)
    with tempfile.TemporaryDirectory(prefix="habitus-rollback-") as place:
        registry.fetch(former, Path(place) / "former")
    before, now = registry.rollback(name)
    click.echo(f"{now} is champion again, {before} is not any more")
