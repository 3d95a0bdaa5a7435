"""What the routes behind the front share: who may, small JSON bodies, parameters, answers."""

from __future__ import annotations

import asyncio
import gzip
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.responses import Response

from features.behaviours import ENTITY_KINDS
from features.errors import InputError
from serving.audit import Deed
from serving.http.dialects import NO_PERMISSION, Refusal
from serving.http.ports import CALLER
from serving.state import parse_moment
from serving.submission import TooLarge
from serving.triage.words import STATES, Asked, checked_verdict

if TYPE_CHECKING:
    from starlette.requests import Request

    from serving.http.ports import Caller

BODY_BYTES = 1 << 16
BODY_SECONDS = 30.0
MOST_IDS = 200
PACKED_BYTES = 1 << 13
"""Answers from this length on are worth packing."""

T = TypeVar("T")


def allowed(request: Request, roles: frozenset[Any]) -> Caller:
    """The caller; Refusal when the role of the key is none of these."""
    caller: Caller = request.scope[CALLER]
    if caller.role not in roles:
        raise Refusal(403, NO_PERMISSION)
    return caller


async def raw_body(request: Request) -> bytes:
    """A small body; Refusal or TooLarge when it is not."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refusal(415, "send this without Content-Encoding")
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > BODY_BYTES:
                    raise TooLarge(f"a body of more than {BODY_BYTES:,} bytes is not needed here")
                parts.append(part)
    except TimeoutError as error:
        raise Refusal(408, f"the body did not arrive within {BODY_SECONDS:g} seconds") from error
    return b"".join(parts)


def formed(content: bytes, form: type[T]) -> T:
    """JSON of a form; InputError when it is none."""
    try:
        return msgspec.json.decode(content, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"the body is not as documented at /docs: {error}") from error


async def body(request: Request, form: type[T]) -> T:
    """A small JSON body of a form."""
    return formed(await raw_body(request), form)


def asked(request: Request, caller: Caller, content: bytes, version: int | None) -> Asked:
    """Who asks for a change, with the idempotency key that came along."""
    if version is not None and not 0 <= version < 1 << 31:
        raise InputError(f"version={version}: the number that the alert was shown with")
    what = b"\0".join([request.method.encode(), request.url.path.encode(), content])
    who = Deed(caller.key_id, "", "", caller.role)
    return Asked(caller.tenant, who, version, request.headers.get("idempotency-key", ""), what)


def json(value: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def packed(request: Request, value: Any) -> Response:
    """A long answer in JSON, packed where the caller takes that; O(its length), so not on the event loop.

    Level 1: more would cost more than it saves on all but the slowest lines.
    """
    content = msgspec.json.encode(value)
    takes = "gzip" in request.headers.get("accept-encoding", "")
    # behind the veil of a pseudonymised session an answer is read and written anew
    veiled = getattr(request.scope[CALLER], "pseudonymous", False)
    if len(content) < PACKED_BYTES or not takes or veiled:
        return Response(content, media_type="application/json")
    headers = {"content-encoding": "gzip", "vary": "accept-encoding"}
    return Response(gzip.compress(content, 1), headers=headers, media_type="application/json")


def moment(text: str, name: str) -> int:
    """Microseconds since 1970 UTC."""
    try:
        return round(parse_moment(text, name).astimezone(UTC).timestamp() * 1e6)
    except OverflowError as error:
        raise InputError(f"{name}={text[:40]!r} is no year of ours") from error


def iso(moment_us: Any) -> str:
    """A moment as ISO 8601, UTC."""
    return datetime.fromtimestamp(int(moment_us) / 1e6, UTC).isoformat()


def whole(text: str, name: str, most: int, least: int = 1) -> int:
    """A number of a parameter; InputError when it is none."""
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most):
        raise InputError(f"{name}={text[:20]!r}: a number from {least} to {most}")
    return int(text)


def number(text: str, name: str) -> float:
    """A finite number; InputError when it is none."""
    try:
        value = float(text)
    except ValueError as error:
        raise InputError(f"{name}={text[:20]!r} is no number") from error
    if not abs(value) < 1e308:
        raise InputError(f"{name}={text[:20]!r} is no number")
    return value


def states(text: str) -> tuple[str, ...]:
    """States with commas between them; none: all."""
    wanted = tuple(filter(None, text.split(",")))
    if unknown := set(wanted) - set(STATES):
        raise InputError(f"state={min(unknown)[:20]!r}: some of {', '.join(STATES)}, with commas")
    return wanted


def ids(text: str) -> tuple[str, ...]:
    """Ids of alerts with commas between them."""
    wanted = tuple(dict.fromkeys(filter(None, text.split(","))))
    if len(wanted) > MOST_IDS:
        raise InputError(f"ids: at most {MOST_IDS} alerts at once")
    return wanted


def verdict(text: str | None) -> int | None:
    """An OCSF verdict_id; 0 for "none", that is without a verdict."""
    if text is None:
        return None
    return 0 if text == "none" else checked_verdict(whole(text, "verdict_id", 99))


def kind(text: str) -> str:
    """A kind of entity."""
    if text not in ENTITY_KINDS:
        raise InputError(f"{text[:20]!r} is no kind of entity: one of {', '.join(ENTITY_KINDS)}")
    return text
