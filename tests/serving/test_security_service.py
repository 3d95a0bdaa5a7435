"""The real server against whoever sends to it: other tenants and roles, bombs, smuggled requests; and its
log.

The routes come from the server's own OpenAPI document, so that one added later is asked too.
"""

from __future__ import annotations

import gzip
import json
import re
import socket
import zlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from tests.service_process import Service, ocsf

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLES = ("collector", "analyst", "scientist", "admin")
INGEST = {
    "/v1/events", "/_bulk", "/{index}/_bulk", "/v1/logs", "/services/collector", "/services/collector/event",
    "/services/collector/raw",
}  # fmt: skip
TRY = {"/v1/score"}
"""Every role may try a score; who may learn by it, tests/serving/http/test_front.py says."""
SIGN_IN = "/console/"
"""Sessions instead of keys: what they may do, tests/serving/http/test_console_session.py says."""
ADMIN = ("/v1/keys", "/v1/audit", "/v1/channels", "/v1/accounts")
"""Who has keys, and what was done with them, is for admins alone."""
SECRET_NAME = "margarethe-of-acme"
"""Occurs in what acme sent, and nowhere else."""


def event(number: int, user: str = SECRET_NAME) -> dict[str, Any]:
    return {**ocsf(number), "user": {"name": user}}


def lines(numbers: range, user: str = SECRET_NAME) -> bytes:
    return b"".join(json.dumps(event(number, user)).encode() + b"\n" for number in numbers)


@dataclass
class Guarded:
    """A running service, keys of two tenants by (tenant, role), a revoked one, and the document's routes."""

    service: Service
    keys: dict[tuple[str, str], str]
    revoked: str
    routes: list[tuple[str, str, dict[str, Any]]]

    def ask(self, method: str, path: str, key: str = "") -> tuple[int, bytes]:
        """A request as `raw` sends it, with a body that fits the route."""
        body, media_type = b"", "application/json"
        if method in ("POST", "PUT", "PATCH"):
            body = lines(range(90_000, 90_001), "nobody")
            if path.endswith("_bulk"):
                body = b'{"create":{}}\n' + body
            elif path.startswith("/services"):
                body = b'{"event":' + body.strip() + b"}"
            elif path.endswith("/unlearn"):
                body = b'{"from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z"}'
            elif path == "/v1/logs":
                body = b'{"resourceLogs":[]}'
        head = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", "Connection: close"]
        head += [f"Content-Type: {media_type}"] + ([f"Authorization: Bearer {key}"] if key else [])
        return answer_of(self.raw("\r\n".join(head).encode() + b"\r\n\r\n" + body))

    def raw(self, data: bytes, wait: float = 10.0) -> bytes:
        """Everything that comes back until the server closes the connection or is silent for so long."""
        parts = []
        with socket.create_connection(("127.0.0.1", self.service.port), timeout=wait) as connection:
            try:
                connection.sendall(data)
                while part := connection.recv(1 << 16):
                    parts.append(part)
            except (TimeoutError, ConnectionError):
                pass
        return b"".join(parts)

    def known(self) -> list[tuple[int, bytes]]:
        """What acme's analyst is told about acme."""
        key = self.keys["acme", "analyst"]
        paths = (f"/v1/entities/user/{SECRET_NAME}", f"/v1/baselines/{SECRET_NAME}", "/v1/alerts")
        return [self.service.ask(path, key) for path in paths]


def answer_of(answer: bytes) -> tuple[int, bytes]:
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer[9:12]), answer.partition(b"\r\n\r\n")[2]


def filled(path: str) -> str:
    """A route with acme's own names in its places."""
    path = path.replace("/v1/live", "/v1/live?seconds=0")
    places = {"index": "logs", "kind": "user", "entity": SECRET_NAME, "name": SECRET_NAME}
    return re.sub(r"\{(\w+)\}", lambda found: places.get(found[1], "acme-1"), path)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    from serving.keys import Keys
    from serving.store.database import default_url, open_database

    service = Service(tmp_path_factory.mktemp("guarded") / "data")
    service.data_dir.mkdir()
    database = open_database(default_url(service.data_dir))
    ring = Keys(database)
    keys = {(tenant, role): ring.create(tenant, role) for tenant in ("acme", "globex") for role in ROLES}
    revoked = ring.create("acme", "admin")
    ring.revoke(revoked.split("_")[1])
    database.close()
    try:
        service.start()
        status, _ = service.ask("/v1/events", keys["acme", "collector"], lines(range(200)))
        assert status == 202
        service.settled(200)
        document = json.loads(service.ask("/openapi.json")[1])
        routes = [
            (path, method.upper(), about)
            for path, operations in document["paths"].items()
            for method, about in operations.items()
        ]
        yield Guarded(service, keys, revoked, routes)
    finally:
        service.end()


def test_no_route_but_the_open_ones_answers_without_a_valid_key(guarded: Guarded) -> None:
    """Without a key, with a revoked one, with one whose secret is another's, and with one made up."""
    own, other = guarded.keys["acme", "admin"], guarded.keys["globex", "admin"]
    mixed = "_".join([*own.split("_", 2)[:2], other.split("_", 2)[2]])
    for path, method, about in guarded.routes:
        if about.get("security") == []:
            assert guarded.ask(method, path)[0] in (200, 303, 503), path
            continue
        if about.get("security") == [{}]:
            assert guarded.ask(method, path)[0] == 400, "signing in needs a login"
            continue
        for key in ("", guarded.revoked, mixed, "hab_" + "0" * 12 + "_" + "A" * 43):
            status, body = guarded.ask(method, filled(path), key)
            # 403 is Splunk's own answer to a token that is not valid
            assert status in ((401, 403) if path.startswith("/services") else (401,)), (method, path)
            assert SECRET_NAME.encode() not in body


def test_every_role_does_what_is_its_own_and_nothing_else(guarded: Guarded) -> None:
    for path, method, about in guarded.routes:
        if about.get("security") == []:
            continue
        for role in ROLES:
            status, body = guarded.ask(method, filled(path), guarded.keys["acme", role])
            if path in INGEST:
                allowed = role in ("collector", "admin")
            elif path in TRY:
                continue
            elif path == "/v1/entities":
                assert status == (403 if role == "collector" else 400), "it takes a text to look for"
                continue
            elif path.startswith(SIGN_IN):
                assert status in (400, 401), (method, path, role)
                continue
            elif path.startswith(ADMIN):
                assert role == "admin" or status == 403, (method, path, role)
                continue
            elif method == "GET":
                allowed = role != "collector"
            else:
                # whatever else can be done: never with a key that lies on every collector's disk
                assert role != "collector" or status == 403, (method, path)
                continue
            assert (status == 403) == (not allowed), (method, path, role, status, body[:200])
            assert status < 500, (method, path, role, body)


def test_another_tenant_reads_nothing_and_changes_nothing_whatever_route_it_asks(guarded: Guarded) -> None:
    """Every route, every role of globex, with acme's names in every place: acme is as it was before."""
    before = guarded.known()
    assert [status for status, _ in before] == [200, 200, 200]
    for path, method, _ in guarded.routes:
        for role in ROLES:
            status, body = guarded.ask(method, filled(path), guarded.keys["globex", role])
            assert status < 500, (method, path, role, body)
            told = body.replace(filled(path).encode(), b"")
            if status == 200 and method == "GET" and path not in ("/metrics", "/healthz", "/readyz"):
                assert SECRET_NAME.encode() not in told, (path, role)
            if "{entity}" in path or "{alert_id}" in path:
                refusals = (403, 404) if method == "GET" else (400, 403, 404)
                assert status in refusals, (method, path, role)
    query = f"/v1/alerts?tenant=acme&entity={SECRET_NAME}"
    assert SECRET_NAME.encode() not in guarded.ask("GET", query, guarded.keys["globex", "admin"])[1]
    assert guarded.known() == before


def test_methods_that_no_route_has_are_refused_and_do_nothing(guarded: Guarded) -> None:
    before = guarded.known()
    for path, _, about in guarded.routes:
        for method in ("DELETE", "PATCH", "TRACE", "CONNECT", "OPTIONS", "PROPFIND"):
            if method.lower() in str(about):
                continue
            status, body = guarded.ask(method, filled(path), guarded.keys["acme", "admin"])
            assert 400 <= status < 500, (method, path, status, body)
    assert guarded.known() == before


@cache
def bomb(encoding: str, size: int) -> bytes:
    plain = b'{"a":"' + b"a" * size + b'"}\n'
    if encoding == "gzip":
        return gzip.compress(plain, 9)
    if encoding == "deflate":
        return zlib.compress(plain, 9)
    return zstandard.ZstdCompressor(level=19).compress(plain)


def members(count: int) -> bytes:
    return b"{" + b",".join(b'"k%d":0' % number for number in range(count)) + b"}"


@pytest.mark.parametrize("path", ["/v1/events", "/_bulk", "/v1/logs", "/services/collector", "/v1/score"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_small_body_that_becomes_a_large_one_is_refused(guarded: Guarded, path: str, encoding: str) -> None:
    body = bomb(encoding, 80 << 20)
    assert len(body) < 1 << 20
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    status, answer = guarded.service.ask(path, guarded.keys["acme", "collector"], body, headers)
    assert status == 413
    assert b"decompressed_bytes" in answer


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("depth", b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
        ("depth", b"[" * 100_000 + b"]" * 100_000),
        ("keys", members(50_000)),
        ("string_bytes", b'{"a":"' + b"a" * (2 << 20) + b'"}'),
        ("tokens", b'{"a":[' + b"[]," * 300_000 + b"[]]}"),
    ],
)
def test_a_record_that_is_a_bomb_is_refused_by_name_or_put_aside(
    guarded: Guarded, name: str, record: bytes
) -> None:
    key = guarded.keys["acme", "collector"]
    status, answer = guarded.service.ask("/v1/events", key, b'{"x":1}\n' + record)
    assert status == 413
    assert name.encode() in answer
    aside = guarded.service.metrics()["habitus_ledger_quarantined"]
    status, _ = guarded.service.ask("/_bulk", key, b'{"create":{}}\n' + record.replace(b"\n", b" ") + b"\n")
    assert status == 200
    guarded.service.settled(0)
    assert guarded.service.metrics()["habitus_ledger_quarantined"] > aside


def post(key: str, *headers: bytes, body: bytes = b"", length: bool = True) -> bytes:
    own = [b"Host: x", b"Authorization: Bearer " + key.encode()]
    own += [b"Content-Length: %d" % len(body)] if length else []
    return b"POST /v1/events HTTP/1.1\r\n" + b"\r\n".join([*own, *headers]) + b"\r\n\r\n" + body


def test_no_request_is_smuggled_behind_another(guarded: Guarded) -> None:
    """A second request hidden in a body that two servers may measure differently is never carried out."""
    key = guarded.keys["acme", "collector"]
    hidden = post(guarded.keys["globex", "collector"], body=lines(range(70_000, 70_001), "smuggled"))
    chunked = b"0\r\n\r\n" + hidden
    attempts = [
        post(key, b"Transfer-Encoding: chunked", body=chunked),
        post(key, b"Content-Length: 0", body=hidden),
        post(key, b"Content-Length: 0", b"Content-Length: %d" % len(hidden), body=hidden, length=False),
        post(key, b"Transfer-Encoding: chunked", b"Transfer-Encoding: cow", body=chunked, length=False),
        post(key, b"Transfer-Encoding: xchunked", b"Content-Length: 5", body=chunked, length=False),
        post(key, b"Transfer-Encoding : chunked", body=chunked),
        post(key, b"Transfer-Encoding:\x0bchunked", body=chunked),
        post(key, b"X: a\nTransfer-Encoding: chunked", body=chunked),
        post(key, b"X: a\x00b", body=hidden),
        post(key, b"Content-Length: 0\x00", body=hidden, length=False),
        post(key, b"Content-Length: 0, %d" % len(hidden), body=hidden, length=False),
        post(key, b"Content-Length: 0x0", body=hidden, length=False),
        post(key, b"Content-Length: -0", body=hidden, length=False),
        post(key, b"X: " + b"a" * 200_000, body=hidden),
        b"POST /v1/events HTTP/1.0\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\n" + chunked,
    ]
    for attempt in attempts:
        answer = guarded.raw(attempt, wait=3.0)
        assert answer.count(b"HTTP/1.1 2") <= 1, (attempt[:120], answer)
    guarded.service.settled(0)
    status, _ = guarded.service.ask("/v1/baselines/smuggled", guarded.keys["globex", "analyst"])
    assert status == 404, "the hidden request was carried out"


def test_chunks_without_end_are_cut_off_at_the_limit(guarded: Guarded) -> None:
    key = guarded.keys["acme", "collector"]
    chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    answer = guarded.raw(post(key, b"Transfer-Encoding: chunked", body=chunk * 40, length=False))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413")
    tiny = post(key, b"Transfer-Encoding: chunked", body=b"1;a=" + b"b" * 100 + b"\r\n \r\n", length=False)
    assert b" 500 " not in guarded.raw(tiny, wait=1.0)


def test_after_all_of_this_it_still_works_and_its_log_tells_no_key(guarded: Guarded) -> None:
    service = guarded.service
    assert service.ask("/readyz")[0] == 200
    status, answer = service.ask("/v1/events", guarded.keys["acme", "collector"], lines(range(300, 320)))
    assert (status, json.loads(answer)["accepted"]) == (202, 20)
    text = service.log.read_text(errors="strict")
    for key in [*guarded.keys.values(), guarded.revoked]:
        assert key.split("_", 2)[2] not in text
    assert SECRET_NAME not in re.sub(r'"path":"[^"]*"', "", text), (
        "what is in events does not belong into the log"
    )
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", text)
    assert "Traceback" not in text
    assert '"level":"error"' not in text
