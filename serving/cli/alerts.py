"""`habitus alerts`: the queue of a running service, for the terminal."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import quote, urlencode

import click

from serving.cli.client import asked, clean, common_options, once, print_json, severity_of

VERDICTS = {
    "false-positive": 1,
    "true-positive": 2,
    "suspicious": 4,
    "benign": 5,
    "test": 6,
    "insufficient": 7,
    "duplicate": 10,
}
STATES = ("new", "triaged", "in_progress", "contained", "closed")


@click.group(name="alerts")
def command() -> None:
    """List and work on the alerts of a running service."""


@command.command(name="list")
@common_options
@click.option("--state", multiple=True, type=click.Choice(STATES), help="Only these; can be repeated.")
@click.option("--min-severity", type=click.IntRange(1, 5), default=1, help="Least severity, 5 is critical.")
@click.option("--entity", help="Only of this user, host or address.")
@click.option("--text", help="Only with this in the name or a reason.")
@click.option("--since", help="Raised at or after this moment, ISO 8601.")
@click.option("--assignee", help="Only those that this person has.")
@click.option("--sort", type=click.Choice(["day", "risk", "raised", "updated"]), default="day")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
def list_(url: str, key: str | None, as_json: bool, **options: Any) -> None:
    """Alerts, newest day first."""
    query = {**options, "state": ",".join(options["state"]) or None}
    given = {name: value for name, value in query.items() if value is not None}
    page = asked(url, key, "GET", f"/v1/alerts?{urlencode(given)}")
    if as_json:
        print_json(page)
        return
    if not page["alerts"]:
        click.echo("no alerts")
    for alert in page["alerts"]:
        click.echo(_line(alert))
    if page["next"]:
        click.echo(
            f"there are more: give --limit or --since (the first {options['limit']} are shown)", err=True
        )


@command.command()
@common_options
@click.argument("alert")
def show(url: str, key: str | None, as_json: bool, alert: str) -> None:
    """One alert with its reasons and history."""
    found = asked(url, key, "GET", _path(alert))
    history = asked(url, key, "GET", f"{_path(alert)}/history?limit=1000")
    if as_json:
        print_json({"alert": found, "history": history["lines"]})
        return
    own = found["unmapped"]
    click.echo(_line(found))
    click.echo(f"  risk {own['risk']:.2f}, {own['n_events']:,} events, version {own['version']}")
    for reason in own["reasons"]:
        click.echo(f"  - {clean(reason)}")
    for line in history["lines"]:
        at = _utc(line["time"])
        if line["what"] == "note":
            click.echo(f"  {at} {clean(line['actor'])} noted:")
            for text in line["new"].splitlines():
                click.echo(f"      {clean(text)}")
        else:
            old, new = clean(line["old"]) or "nothing", clean(line["new"]) or "nothing"
            click.echo(f"  {at} {clean(line['actor'])} {clean(line['what'])}: {old} -> {new}")


@command.command()
@common_options
@click.argument("alert")
@click.argument("verdict", type=click.Choice([*VERDICTS, "revert"]))
@click.option("--reason", default="", help="Why.")
@click.option("--state", type=click.Choice(STATES[1:]), help="The state it moves to.")
@click.option("--unlearn", is_flag=True, help="True positive: take the day's events out of what is normal.")
@click.option("--version", type=int, help="Only if the alert still has this version.")
def verdict(url: str, key: str | None, as_json: bool, alert: str, verdict: str, **given: Any) -> None:
    """Say what ALERT was, or take that back with `revert`."""
    if verdict == "revert":
        version = given["version"]
        suffix = "" if version is None else f"?version={version}"
        answer = asked(url, key, "DELETE", f"{_path(alert)}/verdict{suffix}", headers=once())
    else:
        body = {"verdict_id": VERDICTS[verdict], **{k: v for k, v in given.items() if v is not None}}
        answer = asked(url, key, "POST", f"{_path(alert)}/verdict", body, once())
    if as_json:
        print_json(answer)
        return
    click.echo(_line(answer["alert"]))
    effect = answer.get("effect") or {}
    said = [f"{count} {name.replace('_', ' ')}" for name, count in effect.items() if count]
    if said:
        click.echo(f"  events that were held back: {', '.join(said)}")
    if "unlearned" in answer:
        click.echo(f"  {answer['unlearned']['events']:,} events were taken out of what is normal")


@command.command()
@common_options
@click.argument("alert")
@click.option("--version", type=int, help="Only if the alert still has this version.")
@click.option(
    "--state", type=click.Choice(STATES[1:]), default="closed", show_default=True, help="Another state."
)
def close(url: str, key: str | None, as_json: bool, alert: str, version: int | None, state: str) -> None:
    """Move ALERT to closed, or another state."""
    body = {"state": state} if version is None else {"state": state, "version": version}
    _changed(asked(url, key, "POST", f"{_path(alert)}/state", body, once()), as_json)


@command.command()
@common_options
@click.argument("alert")
@click.argument("assignee")
def assign(url: str, key: str | None, as_json: bool, alert: str, assignee: str) -> None:
    """Give ALERT to ASSIGNEE: a name, "me", or "" for nobody."""
    _changed(asked(url, key, "POST", f"{_path(alert)}/assign", {"assignee": assignee}, once()), as_json)


@command.command()
@common_options
@click.argument("alert")
@click.argument("text")
def note(url: str, key: str | None, as_json: bool, alert: str, text: str) -> None:
    """Add a note to ALERT; - reads it from standard input."""
    if text == "-":
        text = sys.stdin.read()
    _changed(asked(url, key, "POST", f"{_path(alert)}/notes", {"text": text}, once()), as_json)


def _path(alert: str) -> str:
    return f"/v1/alerts/{quote(alert, safe='')}"


def _changed(alert: Any, as_json: bool) -> None:
    if as_json:
        print_json(alert)
    else:
        click.echo(_line(alert))


def _line(alert: Any) -> str:
    own = alert["unmapped"]
    marks = [own["state"]]
    if alert.get("verdict"):
        marks.append(alert["verdict"].lower())
    if alert.get("assignee"):
        marks.append(f"with {clean(alert['assignee']['name'])}")
    reason = f"  {clean(own['reasons'][0])}" if own["reasons"] else ""
    entity = f"{own['entity_kind']} {clean(own['entity'])}"
    start = f"{alert['finding_info']['uid']}  {own['day']}  {severity_of(alert)}"
    return f"{start}  {entity}  [{', '.join(marks)}]{reason}"


def _utc(moment_ms: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(moment_ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
