"""Webhooks, signed as Standard Webhooks has it (https://www.standardwebhooks.com, specification 1.0).

    webhook-id: KEY
    webhook-timestamp: SECONDS
    webhook-signature: v1,BASE64(HMAC-SHA256(secret, "KEY.SECONDS.BODY"))

The key is the same whenever the same message is sent again. A receiver checks the signature, refuses old
timestamps, and drops keys that it has seen. Redirects are not followed: where they lead nobody checked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import ssl
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from features.errors import InputError
from serving.notify.addresses import Undelivered, connected

if TYPE_CHECKING:
    import socket

    from serving.notify.addresses import Network

PREFIX = "whsec_"
SECRET_BYTES = 32
LEAST_SECRET_BYTES = 24
SECONDS = 10.0
"""For connecting, and again for sending and the answer's first line."""
HEAD_BYTES = 4096


class Url(NamedTuple):
    """A webhook's address, taken apart and checked."""

    scheme: str
    host: str
    port: int
    target: str
    host_header: str

    @classmethod
    def parsed(cls, text: str) -> Url:
        """InputError when it is no http(s) URL, or holds what does not belong into one."""
        if not text.isascii() or not text.isprintable() or " " in text or len(text) > 2000:
            raise InputError("url: plain ASCII without spaces, at most 2000 characters")
        try:
            found = urlsplit(text)
            port = found.port
        except ValueError as error:
            raise InputError("url: it cannot be read; give https://HOST/PATH") from error
        if found.scheme not in ("http", "https") or not found.hostname:
            raise InputError("url: give https://HOST/PATH")
        if found.username is not None or found.password is not None or "@" in found.netloc:
            raise InputError("url: no user or password in it; receivers check the signature")
        path = found.path or "/"
        target = f"{path}?{found.query}" if found.query else path
        default = 443 if found.scheme == "https" else 80
        return cls(found.scheme, found.hostname, port or default, target, found.netloc)


def new_secret() -> str:
    """A secret for signatures."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def secret_bytes(text: str) -> bytes:
    """The key of a secret's text; InputError when it is none."""
    try:
        found = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"secret: {PREFIX} and base64, or leave it out to have one made") from error
    if len(found) < LEAST_SECRET_BYTES:
        raise InputError(f"secret: at least {LEAST_SECRET_BYTES} bytes, in base64")
    return found


def signature(secret: bytes, key: str, seconds: int, body: bytes) -> str:
    """The signature's header."""
    signed = b".".join([key.encode(), str(seconds).encode(), body])
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


def post(url: Url, secret: bytes, key: str, body: bytes, network: Network, now_s: int) -> None:
    """Send a message.

    Raises
    ------
    Undelivered
        Unless the receiver answered 2xx.
    """
    addresses = network.resolve(url.host, url.port)
    if url.scheme == "http" and not all(network.lists(str(one.sockaddr[0])) for one in addresses):
        raise Undelivered("http:// goes only to networks that the operator allowed; use https://")
    headers = [
        f"POST {url.target} HTTP/1.1",
        f"Host: {url.host_header}",
        "User-Agent: habitus",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"webhook-id: {key}",
        f"webhook-timestamp: {now_s}",
        f"webhook-signature: {signature(secret, key, now_s, body)}",
        f"Idempotency-Key: {key}",
        "Connection: close",
    ]
    request = "\r\n".join([*headers, "", ""]).encode("ascii") + body
    raw = connected(addresses, SECONDS)
    try:
        status = _exchanged(_secured(raw, url), request)
    except ssl.SSLCertVerificationError as error:
        raise Undelivered(f"the receiver's certificate is not valid: {error.verify_message}") from error
    except OSError as error:
        raise Undelivered(f"the connection broke ({type(error).__name__})") from error
    finally:
        raw.close()
    if not 200 <= status < 300:
        more = "; redirects are not followed" if 300 <= status < 400 else ""
        raise Undelivered(f"the receiver answered {status}{more}")


def _secured(raw: socket.socket, url: Url) -> socket.socket:
    if url.scheme == "http":
        return raw
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context.wrap_socket(raw, server_hostname=url.host)


def _exchanged(connection: socket.socket, request: bytes) -> int:
    """Send, and read as far as the status; a receiver that takes its time is not waited for for ever."""
    until = time.monotonic() + SECONDS
    with connection:
        connection.sendall(request)
        head = b""
        while b"\n" not in head and len(head) < HEAD_BYTES:
            connection.settimeout(max(until - time.monotonic(), 0.001))
            part = connection.recv(HEAD_BYTES)
            if not part:
                break
            head += part
    line = head.partition(b"\n")[0].split()
    if len(line) < 2 or not line[0].startswith(b"HTTP/1.") or not line[1].isdigit():
        raise Undelivered("the receiver did not answer in HTTP")
    return int(line[1])
