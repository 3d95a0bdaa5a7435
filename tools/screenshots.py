"""Draw the pictures of the console in docs/images, from a made-up organisation at a fixed moment.

python -m tools.screenshots [--out docs/images]     needs playwright (pip install .[dev]) and chromium
"""

from __future__ import annotations

import argparse
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from playwright.sync_api import sync_playwright

from tests.console.conftest import FLAGS
from tests.console.double import PASSWORD, Double
from tests.console.office import Office

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NOW = datetime(2026, 3, 10, 9, 20, tzinfo=UTC)
SEED, ALERTS = 7, 140


class Shot(NamedTuple):
    """A picture: its name, the page, what to wait for, the window, the theme, keys to press before."""

    name: str
    path: str
    awaited: str
    width: int = 1280
    height: int = 800
    theme: str = "light"
    keys: tuple[str, ...] = ()


SHOTS = (
    Shot("queue", "/console/", ".rows > .row", keys=("j", "j")),
    Shot("queue-dark", "/console/", ".rows > .row", theme="dark", keys=("j", "x", "j", "x", "j", "x")),
    Shot("alert", "/console/alerts/a00000", ".events details", height=1120),
    Shot("alert-dark", "/console/alerts/a00000", ".events details", height=1120, theme="dark"),
    Shot("entity", "/console/entities/user/alice.martin", ".events details", height=1000),
    Shot("models", "/console/models", ".chart.square", height=900),
    Shot("phone", "/console/", ".rows > .row", width=390, height=844),
    Shot("phone-alert", "/console/alerts/a00000", ".events details", width=390, height=844, theme="dark"),
)


def main() -> None:
    """Draw them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser_path is None:
        parser.error("needs a browser: apt-get install chromium")
    options.out.mkdir(parents=True, exist_ok=True)
    with Double({"acme": Office(SEED, ALERTS, NOW)}).running() as double, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=browser_path, args=FLAGS)
        for shot in SHOTS:
            draw(browser, double.url, shot, options.out / f"console-{shot.name}.png")
        browser.close()


def draw(browser: Browser, url: str, shot: Shot, file: Path) -> None:
    """One picture, in a window of its own whose clock stands still."""
    context = browser.new_context(
        viewport={"width": shot.width, "height": shot.height},
        color_scheme="dark" if shot.theme == "dark" else "light",
        reduced_motion="reduce",
        timezone_id="UTC",
    )
    page = context.new_page()
    page.clock.set_fixed_time(NOW)
    page.goto(f"{url}/console/")
    page.get_by_label("Login").fill("zoe")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.locator(".rows > .row").first.wait_for()
    if shot.path != "/console/":
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
