from __future__ import annotations

import base64
import gzip
import json
import zlib

import pytest
import zstandard

from serving.http.settings import Settings
from serving.protocols.limits import Limits
from serving.submission import Busy, Protocol, Refused
from tests.serving.asgi import KEY, KEYS, App

EVENT = b'{"class_uid":3002,"time":1767225600000,"user":{"name":"ann"}}'
ACTION = b'{"create":{"_index":"logs"}}'


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer {KEY}"},
        {"Authorization": f"ApiKey {KEY}"},
        {"Authorization": "ApiKey " + base64.b64encode(f"id:{KEY}".encode()).decode()},
        {"Authorization": f"Splunk {KEY}"},
        {"Authorization": basic("anybody", KEY)},
        {"X-API-Key": KEY},
    ],
)
def test_a_key_is_found_wherever_collectors_put_it(headers):
    app = App()
    assert app.post("/v1/events", EVENT, key=None, headers=headers).status_code == 202
    assert app.core.taken[0].tenant == "acme"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Digest {KEY}"}, 401),
        ({"Authorization": "Basic !!!"}, 401),
        ({"Authorization": basic(KEY, "")}, 401),
        ({"Authorization": "Bearer analyst-key-of-acme"}, 403),
    ],
)
def test_without_a_fitting_key_nothing_is_taken(headers, status):
    app = App()
    for path in ("/v1/events", "/_bulk", "/v1/logs", "/services/collector", "/v1/score"):
        response = app.post(path, EVENT, key=None, headers=headers)
        if path == "/v1/score" and status == 403:
            assert response.status_code == 403
        elif path == "/services/collector" and headers.get("Authorization", "").endswith("wrong"):
            assert response.status_code == 403  # Splunk's own code for a wrong token
        else:
            assert response.status_code == status
    assert app.core.taken == []


def test_every_route_files_events_under_the_tenant_of_the_key_whatever_the_request_says():
    bodies = {
        "/v1/events?tenant=acme": EVENT,
        "/_bulk?tenant=acme": ACTION + b"\n" + EVENT + b"\n",
        "/acme/_bulk": ACTION + b"\n" + EVENT + b"\n",
        "/services/collector?tenant=acme": b'{"event":' + EVENT + b"}",
        "/services/collector/raw?channel=acme": EVENT,
        "/v1/score?tenant=acme": EVENT,
    }
    for key in (KEY, "collector-key-of-globex"):
        for path, body in bodies.items():
            app = App()
            app.post(path, body, key=key, headers={"X-Tenant": "acme"})
            assert {submission.tenant for submission in app.core.taken} == {KEYS[key].tenant}, path


def test_the_application_behind_is_told_the_tenant_and_cannot_say_what_it_is_made_of():
    response = App().ask("GET", "/v1/alerts", key="analyst-key-of-acme")
    assert response.text == "acme"
    assert "server" not in response.headers
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        ("collector", "/v1/alerts", 403),
        ("analyst", "/v1/alerts", 200),
        ("scientist", "/v1/alerts", 200),
        ("admin", "/v1/alerts", 200),
        ("scientist", "/schema.json", 200),
        ("analyst", "/docs.json", 404),
        ("admin", "/static_content/index.html", 404),
    ],
)
def test_reading_is_not_for_keys_that_lie_on_every_collector(role, path, status):
    key = next(key for key, caller in KEYS.items() if caller.role == role)
    assert App().ask("GET", path, key=key).status_code == status


def test_an_analyst_may_try_a_score_but_not_teach():
    app = App()
    assert app.post("/v1/score", EVENT, key="analyst-key-of-acme").status_code == 403
    response = app.post("/v1/score?learn=false", EVENT, key="analyst-key-of-acme")
    assert response.status_code == 200
    assert app.core.taken == []
    assert app.post("/v1/score?learn=perhaps", EVENT).status_code == 400


def test_scores_come_back_one_a_record_in_order_even_when_text_and_json_are_mixed():
    body = EVENT + b"\nMar  1 10:00:00 web sshd[1]: hello\n" + EVENT + b"\n"
    app = App()
    answered = app.post("/v1/score", body).json()
    # the double numbers the records of each submission: two of JSON, one of text
    assert [score["event_uid"] for score in answered] == ["0", "0", "1"]
    lines = app.post("/v1/score", body, headers={"Accept": "application/x-ndjson"})
    assert len(lines.text.splitlines()) == 3


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "deflate", "identity"])
def test_compressed_bodies_are_understood_on_every_route(encoding):
    smaller = {
        "gzip": gzip.compress,
        "zstd": zstandard.compress,
        "deflate": zlib.compress,
        "identity": bytes,
    }[encoding]
    app = App()
    for path, body in (
        ("/v1/events", EVENT),
        ("/_bulk", ACTION + b"\n" + EVENT),
        ("/services/collector", b'{"event":' + EVENT + b"}"),
    ):
        response = app.post(path, smaller(body), headers={"Content-Encoding": encoding})
        assert response.status_code < 300, response.text
    assert app.core.records == [EVENT] * 3


@pytest.mark.parametrize("smaller", [gzip.compress, zstandard.compress, zlib.compress])
@pytest.mark.parametrize("path", ["/v1/events", "/_bulk", "/v1/logs", "/services/collector/raw", "/v1/score"])
def test_a_bomb_is_refused_with_the_limit_s_name_and_nothing_is_kept(smaller, path):
    name = {gzip.compress: "gzip", zstandard.compress: "zstd", zlib.compress: "deflate"}[smaller]
    app = App(settings=Settings(limits=Limits(decompressed_bytes=1 << 20)))
    headers = {"Content-Encoding": name, "Content-Type": "application/x-protobuf"}
    response = app.post(path, smaller(bytes(50 << 20)), headers=headers)
    assert response.status_code == 413
    assert b"decompressed_bytes" in response.content
    assert app.core.taken == []


def test_a_body_over_the_limit_is_refused_before_it_is_read():
    app = App(settings=Settings(limits=Limits(request_bytes=1000)))
    response = app.post("/v1/events", b"x" * 1001)
    assert response.status_code == 413
    assert "request_bytes" in response.json()["error"]
    assert response.headers["connection"] == "close"


def test_a_body_of_unknown_length_is_counted_as_it_comes():
    async def parts():
        for _ in range(3):
            yield b"x" * 400

    app = App(settings=Settings(limits=Limits(request_bytes=1000)))
    assert app.ask("POST", "/v1/events", content=parts()).status_code == 413


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("br", b"x", 415),
        ("gzip, gzip", b"x", 415),
        ("gzip", b"no gzip", 400),
        ("zstd", gzip.compress(b"a", mtime=0), 400),
    ],
)
def test_an_encoding_that_is_not_what_it_says_is_named(encoding, body, status):
    assert App().post("/v1/events", body, headers={"Content-Encoding": encoding}).status_code == status


@pytest.mark.parametrize(
    ("record", "limit"),
    [
        (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", "depth"),
        (b"{" + b",".join(b'"k%d":0' % n for n in range(5000)) + b"}", "keys"),
        (b'{"a":"' + b"x" * (1 << 20) + b'x"}', "string_bytes"),
        (b'{"a":"' + b"x" * (5 << 20) + b'"}', "record_bytes"),
    ],
)
def test_a_record_over_a_limit_is_refused_by_name_or_put_aside_where_a_refusal_would_lose_the_others(
    record, limit
):
    app = App()
    for path in ("/v1/events", "/v1/score"):
        response = app.post(path, EVENT + b"\n" + record)
        assert response.status_code == 413
        assert limit in response.json()["error"]
        assert "record 2" in response.json()["error"]
    assert app.core.taken == []
    bodies = {
        "/_bulk": b"\n".join([ACTION, EVENT, ACTION, record, b""]),
        "/services/collector": b'{"event":' + EVENT + b"}\n" + b'{"event":' + record + b"}",
        "/services/collector/raw": EVENT + b"\n" + record,
    }
    for path, body in bodies.items():
        app = App()
        assert app.post(path, body).status_code == 200
        assert [taken.source for taken in app.core.taken] == ["auto", "syslog"]
        assert app.core.taken[0].body == EVENT
        assert app.core.taken[1].body.startswith(b"put aside (over the limit " + limit.encode())


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/v1/events", 429, "busy"),
        ("/v1/score", 429, "busy"),
        ("/_bulk", 503, "busy"),
        ("/v1/logs", 429, ""),
        ("/services/collector", 503, '"code":9'),
    ],
)
def test_busy_is_said_so_that_each_client_comes_back(path, status, told):
    app = App(settings=Settings(bulk_patience_seconds=0.0))
    app.core.failing = [Busy("busy", 7.0)]
    body = {
        "/_bulk": ACTION + b"\n" + EVENT,
        "/services/collector": b'{"event":' + EVENT + b"}",
        "/v1/logs": json.dumps(
            {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}]}]}]}
        ).encode(),
    }.get(path, EVENT)
    headers = {"Content-Type": "application/json"} if path == "/v1/logs" else {}
    response = app.post(path, body, headers=headers)
    assert response.status_code == status
    assert response.headers["retry-after"] == "7"
    assert told in response.text


def test_a_bulk_request_waits_for_room_before_it_gives_up():
    app = App(settings=Settings(bulk_patience_seconds=5.0))
    app.core.failing = [Busy("busy", 0.01), Busy("busy", 0.01)]
    response = app.post("/_bulk", ACTION + b"\n" + EVENT)
    assert response.status_code == 200
    assert app.core.records == [EVENT]


def test_what_cannot_be_written_is_answered_503_by_every_protocol():
    for path, body in (
        ("/v1/events", EVENT),
        ("/_bulk", ACTION + b"\n" + EVENT),
        ("/services/collector/raw", EVENT),
    ):
        app = App()
        app.core.failing = [Refused("the disk is full")]
        response = app.post(path, body)
        assert response.status_code == 503
        assert "retry-after" in response.headers


def test_too_many_bytes_at_once_are_answered_busy():
    app = App(settings=Settings(in_flight_bytes=10))
    assert app.post("/v1/events", EVENT).status_code == 429
    assert app.front._room.taken == 0


def test_an_error_inside_is_logged_and_told_to_nobody(caplog):
    app = App()
    app.core.failing = [RuntimeError("password=hunter2")]
    response = app.post("/v1/events", EVENT)
    assert response.status_code == 500
    assert "hunter2" not in response.text
    assert "a request failed" in caplog.text


@pytest.mark.parametrize("path", ["/", "/_license", "/_cluster/health", "/_cat/health", "/_xpack"])
def test_what_shippers_ask_an_elasticsearch_is_answered_as_by_one(path):
    response = App().ask("GET", path)
    assert response.status_code == 200
    assert response.headers["x-elastic-product"] == "Elasticsearch"
    assert App().ask("GET", path, key=None).status_code == 401


def test_templates_and_policies_are_acknowledged_and_heads_say_yes():
    app = App()
    for path in ("/_index_template/logs", "/_ilm/policy/filebeat", "/_template/x"):
        assert app.ask("PUT", path, json={}).json() == {"acknowledged": True}
    assert app.ask("HEAD", "/filebeat-8").status_code == 200
    assert app.ask("HEAD", "/").content == b""


def test_a_client_that_speaks_a_version_of_elasticsearch_is_answered_in_it():
    accept = "application/vnd.elasticsearch+json; compatible-with=9"
    response = App().ask("GET", "/", headers={"Accept": accept})
    assert response.headers["content-type"] == "application/vnd.elasticsearch+json;compatible-with=9"


def test_health_metrics_and_documents_need_no_key_and_name_no_tenant():
    app = App()
    app.post("/v1/events", EVENT)
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/services/collector/health"):
        response = app.ask("GET", path, key=None)
        assert response.status_code == 200, path
        assert "acme" not in response.text
    text = app.ask("GET", "/metrics", key=None).text
    assert 'habitus_http_requests_total{route="events",status="202"} 1.0' in text
    assert "habitus_submissions_total 1.0" in text
    assert 'habitus_shed_total{reason="rate"} 0.0' in text
    app.core.ready = False
    assert app.ask("GET", "/readyz", key=None).status_code == 503
    assert app.ask("GET", "/healthz", key=None).status_code == 200


def test_the_page_of_the_api_loads_nothing_from_elsewhere():
    response = App().ask("GET", "/docs", key=None)
    assert "<script" not in response.text
    assert "http://" not in response.text.replace("http://www.w3.org", "")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert App().ask("GET", "/", key=None, headers={"Accept": "text/html"}).headers["location"] == "/docs"


def test_what_does_not_exist_says_so():
    app = App()
    assert app.ask("GET", "/nowhere").status_code == 404
    assert app.ask("DELETE", "/v1/events").status_code == 405
    assert app.post("/nowhere").status_code == 404


def test_hec_acknowledges_by_number_when_a_channel_is_named():
    app = App()
    first = app.post("/services/collector?channel=c", b'{"event":"a"}').json()
    second = app.post(
        "/services/collector", b'{"event":"a"}', headers={"X-Splunk-Request-Channel": "c"}
    ).json()
    assert second["ackId"] == first["ackId"] + 1
    asked = json.dumps({"acks": [first["ackId"]]}).encode()
    assert app.post("/services/collector/ack", asked).json() == {"acks": {str(first["ackId"]): True}}
    assert app.post("/services/collector", b"").json() == {"text": "No data", "code": 5}


def test_otlp_errors_are_a_status_in_the_request_s_own_form():
    app = App()
    bad = app.post("/v1/logs", b"\xff\xff", headers={"Content-Type": "application/x-protobuf"})
    assert bad.status_code == 400
    assert bad.headers["content-type"] == "application/x-protobuf"
    assert bad.content.startswith(b"\x08\x03\x12")
    assert app.post("/v1/logs", b"{", headers={"Content-Type": "application/json"}).json()["code"] == 3
    assert app.post("/v1/logs", b"", headers={"Content-Type": "text/plain"}).status_code == 415


def test_records_of_different_sources_become_submissions_of_their_own():
    body = b"\n".join(
        [b'{"create":{"_index":"logs-zeek"}}', b'{"_path":"conn"}', ACTION, EVENT, ACTION, EVENT, b""]
    )
    app = App()
    app.post("/_bulk", body)
    assert [(taken.source, taken.body.count(b"\n") + 1) for taken in app.core.taken] == [
        ("zeek", 1),
        ("auto", 2),
    ]
    assert {taken.protocol for taken in app.core.taken} == {Protocol.BULK}
