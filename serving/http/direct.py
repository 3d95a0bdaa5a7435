"""The shortest way through uvicorn for a request that is here as a whole: its body without a message, and its
answer in one write.

ASGI gives a body in messages and takes an answer in two, head and body. For one event that is a fifth of
what the request costs, and two writes wake its client twice. Where the server is another one, or anything is
out of the ordinary, these functions do nothing and the messages are used as everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

if TYPE_CHECKING:
    from collections.abc import Callable


def whole_body(receive: Callable[..., Any]) -> bytes | None:
    """All of a request's body, once, where it has come; None where messages have to be received."""
    cycle = getattr(receive, "__self__", None)
    if type(cycle) is not RequestResponseCycle or cycle.more_body or cycle.disconnected:
        return None
    if cycle.response_complete or cycle.waiting_for_100_continue:
        return None
    body = bytes(cycle.body)
    cycle.body = bytearray()
    cycle.message_event.clear()
    cycle.flow.resume_reading()
    return body


def answer_at_once(send: Callable[..., Any], status: int, head: bytes, body: bytes) -> bool:
    r"""Send all of an answer; False where nothing was done and messages have to be sent.

    head: header lines as they go over the wire, each with its \r\n, content-length among them; they are not
    looked at, so nothing that a client chose may be in them.
    """
    cycle = getattr(send, "__self__", None)
    if type(cycle) is not RequestResponseCycle or cycle.response_started or not cycle.keep_alive:
        return False
    if cycle.disconnected or cycle.flow.write_paused:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    parts = [STATUS_LINE[status]]
    for name, value in cycle.default_headers:
        parts += (name, b": ", value, b"\r\n")
    parts += (head, b"\r\n", body)
    cycle.transport.write(b"".join(parts))
    cycle.message_event.set()
    cycle.on_response()
    return True
