"""The pseudonymised view: what a session is answered has pseudonyms for the names of users, and what it asks
may use them. See `serving.accounts.pseudonyms`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

import msgspec

from serving.accounts.pseudonyms import FORM
from serving.http.dialects import Refusal
from serving.submission import TooLarge

if TYPE_CHECKING:
    from serving.accounts.pseudonyms import Names
    from serving.http.app import Application
    from serving.http.request import Message, Receive, Scope, Send

MOST_BODY = 1 << 20
UNVEILED = ("/v1/reveal", "/v1/live")
"""The one answers a name on purpose, the other has none."""
_HIDDEN = "nothing is known of this; in a pseudonymised session people are named by their pseudonyms"


class Veil:
    """An ASGI application over another one, for one request of a pseudonymised session."""

    def __init__(self, inner: Application, names: Names) -> None:
        self._inner = inner
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["path"] in UNVEILED:
            await self._inner(scope, receive, send)
            return
        start: Message = {}
        parts: list[bytes] = []

        async def receiving() -> Message:
            message = await receive()
            if message["type"] != "http.request" or not message.get("body"):
                return message
            body = message["body"]
            while message.get("more_body"):
                message = await receive()
                body += message.get("body", b"")
                if len(body) > MOST_BODY:
                    raise TooLarge(f"a body of more than {MOST_BODY:,} bytes is not needed here")
            return {"type": "http.request", "body": self._body(body), "more_body": False}

        async def sending(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body = b"".join(parts)
            headers = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
            if any(name.lower() == b"content-type" and b"json" in value for name, value in headers) and body:
                body = msgspec.json.encode(self._names.veiled(msgspec.json.decode(body)))
            headers.append((b"content-length", b"%d" % len(body)))
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        await self._inner(self._asked(scope), receiving, sending)

    def _asked(self, scope: Scope) -> Scope:
        """The request with names instead of pseudonyms; Refusal where a name itself is asked for."""
        path: str = scope["path"]
        for segment in path.split("/"):
            self._refuse_name(segment)
        query = parse_qsl(scope.get("query_string", b"").decode("ascii", "replace"), keep_blank_values=True)
        for key, value in query:
            if key == "entity":
                self._refuse_name(value)
            elif key == "text" and not FORM.search(value) and self._names.holds(value):
                raise Refusal(403, "names of people are not searched in a pseudonymised session")
        named = {
            "path": self._names.named(path),
            "raw_path": quote(self._names.named(unquote(path)), safe="/:@").encode(),
            "query_string": urlencode([(key, self._names.named(value)) for key, value in query]).encode(),
        }
        return {**scope, **named}

    def _refuse_name(self, text: str) -> None:
        if text.casefold() in self._names.known and not FORM.fullmatch(text):
            raise Refusal(404, _HIDDEN)

    def _body(self, body: bytes) -> bytes:
        try:
            found = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return body  # the route says what is wrong with it
        return msgspec.json.encode(self._given(found))

    def _given(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._given(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self._given(part) for part in value]
        return self._names.named(value) if isinstance(value, str) else value
