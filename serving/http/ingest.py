"""The routes that events come in by: body to submissions, receipt to the protocol's answer."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from features.errors import HabitusError, InputError
from serving.http.dialects import ELASTIC_PRODUCT, JSON, NO_PERMISSION, PROTOBUF, Answer, Refusal
from serving.http.roles import MAY_INGEST
from serving.protocols import bulk, carriers, framing, hec, native, otlp
from serving.submission import Busy, Protocol, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from serving.http.metrics import HttpMetrics
    from serving.http.ports import Ingest
    from serving.http.request import Request
    from serving.http.settings import Settings
    from serving.protocols.framing import Framed, Part

T = TypeVar("T")
_THREAD_BYTES = 1 << 20
"""Bodies over this are taken apart in a thread: half a second of work for one client is everybody's wait."""
_LARGE_BYTES = 1 << 13
"""Of smaller bodies every line may as well be looked at."""
NDJSON = b"application/x-ndjson"
_PROTOBUF_TYPES = frozenset({"application/x-protobuf", "application/protobuf", "application/octet-stream"})
_ELASTIC_COMPATIBLE = b"application/vnd.elasticsearch+json"
_TRUTH = {"true": True, "1": True, "yes": True, "": True, "false": False, "0": False, "no": False}


class IngestRoutes:
    """Handlers of one application; each takes a request whose caller is known and may use the route.

    Parameters
    ----------
    core
        Where submissions go.
    settings
        Limits and patience.
    metrics
        Told about what was acknowledged.
    """

    def __init__(self, core: Ingest, settings: Settings, metrics: HttpMetrics) -> None:
        self._core = core
        self._settings = settings
        self._limits = settings.limits
        self._metrics = metrics
        # a document without an id of its own is named by a number; the start tells processes apart
        self._numbers = time.time_ns() // 1000
        self._acks = itertools.count()

    # ---------------------------------------------------------------------------------------------- native

    async def events(self, request: Request, take: Callable[[int], None]) -> Answer:
        """POST /v1/events."""
        framed = await self._native(request, take)
        receipt = await self._submit(request, framed, Protocol.NATIVE)
        return Answer(202, msgspec.json.encode(native.counts(receipt)))

    async def score(self, request: Request, take: Callable[[int], None]) -> Answer:
        """POST /v1/score: one score a record, in order; NDJSON if the client prefers it."""
        learn = _flag(request.query.get("learn", "true"), "learn")
        if learn and request.caller is not None and request.caller.role not in MAY_INGEST:
            raise Refusal(403, f"{NO_PERMISSION}: score with learn=false, or use a collector's key")
        framed = await self._native(request, take)
        receipt = await self._submit(request, framed, Protocol.SCORE, learn=learn, want_scores=True)
        scores = receipt.scores or []
        if request.headers.get(b"accept", b"").startswith(NDJSON):
            return Answer(200, msgspec.json.Encoder().encode_lines(scores), NDJSON)
        return Answer(200, msgspec.json.encode(scores))

    async def _native(self, request: Request, take: Callable[[int], None]) -> Framed:
        source = native.source_named(
            request.query.get("source") or request.headers.get(b"x-habitus-source", b"").decode("latin-1")
        )
        body = await self._body(request, take)

        def frame() -> Framed:
            shortcut = native.whole if len(body) > _LARGE_BYTES else native.single
            framed = shortcut(body, self._limits, source)
            if framed is None:
                framed = native.frame(body, source)
                self._limits.refuse_broken(framed.records)
            return framed

        return await self._in_thread(frame, len(body))

    # ------------------------------------------------------------------------------------------------ bulk

    async def bulk(self, request: Request, take: Callable[[int], None]) -> Answer:
        """POST /_bulk, /{index}/_bulk: waits for room for a while before it says that there is none."""
        started = time.monotonic()
        default_index = request.path.strip("/").split("/")[0] if request.path.count("/") > 1 else ""
        source = native.source_named(request.query.get("source", ""))
        body = await self._body(request, take)

        def frame() -> bulk.Bulk:
            large = len(body) > _LARGE_BYTES
            found = bulk.whole(body, self._limits, default_index, source) if large else None
            if found is None:
                found = bulk.frame(body, default_index, source)
                self._prepare(found.framed, fine=large and self._limits.let_all_pass(body))
            return found

        framed, items = await self._in_thread(frame, len(body))
        await self._submit(
            request, framed, Protocol.BULK, patience_seconds=self._settings.bulk_patience_seconds
        )
        took_ms = int((time.monotonic() - started) * 1000)
        answer = bulk.answer(items, took_ms, self._numbers)
        self._numbers += len(items)
        return Answer(200, answer, elastic_type(request), (ELASTIC_PRODUCT,))

    # ------------------------------------------------------------------------------------------------ OTLP

    async def logs(self, request: Request, take: Callable[[int], None]) -> Answer:
        """POST /v1/logs."""
        is_json = request.media_type == "application/json"
        if not is_json and request.media_type not in _PROTOBUF_TYPES:
            raise Refusal(415, "Content-Type must be application/x-protobuf or application/json")
        body = await self._body(request, take)

        def frame() -> Framed:
            framed = otlp.frame(body, is_json=is_json)
            self._prepare(framed, unwrap=False)
            return framed

        receipt = await self._submit(request, await self._in_thread(frame, 4 * len(body)), Protocol.OTLP)
        return Answer(200, otlp.success(receipt.quarantined, is_json=is_json), JSON if is_json else PROTOBUF)

    # ------------------------------------------------------------------------------------------------- HEC

    async def hec_event(self, request: Request, take: Callable[[int], None]) -> Answer:
        """POST /services/collector, /services/collector/event."""
        return await self._hec(request, take, hec.frame)

    async def hec_raw(self, request: Request, take: Callable[[int], None]) -> Answer:
        """POST /services/collector/raw."""
        return await self._hec(request, take, hec.frame_raw)

    async def _hec(
        self, request: Request, take: Callable[[int], None], frame_body: Callable[[bytes, str], Framed]
    ) -> Answer:
        query = request.query
        source = hec.source_of(query.get("sourcetype"))
        body = await self._body(request, take)

        def frame() -> Framed:
            framed = frame_body(body, source)
            self._prepare(framed, unwrap=False)
            return framed

        framed = await self._in_thread(frame, len(body))
        if not framed.records:
            return Answer(*hec.answer(hec.NO_DATA))
        await self._submit(request, framed, Protocol.HEC)
        if request.headers.get(b"x-splunk-request-channel") or query.get("channel"):
            return Answer(*hec.answer(hec.SUCCESS, ackId=next(self._acks)))
        return Answer(*hec.answer(hec.SUCCESS))

    async def hec_ack(self, request: Request, take: Callable[[int], None]) -> Answer:
        """POST /services/collector/ack: what was answered was on disk before, so every answer is yes."""
        body = await self._body(request, take)
        try:
            asked = msgspec.json.decode(body, type=dict[str, list[int]])["acks"]
        except (msgspec.DecodeError, KeyError, RecursionError, UnicodeDecodeError) as error:
            raise InputError('expected {"acks": [0, 1, ...]}') from error
        return Answer(200, msgspec.json.encode({"acks": {str(number): True for number in asked}}))

    # ---------------------------------------------------------------------------------------------- common

    def _prepare(self, framed: Framed, *, unwrap: bool = True, fine: bool = False) -> None:
        """Take lines of logs out of their documents; put aside what is over a limit. fine: nothing is."""
        if not fine:
            known = {index for index, _ in framed.poison}
            framed.poison.extend(
                found for found in self._limits.put_aside_broken(framed.records) if found[0] not in known
            )
        if unwrap:
            bad = {index for index, _ in framed.poison}
            carriers.unwrap(framed, bad)

    async def _body(self, request: Request, take: Callable[[int], None]) -> bytes:
        return await request.body(self._limits, self._settings.body_seconds, take)

    @staticmethod
    async def _in_thread(work: Callable[[], T], n_bytes: int) -> T:
        return await asyncio.to_thread(work) if n_bytes > _THREAD_BYTES else work()

    async def _submit(
        self,
        request: Request,
        framed: Framed,
        protocol: Protocol,
        *,
        learn: bool = True,
        want_scores: bool = False,
        patience_seconds: float = 0.0,
    ) -> Receipt:
        found = framing.parts(framed, request.tenant, protocol)
        if not found:
            return Receipt(0, 0, 0, 0, 0, [] if want_scores else None)
        self._metrics.received(protocol.value, request.body_bytes, 0)

        async def one(part: Part) -> Receipt:
            until = time.monotonic() + patience_seconds
            while True:
                try:
                    return await self._core.submit(part.submission, learn=learn, want_scores=want_scores)
                except Busy as busy:
                    left = until - time.monotonic()
                    if left <= 0:
                        raise
                    await asyncio.sleep(min(busy.retry_after_s, left, 0.5))

        if len(found) == 1:
            receipt = await one(found[0])
            self._metrics.received(protocol.value, 0, receipt.received)
            return receipt
        results = await asyncio.gather(*(one(part) for part in found), return_exceptions=True)
        receipts: list[tuple[Part, Receipt]] = []
        for part, result in zip(found, results, strict=True):
            if isinstance(result, BaseException):
                # the client sends all of it again; what was kept is recognised then
                raise (
                    result if isinstance(result, HabitusError) else RuntimeError("ingest failed")
                ) from result
            receipts.append((part, result))
        receipt = framing.together(receipts, len(framed.records))
        self._metrics.received(protocol.value, 0, receipt.received)
        return receipt


def elastic_type(request: Request) -> bytes:
    """The content type that a client of Elasticsearch expects back."""
    accepted = request.headers.get(b"accept", b"")
    if accepted.startswith(_ELASTIC_COMPATIBLE) and b"," not in accepted:
        version = accepted.partition(b"compatible-with=")[2].strip()[:1]
        if version.isdigit():
            return _ELASTIC_COMPATIBLE + b";compatible-with=" + version
    return JSON


def _flag(text: str, name: str) -> bool:
    try:
        return _TRUTH[text.lower()]
    except KeyError as error:
        raise InputError(f"{name}={text[:20]!r} is neither true nor false") from error
