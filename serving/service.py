"""The BentoML service: a typed `score` for model clients, and the HTTP application around it.

`bentoml serve serving.service:service` and `habitus serve` start the same service. BentoML answers
`POST /score` and `GET /schema.json`, which its clients use; everything else is answered before it
(`serving.http.app.Front`) or by the reading API mounted in it.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import bentoml
import msgspec
from bentoml._internal.utils.analytics import usage_stats

from features.errors import HabitusError
from serving.bootstrap import Holder, Runtime
from serving.http.dialects import NO_PERMISSION, Refusal
from serving.http.ports import CALLER
from serving.http.reading import answered, application
from serving.http.roles import MAY_INGEST
from serving.http.settings import Settings
from serving.protocols.framing import Framed, parts, together
from serving.submission import Protocol

if TYPE_CHECKING:
    from serving.http.ports import Caller
    from serving.http.request import Receive, Scope, Send


class Middleware:
    """Puts the front before BentoML's own routes, once the worker has started."""

    def __init__(self, app: Any, holder: Holder) -> None:
        self._app = app
        self._holder = holder
        self._front: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] == "lifespan" or CALLER in scope:
            await self._app(scope, receive, send)
            return
        if self._front is None:
            self._front = self._holder.runtime.front(self._app)
        await self._front(scope, receive, send)


def make_service(holder: Holder) -> bentoml.Service[Any]:
    """The service over a process's runtime; nothing is opened or started before a worker starts."""

    @bentoml.asgi_app(application(), path="/")
    @bentoml.service(
        name="habitus",
        workers=1,
        traffic={"timeout": 300},
        metrics={"enabled": False},
        logging={"access": {"enabled": False}},
        envs=[
            {"name": "BENTOML_DO_NOT_TRACK", "value": "True"},
            {"name": "OTEL_SDK_DISABLED", "value": "true"},
        ],
    )
    class Habitus:
        """Scores events against the habits of the users and hosts of the caller's tenant."""

        def __init__(self) -> None:
            if not holder.is_filled:
                # a worker of `bentoml serve`: its settings come by the environment
                holder.fill(Runtime.open(Settings.from_environment(os.environ), stop_with=os.getppid()))
            self._runtime = holder.runtime

        @bentoml.on_startup  # type: ignore[untyped-decorator]
        async def _listen(self) -> None:
            await self._runtime.listen()

        @bentoml.on_shutdown  # type: ignore[untyped-decorator]
        async def _close(self) -> None:
            await self._runtime.close()

        @bentoml.api(route="/score")  # type: ignore[untyped-decorator]
        async def score(
            self, ctx: bentoml.Context, events: list[dict[str, Any]], learn: bool = True
        ) -> list[dict[str, Any]]:
            """One score an event, in order (see the schema EventScore); learns unless learn is false."""
            try:
                return await self._scored(ctx.request.scope[CALLER], events, learn)
            except HabitusError as error:
                # BentoML would answer 500; a response is handed on as it is
                response = answered(error)
                ctx.response.status_code = response.status_code
                return response  # type: ignore[return-value]

        async def _scored(
            self, caller: Caller, events: list[dict[str, Any]], learn: bool
        ) -> list[dict[str, Any]]:
            if learn and caller.role not in MAY_INGEST:
                raise Refusal(403, f"{NO_PERMISSION}: score with learn=false, or use a collector's key")
            records = [msgspec.json.encode(event) for event in events]
            self._runtime.settings.limits.refuse_broken(records)
            found = parts(Framed(records), caller.tenant, Protocol.SCORE)
            core = self._runtime.core
            receipts = await asyncio.gather(
                *(core.submit(part.submission, learn=learn, want_scores=True) for part in found)
            )
            receipt = together(list(zip(found, receipts, strict=True)), len(records))
            return [msgspec.to_builtins(score) for score in receipt.scores or []]

    return Habitus


def _send_no_usage_data() -> None:
    """BentoML reports its use to its makers unless told otherwise; this holds for `bentoml serve`, too."""
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    usage_stats.do_not_track.cache_clear()


def __getattr__(name: str) -> Any:
    """The service that `bentoml serve serving.service:service` looks for, made when it is looked for."""
    if name != "service":
        raise AttributeError(name)
    _send_no_usage_data()
    holder = Holder()
    made = make_service(holder)
    made.add_asgi_middleware(Middleware, holder=holder)
    globals()["service"] = made
    return made
