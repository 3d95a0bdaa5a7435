"""Passwords: checked, and kept as argon2id hashes."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from features.errors import InputError
from serving.submission import Busy

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST, MOST = 12, 256
AT_ONCE = 2
"""Hashes that are worked out at the same time: each takes a core and `memory_kib`."""
WAIT_SECONDS = 5.0


@dataclass
class Passwords:
    """Hashes passwords. Thread-safe.

    Parameters
    ----------
    memory_kib, passes
        Cost of argon2id with one lane. 46 MiB and one pass is the first of the settings that OWASP's Password
        Storage Cheat Sheet calls equal; it takes about 70 ms.
    """

    memory_kib: int = 47_104
    passes: int = 1

    def __post_init__(self) -> None:
        self._room = threading.BoundedSemaphore(AT_ONCE)

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher(time_cost=self.passes, memory_cost=self.memory_kib, parallelism=1)

    @cached_property
    def nobody(self) -> str:
        """A hash that no password fits: whoever names an unknown account waits as long as others."""
        return self.hashed(secrets.token_urlsafe(32))

    def hashed(self, password: str) -> str:
        """The hash, with its salt and costs; Busy when too many wait for one."""
        self._enter()
        try:
            return self._hasher.hash(password)
        finally:
            self._room.release()

    def fits(self, password: str, hashed: str) -> bool:
        """Whether a password is the one; takes as long for "" as for any hash."""
        from argon2.exceptions import InvalidHashError, VerificationError

        known = hashed or self.nobody
        self._enter()
        try:
            return self._hasher.verify(known, password[: MOST + 1]) and bool(hashed)
        except (VerificationError, InvalidHashError):
            return False
        finally:
            self._room.release()

    def is_outdated(self, hashed: str) -> bool:
        """Whether a hash was made at another cost than now."""
        return self._hasher.check_needs_rehash(hashed)

    def _enter(self) -> None:
        if not self._room.acquire(timeout=WAIT_SECONDS):
            raise Busy("too many people are signing in: try again in a moment", WAIT_SECONDS)


def checked(password: str, login: str = "") -> str:
    """A new password as it is; InputError when it is none to be used.

    Length is what counts (NIST SP 800-63B-4, 3.1.1): there is no rule about kinds of characters.
    """
    if not LEAST <= len(password) <= MOST:
        raise InputError(f"a password has from {LEAST} to {MOST} characters")
    if len(set(password)) < 5:
        raise InputError("a password of so few different characters is guessed at once: take another")
    if login and login.partition("@")[0] in password.casefold():
        raise InputError("the login must not be in the password: take another")
    return password


def one_time() -> str:
    """A password to be changed at the first sign-in: 80 random bits, in groups that can be read aloud."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))
