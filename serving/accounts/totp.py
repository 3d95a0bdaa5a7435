"""Time-based one-time passwords (RFC 6238): SHA-1, 30 seconds, six digits, which is what apps understand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from urllib.parse import quote, urlencode

STEP_SECONDS = 30
DIGITS = 6
DRIFT = 1
"""Steps that a phone's clock may be off (RFC 6238, 5.2)."""
SECRET_BYTES = 20


def new_secret() -> bytes:
    """160 random bits, as RFC 4226 recommends."""
    return secrets.token_bytes(SECRET_BYTES)


def code(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of a step (RFC 4226, 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    place = digest[-1] & 0xF
    number = int.from_bytes(digest[place : place + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def fitting_step(secret: bytes, given: str, now_seconds: float, after: int) -> int:
    """The step that a code is of, 0 when it is of none near now, or of none behind step `after`.

    Every step is looked at, whichever fits: the time it takes says nothing.
    """
    typed = given.replace(" ", "")
    found, now = 0, int(now_seconds // STEP_SECONDS)
    for step in range(now - DRIFT, now + DRIFT + 1):
        right = hmac.compare_digest(code(secret, step).encode(), typed.encode())
        if right and step > after:
            found = step
    return found


def shown(secret: bytes) -> str:
    """The secret as people type it into an app: base32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def url(secret: bytes, login: str) -> str:
    """The otpauth:// URL that a QR code holds."""
    query = {"secret": shown(secret), "issuer": "habitus", "digits": DIGITS, "period": STEP_SECONDS}
    return f"otpauth://totp/{quote(f'habitus:{login}', safe=':')}?{urlencode(query)}"
