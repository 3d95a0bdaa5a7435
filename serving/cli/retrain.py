"""`habitus retrain`: weights by cause from analysts' verdicts, replayed over past days, and let in or
refused.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from serving.cli.histories import DEFAULT_MODELS, models_option
from serving.cli.keys import opened_store, store_options

if TYPE_CHECKING:
    from training.retraining import Outcome, Queue

SHOWN_MOVES = 15
EXPERIMENT = "feedback"


@click.command(name="retrain")
@store_options
@click.option("--tenant", default="default", show_default=True, help="Whose verdicts.")
@models_option
@click.option(
    "--days",
    default=180,
    show_default=True,
    type=click.IntRange(7),
    help="Days of alerts, to the newest, that are queued again.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of the draws.")
@click.option("--show", is_flag=True, help="List all weights and what they move, also when they are refused.")
@click.option("--dry-run", is_flag=True, help="Compare and print; register nothing.")
def command(**options: Any) -> None:
    """Fit weights of evidence to what analysts said, and register them as TENANT.weights if they help.

    Each past day is queued again with weights of the verdicts that were known before it, and every confirmed
    attack that was raised has to be raised still. Too few verdicts, or no gain that is sure, is a refusal
    that says so; it is no error. Nothing that is scored changes: `habitus promote` does that. Works while the
    service runs.
    """
    run(**options)


def run(
    data_dir: Path,
    url: str | None = None,
    *,
    tenant: str = "default",
    models: str = DEFAULT_MODELS,
    days: int = 180,
    seed: int = 0,
    show: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Fit, compare, print, register; returns what came of it."""
    from features.errors import InputError
    from serving import labelling
    from serving.checkpoints import Folders
    from training import retraining
    from training.manifest import NAME
    from training.reranker import SUFFIX

    if not NAME.fullmatch(tenant + SUFFIX):
        raise InputError(
            f"{tenant[:64]!r} cannot be part of a model's name: use lower-case letters and digits"
        )
    labelling.check_store(data_dir, url)
    with opened_store(data_dir, url) as database:
        labelling.check_tenant(database, tenant)
        memory = labelling.remembered(Folders(data_dir).state(tenant))
        rows, queue = labelling.queue(database, tenant, memory, days)
    found = retraining.retrain(queue, seed=seed)
    judged = sum(one.true is not None for one in queue.lessons)
    click.echo(f"{len(rows):,} verdicts; {judged:,} judged among {len(queue.lessons):,} entity-days raised")
    _print(found, queue, tenant, show=show or found.decision.passed)
    if not found.decision.passed:
        click.echo("nothing is registered:")
        for reason in found.decision.reasons:
            click.echo(f"  {reason}")
    elif dry_run:
        click.echo("would be registered (--dry-run)")
    else:
        _register(found, queue, tenant, models, seed)
    return found


def _print(found: Outcome, queue: Queue, tenant: str, *, show: bool) -> None:
    from serving.days import day_of
    from serving.text import printable
    from training.pedb.report import plain
    from training.retraining import moves

    if found.weights is None:
        return
    click.echo(
        f"{printable(tenant)}, {found.decision.first_day} to {found.decision.last_day},"
        f" {found.weights.fit} fit:\n{plain(found.decision.rows())}\n"
    )
    if not show:
        return
    for line in found.said:
        click.echo(f"  {printable(line)}")
    moved = moves(queue, found.weights)
    click.echo(f"\n{len(moved):,} entity-days stand in another place of their day:")
    said = {True: "attack", False: "harmless", None: "not judged"}
    table = [["day", "entity", "was", "place", "would be", "risk x"]]
    for move in moved[:SHOWN_MOVES]:
        kind, entity, day = move.lesson.key
        row = [day_of(day).isoformat(), printable(f"{kind} {entity}"), said[move.lesson.true]]
        table.append([*row, str(move.before), str(move.after), f"{move.factor:.2f}"])
    if moved:
        click.echo(plain(table))


def card(found: Outcome, queue: Queue, tenant: str) -> str:
    """The card of the weights: what they do, what they were judged by, what they cannot do. Markdown."""
    from training.retraining import PART

    weights = found.weights
    judged = [one for one in queue.lessons if one.true is not None]
    lines = [
        f"# Weights of evidence of {tenant}",
        "",
        f"Fit: {weights.fit if weights else ''}, of {len(judged):,} judged entity-days,"
        f" {sum(one.true is True for one in judged):,} of them attacks.",
        "",
        "A cause's evidence counts by its weight; no risk is more than doubled or halved.",
        "",
        *(f"- {line}" for line in found.said),
        "",
        f"## Judged on {found.decision.first_day} to {found.decision.last_day}",
        "",
        f"The line is that of the upper {PART:.0%} of each day's alerts.",
        "",
    ]
    head, *rows = found.decision.rows()
    lines += [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += [
        "",
        "## What it cannot say",
        "",
        "- Only what was shown was judged: of what was never raised these verdicts say nothing.",
        "- What was harmless until now may be an attack tomorrow: a cause that is always a false alarm counts"
        " half, and never nothing.",
        "",
    ]
    return "\n".join(lines)


def _register(found: Outcome, queue: Queue, tenant: str, models: str, seed: int) -> None:
    from training import reranker
    from training.tracking import Registry
    from training.versions import code_version

    if found.weights is None:
        return
    name = tenant + reranker.SUFFIX
    judged = [one for one in queue.lessons if one.true is not None]
    registry = Registry(models)
    with tempfile.TemporaryDirectory(prefix="habitus-retrain-") as place:
        bundle = reranker.write(
            Path(place) / "bundle",
            name,
            found.weights,
            judged,
            found.metrics,
            card(found, queue, tenant),
        )
        version = registry.log_run(
            EXPERIMENT,
            name,
            parameters={"fit": found.weights.fit, "seed": seed, "verdicts": len(judged)},
            metrics=found.metrics,
            tags={"code_version": code_version(), "digest": bundle.digest},
            bundle=bundle,
        )
    click.echo(
        f"\n{version} is registered in {models} as challenger;"
        f" `habitus models show {name} --version challenger` shows its card,"
        f" `habitus promote {name}` lets it in"
    )
