"""The canonical event: a flat, typed subset of OCSF 1.8.

Every decoder turns its source's own records into `Event`. Attribute names are the last parts of the OCSF
path; the table below is the whole mapping. An empty string (or 0) always means "the record does not say".

=================  ==========================================================================================
attribute          OCSF path
=================  ==========================================================================================
time_us            time (OCSF has milliseconds; kept in microseconds since 1970-01-01 UTC)
class_uid          class_uid (constants below; 0 is Base Event)
activity_id        activity_id of that class
status_id          status_id: 0 unknown, 1 success, 2 failure
uid                metadata.uid, else the source's own unique record id
user               actor.user or user, whoever *acts*, as an entity name made by `features.identity`
target_user        user (or group) acted *upon*, where that differs from `user`; an entity name too
host               device.hostname: where it happened, as an entity name made by `features.identity`
src_ip             src_endpoint.ip (or device.ip of the client), normalised by `features.identity.ip`
src_host           src_endpoint.hostname: the machine it came from, as an entity name
dst_host           dst_endpoint.hostname, as an entity name
dst_ip             dst_endpoint.ip, normalised
dst_port           dst_endpoint.port (0: none)
protocol           connection_info.protocol_name or the application protocol, lower case ("tcp", "smb", "dns")
process            process.file.path, else process.name (raw; reduced later by `features.shapes`)
parent_process     process.parent_process.file.path, else its name (raw)
command            process.cmd_line (raw)
file               file.path, registry key path, share path or object name (raw)
operation          api.operation, or the source's own name for what was done ("ConsoleLogin")
service            api.service.name, application or service name ("s3.amazonaws.com", "sshd", "Exchange")
resource           resources[0].name or uid: bucket, role, task, service, policy that was touched (raw)
auth               auth_protocol and logon type ("ntlm network", "kerberos", "password", "publickey")
status_detail      status_detail or error code ("AccessDenied", "bad password", "NXDOMAIN")
user_agent         http_request.user_agent (raw)
domain             query.hostname, url.hostname, tls.sni: an Internet name that was asked for (raw)
cloud_account      cloud.account.uid
cloud_region       cloud.region
bytes_in           traffic.bytes_in: bytes that the source endpoint (src_ip) received
bytes_out          traffic.bytes_out: bytes that the source endpoint sent
=================  ==========================================================================================

A volume is what *this* record counts: a sensor may tell of the same bytes in the record of a connection, of a
request in it and of the file that it carried. Whoever adds volumes up adds those of one class.
"""

from __future__ import annotations

import msgspec

SUCCESS = 1
FAILURE = 2

BASE_EVENT = 0
FILE_ACTIVITY = 1001
KERNEL_EXTENSION = 1002
MEMORY_ACTIVITY = 1004
MODULE_ACTIVITY = 1005
SCHEDULED_JOB = 1006
PROCESS_ACTIVITY = 1007
EVENT_LOG_ACTIVITY = 1008
SCRIPT_ACTIVITY = 1009
REGISTRY_KEY = 201001
REGISTRY_VALUE = 201002
WINDOWS_SERVICE = 201004
DETECTION_FINDING = 2004
ACCOUNT_CHANGE = 3001
AUTHENTICATION = 3002
AUTHORIZE_SESSION = 3003
ENTITY_MANAGEMENT = 3004
USER_ACCESS = 3005
GROUP_MANAGEMENT = 3006
NETWORK_ACTIVITY = 4001
HTTP_ACTIVITY = 4002
DNS_ACTIVITY = 4003
DHCP_ACTIVITY = 4004
RDP_ACTIVITY = 4005
SMB_ACTIVITY = 4006
SSH_ACTIVITY = 4007
FTP_ACTIVITY = 4008
EMAIL_ACTIVITY = 4009
NTP_ACTIVITY = 4013
TUNNEL_ACTIVITY = 4014
WEB_RESOURCES = 6001
APPLICATION_LIFECYCLE = 6002
API_ACTIVITY = 6003
DATASTORE_ACTIVITY = 6005
FILE_HOSTING = 6006

CLASS_NAMES = {
    BASE_EVENT: "Base Event",
    FILE_ACTIVITY: "File System Activity",
    KERNEL_EXTENSION: "Kernel Extension Activity",
    MEMORY_ACTIVITY: "Memory Activity",
    MODULE_ACTIVITY: "Module Activity",
    SCHEDULED_JOB: "Scheduled Job Activity",
    PROCESS_ACTIVITY: "Process Activity",
    EVENT_LOG_ACTIVITY: "Event Log Activity",
    SCRIPT_ACTIVITY: "Script Activity",
    REGISTRY_KEY: "Registry Key Activity",
    REGISTRY_VALUE: "Registry Value Activity",
    WINDOWS_SERVICE: "Windows Service Activity",
    DETECTION_FINDING: "Detection Finding",
    ACCOUNT_CHANGE: "Account Change",
    AUTHENTICATION: "Authentication",
    AUTHORIZE_SESSION: "Authorize Session",
    ENTITY_MANAGEMENT: "Entity Management",
    USER_ACCESS: "User Access Management",
    GROUP_MANAGEMENT: "Group Management",
    NETWORK_ACTIVITY: "Network Activity",
    HTTP_ACTIVITY: "HTTP Activity",
    DNS_ACTIVITY: "DNS Activity",
    DHCP_ACTIVITY: "DHCP Activity",
    RDP_ACTIVITY: "RDP Activity",
    SMB_ACTIVITY: "SMB Activity",
    SSH_ACTIVITY: "SSH Activity",
    FTP_ACTIVITY: "FTP Activity",
    EMAIL_ACTIVITY: "Email Activity",
    NTP_ACTIVITY: "NTP Activity",
    TUNNEL_ACTIVITY: "Tunnel Activity",
    WEB_RESOURCES: "Web Resources Activity",
    APPLICATION_LIFECYCLE: "Application Lifecycle",
    API_ACTIVITY: "API Activity",
    DATASTORE_ACTIVITY: "Datastore Activity",
    FILE_HOSTING: "File Hosting Activity",
}

EARLIEST_US = 0
"""1970-01-01: some sensors count time from zero, so the epoch itself is a valid time."""
LATEST_US = 4_102_444_800_000_000
"""2100-01-01: whatever lies outside is a broken clock and goes to quarantine."""
MOST_BYTES = 1 << 53
"""A volume above (nine petabytes in one record) or below zero is a broken counter and counts as 0. Up to here
a volume is exact as a float64 too."""


class Event(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One thing that happened, as habitus knows it. See the module's table for each attribute."""

    time_us: int
    class_uid: int = BASE_EVENT
    activity_id: int = 0
    status_id: int = 0
    uid: str = ""
    user: str = ""
    target_user: str = ""
    host: str = ""
    src_ip: str = ""
    src_host: str = ""
    dst_host: str = ""
    dst_ip: str = ""
    dst_port: int = 0
    protocol: str = ""
    process: str = ""
    parent_process: str = ""
    command: str = ""
    file: str = ""
    operation: str = ""
    service: str = ""
    resource: str = ""
    auth: str = ""
    status_detail: str = ""
    user_agent: str = ""
    domain: str = ""
    cloud_account: str = ""
    cloud_region: str = ""
    bytes_in: int = 0
    bytes_out: int = 0


TEXT_ATTRIBUTES = tuple(name for name, kind in Event.__annotations__.items() if kind == "str")
"""The attributes of `Event` that hold text, in declaration order (`uid` among them)."""

ACTIVITY_NAMES = {
    FILE_ACTIVITY: {
        1: "create",
        2: "read",
        3: "update",
        4: "delete",
        5: "rename",
        6: "set attributes",
        7: "set security",
        14: "open",
    },
    MEMORY_ACTIVITY: {1: "allocate", 2: "modify", 4: "delete", 7: "execute", 8: "read", 9: "write"},
    MODULE_ACTIVITY: {1: "load", 2: "unload", 3: "function call"},
    SCHEDULED_JOB: {1: "create", 2: "update", 3: "delete", 4: "enable", 5: "disable", 6: "start"},
    PROCESS_ACTIVITY: {1: "launch", 2: "terminate", 3: "open", 4: "inject", 5: "set user"},
    EVENT_LOG_ACTIVITY: {
        1: "clear",
        2: "delete",
        3: "export",
        4: "archive",
        5: "rotate",
        6: "start",
        7: "stop",
        8: "restart",
        9: "enable",
        10: "disable",
    },
    REGISTRY_KEY: {1: "create", 2: "read", 3: "modify", 4: "delete", 5: "rename"},
    REGISTRY_VALUE: {1: "get", 2: "set", 3: "modify", 4: "delete"},
    WINDOWS_SERVICE: {
        1: "create",
        2: "reconfigure",
        3: "start",
        4: "stop",
        5: "pause",
        6: "continue",
        7: "delete",
    },
    ACCOUNT_CHANGE: {
        1: "create",
        2: "enable",
        3: "password change",
        4: "password reset",
        5: "disable",
        6: "delete",
        7: "attach policy",
        8: "detach policy",
        9: "lock",
        10: "MFA enable",
        11: "MFA disable",
        12: "unlock",
    },
    AUTHENTICATION: {
        1: "logon",
        2: "logoff",
        3: "authentication ticket",
        4: "service ticket",
        5: "service ticket renewal",
        6: "preauthentication",
    },
    AUTHORIZE_SESSION: {1: "assign privileges", 2: "assign groups"},
    SCRIPT_ACTIVITY: {1: "execute"},
    ENTITY_MANAGEMENT: {
        1: "create",
        2: "read",
        3: "update",
        4: "delete",
        5: "move",
        6: "enroll",
        7: "unenroll",
        8: "enable",
        9: "disable",
        10: "activate",
        11: "deactivate",
        12: "suspend",
        13: "resume",
    },
    USER_ACCESS: {1: "assign privileges", 2: "revoke privileges"},
    GROUP_MANAGEMENT: {
        1: "assign privileges",
        2: "revoke privileges",
        3: "add user",
        4: "remove user",
        5: "delete",
        6: "create",
    },
    NETWORK_ACTIVITY: {1: "open", 2: "close", 3: "reset", 4: "fail", 5: "refuse", 6: "traffic", 7: "listen"},
    HTTP_ACTIVITY: {
        1: "CONNECT",
        2: "DELETE",
        3: "GET",
        4: "HEAD",
        5: "OPTIONS",
        6: "POST",
        7: "PUT",
        8: "TRACE",
        9: "PATCH",
    },
    DNS_ACTIVITY: {1: "query", 2: "response", 6: "traffic"},
    SMB_ACTIVITY: {
        1: "file supersede",
        2: "file open",
        3: "file create",
        4: "file open if",
        5: "file overwrite",
        6: "file overwrite if",
    },
    API_ACTIVITY: {1: "create", 2: "read", 3: "update", 4: "delete"},
    WEB_RESOURCES: {
        1: "create",
        2: "read",
        3: "update",
        4: "delete",
        5: "search",
        6: "import",
        7: "export",
        8: "share",
    },
    FILE_HOSTING: {
        1: "upload",
        2: "download",
        3: "update",
        4: "delete",
        5: "rename",
        6: "copy",
        7: "move",
        8: "restore",
        9: "preview",
        10: "lock",
        11: "unlock",
        12: "share",
        13: "unshare",
        14: "open",
        15: "sync",
        16: "unsync",
    },
}
"""OCSF 1.8 activity names of the classes above, as people read them in a reason."""
