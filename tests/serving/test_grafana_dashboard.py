"""The dashboard that is shipped asks for metrics that exist, and for what an operator has to see."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from serving.core import Core
from serving.http.app import Front
from serving.http.settings import Settings
from tests.durable_events import CALM, lines, submission
from tests.serving import asgi

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "grafana"
DASHBOARDS = sorted(FOLDER.glob("*.json"))
NEEDED = (
    "habitus_ingest_records_total",
    "habitus_backlog_bytes",
    "habitus_queue_bytes",
    "habitus_ledger_waiting",
    "habitus_http_request_seconds_bucket",
    "habitus_ledger_quarantined",
    "habitus_ledger_entities",
    "habitus_ledger_habits",
    "habitus_journal_trouble",
    "habitus_free_bytes",
    "habitus_syslog_dropped_total",
    "habitus_lag_seconds",
    "habitus_dropped_total",
    "habitus_commit_seconds_bucket",
    "habitus_apply_seconds_bucket",
    "habitus_checkpoint_age_seconds",
    "habitus_checkpoint_seconds",
    "habitus_entity_fill_ratio",
    "habitus_habit_fill_ratio",
    "habitus_tail_ratio",
    "habitus_alerts_raised",
    "habitus_alerts_nominal",
)
_NAME = re.compile(r"\bhabitus_\w+")


def expressions(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(panel, query) of every query."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of all series that a core and its front show after a request."""
    with Core(tmp_path_factory.mktemp("dashboard") / "data", CALM) as core:
        app = asgi.App()
        app.front = Front(
            asgi.nothing_behind, core, asgi.MemoryKeys(dict(asgi.KEYS)), Settings(bulk_patience_seconds=0)
        )
        core.offer(submission(lines(0, 5))).result(120)
        asyncio.run(core.flush("acme"))
        assert app.post("/v1/events", lines(5, 1)[0]).status_code == 202
        text = app.ask("GET", "/metrics").text
    return set(re.findall(r"^(habitus_\w+)[{ ]", text, re.MULTILINE))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_metric_of_the_dashboard_exists(path: Path, exposed: set[str]) -> None:
    dashboard = json.loads(path.read_text())
    asked = {(panel, name) for panel, query in expressions(dashboard) for name in _NAME.findall(query)}
    assert len(asked) > 20
    missing = sorted(f"{name} in {panel!r}" for panel, name in asked if name not in exposed)
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_the_dashboard_can_be_imported(path: Path) -> None:
    """Ids are unique, brackets close, the data source is chosen and not built in, panels do not overlap."""
    dashboard = json.loads(path.read_text())
    assert dashboard["uid"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
    for panel, query in expressions(dashboard):
        for pair in ("()", "[]", "{}"):
            assert query.count(pair[0]) == query.count(pair[1]), panel


def test_what_an_operator_needs_is_on_it() -> None:
    """The list that the service was specified with."""
    queries = " ".join(query for path in DASHBOARDS for _, query in expressions(json.loads(path.read_text())))
    for name in NEEDED:
        assert name in queries
    assert "0.5," in queries
    assert "0.99," in queries


def test_what_an_operator_needs_is_explained() -> None:
    """Every name of the list above is in the table of docs/operations.md, whole or by its end."""
    text = (FOLDER.parent / "operations.md").read_text()
    for name in NEEDED:
        stem = name.removesuffix("_bucket")
        ends = [f"`_{stem.split('_', parts)[parts]}`" for parts in (1, 2)]
        assert any(form in text for form in (stem, *ends)), name
