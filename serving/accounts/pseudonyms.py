"""Pseudonyms for the names of people, so that alerts can be worked on without knowing who it is.

A pseudonym is an HMAC of the name under a secret of the tenant: the same one for ever, and of no use without
the service. It protects from looking, not from guessing what somebody does from what is shown.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from features.behaviours import ENTITY_KINDS
from serving.store.tables import tenants

if TYPE_CHECKING:
    from collections.abc import Iterable

    from serving.http.ports import Acts

KEPT_SECONDS = 60.0
FORM = re.compile(r"user-[0-9a-f]{12}")
_WORD = re.compile(r"[^\s\"'<>()\[\]{},;:|=]+")
_PART = re.compile(r"[^\\/@]+")
_END = ".!?"
PLAIN = frozenset(
    {
        "action", "actor", "analyst", "assignee", "behaviour", "channel", "class", "class_name", "day",
        "entity_kind", "error", "event_uid", "hash", "kind", "label", "next", "protocol", "role",
        "severity", "source", "state", "status", "tenant", "tenant_uid", "time", "uid", "verdict", "version",
    }
)  # fmt: skip
"""Fields that never name a person whose habits are kept: a user called "new" must not change a state."""
GONE = frozenset({"raw"})
"""What was sent is not gone through for names: it is not shown."""


class Names:
    """The users of a tenant, by name and by pseudonym.

    Parameters
    ----------
    key
        Secret of the tenant.
    names
        Of users, as the baselines have them.
    """

    def __init__(self, key: bytes, names: Iterable[str]) -> None:
        self._key = key
        self.known = {name.casefold(): name for name in names}
        self.by_pseudonym = {self.pseudonym(name): name for name in self.known.values()}

    def pseudonym(self, name: str) -> str:
        """Of any name."""
        digest = hmac.digest(self._key, b"pseudonym\0" + name.casefold().encode("utf-8", "replace"), "sha256")
        return f"user-{digest[:6].hex()}"

    def holds(self, text: str) -> bool:
        """Whether a text is in the name of a user, whatever the case."""
        wanted = text.casefold()
        return any(wanted in name for name in self.known)

    def named(self, text: str) -> str:
        """A text with names in the place of pseudonyms."""
        return FORM.sub(lambda found: self.by_pseudonym.get(found[0], found[0]), text)

    def veiled(self, value: Any) -> Any:
        """A JSON value with pseudonyms in the place of names."""
        fresh: set[str] = set()
        _collect(value, fresh)
        more = {name.casefold() for name in fresh}
        spaced = [name for name in [*self.known, *more] if _WORD.fullmatch(name) is None]
        return self._walk(value, "", more, spaced)

    def _walk(self, value: Any, key: str, more: set[str], spaced: list[str]) -> Any:
        if isinstance(value, dict):
            return {
                name: None if name in GONE else self._walk(part, name, more, spaced)
                for name, part in value.items()
            }
        if isinstance(value, list):
            return [self._walk(part, key, more, spaced) for part in value]
        if isinstance(value, str) and key not in PLAIN:
            return self._text(value, more, spaced)
        return value

    def _text(self, text: str, more: set[str], spaced: list[str]) -> str:
        folded = text.casefold()
        if folded in self.known or folded in more:
            return self.pseudonym(text)
        for name in spaced:
            if name in folded:
                text = re.sub(re.escape(name), self.pseudonym(name), text, flags=re.IGNORECASE)

        def word(found: re.Match[str]) -> str:
            whole = found[0].rstrip(_END)
            rest = found[0][len(whole) :]
            if self._is_name(whole, more):
                return self.pseudonym(whole) + rest
            return _PART.sub(part, whole) + rest

        def part(found: re.Match[str]) -> str:
            return self.pseudonym(found[0]) if self._is_name(found[0], more) else found[0]

        return _WORD.sub(word, text)

    def _is_name(self, word: str, more: set[str]) -> bool:
        folded = word.casefold()
        return folded in self.known or folded in more


def _collect(value: Any, found: set[str]) -> None:
    """Names of users that an answer gives as such, also of those who came a moment ago."""
    if isinstance(value, list):
        for part in value:
            _collect(part, found)
        return
    if not isinstance(value, dict):
        return
    kind = value.get("entity_kind", value.get("kind"))
    for key, part in value.items():
        if isinstance(part, str) and part and not FORM.fullmatch(part):
            if (kind == "user" and key in ("entity", "name")) or key == "user":
                found.add(part)
        elif key == "user" and isinstance(part, dict) and isinstance(part.get("name"), str):
            found.add(part["name"])
        else:
            _collect(part, found)


class Pseudonyms:
    """The names of all tenants, looked up anew every minute.

    Parameters
    ----------
    core
        Knows them.
    """

    def __init__(self, core: Acts) -> None:
        self._core = core
        self._kept: dict[str, tuple[float, Names]] = {}

    async def of(self, tenant: str) -> Names:
        """The names of a tenant; O(its users)."""
        kept, now = self._kept.get(tenant), time.monotonic()
        if kept is not None and now - kept[0] < KEPT_SECONDS:
            return kept[1]

        def users() -> list[str]:
            baselines = self._core.state_of(tenant).detector.baselines
            entities = baselines.entities
            ids = (entities.kind[: entities.end] == ENTITY_KINDS.index("user")).nonzero()[0]
            return baselines.values.many(entities.name[ids])

        names = await asyncio.wrap_future(self._core.ask(users))
        made = await asyncio.to_thread(lambda: Names(self._key(tenant), names))
        self._kept[tenant] = (now, made)
        return made

    def _key(self, tenant: str) -> bytes:
        with self._core.database.read() as connection:
            query = select(tenants.c.key_seed).where(tenants.c.tenant == tenant)
            seed = connection.execute(query).scalar()
        return hashlib.sha256(b"habitus pseudonyms\0%d" % int(seed or 0)).digest()
