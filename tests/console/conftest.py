"""A browser (Debian's Chromium, driven by Playwright), and pages in it that tell of every error they see."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.double import PASSWORD, Double
from tests.console.office import Office

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

AXE = "axe-core@4.14.1"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]


class Window:
    """A tab and what went wrong in it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        page.set_default_timeout(20_000)
        page.on("console", lambda message: self._said(message.type, message.text, message.location))
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        page.on("dialog", lambda dialog: (self.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", self._asked)

    def _said(self, kind: str, text: str, location: Any) -> None:
        # who is not signed in is told so by the status of this one request; browsers print every such status
        is_first_look = "401" in text and str(location.get("url", "")).endswith("/console/session")
        if kind in ("error", "warning") and not is_first_look:
            self.errors.append(f"{kind}: {text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.errors.append(f"left the service: {request.url}")

    def open(self, path: str = "/console/") -> Page:
        """Go there."""
        self.page.goto(self.url + path)
        return self.page

    def sign_in(self, login: str = "zoe", path: str = "/console/") -> Page:
        """Go there, by the sign-in."""
        page = self.open(path)
        page.get_by_label("Login").fill(login)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.locator("header.bar").wait_for()
        return page

    def queue(self, login: str = "zoe", path: str = "/console/") -> Page:
        """Signed in, with the alerts on show."""
        page = self.sign_in(login, path)
        page.locator(".rows > .row").first.wait_for()
        return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium a module; without one the tests skip."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright (pip install habitus[dev])"
    )
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def offices() -> dict[str, Office]:
    """Two tenants."""
    now = datetime.now(UTC)
    return {"acme": Office(7, 60, now), "other": Office(8, 5, now), "demo": Office(9, 20, now)}


@pytest.fixture
def double(offices: dict[str, Office]) -> Iterator[Double]:
    """The console with a double of its API."""
    with Double(offices).running() as running:
        yield running


@pytest.fixture
def window(browser: Browser, double: Double) -> Iterator[Window]:
    """A tab of 1280 x 800; at its end it must have seen no error."""
    with opened(browser, double.url) as shown:
        yield shown


@contextmanager
def opened(browser: Browser, url: str, **options: Any) -> Iterator[Window]:
    """A tab with cookies of its own; at its end it must have seen no error."""
    context = browser.new_context(viewport=options.pop("viewport", {"width": 1280, "height": 800}), **options)
    shown = Window(context.new_page(), url)
    yield shown
    context.close()
    assert shown.errors == []


@pytest.fixture(scope="session")
def axe(project_root: Path) -> str:
    """The source of axe-core, from the npm registry (kept in .cache)."""
    folder = project_root / ".cache" / "axe"
    file = folder / "package" / "axe.min.js"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("needs npm to fetch axe-core: apt-get install npm")
        done = subprocess.run(
            [npm, "pack", AXE, "--silent"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"npm cannot fetch {AXE}: {done.stderr.strip()[-200:]}")
        with tarfile.open(folder / done.stdout.split()[-1]) as archive:
            archive.extract("package/axe.min.js", folder, filter="data")
    return file.read_text()


@pytest.fixture
def tab(browser: Browser, double: Double) -> Callable[..., Any]:
    """Opens further tabs (`opened`) on the double."""
    return lambda **options: opened(browser, double.url, **options)
