"""Messages of OpenSSH's server (sshd, and since 9.8 sshd-session and sshd-auth), versions 3 to 10.

A log line is no record: user names, key ids of certificates, host names from DNS and farewell texts are
written into it by whoever connects, spaces and all. So an address is read from the side that the stranger
does not write: from the right where the user name stands on the left, from the left where free text ends
the line. Where both sides are theirs, an address counts only if the line has room for just one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from features import events as ocsf
from features import identity
from features.events import FAILURE, SUCCESS, Event
from features.sources import network_terms as terms

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAMS: Final = ("sshd", "sshd-session", "sshd-auth", "in.sshd", "dropbear_sshd")

_PEER: Final = re.compile(r"(\S{1,255})(?: port (\d{1,5}))?(?: ssh\d?)?(?:: \S+ \S+)?(?: \[preauth\])?")
_PEER_ANYWHERE: Final = re.compile(r" from (\S{1,255}) port \d{1,5}(?= |$|:)")
_PEER_BEFORE_TEXT: Final = re.compile(r"(?:^| )(\S{1,255}) port \d{1,5}: ")
_ACCEPTED: Final = re.compile(r"(\S+) for (\S+) from (\S{1,255}) port \d{1,5}(?: |$)")
_WHOSE: Final = re.compile(r"(authenticating user|invalid user|illegal user|user) ")


def source(event: Event, peer: str) -> None:
    """Where it came from: an address, or the name that DNS gave for it."""
    address = identity.ip(peer)
    if address:
        event.src_ip = address
    else:
        event.src_host = identity.host(peer)


def _invalid(name: str) -> tuple[str, bool]:
    for prefix in ("invalid user", "illegal user"):
        if name.startswith(prefix):
            return name[len(prefix) :].strip(), True
    return name.strip(), False


def logon(event: Event, operation: str, status: int, detail: str = "", activity: int = 1) -> None:
    """Make the event an Authentication: 1 is Logon, 2 Logoff."""
    event.class_uid, event.activity_id, event.status_id = ocsf.AUTHENTICATION, activity, status
    event.operation, event.status_detail = operation, detail


def _connection(event: Event, operation: str, activity: int, detail: str = "") -> None:
    event.class_uid, event.activity_id = ocsf.SSH_ACTIVITY, activity
    event.operation, event.status_detail = operation, detail
    if activity in (terms.FAIL, terms.REFUSE):
        event.status_id = FAILURE


def _from_the_right(event: Event, rest: str) -> str:
    """Read `NAME from PEER ...` with a hostile name: sets the source, returns the name."""
    name, found, tail = rest.rpartition(" from ")
    if not found:
        return rest
    peer = _PEER.fullmatch(tail)
    if peer:
        source(event, peer.group(1))
    return name


def _accepted(message: str, event: Event, people: identity.IdentityResolver) -> None:
    # Nobody is accepted under an invented name, so the left side can be trusted; the right may hold a key id.
    found = _ACCEPTED.match(message, len("Accepted "))
    if found:
        event.auth, name, peer = found.groups()
        source(event, peer)
    else:
        event.auth, _, rest = message[len("Accepted ") :].partition(" for ")
        name = _from_the_right(event, rest)
    event.user = people.user(name, host=event.host)
    logon(event, "Accepted", SUCCESS)


def _failed(message: str, event: Event, people: identity.IdentityResolver) -> None:
    operation, _, rest = message.partition(" ")
    event.auth, _, rest = rest.partition(" for ")
    if " ID " in rest and event.auth in ("publickey", "hostbased"):  # a key id is as free as the user name
        peers = list(_PEER_ANYWHERE.finditer(rest))
        name = rest[: peers[0].start()] if len(peers) == 1 else ""
        if name:
            source(event, peers[0].group(1))
    else:
        name = _from_the_right(event, rest)
    name, invalid = _invalid(name)
    event.user = people.user(name, host=event.host)
    if operation == "Failed":
        logon(event, "Failed", FAILURE, "invalid user" if invalid else f"bad {event.auth.partition('/')[0]}")
    else:
        logon(event, operation, 0)


def _unknown_user(message: str, event: Event, people: identity.IdentityResolver) -> None:
    name = _from_the_right(event, message[len("Invalid user") :])
    event.user = people.user(name.strip(), host=event.host)
    logon(event, "Invalid user", FAILURE, "invalid user")


def _input_userauth(message: str, event: Event, people: identity.IdentityResolver) -> None:
    name, invalid = _invalid(message.partition(": ")[2].removesuffix(" [preauth]"))
    if invalid:
        event.user = people.user(name, host=event.host)
        logon(event, "Invalid user", FAILURE, "invalid user")


def _closed(message: str, event: Event, people: identity.IdentityResolver) -> None:
    """Read `Connection closed by [invalid user NAME ]PEER [port N] [[preauth]]` and its sisters."""
    verb = (
        "Disconnected from " if message.startswith("Disconnected") else message[: message.index(" by ") + 4]
    )
    rest = message[len(verb) :].removesuffix(" [preauth]")
    head, found, tail = rest.rpartition(" port ")
    if found and terms.port(tail):
        rest = head
    left, _, peer = rest.rpartition(" ")
    source(event, peer)
    whose = _WHOSE.match(f"{left} ")
    operation = verb.rstrip().rpartition(" ")[0]
    _connection(event, operation, terms.RESET if "reset" in verb else terms.CLOSE)
    if whose:
        event.user = people.user(left[whose.end() :].strip(), host=event.host)
        event.status_detail = "invalid user" if "invalid" in whose.group(1) else ""


def _disconnecting(message: str, event: Event, people: identity.IdentityResolver) -> None:
    rest = message[len("Disconnecting") :].strip(": ").removesuffix(" [preauth]")
    _connection(event, "Disconnecting", terms.CLOSE)
    peers = list(_PEER_BEFORE_TEXT.finditer(rest))
    if len(peers) == 1:
        source(event, peers[0].group(1))
        left = rest[: peers[0].start()]
        whose = _WHOSE.match(f"{left} ")
        if whose:
            event.user = people.user(left[whose.end() :], host=event.host)
        rest = rest[peers[0].end() :]
    reason, found, name = rest.partition("Too many authentication failures")
    if found and not reason:
        logon(event, "Disconnecting", FAILURE, "too many authentication failures")
        name = name.removeprefix(" for ")
        event.user = event.user or (
            people.user(_from_the_right(event, name), host=event.host) if name else ""
        )


def _maximum(message: str, event: Event, people: identity.IdentityResolver) -> None:
    name, _ = _invalid(_from_the_right(event, message.partition(" for ")[2]))
    event.user = people.user(name, host=event.host)
    logon(event, "maximum authentication attempts", FAILURE, "too many authentication failures")


def _received_disconnect(message: str, event: Event, people: identity.IdentityResolver) -> None:
    peer = message[len("Received disconnect from ") :].partition(" ")[0]
    source(event, peer.removesuffix(":"))
    _connection(event, "Received disconnect", terms.CLOSE)


def _reverse_mapping(message: str, event: Event, people: identity.IdentityResolver) -> None:
    if message.startswith("Address "):  # "Address IP maps to NAME, but this does not map back ..."
        source(event, message[len("Address ") :].partition(" ")[0])
    else:  # "... for NAME [IP] failed - POSSIBLE BREAK-IN ATTEMPT!": the name is what the stranger's DNS says
        source(event, message.rpartition("[")[2].partition("]")[0])
    _connection(event, "reverse mapping failed", terms.OTHER, "reverse mapping failed")


def _no_banner(message: str, event: Event, people: identity.IdentityResolver) -> None:
    _from_the_right(event, message)
    _connection(event, message.partition(" identification")[0], terms.FAIL, "bad identification")


def _peer_first(message: str, event: Event, people: identity.IdentityResolver) -> None:
    """Read messages in which the peer stands before any text of its own."""
    for lead in (" with ", " for ", " from ", "Connection "):
        found = message.find(lead)
        if found >= 0:
            source(event, message[found + len(lead) :].removeprefix("from ").partition(" ")[0].strip("[]"))
            break
    opened = message.startswith("Connection from ")
    detail = "" if opened else " ".join(message.split(" ", 3)[:3])
    _connection(event, "Connection" if opened else detail, terms.OPEN if opened else terms.FAIL, detail)


def _not_allowed(message: str, event: Event, people: identity.IdentityResolver) -> None:
    name, found, reason = message[len("User ") :].rpartition(" not allowed because ")
    if found:
        event.user = people.user(_from_the_right(event, name), host=event.host)
        logon(event, "not allowed", FAILURE, reason[:80])


def _root_refused(message: str, event: Event, people: identity.IdentityResolver) -> None:
    source(event, message.partition(" FROM ")[2].partition(" ")[0])
    event.user = people.user("root")
    logon(event, "ROOT LOGIN REFUSED", FAILURE, "root login refused")


def _pam_error(message: str, event: Event, people: identity.IdentityResolver) -> None:
    if " for " in message:
        name, invalid = _invalid(_from_the_right(event, message.partition(" for ")[2]))
        event.user = people.user(name, host=event.host)
        logon(
            event,
            "PAM",
            FAILURE,
            "invalid user" if invalid else message[5:].partition(" for ")[0].lower()[:60],
        )


def _session(message: str, event: Event, people: identity.IdentityResolver) -> None:
    """`Starting session: shell on pts/0 for NAME from PEER port N`, `Close session: user NAME from ...`."""
    opening = message.startswith("Starting")
    lead = " for " if opening else ": user "
    rest = message.partition(lead)[2].partition(" id ")[0]
    event.user = people.user(_from_the_right(event, rest), host=event.host)
    _connection(
        event, "Starting session" if opening else "Close session", terms.OPEN if opening else terms.CLOSE
    )


def _subsystem(message: str, event: Event, people: identity.IdentityResolver) -> None:
    what, _, rest = message.partition(" by user ")
    event.user = people.user(rest.partition(" ")[0], host=event.host)
    event.resource = what.rpartition(" ")[2]
    _connection(event, "subsystem request", terms.TRAFFIC)


def _daemon(message: str, event: Event, people: identity.IdentityResolver) -> None:
    stopping = message.startswith("Received signal 15")
    event.class_uid = ocsf.APPLICATION_LIFECYCLE
    event.activity_id, event.status_id = (4 if stopping else 3), SUCCESS
    event.operation = "stop" if stopping else "start"


_MESSAGES: Final[tuple[tuple[str, Callable[[str, Event, identity.IdentityResolver], None]], ...]] = (
    ("Accepted ", _accepted),
    ("Failed ", _failed),
    ("Postponed ", _failed),
    ("Partial ", _failed),
    ("Invalid user", _unknown_user),
    ("Illegal user", _unknown_user),
    ("input_userauth_request: ", _input_userauth),
    ("Connection closed by ", _closed),
    ("Connection reset by ", _closed),
    ("Disconnected from ", _closed),
    ("Disconnecting", _disconnecting),
    ("maximum authentication attempts exceeded for ", _maximum),
    ("Received disconnect from ", _received_disconnect),
    ("reverse mapping checking ", _reverse_mapping),
    ("Address ", _reverse_mapping),
    ("Did not receive identification", _no_banner),
    ("Bad protocol version identification", _no_banner),
    ("Connection from ", _peer_first),
    ("Unable to negotiate with ", _peer_first),
    ("Timeout before authentication for ", _peer_first),
    ("drop connection ", _peer_first),
    ("User ", _not_allowed),
    ("ROOT LOGIN REFUSED FROM ", _root_refused),
    ("PAM: ", _pam_error),
    ("Starting session: ", _session),
    ("Close session: ", _session),
    ("subsystem request for ", _subsystem),
    ("Server listening on ", _daemon),
    ("Received signal 15", _daemon),
)
_SEVERITIES: Final = ("error: ", "fatal: ", "warning: ", "info: ")


def sshd(message: str, event: Event, people: identity.IdentityResolver) -> None:
    """Fill in what the message says; a message that is not known leaves the event as it is."""
    event.protocol = "ssh"
    for severity in _SEVERITIES:
        message = message.removeprefix(severity)
    for prefix, read in _MESSAGES:
        if message.startswith(prefix):
            read(message, event, people)
            return
