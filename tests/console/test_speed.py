"""Ten thousand alerts: opened within a second, moved through within a tenth of one (on an idle machine)."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.console.conftest import opened
from tests.console.double import Double
from tests.console.office import Office

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ALERTS = 10_000
STEP = """async (key) => {
  const start = performance.now();
  document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now() - start;
}"""
OPEN = """async () => {
  const start = performance.now();
  document.querySelector('nav a').click();
  while (!document.querySelector('.rows > .row')) await new Promise(requestAnimationFrame);
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now() - start;
}"""


@pytest.mark.slow
def test_ten_thousand_alerts_open_and_move_at_once(
    browser: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    office = Office(7, ALERTS, datetime.now(UTC))
    with Double({"acme": office}).running() as double, opened(browser, double.url) as window:
        page = window.queue()
        assert page.locator(".summary").inner_text() == "10,000 alerts"
        assert page.locator(".rows > .row").count() < 60
        figures: dict[str, list[float]] = {
            "cold": [],
            "in the console": [],
            "j": [],
            "PageDown": [],
            "End": [],
        }
        page.wait_for_function("document.querySelector('.grid').ariaRowCount === '10001'")
        for _ in range(5):
            page.reload()
            page.locator(".rows > .row").first.wait_for()
            figures["cold"].append(page.evaluate("performance.now()"))
        for _ in range(5):
            page.goto(f"{double.url}/console/settings")
            page.locator("select").first.wait_for()
            figures["in the console"].append(page.evaluate(OPEN))
        page.wait_for_function("document.querySelector('.grid').ariaRowCount === '10001'")
        for key, times in (("j", 40), ("PageDown", 15), ("End", 1), ("Home", 1), ("End", 4)):
            for _ in range(times):
                figures.setdefault(key, []).append(page.evaluate(STEP, key))
        current = page.locator(".rows > .row.current").get_attribute("aria-rowindex")
        with capsys.disabled():
            medians = {name: f"{statistics.median(values):.0f} ms" for name, values in figures.items()}
            print(f"\nqueue of {ALERTS:,} alerts, medians: {medians}")  # noqa: T201 - the figures are what one runs it for
    assert current == str(ALERTS + 1)
