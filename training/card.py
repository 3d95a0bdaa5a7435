"""The card of a model: what it sees, what it cannot see, what it was made from, how well it did and where.

After Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019). One structure, rendered twice: Markdown
for the repository, HTML for the registry. Everything that comes from data is escaped.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from models.channels import KINDS
from training.pedb import report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.detector import Detector
    from training.bundle import Facts
    from training.judging import Judgement
    from training.runfile import Run

SEES = {
    "habit": "values that are usual elsewhere and odd for this user or host",
    "volume": "more of something than the entity and its peers are used to, in minutes, an hour or a day",
    "return": "an account or machine that is back after a long silence",
    "regular": "a destination contacted like clockwork",
    "chatter": "a destination contacted very often",
    "transfer": "much sent to one destination",
    "travel": "two sign-ins farther apart than an airliner flies",
    "link": "a first contact that is unlike what similar users and hosts have",
}
CHOSEN = "no figure shows yet that it earns its place, so it is on by choice (docs/sequence.md)"
ALSO = {
    "autoencoder": f"day counts that do not go together for somebody like this; {CHOSEN}",
    "sequence": f"an order of events that was not to be expected; {CHOSEN}",
}
"""Members of the ranking that take part only when a run file asks for them."""
CANNOT = (
    "An attacker who does only what the account does anyway, at its usual times and in its usual amounts.",
    "What no log says: sources that are not collected, and machines that were never seen.",
    "The meaning of content: mail text, documents, the body of a request.",
    "What was already going on in the first days: it is learned as normal until it changes.",
    "Intent. It ranks what departs from habits; most of what stands high is an unusual but honest day.",
)
ABOUT = {
    "recall@3": "campaigns found by people who read 3 entity-days a day for every 500 entities",
    "recall@5": "the same at 5",
    "recall@10": "the same at 10",
    "recall@20": "the same at 20",
    "ap": "average precision over labelled entity-days",
    "calibration_error": "mean |ln(realised / nominal)| of alert rates; 0 is right, 0.69 a factor of two",
    "realised_over_nominal_at_1_percent": "entity-days said to be one in a hundred, over one in a hundred",
    "alerts_over_budget_least": "fewest alerts in seven days, over what was allowed",
    "alerts_over_budget_most": "most alerts in seven days, over what was allowed",
    "effective_causes": "causes it would be if all gave as much evidence (1: it leans on one alone)",
    "repeated_alerts": "alerts about an entity that had one in the seven days before",
    "seed_overlap": "rank-biased overlap with the same model of another seed; 1 is the same ranking",
    "seed_common": "share of the ten highest that both seeds have",
}


class Section(NamedTuple):
    """A heading with paragraphs, bullets, and a table whose first row is its heading."""

    title: str
    paragraphs: Sequence[str] = ()
    bullets: Sequence[str] = ()
    table: Sequence[Sequence[str]] = ()
    pictures: Sequence[str] = ()


def sections(
    detector: Detector, facts: Facts, run: Run, judgement: Judgement, code: str
) -> tuple[str, list[Section]]:
    """Title and sections of a card. Holds no clock, so that the same run gives the same card."""
    off = sorted(detector.off)
    on = [kind for kind in KINDS if kind not in detector.off]
    found = [
        Section(
            "What it is",
            [
                "Habits of every user, host and source address of one organisation, and a ranking of"
                " entity-days by how rare they are. It learned from the history below in event time, scoring"
                " each event before learning it; every figure is of those scores.",
            ],
            table=[
                ["", ""],
                ["trained from", facts.trained_from],
                ["trained until", facts.trained_until],
                ["events", f"{facts.events:,}"],
                ["users, hosts, addresses", f"{detector.baselines.entities.count:,}"],
                ["habits", f"{len(detector.baselines):,}"],
                ["code", code],
                ["seed", str(run.detector.seed)],
            ],
        ),
        Section(
            "What it sees",
            bullets=[
                *(f"{kind}: {SEES[kind]}" for kind in on),
                *(f"{name}: {says}" for name, says in ALSO.items() if detector.ranker.settings.on(name)),
            ],
        ),
        Section(
            "What it cannot see",
            bullets=[
                *(f"{kind} is turned off in this model: {SEES[kind]}" for kind in off),
                *CANNOT,
            ],
        ),
        Section(
            "Data",
            table=[["file", "bytes", "SHA-256"]]
            + [[fact.name, f"{fact.bytes:,}", fact.sha256] for fact in facts.data],
        ),
        _figures(facts.metrics, judgement),
    ]
    if judgement.summary is not None:
        found += [
            Section(
                "Where it finds campaigns and where not",
                ["Recall at 10 entity-days a day for every 500 entities, with 95% intervals."],
                table=report.slices_table(judgement.summary),
                pictures=["scenarios"],
            ),
            Section(
                "Is a tail probability what it says?",
                ["Realised over nominal alert rate among benign entity-days."],
                table=report.rates_table(judgement.summary),
                pictures=["calibration"],
            ),
        ]
    return facts.name, found


def _date(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def _figures(metrics: Mapping[str, float | None], judgement: Judgement) -> Section:
    labelled = judgement.summary is not None
    said = (
        f"{_date(judgement.first_day)} to {_date(judgement.last_day)} were judged, by PED-B (campaigns are"
        " the unit of recall) and by stability."
        if labelled
        else "There were no labels, so nothing here says whether it finds attacks; it says whether the model"
        " keeps its budget, is calibrated, and leans on more than one thing."
    )
    rows = [["figure", "value", "meaning"]]
    for name, value in sorted(metrics.items()):
        rows.append([name, "-" if value is None else f"{value:.4g}", ABOUT.get(name, "")])
    return Section(
        "Figures", [said], table=rows, pictures=["recall-against-budget"] if labelled else ["evidence"]
    )


# ------------------------------------------------------------------------------------------------ rendering

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!])")


def _plain(text: str) -> str:
    """Text that Markdown shows as it stands, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def markdown(title: str, found: Sequence[Section]) -> str:
    """The card as Markdown (GitHub's tables)."""
    lines = [f"# Model card: {_plain(title)}", ""]
    for section in found:
        lines += [f"## {_plain(section.title)}", ""]
        for paragraph in section.paragraphs:
            lines += [_plain(paragraph), ""]
        if section.bullets:
            lines += [f"- {_plain(bullet)}" for bullet in section.bullets] + [""]
        if section.table:
            head, *body = section.table
            lines.append("| " + " | ".join(_plain(cell) for cell in head) + " |")
            lines.append("|" + "---|" * len(head))
            lines += ["| " + " | ".join(_plain(cell) for cell in row) + " |" for row in body] + [""]
        lines += [line for name in section.pictures for line in (f"![{name}](pictures/{name}.svg)", "")]
    return "\n".join(lines).rstrip() + "\n"


STYLE = (
    "body{font-family:Helvetica,Arial,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#24292f}table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #d0d7de;"
    "padding:.3rem .6rem;text-align:left;overflow-wrap:anywhere}img{max-width:100%}"
)


def page(title: str, found: Sequence[Section]) -> str:
    """The card as one HTML page without scripts; pictures are those beside it."""
    lines = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src 'self'; "
        "style-src 'unsafe-inline'\">",
        f"<title>Model card: {escape(title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>Model card: {escape(title)}</h1>",
    ]
    for section in found:
        lines.append(f"<h2>{escape(section.title)}</h2>")
        lines += [f"<p>{escape(paragraph)}</p>" for paragraph in section.paragraphs]
        if section.bullets:
            lines.append("<ul>" + "".join(f"<li>{escape(one)}</li>" for one in section.bullets) + "</ul>")
        if section.table:
            head, *body = section.table
            lines.append("<table><tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>")
            lines += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in body]
            lines.append("</table>")
        lines += [
            f'<p><img src="pictures/{escape(name)}.svg" alt="{escape(name)}"></p>'
            for name in section.pictures
        ]
    return "\n".join([*lines, "</body></html>", ""])
