"""Paths of Splunk's HTTP Event Collector, and its health."""

from __future__ import annotations

from serving.http.dialects import Answer
from serving.protocols import hec

_BASE = "/services/collector"
EVENT = (_BASE, f"{_BASE}/event", f"{_BASE}/event/1.0")
RAW = (f"{_BASE}/raw", f"{_BASE}/raw/1.0")
ACK = (f"{_BASE}/ack",)
HEALTH = (f"{_BASE}/health", f"{_BASE}/health/1.0")


def health(*, ready: bool) -> Answer:
    """GET /services/collector/health."""
    return Answer(*hec.answer(hec.HEALTHY if ready else hec.UNHEALTHY))
