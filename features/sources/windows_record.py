"""What every Windows mapping shares: the record as any carrier delivers it, rules, and who is who."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from features import identity
from features.events import SUCCESS
from features.sources.parsing import TEXT_LIMIT, epoch_us, integer, iso_us
from features.sources.parsing import text as _any_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from features.events import Event
    from features.sources.base import SourceContext

PLACEHOLDERS: Final = frozenset({"", "-", "--", "N/A", "(NULL)", "(null)", "%%1793", "%%1794", "NULL"})
"""How Windows writes "no value"; %%1793 is <value not set> and %%1794 is <never>."""
OTHER: Final = 99
"""activity_id of OCSF for an activity that its class does not list."""
_CACHE_LIMIT: Final = 65_536
_NAME_LIMIT: Final = 256
MESSAGE_LIMIT: Final = 65_536
"""Characters kept of a rendered message; PowerShell's hold the whole command."""


def text(value: object, limit: int = TEXT_LIMIT) -> str:
    """`features.sources.parsing.text` with a short way for plain short text, which is nearly all there is."""
    if type(value) is str and len(value) <= limit:  # a JSON decoder lets no lone surrogates through
        return value
    return _any_text(value[:limit]) if limit > TEXT_LIMIT and isinstance(value, str) else _any_text(value)


def utc_us(stamp: object, minutes: dict[str, int]) -> int:
    """Microseconds UTC of a time stamp; RecordError if it is none or out of range.

    Read are ISO 8601 text (without a zone: UTC), seconds or milliseconds since 1970 (told apart by size:
    seconds reach 1e11 in the year 5138), `/Date(milliseconds)/` of Windows PowerShell, and `2024-01-15
    10:30:45 +0000`.

    Parameters
    ----------
    stamp
        The value as it came.
    minutes
        Memory for the minutes met so far, filled here: nearly all stamps of a file share a few thousand.
    """
    if type(stamp) is str and len(stamp) >= 19 and stamp.isascii() and stamp[16] == ":":
        rest = stamp[17:-1] if stamp[-1] == "Z" else stamp[17:]
        seconds, dot, fraction = rest[:2], rest[2:3], rest[3:]
        if (
            seconds.isdigit()
            and seconds < "60"
            and (fraction.isdigit() and dot == "." if dot else not fraction)
        ):
            minute = stamp[:16]
            base = minutes.get(minute)
            if base is None:
                base = iso_us(minute)
                if len(minutes) >= _CACHE_LIMIT:
                    minutes.clear()
                minutes[minute] = base
            return base + int(seconds) * 1_000_000 + (int(fraction[:6].ljust(6, "0")) if dot else 0)
    if isinstance(stamp, int | float) and not isinstance(stamp, bool):
        return epoch_us(stamp, 1_000_000 if abs(stamp) < 1e11 else 1_000)
    if isinstance(stamp, str):
        if stamp.startswith("/Date("):
            return epoch_us(stamp[6:32].partition(")")[0], 1_000)
        stamp = stamp[:64].removesuffix(" UTC")
        if " " in stamp[19:]:
            stamp = stamp[:19] + stamp[19:].replace(" ", "")
    return iso_us(stamp)


class WindowsRecord(msgspec.Struct, kw_only=True, gc=False):
    """One record of a Windows event log, whichever way it came.

    `time_us` is microseconds since 1970 UTC. `sid`, `account` and `account_domain` are
    System.Security.UserID and the account it stands for: who wrote the record, which is often the service
    that logs and not the one who acts. `audit` is 1 for audit success, 2 for audit failure, 0 for neither.
    `data` holds EventData or UserData, one level deep; unnamed values are called param1, param2 and so on,
    as winlogbeat calls them.
    """

    time_us: int
    event_id: int
    provider: str = ""
    channel: str = ""
    computer: str = ""
    record_id: str = ""
    sid: str = ""
    account: str = ""
    account_domain: str = ""
    audit: int = 0
    raw_message: object = None
    data: dict[str, object] = {}

    @property
    def message(self) -> str:
        """The rendered message, "" if there is none; looked at only where a carrier drops fields."""
        return text(self.raw_message, MESSAGE_LIMIT)

    def get(self, name: str) -> str:
        """Text of a field, "" when it is absent, a placeholder or no scalar."""
        value = self.data.get(name)
        if type(value) is str and len(value) <= TEXT_LIMIT:
            return "" if value in PLACEHOLDERS else value
        if value is None:
            return ""
        found = text(value)
        return "" if found in PLACEHOLDERS else found

    def first(self, *names: str) -> str:
        """Text of the first of these fields that says something."""
        for name in names:
            found = self.get(name)
            if found:
                return found
        return ""

    def number(self, name: str) -> int:
        """Integer of a field that is decimal, 0x text or a number; 0 if it is none."""
        return integer(self.data.get(name))

    def first_number(self, *names: str) -> int:
        """Integer of the first of these fields that is there; 0 if none is."""
        for name in names:
            if self.get(name):
                return integer(self.data.get(name))
        return 0


class Resolver:
    """Entity names for one stream of records: the rules of `features.identity`, with answers remembered.

    Nothing here changes an answer: only results that do not depend on earlier records are remembered.
    """

    def __init__(self, context: SourceContext) -> None:
        self._identity = context.identity
        self._users: dict[tuple[str, str, str, str], str] = {}
        self._hosts: dict[str, str] = {}
        self._ips: dict[str, str] = {}

    def user(self, name: str, domain: str, sid: str, computer: str) -> str:
        """Entity name of an account, "" for a part of the operating system or nobody."""
        if not name and not sid:
            return ""
        # A bare SID may become a name when a later record pairs them; long names are not worth the memory.
        if not name or name.startswith(("S-1-", "%{")) or len(name) + len(domain) > _NAME_LIMIT:
            return self._identity.user(name, domain=domain, sid=sid, host=computer)
        key = (name, domain, sid, computer)
        known = self._users.get(key)
        if known is None:
            if len(self._users) >= _CACHE_LIMIT:
                self._users.clear()
            known = self._identity.user(name, domain=domain, sid=sid, host=computer)
            self._users[key] = known
        return known

    def host(self, name: str) -> str:
        """Entity name of a host."""
        known = self._hosts.get(name)
        if known is None and len(name) > _NAME_LIMIT:
            return identity.host(name)
        if known is None:
            if len(self._hosts) >= _CACHE_LIMIT:
                self._hosts.clear()
            known = self._hosts[name] = identity.host(name)
        return known

    def ip(self, address: str) -> str:
        """Normalised address."""
        known = self._ips.get(address)
        if known is None and len(address) > _NAME_LIMIT:
            return identity.ip(address)
        if known is None:
            if len(self._ips) >= _CACHE_LIMIT:
                self._ips.clear()
            known = self._ips[address] = identity.ip(address)
        return known


def set_source(event: Event, who: Resolver, address: str, workstation: str = "") -> None:
    """Fill where it came from. A loopback address says "this machine", so it becomes the host, no address."""
    if address:
        found = who.ip(address)
        if found == "::1" or found.startswith("127."):
            event.src_host = event.host
        else:
            event.src_ip = found
    if workstation:
        event.src_host = who.host(workstation) or event.src_host


class Rule:
    """How records of one event id become events.

    Parameters
    ----------
    class_uid, activity_id, operation
        As in `features.events`; operation is the source's own short name for what was done.
    actor
        Where the one who acts stands: "subject", "target", "writer" (System.Security), "user" (field User),
        or "any" for the generic search.
    target
        True if the account in the Target fields is the one acted upon.
    copy
        Pairs of event attribute and field name (or names, tried in turn) that are taken as they are.
    source
        Field with the address that it came from.
    status_id
        Result if the record has no audit keyword.
    detail
        Function for what a table cannot say; called last.
    """

    __slots__ = (
        "activity_id",
        "actor",
        "class_uid",
        "copy",
        "detail",
        "operation",
        "source",
        "status_id",
        "target",
    )

    def __init__(
        self,
        class_uid: int,
        activity_id: int,
        operation: str,
        actor: str = "subject",
        *,
        target: bool = False,
        copy: tuple[tuple[str, str | tuple[str, ...]], ...] = (),
        source: str = "",
        status_id: int = SUCCESS,
        detail: Callable[[Event, WindowsRecord, Resolver], None] | None = None,
    ) -> None:
        self.class_uid = class_uid
        self.activity_id = activity_id
        self.operation = operation
        self.actor = actor
        self.target = target
        self.copy = tuple((name, (field,) if isinstance(field, str) else field) for name, field in copy)
        self.source = source
        self.status_id = status_id
        self.detail = detail


def with_detail(
    *steps: Callable[[Event, WindowsRecord, Resolver], None],
) -> Callable[[Event, WindowsRecord, Resolver], None]:
    """Join several detail functions to one."""

    def run(event: Event, record: WindowsRecord, who: Resolver) -> None:
        for step in steps:
            step(event, record, who)

    return run


def assignments(body: str, separator: str = "=") -> dict[str, str]:
    """Read lines of `Key = Value` (WMI's and SQL Server's messages); the first of a key wins.

    Keys are lower case. Lines without the separator are skipped.
    """
    found: dict[str, str] = {}
    for line in body.splitlines():
        key, mark, value = line.partition(separator)
        if mark:
            found.setdefault(key.strip().lower(), value.strip())
    return found


def url_host(url: str) -> str:
    """Host name of an http, https or ftp URL, "" if it is none. No validation: the name is reduced later."""
    scheme, mark, rest = url.partition("://")
    if not mark or scheme.strip().lower() not in ("http", "https", "ftp"):
        return ""
    authority = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.partition(":")[0]
