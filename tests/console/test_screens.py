"""Golden alerts, channels of notifications, and alerts of an organisation's first week, in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.console.conftest import Window
    from tests.console.double import Double


def test_a_golden_alert_is_answered_and_says_what_was_settled(window: Window, double: Double) -> None:
    page = window.queue()
    page.get_by_role("link", name="Golden alert").click()
    expect(page.locator(".story")).to_be_visible()
    expect(page.locator(".alerthead .verdict")).to_have_count(0)
    page.keyboard.press("2")
    expect(page.locator(".answer")).to_contain_text(
        "You differ. You said true positive; it was settled as benign."
    )
    page.keyboard.press("4")
    assert len(double.offices["acme"].golden_answers) == 1, "an answer is given once"
    expect(page.locator("main")).to_contain_text("75%")
    page.get_by_role("button", name="Another one").click()
    page.get_by_role("button", name="Benign").click()
    expect(page.locator(".answer")).to_contain_text("You agree.")


def test_an_admin_makes_tests_and_removes_a_channel(window: Window, double: Double) -> None:
    page = window.sign_in("dana", "/console/operations?tab=channels")
    expect(page.locator("main")).to_contain_text("Nothing is sent anywhere yet.")
    page.get_by_role("textbox", name="Address").fill("http://hooks.example/secret")
    page.get_by_role("textbox", name="Label").fill("on call")
    page.get_by_role("button", name="Make channel").click()
    expect(page.get_by_role("alert").filter(has_text="url: only https")).to_be_visible()
    page.get_by_role("textbox", name="Address").fill("https://hooks.example/secret")
    page.get_by_text("What is sent, and when").click()
    page.get_by_label("Least severity").select_option("4")
    page.get_by_role("button", name="Make channel").click()
    expect(page.get_by_role("dialog")).to_contain_text("whsec_shown_once")
    page.keyboard.press("Escape")
    made = double.offices["acme"].channels[0]
    assert made["rules"]["min_severity"] == 4
    assert made["rules"]["per_hour"] == 60
    row = page.locator("tr", has_text="hooks.example")
    expect(row).to_contain_text("from high on")
    row.get_by_role("button", name="Send a test").click()
    expect(page.locator("tr", has_text="given up")).to_contain_text("the receiver answered 500")
    row.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("main")).to_contain_text("Nothing is sent anywhere yet.")
    window.errors = [error for error in window.errors if "400" not in error]


def test_a_syslog_channel_asks_for_host_and_port(window: Window, double: Double) -> None:
    page = window.sign_in("dana", "/console/operations?tab=channels")
    page.get_by_label("Kind").select_option("syslog")
    page.get_by_label("Host").fill("siem.example")
    page.get_by_label("Port").fill("6514")
    page.get_by_role("button", name="Make channel").click()
    expect(page.locator(".toast")).to_contain_text("The channel is made")
    assert double.offices["acme"].channels[0]["kind"] == "syslog"


def test_who_is_no_admin_sees_messages_and_no_channels(window: Window) -> None:
    page = window.sign_in("zoe", "/console/operations?tab=channels")
    expect(page.get_by_role("heading", name="Messages")).to_be_visible()
    expect(page.get_by_role("heading", name="Channels")).to_have_count(0)
    expect(page.get_by_role("button", name="Make channel")).to_have_count(0)


def test_alerts_of_the_first_week_say_so_instead_of_a_severity(window: Window, double: Double) -> None:
    office = double.offices["acme"]
    newest = max(alert["day"] for alert in office.alerts.values())
    chosen = [alert for alert in office.alerts.values() if alert["day"] == newest]
    for alert in office.alerts.values():
        alert["learning"] = alert in chosen
    page = window.queue()
    expect(page.locator(".rows > .row").first.locator(".risk")).to_contain_text("Learning")
    expect(page.locator(".summary")).to_have_text(f"60 alerts, {len(chosen)} from the first week")


def test_a_list_of_thousands_comes_in_pages_and_fetches_what_is_looked_at(
    window: Window, double: Double
) -> None:
    office = double.offices["acme"]
    for number in range(1000, 3100):
        office.raise_alert(number, risk=0.5, severity=1, entity=f"many-{number}", state="new")
    page = window.queue()
    expect(page.locator(".grid[aria-rowcount='2161']")).to_be_visible()
    asked = [path for path in double.paths if path == "GET /v1/alerts"]
    page.keyboard.press("End")
    expect(page.locator(".rows > .row.current")).to_have_attribute("aria-rowindex", "2161")
    expect(page.locator(".rows > .row.current .spark path").first).to_be_attached()
    assert len([path for path in double.paths if path == "GET /v1/alerts"]) == len(asked) + 1
