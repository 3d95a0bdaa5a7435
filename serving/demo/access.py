"""How somebody gets in: a port, a first sign-in, and the lines that say so."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from serving.demo.traffic import TENANT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from serving.store.database import Database

LOGIN = "demo"
ACTOR = "cli:demo"
TRY_SECONDS = 0.1
_RESET = "habitus accounts reset {} --data-dir {}"


class Welcome(NamedTuple):
    """Where the service is, how to sign in, and how long it took."""

    url: str
    sign_in: str
    seconds: float

    def text(self) -> str:
        """What is printed."""
        return (
            f"\n  console   {self.url}/console\n  sign in   {self.sign_in}\n\n"
            f"Ready after {self.seconds:,.0f} s. The organisation is at work; in a moment somebody breaks in."
            " Ctrl-C ends it.\n"
        )


def port(wanted: int) -> int:
    """The wanted port of this machine, or a free one where it is taken or 0."""
    for number in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def when_ready(host: str, number: int, then: Callable[[], None]) -> None:
    """Call something, in a thread of its own, as soon as somebody listens."""

    def wait() -> None:
        while True:
            try:
                with socket.create_connection((host, number), timeout=1):
                    break
            except OSError:
                time.sleep(TRY_SECONDS)
        then()

    threading.Thread(target=wait, name="habitus-demo-ready", daemon=True).start()


def sign_in(database: Database, data_dir: Path) -> str:
    """How to sign in: a one-time password as long as nobody has used one, then the person's own."""
    from serving.accounts.book import Accounts
    from serving.audit import Deed

    accounts, who = Accounts(database), Deed(ACTOR, "", "")
    known = accounts.find(LOGIN)
    if known is None:
        password = accounts.create(TENANT, LOGIN, "admin", "Demo", who)
    elif known.must_change:
        password = accounts.reset(LOGIN, who)
    else:
        return f"{LOGIN}, with the password you chose (forgotten: {_RESET.format(LOGIN, data_dir)})"
    return f"{LOGIN}, one-time password {password}"
