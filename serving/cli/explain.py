"""`habitus explain`: an alert's risk, worked out again from its receipt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from serving.cli.client import asked, service_options

SHOWN = 12


@click.command(name="explain")
@service_options
@click.option(
    "--receipt", type=click.Path(path_type=Path), help="A receipt in a file instead of the service's."
)
@click.option("--json", "as_json", is_flag=True, help="Print the receipt and what came of it.")
@click.argument("alert", required=False)
def command(url: str, key: str | None, receipt: Path | None, as_json: bool, alert: str | None) -> int:
    """Work out the risk of ALERT again from its receipt, and show what it is made of.

    Exits with 1 when anything is not equal, bit for bit.
    """
    from features.errors import InputError

    if (alert is None) == (receipt is None):
        raise click.UsageError("give an ALERT, or --receipt FILE")
    shown: float | None = None
    if receipt is not None:
        try:
            found = json.loads(receipt.read_text())
        except ValueError as error:
            raise InputError(f"{receipt}: no receipt in JSON ({error})") from error
    else:
        path = f"/v1/alerts/{quote(alert or '', safe='')}"
        found = asked(url, key, "GET", f"{path}/receipt")
        shown = asked(url, key, "GET", path)["unmapped"]["risk"]
    result = _compared(found, shown)
    if as_json:
        click.echo(json.dumps({"receipt": found, "result": result}, indent=2))
    else:
        _tell(found, result)
    return 0 if result["equal"] else 1


def _compared(receipt: dict[str, Any], shown: float | None) -> dict[str, Any]:
    from serving.receipts import evidence_again, recomputed

    risk = recomputed(receipt)
    parts = {"risk": risk == receipt["risk"]}
    if receipt["complete"]:
        parts["evidence"] = evidence_again(receipt) == receipt["evidence"]
    if shown is not None:
        parts["alert"] = risk == shown
    return {
        "risk": risk,
        "recorded": receipt["risk"],
        "alert": shown,
        "equal": all(parts.values()),
        "parts": parts,
    }


def _tell(receipt: dict[str, Any], result: dict[str, Any]) -> None:
    from serving.text import printable

    entity = printable(str(receipt["entity"]))
    click.echo(f"{receipt['entity_kind']} {entity} on {receipt['day']}: {receipt['n_events']:,} events")
    ranked = sorted(receipt["findings"], key=lambda one: -one["gain"])
    for finding in ranked[:SHOWN]:
        own, own_all, peer, peer_all, org, org_all = finding["counts"]
        value = printable(str(finding["value"]))
        click.echo(f"  +{finding['gain']:6.2f} nats  {printable(finding['channel'])}  {value}")
        click.echo(
            f"        seen {own:,.1f} of {own_all:,.1f} times by itself, {peer:,.1f} of {peer_all:,.1f}"
            f" by its group, {org:,.1f} of {org_all:,.1f} by everybody"
        )
    if len(ranked) > SHOWN:
        click.echo(f"  and {len(ranked) - SHOWN} more findings")
    for name, nats in sorted(receipt["members"].items()):
        weight = dict(receipt["weights"]).get(name, 0.0)
        said = "nothing to go by" if nats is None else f"{nats:.2f} nats"
        click.echo(f"  {name}: {said}{f', weight {weight:g}' if weight else ''}")
    if receipt.get("told"):
        rarity, told = receipt["rarity"], receipt["told"]
        click.echo(
            f"  {rarity:.2f} nats in all; {told:.2f} were raised in the days before: half of that is no news"
        )
    if receipt["factor"] != 1.0:
        click.echo(f"  what people said of the like leaves {receipt['factor']:.3f} of it")
    for name, digest in receipt["versions"].items():
        click.echo(f"  {name} {printable(str(digest))[:16]}")
    click.echo(f"recorded {result['recorded']!r}, worked out again {result['risk']!r}")
    unequal = [name for name, equal in result["parts"].items() if not equal]
    if not unequal:
        click.echo("equal, bit for bit")
    elif unequal == ["alert"]:
        click.echo(f"the receipt is sound; the alert has moved on since, to {result['alert']!r}")
    else:
        click.echo(f"UNEQUAL: {', '.join(unequal)}")
