"""Pictures of a judgement as SVG, written by hand: no library, the same bytes from the same figures.

Three of them: campaign recall against the budget, realised against nominal alert rate, and recall by scenario
and method. They bring their own white ground, so that they read in a dark page too.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from training.pedb.metrics import campaign_recall, found

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from training.pedb.outcome import Outcome
    from training.pedb.protocol import Protocol
    from training.pedb.report import Summary

COLOURS = ("#d1495b", "#2e86ab", "#e0a030", "#4f9d69", "#8e6bbf", "#3aa6a0", "#a0785a", "#c06fa8", "#7a8fa6")
"""Distinguishable in the common colour blindnesses by lightness as well; the first is ours."""

INK, FAINT, PAPER = "#24292f", "#d0d7de", "#ffffff"
FONT = 'font-family="Helvetica, Arial, sans-serif"'
BUDGETS = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50)


def _text(x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, extra: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{INK}" {extra}>'
        f"{escape(words)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = FAINT, extra: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {extra}/>'


def _document(width: float, height: float, parts: Sequence[str], title: str) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}" role="img" {FONT}>',
            f"<title>{escape(title)}</title>",
            f'<rect width="100%" height="100%" fill="{PAPER}"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _curves(
    title: str,
    axes: tuple[str, str],
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
    curves: Mapping[str, Sequence[tuple[float, float]]],
    *,
    diagonal: bool = False,
) -> str:
    """Lines with dots over given axes; coordinates are already those of the axes (e.g. logarithms)."""
    left, top, width, height = 62, 40, 460, 330
    x_low, x_high = x_ticks[0][0], x_ticks[-1][0]
    y_low, y_high = y_ticks[0][0], y_ticks[-1][0]

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + width * (x - x_low) / (x_high - x_low),
            top + height * (1 - (min(max(y, y_low), y_high) - y_low) / (y_high - y_low)),
        )

    parts = [_text(left, 24, title, size=15, extra='font-weight="bold"')]
    for x, label in x_ticks:
        at, _ = place(x, y_low)
        parts += [_line(at, top, at, top + height), _text(at, top + height + 18, label, anchor="middle")]
    for y, label in y_ticks:
        _, at = place(x_low, y)
        parts += [_line(left, at, left + width, at), _text(left - 8, at + 4, label, anchor="end")]
    parts.append(_text(left + width / 2, top + height + 40, axes[0], anchor="middle"))
    turn = f'transform="rotate(-90 16 {top + height / 2:.1f})"'
    parts.append(_text(16, top + height / 2, axes[1], anchor="middle", extra=turn))
    if diagonal:
        parts.append(_line(*place(x_low, x_low), *place(x_high, x_high), INK, 'stroke-dasharray="4 4"'))
    for index, (name, points) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        dash = "" if index < len(COLOURS) else 'stroke-dasharray="5 3"'
        placed = [place(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        wide = 3 if index == 0 else 1.6
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{wide}" {dash}/>'
        )
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{wide:.1f}" fill="{colour}"/>' for x, y in placed]
        y = top + 10 + 20 * index
        parts.append(
            _line(left + width + 16, y, left + width + 40, y, colour, f'stroke-width="{wide}" {dash}')
        )
        parts.append(_text(left + width + 46, y + 4, name))
    return _document(left + width + 270, max(top + height + 56, top + 30 + 20 * len(curves)), parts, title)


def recall_against_budget(methods: Mapping[str, Sequence[Outcome]], protocol: Protocol) -> str:
    """Campaign recall (mean over seeds) by entity-days shown a day per 500 entities."""
    curves = {}
    for name, outcomes in methods.items():
        points = []
        for budget in BUDGETS:
            each = [
                campaign_recall(o, np.ones((1, len(o.campaigns))), budget=budget, protocol=protocol)[0]
                for o in outcomes
            ]
            points.append((math.log(budget), float(np.mean(each))))
        curves[name] = points
    return _curves(
        "Campaigns found against what people read",
        (f"entity-days read a day, per {protocol.per_entities} entities", "campaign recall"),
        [(math.log(budget), str(budget)) for budget in BUDGETS],
        [(step / 5, f"{step / 5:.1f}") for step in range(6)],
        curves,
    )


def calibration(summaries: Sequence[Summary]) -> str:
    """Realised against nominal alert rate, both logarithmic; on the dashed line they are equal."""
    curves = {}
    for summary in summaries:
        for part in ("ordinary", "after a change"):
            points = [
                (math.log10(rate.nominal), math.log10(max(rate.ratio.value * rate.nominal, 1e-4)))
                for rate in reversed(summary.rates)
                if rate.part == part and rate.unlabelled
            ]
            if points:
                curves[f"{summary.method}, {part}"] = points
    ticks = [(-3.0, "0.1%"), (-2.0, "1%"), (-1.0, "10%")]
    return _curves(
        "Realised against nominal alert rate",
        ("nominal rate among benign entity-days", "realised rate"),
        ticks,
        [(-4.0, "0.01%"), *ticks, (0.0, "100%")],
        curves,
        diagonal=True,
    )


def scenario_heat_map(methods: Mapping[str, Sequence[Outcome]], protocol: Protocol) -> str:
    """Share of campaigns found at the reference budget, by kind of campaign (rows) and method (columns)."""
    kinds = sorted({fact.kind for outcomes in methods.values() for o in outcomes for fact in o.campaigns})
    left, top, wide, high = 210, 190, 56, 24
    title = f"Campaigns found at {protocol.reference} a day, by kind"
    parts = [_text(16, 24, title, size=15, extra='font-weight="bold"')]
    for column, (name, outcomes) in enumerate(methods.items()):
        x = left + wide * (column + 0.5)
        turn = f'transform="rotate(-50 {x:.1f} {top - 8})"'
        parts.append(_text(x, top - 8, name, extra=turn))
        seen = [
            (fact.kind, bool(hit))
            for o in outcomes
            for fact, hit in zip(o.campaigns, found(o, protocol.reference, protocol), strict=True)
        ]
        for row, kind in enumerate(kinds):
            hits = [hit for one, hit in seen if one == kind]
            if not hits:
                continue
            share = sum(hits) / len(hits)
            y = top + high * row
            ink = "#ffffff" if share > 0.55 else INK
            parts.append(
                f'<rect x="{left + wide * column}" y="{y}" width="{wide - 2}" height="{high - 2}" '
                f'fill="{_shade(share)}"/>'
            )
            parts.append(
                f'<text x="{x:.1f}" y="{y + 16}" font-size="11" text-anchor="middle" fill="{ink}">'
                f"{sum(hits)}/{len(hits)}</text>"
            )
    parts += [
        _text(left - 8, top + high * row + 16, kind.replace("_", " "), anchor="end")
        for row, kind in enumerate(kinds)
    ]
    return _document(left + wide * len(methods) + 130, top + high * len(kinds) + 16, parts, title)


def _shade(share: float) -> str:
    """From near white to deep blue."""
    light, deep = (238, 243, 248), (20, 83, 136)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(light, deep, strict=True))
