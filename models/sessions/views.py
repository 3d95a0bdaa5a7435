"""What a session is, as data: which entity, together with what, and what is counted of it.

A day's sum over everything an entity did loses what belongs together: forty calls from a network never seen
before are lost in a thousand calls from the office. So a day is also cut into sessions, one for each partner
of the entity, and each session is compared with past sessions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features import events as ocsf
from features.behaviours import COLUMN, ENTITY_KINDS, LOGON, PROCESS
from features.measures import API

ZONE, WHOLE = "zone", ""
"""Partners that are no value column: the network of a public source address, or "inside" for all private
ones; and one partner for everything.
"""
INSIDE = 1
"""Partner number of everything that is no value: the inside zone, the whole day."""
FRESH_DAYS = 3
"""Days after its first that a session counts as new: a short trip, a lease that is renewed once."""


@dataclass(frozen=True)
class View:
    """One way to cut a day.

    Attributes
    ----------
    name
        Unique.
    entity
        "user", "host" or "src_ip".
    partner
        A value column, ZONE or WHOLE.
    fresh_only
        Whether only sessions with a partner that is new for the entity (FRESH_DAYS) are reported.
    says
        What an entity did in such a session, in words; "{partner}" stands for the partner.
    """

    name: str
    entity: str
    partner: str
    fresh_only: bool = False
    says: str = "with {partner}"

    @property
    def kind(self) -> int:
        """Place of the entity in ENTITY_KINDS."""
        return ENTITY_KINDS.index(self.entity)


VIEWS = (
    View("user by zone", "user", ZONE, says="from {partner}"),
    View("user by new address", "user", "src_ip", fresh_only=True, says="from {partner}, new for this user"),
    View("host by account", "host", "user", says="as {partner}"),
    View("host by new domain", "host", "domain", fresh_only=True, says="with {partner}, new for this host"),
    View("address", "src_ip", WHOLE, says="over the day"),
)
"""Views that report everything are column 0 of a day's session scores, those of new partners column 1."""
COLUMNS = 2


@dataclass(frozen=True)
class Tally:
    """Events of a session that are counted: of these classes (empty: all), whose activity has one of these
    words (empty: all) and, if asked, failed.
    """

    name: str
    classes: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    failed: bool = False

    def applies(self, class_uid: int, activity: str) -> bool:
        """Whether events of a class with this activity text (see `features.columns`) are counted."""
        if self.classes and class_uid not in self.classes:
            return False
        if self.failed and not activity.endswith(" failed"):
            return False
        said = activity.partition(": ")[2].split()
        return not self.words or any(word in said for word in self.words)


TALLIES = (
    Tally("events"),
    Tally("failures", failed=True),
    Tally("sign-ins", classes=LOGON),
    Tally("calls", classes=API),
    Tally("share accesses", classes=(ocsf.SMB_ACTIVITY,)),
    Tally("web requests", classes=(ocsf.HTTP_ACTIVITY,)),
    Tally("cloud files", classes=(ocsf.FILE_HOSTING,)),
    Tally("programs", classes=PROCESS),
    Tally("created", words=("create",)),
    Tally("changed", words=("update", "overwrite", "modify")),
    Tally("removed", words=("delete",)),
)
SUMS = ("first_user", "first_host", "first_src_ip", "bytes_in", "bytes_out")
"""Values shown for the first time by user, host and address; bytes."""
DISTINCT = (
    "host",
    "src_ip",
    "dst",
    "api",
    "resource",
    "activity",
    "command",
    "file",
    "user_agent",
    "domain",
    "target_user",
    "user",
    "hour",
)
"""Columns whose different values are counted."""
NOUNS = {
    "first_user": "things new for the user",
    "first_host": "things new for the host",
    "first_src_ip": "things new for the address",
    "bytes_in": "bytes received",
    "bytes_out": "bytes sent",
    "src_ip": "addresses",
    "dst": "destinations",
    "api": "different calls",
    "activity": "kinds of activity",
    "user_agent": "user agents",
    "target_user": "target accounts",
} | {name: f"{name}s" for name in ("host", "resource", "command", "file", "domain", "user", "hour")}
"""How counts are called where their own names do not say it."""
COUNTS = (*(tally.name for tally in TALLIES), *SUMS, *DISTINCT)
DISTINCT_COLUMNS = np.array([COLUMN[name] for name in DISTINCT], np.int64)


def bits_of(class_uid: int, activity: str) -> int:
    """Bit mask of the tallies that count an event."""
    return sum(1 << index for index, tally in enumerate(TALLIES) if tally.applies(class_uid, activity))


def partners(view: View, columns: np.ndarray) -> np.ndarray:
    """Partner of each event, int64 (n,), 0 for none. columns: int32 (n, WIDTH) of a batch."""
    if view.partner == WHOLE:
        return np.full(len(columns), INSIDE, np.int64)
    if view.partner != ZONE:
        # values start behind INSIDE
        value = columns[:, COLUMN[view.partner]].astype(np.int64)
        return np.where(value > 0, value + INSIDE, 0)
    net = columns[:, COLUMN["src_net"]].astype(np.int64)
    outside = columns[:, COLUMN["src_country"]] > 0
    return np.where(net > 0, np.where(outside, net + INSIDE, INSIDE), 0)
