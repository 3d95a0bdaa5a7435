"""The service end to end: durable acknowledgements a second, and the latency of one score.

    python benchmarks/bench_serving.py [--seconds 20] [--rate 1000] [--connections 8]

Server and client are processes of their own on the same machine; what the client costs is part of the figure.
1. `_bulk`, 500 events a request: events acknowledged a second (each was on disk before its answer), and
   events scored a second until the last one was.
2. The same requests to a bare ASGI server (uvicorn; reads the body, answers a constant): the ratio is what
   everything but the HTTP server costs.
3. POST /v1/score with one event at a fixed rate (open loop: a late answer does not delay the next request):
   p50 and p99, and the same on the bare server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import uvloop

from tests.service_process import Service, free_port, ocsf

BATCH = 500
BARE = """
import uvicorn
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}})
    await send({{"type": "http.response.body", "body": b"[]"}})
uvicorn.run(app, host="127.0.0.1", port={port}, log_level="error", access_log=False, loop="uvloop",
            http="httptools", lifespan="off")
"""


def event(number: int) -> bytes:
    """A logon of about 580 bytes, as sensors write them; 2,000 users, 500 hosts."""
    made = ocsf(number)
    made["time"] = 1_767_225_600_000 + 20 * number
    made["user"] = {"name": f"user{number % 2000}", "uid": f"S-1-5-21-{number % 2000}", "domain": "CORP"}
    made["device"] = {
        "hostname": f"host{number * 7 % 500}",
        "ip": f"10.1.{number % 250}.7",
        "os": {"name": "Linux"},
    }
    made["auth_protocol"] = "Kerberos"
    made["logon_type_id"] = 3
    made["message"] = f"An account was successfully logged on to host{number * 7 % 500} over the network."
    made["metadata"]["product"] = {"name": "sensor", "vendor_name": "example", "version": "4.2.1"}
    return json.dumps(made, separators=(",", ":")).encode()


def bulk(first: int) -> bytes:
    return b"".join(
        b'{"create":{"_index":"logs-ocsf"}}\n' + event(n) + b"\n" for n in range(first, first + BATCH)
    )


def request(path: str, key: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: habitus\r\nAuthorization: Bearer {key}\r\n"
    return f"{head}Content-Type: application/x-ndjson\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Connection:
    """Just enough HTTP to send a request and read its answer."""

    async def open(self, port: int) -> Connection:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        return self

    async def send(self, data: bytes) -> int:
        self._writer.write(data)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await self._reader.readexactly(length)
        return int(head[9:12])

    def close(self) -> None:
        self._writer.close()


async def flood(port: int, requests: list[bytes], connections: int, seconds: float) -> tuple[int, float, int]:
    """Send requests as fast as answers come; returns events, seconds, and how often it was told to wait."""
    waiting = iter(requests)
    until = time.perf_counter() + seconds
    busy = done = 0

    async def one() -> None:
        nonlocal busy, done
        connection = await Connection().open(port)
        for data in waiting:
            while (status := await connection.send(data)) in (429, 503):
                busy += 1
                await asyncio.sleep(0.2)
            if status != 200:
                raise SystemExit(f"the service answered {status}")
            done += 1
            if time.perf_counter() > until:
                break
        connection.close()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return done * BATCH, time.perf_counter() - started, busy


async def paced(port: int, make: object, rate: int, seconds: float, connections: int) -> np.ndarray:
    """Send `rate` requests a second whatever the answers do; returns latencies in milliseconds."""
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(connections):
        free.put_nowait(await Connection().open(port))
    n = int(rate * seconds)
    latency = np.zeros(n)

    async def one(number: int, due: float) -> None:
        connection = await free.get()
        status = await connection.send(make(number))
        latency[number] = time.perf_counter() - due
        if status != 200:
            raise SystemExit(f"the service answered {status}")
        free.put_nowait(connection)

    started = time.perf_counter() + 0.1
    tasks = []
    for number in range(n):
        due = started + number / rate
        if (pause := due - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(one(number, due)))
    await asyncio.gather(*tasks)
    return 1000 * latency[len(latency) // 10 :]


def told(name: str, latency: np.ndarray) -> None:
    p50, p99 = np.percentile(latency, [50, 99])
    print(f"{name:42} p50 {p50:7.2f} ms   p99 {p99:7.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--events", type=int, default=2_000_000, help="most events of the flood")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service = Service(Path(folder) / "data")
        key = service.key()
        port = free_port()
        bare = subprocess.Popen([sys.executable, "-c", BARE.format(port=port)])
        try:
            service.start()
            warm = request("/_bulk", key, bulk(0))
            uvloop.run(flood(service.port, [warm], 1, 1))
            service.settled(BATCH)
            n = min(options.events, int(options.seconds * 150_000)) // BATCH
            print(
                f"{n * BATCH:,} events of {len(event(1))} bytes, {BATCH} a request,"
                f" {options.connections} connections"
            )
            requests = [request("/_bulk", key, bulk(BATCH * (1 + i))) for i in range(n)]
            events, took, _ = uvloop.run(flood(port, requests, options.connections, options.seconds / 2))
            bare_rate = events / took
            started = time.perf_counter()
            events, took, busy = uvloop.run(
                flood(service.port, requests, options.connections, options.seconds)
            )
            rate = events / took
            service.settled(BATCH + events)
            whole = events / (time.perf_counter() - started)
            print(f"{'bare ASGI server, nothing kept':42} {bare_rate:10,.0f} events/s")
            print(
                f"{'habitus _bulk, acknowledged on disk':42} {rate:10,.0f} events/s"
                f"   ratio {rate / bare_rate:.2f}, told to wait {busy} times"
            )
            print(f"{'the same, until the last one was scored':42} {whole:10,.0f} events/s")
            del requests
            first = 10 * (BATCH + events)

            def make(number: int) -> bytes:
                return request("/v1/score", key, event(first + number))

            seconds = min(options.seconds, 10)
            print(f"one event a request, {options.rate:,} requests/s")
            told("bare ASGI server", uvloop.run(paced(port, make, options.rate, seconds, 64)))
            told(
                "habitus /v1/score, learned", uvloop.run(paced(service.port, make, options.rate, seconds, 64))
            )
        finally:
            bare.terminate()
            bare.wait()
            service.end()


if __name__ == "__main__":
    main()
