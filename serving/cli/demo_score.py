"""`habitus demo --score`: simulate an organisation, score it, and say which planted campaigns were found."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from training.simulate.writer import Label

LAST_DAYS = 7
"""Campaigns lie in the last week; alerts before it are the price of learning and are not counted."""


class Outcome(NamedTuple):
    """A campaign's best entity-day, whether it alerted, its place that day (0 if it had no risk)."""

    campaign: str
    kind: str
    alert: bool
    entity_kind: str
    entity: str
    day: str
    place: int


def run(users: int, days: int, seed: int, out: Path | None, top: int) -> None:
    """Simulate an organisation, score its logs, and compare the alerts with what was planted."""
    from serving.cli import score, simulate
    from training.simulate.writer import Simulation, write

    simulation = Simulation(seed, users, days)
    folder = _folder(out)
    click.echo(f"Simulating {users} people over {days} days ...")
    simulate.echo(write(simulation, folder), folder)
    click.echo("\nScoring: each event is compared with what was learned before it, then learned ...\n")
    frame, _ = score.run(
        score.Options(
            (str(folder / "events.ndjson"),),
            directory=folder / "directory.csv",
            state=folder / "state",
            out=folder / "scored",
            last_days=7,
            top=top,
        )
    )
    labels = read_labels(folder / "labels.ndjson")
    found = outcomes(frame, labels)
    _print_outcomes(found)
    _print_alerts(frame, labels)
    _print_next(folder, found)


def _folder(out: Path | None) -> Path:
    """A folder of our own: scoring into an old state would see every event as a repetition."""
    from features.errors import InputError

    if out is None:
        return Path(tempfile.mkdtemp(prefix="habitus-demo-"))
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out}: is not empty; name a new folder with --out")
    return out


def read_labels(path: Path) -> list[Label]:
    """Ground truth that `habitus simulate` wrote."""
    import msgspec

    from training.simulate.writer import Label

    return msgspec.json.Decoder(Label).decode_lines(path.read_bytes())


def outcomes(frame: pd.DataFrame, labels: Iterable[Label]) -> list[Outcome]:
    """Best entity-day of every campaign: one that alerted if any, else the one with the best place.

    frame: entity-days as `habitus score` gives them. Campaigns come in the order of their labels.
    """
    days = frame.assign(
        day=frame["day"].astype(str), place=frame.groupby("day")["risk"].rank(ascending=False, method="min")
    )
    known = {
        (row["entity_kind"], row["entity"], row["day"]): row
        for row in days[["entity_kind", "entity", "day", "risk", "alert", "place"]].to_dict("records")
    }
    best: dict[str, Outcome] = {}
    for label in labels:
        row = known.get((label.entity_kind, label.entity, label.day))
        scored = row is not None and row["risk"] > 0
        outcome = Outcome(
            label.campaign,
            label.kind,
            bool(row is not None and row["alert"]),
            label.entity_kind,
            label.entity,
            label.day,
            int(row["place"]) if row is not None and scored else 0,
        )
        before = best.get(label.campaign)
        if before is None or _order(outcome) < _order(before):
            best[label.campaign] = outcome
    return list(best.values())


def _order(outcome: Outcome) -> tuple[bool, bool, int]:
    return not outcome.alert, outcome.place == 0, outcome.place


def _print_outcomes(found: list[Outcome]) -> None:
    caught = sum(outcome.alert for outcome in found)
    click.echo(f"\nPlanted campaigns among the alerts (marked ! above): {caught} of {len(found)}")
    for outcome in found:
        word = "found" if outcome.alert else "missed"
        kind = outcome.kind.replace("_", " ")
        where = f"{outcome.entity_kind} {outcome.entity} on {outcome.day}"
        place = f"place {outcome.place} of that day" if outcome.place else "nothing odd was seen"
        click.echo(f"  {word:7} {kind:17} {where}: {place}")


def _print_alerts(frame: pd.DataFrame, labels: Iterable[Label]) -> None:
    days = frame["day"].astype(str)
    week = sorted(days.unique())[-LAST_DAYS:]
    planted = {(label.entity_kind, label.entity, label.day) for label in labels}
    chosen = frame[frame["alert"] & days.isin(week)].assign(day=days)
    hits = sum(
        (row["entity_kind"], row["entity"], row["day"]) in planted for row in chosen.to_dict("records")
    )
    click.echo(
        f"Alerts of the last {len(week)} days: {len(chosen)}, {hits} of them on planted campaigns;"
        " the others are what a benign organisation looks like (oddities.ndjson)."
    )


def _print_next(folder: Path, found: list[Outcome]) -> None:
    people = [outcome.entity for outcome in found if outcome.entity_kind == "user"]
    name = people[0] if people else "NAME"
    click.echo(
        f"\nEverything is in {folder}. What to try next:\n"
        f"  habitus baseline show {name} --state {folder / 'state'}\n"
        "  habitus score YOUR.log --state my-state\n"
        "  habitus simulate --out other-logs --seed 8"
    )
