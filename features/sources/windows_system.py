"""Windows services, scheduled tasks, remote desktop and remote management (WinRM).

Field names are those of the providers' manifests; parameters without a name are param1, param2 and so on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.events import (
    API_ACTIVITY,
    AUTHENTICATION,
    BASE_EVENT,
    FAILURE,
    NETWORK_ACTIVITY,
    RDP_ACTIVITY,
    SCHEDULED_JOB,
    WINDOWS_SERVICE,
)
from features.sources.windows_record import OTHER, Rule, assignments, set_source
from features.sources.windows_security_details import service_installed

if TYPE_CHECKING:
    from features.events import Event
    from features.sources.windows_record import Resolver, WindowsRecord

_MESSAGE_LIMIT: Final = 16_384


# --- services and scheduled tasks ------------------------------------------------------------------


def _service_name(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """7036, 7040 and failures: the name stands first, but second where a time-out stands first."""
    name = record.get("param2") if record.event_id in (7009, 7011) else record.get("param1")
    event.service = event.resource = record.get("param4") or name if record.event_id == 7040 else name
    if record.event_id == 7036:
        state = record.get("param2").lower()
        event.activity_id = {"running": 3, "stopped": 4, "paused": 5}.get(state, OTHER)
        event.status_detail = state
    elif record.event_id == 7040:
        event.status_detail = record.get("param3").lower()


SERVICES: Final[dict[int, Rule]] = {
    7045: Rule(WINDOWS_SERVICE, 1, "ServiceInstalled", "writer", detail=service_installed),
    7036: Rule(WINDOWS_SERVICE, OTHER, "ServiceState", "writer", detail=_service_name),
    7040: Rule(WINDOWS_SERVICE, 2, "ServiceStartTypeChanged", "writer", detail=_service_name),
    7035: Rule(WINDOWS_SERVICE, OTHER, "ServiceControl", "writer", detail=_service_name),
    **{
        number: Rule(WINDOWS_SERVICE, activity, name, "writer", status_id=FAILURE, detail=_service_name)
        for number, activity, name in (
            (7000, 3, "ServiceStartFailed"),
            (7001, 3, "ServiceStartFailed"),
            (7009, 3, "ServiceTimeout"),
            (7011, OTHER, "ServiceTimeout"),
            (7022, 3, "ServiceHung"),
            (7023, 4, "ServiceTerminated"),
            (7024, 4, "ServiceTerminated"),
            (7031, 4, "ServiceTerminated"),
            (7034, 4, "ServiceTerminated"),
            (7038, 3, "ServiceLogonFailed"),
            (7041, 3, "ServiceLogonFailed"),
        )
    },
}
"""Rules for Service Control Manager."""


def _task(event: Event, record: WindowsRecord, who: Resolver) -> None:
    event.resource = record.first("TaskName", "Name")
    name = record.first("UserContext", "UserName", "User")
    event.user = who.user(name, "", "", record.computer) or event.user
    event.process = record.first("ActionName", "Path")
    code = record.number("ResultCode")
    if code:
        event.status_detail = f"0x{code & 0xFFFFFFFF:08x}"


_TASK_RULES: Final = (
    (106, 1, "TaskRegistered"),
    (140, 2, "TaskUpdated"),
    (141, 3, "TaskDeleted"),
    (142, 5, "TaskDisabled"),
    (100, 6, "TaskStarted"),
    (107, 6, "TaskTriggered"),
    (108, 6, "TaskTriggered"),
    (110, 6, "TaskTriggeredByUser"),
    (118, 6, "TaskTriggered"),
    (119, 6, "TaskTriggered"),
    (129, 6, "TaskProcessCreated"),
    (200, 6, "TaskActionStarted"),
    (102, OTHER, "TaskCompleted"),
    (201, OTHER, "TaskActionCompleted"),
    (111, OTHER, "TaskTerminated"),
)
TASKS: Final[dict[int, Rule]] = {
    **{
        number: Rule(SCHEDULED_JOB, activity, name, "", detail=_task)
        for number, activity, name in _TASK_RULES
    },
    **{
        number: Rule(SCHEDULED_JOB, 6, "TaskStartFailed", "", status_id=FAILURE, detail=_task)
        for number in (101, 103, 104, 202, 203, 204)
    },
}
"""Rules for Microsoft-Windows-TaskScheduler."""


# --- remote desktop and remote management ----------------------------------------------------------


def _rdp_session(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """21 to 25: fields of the event, or lines of the message where the carrier dropped them."""
    name, address = record.get("User"), record.get("Address")
    if not name and record.message:
        lines = assignments(record.message[:_MESSAGE_LIMIT], ":")
        name, address = lines.get("user", ""), address or lines.get("source network address", "")
    event.user = who.user(name, "", "", record.computer)
    if address.upper() == "LOCAL":
        event.src_host = event.host
        event.auth = "interactive" if event.class_uid == AUTHENTICATION else ""
    else:
        set_source(event, who, address)
        event.auth = "remoteinteractive" if event.class_uid == AUTHENTICATION else ""
        event.protocol = "rdp"


def _rdp_connection(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """1149, 261, 131, 140: a client that reached the listener; 1149 names an account, not proven yet."""
    event.protocol = "rdp"
    event.user = who.user(record.get("Param1"), record.get("Param2"), "", record.computer)
    set_source(event, who, record.first("Param3", "ClientIP", "IPString"))


def _rdp_client(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """RDPClient 1024, 1102: this machine connects to another one."""
    event.protocol = "rdp"
    target = record.get("Value")
    event.dst_ip = who.ip(target)
    event.dst_host = "" if event.dst_ip else who.host(target)
    event.dst_port = 3389


RDP_SESSIONS: Final[dict[int, Rule]] = {
    21: Rule(AUTHENTICATION, 1, "SessionLogon", "", detail=_rdp_session),
    22: Rule(AUTHENTICATION, OTHER, "ShellStart", "", detail=_rdp_session),
    23: Rule(AUTHENTICATION, 2, "SessionLogoff", "", detail=_rdp_session),
    24: Rule(RDP_ACTIVITY, 7, "SessionDisconnected", "", detail=_rdp_session),
    25: Rule(RDP_ACTIVITY, 8, "SessionReconnected", "", detail=_rdp_session),
    39: Rule(RDP_ACTIVITY, 7, "SessionDisconnectedBySession", "", detail=_rdp_session),
    40: Rule(RDP_ACTIVITY, 7, "SessionDisconnectReason", "", detail=_rdp_session),
}
"""Rules for Microsoft-Windows-TerminalServices-LocalSessionManager."""
RDP_CONNECTIONS: Final[dict[int, Rule]] = {
    1149: Rule(RDP_ACTIVITY, 3, "ConnectionAuthenticated", "", detail=_rdp_connection),
    261: Rule(RDP_ACTIVITY, 1, "ConnectionReceived", "", detail=_rdp_connection),
    131: Rule(RDP_ACTIVITY, 1, "ConnectionAccepted", "", detail=_rdp_connection),
    140: Rule(RDP_ACTIVITY, 3, "ConnectionFailed", "", status_id=FAILURE, detail=_rdp_connection),
    102: Rule(RDP_ACTIVITY, 7, "ConnectionClosed", "", detail=_rdp_connection),
}
"""Rules for TerminalServices-RemoteConnectionManager and RemoteDesktopServices-RdpCoreTS."""
RDP_CLIENT: Final[dict[int, Rule]] = {
    1024: Rule(RDP_ACTIVITY, 3, "ConnectionOutgoing", "writer", detail=_rdp_client),
    1102: Rule(RDP_ACTIVITY, 3, "ConnectionOutgoing", "writer", detail=_rdp_client),
}
"""Rules for TerminalServices-ClientActiveXCore (log RDPClient)."""


def _winrm(event: Event, record: WindowsRecord, who: Resolver) -> None:
    connection = record.get("connection")
    if connection:
        target = connection.partition("/")[0]
        event.dst_ip = who.ip(target)
        event.dst_host = "" if event.dst_ip else who.host(target)
    name = record.first("username", "userName", "user")
    event.user = who.user(name, "", "", record.computer) or event.user
    event.auth = record.first("authenticationMechanism", "authenticationmechanism").lower()
    event.resource = record.first("resourceUri", "ResourceUri", "operationName")
    event.service = "winrm"


WINRM: Final[dict[int, Rule]] = {
    6: Rule(NETWORK_ACTIVITY, 1, "WinRMSessionCreate", "writer", detail=_winrm),
    8: Rule(NETWORK_ACTIVITY, 2, "WinRMSessionClose", "writer", detail=_winrm),
    31: Rule(NETWORK_ACTIVITY, 1, "WinRMSessionCreated", "writer", detail=_winrm),
    33: Rule(NETWORK_ACTIVITY, 2, "WinRMSessionClosed", "writer", detail=_winrm),
    80: Rule(NETWORK_ACTIVITY, 6, "WinRMRequest", "writer", detail=_winrm),
    81: Rule(NETWORK_ACTIVITY, 6, "WinRMRequestReceived", "writer", detail=_winrm),
    82: Rule(API_ACTIVITY, OTHER, "WinRMPluginCall", "writer", detail=_winrm),
    91: Rule(AUTHENTICATION, 1, "WinRMShellCreate", "writer", detail=_winrm),
    142: Rule(NETWORK_ACTIVITY, 4, "WinRMOperationFailed", "writer", status_id=FAILURE, detail=_winrm),
    161: Rule(AUTHENTICATION, 1, "WinRMAuthentication", "writer", status_id=FAILURE, detail=_winrm),
    162: Rule(AUTHENTICATION, 1, "WinRMAuthentication", "writer", status_id=FAILURE, detail=_winrm),
    168: Rule(AUTHENTICATION, 1, "WinRMAuthenticating", "writer", status_id=0, detail=_winrm),
    169: Rule(AUTHENTICATION, 1, "WinRMAuthentication", "writer", detail=_winrm),
    192: Rule(AUTHENTICATION, 1, "WinRMAuthorization", "writer", status_id=FAILURE, detail=_winrm),
    193: Rule(BASE_EVENT, OTHER, "WinRMRequestAuthorized", "writer", detail=_winrm),
}
"""Rules for Microsoft-Windows-WinRM."""
