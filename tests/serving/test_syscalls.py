"""P1, P10 at the edge of the process: what the kernel was asked for before a client was answered.

Other tests of durability trust the service's own words; this one reads the system calls of the real server.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.service_process import ROOT, START_SECONDS, Service, ocsf

if TYPE_CHECKING:
    from pathlib import Path

POSTS = 12
_MAIN = "from serving.cli.main import main; main()"
_UNSYNCED = """
import serving.store.database as database
real = database._set_pragmas
def unsynced(connection, record):
    real(connection, record)
    connection.execute("PRAGMA synchronous=OFF")
database._set_pragmas = unsynced
"""
_CALL = re.compile(r"^(?P<pid>\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<name>\w+)\()(?P<rest>.*)$")
_RESULT = re.compile(r"\) = (?P<result>-?\d+)")


@dataclass
class Traced(Service):
    """The service under strace. before: Python that runs first in its process."""

    before: str = ""
    trace: Path = field(init=False)

    def __post_init__(self) -> None:
        self.trace = self.data_dir.with_name("trace")

    def start(self) -> Traced:
        calls = "fsync,fdatasync,write,pwrite64,writev,sendto,sendmsg,read,recvfrom"
        tracer = [
            "strace",
            "-D",
            "-f",
            "--seccomp-bpf",
            "-y",
            "-s",
            "32",
            "-e",
            f"trace={calls}",
            "-o",
            str(self.trace),
        ]
        arguments = ["serve", "--data-dir", str(self.data_dir), "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*tracer, sys.executable, "-c", f"{self.before}\n{_MAIN}", *arguments],
                cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"the service did not start: {self.log.read_text()[-2000:]}")


def unsafe_answers(trace: str) -> list[str]:
    """Answers that left before the journal's log was written and then synced, after the request came in.

    The journal is SQLite's: a commit is appended to habitus.db-wal, which is durable when a sync of that
    file, begun after the last write, has returned.
    """
    unsafe: list[str] = []
    begun: dict[str, str] = {}
    asked = written = synced = False
    for line in trace.splitlines():
        found = _CALL.match(line)
        if found is None:
            continue
        pid, rest = found["pid"], found["rest"]
        name = found["name"] or found["resumed"]
        if found["resumed"]:
            rest = begun.pop(pid, "") + rest
        elif "<unfinished ...>" in rest:
            begun[pid] = rest
            if name == "pwrite64" and "habitus.db-wal>" in rest:
                written, synced = asked, False
            if not (name in ("write", "writev", "sendto", "sendmsg") and "HTTP/1.1 2" in rest):
                continue
        if "POST /v1/events" in rest and name in ("read", "recvfrom"):
            asked, written, synced = True, False, False
        elif name == "pwrite64" and "habitus.db-wal>" in rest:
            written, synced = asked, False
        elif name in ("fsync", "fdatasync") and "habitus.db-wal>" in rest:
            result = _RESULT.search(rest)
            synced = written and result is not None and result["result"] == "0"
        elif "HTTP/1.1 202" in rest and asked:
            if not synced:
                unsafe.append(line)
            asked = False
    return unsafe


def traced_posts(folder: Path, before: str = "") -> str:
    """The system calls of a server that was sent POSTS batches, one after the other."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace (Debian, Ubuntu: apt-get install strace)")
    allowed = subprocess.run(
        ["strace", "-D", "-f", "--seccomp-bpf", "true"], capture_output=True, text=True, check=False
    )
    if "+++ exited" not in allowed.stderr:
        pytest.skip(f"tracing is forbidden here: {allowed.stderr.strip()[:200]}")
    service = Traced(folder / "data", before=before)
    key = service.key()
    try:
        service.start()
        for number in range(POSTS):
            body = b"\n".join(json.dumps(ocsf(10 * number + n)).encode() for n in range(10))
            assert service.ask("/v1/events", key, body)[0] == 202
        assert service.stop() == 0
    finally:
        service.end()
    text = service.trace.read_text(errors="replace")
    assert text.count("HTTP/1.1 202") == POSTS, "the trace has not seen every answer"
    return text


def test_no_answer_leaves_before_the_journal_is_synced(tmp_path: Path) -> None:
    """P1. The same trace without its syncs must be found unsafe, or the test sees nothing."""
    trace = traced_posts(tmp_path)
    assert unsafe_answers(trace) == []
    unsynced = "\n".join(line for line in trace.splitlines() if "sync" not in line)
    assert len(unsafe_answers(unsynced)) == POSTS


@pytest.mark.chaos
def test_a_journal_that_is_not_synced_is_seen(tmp_path: Path) -> None:
    """The mutation, kept: the same server with synchronous=OFF."""
    assert len(unsafe_answers(traced_posts(tmp_path, _UNSYNCED))) == POSTS
