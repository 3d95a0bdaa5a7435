"""`habitus models`: look at registered models, fetch one, start a state from one."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

import click

from serving.cli.histories import models_option


@click.group(name="models")
def command() -> None:
    """List registered models, show their cards, fetch one, or start a state folder from one."""


@command.command("list")
@models_option
def list_models(models: str) -> None:
    """All versions of all models, the newest first."""
    from serving.cli.histories import registry_of
    from training.pedb.report import plain

    registry = registry_of(models)
    rows = [["model", "version", "alias", "trained until", "events", "registered (UTC)", "digest"]]
    for name in registry.names():
        rows += [
            [
                name,
                str(one.number),
                ", ".join(one.aliases) or "-",
                one.trained_until[:10],
                f"{one.events:,}",
                f"{one.created:%Y-%m-%d %H:%M}",
                one.digest[:16],
            ]
            for one in registry.versions(name)
        ]
    click.echo(plain(rows) if len(rows) > 1 else "no models yet; `habitus train RUN.toml` registers one")


@command.command("show")
@click.argument("name")
@click.option("--version", "which", default="champion", show_default=True, help="Version number or alias.")
@models_option
def show(name: str, which: str, models: str) -> None:
    """The card of a model: what it sees, what it cannot see, data, and figures by slice."""
    from serving.cli.histories import registry_of
    from training.bundle import read_document
    from training.manifest import CARD

    registry = registry_of(models)
    version = registry.version(name, which)
    with tempfile.TemporaryDirectory(prefix="habitus-models-") as place:
        card = read_document(registry.fetch(version, Path(place) / "bundle"), CARD)
    click.echo((card or b"this version has no card\n").decode("utf-8", "replace"), nl=False)


@command.command("fetch")
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--version", "which", default="champion", show_default=True, help="Version number or alias.")
@models_option
def fetch(name: str, folder: Path, which: str, models: str) -> None:
    """Copy a model into the new folder FOLDER, checked against the registry."""
    from serving.cli.histories import registry_of

    registry = registry_of(models)
    bundle = registry.fetch(registry.version(name, which), folder)
    click.echo(f"{folder}: {bundle.bytes / 1e6:,.0f} MB, digest {bundle.digest}")


@command.command("start")
@click.argument("name")
@click.option(
    "--state", type=click.Path(path_type=Path, file_okay=False), required=True, help="New state folder."
)
@click.option("--version", "which", default="champion", show_default=True, help="Version number or alias.")
@models_option
def start(name: str, state: Path, which: str, models: str) -> None:
    """Begin a state folder with what a model has learned; `habitus score --state` goes on from there."""
    from features.errors import InputError
    from serving.cli.histories import registry_of
    from serving.state import locked
    from training.bundle import load_detector

    registry = registry_of(models)
    version = registry.version(name, which)
    if state.exists() and any(state.iterdir()):
        raise InputError(f"{state}: is not empty; a model would replace what was learned there")
    with tempfile.TemporaryDirectory(prefix="habitus-models-") as place:
        bundle = registry.fetch(version, Path(place) / "bundle")
        detector, _ = load_detector(bundle.folder, version.digest)
    # models carry no secret: whoever sends events must not be able to aim at another event's key
    detector.key_seed = secrets.randbits(62)
    with locked(state):
        detector.save(state)
    click.echo(
        f"{state}: {version}, trained until {bundle.manifest.trained_until[:10]};"
        f" `habitus score --state {state} FILE...` goes on from there"
    )
