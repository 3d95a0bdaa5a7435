"""The whole triage story in a browser: by keyboard, by mouse, alone and beside others."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.console.conftest import Window
    from tests.console.double import Double


def current(page: Page) -> str:
    return page.locator(".rows > .row.current .who .name").inner_text()


def top(double: Double) -> dict[str, Any]:
    """The alert with the highest risk, as the queue begins."""
    return max(double.offices["acme"].alerts.values(), key=lambda alert: alert["risk"])


def by_risk(double: Double) -> list[dict[str, Any]]:
    return sorted(
        double.offices["acme"].alerts.values(), key=lambda alert: (alert["day"], alert["risk"]), reverse=True
    )


def test_an_alert_is_judged_by_keyboard_alone(window: Window, double: Double) -> None:
    page = window.queue()
    first, second, third = by_risk(double)[:3]
    assert current(page) == first["entity"]
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert current(page) == third["entity"]
    page.keyboard.press("k")
    assert current(page) == second["entity"]
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text(second["entity"])
    expect(page.locator(".story")).to_contain_text("an address never seen before")
    page.keyboard.press("2")
    page.keyboard.type("nobody knows the address")
    page.keyboard.press("Enter")
    expect(page.locator(".alerthead .verdict")).to_have_text("True positive")
    expect(page.locator(".history")).to_contain_text("nobody knows the address")
    assert (second["verdict_id"], second["state"]) == (2, "in_progress")
    page.keyboard.press("u")
    expect(page.locator(".rows > .row.current .verdict")).to_have_text("True positive")
    assert current(page) == second["entity"]


def test_an_alert_is_judged_by_mouse_alone(window: Window, double: Double) -> None:
    page = window.queue()
    alert = by_risk(double)[4]
    page.locator(".rows > .row").nth(4).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(alert["entity"])
    page.get_by_role("button", name="Benign").click()
    page.get_by_label("Reason").fill("planned move")
    page.get_by_role("button", name="Give verdict").click()
    expect(page.locator(".alerthead .state")).to_have_text("Closed")
    assert (alert["verdict_id"], alert["state"]) == (5, "closed")
    page.get_by_role("link", name="Queue", exact=True).first.click()
    expect(page.locator(".grid")).to_be_visible()


def test_a_verdict_from_the_queue_moves_on_and_can_be_taken_back(window: Window, double: Double) -> None:
    page = window.queue()
    first, second = by_risk(double)[:2]
    before = dict(first)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("False positive")
    expect(page.locator(".rows > .row.current .name")).to_have_text(second["entity"])
    assert first["state"] == "closed"
    page.keyboard.press("z")
    expect(page.locator(".toast").last).to_contain_text("Taken back")
    assert first["verdict_id"] == before["verdict_id"]
    assert first["state"] == "triaged"


def test_many_alerts_are_judged_together(window: Window, double: Double) -> None:
    page = window.queue()
    chosen = by_risk(double)[:3]
    for _ in range(3):
        page.keyboard.press("x")
        page.keyboard.press("j")
    expect(page.locator(".bulk")).to_contain_text("3 selected")
    page.keyboard.press("5")
    page.keyboard.type("the red team")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("Test: 3 alerts")
    assert {alert["verdict_id"] for alert in chosen} == {6}
    expect(page.locator(".bulk")).to_be_hidden()
    expect(page.locator(".summary")).to_have_text("57 alerts")


def test_two_who_judge_at_once_are_told_of_each_other(window: Window, double: Double) -> None:
    page = window.queue()
    alert = top(double)
    page.keyboard.press("Enter")
    expect(page.locator(".story")).to_be_visible()
    page.keyboard.press("2")
    alert["version"] += 1
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Somebody was faster")
    assert alert["verdict_id"] is None
    window.errors = [error for error in window.errors if "409" not in error]


def test_what_others_do_shows_without_a_reload(window: Window, double: Double) -> None:
    page = window.queue()
    page.keyboard.press("j")
    office = double.offices["acme"]
    here = by_risk(double)[1]["entity"]
    alert = by_risk(double)[2]
    alert["state"] = "contained"
    double.changed.append(alert["id"])
    expect(page.locator(".rows > .row").nth(2).locator(".state")).to_have_text("Contained")
    made = office.raise_alert(900, risk=99.0, severity=5, entity="brand.new", state="new")
    made["day"] = by_risk(double)[0]["day"]
    double.changed.append(made["id"])
    expect(page.locator(".pill")).to_contain_text("1 new alert")
    assert current(page) == here
    page.keyboard.press("r")
    expect(page.locator(".rows > .row").first).to_contain_text("brand.new")


def test_the_queue_is_searched_filtered_and_kept_as_a_view(window: Window, double: Double) -> None:
    page = window.queue()
    page.keyboard.press("/")
    page.keyboard.type("powershell")
    hits = [alert for alert in double.offices["acme"].alerts.values() if "powershell" in alert["reason"]]
    expect(page.locator(".summary")).to_have_text(f"{len(hits)} alerts")
    assert "text=powershell" in page.url
    page.keyboard.press("Enter")
    page.keyboard.press("v")
    page.get_by_label("Keep what the queue shows now as").fill("shells")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="shells", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_label("Search alerts").fill("")
    expect(page.locator(".summary")).to_have_text("60 alerts")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("button", name="shells", exact=True).click()
    expect(page.locator(".summary")).to_have_text(f"{len(hits)} alerts")
    page.get_by_label("Least severity").select_option("4")
    high = [alert for alert in hits if alert["severity"] >= 4]
    expect(page.locator(".summary")).to_have_text(re.compile(rf"^{len(high)} alerts?"))


def test_an_address_brings_another_person_to_the_same_place(window: Window, double: Double, tab: Any) -> None:
    page = window.queue(path="/console/?text=had+40&sort=raised")
    shown = page.locator(".rows > .row").count()
    page.keyboard.press("Enter")
    expect(page.locator(".story")).to_be_visible()
    address = page.url.removeprefix(double.url)
    assert shown > 0
    with tab() as other:
        there = other.sign_in("sam", address)
        expect(there.get_by_role("heading", level=1)).to_have_text(
            page.get_by_role("heading", level=1).inner_text()
        )


def test_the_evidence_adds_up_to_the_risk(window: Window, double: Double) -> None:
    page = window.queue()
    page.keyboard.press("Enter")
    points = page.locator(".waterfall tbody td.num")
    expect(points.first).to_be_visible()
    numbers = [float(text.replace("\u2212", "-")) for text in points.all_inner_texts()]
    total = float(page.locator(".waterfall tfoot td.num").inner_text())
    assert abs(sum(numbers) - total) < 0.006
    assert abs(total - top(double)["risk"]) < 0.006


def test_evidence_that_does_not_add_up_is_said_to(window: Window, double: Double) -> None:
    page = window.queue()
    top(double)["risk"] += 3.0
    office = double.offices["acme"]
    full = office.evidence
    office.evidence = lambda alert: full(alert)[:2]  # type: ignore[method-assign]
    page.keyboard.press("Enter")
    expect(page.locator(".waterfall")).to_contain_text("Not told apart")


def test_an_exception_is_previewed_before_it_is_made(window: Window, double: Double) -> None:
    page = window.queue()
    page.keyboard.press("Enter")
    page.locator(".waterfall tbody tr").first.hover()
    page.get_by_role("button", name="Make an exception").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Behaviour")).to_have_value("new/machine")
    expect(dialog.get_by_label("Value")).to_have_value("srv-17")
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog.locator(".preview")).to_contain_text("It would lower 14 entity-days")
    expect(dialog.locator(".preview")).to_contain_text("judged a true positive")
    assert double.offices["acme"].exceptions == []
    dialog.get_by_label("Reason").fill("moved to Finance, ticket 12")
    dialog.get_by_role("button", name="Make exception").click()
    expect(page.locator(".toast")).to_contain_text("holds from the next event on")
    assert double.offices["acme"].exceptions[0]["value"] == "srv-17"
    page.keyboard.press("g")
    page.keyboard.press("x")
    expect(page.locator("main")).to_contain_text("moved to Finance, ticket 12")
    page.get_by_role("button", name="Lift").click()
    expect(page.locator("main")).to_contain_text("lifted by zoe")


def test_an_alert_is_taken_noted_and_saved(window: Window, double: Double, tmp_path: Path) -> None:
    page = window.queue()
    page.keyboard.press("Enter")
    expect(page.locator(".story")).to_be_visible()
    page.keyboard.press("a")
    expect(page.locator(".assignee")).to_contain_text("zoe")
    page.keyboard.press("n")
    page.keyboard.type("asked her")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator(".history")).to_contain_text("asked her")
    with page.expect_download() as saved:
        page.get_by_role("button", name="JSON").click()
    saved.value.save_as(tmp_path / "alert.json")
    content = json.loads((tmp_path / "alert.json").read_text())
    assert content["finding"]["metadata"]["uid"] == top(double)["id"]
    assert len(content["events"]) == 8
    with page.expect_download() as saved:
        page.get_by_role("button", name="Text").click()
    saved.value.save_as(tmp_path / "alert.txt")
    assert "Evidence" in (tmp_path / "alert.txt").read_text()


def test_an_entity_is_unlearned_on_purpose_only(window: Window, double: Double) -> None:
    page = window.sign_in(path="/console/entities/user/alice.martin")
    expect(page.get_by_role("img", name=re.compile("Risk over 45 days"))).to_be_visible()
    expect(page.locator(".habits")).to_contain_text("ws-004")
    page.get_by_role("button", name="Unlearn").click()
    page.get_by_role("button", name="Unlearn", exact=True).click()
    assert not any("unlearn" in path for path in double.paths)
    page.get_by_label("An attacker was at work").check()
    page.get_by_role("button", name="Unlearn", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("37 events taken out")


def test_an_incident_is_judged_with_all_its_alerts(window: Window, double: Double) -> None:
    page = window.sign_in(path="/console/incidents")
    page.get_by_role("link", name=re.compile("used host srv-17")).click()
    expect(page.locator(".runbook")).to_contain_text("Isolate srv-17")
    page.keyboard.press("2")
    page.keyboard.type("confirmed by phone")
    page.keyboard.press("Enter")
    expect(page.locator("td .verdict").first).to_have_text("True positive")
    judged = [alert["verdict_id"] for alert in double.offices["acme"].alerts.values()]
    assert judged[:4] == [2, 2, 2, None]


def test_quarantined_records_are_read_again_by_reason(window: Window, double: Double) -> None:
    page = window.sign_in(path="/console/operations?tab=quarantine")
    group = page.locator(".quarantine .group").first
    expect(group).to_contain_text("8 records")
    group.get_by_role("button", name="Read again").click()
    expect(page.locator(".toast")).to_contain_text("8 records read and scored")
    expect(page.locator(".quarantine .group")).to_have_count(2)


def test_a_page_that_fails_says_so_and_tries_again(window: Window, double: Double) -> None:
    double.broken.add("/v1/alerts")
    page = window.sign_in()
    expect(page.get_by_role("alert").filter(has_text="busy")).to_be_visible()
    double.broken.clear()
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".rows > .row").first).to_be_visible()
    window.errors = [error for error in window.errors if "503" not in error]


def test_times_say_their_zone_and_follow_the_persons(tab: Any) -> None:
    with tab(timezone_id="Asia/Tokyo") as window:
        page = window.queue()
        page.keyboard.press("Enter")
        when = page.locator(".alerthead time")
        expect(when).to_contain_text("UTC")
        utc = when.inner_text()
        page.get_by_role("button", name="Times in UTC").click()
        expect(page.locator(".alerthead time")).to_contain_text("GMT+9")
        assert utc[:16] != page.locator(".alerthead time").inner_text()[:16]
