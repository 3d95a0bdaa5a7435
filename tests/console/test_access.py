"""The console for everybody: axe-core without serious findings, keys alone, three widths, both themes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.console.conftest import Window

PLACES = {
    "queue": ("/console/", ".rows > .row"),
    "alert": ("/console/alerts/a00000", ".events details"),
    "entity": ("/console/entities/user/alice.martin", ".habits"),
    "incidents": ("/console/incidents", "td"),
    "incident": ("/console/incidents/i1", ".runbook"),
    "models": ("/console/models", ".chart.square"),
    "exceptions": ("/console/exceptions", ".empty"),
    "operations": ("/console/operations", ".ledger"),
    "quarantine": ("/console/operations?tab=quarantine", ".quarantine"),
    "audit": ("/console/operations?tab=audit", "td"),
    "channels": ("/console/operations?tab=channels", ".panel form"),
    "golden": ("/console/golden", ".waterfall"),
    "settings": ("/console/settings", "select"),
}
AXE_RUN = """async () => {
  const found = await axe.run(document, {runOnly:
    ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']});
  return found.violations.filter((one) => ['serious', 'critical'].includes(one.impact))
    .map((one) => `${one.id}: ` + one.nodes.slice(0, 3)
      .map((node) => node.target + ' ' + (node.any[0]?.message ?? '')).join(' | '));
}"""


def findings(page: Page, axe: str) -> list[str]:
    """Serious and critical findings of axe-core."""
    # evaluated by the debugger, which the page's policy does not bind, as browser extensions are not
    page.evaluate(axe)
    found: list[str] = page.evaluate(AXE_RUN)
    return found


def visit(page: Page, path: str, awaited: str) -> None:
    """Go there inside of the console, as a link does."""
    page.evaluate(
        "(path) => { history.pushState(null, '', path); dispatchEvent(new PopStateEvent('popstate')); }", path
    )
    page.locator(awaited).first.wait_for()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_serious(tab: Any, axe: str, theme: str, width: int) -> None:
    with tab(color_scheme=theme, viewport={"width": width, "height": 900}) as window:
        page = window.open()
        page.locator("form").wait_for()
        found = {"signin": findings(page, axe)}
        window.sign_in("dana")
        for name, (path, awaited) in PLACES.items():
            visit(page, path, awaited)
            found[name] = findings(page, axe)
        visit(page, *PLACES["queue"])
        page.keyboard.press("x")
        page.keyboard.press("2")
        page.get_by_role("dialog").wait_for()
        found["verdict"] = findings(page, axe)
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        page.get_by_role("dialog").wait_for()
        found["help"] = findings(page, axe)
        assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_page_is_wider_than_its_window(tab: Any, width: int) -> None:
    with tab(viewport={"width": width, "height": 900}) as window:
        page = window.sign_in("dana")
        wider = {}
        for name, (path, awaited) in PLACES.items():
            visit(page, path, awaited)
            wider[name] = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert {name: more for name, more in wider.items() if more > 0} == {}


def test_focus_goes_where_the_person_is(window: Window) -> None:
    page = window.queue()
    assert page.evaluate("document.activeElement.getAttribute('role')") == "grid"
    active = page.evaluate("document.activeElement.getAttribute('aria-activedescendant')")
    assert page.locator(f"#{active}").get_attribute("aria-rowindex") == "2"
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Next alert")
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert page.evaluate("document.activeElement.getAttribute('role')") == "grid"
    assert page.evaluate("document.activeElement.getAttribute('aria-activedescendant')") == active
    page.keyboard.press("Shift+Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


def test_single_keys_can_be_switched_off(window: Window) -> None:
    page = window.queue()
    page.goto(f"{window.url}/console/settings")
    page.get_by_label("Single keys").uncheck()
    page.get_by_role("link", name="Queue").first.click()
    page.locator(".rows > .row").first.wait_for()
    page.keyboard.press("2")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("ArrowDown")
    assert page.locator(".rows > .row.current").get_attribute("aria-rowindex") == "3"


def test_the_theme_follows_the_system_until_it_is_chosen(window: Window) -> None:
    page = window.queue()
    surface = "getComputedStyle(document.body.querySelector('header.bar')).backgroundColor"
    light = page.evaluate(surface)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(surface)
    assert dark != light
    page.get_by_role("button", name="Use the light theme").click()
    assert page.evaluate(surface) == light
    page.reload()
    page.locator("header.bar").wait_for()
    assert page.evaluate(surface) == light
