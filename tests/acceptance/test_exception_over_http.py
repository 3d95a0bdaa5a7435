"""An exception made over HTTP holds for the very next event that the running service scores."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.service_process import Service, ocsf

ODD = "vault-1"


def odd(number: int) -> dict[str, object]:
    return {**ocsf(number), "user": {"name": "user3"}, "device": {"hostname": ODD}}


def evidence(service: Service, key: str, number: int) -> float:
    status, body = service.ask(
        "/v1/score", key, json.dumps([odd(number)]).encode(), {"Content-Type": "application/json"}
    )
    assert status == 200, body
    return float(json.loads(body)[0]["evidence"])


@pytest.mark.slow
def test_the_next_event_after_an_exception_is_scored_with_it(tmp_path, record_testsuite_property):
    """The times from asking for an exception to an answer scored with it are in the report, not judged."""
    service = Service(tmp_path / "data")
    service.data_dir.mkdir()
    collector, analyst = service.key(), service.key("analyst")
    try:
        service.start()
        lines = b"".join(json.dumps(ocsf(number)).encode() + b"\n" for number in range(4000))
        assert service.ask("/v1/events", collector, lines)[0] == 202
        service.settled(4000)
        wish = {
            "entity_kind": "user",
            "entity": "user3",
            "until": (datetime.now(UTC) + timedelta(days=9)).isoformat(),
            "reason": "a new vault",
        }
        headers = {"Content-Type": "application/json"}
        seconds, number = [], 5000
        for _ in range(20):
            number += 10
            before = evidence(service, collector, number)
            started = time.monotonic()
            status, body = service.ask("/v1/exceptions", analyst, json.dumps(wish).encode(), headers)
            assert status == 201, body
            after = evidence(service, collector, number + 1)
            seconds.append(time.monotonic() - started)
            assert after < before
            uid = json.loads(body)["uid"]
            request_path = f"/v1/exceptions/{uid}"
            assert _deleted(service, analyst, request_path) == 200
        record_testsuite_property("seconds_to_effect", sorted(seconds))
    finally:
        service.end()


def _deleted(service: Service, key: str, path: str) -> int:
    import urllib.request

    request = urllib.request.Request(service.url + path, method="DELETE")  # noqa: S310 - our own service
    request.add_header("Authorization", f"Bearer {key}")
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
        return int(answer.status)
