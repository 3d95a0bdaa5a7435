"""API keys: who may do what for which tenant.

A key is shown once, when it is made. The store has the SHA-256 of its secret part, which is 256 random bits:
nothing to guess, so a slow hash would protect nothing and cost every request.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import insert, select, update

from features.errors import InputError
from serving import audit
from serving.recovery import add_tenant, check_tenant
from serving.store import tables

if TYPE_CHECKING:
    from serving.store.database import Database

PREFIX = "hab"
ID_BYTES, SECRET_BYTES = 6, 32
LABEL_LIMIT = 120
FRESH_SECONDS = 2.0
"""How long a look-up is remembered: a key revoked by another process works this much longer."""
REMEMBERED = 10_000
_FORM = re.compile(rf"{PREFIX}_([0-9a-f]{{{2 * ID_BYTES}}})_([0-9A-Za-z_-]{{43}})")


class Role(StrEnum):
    """What a key may do: a collector sends; an analyst reads and judges; a scientist trains as well; an admin
    does everything, keys included.
    """

    COLLECTOR = "collector"
    ANALYST = "analyst"
    SCIENTIST = "scientist"
    ADMIN = "admin"


class Principal(NamedTuple):
    """Whose request it is."""

    tenant: str
    role: Role
    key_id: str


class KeyInfo(NamedTuple):
    """What may be shown of a key. Moments are microseconds since 1970 UTC; revoked_us None: still valid."""

    key_id: str
    tenant: str
    role: Role
    label: str
    created_us: int
    revoked_us: int | None


class _Known(NamedTuple):
    digest: bytes
    principal: Principal | None
    until: float


_NOBODY = _Known(bytes(32), None, 0.0)


class Keys:
    """The keys of a store. Thread-safe.

    Parameters
    ----------
    database
        The store.
    fresh_seconds
        How long a look-up is remembered.
    """

    def __init__(self, database: Database, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._database = database
        self._fresh_seconds = fresh_seconds
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def create(
        self, tenant: str, role: Role | str, label: str = "", *, actor: str = "cli", actor_role: str = ""
    ) -> str:
        """Make a key and its tenant if that is new; returns the key, which nobody can show again.

        actor, actor_role: who does it, see `serving.audit.Deed`.

        Raises
        ------
        InputError
            If the tenant's id, the role or the label is none.
        """
        check_tenant(tenant)
        if role not in list(Role):
            raise InputError(f"{role!r} is no role; choose one of {', '.join(Role)}")
        if len(label) > LABEL_LIMIT or not label.isprintable():
            raise InputError(f"a label has at most {LABEL_LIMIT} printable characters")
        key_id = secrets.token_hex(ID_BYTES)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        now_us = time.time_ns() // 1000
        add_tenant(self._database, tenant, now_us)
        row = {
            "key_id": key_id,
            "tenant": tenant,
            "role": str(role),
            "label": label,
            "digest": _digest(secret),
            "created_us": now_us,
        }
        with self._database.write() as connection:
            connection.execute(insert(tables.api_keys), [row])
            detail = {"role": str(role), "label": label}
            deed = audit.Deed(actor, "key.create", key_id, actor_role, detail)
            audit.append(connection, now_us, tenant, deed)
        return f"{PREFIX}_{key_id}_{secret}"

    def verify(self, key: str) -> Principal | None:
        """Whose key this is; None when it is none, unknown or revoked.

        The secret is compared by digest and in constant time, for an unknown id too: the time it takes says
        nothing about which ids exist beyond what the ids, being no secret, say anyway.
        """
        form = _FORM.fullmatch(key) if len(key) < 100 else None
        key_id, secret = form.groups() if form else ("", "")
        known = self._look_up(key_id) if form else _NOBODY
        right = hmac.compare_digest(known.digest, _digest(secret))
        return known.principal if right else None

    def _look_up(self, key_id: str) -> _Known:
        now = time.monotonic()
        with self._lock:
            known = self._known.get(key_id)
            if known is not None and now < known.until:
                return known
        columns = tables.api_keys.c
        query = select(columns.tenant, columns.role, columns.digest).where(
            columns.key_id == key_id, columns.revoked_us.is_(None)
        )
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            with self._lock:
                self._known.pop(key_id, None)
            return _NOBODY  # not remembered: made-up ids must not fill the memory
        principal = Principal(row.tenant, Role(row.role), key_id)
        known = _Known(bytes(row.digest), principal, now + self._fresh_seconds)
        with self._lock:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key_id] = known
        return known

    def all(self, tenant: str | None = None) -> list[KeyInfo]:
        """The keys of a tenant (or of all: for the command line alone), oldest first; never their secrets."""
        columns = tables.api_keys.c
        query = select(tables.api_keys).order_by(columns.created_us, columns.key_id)
        if tenant is not None:
            query = query.where(columns.tenant == tenant)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            KeyInfo(
                row["key_id"],
                row["tenant"],
                Role(row["role"]),
                row["label"],
                row["created_us"],
                row["revoked_us"],
            )
            for row in rows
        ]

    def revoke(
        self, key_id: str, tenant: str | None = None, *, actor: str = "cli", actor_role: str = ""
    ) -> None:
        """Make a key invalid for good; at once in this process, in others when they look next.

        tenant: whose keys the caller may revoke; None for the command line.

        Raises
        ------
        InputError
            If there is no such key, or it was revoked before.
        """
        columns = tables.api_keys.c
        now_us = time.time_ns() // 1000
        mine = [columns.key_id == key_id, columns.revoked_us.is_(None)]
        if tenant is not None:
            mine.append(columns.tenant == tenant)
        with self._database.write() as connection:
            owner = connection.execute(select(columns.tenant).where(*mine)).scalar()
            if owner is None:
                raise InputError(f"{key_id[:40]!r}: no valid key has this id; see `habitus keys list`")
            connection.execute(update(tables.api_keys).where(*mine).values(revoked_us=now_us))
            audit.append(connection, now_us, owner, audit.Deed(actor, "key.revoke", key_id, actor_role))
        with self._lock:
            self._known.pop(key_id, None)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
