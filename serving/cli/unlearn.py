"""`habitus unlearn`: take an incident's events out of the baselines, as if they had never been learned."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from serving.cli.client import asked

KINDS = ("user", "host", "src_ip")


@click.command(name="unlearn")
@click.option("--entity", required=True, help="User, host or source address of the incident.")
@click.option("--from", "start", required=True, help="First moment, ISO 8601; UTC when it has no zone.")
@click.option("--to", "end", required=True, help="First moment after the incident.")
@click.option("--state", type=click.Path(path_type=Path), help="State folder of `habitus score` to change.")
@click.option("--url", help="Address of a running service to ask instead, such as https://habitus:8080.")
@click.option("--key", envvar="HABITUS_KEY", help="With --url: key of an analyst; also by HABITUS_KEY.")
@click.option(
    "--kind", type=click.Choice(KINDS), default="user", show_default=True, help="With --url: what it is."
)
def command(
    entity: str, start: str, end: str, state: Path | None, url: str | None, key: str | None, kind: str
) -> None:
    """Take every event of ENTITY between two moments out of what was learned, at all levels."""
    from features.errors import InputError
    from serving.state import parse_moment

    low, high = parse_moment(start, "--from"), parse_moment(end, "--to")
    if low >= high:
        raise InputError(f"--from {start} is not before --to {end}")
    if (state is None) == (url is None):
        raise click.UsageError("give --state FOLDER, or --url and --key of a running service")
    if url is not None:
        if not key:
            raise click.UsageError("--url needs --key, or HABITUS_KEY in the environment")
        _by_service(url, key, kind, entity, low, high)
    elif state is not None:
        _in_folder(state, entity, low, high)


def _in_folder(state: Path, entity: str, low: datetime, high: datetime) -> None:
    from features.errors import InputError
    from serving.state import opened

    if not (state / "CURRENT").exists():
        raise InputError(f"{state}: no state here")
    with opened(state) as folder:
        name = folder.detector.known_name(entity)
        taken, missing = folder.unlearn(name, low, high)
    _say(name, taken, missing, low, high)


def _by_service(url: str, key: str, kind: str, entity: str, low: datetime, high: datetime) -> None:
    from urllib.parse import quote

    path = f"/v1/entities/{kind}/{quote(entity, safe='')}/unlearn"
    found = asked(url, key, "POST", path, {"from": low.isoformat(), "to": high.isoformat()})
    since = datetime.fromisoformat(found["from"])
    _say(found["entity"], found["events"], found["missing_weight"], since, high)
    if since > low:
        click.echo(f"what was learned before {_utc(since)} UTC is no longer kept event by event")


def _say(name: str, taken: int, missing: float, low: datetime, high: datetime) -> None:
    from serving.text import printable

    click.echo(f"took out {taken:,} events of {printable(name)} from {_utc(low)} to {_utc(high)} UTC")
    if missing > 0.5:
        click.echo(f"{missing:,.0f} habit weights were no longer there (faded or dropped)")


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
