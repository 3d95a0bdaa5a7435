"""The vocabulary of triage: states, OCSF verdicts and status, and who asks for a change."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from features.errors import HabitusError, InputError
from models.incidents import severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from serving.audit import Deed

STATES = ("new", "triaged", "in_progress", "contained", "closed")
STATUS = {
    "new": (1, "New"),
    "triaged": (2, "In Progress"),
    "in_progress": (2, "In Progress"),
    "contained": (2, "In Progress"),
    "closed": (4, "Resolved"),
}
"""OCSF status_id and status of a Detection Finding by state."""
VERDICTS = {
    1: "False Positive",
    2: "True Positive",
    4: "Suspicious",
    5: "Benign",
    6: "Test",
    7: "Insufficient Data",
    10: "Duplicate",
}
"""OCSF verdict_id (profile `incident`) and its caption."""
TRUE_POSITIVE = 2
CLEARED = frozenset({1, 5, 6})
"""Verdicts that say that it was nothing: what was held back on that day may be learned."""
ALARMING = frozenset({TRUE_POSITIVE, 4})
"""Verdicts that say that it was something, or may have been."""
SEVERITY = severity.NAMES
"""OCSF severity_id and its caption."""

NOTE_LENGTH = 10_000
REASON_LENGTH = 2_000
NAME_LENGTH = 120
KEY_LENGTH = 200


class Missing(HabitusError):
    """There is no such thing in the caller's tenant."""


class Conflict(HabitusError):
    """Somebody was faster: what is changed is not what the caller saw. `present` is what it is now."""

    def __init__(self, message: str, present: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.present = present


class Repeated(HabitusError):
    """The request was carried out before; `answer` is what it was answered."""

    def __init__(self, answer: bytes) -> None:
        super().__init__("carried out before")
        self.answer = answer


class Asked(NamedTuple):
    """Who asks for a change, and under which conditions.

    who: its actor and role. version: the alert's as the caller saw it, None for any. key: the caller's
    idempotency key, "" for none. what: the request in full, to tell whether a key is used for another one.
    """

    tenant: str
    who: Deed
    version: int | None = None
    key: str = ""
    what: bytes = b""

    @property
    def digest(self) -> bytes:
        """SHA-256 of who asks for what."""
        return hashlib.sha256(msgspec.json.encode([self.who.actor, self.what])).digest()


def contradict(verdict_ids: Iterable[int]) -> bool:
    """Whether one of these says that it was something and another that it was nothing."""
    said = set(verdict_ids)
    return bool(said & ALARMING) and bool(said & CLEARED)


def severity_of(risk: float) -> int:
    """OCSF severity_id of an alert's risk in nats: that of an incident of this alert alone, before
    it is asked what it touches and how far it has come.

    Risk is the negative natural logarithm of a tail probability: of e^9, about 8,000 quiet entity-days, one
    reaches 9 by chance.
    """
    return severity.severity_id(risk)


def least_risk(severity_id: int) -> float:
    """The risk from which an alert has a severity; -inf for the lowest."""
    return next((bar for bar, known in severity.BARS if known == severity_id), float("-inf"))


def words(text: str, name: str, most: int, *, lines: bool = False) -> str:
    """What a person wrote, checked.

    lines: whether line breaks and tabs may be in it.

    Raises
    ------
    InputError
        If it is too long, or has control characters: they would steer terminals, and PostgreSQL takes no NUL.
    """
    if len(text) > most:
        raise InputError(f"{name}: {len(text):,} characters are more than {most:,}; shorten it")
    allowed = "\n\t\r" if lines else ""
    if any(not (character.isprintable() or character in allowed) for character in text):
        raise InputError(f"{name}: has control characters; send plain text")
    return text


def checked_state(text: str) -> str:
    """A state; InputError when it is none that can be set."""
    if text not in STATES[1:]:
        raise InputError(f"state={text[:20]!r}: one of {', '.join(STATES[1:])}")
    return text


def checked_verdict(number: int) -> int:
    """An OCSF verdict_id that means something here; InputError when it does not."""
    if number not in VERDICTS:
        known = ", ".join(f"{one} {name.lower()}" for one, name in VERDICTS.items())
        raise InputError(f"verdict_id={number}: one of {known}")
    return number
