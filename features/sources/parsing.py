"""Small, strict helpers that every decoder shares: JSON objects, text, integers and time stamps from hostile
records.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from features.errors import RecordError
from features.events import EARLIEST_US, LATEST_US, MOST_BYTES

TEXT_LIMIT = 8192
"""Characters kept of one field. A longer value is cut: everything that matters for a baseline is at its
beginning.
"""

_decode_json = msgspec.json.Decoder().decode


def json_object(record: bytes) -> dict[str, Any]:
    """Read one JSON object; RecordError if it is broken, too deep, or no object. The last of duplicate keys
    wins.
    """
    try:
        value = _decode_json(record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"not valid JSON: {str(error)[:120]}") from error
    except RecursionError as error:
        raise RecordError("JSON nested too deeply") from error
    if not isinstance(value, dict):
        raise RecordError(f"expected a JSON object, found {type(value).__name__}")
    return value


def text(value: object) -> str:
    """Text of a scalar: "" for None, containers and NaN; numbers as written; cut at TEXT_LIMIT; lone
    surrogates replaced.
    """
    if isinstance(value, str):
        value = value if len(value) <= TEXT_LIMIT else value[:TEXT_LIMIT]
        if value.isascii() or _encodable(value):
            return value
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**20 else ""
    if isinstance(value, float):
        return "" if value != value or value in (float("inf"), float("-inf")) else f"{value:g}"
    return ""


def _encodable(value: str) -> bool:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def integer(value: object) -> int:
    """Integer of a number or of decimal or 0x text; 0 for anything else or outside of 63 bits."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, float):
        return int(value) if abs(value) < 2**53 else 0
    if isinstance(value, str):
        if len(value) > 24:
            return 0
        try:
            value = int(value, 16) if value[:2] in ("0x", "0X") else int(value)
        except ValueError:
            return 0
    return value if isinstance(value, int) and -(2**63) < value < 2**63 else 0


def volume(value: object) -> int:
    """Bytes that a record tells of; 0 for what is no number, negative, or more than MOST_BYTES."""
    number = integer(value)
    return number if 0 < number <= MOST_BYTES else 0


def mapping(value: object) -> dict[str, Any]:
    """The value itself if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def checked_us(time_us: int) -> int:
    """The time itself; RecordError when it is outside of what any clock of today can mean."""
    if EARLIEST_US <= time_us < LATEST_US:
        return time_us
    raise RecordError(f"time out of range: {time_us // 1_000_000} seconds since 1970 UTC")


def epoch_us(value: object, unit_us: int) -> int:
    """Microseconds UTC from a number (or its text) counted in units of `unit_us` microseconds since 1970."""
    if isinstance(value, str):
        try:
            value = float(value) if "." in value or "e" in value.lower() else int(value)
        except ValueError as error:
            raise RecordError("time is not a number") from error
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise RecordError("time is missing" if value is None else "time is not a number")
    if not -1e18 < value < 1e18:
        raise RecordError("time out of range")
    return checked_us(value * unit_us if isinstance(value, int) else round(value * unit_us))


def iso_us(value: object) -> int:
    """Microseconds UTC from ISO 8601 text; a stamp without a zone is UTC; digits past microseconds are
    dropped.
    """
    if not isinstance(value, str) or not value:
        raise RecordError("time is missing")
    stamp = value.strip()[:64]
    dot = stamp.find(".")
    if dot > 0:
        end = dot + 1
        while end < len(stamp) and stamp[end].isdigit():
            end += 1
        stamp = stamp[:dot] + "." + stamp[dot + 1 : end][:6].ljust(6, "0") + stamp[end:]
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError as error:
        raise RecordError("time is not ISO 8601") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        delta = moment - _EPOCH
    except OverflowError as error:
        raise RecordError("time out of range") from error
    return checked_us((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
