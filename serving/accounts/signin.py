"""Signing in with a password and, where it is set up, a code; and changes to one's own account."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select, update

from features.errors import HabitusError, InputError
from serving import audit
from serving.accounts import passwords, totp
from serving.accounts.book import account_of
from serving.accounts.oidc import NotSignedIn
from serving.audit import Deed
from serving.store.tables import accounts
from serving.triage.desk import writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from serving.accounts.book import Account, Accounts
    from serving.accounts.oidc import Person
    from serving.accounts.sessions import Sessions, Visitor
    from serving.accounts.throttle import Throttle


class WrongCredentials(HabitusError):
    """Login, password or code do not fit; it does not say which, but whether a code is needed."""

    def __init__(self, *, totp_required: bool = False) -> None:
        super().__init__(
            "a code of your authenticator is needed" if totp_required else "login or password is wrong"
        )
        self.totp_required = totp_required


class Given(NamedTuple):
    """What somebody signs in with; address: where from."""

    login: str
    password: str
    code: str
    address: str


class SignIn:
    """Lets people in. Thread-safe; every method may take a tenth of a second, for the hash.

    Parameters
    ----------
    book, sessions, throttle
        See there.
    clock
        Seconds since 1970.
    """

    def __init__(
        self,
        book: Accounts,
        sessions: Sessions,
        throttle: Throttle,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.book = book
        self.sessions = sessions
        self._throttle = throttle
        self._clock = clock

    def with_password(self, given: Given) -> str:
        """A token of a new session.

        Raises
        ------
        WrongCredentials
            If anything does not fit. The work is the same for a login that nobody has.
        TooOften
            If there were too many failures.
        """
        login = given.login.strip().lower()[:100]
        self._throttle.take(login, given.address)
        row = self._row(login)
        right = self.book.passwords.fits(given.password, row["password"] if row else "")
        if row is None or not right or row["disabled_us"] is not None:
            self._note_failure(row, "password")
            raise WrongCredentials
        if row["totp_secret"] is not None and not self._code_fits(row, given.code):
            if given.code:
                self._note_failure(row, "code")
            else:
                self._throttle.succeed(login, given.address)
            raise WrongCredentials(totp_required=True)
        self._throttle.succeed(login, given.address)
        if self.book.passwords.is_outdated(row["password"]):
            hashed = self.book.passwords.hashed(given.password)
            with writing(self.book.database) as connection:
                connection.execute(update(accounts).where(accounts.c.login == login).values(password=hashed))
        return self.enter(account_of(row), "password")

    def with_provider(self, person: Person) -> str:
        """A token of a new session of somebody whom the OpenID provider vouches for.

        The account was made for it (`oidc`) under the login that the provider names. The first sign-in ties
        it to that person for good: whoever is given the same address later is somebody else.

        Raises
        ------
        NotSignedIn
            If there is no such account, or it is another person's.
        """
        a = accounts.c
        with self.book.database.read() as connection:
            mine = select(accounts).where((a.subject == person.subject) | (a.login == person.login))
            rows = [dict(row) for row in connection.execute(mine).mappings()]
        row = next((row for row in rows if row["subject"] == person.subject), None)
        if row is None:
            row = next((row for row in rows if row["subject"] is None and not row["password"]), None)
            if row is not None:
                self.book.update_own(
                    row["login"],
                    "account.tied",
                    Deed(row["login"], "", "", row["role"]),
                    subject=person.subject,
                )
        if row is None or row["disabled_us"] is not None or row["password"]:
            self._note_failure(row, "oidc")
            raise NotSignedIn("unknown", f"no account is made for {person.login[:100]!r} at the provider")
        return self.enter(account_of(row), "oidc")

    def enter(self, account: Account, via: str) -> str:
        """A token of a new session of somebody who has shown who it is."""
        token = self.sessions.open(account.login, via)
        deed = Deed(account.login, "session.open", account.login, account.role, {"via": via})
        with writing(self.book.database) as connection:
            audit.append(connection, self._now_us(), account.tenant, deed)
        return token

    def _row(self, login: str) -> dict[str, Any] | None:
        with self.book.database.read() as connection:
            found = connection.execute(select(accounts).where(accounts.c.login == login)).mappings().first()
        return None if found is None else dict(found)

    def _code_fits(self, row: dict[str, Any], code: str) -> bool:
        """Whether a code fits that has not been used; it cannot be used again."""
        step = totp.fitting_step(bytes(row["totp_secret"]), code, self._clock(), row["totp_step"])
        if not step:
            return False
        c = accounts.c
        with writing(self.book.database) as connection:
            mine = (c.login == row["login"], c.totp_step < step)
            return bool(connection.execute(update(accounts).where(*mine).values(totp_step=step)).rowcount)

    def _note_failure(self, row: dict[str, Any] | None, what: str) -> None:
        if row is None:
            return  # no tenant it could be shown to
        deed = Deed(row["login"], "session.refused", row["login"], row["role"], {"wrong": what})
        with writing(self.book.database) as connection:
            audit.append(connection, self._now_us(), row["tenant"], deed)

    # ------------------------------------------------------------------------------------- one's own account

    def change_password(self, visitor: Visitor, old: str, new: str, address: str) -> None:
        """Set another password; the other sessions of the account end.

        Raises
        ------
        WrongCredentials, TooOften
            If the old one is wrong.
        InputError
            If the new one is none, or the old one.
        """
        self._prove(visitor, old, address)
        if passwords.checked(new, visitor.key_id) == old:
            raise InputError("the new password must be another one")
        self.book.update_own(
            visitor.key_id,
            "account.password",
            _who(visitor),
            keep_session=visitor.digest,
            password=self.book.passwords.hashed(new),
            must_change=False,
        )
        self.sessions.forget()

    def begin_totp(self, visitor: Visitor) -> tuple[str, str]:
        """A new secret, as text and as URL; it counts once a code of it was given (`confirm_totp`)."""
        row = self._own(visitor)
        if not row["password"]:
            raise InputError("who signs in at the OpenID provider has the second factor there")
        if row["totp_secret"] is not None:
            raise InputError("codes are set up already: remove them first")
        secret = totp.new_secret()
        self.book.update_own(visitor.key_id, "", _who(visitor), totp_waiting=secret)
        return totp.shown(secret), totp.url(secret, visitor.key_id)

    def confirm_totp(self, visitor: Visitor, code: str, address: str) -> None:
        """From now on a code is needed; WrongCredentials when this one is not of the new secret."""
        row = self._own(visitor)
        if row["totp_waiting"] is None:
            raise InputError("ask for a secret first")
        self._throttle.take(visitor.key_id, address)
        secret = bytes(row["totp_waiting"])
        step = totp.fitting_step(secret, code, self._clock(), 0)
        if not step:
            raise WrongCredentials(totp_required=True)
        self._throttle.succeed(visitor.key_id, address)
        self.book.update_own(
            visitor.key_id,
            "account.totp",
            _who(visitor),
            totp_secret=secret,
            totp_waiting=None,
            totp_step=step,
        )
        self.sessions.forget()

    def remove_totp(self, visitor: Visitor, password: str, address: str) -> None:
        """From now on no code is needed; WrongCredentials or TooOften when the password is wrong."""
        self._prove(visitor, password, address)
        self.book.update_own(
            visitor.key_id, "account.totp_removed", _who(visitor), totp_secret=None, totp_waiting=None
        )
        self.sessions.forget()

    def set_pseudonymous(self, visitor: Visitor, *, on: bool) -> None:
        """Show pseudonyms instead of names in this session, or names again; the audit log has both."""
        self.sessions.set_pseudonymous(visitor, on=on)
        deed = Deed(visitor.key_id, "session.pseudonymous", visitor.key_id, visitor.role, {"on": on})
        with writing(self.book.database) as connection:
            audit.append(connection, self._now_us(), visitor.tenant, deed)

    def leave(self, visitor: Visitor) -> None:
        """End the session."""
        self.sessions.end(visitor)

    def _prove(self, visitor: Visitor, password: str, address: str) -> None:
        self._throttle.take(visitor.key_id, address)
        row = self._own(visitor)
        if not self.book.passwords.fits(password, row["password"]):
            self._note_failure(row, "password")
            raise WrongCredentials
        self._throttle.succeed(visitor.key_id, address)

    def _own(self, visitor: Visitor) -> dict[str, Any]:
        row = self._row(visitor.key_id)
        if row is None:
            raise WrongCredentials
        return row

    def _now_us(self) -> int:
        return round(self._clock() * 1e6)


def _who(visitor: Visitor) -> Deed:
    return Deed(visitor.key_id, "", "", visitor.role)
