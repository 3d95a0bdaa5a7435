"""How each protocol says no: the shape of an error, and the status that makes its clients come back."""

from __future__ import annotations

import math
from enum import Enum
from typing import NamedTuple

import msgspec

from features.errors import HabitusError, InputError
from serving.http.compression import UnknownEncoding
from serving.protocols import hec, otlp
from serving.submission import Busy, Refused, TooLarge
from serving.triage.words import Conflict, Missing

JSON = b"application/json"
PROTOBUF = b"application/x-protobuf"
_WAIT_SECONDS = 5
"""Retry-After when nothing can be written: soon enough to go on when the disk has room again."""


class Dialect(Enum):
    """A family of routes that share the form of their errors."""

    NATIVE = "native"
    ELASTIC = "elastic"
    OTLP_JSON = "otlp_json"
    OTLP_PROTOBUF = "otlp_protobuf"
    HEC = "hec"


class Answer(NamedTuple):
    """A complete response; header names are lower case."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Refusal(HabitusError):
    """A request that is answered with an error status."""

    def __init__(self, status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class ClientGone(HabitusError):
    """The client closed the connection before its request was complete; there is nobody to answer."""


_CHALLENGES = (
    (b"www-authenticate", b'Bearer realm="habitus"'),
    (b"www-authenticate", b'Basic realm="habitus", charset="UTF-8"'),
)
_ELASTIC_TYPES = {
    400: "illegal_argument_exception",
    401: "security_exception",
    403: "security_exception",
    404: "resource_not_found_exception",
    413: "content_too_long_exception",
    429: "es_rejected_execution_exception",
    503: "unavailable_shards_exception",
}
_RPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 409: 10, 413: 3, 415: 3, 429: 8, 500: 13, 503: 14}
"""google.rpc.Code: INVALID_ARGUMENT, UNAUTHENTICATED, PERMISSION_DENIED, and so on."""
_HEC_CODES = {400: 6, 401: 2, 403: 4, 404: 404, 405: 405, 413: 27, 429: 9, 500: 8, 503: 9}


def refusal_of(error: HabitusError, dialect: Dialect) -> Refusal:
    """Status and headers for an error that was raised on purpose."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Busy):
        status = 503 if dialect in (Dialect.ELASTIC, Dialect.HEC) else 429
        return Refusal(status, str(error), _retry_after(error.retry_after_s))
    if isinstance(error, Refused):
        return Refusal(503, str(error), _retry_after(_WAIT_SECONDS))
    if isinstance(error, TooLarge):
        return Refusal(413, str(error))
    if isinstance(error, UnknownEncoding):
        return Refusal(415, str(error))
    if isinstance(error, Missing):
        return Refusal(404, str(error))
    if isinstance(error, Conflict):
        return Refusal(409, str(error))
    if isinstance(error, InputError):
        return Refusal(400, str(error))
    return Refusal(500, "an error inside of the service; its log says more")


def _retry_after(seconds: float) -> tuple[tuple[bytes, bytes], ...]:
    return ((b"retry-after", b"%d" % max(1, math.ceil(seconds))),)


def unauthenticated(dialect: Dialect, *, given: bool, by_page: bool = False) -> Refusal:
    """No key, or one that is nobody's. by_page: a page asks, whose browser would show a box."""
    message = (
        "this key is not known or was revoked" if given else "a key is needed: Authorization: Bearer KEY"
    )
    if dialect is Dialect.HEC and given:
        return Refusal(403, message)
    return Refusal(401, message, _CHALLENGES[:1] if by_page else _CHALLENGES)


def spoken(refusal: Refusal, dialect: Dialect) -> Answer:
    """The refusal as the protocol writes it."""
    status, message = refusal.status, str(refusal)
    if dialect is Dialect.ELASTIC:
        cause = {"type": _ELASTIC_TYPES.get(status, "exception"), "reason": message}
        body = msgspec.json.encode({"error": {"root_cause": [cause], **cause}, "status": status})
        return Answer(status, body, JSON, (*refusal.headers, ELASTIC_PRODUCT))
    if dialect is Dialect.HEC:
        texts = {503: hec.BUSY[2], 401: hec.NO_TOKEN[2], 403: hec.BAD_TOKEN[2]}
        code = _HEC_CODES.get(status, 8)
        if message == NO_PERMISSION:
            texts, code = {}, 3
        _, body = hec.answer((status, code, texts.get(status, message)))
        return Answer(status, body, JSON, refusal.headers)
    if dialect in (Dialect.OTLP_JSON, Dialect.OTLP_PROTOBUF):
        is_json = dialect is Dialect.OTLP_JSON
        body = otlp.failure(_RPC_CODES.get(status, 2), message, is_json=is_json)
        return Answer(status, body, JSON if is_json else PROTOBUF, refusal.headers)
    return Answer(status, msgspec.json.encode({"error": message, "status": status}), JSON, refusal.headers)


NO_PERMISSION = "the role of this key does not allow this"
ELASTIC_PRODUCT = (b"x-elastic-product", b"Elasticsearch")
"""Without it the official clients refuse to go on, also on errors."""
