"""`habitus keys`: make, list and revoke the keys that senders and people use."""

from __future__ import annotations

import getpass
import os
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from serving.keys import Keys
    from serving.store.database import Database

ROLES = ("collector", "analyst", "scientist", "admin")


def store_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name a store."""
    function = click.option("--url", help="Database URL; by default the SQLite store of --data-dir.")(
        function
    )
    return click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("var"),
        show_default=True,
        help="Data directory of the service.",
    )(function)


@contextmanager
def opened_store(data_dir: Path, url: str | None) -> Iterator[Database]:
    """The store that `store_options` name."""
    from serving.store.database import default_url, open_database

    database = open_database(url or default_url(data_dir))
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _opened(data_dir: Path, url: str | None) -> Iterator[Keys]:
    from serving.keys import Keys

    with opened_store(data_dir, url) as database:
        yield Keys(database)


def who() -> str:
    """For the audit log: this command line, and whom the operating system takes us for."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user without a name
        return f"cli:{os.getuid()}"


@click.group(name="keys")
def command() -> None:
    """Make, list and revoke API keys. Works while the service runs."""


@command.command()
@store_options
@click.option("--tenant", default="default", show_default=True, help="Whose data the key reaches.")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the key may do.")
@click.option("--label", default="", help="What it is for.")
def create(data_dir: Path, url: str | None, tenant: str, role: str, label: str) -> None:
    """Make a key and print it: this once, on standard output, and nowhere else."""
    with _opened(data_dir, url) as keys:
        key = keys.create(tenant, role, label, actor=who())
    click.echo(f"a {role} key of tenant {tenant}; keep it, it cannot be shown again:", err=True)
    click.echo(key)


@command.command(name="list")
@store_options
@click.option("--tenant", help="Only this tenant's keys.")
def list_(data_dir: Path, url: str | None, tenant: str | None) -> None:
    """List all keys, without their secrets."""
    from serving.text import printable

    with _opened(data_dir, url) as keys:
        found = keys.all(tenant)
    if not found:
        click.echo("no keys; make one with: habitus keys create --role collector")
        return
    click.echo(f"{'key':12}  {'tenant':16} {'role':10} {'made':16}  {'':9} label")
    for key in found:
        made = datetime.fromtimestamp(key.created_us / 1e6, UTC)
        state = "revoked" if key.revoked_us is not None else "valid"
        who = f"{key.key_id:12}  {key.tenant:16} {key.role:10}"
        click.echo(f"{who} {made:%Y-%m-%d %H:%M}  {state:9} {printable(key.label)}")


@command.command()
@store_options
@click.argument("key_id")
def revoke(data_dir: Path, url: str | None, key_id: str) -> None:
    """Make the key with this id (see `list`) invalid, for good."""
    with _opened(data_dir, url) as keys:
        keys.revoke(key_id, actor=who())
    click.echo(f"key {key_id} is revoked")
