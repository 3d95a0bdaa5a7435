"""`habitus promote`: let a challenger take the champion's place, if it is no worse on recent history."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from serving.cli.histories import events_options, models_option
from serving.cli.weights import hand_over, service_option

if TYPE_CHECKING:
    from models.feedback.weights import Weights
    from training.gate import Decision
    from training.judging import Ground
    from training.tracking import Registry, Version


@click.command(name="promote")
@click.argument("name")
@click.option(
    "--version", "which", default="challenger", show_default=True, help="Version number or alias to promote."
)
@events_options
@click.option("--labels", default="", metavar="FILE", help="Known incidents in these events (labels.ndjson).")
@click.option("--oddities", default="", metavar="FILE", help="Benign changes in them (oddities.ndjson).")
@click.option("--verdicts", type=click.Path(path_type=Path), help="What analysts said (NDJSON).")
@click.option(
    "--budget",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Alerts a day for every 500 entities.",
)
@click.option(
    "--accept-different",
    is_flag=True,
    help="Without labels and verdicts: take a challenger that ranks differently.",
)
@click.option("--dry-run", is_flag=True, help="Compare and print; promote nothing.")
@service_option
@models_option
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Compare a challenger of the model NAME with its champion, and promote it if it is no worse.

    Both replay the events after their training and are compared on the days that neither has seen: recall
    within the budget where there are labels, what analysts confirmed and rejected, calibration, time an event
    and size. The table says what was compared and what was refused; exit code 1 when it was.

    Weights of evidence (TENANT.weights) were compared when they were made, by `habitus retrain`. With --url
    and --key the running service takes them at once.
    """
    if not run(**options).passed:
        ctx.exit(1)


def run(
    name: str,
    which: str = "challenger",
    *,
    models: str,
    events: tuple[str, ...] = (),
    lake: str = "",
    labels: str = "",
    oddities: str = "",
    verdicts: Path | None = None,
    budget: float = 10.0,
    accept_different: bool = False,
    dry_run: bool = False,
    url: str = "",
    key: str | None = None,
) -> Decision:
    """Compare, print, and promote when the gate lets it pass."""
    from features.errors import InputError
    from models.risk import Budget
    from serving.cli.histories import opened, progress_bar, registry_of
    from training import gate, reranker
    from training.pedb.report import plain
    from training.runfile import Data

    registry = registry_of(models)
    candidate, champion = registry.version(name, which), registry.champion(name)
    if champion is not None and champion.number == candidate.number:
        raise InputError(f"{candidate} is the champion already")
    if events and lake:
        raise InputError("--events and --lake exclude each other")
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="habitus-gate-")))
        right = registry.fetch(candidate, place / "challenger")
        if reranker.holds_weights(right):
            return _weights(registry, candidate, reranker.load(right.folder, right.digest), url, key, dry_run)
        left = None if champion is None else registry.fetch(champion, place / "champion")
        history = ground = None
        if left is not None and (events or lake):
            data = Data(files=list(events), lake=lake, labels=labels, oddities=oddities)
            bar = stack.enter_context(progress_bar())
            history = stack.enter_context(opened(data, Path(), place, bar))
            ground = _ground(history.labels, history.oddities)
        decision = gate.decide(
            left,
            right,
            None if history is None else history.lake,
            ground=ground,
            verdicts=gate.read_verdicts(verdicts) if verdicts is not None else None,
            budget=Budget(budget),
            limits=gate.Limits(overlap=0.0) if accept_different else None,
        )
    if decision.first_day:
        click.echo(
            f"{champion} against {candidate}, {decision.first_day} to {decision.last_day}:\n"
            f"{plain(decision.rows())}\n"
        )
    if not decision.passed:
        click.echo(f"{candidate} is refused:")
        for reason in decision.reasons:
            click.echo(f"  {reason}")
    elif dry_run:
        click.echo(f"{candidate} would be promoted (--dry-run)")
    else:
        registry.promote(candidate)
        click.echo(
            f"{candidate} is champion now"
            + (f"; `habitus rollback {name}` brings {champion} back" if champion is not None else "")
        )
    return decision


def _weights(
    registry: Registry, candidate: Version, weights: Weights, url: str, key: str | None, dry_run: bool
) -> Decision:
    """Promote weights that `habitus retrain` let in; the service first, so that the alias says what is so."""
    from training.gate import Check, Decision

    if dry_run:
        click.echo(f"{candidate} would be promoted (--dry-run)")
    else:
        if url:
            hand_over(url, key, weights, f"{candidate} promoted")
        registry.promote(candidate)
        click.echo(f"{candidate} is champion now; `habitus rollback {candidate.name}` goes back one step")
    return Decision([Check("can be loaded", "-", "yes", "yes", "")], "", "")


def _ground(labels: Path | None, oddities: Path | None) -> Ground | None:
    from training.judging import ground_of

    return None if labels is None else ground_of(labels, oddities, 0)
