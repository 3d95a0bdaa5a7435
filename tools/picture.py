"""Draw the README's picture: what `habitus demo --score` prints, as an SVG of a terminal.

python tools/picture.py [--out docs/images/demo.svg]
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 132
LINES = 34


def main() -> None:
    """Run the demo and draw its ranking."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images/demo.svg"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(Path(sys.executable).with_name("habitus")),
            "demo",
            "--score",
            "--out",
            f"{folder}/demo",
        ]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = printed.replace(f"{folder}/", "").splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("   risk"))
    end = next(index for index, line in enumerate(lines) if line.startswith("read "))
    found = next(index for index, line in enumerate(lines) if line.startswith("Planted"))
    shown = [
        "$ habitus demo --score",
        *lines[start : min(start + LINES, end)],
        "...",
        "",
        *lines[found : found + 5],
    ]
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    for line in shown:
        text = Text(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…", no_wrap=True)
        text.highlight_regex(r"^ +\d+\.\d!", "bold red")
        text.highlight_regex(r"\d+\.\d nats, 1 in [\d,]+", "cyan")
        text.highlight_regex(r"^\$ .*", "bold green")
        text.highlight_regex(r"^  found.*", "green")
        text.highlight_regex(r"^  missed.*", "yellow")
        console.print(text)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(console.export_svg(title="habitus"), encoding="utf-8")


if __name__ == "__main__":
    main()
