"""What UNIX daemons and tools say in syslog: FTP, inetd, the packet filter, shadow-utils, cron, systemd.

Each reader names the formats it knows and leaves the event as it is when a message has none of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from features import events as ocsf
from features import identity
from features.events import FAILURE, SUCCESS, Event
from features.sources import network_terms as terms
from features.sources.unix_sshd import logon, source

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[str, Event, identity.IdentityResolver], None]

# --- old network daemons ----------------------------------------------------------------------------------


def _ftpd(message: str, event: Event, people: identity.IdentityResolver) -> None:
    """Connections and logons of FTP servers.

    `connection from IP (NAME) at DATE`, `[ANONYMOUS ]FTP LOGIN FROM host [ip], name`, and vsftpd's
    `[bob] OK LOGIN: Client "ip"`.
    """
    event.protocol = "ftp"
    if message.startswith("connection from "):
        source(event, message[len("connection from ") :].partition(" ")[0])
        event.class_uid, event.activity_id, event.operation = ocsf.NETWORK_ACTIVITY, terms.OPEN, "connection"
    elif "FTP LOGIN FROM " in message[:32]:
        left, _, name = message.partition(" FROM ")[2].rpartition(", ")
        peer = left.partition("[")[2].partition("]")[0] or left.strip(" ,")
        source(event, peer)
        event.user = people.user(name.strip(" ()"), host=event.host)
        logon(event, "LOGIN", SUCCESS)
    elif " LOGIN: Client " in message:
        left, _, right = message.partition(" LOGIN: Client ")
        source(event, right.strip('"').removeprefix("::ffff:").partition('"')[0])
        event.user = people.user(left.rpartition("[")[2].partition("]")[0], host=event.host)
        good = left.endswith("OK")
        logon(event, "LOGIN", SUCCESS if good else FAILURE, "" if good else "bad password")


def _inetd(message: str, event: Event, people: identity.IdentityResolver) -> None:
    """Connections that a wrapper hands to a service.

    `[refused ]connect from host` (tcp wrappers), `START: telnet pid=1 from=::ffff:10.0.0.1` and `FAIL: ...`
    (xinetd).
    """
    words = message.split(" ")
    refused = message.startswith("refused ")
    if message.startswith(("connect from ", "refused connect from ")):
        source(event, words[3 if refused else 2].rpartition("@")[2])
    elif words[0] in ("START:", "FAIL:") and len(words) > 1:
        refused = words[0] == "FAIL:"
        event.service = words[1]
        source(event, message.rpartition("from=")[2])
    else:
        return
    event.class_uid, event.operation = ocsf.NETWORK_ACTIVITY, "connect"
    event.activity_id, event.status_id = (terms.REFUSE, FAILURE) if refused else (terms.OPEN, 0)


def _snmpd(message: str, event: Event, people: identity.IdentityResolver) -> None:
    if message.startswith(("Received SNMP packet(s) from ", "Connection from ")):
        source(
            event,
            message.partition(" from ")[2]
            .removeprefix("UDP: ")
            .partition(" ")[0]
            .partition("]")[0]
            .strip("["),
        )
        event.class_uid, event.activity_id = ocsf.NETWORK_ACTIVITY, terms.TRAFFIC
        event.operation, event.protocol = "packet", "snmp"


_REFUSED_WORDS: Final = ("BLOCK", "DROP", "REJECT", "DENY", "DENIED", "REFUSE")


def _kernel(message: str, event: Event, people: identity.IdentityResolver) -> None:
    """The packet filter's `[UFW BLOCK] IN=eth0 OUT= SRC=... DST=... PROTO=TCP SPT=... DPT=...`."""
    if message.startswith("["):
        stamp, found, rest = message.partition("] ")
        if found and stamp.strip("[ ").replace(".", "").isdigit():
            message = rest
    label, found, packet = message.partition("IN=")
    if not found or " SRC=" not in packet:
        return
    fields: dict[str, str] = {}
    for word in packet.split(" "):
        key, equals, value = word.partition("=")
        if equals:
            fields.setdefault(key, value)  # ICMP errors quote the inner packet behind the outer one
    event.src_ip, event.dst_ip = identity.ip(fields.get("SRC", "")), identity.ip(fields.get("DST", ""))
    event.dst_port, event.protocol = terms.port(fields.get("DPT", "")), fields.get("PROTO", "").lower()
    event.class_uid, event.operation = ocsf.NETWORK_ACTIVITY, label.strip(" []:-")[:64]
    refused = any(word in label.upper() for word in _REFUSED_WORDS)
    event.activity_id, event.status_id = (terms.REFUSE, FAILURE) if refused else (terms.TRAFFIC, 0)


# --- accounts ---------------------------------------------------------------------------------------------


def account_change(
    event: Event, activity: int, people: identity.IdentityResolver, name: str, by: str = ""
) -> None:
    """Make the event an Account Change of `name`, done by `by` if that is known."""
    event.class_uid, event.activity_id, event.status_id = ocsf.ACCOUNT_CHANGE, activity, SUCCESS
    event.target_user = people.user(name.strip("'`\" "), host=event.host)
    event.user = people.user(by.strip("'`\" "), host=event.host)


def _group(
    event: Event, activity: int, people: identity.IdentityResolver, group: str, name: str, by: str = ""
) -> None:
    event.class_uid, event.activity_id, event.status_id = ocsf.GROUP_MANAGEMENT, activity, SUCCESS
    event.resource = group
    event.target_user = people.user(name, host=event.host) if name else ""
    event.user = people.user(by, host=event.host) if by else ""


_ACCOUNTS: Final = (
    # (message, class, activity): shadow-utils' useradd, usermod, userdel, group*, gpasswd, passwd, chage,
    # chsh, chfn.
    (re.compile(r"new user: name=(?P<name>[^,\s]+)"), ocsf.ACCOUNT_CHANGE, 1),
    (re.compile(r"delete user [`'](?P<name>[^']+)'"), ocsf.ACCOUNT_CHANGE, 6),
    (re.compile(r"unlock user [`'](?P<name>[^']+)' password"), ocsf.ACCOUNT_CHANGE, 12),
    (re.compile(r"lock user [`'](?P<name>[^']+)' password"), ocsf.ACCOUNT_CHANGE, 9),
    (re.compile(r"change user [`'](?P<name>[^']+)' password"), ocsf.ACCOUNT_CHANGE, 3),
    (re.compile(r"password for [`'](?P<name>[^']+)' changed by [`'](?P<by>[^']+)'"), ocsf.ACCOUNT_CHANGE, 3),
    (re.compile(r"changed? user (?:name )?[`'](?P<name>[^']+)'"), ocsf.ACCOUNT_CHANGE, terms.OTHER),
    (re.compile(r"changed password expiry for (?P<name>\S+)"), ocsf.ACCOUNT_CHANGE, terms.OTHER),
    (
        re.compile(r"add [`'](?P<name>[^']+)' to (?:shadow )?group [`'](?P<group>[^']+)'"),
        ocsf.GROUP_MANAGEMENT,
        3,
    ),
    (
        re.compile(r"delete [`'](?P<name>[^']+)' from (?:shadow )?group [`'](?P<group>[^']+)'"),
        ocsf.GROUP_MANAGEMENT,
        4,
    ),
    (
        re.compile(r"user (?P<name>\S+) added by (?P<by>\S+) to group (?P<group>\S+)"),
        ocsf.GROUP_MANAGEMENT,
        3,
    ),
    (
        re.compile(r"user (?P<name>\S+) removed by (?P<by>\S+) from group (?P<group>\S+)"),
        ocsf.GROUP_MANAGEMENT,
        4,
    ),
    (re.compile(r"new group: name=(?P<group>[^,\s]+)"), ocsf.GROUP_MANAGEMENT, 6),
    (re.compile(r"removed (?:shadow )?group [`'](?P<group>[^']+)'"), ocsf.GROUP_MANAGEMENT, 5),
    (re.compile(r"(?:failed adding|failed to add) user [`'](?P<name>[^']+)'"), ocsf.ACCOUNT_CHANGE, 1),
)


def _accounts(message: str, event: Event, people: identity.IdentityResolver) -> None:
    for pattern, class_uid, activity in _ACCOUNTS:
        found = pattern.match(message)
        if not found:
            continue
        parts = found.groupdict()
        if class_uid == ocsf.GROUP_MANAGEMENT:
            _group(event, activity, people, parts["group"], parts.get("name") or "", parts.get("by") or "")
        else:
            account_change(event, activity, people, parts["name"], parts.get("by") or "")
        if message.startswith("failed"):
            event.status_id = FAILURE
        event.operation = " ".join(message.split(" ", 2)[:2]).rstrip(":")
        return


# --- cron, services ---------------------------------------------------------------------------------------

_CRON: Final = re.compile(r"\((?P<user>[^)]*)\) (?P<verb>[A-Z][A-Za-z ]*?) ?\((?P<what>.*)\)")
_CRON_VERBS: Final = {"CMD": 6, "REPLACE": 2, "DELETE": 3, "RELOAD": 2, "END EDIT": 2}


def _cron(message: str, event: Event, people: identity.IdentityResolver) -> None:
    """Jobs and changes of jobs.

    `(root) CMD (command)`, crontab's `(alice) REPLACE (bob)`, `(*system*) RELOAD (/etc/cron.d/x)`, and
    anacron's ``Job `cron.daily' started``.
    """
    found = _CRON.fullmatch(message)
    if found and found["verb"] not in ("INFO", "STARTUP"):
        verb = found["verb"]
        event.class_uid = ocsf.SCHEDULED_JOB
        event.activity_id = _CRON_VERBS.get(verb, terms.OTHER)
        event.operation = verb
        event.user = people.user(found["user"], host=event.host) if "*" not in found["user"] else ""
        if verb == "CMD":
            event.command = found["what"].strip()
        elif verb == "RELOAD":
            event.file = found["what"]
        else:
            target = people.user(found["what"], host=event.host)
            event.target_user = target if target != event.user else ""
    elif message.startswith("Job `"):
        event.class_uid, event.activity_id = (
            ocsf.SCHEDULED_JOB,
            6 if message.endswith("started") else terms.OTHER,
        )
        event.resource = message[5:].partition("'")[0]


def _systemd(message: str, event: Event, people: identity.IdentityResolver) -> None:
    for prefix, activity, status in (
        ("Started ", 3, SUCCESS), ("Stopped ", 4, SUCCESS), ("Failed to start ", 3, FAILURE),
    ):  # fmt: skip
        if message.startswith(prefix):
            event.class_uid, event.activity_id, event.status_id = ocsf.APPLICATION_LIFECYCLE, activity, status
            event.operation = prefix.strip()
            event.resource = message[len(prefix) :].rstrip(".").partition(" - ")[0]
            return


_LIFECYCLE: Final = (
    (" startup succeeded", 3), (" shutdown succeeded", 4), ("restart.", 5), (" started.", 3), (" started", 3),
    ("exiting on signal 15", 4), ("exiting on signal 15.", 4), (" Starting", 3),
)  # fmt: skip


def lifecycle(message: str, event: Event, people: identity.IdentityResolver) -> None:
    """Recognise the few forms in which daemons of all kinds say that they start and stop."""
    for suffix, activity in _LIFECYCLE:
        if message.endswith(suffix):
            event.class_uid, event.activity_id, event.status_id = (
                ocsf.APPLICATION_LIFECYCLE,
                activity,
                SUCCESS,
            )
            event.operation = {3: "start", 4: "stop", 5: "restart"}[activity]
            return


DAEMONS: Final[dict[str, Reader]] = {
    "systemd": _systemd,
    "ftpd": _ftpd,
    "vsftpd": _ftpd,
    "in.ftpd": _ftpd,
    "telnetd": _inetd,
    "in.telnetd": _inetd,
    "xinetd": _inetd,
    "snmpd": _snmpd,
    "kernel": _kernel,
    "cron": _cron,
    "crond": _cron,
    "crontab": _cron,
    "anacron": _cron,
    **dict.fromkeys(
        ("useradd", "usermod", "userdel", "groupadd", "groupmod", "groupdel", "gpasswd", "passwd", "chpasswd",
         "chage", "chsh", "chfn", "newusers", "adduser", "deluser", "chgpasswd"),
        _accounts,
    ),
}  # fmt: skip
