"""The console as people feel it: a real service with 10,000 open alerts, and Chromium in front of it.

    python benchmarks/bench_console.py [--alerts 10000] [--busy 100000] [--others 300000] [--people 20]
                                       [--loads 9] [--page FILE]

Needs playwright (in the extra dev) and chromium. Service, browser and this script share the machine, so what
the browser costs is part of every figure; times of the browser are by its own clock, to the frame that was
painted.

1. Cold: a tab with a session's cookie and nothing else kept, from the address to the first rows; and to all.
2. Kept: the same in a browser that was there before.
3. Keys: j, k and others, from the key to the frame.
4. Search and filters, from Enter or the choice to the frame with the answer.
5. An alert with very many events behind it: to the story, to the records, and the longest task of the page.
6. Many people at once, each opening the queue and alerts with a second of reading in between.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import console_world
from benchmarks.console_page import Row, machine, page_text
from tests.service_process import Service

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
WATCH = """
window.seen = {};
const painted = (name) => requestAnimationFrame(() => setTimeout(() => {
  if (!seen[name]) document.documentElement.setAttribute(`data-seen-${name}`, seen[name] = performance.now());
}));
const look = () => {
  if (!seen.row && document.querySelector('.rows > .row')) painted('row');
  if (!seen.all && document.querySelector('.grid')?.ariaRowCount === WANTED) painted('all');
  if (!seen.story && document.querySelector('.story')) painted('story');
  if (!seen.events && document.querySelector('.events details')) painted('events');
};
new MutationObserver(look).observe(document, {childList: true, subtree: true, attributes: true});
window.tasks = [];
new PerformanceObserver((list) => tasks.push(...list.getEntries().map((one) => one.duration)))
  .observe({type: 'longtask', buffered: true});
"""
STEP = """async (key) => {
  const start = performance.now();
  document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now() - start;
}"""
ASK = """async ([what, text]) => {
  const page = document.querySelector('.queue'), settled = () => page.getAttribute('aria-busy') === null;
  while (!settled()) await new Promise(requestAnimationFrame);
  const start = performance.now();
  const control = document.querySelector(what);
  control.value = text;
  const enter = new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true});
  if (control.type === 'search') control.dispatchEvent(enter);
  else control.dispatchEvent(new Event('change', {bubbles: true}));
  const before = performance.now();
  const first = () => document.querySelector('.summary').textContent;
  const old = first();
  while (first() === old && performance.now() - before < 10000) await new Promise(requestAnimationFrame);
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now() - start;
}"""


@dataclass
class Run:
    """What was measured: rows by section."""

    rows: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, section: str, name: str, values: list[float], bar: float = 0.0) -> None:
        """A row of milliseconds; bar: what the median should be under."""
        made = Row(name, statistics.median(values), quantile(values, 0.99), len(values), bar)
        self.rows.setdefault(section, []).append(made)
        print(f"{section}: {made.text()}", flush=True)


def quantile(values: list[float], share: float) -> float:
    """The value below which a share lies; the largest of few."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def cpu_ms(process: int) -> float:
    """Processor time of a process so far."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def signed_in(port: int, login: str) -> tuple[str, str]:
    """Cookie and token of a new session."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = json.dumps({"login": login, "password": console_world.PASSWORD})
    connection.request("POST", "/console/session", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    told = json.loads(answer.read())
    return answer.headers["set-cookie"].split(";")[0], told["csrf"]


def tab(browser: Browser, url: str, cookie: str, wanted: int) -> Page:
    """A tab of a browser that was never here, with a session."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    name, _, value = cookie.partition("=")
    context.add_cookies([{"name": name, "value": value, "url": url}])
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.add_init_script(WATCH.replace("WANTED", f"'{wanted + 1}'"))
    return page


def opened(page: Page, url: str) -> dict[str, float]:
    """Open the queue; what was painted when."""
    page.goto(url)
    page.locator("html[data-seen-row][data-seen-all]").wait_for(state="attached")
    found: dict[str, float] = page.evaluate("({...seen, task: Math.max(0, ...tasks)})")
    return found


def queue(run: Run, browser: Browser, service: Service, cookie: str, alerts: int, loads: int) -> None:
    """Sections 1 to 4."""
    url, pid = f"{service.url}/console/", service.process.pid if service.process else 0
    cold, kept, used = [], [], []
    for _ in range(loads):
        page = tab(browser, service.url, cookie, alerts)
        before = cpu_ms(pid)
        cold.append(opened(page, url))
        used.append(cpu_ms(pid) - before)
        kept.append(opened(page, url))
        page.context.close()
    section = "Opening the queue"
    run.add(section, "cold, to the first rows", [one["row"] for one in cold], 1000)
    run.add(section, f"cold, to all {alerts:,}", [one["all"] for one in cold])
    run.add(section, "cold, longest task of the page", [one["task"] for one in cold])
    run.add(section, "cold, processor time of the service", used)
    run.add(section, "files kept, to the first rows", [one["row"] for one in kept], 1000)
    page = tab(browser, service.url, cookie, alerts)
    opened(page, url)
    page.locator(".grid").focus()
    for key, times in (("j", 200), ("k", 100), ("PageDown", 50), ("End", 10), ("Home", 10)):
        run.add("Keys", f"`{key}`", [page.evaluate(STEP, key) for _ in range(times)], 100)
    asked: list[float] = []
    for text in ("svc", "rundll32", "user-17", "finance", "AS6412", "user-2"):
        asked.append(page.evaluate(ASK, ["input[type=search]", text]))
        asked.append(page.evaluate(ASK, ["input[type=search]", ""]))
    run.add("Search and filters", "search, to the answer", asked)
    asked = []
    for severity in ("5", "4", "3", ""):
        asked.append(page.evaluate(ASK, ["select[aria-label='Least severity']", severity]))
    run.add("Search and filters", "least severity, to the answer", asked)
    page.context.close()


def alert(run: Run, browser: Browser, service: Service, cookie: str, uid: str, loads: int) -> None:
    """Section 5."""
    seen, used, pid = [], [], service.process.pid if service.process else 0
    for _ in range(loads):
        page = tab(browser, service.url, cookie, -1)
        before = cpu_ms(pid)
        page.goto(f"{service.url}/console/alerts/{uid}")
        page.locator("html[data-seen-story][data-seen-events]").wait_for(state="attached")
        seen.append(page.evaluate("({...seen, task: Math.max(0, ...tasks)})"))
        used.append(cpu_ms(pid) - before)
        page.context.close()
    section = "An alert with very many events"
    run.add(section, "cold, to the story", [one["story"] for one in seen])
    run.add(section, "cold, to the strangest records", [one["events"] for one in seen])
    run.add(section, "longest task of the page", [one["task"] for one in seen])
    run.add(section, "processor time of the service", used)


def people(run: Run, service: Service, sessions: list[str], visits: int) -> None:
    """Section 6."""
    times: dict[str, list[float]] = {}
    failed: list[str] = []

    def person(number: int, cookie: str) -> None:
        rng = random.Random(number)
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)

        def call(name: str, path: str) -> Any:
            began = time.perf_counter()
            connection.request("GET", path, headers={"Cookie": cookie, "Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            body = answer.read()
            times.setdefault(name, []).append(1000 * (time.perf_counter() - began))
            if answer.status != 200:
                failed.append(f"{path}: {answer.status}")
            return json.loads(gzip.decompress(body) if answer.headers["content-encoding"] else body)

        for _ in range(visits):
            time.sleep(rng.random())
            first = call(
                "the queue's first page",
                "/v1/alerts?fields=queue&limit=200&state=new,triaged,in_progress,contained",
            )
            call("the budget", "/v1/budget")
            for row in rng.sample(rows_of(first), 3):
                base = f"/v1/alerts/{row}"
                call("an alert", base)
                call("its context", f"{base}/context")
                call("its records", f"{base}/events?limit=50")
                call("its history", f"{base}/history?limit=200")
                time.sleep(0.5 + rng.random())

    pid = service.process.pid if service.process else 0
    before, began = cpu_ms(pid), time.perf_counter()
    threads = [threading.Thread(target=person, args=pair) for pair in enumerate(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    share = (cpu_ms(pid) - before) / (time.perf_counter() - began) / 1000
    section = f"{len(sessions)} people at once"
    for name, values in times.items():
        run.add(section, name, values)
    print(f"processor of the service: {share:.0%} of one core; refused: {failed[:3] or 'none'}")
    run.rows[section].append(
        Row("the service's share of one core, in percent", 100 * share, 100 * share, 1, 0.0)
    )


def rows_of(found: dict[str, Any]) -> list[str]:
    """Ids of a page of the queue, in either form."""
    if "columns" not in found:
        return [row["id"] for row in found["alerts"]]
    place = found["columns"].index("id")
    return [row[place] for row in found["rows"]]


def main() -> None:
    """Measure and print; write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--busy", type=int, default=100_000, help="events behind one alert")
    parser.add_argument("--others", type=int, default=300_000, help="further events of that day")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--visits", type=int, default=5, help="of each of them")
    parser.add_argument("--loads", type=int, default=9)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        parser.error("needs a browser: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    about, run = machine(), Run()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "var"
        print("learning the day ...", flush=True)
        uid = console_world.build(data, options.alerts, options.busy, options.others, options.people + 1)
        service = Service(data).start()
        try:
            cookies = [signed_in(service.port, f"p{number}")[0] for number in range(options.people + 1)]
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
                print(f"Chromium {browser.version}, Python {platform.python_version()}", flush=True)
                queue(run, browser, service, cookies[0], options.alerts, options.loads)
                alert(run, browser, service, cookies[0], uid, options.loads)
                browser.close()
            people(run, service, cookies[1:], options.visits)
        finally:
            service.stop()
    if options.page:
        options.page.write_text(page_text(about, vars(options), run.rows))


if __name__ == "__main__":
    main()
