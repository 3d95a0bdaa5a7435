"""`habitus incidents`: alerts of a running service put together to stories, for the terminal."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import click

from serving.cli.alerts import STATES, VERDICTS
from serving.cli.client import asked, clean, common_options, once, print_json, severity_of


@click.group(name="incidents")
def command() -> None:
    """List, show and judge the incidents of a running service."""


@command.command(name="list")
@common_options
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
        print_json(page)
        return
    if not page["incidents"]:
        click.echo("no incidents")
    for incident in page["incidents"]:
        click.echo(_line(incident))
    if page["next"]:
        click.echo(f"there are more: give --limit (the first {options['limit']} are shown)", err=True)


@command.command()
@common_options
@click.argument("incident")
def show(url: str, key: str | None, as_json: bool, incident: str) -> None:
    """The story of INCIDENT: timeline, scope, techniques, next steps, and its alerts."""
    found = asked(url, key, "GET", f"/v1/incidents/{quote(incident, safe='')}")
    if as_json:
        print_json(found)
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
        entity = f"{about['entity_kind']} {clean(about['entity'])}"
        uid = alert["finding_info"]["uid"]
        click.echo(f"  {uid}  {about['day']}  {entity}  risk {about['risk']:.1f} [{about['state']}{said}]")


@command.command()
@common_options
@click.argument("incident")
@click.argument("verdict", type=click.Choice([*VERDICTS, "revert"]))
@click.option("--reason", default="", help="Why.")
@click.option("--state", type=click.Choice(STATES[1:]), help="The state that its alerts move to.")
@click.option("--unlearn", is_flag=True, help="True positive: take the alerts' days out of what is normal.")
def verdict(url: str, key: str | None, as_json: bool, incident: str, verdict: str, **given: Any) -> None:
    """Say what all alerts of INCIDENT were, or take that back with `revert`."""
    path = f"/v1/incidents/{quote(incident, safe='')}/verdict"
    if verdict == "revert":
        answer = asked(url, key, "DELETE", path, headers=once())
    else:
        body = {"verdict_id": VERDICTS[verdict], **{k: v for k, v in given.items() if v is not None}}
        answer = asked(url, key, "POST", path, body, once())
    if as_json:
        print_json(answer)
        return
    click.echo(_line(answer["incident"]))
    click.echo(f"  alerts: {len(answer['verdicts'])}, failed: {len(answer['failed'])}")
    for one in answer["failed"]:
        click.echo(f"  {one['alert_id']}: {clean(one['error'])}", err=True)


def _line(incident: Any) -> str:
    own = incident["unmapped"]
    marks = [own["state"]]
    if incident.get("verdict"):
        marks.append(incident["verdict"].lower())
    if own["active"]:
        marks.append("active")
    told = f"{clean(incident['message'])}  [{', '.join(marks)}]"
    return f"{own['incident_id']}  {own['day']}  {severity_of(incident)}  {own['n_alerts']:>3} alerts  {told}"
