"""What UNIX programs say in syslog, above all PAM, sudo, su, login and logind.

`interpret` turns one message into the attributes of an event whose time, host and program are known. A
message of a program or of a form that is not listed stays a Base Event with host and program: free text is
no habit. Each reader names the formats it knows. sshd has a module of its own,
`features.sources.unix_sshd`, and so have daemons and account tools, `features.sources.unix_daemons`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from features import events as ocsf
from features import identity
from features.events import FAILURE, SUCCESS, Event
from features.sources import parsing, unix_sshd
from features.sources.unix_daemons import DAEMONS, account_change, lifecycle
from features.sources.unix_sshd import logon, source

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[str, Event, identity.IdentityResolver], None]

_ACTS_FOR: Final = frozenset(
    ("su", "su-l", "sudo", "sudo-i", "runuser", "runuser-l", "pkexec", "polkit-1", "doas", "machinectl-shell")
)
"""PAM services by which somebody becomes somebody else: the opener acts, the session's user is acted upon."""


def interpret(program: str, message: str, event: Event, people: identity.IdentityResolver) -> None:
    """Fill in the event from a message of a program (`sshd`, `/usr/sbin/cron`, `su(pam_unix)`)."""
    message = parsing.text(message).strip()
    name, _, module = program.partition("(")
    name = name.rpartition("/")[2].lower()
    if message.startswith("message repeated "):  # rsyslog: "message repeated 5 times: [ Failed password ...]"
        message = message.partition(": [")[2].strip().removesuffix("]").rstrip()
    if message.startswith("pam_"):
        head, colon, rest = message.partition(": ")
        if colon:
            service = head.partition("(")[2].partition(":")[0].rstrip(")")
            pam(rest, event, people, service or name)
            return
    if module.startswith("pam_"):
        pam(message, event, people, name)
        return
    if name in unix_sshd.PROGRAMS:
        if message.startswith("PAM ") and "authentication failure" in message:
            pam(message, event, people, name)
        else:
            unix_sshd.sshd(message, event, people)
        return
    reader = _READERS.get(name)
    if reader is not None:
        reader(message, event, people)
    else:
        lifecycle(message, event, people)


# --- PAM --------------------------------------------------------------------------------------------------

_OPENED: Final = re.compile(r"session opened for user (\S+?)(?:\(uid=(\d+)\))? by (.{0,128}?)\(uid=(\d+)\)")


def pam(message: str, event: Event, people: identity.IdentityResolver, service: str) -> None:
    """Messages of pam_unix, pam_sss, pam_faillock and others, whatever program they were logged under."""
    event.service = service
    if message.startswith("session "):
        _pam_session(message, event, people, service)
    elif "authentication failure" in message[:60] and "rhost=" in message:
        _pam_failure(message, event, people, service)
    elif message.startswith("authentication success;"):
        _pam_failure(message, event, people, service)
        event.status_id, event.status_detail, event.operation = SUCCESS, "", "authentication success"
    elif message.startswith("check pass; user unknown"):
        logon(event, "check pass", FAILURE, "unknown user")
    elif message.startswith("bad username ["):
        logon(event, "check pass", FAILURE, "bad username")
    elif message.startswith("received for user "):
        name, _, reason = message[len("received for user ") :].rpartition(": ")
        event.user = people.user(name, host=event.host)
        logon(event, "received", FAILURE, reason.partition("(")[2].rstrip(")").lower())
    elif message.startswith("password changed for "):
        account_change(event, 3, people, message[len("password changed for ") :])
    elif message.startswith("Consecutive login failures for user "):
        account_change(
            event, 9, people, message[len("Consecutive login failures for user ") :].partition(" account ")[0]
        )
    elif message.startswith(("account ", "expired password for user ")):
        rest = message.removeprefix("account ").removeprefix("expired password for user ")
        event.user = people.user(rest.partition(" ")[0], host=event.host)
        logon(event, "account", FAILURE, "account or password expired")
    elif message.startswith("access denied for user "):
        event.user = people.user(message.partition("`")[2].partition("'")[0], host=event.host)
        logon(event, "access denied", FAILURE, "access denied")


def _pam_session(message: str, event: Event, people: identity.IdentityResolver, service: str) -> None:
    opened = _OPENED.match(message)
    if opened:
        name, uid, opener, opener_uid = opened.groups()
        logon(event, "session opened", SUCCESS)
        account = people.user(name, sid=uid or "", host=event.host)
        if service in _ACTS_FOR:
            opener = opener or ("root" if opener_uid == "0" else "")
            event.user = people.user(opener, sid=opener_uid if uid else "", host=event.host)
            event.target_user = account
        else:
            event.user = account
    elif message.startswith("session closed for user "):
        name = message[len("session closed for user ") :].partition("(uid=")[0]
        logon(event, "session closed", SUCCESS, activity=2)
        if service in _ACTS_FOR:
            event.target_user = people.user(name, host=event.host)
        else:
            event.user = people.user(name, host=event.host)


def _pam_failure(message: str, event: Event, people: identity.IdentityResolver, service: str) -> None:
    """Read `...; logname= uid=0 euid=0 tty=ssh ruser= rhost=PEER  user=NAME`.

    The name comes last and is the stranger's, so nothing is looked for behind it.
    """
    left, _, right = message.partition(" rhost=")
    peer, _, rest = right.partition(" ")
    name = rest.lstrip().removeprefix("user=") if "user=" in rest[:8] else ""
    asking = left.partition(" ruser=")[2] or left.partition("logname=")[2].partition(" ")[0]
    if peer:
        source(event, peer)
    logon(event, "authentication failure", FAILURE, "bad password" if name else "unknown user")
    account = people.user(name, host=event.host)
    event.user = account
    if asking and service in _ACTS_FOR:
        event.user = people.user(asking, host=event.host)
        event.target_user = account if account != event.user else ""


# --- becoming somebody else -------------------------------------------------------------------------------

_SUDO_REFUSALS: Final = (
    ("incorrect password attempt", "bad password"),
    ("NOT in sudoers", "not in sudoers"),
    ("command not allowed", "command not allowed"),
    ("NOT authorized", "not authorized"),
    ("a password is required", "password required"),
    ("no tty present", "no tty"),
)


def _sudo(message: str, event: Event, people: identity.IdentityResolver) -> None:
    """Read `alice : [REASON ; ]TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/id`.

    COMMAND is last and is what the user typed, so the first one counts and nothing behind it is read.
    """
    name, colon, rest = message.partition(" : ")
    head, found, command = rest.partition("COMMAND=")
    if not colon or not (found or "TTY=" in head):
        return
    event.user = people.user(name.strip(), host=event.host)
    fields = dict(part.strip().partition("=")[::2] for part in head.split(" ; "))
    event.target_user = people.user(fields.get("USER", ""), host=event.host)
    event.class_uid, event.activity_id, event.status_id = ocsf.PROCESS_ACTIVITY, 1, SUCCESS
    event.operation = "sudo"
    event.command = command
    event.process, event.parent_process = command.partition(" ")[0], event.process
    for words, detail in _SUDO_REFUSALS:
        if words in head:
            event.status_id, event.status_detail = FAILURE, detail
            break


_SU: Final = (
    # su of util-linux and shadow, old and new; BSD's comes last.
    (re.compile(r"Successful su for (?P<target>\S+) by (?P<user>\S+)"), SUCCESS),
    (re.compile(r"FAILED su for (?P<target>\S+) by (?P<user>\S+)"), FAILURE),
    (re.compile(r"\(to (?P<target>[^)\s]+)\) (?P<user>\S+) on "), SUCCESS),
    (re.compile(r"FAILED SU \(to (?P<target>[^)\s]+)\) (?P<user>\S+) on "), FAILURE),
    (re.compile(r"\+ \S+ (?P<user>[^:\s]+)[:-](?P<target>\S+)"), SUCCESS),
    (re.compile(r"- \S+ (?P<user>[^:\s]+)[:-](?P<target>\S+)"), FAILURE),
    (re.compile(r"BAD SU (?P<user>\S+) to (?P<target>\S+) on "), FAILURE),
    (re.compile(r"(?P<user>\S+) to (?P<target>\S+) on /dev/"), SUCCESS),
)


def _su(message: str, event: Event, people: identity.IdentityResolver) -> None:
    for pattern, status in _SU:
        found = pattern.match(message)
        if found:
            event.user = people.user(found["user"], host=event.host)
            event.target_user = people.user(found["target"], host=event.host)
            logon(event, "su", status)
            return


# --- logging on -------------------------------------------------------------------------------------------

_LOGIN_FAILED: Final = re.compile(
    r"FAILED LOGIN (?:SESSION |\(?\d+\)? )?(?:FROM|on) (\S+) (?:FROM \S+ )?FOR (.*)"
)


def _login(message: str, event: Event, people: identity.IdentityResolver) -> None:
    """Logons at a terminal.

    `ROOT LOGIN ON tty1 [FROM host]`, `LOGIN ON tty1 BY alice [FROM host]`, `FAILED LOGIN 1 FROM host FOR
    alice, ...`.
    """
    if message.startswith("ROOT LOGIN "):
        event.user = people.user("root")
        logon(event, "LOGIN", SUCCESS)
        peer = message.partition(" FROM ")[2]
    elif message.startswith(("LOGIN ON ", "DIALUP AT ")):
        name, _, peer = message.partition(" BY ")[2].partition(" FROM ")
        event.user = people.user(name, host=event.host)
        logon(event, "LOGIN", SUCCESS)
    else:
        failed = _LOGIN_FAILED.match(message)
        if not failed:
            return
        peer = failed[1] if " FROM " in message[:40] and "'" not in failed[1] else ""
        name = failed[2].partition(",")[0].strip("'\"")
        event.user = people.user(name, host=event.host)
        logon(event, "LOGIN", FAILURE, "bad password")
    if peer:
        source(event, peer.split(" ", 1)[0])


_NEW_SESSION: Final = re.compile(r"New session '?\S+?'? of user '?([^'\s]+?)'?(?:\.| with class '([^']*)'.*)")


def _logind(message: str, event: Event, people: identity.IdentityResolver) -> None:
    opened = _NEW_SESSION.fullmatch(message)
    if opened:
        event.user = people.user(opened[1], host=event.host)
        logon(event, "New session", SUCCESS)
    elif message.startswith(("Removed session ", "Session ")):
        logon(
            event,
            "Removed session" if message.startswith("Removed") else "Session logged out",
            SUCCESS,
            activity=2,
        )


def _remote_logon(message: str, event: Event, people: identity.IdentityResolver) -> None:
    """Kerberos rlogin: `Authentication failed from IP (NAME): reason`, `Kerberos authentication failed`."""
    if message.startswith("Authentication failed from "):
        source(event, message[len("Authentication failed from ") :].partition(" ")[0])
        logon(event, "Authentication failed", FAILURE, message.rpartition("): ")[2].lower()[:80])
    elif message.startswith("Kerberos authentication failed"):
        logon(event, "Authentication failed", FAILURE, "kerberos authentication failed")
    event.auth = "kerberos" if event.class_uid == ocsf.AUTHENTICATION else ""


def _display_manager(message: str, event: Event, people: identity.IdentityResolver) -> None:
    if message.startswith("Couldn't authenticate user"):
        logon(event, "authenticate", FAILURE, "bad password")


_READERS: Final[dict[str, Reader]] = {
    "sudo": _sudo,
    "su": _su,
    "login": _login,
    "systemd-logind": _logind,
    "klogind": _remote_logon,
    "kshd": _remote_logon,
    "gdm": _display_manager,
    "gdm-binary": _display_manager,
    **DAEMONS,
}
