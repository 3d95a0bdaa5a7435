"""`habitus serve` as a process: what a collector, an analyst and an operator rely on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.service_process import ROOT, Service, ocsf

BATCH = b"\n".join(json.dumps(ocsf(number)).encode() for number in range(300))


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    made = Service(tmp_path_factory.mktemp("serve") / "data")
    made.keys = {  # type: ignore[attr-defined]
        (tenant, role): made.key(role, tenant)
        for tenant, role in [
            ("acme", "collector"), ("acme", "analyst"), ("globex", "collector"), ("globex", "analyst"),
            ("acme", "admin"),
        ]
    }  # fmt: skip
    try:
        made.start()
        status, answer = made.ask("/v1/events", made.keys["acme", "collector"], BATCH)
        assert (status, json.loads(answer)["accepted"]) == (202, 300)
        made.settled(300)
        yield made
    finally:
        made.end()


def test_a_retry_changes_nothing(service):
    before = service.metrics()["habitus_ledger_scored"]
    status, answer = service.ask("/v1/events", service.keys["acme", "collector"], BATCH)
    assert (status, json.loads(answer)["duplicate"]) == (202, 300)
    assert service.metrics()["habitus_ledger_scored"] == before


def test_poison_is_put_aside_and_the_stream_goes_on(service):
    body = b"\n".join(
        [b'{"index":{}}', b"{broken", b"no action", b'{"index":{}}', json.dumps(ocsf(5000)).encode()]
    )
    before = service.metrics()
    status, answer = service.ask("/_bulk", service.keys["acme", "collector"], body)
    assert status == 200
    assert json.loads(answer)["errors"] is False
    after = service.settled(int(before["habitus_ledger_scored"] + before["habitus_ledger_late"]) + 1)
    assert after["habitus_ledger_quarantined"] == before["habitus_ledger_quarantined"] + 2


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/v1/entities/user/user1", 200),
        ("/v1/entities/host/host1", 200),
        ("/v1/baselines/user1", 200),
        ("/v1/baselines/10.0.1.2", 200),
    ],
)
def test_one_tenant_never_sees_another_s_entities(service, path, own):
    status, answer = service.ask(path, service.keys["acme", "analyst"])
    assert status == own, answer
    status, answer = service.ask(path, service.keys["globex", "analyst"])
    assert status == 404
    assert b"host" not in answer.replace(b"host or address", b"").replace(b"this host", b"")
    assert service.ask(path, service.keys["acme", "collector"])[0] == 403
    assert service.ask(path)[0] == 401


def test_one_tenant_s_events_are_no_duplicates_of_another_s(service):
    status, answer = service.ask("/v1/events", service.keys["globex", "collector"], BATCH)
    assert (status, json.loads(answer)["accepted"]) == (202, 300)


def test_scores_are_answered_in_order_and_trying_changes_nothing(service):
    events = [ocsf(10_000 + number) for number in range(5)]
    body = json.dumps(events).encode()
    key = service.keys["acme", "collector"]
    tried = json.loads(service.ask("/v1/score?learn=false", key, body)[1])
    again = json.loads(service.ask("/v1/score?learn=false", key, body)[1])
    assert tried == again
    scored = json.loads(service.ask("/v1/score", key, body)[1])
    assert [score["event_uid"] for score in scored] == [event["metadata"]["uid"] for event in events]
    assert [score["outcome"] for score in scored] == ["scored"] * 5
    assert [score["risk"] for score in scored] == [score["risk"] for score in tried]


def test_bentoml_s_client_scores(service):
    script = (
        "import bentoml, json, sys\n"
        "with bentoml.SyncHTTPClient(sys.argv[1], token=sys.argv[2]) as client:\n"
        "    print(json.dumps(client.score(events=[json.loads(sys.argv[3])])))\n"
    )
    key = service.keys["acme", "collector"]
    done = subprocess.run(
        [sys.executable, "-c", script, service.url, key, json.dumps(ocsf(20_000))],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    (score,) = json.loads(done.stdout)
    assert score["event_uid"] == "event-20000"
    headers = {"Content-Type": "application/json"}
    status, _ = service.ask("/score", service.keys["acme", "analyst"], b'{"events":[]}', headers)
    assert status == 403


def test_a_revoked_key_is_refused_within_seconds(service):
    import time

    key = service.key()
    assert service.ask("/v1/events", key, b"")[0] == 202
    service.habitus("keys", "revoke", key.split("_")[1], "--data-dir", str(service.data_dir))
    until = time.monotonic() + 10
    while service.ask("/v1/events", key, b"")[0] != 401:
        assert time.monotonic() < until
        time.sleep(0.2)


def test_no_key_is_in_the_log_and_every_line_is_json(service):
    service.ask("/v1/alerts?x=%0d%0aforged", service.keys["acme", "analyst"])
    service.ask("/%1b%5b2J", "hab_000000000000_" + "A" * 43)
    text = service.log.read_text()
    for line in text.splitlines():
        if line.startswith("{"):
            json.loads(line)
    for key in service.keys.values():
        assert key.split("_", 2)[2] not in text


def test_a_second_process_on_the_same_directory_is_refused(service):
    command = [sys.executable, "-c", "from serving.cli.main import main; main()"]
    done = subprocess.run(
        [*command, "serve", "--data-dir", str(service.data_dir), "--port", "0"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "habitus: " in done.stderr


def test_it_stops_when_asked_and_goes_on_where_it_was(service):
    assert service.stop() == 0
    service.start()
    status, answer = service.ask("/v1/events", service.keys["acme", "collector"], BATCH)
    assert (status, json.loads(answer)["duplicate"]) == (202, 300)


@pytest.mark.parametrize(
    "arguments",
    [["--tls-cert", "nowhere.pem"], ["--syslog-tcp", "nonsense"], ["--tls-cert", "a", "--tls-key", "b"]],
)
def test_an_option_that_cannot_be_used_is_one_line_and_exit_status_1(tmp_path, arguments):
    command = [sys.executable, "-c", "from serving.cli.main import main; main()", "serve"]
    done = subprocess.run(
        [*command, "--data-dir", str(tmp_path), "--port", "0", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("habitus: ")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_with_a_certificate_it_speaks_tls(tmp_path):
    import ssl
    import urllib.request

    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
         "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    options = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    service = Service(tmp_path / "data", options)
    try:
        service.start()
        context = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        with urllib.request.urlopen(f"{service.url}/healthz", context=context) as answer:  # noqa: S310
            assert "max-age" in answer.headers["strict-transport-security"]
        assert service.stop() == 0
    finally:
        service.end()
