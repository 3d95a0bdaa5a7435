"""The OpenAPI document, and a page that shows it without a script or anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import html
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec

from serving.http.dialects import Answer
from serving.http.openapi_paths import PATHS, SCHEMAS

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;
color:#1c2330;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.1rem;margin:2rem 0 .2rem}code,pre{font:13px ui-monospace,monospace}
b{display:inline-block;min-width:3.4rem;color:#0b6e4f}table{border-collapse:collapse;
width:100%;margin:.4rem 0}
td{border-top:1px solid #dde3ea;padding:.25rem .6rem;vertical-align:top}
td:first-child{white-space:nowrap;width:12rem}
pre{background:#f4f6f8;padding:.8rem;overflow:auto}
@media(prefers-color-scheme:dark){body{background:#12161c;color:#dfe6ee}pre{background:#1b222b}td{border-color:#2c3642}
b{color:#5fd0a5}}
"""


def _version() -> str:
    try:
        return version("habitus")
    except PackageNotFoundError:
        return "0"


def document() -> dict[str, Any]:
    """The document (OpenAPI 3.1)."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "habitus",
            "version": _version(),
            "description": "Behavioural detection. A key decides the tenant and the role; no request does.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"basic": []}, {"apiKey": []}, {"session": []}],
        "paths": PATHS,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Also `Authorization: ApiKey KEY` and `Authorization: Splunk KEY`.",
                },
                "basic": {"type": "http", "scheme": "basic", "description": "The password is the key."},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-habitus",
                    "description": "The console's; `habitus` without TLS. Changes need X-CSRF-Token too.",
                },
            },
        },
    }


@cache
def document_json() -> bytes:
    """The document as bytes."""
    return msgspec.json.encode(document())


@cache
def page() -> Answer:
    """The document for people; the policy allows this page's own style and nothing else."""
    parts = [
        f"<h1>habitus {html.escape(_version())}</h1>",
        f"<p>{html.escape(document()['info']['description'])}</p>",
    ]
    parts.append('<p>Machine-readable: <a href="/openapi.json">/openapi.json</a></p>')
    for path, operations in PATHS.items():
        parts.extend(_operation(path, method, about) for method, about in operations.items())
    parts.append("<h2>Schemas</h2>")
    shown = msgspec.json.format(msgspec.json.encode(SCHEMAS), indent=2).decode()
    parts.append(f"<pre>{html.escape(shown)}</pre>")
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>habitus API</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; base-uri 'none'"
    headers = ((b"content-security-policy", policy.encode()),)
    return Answer(200, text.encode(), b"text/html; charset=utf-8", headers)


def _operation(path: str, method: str, about: dict[str, Any]) -> str:
    rows = [
        (f"{parameter['name']} ({parameter['in']})", parameter.get("description", ""))
        for parameter in about.get("parameters", [])
    ]
    rows += [(status, answer["description"]) for status, answer in about["responses"].items()]
    table = "".join(f"<tr><td>{html.escape(a)}</td><td>{html.escape(b)}</td></tr>" for a, b in rows)
    told = html.escape(about.get("description", ""))
    return (
        f"<h2><b>{method.upper()}</b> <code>{html.escape(path)}</code></h2>"
        f"<p>{html.escape(about['summary'])}. {told}</p><table>{table}</table>"
    )
