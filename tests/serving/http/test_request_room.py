"""Bytes that requests hold in memory, and what is counted of each request."""

from __future__ import annotations

import contextlib

import pytest

from serving.http.metrics import HttpMetrics
from serving.http.request import Room
from serving.submission import Busy


def test_a_request_gives_back_what_it_held_however_it_ends():
    room = Room(100)
    with room.holding() as take:
        take(30)
        take(40)
        assert room.taken == 70
        with room.holding() as other:
            other(30)
            with pytest.raises(Busy):
                other(1)
            assert room.taken == 100
        assert room.taken == 70
    assert room.taken == 0


def test_a_request_that_fails_gives_back_what_it_held():
    room = Room(100)
    with contextlib.suppress(Busy), room.holding() as take:
        take(100)
        take(1)
        raise AssertionError("there was room for more than all of it")
    assert room.taken == 0


def lines_of(metrics: HttpMetrics) -> list[str]:
    return [line for line in metrics.text().decode().splitlines() if not line.startswith("#")]


def test_requests_are_counted_by_route_and_status_and_what_came_in_by_protocol():
    metrics = HttpMetrics(dict)
    for status in (200, 200, 429):
        metrics.answered("score", status, 0.004)
    metrics.answered("events", 200, 0.3)
    metrics.received("score", 500, 0)
    metrics.received("score", 80, 3)
    found = lines_of(metrics)
    assert 'habitus_http_requests_total{route="score",status="200"} 2.0' in found
    assert 'habitus_http_requests_total{route="score",status="429"} 1.0' in found
    assert 'habitus_http_request_seconds_bucket{le="0.005",route="score"} 3.0' in found
    assert 'habitus_http_request_seconds_count{route="events"} 1.0' in found
    assert 'habitus_http_received_bytes_total{protocol="score"} 580.0' in found
    assert 'habitus_ingest_records_total{protocol="score"} 3.0' in found
