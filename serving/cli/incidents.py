"""`habitus incidents`: alerts of a running service put together to stories, for the terminal."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import click

from serving.cli.alerts import STATES, VERDICTS
from serving.cli.client import asked, service_options

if TYPE_CHECKING:
    from collections.abc import Callable

_COLORS = {5: "red", 4: "red", 3: "yellow"}


@click.group(name="incidents")
def command() -> None:
    """List, show and judge the incidents of a running service."""


def _common(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option("--json", "as_json", is_flag=True, help="Print what the service answered.")(
        function
    )
    return service_options(function)


@command.command(name="list")
@_common
@click.option("--state", multiple=True, type=click.Choice(STATES), help="Only these; can be repeated.")
@click.option("--active/--ended", default=None, help="Only those that still take in alerts, or do not.")
@click.option("--min-severity", type=click.IntRange(1, 5), default=1, help="Least severity, 5 is critical.")
@click.option("--entity", help="Only with this user, host or address.")
@click.option("--technique", help="Only with this ATT&CK technique, such as T1021.")
@click.option("--text", help="Only with this in the title or an entity's name.")
@click.option("--sort", type=click.Choice(["last", "risk", "opened", "updated"]), default="last")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
def list_(url: str, key: str | None, as_json: bool, **options: Any) -> None:
    """Incidents, the latest first."""
    active = None if options["active"] is None else str(options["active"]).lower()
    query = {**options, "state": ",".join(options["state"]) or None, "active": active}
    given = {name: value for name, value in query.items() if value is not None}
    page = asked(url, key, "GET", f"/v1/incidents?{urlencode(given)}")
    if as_json:
        click.echo(json.dumps(page, indent=2))
        return
    if not page["incidents"]:
        click.echo("no incidents")
    for incident in page["incidents"]:
        click.echo(_line(incident))
    if page["next"]:
        click.echo(f"there are more: give --limit (the first {options['limit']} are shown)", err=True)


@command.command()
@_common
@click.argument("incident")
def show(url: str, key: str | None, as_json: bool, incident: str) -> None:
    """The story of INCIDENT: timeline, scope, techniques, next steps, and its alerts."""
    found = asked(url, key, "GET", f"/v1/incidents/{quote(incident, safe='')}")
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    import msgspec

    from models.incidents.story import Description
    from models.incidents.text import as_text

    own = found["incident"]["unmapped"]
    click.echo(as_text(msgspec.convert(found["description"], Description)), nl=False)
    ends = "takes in alerts" if own["active"] else f"closed: {own['closed_for']}"
    click.echo(f"\nAlerts ({own['state'].replace('_', ' ')}; {ends})")
    for alert in found["alerts"]:
        about = alert["unmapped"]
        said = f", {alert['verdict'].lower()}" if alert.get("verdict") else ""
        entity = f"{about['entity_kind']} {_clean(about['entity'])}"
        uid = alert["finding_info"]["uid"]
        click.echo(f"  {uid}  {about['day']}  {entity}  risk {about['risk']:.1f} [{about['state']}{said}]")


@command.command()
@_common
@click.argument("incident")
@click.argument("verdict", type=click.Choice([*VERDICTS, "revert"]))
@click.option("--reason", default="", help="Why.")
@click.option("--state", type=click.Choice(STATES[1:]), help="The state that its alerts move to.")
@click.option("--unlearn", is_flag=True, help="True positive: take the alerts' days out of what is normal.")
def verdict(url: str, key: str | None, as_json: bool, incident: str, verdict: str, **given: Any) -> None:
    """Say what all alerts of INCIDENT were, or take that back with `revert`."""
    path = f"/v1/incidents/{quote(incident, safe='')}/verdict"
    once = {"Idempotency-Key": secrets.token_hex(16)}
    if verdict == "revert":
        answer = asked(url, key, "DELETE", path, headers=once)
    else:
        body = {"verdict_id": VERDICTS[verdict], **{k: v for k, v in given.items() if v is not None}}
        answer = asked(url, key, "POST", path, body, once)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    click.echo(_line(answer["incident"]))
    click.echo(f"  alerts: {len(answer['verdicts'])}, failed: {len(answer['failed'])}")
    for one in answer["failed"]:
        click.echo(f"  {one['alert_id']}: {_clean(one['error'])}", err=True)


def _line(incident: Any) -> str:
    own = incident["unmapped"]
    severity = click.style(f"{incident['severity']:<13}", fg=_COLORS.get(incident["severity_id"]))
    marks = [own["state"]]
    if incident.get("verdict"):
        marks.append(incident["verdict"].lower())
    if own["active"]:
        marks.append("active")
    told = f"{_clean(incident['message'])}  [{', '.join(marks)}]"
    return f"{own['incident_id']}  {own['day']}  {severity}  {own['n_alerts']:>3} alerts  {told}"


def _clean(text: str) -> str:
    from serving.text import printable

    return printable(str(text))
