"""Structured logs: one JSON object a line, without control characters and without keys."""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELDS = "fields"
"""Name of the extra that carries structured members: logger.info("...", extra={FIELDS: {...}})."""
TEXT_LIMIT, TRACEBACK_LIMIT = 2048, 8192
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
_SECRET = re.compile(
    r"(?i)\b(hab_|bearer|apikey|splunk|basic|x-api-key:?|authorization:?)[\s=:]*[\w+/=.~-]{8,}"
)


def clean(text: object, limit: int = TEXT_LIMIT) -> str:
    """A text that cannot forge a line, turn a terminal's colours or direction, or tell a key."""
    shown = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(text)[: 4 * limit])
    shown = _SECRET.sub(r"\1 [key]", shown)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _told(traceback: str) -> str:
    """A traceback on one line; of a long one the end, where the error stands."""
    told = " | ".join(line for line in traceback.split("\n") if line.strip(" ^~"))
    return told if len(told) < TRACEBACK_LIMIT else f"… {told[2 - TRACEBACK_LIMIT :]}"


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON; times are UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(record.getMessage()),
        }
        extra: Mapping[str, object] = getattr(record, FIELDS, {})
        for name, value in extra.items():
            is_number = isinstance(value, bool | int | float) or value is None
            line[name] = value if is_number else clean(value, 512)
        if record.exc_info:
            line["traceback"] = clean(_told(self.formatException(record.exc_info)), TRACEBACK_LIMIT)
        return msgspec.json.encode(line).decode()


def configure(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Send every logger's lines to `stream` (standard error by default) as JSON."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "bentoml", "bentoml.access", "bentoml.serve"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    for name in ("alembic", "uvicorn.error", "bentoml"):
        logging.getLogger(name).setLevel(logging.WARNING)
