"""What shippers ask an Elasticsearch node before they send: who it is, how it is, and to install templates.

Elasticsearch's clients look for the product header; Logstash and Vector read the version; Filebeat and
Logstash ask for the licence and want to install index templates and lifecycle policies (acknowledged and
ignored: there is no index); rsyslog asks for `_cat/health`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from serving.http.dialects import ELASTIC_PRODUCT, Answer
from serving.http.ingest import elastic_type

if TYPE_CHECKING:
    from serving.http.request import Request

VERSION = "8.19.0"
"""What is said to be served: the newest series that every shipper accepts. Filebeat 9 needs
`allow_older_versions`."""
_NAME = "habitus"
_INSTALLABLE = frozenset(
    {"_template", "_index_template", "_component_template", "_ilm", "_ingest", "_data_stream", "_alias"}
)


def answer(request: Request, *, ready: bool) -> Answer | None:
    """The answer to a request for anything but a bulk, None if Elasticsearch is not meant."""
    path = request.path.rstrip("/")
    body: dict[str, Any] | str | None = None
    if request.method == "GET":
        body = _read(path, ready=ready)
    elif request.method in ("PUT", "POST") and path.strip("/").split("/")[0] in _INSTALLABLE:
        body = {"acknowledged": True}
    if body is None:
        return None
    if isinstance(body, str):
        return Answer(200, body.encode(), b"text/plain; charset=UTF-8", (ELASTIC_PRODUCT,))
    return Answer(200, msgspec.json.encode(body), elastic_type(request), (ELASTIC_PRODUCT,))


def _read(path: str, *, ready: bool) -> dict[str, Any] | str | None:
    colour = "green" if ready else "red"
    if path == "":
        return {
            "name": _NAME,
            "cluster_name": _NAME,
            "cluster_uuid": "aGFiaXR1cy1jbHVzdGVyMQ",
            "version": {
                "number": VERSION,
                "build_flavor": "default",
                "build_type": "tar",
                "build_hash": "0" * 40,
                "build_date": "2025-07-01T00:00:00.000000000Z",
                "build_snapshot": False,
                "lucene_version": "9.12.2",
                "minimum_wire_compatibility_version": "7.17.0",
                "minimum_index_compatibility_version": "7.0.0",
            },
            "tagline": "You Know, for Search",
        }
    if path == "/_cluster/health":
        return {"cluster_name": _NAME, "status": colour, "timed_out": False, "number_of_nodes": 1}
    if path == "/_license":
        return {"license": {"status": "active", "uid": _NAME, "type": "basic", "mode": "basic"}}
    if path == "/_xpack":
        return {"license": {"status": "active", "type": "basic", "mode": "basic"}, "features": {}}
    if path == "/_nodes/http":
        return {"cluster_name": _NAME, "nodes": {}}
    if path == "/_cat/health":
        return f"{_NAME} {colour} 1 1 0 0 0 0 0 0 - 100.0%\n"
    if path.lstrip("/").split("/")[0] in _INSTALLABLE:
        return {}
    return None
