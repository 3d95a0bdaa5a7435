"""Nothing that an attacker writes into a log runs, loads or poses as something else in the console."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.console.double import STATIC, Double
from tests.console.office import Office
from tests.console.office_alerts import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.console.conftest import Window

FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc="
    r"|createContextualFragment"
    r"|DOMParser|setHTMLUnsafe|trustedTypes|https?://(?!attack\.mitre\.org|www\.w3\.org)"
)


@pytest.fixture
def double() -> Iterator[Double]:
    """Every name, reason and record is hostile."""
    office = Office(3, 40, datetime.now(UTC), hostile=True)
    with Double({"acme": office, "other": Office(4, 1, office.now)}).running() as running:
        yield running


def unharmed(page: Page) -> None:
    """Nothing ran, and nothing stands in the page that the console does not make."""
    assert page.evaluate("window.__xss") is None
    assert (
        page.locator("iframe, object, embed, img, math, base, form[action], a[href^='javascript']").count()
        == 0
    )
    assert page.locator("script").count() == 2
    handlers = (
        "[...document.querySelectorAll('*')]"
        ".filter((e) => [...e.attributes].some((a) => a.name.startsWith('on'))).length"
    )
    assert page.evaluate(handlers) == 0


def test_hostile_names_are_text_on_every_page(window: Window, double: Double) -> None:
    page = window.queue("dana")
    unharmed(page)
    alert = max(double.offices["acme"].alerts.values(), key=lambda one: one["risk"])
    page.keyboard.press("x")
    page.keyboard.press("Enter")
    expect(page.locator(".waterfall")).to_be_visible()
    expect(page.locator(".events details").first).to_be_visible()
    for details in page.locator(".events summary").all()[:3]:
        details.click()
    expect(page.locator(".raw pre").first).to_be_visible()
    unharmed(page)
    page.locator(".waterfall tbody tr").first.hover()
    page.get_by_role("button", name="Make an exception").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Preview").click()
    expect(page.locator(".preview table")).to_be_visible()
    unharmed(page)
    page.get_by_role("dialog").get_by_label("Reason").fill(HOSTILE[0])
    page.get_by_role("button", name="Make exception").click()
    expect(page.locator(".toast")).to_be_visible()
    page.keyboard.press("e")
    expect(page.locator(".habits")).to_be_visible()
    assert page.title().split(" · ")[0].strip()
    unharmed(page)
    expected = double.offices["acme"].alerts[alert["id"]]["entity"]
    shown = page.get_by_role("heading", level=1).inner_text().strip()
    assert shown.endswith(re.sub("[\u202e\u200b]", lambda c: f"\\u{ord(c.group()):04x}", expected))
    for path in (
        "incidents",
        "incidents/i1",
        "exceptions",
        "models",
        "operations",
        "operations?tab=quarantine",
        "operations?tab=keys",
        "operations?tab=audit",
        "operations?tab=channels",
        "golden",
    ):
        page.goto(f"{window.url}/console/{path}")
        expect(page.locator(".panel table, .panel details").first).to_be_attached()
        for summary in page.locator("main details summary").all():
            summary.click()
        unharmed(page)


def test_hostile_addresses_open_nothing(window: Window) -> None:
    page = window.queue()
    for path in (
        "/console/?text=%3Cimg%20src%3Dx%20onerror%3Dwindow.__xss%3D1%3E",
        "/console/?state=%22%3E%3Cscript%3Ewindow.__xss%3D1%3C/script%3E",
        "/console/entities/user/%3Csvg%20onload%3Dwindow.__xss%3D1%3E",
        "/console/entities/user/%E0%A4%A",
        "/console/alerts/..%2F..%2Fconsole%2Fsession",
        "/console//evil.example/x",
    ):
        page.goto(window.url + path)
        expect(page.locator("main")).not_to_be_empty()
        unharmed(page)
    window.errors = [error for error in window.errors if "404" not in error and "400" not in error]


def test_a_name_cannot_turn_the_text_around_it(window: Window, double: Double) -> None:
    page = window.open()
    plain = page.evaluate(
        "import('/console/js/lib/format.js').then((format) => format.plain('a\\u202egpj.exe\\u200b\\u0000'))"
    )
    assert plain == "a\\u202egpj.exe\\u200b\\u0000"


def test_the_one_maker_of_elements_refuses_what_could_run(window: Window) -> None:
    page = window.open()
    refused = page.evaluate(
        """async () => {
        const {h} = await import('/console/js/lib/dom.js');
        const tries = [['a', {href: 'javascript:1'}], ['a', {href: '//evil.example'}],
          ['a', {href: 'https://evil.example'}],
          ['img', {src: 'x'}], ['iframe', {srcdoc: 'x'}], ['p', {onclick: 'alert(1)'}],
          ['a', {href: ' javascript:1'}], ['a', {href: 'data:text/html,x'}]];
        return tries.map(([tag, props]) => {
          try { h(tag, props); return false; } catch (error) { return error instanceof TypeError; }
        });
        }"""
    )
    assert refused == [True] * 8


@pytest.mark.parametrize(
    "file", sorted(STATIC.rglob("*.js")) + sorted(STATIC.rglob("*.html")), ids=lambda file: file.name
)
def test_no_source_parses_text_as_markup_or_names_another_host(file: object) -> None:
    assert isinstance(file, Path)
    found = FORBIDDEN.findall(file.read_text())
    assert found == []


IMPORTS = re.compile(r'^import [^;]*?"([^"]+)"', re.MULTILINE)


def imported(file: Path) -> set[Path]:
    """A module and everything that it names at its beginning, directly or not."""
    found, todo = set(), [file]
    while todo:
        module = todo.pop()
        if module not in found:
            found.add(module)
            todo += [(module.parent / name).resolve() for name in IMPORTS.findall(module.read_text())]
    return found


def test_the_page_asks_for_what_it_begins_with_at_once_and_for_nothing_else() -> None:
    """Else a browser finds modules one import after the other, a round trip for each level."""
    page = (STATIC / "index.html").read_text()
    named = re.findall(r'(?:modulepreload|module)" (?:href|src)="/console/([^"]+)"', page)
    needed = {
        file.relative_to(STATIC.resolve()).as_posix() for file in imported(STATIC.resolve() / "js/main.js")
    }
    assert sorted(named) == sorted(needed)
    assert len(needed) < 26, "what a page further on needs, it imports itself"


def test_every_module_is_reached() -> None:
    later = re.compile(r'import\("([^"]+)"\)')
    reached, todo = set(), [STATIC.resolve() / "js/main.js"]
    while todo:
        for module in imported(todo.pop()) - reached:
            reached.add(module)
            todo += [(module.parent / name).resolve() for name in later.findall(module.read_text())]
    assert {file.resolve() for file in STATIC.rglob("*.js")} == reached
