"""Sessions of people who signed in: a random token in a cookie, of which the store has the SHA-256.

A look-up is remembered for two seconds, like a key's: a session that another process ends works this much
longer.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, insert, select, update

from serving.keys import Role
from serving.store.tables import accounts, sessions
from serving.triage.desk import writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from serving.store.database import Database

TOKEN_BYTES = 32
TOKEN_LENGTH = 43
FRESH_US = 2_000_000
REMEMBERED = 10_000
IDLE_US = 30 * 60_000_000
"""Without a request for so long a session is over."""
LIFE_US = 12 * 3600_000_000
"""And after so long whatever happens."""
WRITE_US = 60_000_000
"""How often the store is told that a session is in use: a commit for every request would cost a disk."""


class Visitor(NamedTuple):
    """Whose request it is: as a key's `serving.keys.Principal`, with the login as its id."""

    tenant: str
    role: Role
    key_id: str
    name: str
    must_change: bool
    totp: bool
    pseudonymous: bool
    expires_us: int
    digest: bytes
    csrf: str


class _Known(NamedTuple):
    visitor: Visitor
    used_us: int
    until_us: int


class Sessions:
    """The sessions of a store. Thread-safe.

    Parameters
    ----------
    database
        The store.
    clock_us
        Microseconds since 1970 UTC.
    fresh_us
        How long a look-up is remembered.
    """

    def __init__(
        self,
        database: Database,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        fresh_us: int = FRESH_US,
    ) -> None:
        self._database = database
        self._clock_us = clock_us
        self._fresh_us = fresh_us
        self._known: dict[bytes, _Known] = {}
        self._lock = threading.Lock()

    def open(self, login: str, via: str) -> str:
        """Begin a session and forget those that are over; returns its token, which nobody can show again."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now_us = self._clock_us()
        row = {
            "digest": _digest(token),
            "login": login,
            "via": via,
            "created_us": now_us,
            "used_us": now_us,
            "expires_us": now_us + LIFE_US,
            "pseudonymous": False,
        }
        c = sessions.c
        with writing(self._database) as connection:
            connection.execute(
                delete(sessions).where((c.expires_us < now_us) | (c.used_us < now_us - IDLE_US - WRITE_US))
            )
            connection.execute(insert(sessions), [row])
        return token

    def find(self, token: str) -> Visitor | None:
        """Who has this session; None when it is none or over."""
        if len(token) != TOKEN_LENGTH:
            return None
        digest, now_us = _digest(token), self._clock_us()
        with self._lock:
            known = self._known.get(digest)
        if known is None or now_us >= known.until_us:
            known = self._look_up(token, digest, now_us, known)
        if known is None or now_us >= known.visitor.expires_us or now_us >= known.used_us + IDLE_US:
            return None
        return known.visitor

    def _look_up(self, token: str, digest: bytes, now_us: int, before: _Known | None) -> _Known | None:
        s, a = sessions.c, accounts.c
        query = (
            select(accounts, s.used_us, s.expires_us, s.pseudonymous)
            .join_from(sessions, accounts, s.login == a.login)
            .where(s.digest == digest, a.disabled_us.is_(None))
        )
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            self.forget(digest)
            return None  # not remembered: made-up tokens must not fill the memory
        visitor = Visitor(
            row["tenant"],
            Role(row["role"]),
            row["login"],
            row["name"],
            bool(row["must_change"]),
            row["totp_secret"] is not None,
            bool(row["pseudonymous"]),
            row["expires_us"],
            digest,
            _csrf(token),
        )
        # the store knows of its use by the minute only
        used_us = max(row["used_us"], before.used_us if before else 0)
        known = _Known(visitor, used_us, now_us + self._fresh_us)
        with self._lock:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[digest] = known
        return known

    def use(self, visitor: Visitor) -> bool:
        """Note that a session is in use; whether it is time for `written`."""
        now_us = self._clock_us()
        with self._lock:
            known = self._known.get(visitor.digest)
            if known is None:
                return True
            due = now_us - known.used_us >= WRITE_US
            if due:
                self._known[visitor.digest] = known._replace(used_us=now_us)
        return due

    def written(self, visitor: Visitor) -> None:
        """Tell the store that a session is in use."""
        now_us = self._clock_us()
        with writing(self._database) as connection:
            mine = sessions.c.digest == visitor.digest
            connection.execute(update(sessions).where(mine).values(used_us=now_us))

    def set_pseudonymous(self, visitor: Visitor, *, on: bool) -> None:
        """Show pseudonyms instead of names in this session, or names again."""
        with writing(self._database) as connection:
            mine = sessions.c.digest == visitor.digest
            connection.execute(update(sessions).where(mine).values(pseudonymous=on))
        self.forget(visitor.digest)

    def end(self, visitor: Visitor) -> None:
        """End a session."""
        with writing(self._database) as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == visitor.digest))
        self.forget(visitor.digest)

    def forget(self, digest: bytes = b"") -> None:
        """Look in the store at the next request: of one session, or of all."""
        with self._lock:
            if digest:
                self._known.pop(digest, None)
            else:
                self._known.clear()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _csrf(token: str) -> str:
    """What a page of ours knows and one elsewhere cannot; it tells nothing of the token it comes from."""
    return hmac.new(token.encode("utf-8", "surrogateescape"), b"csrf", hashlib.sha256).hexdigest()[:43]
