"""The page about detection quality: tables and pictures from judged methods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from training.pedb import pictures, report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from training.pedb.outcome import Outcome
    from training.pedb.protocol import Protocol
    from training.pedb.report import Summary

FRAME = ("perfect ranking", "supervised")
DRAWN_PEERS = 5

HEAD = """# Detection quality

Made by `python -m benchmarks.bench_detection --docs docs`. PED-B, the prequential entity-day budget:
simulated organisations are replayed in event time, every event scored before it is learned. The first
{warm_up} days are warm-up, the rest is judged. Each day every user and host is ranked, and k of them for
every {per_entities} are shown (rounded half up, at least one; equal scores are broken against the
method). A campaign is found when any of its entity-days is shown. Figures are means over seeds with 95%
intervals from a bootstrap over seeds and the campaigns in them. The simulator and the detectors were
written apart from each other.

This run: {about}; {campaigns} campaigns, {labelled} labelled entity-days of {entity_days:,}.{held_out}

All methods of a table saw the same entity-days. The peers are fitted on the same day counts as habitus's
own ensemble, on everything before each test week, and again every week. "global" are log1p counts
standardised over everybody, "own" deviations from each entity's own past. "perfect ranking" knows the
labels, "supervised" is gradient boosting on the labels of the other seeds: they frame what is possible.
"""


def write_page(
    methods: Mapping[str, Sequence[Outcome]],
    peers: Sequence[str],
    ablations: Sequence[str],
    best: str | None,
    protocol: Protocol,
    *,
    work: Path,
    docs: Path | None,
    about: str,
    held_out: Sequence[str],
    weeks: Sequence[tuple[str, float, float]] = (),
    others: Sequence[Path] = (),
) -> str:
    """Write detection.json to the work folder, page and pictures to docs if given (else pictures to work).

    Returns the page. The first method is ours. best: the peer that ours is compared with. weeks: least and
    most of realised over allowed alerts in any seven days, by organisation. others: detection.json of other
    runs.
    """
    summaries = {name: report.summarise(outcomes, protocol) for name, outcomes in methods.items()}
    ours = next(iter(methods))
    data = {
        "about": about,
        "best_peer": best,
        "methods": [summary.as_data() for summary in summaries.values()],
    }
    (work / "detection.json").write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", "utf-8")
    shown = [ours, *_strongest(summaries, peers, protocol), *(name for name in FRAME if name in methods)]
    images = docs / "images" if docs is not None else work
    images.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("recall", pictures.recall_against_budget({name: methods[name] for name in shown}, protocol)),
        ("calibration", pictures.calibration([summaries[ours]])),
        ("scenarios", pictures.scenario_heat_map({name: methods[name] for name in shown}, protocol)),
    ):
        (images / f"detection-{name}.svg").write_text(text, "utf-8")
    page = _page(methods, summaries, peers, ablations, best, protocol, about, held_out)
    page += _weeks(weeks) + _others(others, protocol)
    if docs is not None:
        (docs / "detection.md").write_text(page, "utf-8")
    return page


def _strongest(summaries: Mapping[str, Summary], peers: Sequence[str], protocol: Protocol) -> list[str]:
    figure = f"recall@{protocol.reference}"
    return sorted(peers, key=lambda name: -summaries[name].figures[figure].value)[:DRAWN_PEERS]


def _page(
    methods: Mapping[str, Sequence[Outcome]],
    summaries: Mapping[str, Summary],
    peers: Sequence[str],
    ablations: Sequence[str],
    best: str | None,
    protocol: Protocol,
    about: str,
    held_out: Sequence[str],
) -> str:
    ours = next(iter(methods))
    summary = summaries[ours]
    reference = protocol.reference
    aside = (
        f" Held out and not looked at: {', '.join(held_out).replace('_', ' ')}, two seeds."
        if held_out
        else ""
    )
    parts = [
        HEAD.format(
            warm_up=protocol.warm_up_days,
            per_entities=protocol.per_entities,
            about=about,
            campaigns=summary.campaigns,
            labelled=summary.labelled,
            entity_days=summary.entity_days,
            held_out=aside,
        )
    ]
    framed = [ours, *sorted(peers, key=lambda name: -summaries[name].figures[f"recall@{reference}"].value)]
    framed += [name for name in FRAME if name in methods]
    parts += ["## habitus and its peers\n", report.markdown(_rows(summaries, framed, protocol)), ""]
    if best is not None:
        gap = report.compare(methods[ours], {best: methods[best]}, protocol)[best]
        parts += [
            f"Best peer at {reference} a day: **{best}**. habitus less {best}, seed by seed on the same"
            f" campaigns: recall@{reference} {report.number(gap[f'recall@{reference}'])},"
            f" AP {report.number(gap['ap'])}.\n"
        ]
    parts += [
        "![campaign recall against what people read](images/detection-recall.svg)\n",
        f"## Where campaigns are found at {reference} a day\n",
        "![share of campaigns found, by kind and method](images/detection-scenarios.svg)\n",
        report.markdown(report.slices_table(summary)),
        "",
        _false_alerts(summary, reference),
        "## Alert rates\n",
        "Realised over nominal rate among entity-days that belong to no campaign; 1 is as stated.\n",
        report.markdown(report.rates_table(summary)),
        "",
        "![realised against nominal alert rate](images/detection-calibration.svg)\n",
    ]
    if ablations:
        parts += [
            "## What each part is worth\n",
            "habitus less the variant, by seed and campaign: above zero, the part is worth something; of what"
            ' is off by default and was added, below zero. "ranking": the same entity-days in a simpler'
            ' order. "alone": one member of the ranker by itself; "no say": all that have a say but one,'
            " which the combiner goes on seeing. Members and their say are those of"
            " `models/ranking/settings.py`.\n",
            report.markdown(_worth(methods, ours, ablations, protocol)),
            "",
        ]
    parts += ["## Appendix: ROC AUC\n", report.markdown(_auc(summaries)), ""]
    return "\n".join(parts)


def _weeks(weeks: Sequence[tuple[str, float, float]]) -> str:
    if not weeks:
        return ""
    rows = [
        ["organisation", "least", "most"],
        *([name, f"{low:.2f}", f"{high:.2f}"] for name, low, high in weeks),
    ]
    return (
        "\n## Alerts and their budget\n\nAlerts raised over alerts allowed, in any seven days in a row of the"
        f" whole run, the first included; 1 is as asked for.\n\n{report.markdown(rows)}\n"
    )


def _others(others: Sequence[Path], protocol: Protocol) -> str:
    """A line for ours and one for the best peer of each other run."""
    if not others:
        return ""
    names = [f"recall@{protocol.budgets[0]}", f"recall@{protocol.reference}", "recall@20", "ap"]
    rows = [["run", "campaigns", "method", *names]]
    for path in others:
        run = json.loads(path.read_bytes())
        by_name = {one["method"]: one for one in run["methods"]}
        ours = run["methods"][0]["method"]
        for name in (ours, run["best_peer"]):
            if name is not None:
                one = by_name[name]
                figures = [_with_interval(one["figures"][figure]) for figure in names]
                rows.append([run["about"], str(one["campaigns"]), name, *figures])
    said = f"With the best peer of each at {protocol.reference} a day."
    return f"\n## Other runs\n\n{said}\n\n{report.markdown(rows)}\n"


def _with_interval(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"


def _rows(summaries: Mapping[str, Summary], names: Sequence[str], protocol: Protocol) -> list[list[str]]:
    return report.methods_table([summaries[name] for name in names], protocol)


def _false_alerts(summary: Summary, reference: int) -> str:
    false = summary.false_alerts
    return (
        f"Shown in vain at {reference} a day: {false.a_day:.1f} entity-days a day. New entities are"
        f" {false.new_among_all:.0%} of all entity-days and {false.share_of_new:.0%} of these; days"
        f" after a change of the organisation are {false.after_change_among_all:.0%} and"
        f" {false.share_after_change:.0%}.\n"
    )


def _worth(
    methods: Mapping[str, Sequence[Outcome]], ours: str, ablations: Sequence[str], protocol: Protocol
) -> list[list[str]]:
    columns = [f"recall@{budget}" for budget in protocol.budgets] + ["ap"]
    gaps = report.compare(methods[ours], {name: methods[name] for name in ablations}, protocol)
    rows = [["variant", *(name.replace("ap", "AP") for name in columns)]]
    return rows + [[name, *(report.number(gap[column]) for column in columns)] for name, gap in gaps.items()]


def _auc(summaries: Mapping[str, Summary]) -> list[list[str]]:
    rows = [["method", "ROC AUC"]]
    return rows + [[name, report.number(one.figures["roc_auc"])] for name, one in summaries.items()]
