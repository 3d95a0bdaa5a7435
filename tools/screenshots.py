"""Draw the pictures of the console in docs/images, from a running service: `make run`, when its alert is out.

    python -m tools.screenshots --password ... [--url http://127.0.0.1:8080] [--login demo] [--alert ID]
        [--out docs/images]

Needs playwright (in the extra dev) and chromium. With a one-time password, another is set and printed.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class Shot(NamedTuple):
    """A picture: its name, the page, what to wait for, the window, the theme, keys to press before."""

    name: str
    path: str
    awaited: str
    width: int = 1280
    height: int = 800
    theme: str = "light"
    keys: tuple[str, ...] = ()


def shots(alert: str, entity: str) -> tuple[Shot, ...]:
    """Pictures around one alert. entity: kind/name of whom it is about."""
    page, events = f"/console/alerts/{alert}", ".events details"
    return (
        Shot("queue", "/console/", ".rows > .row", keys=("j", "j")),
        Shot("queue-dark", "/console/", ".rows > .row", theme="dark", keys=("j", "x", "j", "x")),
        Shot("alert", page, events, height=1500),
        Shot("alert-dark", page, events, height=1120, theme="dark"),
        Shot("entity", f"/console/entities/{entity}", events, height=1000),
        Shot("incidents", "/console/incidents", "main a"),
        Shot("operations", "/console/operations", "main h2", height=1000),
        Shot("phone", "/console/", ".rows > .row", width=390, height=844),
        Shot("phone-alert", page, events, width=390, height=844, theme="dark"),
    )


def main() -> None:
    """Draw them all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--login", default="demo")
    parser.add_argument("--password", required=True)
    parser.add_argument("--alert", default="", help="its id; by default the riskiest one")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser_path is None:
        parser.error("needs a browser: apt-get install chromium")
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=FLAGS)
        state = browser.new_context()
        signed_in(state, options.url, options.login, options.password)
        asked = state.request.get(
            f"{options.url}/v1/alerts?fields=queue&sort=risk&limit=200&state=new,triaged,in_progress,contained"
        )
        alerts = asked.json()["alerts"]
        alert = next((one for one in alerts if options.alert in ("", one["id"])), alerts[0])
        for shot in shots(alert["id"], f"{alert['entity_kind']}/{alert['entity']}"):
            draw(browser, state, options.url, shot, options.out / f"console-{shot.name}.png")
        browser.close()


def signed_in(state: BrowserContext, url: str, login: str, password: str) -> None:
    """Sign in; with a one-time password, set another one."""
    told = state.request.post(f"{url}/console/session", data={"login": login, "password": password}).json()
    if told.get("must_change"):
        new = secrets.token_urlsafe(12)
        state.request.post(
            f"{url}/console/session/password",
            data={"old": password, "new": new},
            headers={"X-CSRF-Token": told["csrf"]},
        )
        print(f"the password of {login} is now {new}")


def draw(browser: Browser, state: BrowserContext, url: str, shot: Shot, file: Path) -> None:
    """One picture, in a window of its own."""
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        color_scheme="dark" if shot.theme == "dark" else "light",
        reduced_motion="reduce",
        timezone_id="UTC",
        storage_state=state.storage_state(),
    )
    page: Page = context.new_page()
    page.goto(url + shot.path)
    page.locator(shot.awaited).first.wait_for()
    page.locator(".live.on").wait_for(state="attached")
    for key in shot.keys:
        page.keyboard.press(key)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.screenshot(path=file)
    context.close()


if __name__ == "__main__":
    main()
