"""The accounts of people, in the store. A login is unique over all tenants: it decides the tenant."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, insert, select, update

from features.errors import InputError
from serving import audit
from serving.accounts import passwords
from serving.accounts.passwords import Passwords
from serving.keys import Role
from serving.recovery import add_tenant, check_tenant
from serving.store.tables import accounts, sessions
from serving.triage.desk import writing
from serving.triage.words import NAME_LENGTH, Missing, words

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from serving.audit import Deed
    from serving.store.database import Database

ROLES = (Role.ANALYST, Role.SCIENTIST, Role.ADMIN)
"""A collector is no person."""
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._+@-]{1,99}")
_KEY_ID = re.compile(r"[0-9a-f]{12}")


class Account(NamedTuple):
    """What may be shown of an account. Moments are microseconds since 1970 UTC; disabled_us None: works."""

    login: str
    tenant: str
    role: Role
    name: str
    must_change: bool
    totp: bool
    oidc: bool
    created_us: int
    disabled_us: int | None


def checked_login(text: str) -> str:
    """A login in lower case; InputError when it is none.

    A key's id is none: the audit log names both, and must not take one for the other.
    """
    login = text.strip().lower()
    if not _LOGIN.fullmatch(login) or _KEY_ID.fullmatch(login):
        raise InputError(
            f"{text[:40]!r} is no login: 2 to 100 letters a-z, digits and . _ + @ -, such as zoe@example.org"
        )
    return login


class Accounts:
    """Makes, lists and ends accounts. Thread-safe.

    Every change has a line in the audit log, in the same transaction. `who` is whoever asks: actor and role.

    Parameters
    ----------
    database
        The store.
    hasher
        Hashes passwords.
    """

    def __init__(self, database: Database, hasher: Passwords | None = None) -> None:
        self.database = database
        self.passwords = Passwords() if hasher is None else hasher

    def create(
        self, tenant: str, login: str, role: Role | str, name: str, who: Deed, *, oidc: bool = False
    ) -> str:
        """Make an account, and its tenant if that is new; returns the one-time password.

        oidc: the person signs in at the OpenID provider only, and there is no password ("").

        Raises
        ------
        InputError
            If tenant, login, role or name is none, or the login is taken.
        """
        login = checked_login(login)
        check_tenant(tenant)
        if role not in ROLES:
            raise InputError(f"{str(role)[:20]!r} is no role of a person: one of {', '.join(ROLES)}")
        words(name, "name", NAME_LENGTH)
        password = "" if oidc else passwords.one_time()
        now_us = _now_us()
        row = {
            "login": login,
            "tenant": tenant,
            "role": str(role),
            "name": name or login,
            "password": self.passwords.hashed(password) if password else "",
            "must_change": not oidc,
            "created_us": now_us,
        }
        add_tenant(self.database, tenant, now_us)
        with writing(self.database) as connection:
            audit.reserve(connection)
            taken = select(accounts.c.login).where(accounts.c.login == login)
            if connection.execute(taken).first() is not None:
                raise InputError(f"{login}: this login is taken; choose another")
            connection.execute(insert(accounts), [row])
            detail: dict[str, object] = {"role": str(role), "oidc": oidc}
            _note(connection, now_us, tenant, who, "account.create", login, detail)
        return password

    def all(self, tenant: str | None = None) -> list[Account]:
        """The accounts of a tenant (of all: for the command line alone), by login."""
        query = select(accounts).order_by(accounts.c.login)
        if tenant is not None:
            query = query.where(accounts.c.tenant == tenant)
        with self.database.read() as connection:
            return [account_of(dict(row)) for row in connection.execute(query).mappings()]

    def find(self, login: str) -> Account | None:
        """An account, whether it works or not; None when there is none of this login."""
        row = self._row(login)
        return None if row is None else account_of(row)

    def _row(self, login: str) -> dict[str, Any] | None:
        with self.database.read() as connection:
            row = connection.execute(select(accounts).where(accounts.c.login == login)).mappings().first()
        return None if row is None else dict(row)

    def disable(self, login: str, who: Deed, tenant: str | None = None) -> None:
        """End an account and its sessions; what it did stays under its login.

        tenant: whose accounts the caller may end; None for the command line.

        Raises
        ------
        Missing
            If there is no such account that works.
        InputError
            If it is the caller's own.
        """
        if who.actor == login:
            raise InputError("this is your own account: let another admin end it")
        self._change(login, who, "account.disable", tenant, disabled_us=_now_us())

    def reset(self, login: str, who: Deed, tenant: str | None = None) -> str:
        """A new one-time password; the second factor and all sessions go. Returns the password.

        Who signs in at the OpenID provider gets none (""): it is only forgotten who that was there. A
        disabled account works again.

        Raises
        ------
        Missing
            If there is no such account.
        """
        row = self._row(login)
        values: dict[str, object] = {"disabled_us": None, "subject": None}
        password = ""
        if row is not None and row["password"]:
            password = passwords.one_time()
            values |= {"password": self.passwords.hashed(password), "must_change": True}
            values |= {"totp_secret": None, "totp_waiting": None}
        self._change(login, who, "account.reset", tenant, **values)
        return password

    def _change(self, login: str, who: Deed, action: str, tenant: str | None, **values: object) -> None:
        c, now_us = accounts.c, _now_us()
        mine = [c.login == login]
        if tenant is not None:
            mine.append(c.tenant == tenant)
        if action == "account.disable":
            mine.append(c.disabled_us.is_(None))
        with writing(self.database) as connection:
            audit.reserve(connection)
            owner = connection.execute(select(c.tenant).where(*mine)).scalar()
            if owner is None:
                raise Missing(f"there is no account {login[:100]} that this could be done to")
            connection.execute(update(accounts).where(*mine).values(**values))
            connection.execute(delete(sessions).where(sessions.c.login == login))
            _note(connection, now_us, owner, who, action, login, {})

    def update_own(
        self, login: str, action: str, who: Deed, *, keep_session: bytes = b"", **values: object
    ) -> None:
        """Change the caller's own account; sessions but one end if the password changes."""
        now_us = _now_us()
        with writing(self.database) as connection:
            audit.reserve(connection)
            mine = accounts.c.login == login
            owner = connection.execute(select(accounts.c.tenant).where(mine)).scalar()
            if owner is None:
                raise Missing("this account is gone")
            connection.execute(update(accounts).where(mine).values(**values))
            if "password" in values:
                others = (sessions.c.login == login, sessions.c.digest != keep_session)
                connection.execute(delete(sessions).where(*others))
            if action:
                _note(connection, now_us, owner, who, action, login, {})


def account_of(row: dict[str, Any]) -> Account:
    """What may be shown of a row."""
    return Account(
        row["login"],
        row["tenant"],
        Role(row["role"]),
        row["name"],
        bool(row["must_change"]),
        row["totp_secret"] is not None,
        not row["password"],
        row["created_us"],
        row["disabled_us"],
    )


def _note(
    connection: Connection,
    at_us: int,
    tenant: str,
    who: Deed,
    action: str,
    login: str,
    detail: dict[str, object],
) -> None:
    audit.append(connection, at_us, tenant, who._replace(action=action, subject=login, detail=detail))


def _now_us() -> int:
    return time.time_ns() // 1000
