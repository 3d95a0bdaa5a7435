"""Sysmon for Windows and for Linux: event ids 1 to 29 and 255.

Field names: the schema that `sysmon -s` prints (schema version 4.90). `User` is who the process runs as;
older versions write it only into some events, and then nobody is named: the account in System.Security is
the Sysmon service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.events import (
    BASE_EVENT,
    DNS_ACTIVITY,
    FAILURE,
    FILE_ACTIVITY,
    KERNEL_EXTENSION,
    MODULE_ACTIVITY,
    NETWORK_ACTIVITY,
    PROCESS_ACTIVITY,
    REGISTRY_KEY,
    REGISTRY_VALUE,
    SUCCESS,
)
from features.sources import windows_codes as codes
from features.sources.windows_record import OTHER, Rule, assignments

if TYPE_CHECKING:
    from features.events import Event
    from features.sources.windows_record import Resolver, WindowsRecord

_REGISTRY: Final = {
    "createkey": (REGISTRY_KEY, 1, "RegistryKeyCreate"),
    "deletekey": (REGISTRY_KEY, 4, "RegistryKeyDelete"),
    "createvalue": (REGISTRY_VALUE, 2, "RegistryValueCreate"),
    "deletevalue": (REGISTRY_VALUE, 4, "RegistryValueDelete"),
    "setvalue": (REGISTRY_VALUE, 2, "RegistryValueSet"),
    "renamekey": (REGISTRY_KEY, 5, "RegistryKeyRename"),
    "renamevalue": (REGISTRY_VALUE, 3, "RegistryValueRename"),
    "renamekey and value": (REGISTRY_KEY, 5, "RegistryKeyRename"),
}
_ACCESS_NAMES: Final = ("SourceUser", "User")


def _registry(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    kind = _REGISTRY.get(record.get("EventType").lower())
    if kind is not None:
        event.class_uid, event.activity_id, event.operation = kind


def _user(event: Event, record: WindowsRecord, who: Resolver) -> None:
    name = record.first(*_ACCESS_NAMES)
    event.user = who.user(name, "", "", record.computer)
    target = record.get("TargetUser")
    if target and target != name:
        event.target_user = who.user(target, "", "", record.computer)


def _network(event: Event, record: WindowsRecord, who: Resolver) -> None:
    near, far = "Source", "Destination"
    if record.get("Initiated").lower() == "false":
        event.operation = "NetworkAccept"
        # For datagrams that came in, Sysmon calls the local service the source; else the initiator is it.
        if record.get("Protocol").lower() == "udp" and record.number("SourcePort") < record.number(
            "DestinationPort"
        ):
            near, far = far, near
    event.src_ip = who.ip(record.get(f"{near}Ip"))
    event.src_host = who.host(record.get(f"{near}Hostname"))
    name = record.get(f"{far}Hostname")
    event.dst_ip = who.ip(record.get(f"{far}Ip"))
    event.dst_host = who.host(name)
    event.domain = name if "." in name and event.operation == "NetworkConnect" else ""
    port = record.number(f"{far}Port")
    event.dst_port = port if 0 < port < 65_536 else 0
    event.protocol = record.get("Protocol").lower()


def _dns(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    event.domain = record.get("QueryName")
    event.protocol = "dns"
    status = record.number("QueryStatus")
    if status:
        event.status_detail = codes.DNS_STATUS.get(status, str(status))
        event.status_id = FAILURE


def _clipboard(event: Event, record: WindowsRecord, who: Resolver) -> None:
    r"""24: `ClientInfo` reads `user: WS-12\alice hostname: alices-laptop` for a remote session."""
    info = record.get("ClientInfo")
    _, _, rest = info.partition("user: ")
    name, _, machine = rest.partition(" hostname: ")
    if not event.user:
        event.user = who.user(name.strip(), "", "", record.computer)
    found = assignments(info.replace(" ip: ", "\nip: "), ": ").get("ip", "")
    event.src_ip = who.ip(found)
    event.src_host = who.host(machine.partition(" ip: ")[0].strip())


def _wmi(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    operation = record.get("Operation").lower()
    event.activity_id = {"created": 1, "modified": 3, "deleted": 4}.get(operation, OTHER)
    event.resource = record.get("Name").strip(' "') or record.get("Filter").strip(' "')
    event.command = record.first("Destination", "Query").strip(' "')
    if not event.command:
        event.command = record.get("Consumer").strip(' "')


def _service_state(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    event.resource = "Sysmon"
    event.status_detail = record.get("State").lower()


_IMAGE: Final = (("process", "Image"),)
_FILE: Final = (("process", "Image"), ("file", "TargetFilename"))
_KEY: Final = (("process", "Image"), ("file", "TargetObject"))
_PIPE: Final = (("process", "Image"), ("file", "PipeName"))

SYSMON: Final[dict[int, Rule]] = {
    1: Rule(
        PROCESS_ACTIVITY,
        1,
        "ProcessCreate",
        "user",
        copy=(("process", "Image"), ("parent_process", "ParentImage"), ("command", "CommandLine")),
    ),
    2: Rule(FILE_ACTIVITY, 6, "FileCreateTime", "user", copy=_FILE),
    3: Rule(NETWORK_ACTIVITY, 1, "NetworkConnect", "user", copy=_IMAGE, detail=_network),
    4: Rule(BASE_EVENT, OTHER, "ServiceStateChange", "", detail=_service_state),
    5: Rule(PROCESS_ACTIVITY, 2, "ProcessTerminate", "user", copy=_IMAGE),
    6: Rule(
        KERNEL_EXTENSION,
        1,
        "DriverLoad",
        "user",
        copy=(("file", "ImageLoaded"), ("resource", "Signature"), ("status_detail", "SignatureStatus")),
    ),
    7: Rule(
        MODULE_ACTIVITY,
        1,
        "ImageLoad",
        "user",
        copy=(("process", "Image"), ("file", "ImageLoaded"), ("resource", "Signature")),
    ),
    8: Rule(
        PROCESS_ACTIVITY,
        4,
        "CreateRemoteThread",
        "",
        copy=(("process", "SourceImage"), ("file", "TargetImage")),
        detail=_user,
    ),
    9: Rule(FILE_ACTIVITY, 2, "RawAccessRead", "user", copy=(("process", "Image"), ("file", "Device"))),
    10: Rule(
        PROCESS_ACTIVITY,
        3,
        "ProcessAccess",
        "",
        copy=(("process", "SourceImage"), ("file", "TargetImage"), ("resource", "GrantedAccess")),
        detail=_user,
    ),
    11: Rule(FILE_ACTIVITY, 1, "FileCreate", "user", copy=_FILE),
    12: Rule(REGISTRY_KEY, OTHER, "RegistryEvent", "user", copy=_KEY, detail=_registry),
    13: Rule(REGISTRY_VALUE, 2, "RegistryValueSet", "user", copy=_KEY, detail=_registry),
    14: Rule(
        REGISTRY_KEY,
        5,
        "RegistryKeyRename",
        "user",
        copy=(("process", "Image"), ("file", "TargetObject"), ("resource", "NewName")),
        detail=_registry,
    ),
    15: Rule(FILE_ACTIVITY, 1, "FileCreateStreamHash", "user", copy=_FILE),
    16: Rule(BASE_EVENT, OTHER, "ConfigurationChange", "", copy=(("resource", "Configuration"),)),
    17: Rule(FILE_ACTIVITY, 1, "PipeCreate", "user", copy=_PIPE),
    18: Rule(FILE_ACTIVITY, 14, "PipeConnect", "user", copy=_PIPE),
    19: Rule(BASE_EVENT, OTHER, "WmiEventFilter", "user", detail=_wmi),
    20: Rule(BASE_EVENT, OTHER, "WmiEventConsumer", "user", detail=_wmi),
    21: Rule(BASE_EVENT, OTHER, "WmiEventBinding", "user", detail=_wmi),
    22: Rule(DNS_ACTIVITY, 6, "DnsQuery", "user", copy=_IMAGE, detail=_dns),
    23: Rule(FILE_ACTIVITY, 4, "FileDelete", "user", copy=_FILE),
    24: Rule(BASE_EVENT, OTHER, "ClipboardChange", "user", copy=_IMAGE, detail=_clipboard),
    25: Rule(
        PROCESS_ACTIVITY, 4, "ProcessTampering", "user", copy=(("process", "Image"), ("resource", "Type"))
    ),
    26: Rule(FILE_ACTIVITY, 4, "FileDeleteDetected", "user", copy=_FILE),
    27: Rule(FILE_ACTIVITY, 1, "FileBlockExecutable", "user", copy=_FILE, status_id=FAILURE),
    28: Rule(FILE_ACTIVITY, 4, "FileBlockShredding", "user", copy=_FILE, status_id=FAILURE),
    29: Rule(FILE_ACTIVITY, 1, "FileExecutableDetected", "user", copy=_FILE, status_id=SUCCESS),
    255: Rule(BASE_EVENT, OTHER, "Error", "", copy=(("resource", "ID"),), status_id=FAILURE),
}
"""Rules for Microsoft-Windows-Sysmon and Linux-Sysmon."""
