"""The console over the real service: core, store, accounts, sessions and API as they are, in this process."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
import uvicorn
from playwright.sync_api import expect
from sqlalchemy import insert

from tests.console.conftest import opened
from tests.console.double import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.console.conftest import Window

HOSTILE = "<img src=x onerror=window.__xss=1>"


class Real:
    """A running front over a real core with alerts of two tenants."""

    def __init__(self, folder: Path) -> None:
        from serving.accounts.people import People
        from serving.audit import Deed
        from serving.core import Core
        from serving.http.app import Front
        from serving.http.reading import application
        from serving.http.settings import Settings
        from serving.keys import Keys
        from serving.store import tables
        from tests.durable_events import CALM, START_MS, lines, submission
        from tests.service_process import free_port
        from tests.serving.accounts.desk import cheap

        self.core = Core(folder, CALM)
        self.core.start()
        keys = Keys(self.core.database)
        people = People.over(self.core.database, is_secure=False, hasher=cheap())
        for login, tenant, role in (
            ("zoe", "acme", "analyst"),
            ("dana", "acme", "admin"),
            ("eve", "globex", "analyst"),
        ):
            keys.create(tenant, "analyst")
            people.book.create(tenant, login, role, "", Deed("cli:root", "", ""))
            hashed = people.book.passwords.hashed(PASSWORD)
            people.book.update_own(login, "", Deed("cli:root", "", ""), password=hashed, must_change=False)
        row = {
            "tenant": "acme", "entity_kind": "user", "day": START_MS // 86_400_000, "n_events": 10, "seq": 1,
            "reasons": '["used host db1: 0 of 40 events by this user; 6.1 nats, 1 in 450"]',
            "raised_us": START_MS * 1000, "updated_us": START_MS * 1000,
        }  # fmt: skip
        names = ["user0", "user1", HOSTILE, "user3", "user4"]
        rows = [
            {**row, "alert_id": f"acme-{n}", "entity": name, "risk": 13.0 - 2 * n}
            for n, name in enumerate(names)
        ]
        rows.append({**row, "tenant": "globex", "alert_id": "globex-0", "entity": "theirs", "risk": 8.0})
        with self.core.database.write() as connection:
            connection.execute(insert(tables.alerts), rows)
        self.core.offer(submission(lines(0, 40))).result(300)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        front = Front(application(), self.core, keys, Settings(), people=people)
        config = uvicorn.Config(front, port=self.port, log_level="error", lifespan="off", ws="none")  # type: ignore[arg-type]
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until = time.monotonic() + 60
        while not self.server.started and time.monotonic() < until:
            time.sleep(0.02)

    def stop(self) -> None:
        """End both."""
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(20)
        self.core.stop()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """One service for the module; the tests work on alerts of their own."""
    made = Real(tmp_path_factory.mktemp("service"))
    yield made
    made.stop()


@pytest.fixture
def window(browser: Browser, real: Real) -> Iterator[Window]:
    """A tab on the real service."""
    with opened(browser, real.url) as shown:
        yield shown


def test_an_analyst_signs_in_judges_and_takes_it_back(window: Window, real: Real) -> None:
    page = window.queue()
    expect(page.locator(".summary")).to_have_text("5 alerts, 5 from the first week")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("user0")
    expect(page.locator(".story")).to_be_visible()
    texts = page.locator(".waterfall tbody td.num").all_inner_texts()
    points = [float(text.replace("\u2212", "-")) for text in texts]
    if points:
        assert abs(sum(points) - 13.0) < 0.05
    page.keyboard.press("4")
    page.keyboard.type("nightly job")
    page.keyboard.press("Enter")
    expect(page.locator(".alerthead .verdict")).to_have_text("Benign")
    expect(page.locator(".alerthead .state")).to_have_text("Closed")
    expect(page.locator(".history")).to_contain_text("zoe")
    expect(page.locator(".history")).to_contain_text("nightly job")
    page.keyboard.press("z")
    expect(page.locator(".alerthead .state")).to_have_text("Triaged")
    expect(page.locator(".alerthead .verdict")).to_have_count(0)


def test_a_hostile_name_from_the_store_is_text(window: Window) -> None:
    page = window.queue()
    expect(page.locator(".rows")).to_contain_text(HOSTILE)
    page.locator(".rows > .row", has_text=HOSTILE).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(HOSTILE)
    expect(page.locator(".story")).to_be_visible()
    assert page.evaluate("window.__xss") is None


def test_verdicts_together_notes_and_assignment_reach_the_store(window: Window) -> None:
    page = window.queue()
    rows = page.locator(".rows > .row")
    for name in ("user3", "user4"):
        rows.filter(has_text=name).locator(".pick").click()
    expect(page.locator(".bulk")).to_contain_text("2 selected")
    page.locator(".bulk").get_by_role("button", name="Test").click()
    page.get_by_label("Reason").fill("red team")
    page.get_by_role("button", name="Give verdict").click()
    expect(page.locator(".toast")).to_contain_text("Test: 2 alerts")
    page.goto(f"{window.url}/console/alerts/acme-3")
    expect(page.locator(".alerthead .verdict")).to_have_text("Test")
    page.keyboard.press("a")
    expect(page.locator(".assignee")).to_contain_text("zoe")
    page.get_by_label("Note").fill("asked them")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator(".history")).to_contain_text("asked them")


def test_an_exception_is_previewed_made_and_lifted(window: Window) -> None:
    page = window.sign_in("zoe", "/console/alerts/acme-1")
    expect(page.locator(".story")).to_be_visible()
    page.keyboard.press("x")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("input[name=entity]")).to_have_value("user1")
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog.locator(".preview")).to_be_visible()
    dialog.get_by_label("Reason").fill("moved desks")
    dialog.get_by_role("button", name="Make exception").click()
    expect(page.locator(".toast")).to_contain_text("holds")
    page.get_by_role("link", name="Exceptions").click()
    page.get_by_role("button", name="Lift").first.click()
    expect(page.locator("main")).to_contain_text("lifted by zoe")


def test_another_tenants_alert_is_not_there(window: Window) -> None:
    page = window.queue("eve")
    expect(page.locator(".rows > .row")).to_have_count(1)
    page.goto(f"{window.url}/console/alerts/acme-0")
    expect(page.locator("main")).to_contain_text("not yours to see")
    window.errors = [error for error in window.errors if "404" not in error]


def test_what_a_colleague_does_shows_live(window: Window, browser: Browser, real: Real) -> None:
    page = window.queue()
    page.keyboard.press("j")
    with opened(browser, real.url) as other:
        there = other.sign_in("dana", "/console/alerts/acme-1")
        expect(there.locator(".story")).to_be_visible()
        there.locator(".work select").select_option("contained")
        expect(there.locator(".alerthead .state")).to_have_text("Contained")
    expect(page.locator(".rows > .row", has_text="user1").locator(".state")).to_have_text("Contained")


@pytest.mark.parametrize(
    "path",
    [
        "entities/user/user1",
        "incidents",
        "models",
        "operations",
        "operations?tab=quarantine",
        "operations?tab=audit",
        "operations?tab=accounts",
        "settings",
    ],
)
def test_every_page_shows_what_the_service_has(window: Window, path: str) -> None:
    page = window.sign_in("dana", f"/console/{path}")
    expect(page.locator(".panel").first).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    expect(page.locator(".empty.alarm")).to_have_count(0)
