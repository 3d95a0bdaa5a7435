"""Windows event logs: from (provider, event id, fields), whichever way they came, to an Event.

The rules stand in tables, one a provider: `windows_security`, `windows_sysmon`, `windows_powershell`,
`windows_system`, `windows_other`. The provider decides and not the log's name, because ids repeat: 4625 is a
failed logon for one provider and a COM+ notice for another. A record whose provider and id have no rule is a
Base Event with operation "<provider> <id>", its user, address and process taken from fields that Windows
providers commonly use.

Time is what the carrier gives as TimeCreated, in UTC. A record without provider falls back to its log's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.events import AUTHENTICATION, FAILURE, SUCCESS, Event
from features.sources import windows_other as other
from features.sources import windows_system as system
from features.sources.parsing import integer
from features.sources.windows_powershell import POWERSHELL, POWERSHELL_CLASSIC
from features.sources.windows_record import Resolver, Rule, WindowsRecord, set_source
from features.sources.windows_security import EVENTLOG, SECURITY
from features.sources.windows_sysmon import SYSMON

if TYPE_CHECKING:
    from features.sources.base import SourceContext

_PROVIDERS: Final[dict[str, dict[int, Rule]]] = {
    "microsoft-windows-security-auditing": SECURITY,
    "microsoft-windows-eventlog": EVENTLOG,
    "eventlog": EVENTLOG,
    "microsoft-windows-sysmon": SYSMON,
    "linux-sysmon": SYSMON,
    "microsoft-windows-powershell": POWERSHELL,
    "powershellcore": POWERSHELL,
    "powershell": POWERSHELL_CLASSIC,
    "service control manager": system.SERVICES,
    "microsoft-windows-taskscheduler": system.TASKS,
    "microsoft-windows-terminalservices-localsessionmanager": system.RDP_SESSIONS,
    "microsoft-windows-terminalservices-remoteconnectionmanager": system.RDP_CONNECTIONS,
    "microsoft-windows-remotedesktopservices-rdpcorets": system.RDP_CONNECTIONS,
    "microsoft-windows-terminalservices-clientactivexcore": system.RDP_CLIENT,
    "microsoft-windows-winrm": system.WINRM,
    "microsoft-windows-wmi-activity": other.WMI,
    "microsoft-windows-bits-client": other.BITS,
    "microsoft-windows-dns-client": other.DNS_CLIENT,
    "microsoft-windows-windows firewall with advanced security": other.FIREWALL,
    "microsoft-windows-windows defender": other.DEFENDER,
    "microsoft-windows-applocker": other.APPLOCKER,
    "microsoft-windows-directory-services-sam": other.SAM,
    "msiinstaller": other.INSTALLER,
    "esent": other.ESENT,
    "mssqlserver": other.SQL_SERVER,
    "openssh": other.OPENSSH,
    "user32": other.SHUTDOWN,
}
_CHANNELS: Final[dict[str, str]] = {
    "security": "microsoft-windows-security-auditing",
    "microsoft-windows-sysmon/operational": "microsoft-windows-sysmon",
    "linux-sysmon/operational": "linux-sysmon",
    "microsoft-windows-powershell/operational": "microsoft-windows-powershell",
    "powershellcore/operational": "powershellcore",
    "windows powershell": "powershell",
    "microsoft-windows-taskscheduler/operational": "microsoft-windows-taskscheduler",
    "microsoft-windows-winrm/operational": "microsoft-windows-winrm",
    "microsoft-windows-wmi-activity/operational": "microsoft-windows-wmi-activity",
    "microsoft-windows-windows defender/operational": "microsoft-windows-windows defender",
}
_EVENTLOG_IDS: Final = frozenset({1100, 1101, 1102, 1104, 1105, 1108})
"""What the event log itself writes into the Security log."""
_PROVIDER_LIMIT: Final = 256
_RULE_LIMIT: Final = 1_024
_AUDIT_FAILURE: Final = 1 << 52
_AUDIT_SUCCESS: Final = 1 << 53
_CLASSIC: Final = 1 << 55

_ACTORS: Final = (
    ("SubjectUserName", "SubjectDomainName", "SubjectUserSid"),
    ("TargetUserName", "TargetDomainName", "TargetUserSid"),
    ("UserName", "DomainName", "UserSid"),
    ("User", "UserDomain", "UserSID"),
    ("AccountName", "AccountDomain", "AccountSid"),
    ("username", "domain", "usersid"),
)
_PROCESS_FIELDS: Final = ("ProcessName", "Image", "Application", "CallerProcessName", "ProcessPath")
_ADDRESS_FIELDS: Final = ("IpAddress", "ClientAddress", "SourceAddress", "SourceIp", "ClientIP", "Address")


def rule_for(record: WindowsRecord) -> Rule | None:
    """Find the rule of this record's provider and event id; None if there is none."""
    provider = record.provider.lower()
    if not provider:
        channel = record.channel.lower()
        provider = _CHANNELS.get(channel, "")
        if channel == "security" and record.event_id in _EVENTLOG_IDS:
            provider = "eventlog"
    table = _PROVIDERS.get(provider)
    if table is None and provider.startswith("mssql$"):
        table = other.SQL_SERVER
    return None if table is None else table.get(record.event_id)


class WindowsMapper:
    """Turns Windows records into events. One instance a file, because it caches who is who."""

    def __init__(self, context: SourceContext) -> None:
        self._who = Resolver(context)
        self._default_host = self._who.host(context.default_host)
        self._rules: dict[tuple[str, str, int], Rule | None] = {}

    def event(self, record: WindowsRecord) -> Event:
        """Map one record. Total: whatever the fields hold, an event comes back."""
        who = self._who
        event = Event(
            time_us=record.time_us,
            host=who.host(record.computer) or self._default_host,
            uid=_uid(record),
        )
        key = (record.provider, record.channel, record.event_id)
        try:
            rule = self._rules[key]
        except KeyError:
            if len(self._rules) >= _RULE_LIMIT:
                self._rules.clear()
            rule = self._rules[key] = rule_for(record)
        if rule is None:
            self._unknown(event, record)
            return event
        event.class_uid = rule.class_uid
        event.activity_id = rule.activity_id
        event.operation = rule.operation
        event.status_id = record.audit or rule.status_id
        if rule.actor:
            event.user = self._actor(rule.actor, record)
        if rule.target:
            event.target_user = who.user(
                record.get("TargetUserName"),
                record.get("TargetDomainName"),
                record.first("TargetSid", "TargetUserSid"),
                record.computer,
            )
        for attribute, fields in rule.copy:
            setattr(event, attribute, record.first(*fields))
        if event.process[:1] in ("<", "&") and event.process.startswith(
            ("<unknown", "&lt;unknown")
        ):  # Sysmon, and NXLog's escaping of it
            event.process = ""
        if rule.source:
            set_source(event, who, record.get(rule.source))
        if rule.detail is not None:
            rule.detail(event, record, who)
        if event.target_user and event.target_user == event.user and rule.class_uid == AUTHENTICATION:
            event.target_user = ""
        return event

    def _actor(self, actor: str, record: WindowsRecord) -> str:
        if actor == "subject":
            return self._account(_ACTORS[0], record)
        if actor == "target":
            name, domain = record.get("TargetUserName"), record.get("TargetDomainName")
            sid = record.first("TargetUserSid", "TargetSid")
            return self._who.user(name, domain, sid, record.computer)
        if actor == "user":
            return self._who.user(record.get("User"), "", "", record.computer)
        if actor == "writer":
            return self._writer(record)
        for fields in _ACTORS:
            found = self._account(fields, record)
            if found:
                return found
        return self._writer(record)

    def _account(self, fields: tuple[str, str, str], record: WindowsRecord) -> str:
        name, domain, sid = fields
        return self._who.user(record.get(name), record.get(domain), record.get(sid), record.computer)

    def _writer(self, record: WindowsRecord) -> str:
        """Account of System.Security: for some providers the one who acts, for others the logging service."""
        return self._who.user(record.account, record.account_domain, record.sid, record.computer)

    def _unknown(self, event: Event, record: WindowsRecord) -> None:
        provider = record.provider or record.channel
        event.operation = f"{provider[:_PROVIDER_LIMIT]} {record.event_id}".strip()
        event.status_id = record.audit
        event.user = self._actor("any", record)
        event.process = record.first(*_PROCESS_FIELDS)
        set_source(event, self._who, record.first(*_ADDRESS_FIELDS))


def _uid(record: WindowsRecord) -> str:
    """Name the record uniquely: its number counts up within one log of one machine."""
    if not (record.computer and record.channel and record.record_id):
        return ""
    computer, channel = record.computer[:_PROVIDER_LIMIT].lower(), record.channel[:_PROVIDER_LIMIT]
    return f"{computer}|{channel}|{record.record_id[:32]}"


def audit_result(channel: str, keywords: object, words: str = "") -> int:
    """Read the result from the audit keywords: 1 success, 2 failure, 0 neither.

    Parameters
    ----------
    channel
        The log. Outside of Security and of classic sources bit 52 means something else (a correlation hint).
    keywords
        The 64-bit mask as a signed or unsigned number or as 0x text, or a list of names as winlogbeat
        writes it. Bit 52 is audit failure, bit 53 audit success, bit 55 a classic source (winmeta.h).
    words
        A word for it, where the carrier has one: AUDIT_SUCCESS, AUDIT_FAILURE, success, failure.
    """
    found = _audit_words(words)
    if found:
        return found
    if isinstance(keywords, list):
        for item in keywords[:16]:
            found = _audit_words(item) if isinstance(item, str) else 0
            if found:
                return found
        return 0
    mask = integer(keywords) if not isinstance(keywords, str) else _mask(keywords)
    if not mask & _CLASSIC and channel.lower() != "security":
        return _audit_words(keywords) if isinstance(keywords, str) else 0
    if mask & _AUDIT_FAILURE:
        return FAILURE
    return SUCCESS if mask & _AUDIT_SUCCESS else 0


def _audit_words(words: str) -> int:
    if words[:5] not in ("AUDIT", "Audit", "audit"):
        return 0
    lower = words[:32].lower()
    if "fail" in lower:
        return FAILURE
    return SUCCESS if "success" in lower else 0


def _mask(keywords: str) -> int:
    try:
        return int(keywords[:24], 16 if keywords[:2] in ("0x", "0X") else 10)
    except ValueError:
        return 0
