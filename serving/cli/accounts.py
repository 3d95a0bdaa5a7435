"""`habitus accounts`: the people who sign in to the console."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from serving.cli.keys import opened_store, store_options, who

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from serving.accounts.book import Accounts
    from serving.audit import Deed

ROLES = ("analyst", "scientist", "admin")


@contextmanager
def _opened(data_dir: Path, url: str | None) -> Iterator[Accounts]:
    from serving.accounts.book import Accounts

    with opened_store(data_dir, url) as database:
        yield Accounts(database)


def _deed() -> Deed:
    from serving.audit import Deed

    return Deed(who(), "", "")


def _print_password(login: str, password: str) -> None:
    click.echo(
        f"{login} can sign in at /console with this password once, and is asked for another:", err=True
    )
    click.echo(password)


@click.group(name="accounts")
def command() -> None:
    """Make, list, disable and reset the accounts of people. Works while the service runs."""


@command.command()
@store_options
@click.argument("login")
@click.option("--tenant", default="default", show_default=True, help="Whose alerts the person works on.")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the person may do.")
@click.option("--name", default="", help="As colleagues see it; the login by default.")
@click.option("--oidc", is_flag=True, help="Signs in at the OpenID provider only; there is no password.")
def create(
    data_dir: Path, url: str | None, login: str, tenant: str, role: str, name: str, oidc: bool
) -> None:
    """Make an account and print its one-time password: this once, on standard output, and nowhere else."""
    from serving.accounts.book import checked_login

    with _opened(data_dir, url) as accounts:
        password = accounts.create(tenant, login, role, name, _deed(), oidc=oidc)
    if oidc:
        click.echo(f"{checked_login(login)} can sign in at /console with the OpenID provider", err=True)
        return
    _print_password(checked_login(login), password)


@command.command(name="list")
@store_options
@click.option("--tenant", help="Only this tenant's accounts.")
def list_(data_dir: Path, url: str | None, tenant: str | None) -> None:
    """List all accounts."""
    from serving.text import printable

    with _opened(data_dir, url) as accounts:
        found = accounts.all(tenant)
    if not found:
        click.echo("no accounts; make one with: habitus accounts create LOGIN --role analyst")
        return
    click.echo(f"{'login':32} {'tenant':16} {'role':10} {'made':16}  {'signs in with':18} {'':8} name")
    for account in found:
        made = datetime.fromtimestamp(account.created_us / 1e6, UTC)
        means = "OpenID" if account.oidc else "password, code" if account.totp else "password"
        means = "one-time password" if account.must_change else means
        state = "disabled" if account.disabled_us is not None else ""
        start = f"{account.login:32} {account.tenant:16} {account.role:10}"
        click.echo(f"{start} {made:%Y-%m-%d %H:%M}  {means:18} {state:8} {printable(account.name)}")


@command.command()
@store_options
@click.argument("login")
def disable(data_dir: Path, url: str | None, login: str) -> None:
    """Let nobody sign in with this account, and end its sessions."""
    with _opened(data_dir, url) as accounts:
        accounts.disable(login.strip().lower(), _deed())
    click.echo(f"{login} is disabled")


@command.command()
@store_options
@click.argument("login")
def reset(data_dir: Path, url: str | None, login: str) -> None:
    """Print a new one-time password; codes and sessions go, and a disabled account works again."""
    with _opened(data_dir, url) as accounts:
        password = accounts.reset(login.strip().lower(), _deed())
    if not password:
        click.echo(f"{login} can sign in again with the OpenID provider", err=True)
        return
    _print_password(login, password)
