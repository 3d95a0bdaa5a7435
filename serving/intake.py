"""What waits to be written: bounded, and taken from the tenants in turn."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from serving.journal import Kind
from serving.submission import COUNTED, Busy, Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from serving.journal import Operation
    from serving.replies import Reply
    from serving.submission import Receipt

OVERHEAD = 512
"""Bytes that a submission counts besides its body: empty ones are bounded too."""


@dataclass(eq=False)
class Item:
    """An operation on its way, and who waits for it. `future` is None for the core's own operations."""

    operation: Operation
    future: Future[Receipt] | Reply | None = None
    want_scores: bool = False

    @property
    def size(self) -> int:
        """Bytes that it counts."""
        return len(self.operation.body) + OVERHEAD

    @property
    def is_hurried(self) -> bool:
        """Whether it is answered as soon as it is on disk, before anything is known of what is in it."""
        operation = self.operation
        return (
            self.future is not None
            and operation.kind is Kind.SUBMISSION
            and operation.protocol not in COUNTED
        )


@dataclass
class _Queue:
    items: deque[Item] = field(default_factory=deque)
    size: int = 0


class Intake:
    """Queues by tenant under one lock. Thread-safe.

    Each group takes from every tenant that has something, at most an even share of the group before all
    others had theirs; who had the last turn comes last next time. A tenant that floods the service fills its
    own queue and is told so, and delays others by no more than its share of a group.

    Parameters
    ----------
    total_bytes, tenant_bytes
        What may wait, of all tenants and of one.
    hurry
        Called when something begins to wait that `is_patient` is about.
    """

    def __init__(self, total_bytes: int, tenant_bytes: int, hurry: Callable[[], None] = lambda: None) -> None:
        self._total_bytes = total_bytes
        self._tenant_bytes = tenant_bytes
        self._queues: dict[str, _Queue] = {}
        self._turn: deque[str] = deque()
        self._size = 0
        self._hurried = 0
        self._hurry = hurry
        self._open = True
        self._changed = threading.Condition()

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._size

    def put(self, item: Item) -> None:
        """Let an item wait.

        Raises
        ------
        Busy
            If the tenant's queue or all together are full; a queue always takes one item.
        Refused
            If the service is stopping.
        """
        with self._changed:
            if not self._open:
                raise Refused("the service is stopping; send it again")
            tenant = item.operation.tenant
            queue = self._queues.get(tenant)
            if item.future is not None:
                if queue is not None and queue.items and queue.size + item.size > self._tenant_bytes:
                    raise Busy(
                        f"{queue.size >> 20} MiB of this tenant wait to be written", reason="tenant_queue"
                    )
                if self._size and self._size + item.size > self._total_bytes:
                    raise Busy(f"{self._size >> 20} MiB wait to be written", reason="queue")
            if queue is None:
                queue = self._queues[tenant] = _Queue()
            if not queue.items:
                self._turn.append(tenant)
            queue.items.append(item)
            queue.size += item.size
            self._size += item.size
            self._hurried += item.is_hurried
            self._changed.notify()
            if self._hurried == 1 and item.is_hurried:
                self._hurry()

    def is_patient(self) -> bool:
        """Whether nobody who waits is answered before the engine had it: to be on disk sooner helps none."""
        return not self._hurried

    def wait(self, timeout: float) -> None:
        """Block until something waits, or for so long."""
        with self._changed:
            if not self._turn:
                self._changed.wait(timeout)

    def take(self, most_bytes: int, most_items: int) -> list[Item]:
        """A group, in the order it is to be written; empty when nothing waits."""
        with self._changed:
            group: list[Item] = []
            taken = 0
            share = most_bytes // max(1, len(self._turn))
            while self._turn and taken < most_bytes and len(group) < most_items:
                tenant = self._turn.popleft()
                queue = self._queues[tenant]
                mine = 0
                while queue.items and mine <= share and len(group) < most_items:
                    if group and taken + queue.items[0].size > most_bytes:
                        break
                    item = queue.items.popleft()
                    group.append(item)
                    mine += item.size
                    taken += item.size
                    queue.size -= item.size
                    self._hurried -= item.is_hurried
                if queue.items:
                    self._turn.append(tenant)
                else:
                    del self._queues[tenant]
                if not mine:
                    break
            self._size -= taken
            return group

    def everything(self) -> list[Item]:
        """Take out all that waits."""
        return self.take(1 << 62, 1 << 30)

    def close(self) -> None:
        """Take nothing more in; what waits can still be taken out."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
