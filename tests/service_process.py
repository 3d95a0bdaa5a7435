"""The service as a process: started, killed, stopped and asked what it has scored."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyarrow import dataset

ROOT = Path(__file__).resolve().parent.parent
_MAIN = "from serving.cli.main import main; main()"
START_SECONDS = 300
"""Generous: the first start of a fresh checkout compiles the kernels."""
FIRST_US = 1_767_225_600_000_000  # 2026-01-01


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ocsf(number: int) -> dict[str, Any]:
    """A logon, one a second, with an id of its own."""
    return {
        "class_uid": 3002,
        "category_uid": 3,
        "activity_id": 1,
        "status_id": 1,
        "time": FIRST_US // 1000 + 1000 * number,
        "user": {"name": f"user{number % 40}"},
        "device": {"hostname": f"host{number % 7}"},
        "src_endpoint": {"ip": f"10.0.{number % 5}.{number % 40 + 1}"},
        "metadata": {"uid": f"event-{number}", "version": "1.8.0"},
    }


@dataclass
class Service:
    """One data directory and the process that serves it.

    options: further arguments of `habitus serve`.
    """

    data_dir: Path
    options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def habitus(self, *arguments: str) -> str:
        """Run a command to its end; returns its standard output."""
        done = subprocess.run(
            [sys.executable, "-c", _MAIN, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def key(self, role: str = "collector", tenant: str = "acme") -> str:
        """A new key."""
        return self.habitus(
            "keys", "create", "--data-dir", str(self.data_dir), "--role", role, "--tenant", tenant
        )

    @property
    def url(self) -> str:
        """Where it listens."""
        scheme = "https" if "--tls-cert" in self.options else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """Its standard error."""
        return self.data_dir.with_name(f"{self.data_dir.name}.log")

    def start(self) -> Service:
        """Start and wait until it is ready."""
        command = ["serve", "--data-dir", str(self.data_dir), "--port", str(self.port), *self.options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _MAIN, *command], cwd=ROOT, stdout=log, stderr=log
            )
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(
                    f"the service ended with {self.process.returncode}: {self.log.read_text()[-2000:]}"
                )
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"the service did not start: {self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=120)

    def end(self) -> None:
        """However it is, it goes away."""
        if self.process is not None and self.process.poll() is None:
            self.kill()

    # ------------------------------------------------------------------------------------------------- asking

    def ask(
        self, path: str, key: str = "", body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of a request; OSError if nobody answers."""
        request = urllib.request.Request(self.url + path, data=body, headers=headers or {})  # noqa: S310
        if key:
            request.add_header("Authorization", f"Bearer {key}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def metrics(self) -> dict[str, float]:
        """Numbers without labels."""
        _, text = self.ask("/metrics")
        return {
            name: float(value)
            for name, value in re.findall(r"^(habitus_\w+) ([-+.e\d]+)$", text.decode(), re.MULTILINE)
        }

    def settled(self, events: int) -> dict[str, float]:
        """Wait until so many events were taken in and none waits to be scored; returns the numbers."""
        until = time.monotonic() + 120
        found: dict[str, float] = {}
        while time.monotonic() < until:
            found = self.metrics()
            known = found["habitus_ledger_scored"] + found["habitus_ledger_late"]
            if known >= events and not found["habitus_ledger_waiting"] and not found["habitus_backlog_bytes"]:
                return found
            time.sleep(0.2)
        raise AssertionError(f"of {events} events: {json.dumps(found)}")

    def scored(self, tenant: str = "acme") -> list[str]:
        """Ids of all events in the lake; the service must have stopped."""
        lake = self.data_dir / "tenants" / tenant / "lake"
        return (
            dataset.dataset(lake, format="parquet").to_table(columns=["event_uid"])["event_uid"].to_pylist()
        )
