"""The service end to end: durable acknowledgements a second, latencies, recovery and start.

    python benchmarks/bench_serving.py [--seconds 15] [--rate 1000] [--only disk,load,recovery,start]
                                       [--page FILE]

Server and client are processes of their own on the same machine, so what the client costs is part of the
figure; the client is as light as it gets (benchmarks/serving_client.py). Nothing is compressed.

1. The disk alone: what a sync takes.
2. `/v1/events` and `/_bulk`, 500 events a request: events acknowledged a second (each was on disk before its
   answer), events scored a second until the last one was, and the processor time of an event.
3. The same requests to a bare ASGI server of the same kind and settings that reads the body and answers a
   constant, and to granian where it is installed: the ratio is what everything but the HTTP server costs.
4. POST /v1/score with one event at a fixed rate, open loop: p50 and p99; the same at the bare server.
5. Requests of 500 events at half of the rate of 2: p50 and p99.
6. Recovery: from the start of the process to the first answer, by the length of the journal that no
   checkpoint covers.
7. Start with a checkpoint of 100,000 entities, the same way.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.serving_client import Client, request
from benchmarks.serving_page import Results, machine
from tests.service_process import Service, free_port, ocsf

BATCH = 500
FIRST_MS = 1_767_225_600_000
JOURNALS = (0, 100_000, 500_000)
SYNCS = 200
DISK, RATE, ANSWERS, STARTS = "The disk", "Events a second", "Time to an answer", "Starts"
"""Sections of the page."""
ENTITIES = 100_000
APPLICATION = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-length", b"2"), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"[]"})
"""
BARE = {
    "uvicorn": APPLICATION
    + """
import sys, uvicorn
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False, loop="uvloop",
            http="httptools", lifespan="off", timeout_keep_alive=75, backlog=1024, limit_concurrency=2048)
""",
    "granian": """
import sys, granian
granian.Granian("bare:app", address="127.0.0.1", port=int(sys.argv[1]), interface="asginl", workers=1,
loop="uvloop",
                log_enabled=False).serve()
""",
}
_FILL = """
import json, sys, time
from pathlib import Path
from serving.core import Core
from serving.settings import CoreSettings
from serving.submission import Protocol, Submission
from benchmarks import bench_serving as bench
folder, count, spread = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
settings = CoreSettings(checkpoint_seconds=1e9, checkpoint_events=1 << 40, min_free_bytes=0)
core = Core(folder, settings)
core.start()
for first in range(0, count, bench.BATCH):
    body = b"\\n".join(bench.event(n, spread, 20) for n in range(first, first + bench.BATCH))
    core.offer(Submission("acme", Protocol.NATIVE, body, "ocsf")).result(600)
if len(sys.argv) > 4:
    core.stop()
else:
    import os
    os._exit(0)
"""


def event(number: int, users: int = 2_000, step_ms: int = 20) -> bytes:
    """A logon of about 580 bytes, as sensors write them; so many users, a quarter as many hosts."""
    hosts = max(1, users // 4)
    made = ocsf(number)
    made["time"] = FIRST_MS + step_ms * number
    made["user"] = {"name": f"user{number % users}", "uid": f"S-1-5-21-{number % users}", "domain": "CORP"}
    made["device"] = {
        "hostname": f"host{number * 7 % hosts}",
        "ip": f"10.1.{number % 250}.7",
        "os": {"name": "Linux"},
    }
    made["auth_protocol"] = "Kerberos"
    made["logon_type_id"] = 3
    made["message"] = f"An account was successfully logged on to host{number * 7 % hosts} over the network."
    made["metadata"]["product"] = {"name": "sensor", "vendor_name": "example", "version": "4.2.1"}
    return json.dumps(made, separators=(",", ":")).encode()


def ndjson(first: int) -> bytes:
    """A body for /v1/events."""
    return b"".join(event(n) + b"\n" for n in range(first, first + BATCH))


def bulk(first: int) -> bytes:
    """A body for /_bulk."""
    return b"".join(
        b'{"create":{"_index":"logs-ocsf"}}\n' + event(n) + b"\n" for n in range(first, first + BATCH)
    )


def percentiles(latency: np.ndarray) -> tuple[str, float]:
    """As text, and the 99th, milliseconds."""
    p50, p99 = np.percentile(latency, [50, 99])
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms", float(p99)


def processor_seconds(service: Service) -> float:
    """What a running service has used so far, all threads, in user and kernel mode."""
    pid = service.process.pid if service.process else 0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def disk(_: argparse.Namespace, folder: Path, results: Results) -> None:
    """What a sync of 4 KiB takes here, without the service."""
    took = []
    with (folder / "probe").open("wb", buffering=0) as file:
        for _number in range(SYNCS):
            file.write(bytes(4096))
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(1000 * (time.perf_counter() - began))
    results.add(DISK, f"a sync of 4 KiB, {SYNCS} of them", percentiles(np.array(took))[0])


def resident_mib(service: Service) -> int:
    """Most memory that a running service has had."""
    pid = service.process.pid if service.process else 0
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) >> 10


class Bare:
    """A bare server in a process of its own."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.port = free_port()
        (folder / "bare.py").write_text(APPLICATION)
        self._process = subprocess.Popen([sys.executable, "-c", BARE[kind], str(self.port)], cwd=folder)
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                Client(self.port, 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise SystemExit(f"{kind} did not start")

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)


def flood(port: int, requests: list[bytes], options: argparse.Namespace) -> tuple[float, Client]:
    client = Client(port, options.connections, options.depth)
    try:
        done, seconds = client.flood(requests, options.seconds)
    finally:
        client.close()
    return done * BATCH / seconds, client


def load(options: argparse.Namespace, folder: Path, results: Results) -> None:
    """Parts 2 to 5."""
    service = Service(folder / "load")
    key = service.key()
    service.start()
    try:
        warm = Client(service.port, 1)
        warm.flood([request("/v1/events", key, ndjson(0)), request("/_bulk", key, bulk(BATCH))], 60)
        warm.close()
        service.settled(2 * BATCH)
        count = min(options.events, int(options.seconds * 200_000)) // BATCH
        total, at, fastest = 2 * BATCH, 2 * BATCH, 0.0
        for path, make in (("/v1/events", ndjson), ("/_bulk", bulk)):
            requests = [request(path, key, make(at + BATCH * number)) for number in range(count)]
            at += BATCH * count
            bare = bare_rates(requests, options, folder)
            started, used = time.perf_counter(), processor_seconds(service)
            rate, client = flood(service.port, requests, options)
            taken = int(service.metrics()["habitus_ledger_received"])
            service.settled(taken)
            whole = (taken - total) / (time.perf_counter() - started)
            cost = 1e6 * (processor_seconds(service) - used) / max(taken - total, 1)
            total = taken
            about = f"`{path}`, {BATCH} events of 580 bytes a request"
            results.add(RATE, f"{about}: acknowledged on disk", f"{rate:,.0f} events/s", "acknowledged", rate)
            results.add(RATE, f"`{path}`, until the last one was scored", f"{whole:,.0f} events/s")
            results.add(RATE, f"`{path}`, requests told to come back", f"{client.busy}")
            results.add(
                RATE, f"`{path}`, processor time of the service, to the score", f"{cost:.1f} µs an event"
            )
            for kind, found in bare.items():
                results.add(
                    RATE,
                    f"bare {kind}, the same requests, nothing kept",
                    f"{found:,.0f} events/s, {rate / found:.2f} of it reached",
                )
            fastest = max(fastest, rate)
        del requests
        latencies(options, folder, results, service, key, at)
        half = fastest / BATCH / 2
        first = at + 10_000_000
        move_on(service, request("/v1/events", key, ndjson(first - BATCH)))
        client = Client(service.port, 32)
        batches = client.paced(
            lambda n: request("/v1/events", key, ndjson(first + BATCH * n)), half, options.seconds / 2
        )
        client.close()
        figure, p99 = percentiles(batches)
        name = f"`/v1/events` of {BATCH} at half of the rate above ({half:.0f} requests/s)"
        results.add(ANSWERS, name, figure, "batches", p99)
        results.add(ANSWERS, "most memory of the service", f"{resident_mib(service):,} MiB")
    finally:
        service.end()


def move_on(service: Service, first: bytes) -> None:
    """Let the hours pass that lie between two measurements: what closes or looks at a day is done then."""
    client = Client(service.port, 1)
    client.flood([first], 60)
    client.close()
    service.settled(0)


def bare_rates(requests: list[bytes], options: argparse.Namespace, folder: Path) -> dict[str, float]:
    found = {}
    for kind in BARE:
        if find_spec(kind) is not None:
            server = Bare(kind, folder)
            try:
                found[kind], _ = flood(server.port, requests[: max(1, len(requests) // 2)], options)
            finally:
                server.close()
    return found


def latencies(
    options: argparse.Namespace, folder: Path, results: Results, service: Service, key: str, at: int
) -> None:
    def make(number: int) -> bytes:
        return request("/v1/score", key, event(at + 1_000_000 + number))

    seconds = min(options.seconds, 20)
    for kind in BARE:
        if find_spec(kind) is not None:
            server = Bare(kind, folder)
            client = Client(server.port, 64)
            figure, _ = percentiles(client.paced(make, options.rate, seconds))
            results.add(ANSWERS, f"bare {kind}, one event at {options.rate:,}/s", figure)
            client.close()
            server.close()
    move_on(service, make(-1))
    client = Client(service.port, 64)
    used = processor_seconds(service)
    found = client.paced(make, options.rate, seconds)
    cost = 1e3 * (processor_seconds(service) - used) / max(len(found), 1)
    client.close()
    figure, p99 = percentiles(found)
    results.add(ANSWERS, f"`/v1/score`, one event at {options.rate:,}/s, learned", figure, "score", p99)
    results.add(ANSWERS, "`/v1/score`, processor time of the service", f"{cost:.2f} ms a request")


def filled(folder: Path, count: int, spread: int, *, stopped: bool) -> None:
    """A data directory with so many events of so many users; stopped, or killed without a checkpoint."""
    folder.mkdir(parents=True)
    command = [
        sys.executable,
        "-c",
        _FILL,
        str(folder),
        str(count),
        str(spread),
        *(["stop"] if stopped else []),
    ]
    subprocess.run(command, cwd=Path(__file__).resolve().parent.parent, check=True, env=dict(os.environ))


def started(folder: Path) -> tuple[float, float, int]:
    """Seconds from exec to /readyz, journal entries replayed, and MiB."""
    service = Service(folder)
    began = time.perf_counter()
    service.start()
    while service.ask("/readyz")[0] != 200:
        time.sleep(0.01)
    took = time.perf_counter() - began
    found = took, service.metrics()["habitus_replayed_entries"], resident_mib(service)
    service.end()
    return found


def recovery(options: argparse.Namespace, folder: Path, results: Results) -> None:
    """Part 6."""
    for count in JOURNALS:
        if count > options.events:
            continue
        data = folder / f"journal-{count}"
        filled(data, count, 2_000, stopped=False)
        seconds, entries, _ = started(data)
        results.add(
            STARTS,
            f"ready after kill -9, {count:,} events behind the checkpoint",
            f"{seconds:.1f} s ({entries:.0f} entries)",
        )
        shutil.rmtree(data)


def start(options: argparse.Namespace, folder: Path, results: Results) -> None:
    """Part 7: every event names a new user until there are ENTITIES of users, hosts and addresses."""
    count = min(ENTITIES, options.events)
    data = folder / "entities"
    filled(data, count, count, stopped=True)
    seconds, _, memory = started(data)
    name = f"ready with a checkpoint of {count:,} users and their hosts"
    results.add(STARTS, name, f"{seconds:.1f} s, {memory:,} MiB", "start", seconds)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--depth", type=int, default=2, help="requests under way on one connection")
    parser.add_argument(
        "--events", type=int, default=1_500_000, help="most events of each flood, and of a journal"
    )
    parser.add_argument("--only", default="disk,load,recovery,start")
    parser.add_argument("--page", type=Path, help="write the figures there, as Markdown")
    options = parser.parse_args()
    results = Results(machine=machine())
    parts = {"disk": disk, "load": load, "recovery": recovery, "start": start}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only.split(","):
            parts[name](options, Path(folder), results)
    if options.page:
        options.page.write_text(results.page())
        print(f"{options.page}: written", flush=True)


if __name__ == "__main__":
    main()
