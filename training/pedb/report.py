"""Summaries of judged methods: as data, and as tables for people."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from training.pedb import intervals, slices
from training.pedb.metrics import standard_metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from training.pedb.intervals import Estimate, Hours
    from training.pedb.outcome import Outcome
    from training.pedb.protocol import Protocol
    from training.pedb.slices import FalseAlerts, Rate, Slice

NO_NUMBER = "-"


@dataclass(frozen=True)
class Summary:
    """All figures of one method; `figures` by name, as `metrics.standard_metrics` has them."""

    method: str
    seeds: int
    campaigns: int
    days: int
    entity_days: int
    labelled: int
    figures: dict[str, Estimate]
    hours: Hours
    slices: list[Slice]
    rates: list[Rate]
    false_alerts: FalseAlerts

    def as_data(self) -> dict[str, Any]:
        """JSON-ready: numbers that do not exist are null."""
        found: dict[str, Any] = _finite(asdict(self))
        return found


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def summarise(
    outcomes: Sequence[Outcome], protocol: Protocol, samples: int = intervals.SAMPLES, seed: int = 0
) -> Summary:
    """All figures of one method from its outcomes, one a seed (and organisation size)."""
    draws = intervals.draws_of(outcomes, samples, seed)
    figures = {
        name: intervals.estimate(outcomes, metric, draws)
        for name, metric in standard_metrics(protocol).items()
    }
    labelled = sum(hit.primary for outcome in outcomes for hit in outcome.hits)
    return Summary(
        outcomes[0].method,
        len(outcomes),
        sum(len(outcome.campaigns) for outcome in outcomes),
        sum(len(outcome.days) for outcome in outcomes),
        labelled + sum(outcome.unlabelled for outcome in outcomes),
        labelled,
        figures,
        intervals.hours(outcomes, protocol.reference, protocol, draws),
        slices.campaign_slices(outcomes, protocol, draws),
        slices.alert_rates(outcomes, draws),
        slices.false_alerts(outcomes),
    )


def compare(
    ours: Sequence[Outcome],
    others: Mapping[str, Sequence[Outcome]],
    protocol: Protocol,
    samples: int = intervals.SAMPLES,
    seed: int = 0,
) -> dict[str, dict[str, Estimate]]:
    """Ours less each other method, figure by figure, paired by seed and campaign."""
    draws = intervals.draws_of(ours, samples, seed)
    return {
        name: {
            figure: intervals.difference(ours, theirs, metric, draws)
            for figure, metric in standard_metrics(protocol).items()
        }
        for name, theirs in others.items()
    }


def number(estimate: Estimate, digits: int = 2, *, interval: bool = True) -> str:
    """`0.61 (0.52 to 0.70)`; a dash for what does not exist."""

    def text(value: float) -> str:
        return f"{value:.{digits}f}" if math.isfinite(value) else NO_NUMBER

    if not interval or not math.isfinite(estimate.low):
        return text(estimate.value)
    return f"{text(estimate.value)} ({text(estimate.low)} to {text(estimate.high)})"


def methods_table(
    summaries: Sequence[Summary], protocol: Protocol, *, appendix: bool = False
) -> list[list[str]]:
    """Rows of text, the first the headings: one method a row, the figures with their intervals."""
    reference = protocol.reference
    columns = [f"recall@{budget}" for budget in protocol.budgets]
    columns += [f"precision@{budget}" for budget in protocol.budgets if budget <= reference][:1]
    columns += [f"precision@{reference}"] if f"precision@{reference}" not in columns else []
    columns += ["ap", f"recall@fpr{protocol.false_positive_rate:g}"]
    columns += ["roc_auc"] if appendix else []
    rows = [
        ["method", *(_heading(name) for name in columns), f"hours to detection@{reference}, median / p90"]
    ]
    for summary in summaries:
        times = summary.hours
        rows.append(
            [
                summary.method,
                *(number(summary.figures[name]) for name in columns),
                f"{number(times.median, 0, interval=False)} / {number(times.p90, 0, interval=False)}",
            ]
        )
    return rows


def _heading(name: str) -> str:
    for short, long in (("recall@fpr", "recall at FPR "), ("roc_auc", "ROC AUC"), ("ap", "AP")):
        if name.startswith(short):
            return long + name[len(short) :]
    return name


def slices_table(summary: Summary) -> list[list[str]]:
    """Rows of text: where the method found campaigns at the reference budget."""
    rows = [["slice", "part", "campaigns", "recall"]]
    rows += [
        [part.name, part.part.replace("_", " "), str(part.campaigns), number(part.recall)]
        for part in summary.slices
    ]
    return rows


def rates_table(summary: Summary) -> list[list[str]]:
    """Rows of text: realised over nominal alert rate."""
    parts = list(dict.fromkeys(rate.part for rate in summary.rates))
    rows = [["nominal rate", *parts]]
    for nominal in dict.fromkeys(rate.nominal for rate in summary.rates):
        cells = {rate.part: number(rate.ratio) for rate in summary.rates if rate.nominal == nominal}
        rows.append([f"{nominal:.1%}", *(cells[part] for part in parts)])
    return rows


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table of rows of text."""
    head, *body = rows
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])


def plain(rows: Sequence[Sequence[str]]) -> str:
    """The same for a terminal: columns padded, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
