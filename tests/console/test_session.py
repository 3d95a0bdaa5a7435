"""Who may see and do what in the console: sign-in, second factor, roles, tenants, the end of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.console.double import PASSWORD, TOTP

if TYPE_CHECKING:
    from tests.console.conftest import Window
    from tests.console.double import Double


def forgive(window: Window, *statuses: str) -> None:
    """Browsers print every refusal as an error of its own; those that a test provokes are meant."""
    window.errors = [error for error in window.errors if not any(status in error for status in statuses)]


def test_a_wrong_password_says_nothing_about_which_part_was_wrong(window: Window) -> None:
    page = window.open()
    for login in ("zoe", "nobody"):
        page.get_by_label("Login").fill(login)
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator(".note")).to_have_text("Login and password do not fit.")
    forgive(window, "401")


def test_a_second_factor_is_asked_for_only_of_those_who_have_one(window: Window, double: Double) -> None:
    double.needs_totp.add("zoe")
    page = window.open()
    expect(page.get_by_label("Code from")).to_be_hidden()
    page.get_by_label("Login").fill("zoe")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_label("Code from").fill("000000")
    page.keyboard.press("Enter")
    expect(page.locator(".note")).to_contain_text("not right")
    page.get_by_label("Code from").fill(TOTP)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()
    forgive(window, "401")


def test_a_password_for_once_must_be_changed_before_anything_is_shown(window: Window, double: Double) -> None:
    double.must_change.add("zoe")
    page = window.open()
    page.get_by_label("Login").fill("zoe")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_label("New password").fill("a longer phrase of mine")
    page.get_by_label("Once more").fill("another phrase of mine")
    page.keyboard.press("Enter")
    expect(page.locator(".note")).to_have_text("The two are not the same.")
    assert not any(path.startswith("GET /v1/alerts") for path in double.paths)
    page.get_by_label("Once more").fill("a longer phrase of mine")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()


def test_a_tenant_sees_nothing_of_another(window: Window, double: Double) -> None:
    page = window.queue("eve")
    expect(page.locator(".summary")).to_have_text("5 alerts")
    theirs = next(iter(set(double.offices["acme"].alerts) - set(double.offices["other"].alerts)))
    page.goto(f"{double.url}/console/alerts/{theirs}")
    expect(page.locator("main")).to_contain_text("There is no such alert, or it is not yours to see.")
    forgive(window, "404")


def test_only_admins_are_shown_keys_accounts_and_the_audit_log(window: Window, tab: Any) -> None:
    page = window.sign_in("zoe", "/console/operations?tab=audit")
    expect(page.get_by_role("tab", name="Quarantine")).to_be_visible()
    expect(page.get_by_role("tab", name="Audit")).to_have_count(0)
    page.goto(f"{window.url}/console/models")
    expect(page.get_by_role("heading", name="Champion")).to_be_visible()
    expect(page.get_by_role("button", name="Promote")).to_have_count(0)
    with tab() as other:
        there = other.sign_in("dana", "/console/operations?tab=audit")
        expect(there.locator("main")).to_contain_text("verdict.give")
        there.get_by_role("tab", name="Keys").click()
        expect(there.locator("main")).to_contain_text("filebeat, floor 2")
        there.goto(f"{window.url}/console/models")
        there.get_by_role("button", name="Promote").click()
        there.get_by_label("Reason").fill("better recall")
        there.get_by_role("button", name="Promote the challenger").click()
        expect(there.locator(".toast")).to_contain_text("It has begun")
        expect(there.get_by_role("heading", name="Beside: ranker-13 13")).to_be_visible()
        expect(there.locator("main")).to_contain_text("ap fell")


def test_a_session_that_ended_leads_back_to_the_same_place(window: Window, double: Double) -> None:
    page = window.queue()
    page.keyboard.press("Enter")
    expect(page.locator(".story")).to_be_visible()
    place = page.url
    double.sessions.clear()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.locator(".note")).to_contain_text("Your session has ended")
    page.get_by_label("Login").fill("zoe")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator(".story")).to_be_visible()
    assert page.url == place
    page.locator(".account summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator(".note")).to_have_text("You are signed out.")
    assert not double.sessions
    forgive(window, "401", "EventSource")


def test_a_pseudonym_is_revealed_for_a_reason_only(window: Window, double: Double) -> None:
    page = window.queue()
    next(iter(double.sessions.values()))["pseudonymous"] = True
    page.goto(f"{window.url}/console/entities/user/user-0123456789ab")
    page.get_by_role("button", name="Reveal the name").click()
    page.get_by_role("button", name="Reveal", exact=True).click()
    assert not any("reveal" in path for path in double.paths)
    page.get_by_label("Reason").fill("the person must be called")
    page.get_by_role("button", name="Reveal", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("is alice.martin")


def test_every_change_carries_the_sessions_token(window: Window, double: Double) -> None:
    page = window.queue()
    status = page.evaluate(
        "fetch('/v1/alerts/verdicts', {method: 'POST', body: '{}'}).then((answer) => answer.status)"
    )
    assert status == 403
    forgive(window, "403")
