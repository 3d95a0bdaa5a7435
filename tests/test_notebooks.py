"""Every notebook runs from top to bottom on generated data, draws, and is kept without its outputs.

The cells run in this process with what IPython does for them (the last expression is shown, by its HTML
where it has one); `make notebooks` runs them in a real kernel.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text("utf-8"))["cells"]


def shown(source: str, names: dict) -> object:
    """Run a cell; what its last expression is."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)  # noqa: S102
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """They share the invented organisation that the first of them writes."""
    return tmp_path_factory.mktemp("notebooks")


def test_there_are_five():
    assert [path.name[0] for path in NOTEBOOKS] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_draws(path, place, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pytest.importorskip("duckdb")
    monkeypatch.chdir(place)
    pyplot.switch_backend("Agg")
    drawn = []
    monkeypatch.setattr(pyplot, "show", lambda: drawn.append(pyplot.gcf().axes[0].get_title()))
    names: dict = {"__name__": "__main__"}
    pages = []
    for cell in cells(path):
        if cell["cell_type"] == "code":
            answer = shown("".join(cell["source"]), names)
            if hasattr(answer, "_repr_html_"):
                pages.append(answer._repr_html_())
    pyplot.close("all")
    assert drawn
    assert all(drawn), "a picture has a title"
    assert pages, "something is shown as a table"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs_and_as_it_would_be_written(path):
    text = path.read_text("utf-8")
    book = json.loads(text)
    assert text == json.dumps(book, indent=1, ensure_ascii=False) + "\n"
    for cell in book["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
