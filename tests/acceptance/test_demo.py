"""`habitus demo` as a process: a history, somebody who breaks in, the alert, and Ctrl-C."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any

import pytest

from tests.service_process import ROOT, START_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAIN = "from serving.cli.main import main; main()"
SMALL = ("--users", "10", "--days", "8", "--seed", "3", "--port", "0")
PASSWORD = "a much longer one than the first"


class Demo:
    """The command and what it prints."""

    def __init__(self, folder: Path) -> None:
        self.output = folder.with_name("output.txt")
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-c", _MAIN, "demo", *SMALL, "--out", str(folder)],
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, pattern: str, seconds: float = START_SECONDS) -> re.Match[str]:
        """Until it prints that."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = re.search(pattern, self.output.read_text())
            if found:
                return found
            assert self.process.poll() is None, self.output.read_text()
            time.sleep(0.2)
        raise AssertionError(f"no {pattern!r} in: {self.output.read_text()}")

    def interrupt(self) -> int:
        """Ctrl-C; returns the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=START_SECONDS)


class Person:
    """Somebody at a browser."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar())).open
        self._csrf = ""

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """What is answered, from JSON."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "X-CSRF-Token": self._csrf}
        request = urllib.request.Request(self._url + path, data, headers)  # noqa: S310 - our own address
        with self._open(request, timeout=60) as answer:
            return json.loads(answer.read() or b"{}")

    def sign_in(self, login: str, password: str) -> None:
        """With the one-time password, and another from then on."""
        session = self.ask("/console/session", {"login": login, "password": password})
        assert session["must_change"]
        self._csrf = session["csrf"]
        changed = self.ask("/console/session/password", {"old": password, "new": PASSWORD})
        self._csrf = (changed or session).get("csrf", self._csrf)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "demo"


@pytest.fixture
def demos(folder: Path) -> Iterator[list[Demo]]:
    started: list[Demo] = []
    yield started
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_the_demo_has_a_past_and_an_attack_and_goes_on_after_ctrl_c(folder: Path, demos: list[Demo]) -> None:
    demos.append(Demo(folder))
    url = demos[-1].wait_for(r"console +(\S+)/console\n")[1]
    login, password = demos[-1].wait_for(r"sign in +(\S+), one-time password (\S+)\n").groups()
    person = Person(url)
    person.sign_in(login, password)
    usage = person.ask("/v1/usage")
    assert usage["scored"] > 5_000, "the history is there"
    victim = demos[-1].wait_for(r"the intruder is at work: account takeover, from (\S+) ")[1]
    kind, name = demos[-1].wait_for(r"ALERT on (\S+) (\S+): ").groups()
    alerts = person.ask(f"/v1/alerts?entity_kind={kind}&text={name}")["alerts"]
    assert alerts, "it is in the queue"
    assert person.ask(f"/v1/baselines/{victim}"), "somebody with habits was attacked"
    assert demos[-1].interrupt() == 0
    assert "goes on from here" in demos[-1].output.read_text()

    demos.append(Demo(folder))
    assert "password you chose" in demos[-1].wait_for(r"sign in +(.*)\n")[1]
    assert "simulating" not in demos[-1].output.read_text(), "what was prepared is used again"
    assert demos[-1].interrupt() == 0


def test_a_folder_of_somebody_else_is_left_alone(folder: Path, demos: list[Demo]) -> None:
    folder.mkdir()
    (folder / "mine.txt").write_text("precious")
    demos.append(Demo(folder))
    assert demos[-1].process.wait(timeout=START_SECONDS) == 1
    assert "not empty" in demos[-1].output.read_text()
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
