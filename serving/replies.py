"""Receipts on their way from the core's threads to the coroutines that wait for them."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from serving.submission import Receipt


class Mailbox:
    """Wakes an event loop once for all that came in since it was woken last.

    A wake-up is a system call and takes the interpreter from one thread to the other: with one for each
    request, a group of a hundred costs a hundred of both.

    Parameters
    ----------
    loop
        Where the coroutines run.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._come: deque[tuple[asyncio.Future[Receipt], Receipt | Exception]] = deque()
        self._woken = False

    def put(self, future: asyncio.Future[Receipt], content: Receipt | Exception) -> None:
        """Hand something over; from any thread."""
        self._come.append((future, content))
        if not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        # first the flag, then the content: what comes in between wakes us again, for nothing at worst
        self._woken = False
        while self._come:
            future, content = self._come.popleft()
            if future.done():
                continue
            if isinstance(content, Exception):
                future.set_exception(content)
            else:
                future.set_result(content)


class Reply:
    """What a coroutine waits for: to the core's threads a `concurrent.futures.Future`, as far as they use it.

    Make it on the loop's thread, and wait for `future` there.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self.future: asyncio.Future[Receipt] = mailbox.loop.create_future()
        self._mailbox = mailbox
        self._told = False

    def set_running_or_notify_cancel(self) -> bool:
        """False when nobody waits any more."""
        return not self.future.cancelled()

    def done(self) -> bool:
        """Whether it was told something."""
        return self._told

    def set_result(self, receipt: Receipt) -> None:
        """Tell it what became of the operation."""
        self._told = True
        self._mailbox.put(self.future, receipt)

    def set_exception(self, error: Exception) -> None:
        """Tell it why nothing did."""
        self._told = True
        self._mailbox.put(self.future, error)
