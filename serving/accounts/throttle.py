"""How often a sign-in may fail before it has to wait."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from features.errors import HabitusError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

REMEMBERED = 20_000
TIDY_SECONDS = 10.0


class TooOften(HabitusError):
    """Too many wrong attempts; `retry_after_s` seconds until the next one is looked at."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("too many attempts that were wrong: wait a little, then try again")
        self.retry_after_s = retry_after_s


class Rate(NamedTuple):
    """So many failures at once, and then one every so many seconds."""

    burst: int
    every_seconds: float


FROM_ONE_PLACE = Rate(5, 30.0)
"""Of one login from one address: about 2,900 guesses a day, against twelve characters or more."""
FROM_EVERYWHERE = Rate(30, 10.0)
"""Of one login from all addresses: wide enough that a stranger hardly locks somebody out."""


class Throttle:
    """Counts failures by login and address, in memory. Thread-safe.

    An attempt takes its turn before the password is looked at, and gives it back if that was right: attempts
    that are made at the same time do not all slip through.

    Parameters
    ----------
    clock
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._paid_until: dict[Hashable, float] = {}
        self._tidy_at = 0.0
        self._lock = threading.Lock()

    def take(self, login: str, address: str) -> None:
        """Count an attempt as a failure; TooOften when it has to wait, and then it is not counted."""
        now = self._clock()
        with self._lock:
            planned = []
            for key, rate in _keys(login, address):
                until = max(self._paid_until.get(key, now), now)
                wait = until - now - (rate.burst - 1) * rate.every_seconds
                if wait > 0:
                    raise TooOften(wait)
                planned.append((key, until + rate.every_seconds))
            if len(self._paid_until) > REMEMBERED and now >= self._tidy_at:
                self._paid_until = {key: until for key, until in self._paid_until.items() if until > now}
                self._tidy_at = now + TIDY_SECONDS
            if len(self._paid_until) > 2 * REMEMBERED:
                raise TooOften(TIDY_SECONDS)
            self._paid_until.update(planned)

    def succeed(self, login: str, address: str) -> None:
        """Forget the failures from here; those from elsewhere still count."""
        (here, _), (everywhere, rate) = _keys(login, address)
        with self._lock:
            self._paid_until.pop(here, None)
            if everywhere in self._paid_until:
                self._paid_until[everywhere] -= rate.every_seconds


def _keys(login: str, address: str) -> tuple[tuple[Hashable, Rate], ...]:
    return ((login, address), FROM_ONE_PLACE), (login, FROM_EVERYWHERE)
