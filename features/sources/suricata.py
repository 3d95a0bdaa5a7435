"""Suricata EVE JSON: one object a line, its kind in `event_type`.

Field names are those of Suricata's "EVE JSON Format" documentation, versions 4 to 8. A sensor's entity is
the client of the flow. `src_ip` of most kinds is that client, but alerts, anomalies, drops and files carry
the addresses of the packet that set them off, which may be the server's; `_ends` turns those round.
`flow_id` names a flow, not a record, so events carry no uid. Passwords, communities and payloads are not
read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from features import events as ocsf
from features import identity
from features.errors import RecordError
from features.events import FAILURE, SUCCESS, Event
from features.sources import network_terms as terms
from features.sources.parsing import integer, iso_us, json_object, mapping, text, volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from features.sources.base import Record, Sample, SourceContext

Fields = dict[str, Any]

_SERVER_PORTS: Final = {
    "http": (80, 8080, 8000, 8008, 3128), "http2": (443, 80), "tls": (443, 8443, 993, 995, 465, 636),
    "dns": (53, 5353), "smb": (445, 139), "ssh": (22, 2222), "ftp": (21,), "ftp-data": (20,),
    "smtp": (25, 587, 465), "krb5": (88,), "rdp": (3389,), "ldap": (389, 3268), "nfs": (2049,),
    "imap": (143, 993),
       "dcerpc": (135,), "snmp": (161, 162), "sip": (5060,), "mqtt": (1883,), "dhcp": (67,), "ntp": (123,),
}  # fmt: skip
_PACKET_KINDS: Final = frozenset({"alert", "anomaly", "drop", "fileinfo", "dns"})
"""Kinds whose addresses may be those of a packet from the server."""


def _first(value: object) -> Fields:
    """The first object of a list, or the object itself."""
    if isinstance(value, list):
        return mapping(value[0]) if value else {}
    return mapping(value)


def _http(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    http = mapping(record.get("http"))
    method = text(http.get("http_method")).upper()
    event.operation = event.operation or method
    if event.class_uid == ocsf.HTTP_ACTIVITY:
        event.activity_id = terms.HTTP_METHODS.get(method, terms.OTHER if method else 0)
        event.status_detail = text(http.get("status"))
        event.status_id = terms.reply_outcome(event.status_detail)
        event.bytes_in = volume(http.get("length"))
    name, path = terms.url_parts(text(http.get("url")))
    event.resource = event.resource or path
    event.domain = terms.asked_name(text(http.get("hostname"))) or name
    event.user_agent = text(http.get("http_user_agent"))


def _dns(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    dns = mapping(record.get("dns"))
    query = (
        _first(dns.get("queries")) or _first(dns.get("query")) or dns
    )  # version 3, alerts, versions 1 and 2
    event.domain = text(query.get("rrname")) or text(dns.get("rrname"))
    if event.class_uid != ocsf.DNS_ACTIVITY:
        return
    event.operation = text(query.get("rrtype")) or text(dns.get("rrtype"))
    event.activity_id = 1 if text(dns.get("type")) in ("query", "request") else 2
    rcode = text(dns.get("rcode"))
    if event.activity_id == 2 and rcode:
        event.status_detail = rcode
        event.status_id = SUCCESS if rcode == "NOERROR" else FAILURE


def _tls(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    tls = mapping(record.get("tls") or record.get("quic"))
    event.domain = terms.asked_name(text(tls.get("sni")))
    if event.class_uid == ocsf.NETWORK_ACTIVITY:
        event.resource = "" if event.domain else text(tls.get("subject"))


_CLOSED: Final = {
    "closed": (terms.TRAFFIC, SUCCESS),
    "established": (terms.TRAFFIC, SUCCESS),
    "new": (terms.FAIL, 0),
}


def _flow(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    flow, tcp = mapping(record.get("flow")), mapping(record.get("tcp"))
    state = text(flow.get("state"))
    event.status_detail = state
    event.activity_id, event.status_id = _CLOSED.get(state, (terms.TRAFFIC, 0))
    answered = integer(flow.get("pkts_toclient")) > 0
    if event.protocol != "tcp":
        event.activity_id = terms.TRAFFIC
    elif tcp.get("rst") is True and state != "established":
        opened = integer(flow.get("pkts_toserver")) > 1 and tcp.get("ack") is True and tcp.get("syn") is True
        event.activity_id = terms.RESET if opened else terms.REFUSE
        event.status_id = SUCCESS if opened else FAILURE
    elif not answered:
        event.activity_id, event.status_id = terms.FAIL, FAILURE
    event.service = _app(record)
    event.bytes_out, event.bytes_in = volume(flow.get("bytes_toserver")), volume(flow.get("bytes_toclient"))
    if text(flow.get("action")) == "drop":
        event.activity_id, event.status_id = terms.REFUSE, FAILURE


def _netflow(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    event.activity_id = terms.TRAFFIC
    event.service = _app(record)
    event.bytes_out = volume(mapping(record.get("netflow")).get("bytes"))  # one record a direction


def _alert(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    alert = mapping(record.get("alert"))
    event.operation = text(alert.get("signature"))
    event.resource = text(alert.get("signature_id"))
    event.status_detail = text(alert.get("category"))
    event.service = _app(record)
    # An alert carries the objects of the protocol it was raised on.
    for kind, detail in (("http", _http), ("dns", _dns), ("tls", _tls)):
        if kind in record:
            detail(record, event, people)


def _anomaly(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    anomaly = mapping(record.get("anomaly"))
    event.operation = text(anomaly.get("event"))
    event.service = _app(record)
    event.resource = text(anomaly.get("layer")) or text(anomaly.get("type"))


def _drop(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    event.status_id = FAILURE
    event.status_detail = text(mapping(record.get("drop")).get("reason"))
    event.operation = text(mapping(record.get("alert")).get("signature"))


def _ssh(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    client = mapping(mapping(record.get("ssh")).get("client"))
    event.user_agent = text(client.get("software_version"))


def _smb(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    smb = mapping(record.get("smb"))
    event.operation = text(smb.get("command"))
    event.activity_id = {"overwrite": 5, "supersede": 1, "create": 3, "open": 2, "open_if": 4}.get(
        text(smb.get("disposition")).lower().removeprefix("file_"), terms.OTHER
    )
    status = text(smb.get("status"))
    event.status_id = (SUCCESS if status == "STATUS_SUCCESS" else FAILURE) if status else 0
    if status == "STATUS_MORE_PROCESSING_REQUIRED":
        event.status_id = 0
    event.status_detail = status
    share, name = text(smb.get("share")), text(smb.get("filename"))
    event.file = f"{share.rstrip(chr(92))}\\{name.lstrip(chr(92))}" if share and name else share or name
    event.service = text(smb.get("named_pipe"))
    ntlm = mapping(smb.get("ntlmssp"))
    if ntlm:
        client = text(ntlm.get("host"))
        event.src_host = identity.host(client)
        event.user = people.user(text(ntlm.get("user")), domain=text(ntlm.get("domain")), host=client)
        event.class_uid, event.activity_id, event.auth = ocsf.AUTHENTICATION, 1, "ntlm"
    elif mapping(smb.get("kerberos")):
        kerberos = mapping(smb.get("kerberos"))
        event.class_uid, event.activity_id, event.auth = ocsf.AUTHENTICATION, 1, "kerberos"
        names = kerberos.get("snames")
        event.resource = "/".join(map(text, names[:4])) if isinstance(names, list) else ""


def _krb5(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    krb5 = mapping(record.get("krb5"))
    kind = text(krb5.get("msg_type"))
    asked = text(krb5.get("failed_request")) if kind == "KRB_ERROR" else kind
    event.operation = kind
    event.activity_id = 3 if asked.startswith("KRB_AS") else 4 if asked.startswith("KRB_TGS") else 0
    event.status_id = FAILURE if kind == "KRB_ERROR" else SUCCESS if kind.endswith("_REP") else 0
    event.status_detail = text(krb5.get("error_code"))
    event.user = people.user(_unless(text(krb5.get("cname")), "<empty>"), domain=text(krb5.get("realm")))
    event.service = _unless(text(krb5.get("sname")), "<empty>")
    event.auth = "kerberos"
    service, _, target = event.service.partition("/")
    if target and service.lower() not in ("krbtgt", "kadmin"):
        event.dst_host = identity.host(target.partition("/")[0])


def _unless(value: str, placeholder: str) -> str:
    return "" if value == placeholder else value


def _rdp(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    rdp = mapping(record.get("rdp"))
    event.operation = text(rdp.get("event_type"))
    event.activity_id = {
        "initial_request": 1, "initial_response": 2, "connect_request": 3, "connect_response": 4,
        "tls_handshake": 5,
    }.get(event.operation, terms.OTHER)  # fmt: skip
    event.user = people.user(text(rdp.get("cookie")))
    event.src_host = identity.host(text(mapping(rdp.get("client")).get("client_name")))
    event.auth = text(rdp.get("protocol"))
    event.status_detail = text(rdp.get("error_code")) or text(rdp.get("reason"))
    event.status_id = FAILURE if event.status_detail else 0


def _ftp(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    ftp = mapping(record.get("ftp") or record.get("ftp_data"))
    command = text(ftp.get("command")).upper()
    event.operation = command
    event.activity_id = terms.FTP_COMMANDS.get(command, terms.OTHER)
    argument = text(ftp.get("command_data"))
    if command == "USER":
        event.user = people.user(argument)
    elif command != "PASS":
        event.file = argument or text(ftp.get("filename"))
    codes = ftp.get("completion_code")
    event.status_detail = text(codes[-1]) if isinstance(codes, list) and codes else ""
    event.status_id = terms.reply_outcome(event.status_detail)


def _smtp(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    recipients = mapping(record.get("smtp")).get("rcpt_to")
    event.domain = (
        terms.mail_domain(text(recipients[0])) if isinstance(recipients, list) and recipients else ""
    )


def _fileinfo(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    info = mapping(record.get("fileinfo"))
    event.file = text(info.get("filename"))
    event.resource = text(info.get("mimetype")) or text(info.get("magic"))
    event.status_detail = text(info.get("state"))
    if "http" in record:
        _http(record, event, people)
    event.operation = "file"
    # The record's own addresses are those of the direction that the file went; the event's are the flow's.
    if identity.ip(text(record.get("src_ip"))) == event.src_ip:
        event.bytes_out = volume(info.get("size"))
    else:
        event.bytes_in = volume(info.get("size"))


def _dhcp(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    dhcp = mapping(record.get("dhcp"))
    event.operation = text(dhcp.get("dhcp_type"))
    event.activity_id = terms.DHCP_MESSAGES.get(event.operation, terms.OTHER)
    if text(dhcp.get("type")) == "reply":
        event.src_ip, event.dst_ip, event.dst_port = event.dst_ip, event.src_ip, 67
    event.src_ip = (
        identity.ip(text(dhcp.get("assigned_ip"))) or identity.ip(text(dhcp.get("client_ip"))) or event.src_ip
    )
    event.src_host = identity.host(text(dhcp.get("hostname")))
    event.host = event.src_ip or event.src_host
    event.status_id = {5: SUCCESS, 6: FAILURE}.get(event.activity_id, 0)


def _ldap(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    ldap = mapping(record.get("ldap"))
    request = mapping(ldap.get("request"))
    event.operation = text(request.get("operation"))
    bind, search = mapping(request.get("bind_request")), mapping(request.get("search_request"))
    event.file = text(search.get("base_object"))
    answer = _first(ldap.get("responses"))
    result = next(
        (mapping(part) for part in answer.values() if isinstance(part, dict) and "result_code" in part), {}
    )
    event.status_detail = text(result.get("result_code"))
    if event.status_detail:
        event.status_id = SUCCESS if event.status_detail in ("success", "0") else FAILURE
    if bind:
        event.class_uid, event.activity_id = ocsf.AUTHENTICATION, 1
        event.auth = "ldap " + ("sasl" if "sasl" in bind else "simple")
        event.user = people.user(text(bind.get("name")))


def _application(record: Fields, event: Event, people: identity.IdentityResolver) -> None:
    """Protocols of which only the verb and its outcome matter here: the object is named like the kind."""
    inner = mapping(record.get(text(record.get("event_type"))))
    for name in ("method", "command", "pdu_type", "operation", "procedure", "request", "packet", "message"):
        value = inner.get(name)
        if isinstance(value, str):
            event.operation = value[:256]
            break
    event.resource = text(inner.get("uri"))
    event.file = text(inner.get("filename")) or text(inner.get("file"))
    event.status_detail = text(inner.get("status")) or text(inner.get("code"))
    event.user_agent = text(inner.get("user_agent"))


# kind: (class, activity, what fills in the rest)
_KINDS: Final[dict[str, tuple[int, int, Callable[[Fields, Event, identity.IdentityResolver], None]]]] = {
    "alert": (ocsf.DETECTION_FINDING, 1, _alert),
    "anomaly": (ocsf.NETWORK_ACTIVITY, terms.OTHER, _anomaly),
    "drop": (ocsf.NETWORK_ACTIVITY, terms.REFUSE, _drop),
    "flow": (ocsf.NETWORK_ACTIVITY, terms.TRAFFIC, _flow),
    "netflow": (ocsf.NETWORK_ACTIVITY, terms.TRAFFIC, _netflow),
    "http": (ocsf.HTTP_ACTIVITY, 0, _http),
    "dns": (ocsf.DNS_ACTIVITY, 0, _dns),
    "mdns": (ocsf.DNS_ACTIVITY, 0, _dns),
    "tls": (ocsf.NETWORK_ACTIVITY, terms.TRAFFIC, _tls),
    "quic": (ocsf.NETWORK_ACTIVITY, terms.TRAFFIC, _tls),
    "ssh": (ocsf.SSH_ACTIVITY, terms.TRAFFIC, _ssh),
    "smb": (ocsf.SMB_ACTIVITY, 0, _smb),
    "krb5": (ocsf.AUTHENTICATION, 0, _krb5),
    "rdp": (ocsf.RDP_ACTIVITY, 0, _rdp),
    "ftp": (ocsf.FTP_ACTIVITY, 0, _ftp),
    "ftp_data": (ocsf.FTP_ACTIVITY, 0, _ftp),
    "smtp": (ocsf.EMAIL_ACTIVITY, 1, _smtp),
    "fileinfo": (ocsf.NETWORK_ACTIVITY, terms.TRAFFIC, _fileinfo),
    "dhcp": (ocsf.DHCP_ACTIVITY, 0, _dhcp),
    "ldap": (ocsf.NETWORK_ACTIVITY, terms.TRAFFIC, _ldap),
}
_APPLICATIONS: Final = frozenset(
    {
        "arp", "bittorrent_dht", "dcerpc", "dnp3", "doh2", "enip", "http2", "ike", "ikev2", "imap", "modbus",
        "mqtt",
        "nfs", "ntp", "pgsql", "pop3", "rfb", "rpc", "sip", "snmp", "telnet", "tftp", "websocket",
    }
)  # fmt: skip
_SENSOR: Final = frozenset({"stats", "engine", "metadata", "packetinfo"})


class SuricataDecoder:
    """Decodes EVE records; without `event_type` a line is none. Unknown kinds keep their two ends."""

    name: ClassVar[str] = "suricata"

    def __init__(self, context: SourceContext) -> None:
        self._people = context.identity

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Certain of a known `event_type` with EVE's time and the two ends (or the sensor's statistics)."""
        kind = sample.record.get("event_type")
        if not isinstance(kind, str) or "timestamp" not in sample.record:
            return 0.0
        if kind in _SENSOR:
            return 0.9 if kind in sample.record else 0.0
        if kind not in _KINDS and kind not in _APPLICATIONS:
            return 0.0
        return (
            1.0
            if "src_ip" in sample.record and ("proto" in sample.record or "flow_id" in sample.record)
            else 0.0
        )

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Lines as they are, without blank ones."""
        return (line for line in lines if line[1].strip())

    def decode(self, record: bytes) -> Event:
        """One EVE object to one event; see `features.sources.base.Decoder`."""
        fields = json_object(record)
        kind = fields.get("event_type")
        if not isinstance(kind, str):
            raise RecordError("no event_type: not a Suricata EVE record")
        time_us = iso_us(fields.get("timestamp"))
        if kind in _SENSOR:
            return Event(time_us=time_us, host=identity.host(text(fields.get("host"))), operation=kind)
        class_uid, activity_id, detail = _KINDS.get(
            kind, (ocsf.NETWORK_ACTIVITY, terms.TRAFFIC, _application)
        )
        source, target, port = _ends(fields, kind)
        event = Event(
            time_us=time_us,
            class_uid=class_uid,
            activity_id=activity_id,
            host=source,
            src_ip=source,
            dst_ip=target,
            dst_port=port,
            protocol=_protocol(fields, kind),
        )
        detail(fields, event, self._people)
        return event


def _ends(record: Fields, kind: str) -> tuple[str, str, int]:
    """Client, server and its port: of the flow if that is told, else of the packet, turned if need be."""
    ends = record
    turned = False
    flow = record.get("flow")
    if isinstance(flow, dict) and "src_ip" in flow and "dest_ip" in flow:
        ends = flow
    elif kind in _PACKET_KINDS:
        turned = (
            record.get("direction") == "to_client" if "direction" in record else _from_server(record, kind)
        )
    source, target = identity.ip(text(ends.get("src_ip"))), identity.ip(text(ends.get("dest_ip")))
    if turned:
        source, target = target, source
    port = integer(ends.get("src_port" if turned else "dest_port"))
    if text(record.get("proto")).upper() in ("ICMP", "IPV6-ICMP"):
        port = 0
    return source, target, port if 0 < port < 65_536 else 0


def _from_server(record: Fields, kind: str) -> bool:
    """Say whether the source is the well-known port of the flow's own protocol and the target is not."""
    ports = _SERVER_PORTS.get("dns" if kind == "dns" else _app(record), ())
    return integer(record.get("src_port")) in ports and integer(record.get("dest_port")) not in ports


def _app(record: Fields) -> str:
    app = text(record.get("app_proto"))
    return "" if app in ("failed", "unknown") else app


def _protocol(record: Fields, kind: str) -> str:
    """The transport of kinds that are about connections, the application protocol of the others."""
    if kind in ("alert", "anomaly", "drop", "flow", "netflow"):
        return text(record.get("proto")).lower()
    if kind == "fileinfo":
        return _app(record) or text(record.get("proto")).lower()
    return {"ftp_data": "ftp"}.get(kind, kind[:32])
