"""What audit records mean: fields of the lines of one event, and how they become attributes of an `Event`.

Types are those of the kernel's include/uapi/linux/audit.h and of libaudit; fields are those of the "audit
event fields" dictionary (linux-audit/audit-documentation).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from features import events as ocsf
from features import identity
from features.events import FAILURE, SUCCESS, Event
from features.sources import network_terms as terms
from features.sources import parsing
from features.sources.auditd_syscalls import activity_of, syscall_name

if TYPE_CHECKING:
    from collections.abc import Callable

_UNSET_IDS: Final = frozenset({"", "4294967295", "-1", "unset"})
_KNOWN_IDS: Final = 100_000
_ENCODED: Final = frozenset(
    ("name", "cwd", "exe", "comm", "cmd", "proctitle", "acct", "path", "key", "grp", "new_group", "unit")
)
_ARGUMENTS: Final = 256
_PATHS: Final = 64

_PLACEHOLDERS: Final = frozenset(
    ("", "?", "(null)", "(none)", "(unknown)", "(invalid user)", "(unknown user)")
)

Fields = dict[str, str]
Names = dict[tuple[str, str], str]


def fields_of(body: str) -> Fields:
    """Fields of one line.

    Of two with one name the first counts, for what the kernel says comes before what a program says. Words
    before the first field stand under "".
    """
    found: Fields = {}
    last = ""
    body = body[: 16 * parsing.TEXT_LIMIT].replace("\x1d", " ")
    for word in body.split(" "):
        key, equals, value = word.partition("=")
        if not equals:
            if word and len(found.setdefault(last, "")) < 256:
                found[last] += f" {word}"  # "op=adding user to group": the value goes on
            continue
        if key == "msg" and value[:1] == "'":
            key, equals, value = value[1:].partition("=")
            if not equals:
                continue
        if key in found:
            last = ""
            continue
        found[key] = value.lstrip("=")
        last = key
    return found


def value_of(fields: Fields, key: str) -> str:
    """Value without quotes and placeholders; hex is decoded where a field may be encoded, NULs to blanks."""
    value = fields.get(key, "").strip()
    if value[:1] == '"':
        return parsing.text(value.strip("'").strip('"'))
    value = value.rstrip("'")
    if key in _ENCODED or (key[:1] == "a" and key[1:2].isdigit()):
        value = _from_hex(value)
    return "" if value in _PLACEHOLDERS else parsing.text(value)


def _from_hex(value: str) -> str:
    if len(value) % 2 or not value.isascii():
        return value
    try:
        raw = bytes.fromhex(value[: 4 * parsing.TEXT_LIMIT])
    except ValueError:
        return value
    return raw.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "backslashreplace")


class AuditEvent:
    """The lines of one event by type; their fields are read when they are asked for."""

    def __init__(self) -> None:
        self.node = ""
        self._bodies: dict[str, str] = {}
        self._paths: list[str] = []

    def add(self, line: str) -> None:
        """Take in one line; of a repeated type the first counts, but PATHs are kept and EXECVEs merged."""
        before, _, rest = line.partition("type=")
        if before.startswith("node="):
            self.node = before[5:].strip()
        kind, _, rest = rest.partition(" ")
        kind = kind[:64]
        body = rest.partition("):")[2]
        if kind == "PATH":
            if len(self._paths) < _PATHS:
                self._paths.append(body)
        elif kind == "EXECVE" and kind in self._bodies:
            self._bodies[kind] += body
        else:
            self._bodies.setdefault(kind, body)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Types of the lines, PATH excepted, in their order."""
        return tuple(self._bodies)

    def fields(self, kind: str) -> Fields:
        """Fields of the line of a type, {} if there is none."""
        body = self._bodies.get(kind)
        return {} if body is None else fields_of(body)

    def paths(self) -> list[Fields]:
        """Fields of the PATH lines."""
        return [fields_of(body) for body in self._paths]


class _People:
    """Names of numeric user ids, as far as this log has told them."""

    def __init__(self, resolver: identity.IdentityResolver, names: Names, host: str) -> None:
        self._resolver = resolver
        self._names = names
        self._host = host

    def named(self, name: str) -> str:
        return self._resolver.user(name, host=self._host)

    def of_id(self, number: str, name: str = "") -> str:
        """Entity of a numeric id; `name` is what the enriched part says about it."""
        if number in _UNSET_IDS:
            return ""
        if name and name not in ("unset", "unknown"):
            self.learn(number, name)
            return self.named(name)
        if number == "0":
            return self.named("root")
        known = self._names.get((self._host, number))
        return known if known is not None else self._resolver.user(sid=number, host=self._host)

    def learn(self, number: str, name: str) -> None:
        """Remember an id's name; the first one stays: a later record must not move somebody's history."""
        if number not in _UNSET_IDS and name and len(self._names) < _KNOWN_IDS:
            self._names.setdefault((self._host, number), self.named(name))


def _id(fields: Fields, people: _People, key: str) -> str:
    return people.of_id(fields.get(key, ""), value_of(fields, key.upper()))


def _actor(fields: Fields, people: _People) -> str:
    return _id(fields, people, "auid") or _id(fields, people, "uid")


def _outcome(fields: Fields) -> int:
    said = (fields.get("res") or fields.get("success") or fields.get("result") or "").strip("'\"")
    if said in ("success", "1", "yes"):
        return SUCCESS
    return FAILURE if said in ("failed", "0", "no", "fail") else 0


def _peer(fields: Fields, event: Event) -> None:
    event.src_ip = identity.ip(value_of(fields, "addr"))
    host = value_of(fields, "hostname")
    if host and not identity.ip(host):
        event.src_host = identity.host(host)
    elif not event.src_ip:
        event.src_ip = identity.ip(host)
    if event.src_host and event.src_host == event.host:
        event.src_host = ""  # local programs give their own machine here


def _logon(activity: int) -> Callable[[str, Fields, Event, _People], None]:
    """Reader of logon records: `op=PAM:authentication acct="root" exe="/usr/sbin/sshd" addr=...`."""

    def read(kind: str, fields: Fields, event: Event, people: _People) -> None:
        event.class_uid, event.activity_id, event.status_id = ocsf.AUTHENTICATION, activity, _outcome(fields)
        account = value_of(fields, "acct")
        exe, op = value_of(fields, "exe"), value_of(fields, "op")
        auid, uid = fields.get("auid", ""), fields.get("uid", "")
        program = exe.rpartition("/")[2]
        if account and event.status_id == SUCCESS:
            if program == "sudo" and op in ("PAM:authentication", "PAM:accounting") and uid == auid:
                people.learn(auid, account)  # sudo asks for the password of who calls it
            elif op in ("PAM:session_open", "login") and program not in ("sudo", "su", "runuser", "pkexec"):
                people.learn(auid, account)
        named = people.named(account) or _id(fields, people, "id")
        actor = _id(fields, people, "auid")
        event.user = actor or named
        event.target_user = named if named != event.user else ""
        event.process, event.service = exe, program
        event.operation, event.auth = kind, "pam" if op == "PAM:authentication" else ""
        _peer(fields, event)

    return read


def _login(kind: str, fields: Fields, event: Event, people: _People) -> None:
    """Kernel's record that a process was given its login user."""
    event.class_uid, event.activity_id, event.status_id = ocsf.AUTHENTICATION, 1, _outcome(fields)
    event.user, event.operation = _id(fields, people, "auid"), kind


def _command(kind: str, fields: Fields, event: Event, people: _People) -> None:
    """The record sudo makes of what it was asked to run."""
    event.class_uid, event.activity_id, event.status_id = ocsf.PROCESS_ACTIVITY, 1, _outcome(fields)
    event.user, event.operation = _actor(fields, people), kind
    event.command = value_of(fields, "cmd")
    event.process = event.command.partition(" ")[0]
    event.parent_process = value_of(fields, "exe") or "sudo"


def _account(class_uid: int, activity: int) -> Callable[[str, Fields, Event, _People], None]:
    def read(kind: str, fields: Fields, event: Event, people: _People) -> None:
        event.class_uid, event.activity_id, event.status_id = class_uid, activity, _outcome(fields)
        event.user, event.operation = _actor(fields, people), kind
        account, number = value_of(fields, "acct"), fields.get("id", "")
        event.target_user = people.named(account) or people.of_id(number, value_of(fields, "ID"))
        event.resource = value_of(fields, "grp") or value_of(fields, "new_group")
        event.process = value_of(fields, "exe")
        _peer(fields, event)

    return read


def _service(activity: int) -> Callable[[str, Fields, Event, _People], None]:
    def read(kind: str, fields: Fields, event: Event, people: _People) -> None:
        event.class_uid, event.activity_id = ocsf.APPLICATION_LIFECYCLE, activity
        event.status_id = _outcome(fields)
        event.operation, event.process = kind, value_of(fields, "exe")
        event.resource = event.service = value_of(fields, "unit") or event.process.rpartition("/")[2]

    return read


def _auditing(activity: int) -> Callable[[str, Fields, Event, _People], None]:
    """Reader of records about auditing itself: it starts, stops, or is changed."""

    def read(kind: str, fields: Fields, event: Event, people: _People) -> None:
        event.class_uid, event.activity_id = ocsf.EVENT_LOG_ACTIVITY, activity
        event.status_id = _outcome(fields)
        event.user, event.service = _id(fields, people, "auid"), "auditd"
        event.operation = value_of(fields, "op") or next(filter(None, fields), kind)[:64]
        if fields.get("audit_enabled") == "0":
            event.activity_id = 10

    return read


def _denied(kind: str, fields: Fields, event: Event, people: _People) -> None:
    """SELinux `avc: denied { read } ... comm= name=`, AppArmor `apparmor="DENIED" operation="open" name=`."""
    event.operation = value_of(fields, "operation") or "avc"
    event.file = value_of(fields, "path") or value_of(fields, "name")
    event.resource = value_of(fields, "profile") or value_of(fields, "tclass")
    event.process = value_of(fields, "exe") or value_of(fields, "comm")
    refused = value_of(fields, "apparmor") == "DENIED" or any("denied" in text for text in fields.values())
    event.status_id = FAILURE if refused else 0
    event.status_detail = "denied" if refused else ""


def _anomaly(kind: str, fields: Fields, event: Event, people: _People) -> None:
    event.class_uid, event.activity_id, event.operation = ocsf.DETECTION_FINDING, 1, kind
    event.user = _actor(fields, people)
    event.process = value_of(fields, "exe") or value_of(fields, "comm")


def _typed(kind: str, fields: Fields, event: Event, people: _People) -> None:
    """Keystrokes (pam_tty_audit): only that somebody typed is kept, for passwords are among them."""
    event.user, event.operation = _actor(fields, people), kind
    event.process = value_of(fields, "comm")


def _other(kind: str, fields: Fields, event: Event, people: _People) -> None:
    event.user, event.operation = _actor(fields, people), kind
    event.process, event.status_id = value_of(fields, "exe"), _outcome(fields)
    _peer(fields, event)


_READERS: Final[dict[str, Callable[[str, Fields, Event, _People], None]]] = {
    "USER_LOGIN": _logon(1),
    "USER_AUTH": _logon(1),
    "USER_START": _logon(1),
    "USER_END": _logon(2),
    "USER_LOGOUT": _logon(2),
    "USER_ACCT": _logon(terms.OTHER),
    "USER_ERR": _logon(1),
    "CRED_ACQ": _logon(terms.OTHER),
    "CRED_REFR": _logon(terms.OTHER),
    "CRED_DISP": _logon(terms.OTHER),
    "LOGIN": _login,
    "USER_CMD": _command,
    "ADD_USER": _account(ocsf.ACCOUNT_CHANGE, 1),
    "DEL_USER": _account(ocsf.ACCOUNT_CHANGE, 6),
    "USER_CHAUTHTOK": _account(ocsf.ACCOUNT_CHANGE, 3),
    "USER_MGMT": _account(ocsf.ACCOUNT_CHANGE, terms.OTHER),
    "ACCT_LOCK": _account(ocsf.ACCOUNT_CHANGE, 9),
    "ACCT_UNLOCK": _account(ocsf.ACCOUNT_CHANGE, 12),
    "CHUSER_ID": _account(ocsf.ACCOUNT_CHANGE, terms.OTHER),
    "ADD_GROUP": _account(ocsf.GROUP_MANAGEMENT, 6),
    "DEL_GROUP": _account(ocsf.GROUP_MANAGEMENT, 5),
    "GRP_MGMT": _account(ocsf.GROUP_MANAGEMENT, terms.OTHER),
    "GRP_CHAUTHTOK": _account(ocsf.GROUP_MANAGEMENT, terms.OTHER),
    "CHGRP_ID": _account(ocsf.GROUP_MANAGEMENT, terms.OTHER),
    "SERVICE_START": _service(3),
    "SERVICE_STOP": _service(4),
    "SYSTEM_BOOT": _service(3),
    "SYSTEM_SHUTDOWN": _service(4),
    "DAEMON_START": _auditing(6),
    "DAEMON_END": _auditing(7),
    "DAEMON_ABORT": _auditing(7),
    "DAEMON_CONFIG": _auditing(terms.OTHER),
    "DAEMON_ROTATE": _auditing(5),
    "CONFIG_CHANGE": _auditing(terms.OTHER),
    "TTY": _typed,
    "USER_TTY": _typed,
    "AVC": _denied,
    "USER_AVC": _denied,
    "SELINUX_ERR": _denied,
}


def describe(audit: AuditEvent, event: Event, people: identity.IdentityResolver, names: Names) -> None:
    """Fill in the event from the lines; `names` holds what this log has said about user ids and grows."""
    known = _People(people, names, event.host)
    kinds = audit.kinds
    called = "SYSCALL" in kinds or "EXECVE" in kinds
    if called:
        _syscall(audit, event, known)
    for kind in kinds:
        reader = _anomaly if kind.startswith("ANOM_") else _READERS.get(kind)
        if reader is None:
            continue
        if called and reader is not _anomaly:
            _keep_caller(kind, audit.fields(kind), event, known, reader)
        else:
            reader(kind, audit.fields(kind), event, known)
        return
    if kinds and not called:
        _other(kinds[0], audit.fields(kinds[0]), event, known)


def _keep_caller(
    kind: str,
    fields: Fields,
    event: Event,
    people: _People,
    reader: Callable[[str, Fields, Event, _People], None],
) -> None:
    """The system call of the same event knows who and with what better than the second record does."""
    user, process, file = event.user, event.process, event.file
    event.class_uid = event.activity_id = 0
    reader(kind, fields, event, people)
    event.user, event.process = user or event.user, process or event.process
    event.file = event.file or file


def _syscall(audit: AuditEvent, event: Event, people: _People) -> None:
    call = audit.fields("SYSCALL")
    executed = "EXECVE" in audit.kinds
    name = syscall_name(call) or ("execve" if executed else "")
    event.operation = name or call.get("syscall", "")[:64]
    event.status_id = _outcome(call)
    if event.status_id == FAILURE:
        event.status_detail = value_of(call, "EXIT") or value_of(call, "exit")
    login = _id(call, people, "auid")
    # The effective id of a set-uid program says with whose rights it runs.
    effective = _id(call, people, "euid") or _id(call, people, "uid")
    event.user = login or effective
    event.target_user = effective if login and effective != login else ""
    event.process = value_of(call, "exe") or value_of(call, "comm")
    if executed:
        event.class_uid, event.activity_id = ocsf.PROCESS_ACTIVITY, 1
        event.command = _arguments(audit.fields("EXECVE"))
        return
    paths = audit.paths()
    event.class_uid, event.activity_id = activity_of(name, call, paths)
    event.command = value_of(audit.fields("PROCTITLE"), "proctitle")
    event.file = _file(paths, audit.fields("CWD"))
    if event.class_uid == ocsf.KERNEL_EXTENSION:
        event.resource = value_of(audit.fields("KERN_MODULE"), "name")
    if "SOCKADDR" in audit.kinds:
        _socket(audit.fields("SOCKADDR"), event)


def _arguments(execve: Fields) -> str:
    count = min(parsing.integer(execve.get("argc", "")) or _ARGUMENTS, _ARGUMENTS)
    words: list[str] = []
    length = 0
    for number in range(count):
        key = f"a{number}"
        word = value_of(execve, key) if key in execve else value_of(execve, f"{key}[0]")
        if not word and key not in execve and f"{key}[0]" not in execve:
            break
        words.append(word)
        length += len(word)
        if length > parsing.TEXT_LIMIT:
            break
    return parsing.text(" ".join(words))


def _file(paths: list[Fields], cwd: Fields) -> str:
    """The object itself, not its folder; relative names are completed with the working directory."""
    chosen = ""
    for fields in paths:
        name = value_of(fields, "name")
        if name and (fields.get("nametype") != "PARENT" or not chosen):
            chosen = name
    if chosen and not chosen.startswith("/"):
        folder = value_of(cwd, "cwd")
        return f"{folder.rstrip('/')}/{chosen}" if folder else chosen
    return chosen


def _socket(fields: Fields, event: Event) -> None:
    """Decode `saddr`, a sockaddr as hex; its family is in host byte order, so little-endian."""
    try:
        raw = bytes.fromhex(fields.get("saddr", "")[:512])
    except ValueError:
        return
    family = int.from_bytes(raw[:2], "little")
    if family == 1:
        event.file = event.file or parsing.text(
            raw[2:].partition(b"\0")[0].decode("utf-8", "backslashreplace")
        )
    elif family == 2 and len(raw) >= 8:
        event.dst_port = int.from_bytes(raw[2:4], "big")
        event.dst_ip = identity.ip(str(ipaddress.IPv4Address(raw[4:8])))
    elif family == 10 and len(raw) >= 24:
        event.dst_port = int.from_bytes(raw[2:4], "big")
        event.dst_ip = identity.ip(str(ipaddress.IPv6Address(raw[8:24])))
