"""Client libraries deliver 10,000 events through a restart and a kill -9: none lost, none scored twice."""

from __future__ import annotations

import json
import logging
import time

import pytest

from tests.service_process import ocsf

pytestmark = pytest.mark.integration

EVENTS = 10_000
BATCH = 500


def delivered(service, send):
    """Send batches until each is acknowledged, and disturb the service in between."""
    service.start()
    for number, batch in enumerate(batches()):
        if number == 6:
            service.kill()
            service.start()
        if number == 13:
            assert service.stop() == 0
            service.start()
        until = time.monotonic() + 60
        while True:
            try:
                send(batch)
                break
            except Exception:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
    assert_each_was_scored_once(service)


def batches():
    for first in range(0, EVENTS, BATCH):
        yield [ocsf(number) for number in range(first, first + BATCH)]


def assert_each_was_scored_once(service, events=EVENTS):
    numbers = service.settled(events)
    assert numbers["habitus_ledger_received"] == sum(
        numbers[f"habitus_ledger_{name}"] for name in ("scored", "late", "duplicate", "quarantined")
    )
    assert service.stop() == 0
    uids = service.scored()
    assert len(uids) == events
    assert len(set(uids)) == events


def test_elasticsearch_py(service):
    elasticsearch = pytest.importorskip("elasticsearch", reason="pip install elasticsearch")
    from elasticsearch import helpers

    client = elasticsearch.Elasticsearch(service.url, api_key=service.key(), request_timeout=30)

    def send(batch):
        done, errors = helpers.bulk(
            client, [{"_index": "logs-ocsf", "_id": e["metadata"]["uid"], "_source": e} for e in batch]
        )
        assert (done, errors) == (BATCH, [])

    delivered(service, send)
    client.close()


@pytest.mark.slow
def test_opensearch_py(service):
    opensearchpy = pytest.importorskip("opensearchpy", reason="pip install opensearch-py")
    from opensearchpy import helpers

    client = opensearchpy.OpenSearch(
        [service.url], http_auth=("collector", service.key()), http_compress=True, timeout=30
    )

    def send(batch):
        done, errors = helpers.bulk(client, [{"_op_type": "create", "_index": "logs", **e} for e in batch])
        assert (done, errors) == (BATCH, [])

    delivered(service, send)
    client.close()


def test_opentelemetry_sdk(service):
    exporter_module = pytest.importorskip(
        "opentelemetry.exporter.otlp.proto.http._log_exporter",
        reason="pip install opentelemetry-exporter-otlp-proto-http",
    )
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

    exporter = exporter_module.OTLPLogExporter(
        f"{service.url}/v1/logs",
        headers={"Authorization": f"Bearer {service.key()}"},
        compression=exporter_module.Compression.Gzip,
    )
    kept = InMemoryLogRecordExporter()
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(kept))
    logger = provider.get_logger("test")

    def send(batch):
        kept.clear()
        for event in batch:
            logger.emit(timestamp=event["time"] * 1_000_000, body=event)
        assert exporter.export(kept.get_finished_logs()).name == "SUCCESS"

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    delivered(service, send)
    provider.shutdown()


@pytest.mark.slow
def test_plain_requests_to_the_native_route(service):
    key = service.key()

    def send(batch):
        body = b"\n".join(json.dumps(event).encode() for event in batch)
        status, answer = service.ask("/v1/events", key, body)
        assert status == 202, answer

    delivered(service, send)
