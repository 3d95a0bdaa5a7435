"""A service with people, in this process: a store, cheap hashes, and a browser that keeps its cookie."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx

from serving.accounts.passwords import Passwords
from serving.accounts.people import People
from serving.audit import Deed
from serving.http.app import Front
from serving.http.reading import application
from serving.http.settings import Settings
from tests.serving.doubles import MemoryCaller, MemoryKeys

ROOT = Deed("cli:root", "", "")
PASSWORD = "correct horse battery"
ADMIN_KEY = "admin-key-of-acme"


def cheap() -> Passwords:
    """Hashes that cost nothing."""
    return Passwords(memory_kib=64, passes=1)


@dataclass
class Office:
    """The front over a core that has a database, with people."""

    core: Any
    is_secure: bool = False
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        self.people = People.over(self.core.database, is_secure=self.is_secure, hasher=cheap())
        keys = MemoryKeys({ADMIN_KEY: MemoryCaller("acme", "admin")})
        self.front = Front(application(), self.core, keys, self.settings, people=self.people)

    def hire(self, login: str, role: str = "analyst", tenant: str = "acme") -> None:
        """An account with PASSWORD."""
        book = self.people.book
        book.create(tenant, login, role, "", ROOT)
        book.update_own(login, "", ROOT, password=book.passwords.hashed(PASSWORD), must_change=False)

    def browser(self, login: str = "") -> Browser:
        """A browser, signed in if a login is given."""
        made = Browser(self)
        if login:
            answer = made.sign_in(login)
            assert answer.status_code == 200, answer.text
        return made


@dataclass
class Browser:
    """Sends its cookies, and the token of its session with whatever changes something."""

    office: Office
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)
    csrf: str = ""
    address: str = "192.0.2.1"

    def sign_in(self, login: str, password: str = PASSWORD, totp: str = "") -> httpx.Response:
        """POST /console/session."""
        body = {"login": login, "password": password, **({"totp": totp} if totp else {})}
        answer = self.ask("POST", "/console/session", json=body)
        if answer.status_code == 200:
            self.csrf = answer.json()["csrf"]
        return answer

    def ask(self, method: str, path: str, *, csrf: str | None = None, **more: Any) -> httpx.Response:
        """One request; csrf: None sends the session's own token."""

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.office.front, client=(self.address, 4711))
            base = "https://habitus" if self.office.is_secure else "http://habitus"
            async with httpx.AsyncClient(transport=transport, base_url=base, cookies=self.cookies) as client:
                headers = {"sec-fetch-mode": "cors", **more.pop("headers", {})}
                token = self.csrf if csrf is None else csrf
                if token:
                    headers["X-CSRF-Token"] = token
                answer = await client.request(method, path, headers=headers, **more)
                self.cookies = client.cookies
                return answer

        return asyncio.run(once())
