"""One HTTP request: its head, its credentials and its bounded body."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from serving.http.compression import decompressed
from serving.http.dialects import ClientGone, Refusal
from serving.http.direct import whole_body
from serving.submission import Busy, TooLarge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from serving.http.ports import Caller
    from serving.protocols.limits import Limits

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

_THREAD_BYTES = 1 << 18
"""Compressed bodies over this are taken apart in a thread, so that other requests are not kept waiting."""
_SCHEMES = ("bearer ", "apikey ", "splunk ", "basic ")


class Room:
    """Bytes of bodies that may be in memory at once.

    Parameters
    ----------
    total
        Bytes.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.taken = 0

    def holding(self) -> Holding:
        """Gives a function that takes more bytes (Busy when there are none) until the block ends."""
        return Holding(self)


class Holding:
    """What one request holds of a room. A class, since a generator would cost a request of one event twice
    as much.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._mine = 0

    def __enter__(self) -> Callable[[int], None]:
        return self._take

    def __exit__(self, *_: object) -> None:
        self._room.taken -= self._mine

    def _take(self, more: int) -> None:
        room = self._room
        if room.taken + more > room.total:
            raise Busy("too many requests are being read: come back in a second", 1.0)
        self._mine += more
        room.taken += more


class Request:
    """The head of a request; the body is read when asked for.

    `caller` is set once the credentials are known; everything that is read or written belongs to its tenant.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self._receive = receive
        self.caller: Caller | None = None
        self.body_bytes = 0

    @property
    def tenant(self) -> str:
        """The caller's tenant."""
        if self.caller is None:
            raise AssertionError("asked for a tenant before the caller was known")
        return self.caller.tenant

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; the last of several by one name."""
        text = self.scope.get("query_string", b"")
        if not text:
            return {}
        try:
            return dict(parse_qsl(text.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=64))
        except ValueError as error:
            raise Refusal(400, "more than 64 query parameters") from error

    @property
    def media_type(self) -> str:
        """The content type without its parameters, lower case; "" if none was sent."""
        return self.headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()

    def secret(self) -> str:
        """The key that came with the request; "" if none.

        `Authorization: Bearer KEY`, `ApiKey KEY` (also as Elasticsearch clients send it: base64 of ID:KEY),
        `Splunk KEY`, `Basic` (the password is the key), or `X-API-Key: KEY`.
        """
        given = self.headers.get(b"authorization", b"").decode("latin-1").strip()
        scheme = given[:7].lower()
        if not given:
            return self.headers.get(b"x-api-key", b"").decode("latin-1").strip()
        if scheme.startswith("basic "):
            return _decoded(given[6:]).partition(":")[2]
        if scheme == "apikey ":
            found = given[7:].strip()
            return _decoded(found).partition(":")[2] or found
        if scheme in _SCHEMES:
            return given[7:].strip()
        return ""

    def cookie(self, name: str) -> str:
        """A cookie; "" if none of this name came along."""
        for part in self.headers.get(b"cookie", b"").decode("latin-1").split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                return value
        return ""

    async def body(self, limits: Limits, seconds: float, take: Callable[[int], None]) -> bytes:
        """The decompressed body.

        Parameters
        ----------
        limits
            Bounds; TooLarge names the one that was exceeded.
        seconds
            Until all of it has to be here.
        take
            Called with the bytes that will be held, before they are.
        """
        declared = self.headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > limits.request_bytes:
            raise _too_large(limits.request_bytes)
        whole = whole_body(self._receive)
        if whole is not None:
            take(len(whole))
            if len(whole) > limits.request_bytes:
                raise _too_large(limits.request_bytes)
            body = whole
        else:
            try:
                async with asyncio.timeout(seconds):
                    body = await self._raw(limits.request_bytes, take)
            except TimeoutError as error:
                raise Refusal(408, f"the body did not arrive within {seconds:g} seconds") from error
        self.body_bytes = len(body)
        encoding = self.headers.get(b"content-encoding", b"").decode("latin-1")
        if not encoding or encoding == "identity":
            if len(body) > limits.decompressed_bytes:
                raise _too_large(limits.decompressed_bytes)
            return body
        if len(body) > _THREAD_BYTES:
            plain = await asyncio.to_thread(decompressed, body, encoding, limits.decompressed_bytes)
        else:
            plain = decompressed(body, encoding, limits.decompressed_bytes)
        take(len(plain))
        return plain

    async def _raw(self, limit: int, take: Callable[[int], None]) -> bytes:
        message = await self._receive()
        first: bytes = _part_of(message)
        take(len(first))
        if not message.get("more_body"):
            if len(first) > limit:
                raise _too_large(limit)
            return first
        parts = [first]
        total = len(first)
        while message.get("more_body"):
            message = await self._receive()
            part = _part_of(message)
            total += len(part)
            if total > limit:
                raise _too_large(limit)
            take(len(part))
            parts.append(part)
        return b"".join(parts)


def _part_of(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientGone("the client went away before its request was complete")
    part: bytes = message.get("body", b"")
    return part


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"request_bytes: a body of more than {limit:,} bytes; send smaller batches")


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text.strip(), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
