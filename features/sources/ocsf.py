"""OCSF JSON, one object a line: the typed decoder, the reference that `features.scanner` agrees with."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from features import events, identity
from features.errors import RecordError
from features.events import Event
from features.sources.ocsf_schema import (
    Actor,
    ActorProcess,
    Destination,
    Device,
    Document,
    ParentProcess,
    Process,
    User,
    lenient,
)
from features.sources.parsing import TEXT_LIMIT, epoch_us, iso_us, json_object, volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.sources.base import Record, Sample, SourceContext

SIGN_IN_CLASSES = frozenset({events.AUTHENTICATION, events.AUTHORIZE_SESSION})
"""Classes whose `user` is the one who acts."""
ACCOUNT_CLASSES = frozenset(
    {events.ACCOUNT_CHANGE, events.USER_ACCESS, events.GROUP_MANAGEMENT, events.ENTITY_MANAGEMENT}
)
"""Classes whose `user` is acted upon by `actor.user`."""

AUTH_PROTOCOLS = {
    1: "ntlm",
    2: "kerberos",
    3: "digest",
    4: "openid",
    5: "saml",
    6: "oauth 2.0",
    7: "pap",
    8: "chap",
    9: "eap",
    10: "radius",
    11: "basic authentication",
    12: "ldap",
}
"""Captions of `auth_protocol_id` in OCSF 1.8, lower case; 0 unknown and 99 other say nothing."""
LOGON_TYPES = {
    1: "system",
    2: "interactive",
    3: "network",
    4: "batch",
    5: "service",
    7: "unlock",
    8: "cleartext",
    9: "newcredentials",
    10: "remoteinteractive",
    11: "cached",
    12: "cachedremote",
    13: "cachedunlock",
}
"""Words for `logon_type_id` of OCSF 1.8, the same that the Windows decoders use."""
PROTOCOLS = {
    1: "icmp",
    2: "igmp",
    6: "tcp",
    17: "udp",
    41: "ipv6",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "ipv6-icmp",
    89: "ospf",
    132: "sctp",
}
"""Names of `protocol_num` (IANA protocol numbers), for flow logs that give the number only."""

INT32_MAX = 2**31 - 1
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_BLANKS = b" \t\r"
_STATUS = {"success": events.SUCCESS, "failure": events.FAILURE}

_NO_ACTOR = Actor()
_NO_ACTOR_PROCESS = ActorProcess()
_NO_PROCESS = Process()
_NO_PARENT = ParentProcess()
_NO_DEVICE = Device()
_NO_DESTINATION = Destination()

_decode_document = msgspec.json.Decoder(Document).decode


class OcsfDecoder:
    """Decodes OCSF 1.x events of any class, from any producer (Security Lake, Splunk, own collectors)."""

    name: ClassVar[str] = "ocsf"

    def __init__(self, context: SourceContext) -> None:
        self._user = context.identity.user

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Certain with a class and the version that OCSF requires beside it; nearly, with less of it."""
        record = sample.record
        metadata = record.get("metadata")
        if not ("time" in record or "time_dt" in record or isinstance(metadata, dict)):
            return 0.0
        if type(record.get("class_uid")) is int:
            return 1.0 if isinstance(metadata, dict) and isinstance(metadata.get("version"), str) else 0.98
        return 0.9 if type(record.get("type_uid")) is int else 0.0

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """One record a line; blank lines are dropped."""
        return ((number, line) for number, line in lines if line.strip(_BLANKS))

    def decode(self, record: bytes) -> Event:
        """One OCSF object to one event; RecordError without a time or class, or when it is no JSON object."""
        try:
            document = _decode_document(record)
        except msgspec.ValidationError:
            found = lenient(Document, json_object(record))
            assert isinstance(found, Document)  # noqa: S101 - narrows the type only
            document = found
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RecordError(f"not valid JSON: {str(error)[:120]}") from error
        except RecursionError as error:
            raise RecordError("JSON nested too deeply") from error
        event = self._event(document)
        # Only a longer record can hold a text that is longer.
        return event if len(record) <= TEXT_LIMIT else _shortened(event)

    def _event(self, document: Document) -> Event:
        class_uid = _class_uid(document)
        actor = document.actor or _NO_ACTOR
        process = document.process or _NO_PROCESS
        destination = document.dst_endpoint or _NO_DESTINATION
        host = _host(document.device or _NO_DEVICE, destination, class_uid)
        acts, target = _users(class_uid, document.user, actor, process)
        event = Event(
            time_us=_time_us(document),
            class_uid=class_uid,
            activity_id=_activity_id(document),
            status_id=_status_id(document),
            host=identity.host(host),
            status_detail=document.status_detail or document.status_code or "",
            auth=_auth(document),
        )
        if document.metadata is not None:
            event.uid = document.metadata.uid or ""
        if acts is not None:
            event.user = self._entity(acts, host)
        if target is not None:
            event.target_user = self._entity(target, host)
        _fill_network(event, document, destination)
        _fill_process(event, document, process, actor.process or _NO_ACTOR_PROCESS)
        _fill_objects(event, document)
        _fill_cloud(event, document)
        return event

    def _entity(self, user: User, host: str) -> str:
        name, domain, uid = user_parts(user)
        return self._user(name, domain=domain, sid=uid, host=machine_of(name, domain, uid, host))


def user_parts(user: User) -> tuple[str, str, str]:
    """Name, domain and stable id of a user; an ARN in the id serves as the name of a user without one."""
    uid = user.uid or ""
    name = user.name or user.email_addr or (uid if uid.startswith("arn:") else "")
    return name, user.domain or "", uid


def machine_of(name: str, domain: str, uid: str, host: str) -> str:
    """The host if it can change who is meant, else "".

    It can for an account of the machine itself (the domain is the machine's name, full name or 15-character
    NetBIOS name, or a dot) and for a UNIX user number. Leaving it out otherwise keeps the number of distinct
    users small: each (user, host) pair would be resolved and remembered apart. Generous with odd spellings.
    """
    if not host:
        return ""
    if uid and _LETTERS.isdisjoint(uid):
        return host
    where = domain
    head, slash, _ = name.rpartition("\\")
    if slash:
        where = head.rpartition("\\")[2] or domain
    if not where:
        return ""
    if not (
        where.isascii()
        and host.isascii()
        and where[0].isalnum()
        and where[-1].isalnum()
        and host[0].isalnum()
    ):
        return host
    if len(where) > len(host) or host[: len(where)].lower() != where.lower():
        return ""
    if len(where) in (len(host), 15):
        return host
    after = host[len(where)]
    return "" if after.isalnum() or after in "-_" else host


def _present(user: User | None) -> User | None:
    return user if user is not None and (user.name or user.uid or user.email_addr) else None


def _users(
    class_uid: int, user: User | None, actor: Actor, process: Process
) -> tuple[User | None, User | None]:
    """Who acts, and upon whom."""
    if class_uid in SIGN_IN_CLASSES:
        return _present(user) or _present(actor.user), None
    if class_uid in ACCOUNT_CLASSES:
        acts, target = _present(actor.user), _present(user)
        if acts is None or target is None:
            return acts or target, None if acts is None else target
        return acts, None if _same(acts, target) else target
    if class_uid == events.PROCESS_ACTIVITY:
        return _present(process.user) or _present(actor.user) or _present(user), None
    last = actor.process.user if actor.process is not None else None
    return _present(actor.user) or _present(user) or _present(process.user) or _present(last), None


def _same(left: User, right: User) -> bool:
    """Whether the record says that both are one, as with a user's change of the own password."""
    one, other = user_parts(left), user_parts(right)
    return one == other or bool(one[2] and one[2] == other[2])


def _class_uid(document: Document) -> int:
    class_uid = document.class_uid
    if class_uid is None:
        if document.type_uid is None:
            raise RecordError("no class_uid")
        class_uid = document.type_uid // 100
    if not 0 <= class_uid <= INT32_MAX:
        raise RecordError("class_uid out of range")
    return class_uid


def _activity_id(document: Document) -> int:
    activity_id = document.activity_id
    if activity_id is None:
        activity_id = (
            document.type_uid % 100 if document.type_uid is not None and document.type_uid > 0 else 0
        )
    return activity_id if 0 <= activity_id <= INT32_MAX else 0


def _status_id(document: Document) -> int:
    if document.status_id in (events.SUCCESS, events.FAILURE):
        return document.status_id
    status = document.status
    return _STATUS.get(status.lower(), 0) if status and len(status) == 7 else 0


def _time_us(document: Document) -> int:
    value = document.time
    if isinstance(value, str) and value:
        return iso_us(value) if value.count("-") > 1 else epoch_us(value, 1000)
    if value is None or value == "":
        if document.time_dt:
            return iso_us(document.time_dt)
        raise RecordError("no time")
    return epoch_us(value, 1000)


def _auth(document: Document) -> str:
    protocol = document.auth_protocol or AUTH_PROTOCOLS.get(document.auth_protocol_id or 0, "")
    logon = document.logon_type or LOGON_TYPES.get(document.logon_type_id or 0, "")
    if not (protocol or logon or document.is_mfa):
        return ""
    return " ".join(filter(None, (protocol.lower(), logon.lower(), "mfa" if document.is_mfa else "")))


def _host(device: Device, destination: Destination, class_uid: int) -> str:
    """Where it happened, raw; a sign-in without a device happened at the machine that was signed in to."""
    host = device.hostname or device.name or device.uid or device.ip
    if not host and class_uid in SIGN_IN_CLASSES:
        host = destination.hostname or destination.name or destination.ip
    return host or ""


def _fill_network(event: Event, document: Document, destination: Destination) -> None:
    source, connection = document.src_endpoint, document.connection_info
    if source is not None:
        event.src_ip = identity.ip(source.ip) if source.ip else ""
        event.src_host = identity.host(source.hostname or source.name or "")
    event.dst_ip = identity.ip(destination.ip) if destination.ip else ""
    event.dst_host = identity.host(destination.hostname or destination.name or "")
    port = destination.port
    event.dst_port = port if port is not None and 0 < port < 65536 else 0
    if connection is not None:
        name = connection.protocol_name
        event.protocol = name.lower() if name else PROTOCOLS.get(connection.protocol_num or 0, "")
    if document.traffic is not None:
        event.bytes_in = volume(document.traffic.bytes_in)
        event.bytes_out = volume(document.traffic.bytes_out)
    request = document.http_request
    if request is not None:
        event.user_agent = request.user_agent or ""
    for named in (document.query, request.url if request is not None else None, document.url):
        if named is not None and named.hostname:
            event.domain = named.hostname
            return
    if document.tls is not None:
        event.domain = document.tls.sni or ""


def _image(process: Process | ActorProcess | ParentProcess) -> str:
    """What runs in a process: the path of its file, else its name."""
    return (process.file.path if process.file is not None else "") or process.name or ""


def _fill_process(event: Event, document: Document, process: Process, by: ActorProcess) -> None:
    parent = process.parent_process or _NO_PARENT
    if event.class_uid == events.PROCESS_ACTIVITY:
        event.process = _image(process)
        event.parent_process = _image(parent) or _image(by)
    else:
        event.process = _image(process) or _image(by)
        event.parent_process = _image(parent)
    job = document.job
    event.command = process.cmd_line or (job.cmd_line if job is not None else "") or by.cmd_line or ""


def _fill_objects(event: Event, document: Document) -> None:
    for holder in (document, document.module, document.driver):
        if holder is not None and holder.file is not None and (holder.file.path or holder.file.name):
            event.file = holder.file.path or holder.file.name or ""
            break
    else:
        key, value = document.reg_key, document.reg_value
        path = (key.path if key is not None else "") or (value.path if value is not None else "")
        event.file = path or document.share or ""
    event.resource = _resource(document)


def _resource(document: Document) -> str:
    first = document.resources[0] if document.resources else None
    for resource in (first, document.resource):
        if resource is not None and (resource.name or resource.uid):
            return resource.name or resource.uid or ""
    for named in (
        document.job,
        document.win_service,
        document.group,
        document.entity,
        document.database,
        document.databucket,
    ):
        if named is not None and named.name:
            return named.name
    return ""


def _fill_cloud(event: Event, document: Document) -> None:
    api, cloud = document.api, document.cloud
    if api is not None:
        event.operation = api.operation or ""
    service = api.service if api is not None else None
    for named in (service, document.service, document.app):
        if named is not None and named.name:
            event.service = named.name
            break
    else:
        if document.dst_endpoint is not None:
            event.service = document.dst_endpoint.svc_name or ""
    if cloud is not None:
        event.cloud_region = cloud.region or ""
        if cloud.account is not None:
            event.cloud_account = cloud.account.uid or ""


def _shortened(event: Event) -> Event:
    for name in events.TEXT_ATTRIBUTES:
        value = getattr(event, name)
        if len(value) > TEXT_LIMIT:
            setattr(event, name, value[:TEXT_LIMIT])
    return event
