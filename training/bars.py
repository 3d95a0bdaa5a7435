"""Bars as SVG, by hand like `training.pedb.pictures`: the same figures give the same bytes."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

INK, BAR, PAPER = "#24292f", "#2e86ab", "#ffffff"
FONT = 'font-family="Helvetica, Arial, sans-serif"'
LEFT, WIDE, HIGH = 210, 320, 22


def bars(title: str, values: Mapping[str, float], form: str = ".1%") -> str:
    """One bar a name, in the order given, the longest filling the width; form: of the numbers beside them."""
    most = max(values.values(), default=0.0) or 1.0
    height = 52 + HIGH * max(len(values), 1)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDE + 90} {height}" '
        f'width="{LEFT + WIDE + 90}" height="{height}" role="img" {FONT}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        f'<text x="16" y="24" font-size="15" font-weight="bold" fill="{INK}">{escape(title)}</text>',
    ]
    for row, (name, value) in enumerate(values.items()):
        y = 40 + HIGH * row
        text = f'font-size="12" fill="{INK}"'
        lines += [
            f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end" {text}>{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{y}" width="{WIDE * max(value, 0.0) / most:.1f}" height="{HIGH - 6}" '
            f'fill="{BAR}"/>',
            f'<text x="{LEFT + WIDE * max(value, 0.0) / most + 6:.1f}" y="{y + 13}" {text}>'
            f"{escape(format(value, form))}</text>",
        ]
    return "\n".join([*lines, "</svg>", ""])
