"""The guided tour: by itself in a demo's first session, by hand at any time, with keys alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.console.double import PASSWORD
from tests.console.test_access import findings

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.console.conftest import Window
    from tests.console.double import Double

TITLES = ["The queue", "What happened", "Why, and what is usual", "Say what it was", "Where it went"]


def sign_in_for_the_first_time(page: Page, login: str) -> None:
    """With a one-time password, and a new one at once."""
    page.get_by_label("Login").fill(login)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_label("New password").fill("a longer phrase of mine")
    page.get_by_label("Once more").fill("a longer phrase of mine")
    page.keyboard.press("Enter")


def first_session(window: Window, double: Double) -> Page:
    """The demo's one-time password, and then one's own."""
    double.must_change.add("demo")
    page = window.open()
    sign_in_for_the_first_time(page, "demo")
    page.locator("header.bar").wait_for()
    return page


def title(page: Page) -> Any:
    return page.locator(".tour h2")


def test_a_demo_s_first_session_begins_with_the_tour_and_enter_walks_through_it(
    window: Window, double: Double
) -> None:
    page = first_session(window, double)
    for number, name in enumerate(TITLES, 1):
        expect(title(page)).to_have_text(name)
        expect(page.locator(".tour")).to_contain_text(f"step {number} of 5")
        expect(page.locator(".tour-ring")).to_be_visible()
        expect(page.locator(".tour .primary")).to_be_focused()
        page.keyboard.press("Enter")
    expect(page.locator(".tour")).to_have_count(0)
    assert page.url.endswith("/console/models")
    page.goto(f"{window.url}/console/")
    page.locator(".rows > .row").first.wait_for()
    expect(page.locator(".tour")).to_have_count(0)


def test_arrows_go_both_ways_and_escape_leaves_for_good(window: Window, double: Double) -> None:
    page = first_session(window, double)
    expect(title(page)).to_have_text(TITLES[0])
    page.locator(".rows > .row").first.wait_for()
    page.keyboard.press("ArrowRight")
    expect(title(page)).to_have_text(TITLES[1])
    expect(page.locator(".story")).to_be_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(title(page)).to_have_text(TITLES[1])
    page.keyboard.press("Escape")
    expect(page.locator(".tour")).to_have_count(0)
    expect(page.locator(".story")).to_be_visible()
    assert "/console/alerts/" in page.url, "Escape left the tour, not the alert"
    page.reload()
    expect(page.locator(".story")).to_be_visible()
    expect(page.locator(".tour")).to_have_count(0)


def test_nobody_else_is_shown_it_unasked(window: Window, double: Double) -> None:
    page = window.queue("zoe")
    expect(page.locator(".tour")).to_have_count(0)
    double.must_change.add("dana")
    page.locator(".account summary").click()
    page.get_by_role("button", name="Sign out").click()
    sign_in_for_the_first_time(page, "dana")
    page.locator(".rows > .row").first.wait_for()
    expect(page.locator(".tour")).to_have_count(0)


def test_it_is_there_for_everybody_under_the_keys_and_in_the_settings(window: Window) -> None:
    page = window.queue()
    page.keyboard.press("?")
    page.get_by_role("button", name="Take the tour").click()
    expect(title(page)).to_have_text(TITLES[0])
    page.keyboard.press("Escape")
    page.goto(f"{window.url}/console/settings")
    page.get_by_role("button", name="Take the tour").click()
    expect(title(page)).to_have_text(TITLES[0])
    expect(page.locator(".rows > .row").first).to_be_visible()
    expect(page.locator(".tour .primary")).to_be_focused()


def test_a_verdict_can_be_given_in_the_middle_of_it(window: Window, double: Double) -> None:
    page = window.queue()
    page.keyboard.press("?")
    page.get_by_role("button", name="Take the tour").click()
    for name in TITLES[:3]:
        expect(title(page)).to_have_text(name)
        expect(page.locator(".tour-ring")).to_be_visible()
        expect(page.locator(".tour .primary")).to_be_focused()
        page.keyboard.press("Enter")
    expect(title(page)).to_have_text(TITLES[3])
    expect(page.locator(".tour-ring")).to_be_visible()
    page.keyboard.press("5")
    page.keyboard.type("a change, ticket 12")
    page.keyboard.press("Enter")
    expect(page.locator(".alerthead .verdict")).to_have_text("Test")
    expect(title(page)).to_have_text(TITLES[3])
    page.locator(".tour .primary").click()
    expect(title(page)).to_have_text(TITLES[4])


def test_with_no_alert_it_says_so_and_goes_on(window: Window, double: Double) -> None:
    double.offices["acme"].alerts.clear()
    page = window.sign_in()
    page.keyboard.press("?")
    page.get_by_role("button", name="Take the tour").click()
    for name in TITLES[:4]:
        expect(title(page)).to_have_text(name)
        expect(page.locator(".tour .primary")).to_be_focused()
        if name != TITLES[0]:
            expect(page.locator(".tour")).to_contain_text("There is no alert yet")
        page.keyboard.press("Enter")
    expect(title(page)).to_have_text(TITLES[4])


@pytest.mark.parametrize(("theme", "width"), [("light", 390), ("dark", 1280)])
def test_every_step_can_be_read_by_everybody(tab: Any, axe: str, theme: str, width: int) -> None:
    with tab(color_scheme=theme, viewport={"width": width, "height": 844}) as window:
        page = window.queue()
        page.keyboard.press("?")
        page.get_by_role("button", name="Take the tour").click()
        for name in TITLES:
            expect(title(page)).to_have_text(name)
            expect(page.locator(".tour-ring")).to_be_visible()
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            assert findings(page, axe) == [], name
            box = page.locator(".tour").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert 0 <= box["y"] <= 844 - box["height"]
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            described = page.locator(".tour").get_attribute("aria-describedby")
            assert page.locator(f"#{described}").inner_text()
            page.keyboard.press("Enter")
