"""What an operator watches: counters of the HTTP side, and the core's own numbers, as Prometheus text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client import Histogram as LabelledHistogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from serving.gauges import Histogram
from serving.numbers import LEARNED, LEDGER, LOST
from serving.status import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client.core import Metric

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
REASONS = ("rate", "tenant_queue", "queue", "previews")
"""Why a submission is told to come back, see `serving.submission.Busy`."""
DROPPED = (
    "unreadable",
    "ahead",
    "syslog",
    "too_large",
    "no_disk",
    *REASONS,
    "entity_limit",
    "entity_evicted",
    "habit_limit",
)
"""Why something was not taken or not kept; docs/operations.md says what is counted."""
_NAME = re.compile(r"[^a-z0-9_]")


class HttpMetrics:
    """Counters of one application; nothing is registered globally.

    No label holds a tenant's name, a path or anything else that a client chooses: /metrics needs no key, and
    the number of series stays bounded.

    Parameters
    ----------
    core
        Gives the core's numbers when they are asked for.
    """

    def __init__(self, core: Callable[[], Mapping[str, Any]]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "habitus_http_requests",
            "Requests by route and status",
            ["route", "status"],
            registry=self.registry,
        )
        self.seconds = LabelledHistogram(
            "habitus_http_request_seconds",
            "Time until a request was answered",
            ["route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.received_bytes = Counter(
            "habitus_http_received_bytes",
            "Bytes of bodies as they came in",
            ["protocol"],
            registry=self.registry,
        )
        self.records = Counter(
            "habitus_ingest_records", "Records acknowledged", ["protocol"], registry=self.registry
        )
        self.refused_keys = Counter(
            "habitus_http_refused_keys", "Requests with a wrong key or without one", registry=self.registry
        )
        self.dropped = Counter(
            "habitus_syslog_dropped",
            "Syslog messages that were lost for lack of room",
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "habitus_http_in_flight_bytes", "Bytes of bodies held in memory", registry=self.registry
        )
        self._answered: dict[tuple[str, int], tuple[Counter, LabelledHistogram]] = {}
        self._taken: dict[str, tuple[Counter, Counter]] = {}
        self._core = core
        self.registry.register(_CoreNumbers(core))
        self.registry.register(_Dropped(self._lost))

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        series = self._answered.get((route, status))
        if series is None:  # to look two series up costs more than to count in them
            series = self.requests.labels(route, str(status)), self.seconds.labels(route)
            self._answered[route, status] = series
        series[0].inc()
        series[1].observe(seconds)

    def received(self, protocol: str, n_bytes: int, records: int) -> None:
        """Count what came in by a protocol; either may be 0."""
        series = self._taken.get(protocol)
        if series is None:
            series = self.received_bytes.labels(protocol), self.records.labels(protocol)
            self._taken[protocol] = series
        if n_bytes:
            series[0].inc(n_bytes)
        if records:
            series[1].inc(records)

    def _lost(self) -> dict[str, float]:
        """What was not taken or not kept, by reason (DROPPED)."""
        numbers = self._core()
        tenants = numbers.get("tenants", {}).values()
        shed = numbers.get("shed", {})

        def total(key: str) -> float:
            return float(sum(tenant.get(key, 0) for tenant in tenants))

        ahead = total("quarantined_ahead")
        return {
            "unreadable": max(0.0, total("quarantined") - ahead),
            "ahead": ahead,
            "syslog": _value(self.dropped),
            "too_large": _value(self.requests, "_total", {"status": "413"}),
            "no_disk": float(numbers.get("refused", 0)),
            "entity_limit": total("entities_refused"),
            "entity_evicted": total("entities_evicted"),
            "habit_limit": total("habits_dropped"),
            **{reason: float(shed.get(reason, 0)) for reason in REASONS},
        }

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(_Shown(self.registry))


def _value(metric: Counter, suffix: str = "_total", labels: Mapping[str, str] | None = None) -> float:
    """Sum of a counter's series that have these labels."""
    wanted = (labels or {}).items()
    return sum(
        sample.value
        for family in metric.collect()
        for sample in family.samples
        if sample.name.endswith(suffix) and wanted <= sample.labels.items()
    )


class _Shown(CollectorRegistry):
    """Another registry without the moments at which its counters were made: twice the lines, and no news."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._all = registry

    def collect(self) -> Iterator[Metric]:
        """Families of the other one."""
        for family in self._all.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


class _Dropped:
    """One counter of everything that did not get in, or not stay."""

    def __init__(self, lost: Callable[[], Mapping[str, float]]) -> None:
        self._lost = lost

    def describe(self) -> list[Metric]:
        """Nothing: the numbers are known when the core runs."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One family with a series for each of DROPPED."""
        family = CounterMetricFamily(
            "habitus_dropped",
            "Records, submissions, entities and habits not taken or kept",
            labels=["reason"],
        )
        lost = self._lost()
        for reason in DROPPED:
            family.add_metric([reason], lost.get(reason, 0.0))
        yield family


class _CoreNumbers:
    """Reads the core's numbers at every scrape."""

    def __init__(self, core: Callable[[], Mapping[str, Any]]) -> None:
        self._core = core

    def describe(self) -> list[Metric]:
        """Nothing: the names are known when the core runs."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One family a number; a text says trouble, and is 1 when it is not empty. Tenants are added up."""
        numbers = dict(self._core())
        tenants = numbers.pop("tenants", {})
        numbers["tenants"] = len(tenants)
        shed = numbers.pop("shed", {})
        by_reason = CounterMetricFamily(
            "habitus_shed", "Submissions that were told to come back", labels=["reason"]
        )
        for reason in REASONS:
            by_reason.add_metric([reason], shed.get(reason, 0))
        yield by_reason
        tails = GaugeMetricFamily(
            "habitus_tail_ratio",
            "Events in the tail, by what calibration promises (1: as promised)",
            labels=["nominal"],
        )
        for nominal, ratio in numbers.pop("tail_ratio", {}).items():
            tails.add_metric([nominal], ratio)
        yield tails
        for key in (*LEDGER, *LEARNED, *LOST):  # added up over all tenants
            numbers[f"ledger_{key}"] = sum(tenant.get(key, 0) for tenant in tenants.values())
        for key, value in sorted(numbers.items()):
            if isinstance(value, Histogram):
                yield HistogramMetricFamily(
                    f"habitus_{key}", key.replace("_", " "), buckets=value.cumulated(), sum_value=value.sum
                )
            elif isinstance(value, bool | int | float | str):
                name = "habitus_" + _NAME.sub("_", key.lower())
                number = float(bool(value)) if isinstance(value, str) else float(value)
                about = key.replace("_", " ")
                if key in COUNTERS or key.endswith("_total"):
                    yield CounterMetricFamily(name.removesuffix("_total"), about, value=number)
                else:
                    yield GaugeMetricFamily(name, about, value=number)
