"""`habitus rollback`: make the former champion the champion again."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from serving.cli.histories import models_option
from serving.cli.weights import hand_over, service_option


@click.command(name="rollback")
@click.argument("name")
@service_option
@models_option
def command(name: str, models: str, url: str, key: str | None) -> None:
    """Make the former champion of the model NAME the champion again, one step back.

    The former model is fetched and checked first: a rollback to something damaged is refused. With --url
    and --key a running service takes former weights of evidence (TENANT.weights) at once.
    """
    run(name, models, url, key)


def run(name: str, models: str, url: str = "", key: str | None = None) -> None:
    """Check the former champion, then move the alias."""
    from serving.cli.histories import registry_of
    from training import reranker

    registry = registry_of(models)
    former = registry.former(name)
    with tempfile.TemporaryDirectory(prefix="habitus-rollback-") as place:
        bundle = registry.fetch(former, Path(place) / "former")
        if url and reranker.holds_weights(bundle):
            hand_over(url, key, reranker.load(bundle.folder, bundle.digest), f"rollback to {former}")
    before, now = registry.rollback(name)
    click.echo(f"{now} is champion again, {before} is not any more")
