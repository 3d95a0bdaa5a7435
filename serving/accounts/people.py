"""Everything about people that a process needs, put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.accounts.book import Accounts
from serving.accounts.sessions import Sessions
from serving.accounts.signin import SignIn
from serving.accounts.throttle import Throttle

if TYPE_CHECKING:
    from serving.accounts.oidc import Provider
    from serving.accounts.passwords import Passwords
    from serving.store.database import Database

COOKIE, SECURE_COOKIE = "habitus", "__Host-habitus"


@dataclass(frozen=True)
class People:
    """Accounts, sessions, and the way in.

    Parameters
    ----------
    is_secure
        Whether browsers reach the service by TLS only: then the cookie is never sent without it.
    provider
        Where people may sign in as well; None for passwords alone.
    """

    book: Accounts
    sessions: Sessions
    sign_in: SignIn
    is_secure: bool
    provider: Provider | None = None

    @classmethod
    def over(
        cls,
        database: Database,
        *,
        is_secure: bool,
        hasher: Passwords | None = None,
        provider: Provider | None = None,
    ) -> People:
        """The people of a store."""
        book, sessions = Accounts(database, hasher), Sessions(database)
        return cls(book, sessions, SignIn(book, sessions, Throttle()), is_secure, provider)

    @property
    def cookie(self) -> str:
        """Name of the session's cookie; `__Host-` binds it to this host, to TLS and to no path."""
        return SECURE_COOKIE if self.is_secure else COOKIE
