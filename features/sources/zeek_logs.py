r"""What each Zeek log says: class, protocol, and how its columns become attributes of an `Event`.

Column names are those of Zeek's script reference (base/protocols, base/frameworks, policy), versions 2.5 to
7. Ground rules: the entity of a connection is its originator, so `host` and `src_ip` are `id.orig_h`;
passwords, SNMP communities, message bodies and labels of data sets are never read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from features import events as ocsf
from features import identity
from features.events import FAILURE, SUCCESS, Event
from features.sources import network_terms as terms

if TYPE_CHECKING:
    from collections.abc import Callable


class Row(Protocol):
    """One record, whatever carries it. Unset, empty and missing columns are all ""."""

    def text(self, name: str) -> str:
        """Text of a column; booleans are "T" and "F"."""

    def items(self, name: str) -> list[str]:
        """Elements of a set or vector column."""


_OUTCOMES: Final = {"T": SUCCESS, "F": FAILURE}


def _nothing(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    """Endpoints and class say it all."""


@dataclass(frozen=True)
class LogType:
    """One kind of log.

    Attributes
    ----------
    class_uid, activity_id
        OCSF class, and the activity unless `detail` says better.
    protocol
        Application protocol; "" where the record names it.
    subject
        "id" if the columns id.orig_h and id.resp_h name the ends, "host" if one column names the machine, ""
        if the log is about the sensor, certificates or files and names no machine.
    detail
        Fills in the rest.
    """

    class_uid: int = ocsf.NETWORK_ACTIVITY
    activity_id: int = 0
    protocol: str = ""
    subject: str = "id"
    detail: Callable[[Row, Event, identity.IdentityResolver], None] = _nothing


# --- connections --------------------------------------------------------------------------------------------

_CONN_STATES: Final = {
    # state: (activity, status); S0 of a protocol without handshake is told apart below.
    "SF": (terms.TRAFFIC, SUCCESS),
    "S0": (terms.FAIL, FAILURE),
    "S1": (terms.TRAFFIC, SUCCESS),
    "S2": (terms.TRAFFIC, SUCCESS),
    "S3": (terms.TRAFFIC, SUCCESS),
    "REJ": (terms.REFUSE, FAILURE),
    "RSTO": (terms.RESET, SUCCESS),
    "RSTR": (terms.RESET, SUCCESS),
    "RSTOS0": (terms.RESET, FAILURE),
    "RSTRH": (terms.RESET, FAILURE),
    "SH": (terms.FAIL, FAILURE),
    "SHR": (terms.FAIL, FAILURE),
    "OTH": (terms.TRAFFIC, 0),
}


def _conn(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.protocol = row.text("proto").lower()
    event.service = row.text("service").lower()
    state = row.text("conn_state")
    event.status_detail = state
    event.activity_id, event.status_id = _CONN_STATES.get(state, (terms.TRAFFIC, 0))
    if state == "S0" and event.protocol != "tcp":
        event.activity_id, event.status_id = terms.TRAFFIC, 0
    if event.protocol == "icmp":
        event.dst_port = 0  # Zeek puts the ICMP type and code where ports stand
    event.bytes_out = terms.volume(row.text("orig_bytes"))
    event.bytes_in = terms.volume(row.text("resp_bytes"))


def _http(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    method = row.text("method").upper()
    event.operation = method
    event.activity_id = terms.HTTP_METHODS.get(method, terms.OTHER if method else 0)
    name, event.resource = terms.url_parts(row.text("uri"))
    event.domain = terms.asked_name(row.text("host")) or name
    event.user_agent = row.text("user_agent")
    event.status_detail = row.text("status_code")
    event.status_id = terms.reply_outcome(event.status_detail)
    event.file = row.text("filename")
    event.user = people.user(row.text("username"))
    event.bytes_out = terms.volume(row.text("request_body_len"))
    event.bytes_in = terms.volume(row.text("response_body_len"))


def _dns(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.domain = row.text("query")
    event.operation = row.text("qtype_name") or row.text("qtype")
    rcode = row.text("rcode_name")
    event.status_detail = rcode
    event.activity_id = terms.TRAFFIC if rcode else terms.OPEN  # 1 is "Query" in this class
    event.status_id = (SUCCESS if rcode == "NOERROR" else FAILURE) if rcode else 0


def _tls(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.domain = terms.asked_name(row.text("server_name"))
    event.status_id = _OUTCOMES.get(row.text("established"), 0)
    valid = row.text("validation_status")
    event.status_detail = row.text("last_alert") or (valid if valid != "ok" else "")


def _ssh(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.user_agent = row.text("client")
    event.status_id = _OUTCOMES.get(row.text("auth_success"), 0)
    event.activity_id = (terms.TRAFFIC, terms.OPEN, terms.FAIL)[event.status_id]


# --- Windows protocols --------------------------------------------------------------------------------------


def _dst_host(event: Event, name: str) -> None:
    host = identity.host(name)
    if host and not identity.ip(host):
        event.dst_host = host


def _smb_files(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    action = row.text("action").rpartition("::")[2]
    event.operation = action
    event.activity_id = 2 if action in ("FILE_OPEN", "PIPE_OPEN", "PRINT_OPEN") else terms.OTHER
    share, name = row.text("path"), row.text("name")
    event.file = f"{share.rstrip(chr(92))}\\{name.lstrip(chr(92))}" if share and name else share or name
    _dst_host(event, terms.unc_host(share))


def _smb_mapping(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.operation = "TREE_CONNECT"
    event.activity_id = terms.OTHER
    event.file = row.text("path")
    event.service = row.text("share_type").lower()
    _dst_host(event, terms.unc_host(event.file))


def _dce_rpc(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.operation = row.text("operation")
    event.service = row.text("endpoint")
    event.resource = row.text("named_pipe")
    if event.dst_port in (139, 445):
        event.class_uid, event.activity_id = ocsf.SMB_ACTIVITY, terms.OTHER


def _kerberos(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.activity_id = {"AS": 3, "TGS": 4}.get(row.text("request_type"), 0)
    event.operation = row.text("request_type")
    name, _, realm = row.text("client").rpartition("/")
    event.user = people.user(name, domain=realm) if name else ""
    event.service = row.text("service")
    event.auth = "kerberos"
    event.status_id = _OUTCOMES.get(row.text("success"), 0)
    event.status_detail = row.text("error_msg")
    kind, _, target = event.service.partition("/")
    if target and kind.lower() not in ("krbtgt", "kadmin"):
        _dst_host(event, target.partition("/")[0])


def _ntlm(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    client, domain = row.text("hostname"), row.text("domainname")
    event.src_host = identity.host(client)
    _dst_host(event, row.text("server_nb_computer_name") or row.text("server_dns_computer_name"))
    event.user = people.user(row.text("username"), domain=domain, host=client or event.dst_host)
    event.auth = "ntlm"
    event.status_id = _OUTCOMES.get(row.text("success"), 0)
    event.status_detail = row.text("status")  # Bro 2.5 only


def _rdp(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.user = people.user(row.text("cookie"))
    event.src_host = identity.host(row.text("client_name"))
    event.status_detail = row.text("result")
    event.auth = row.text("security_protocol").lower()


def _ldap(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.operation = row.text("opcode")
    event.resource = row.text("object")
    result = row.text("result")
    event.status_detail = result
    event.status_id = (SUCCESS if result == "success" else FAILURE) if result else 0
    if event.operation.startswith("bind"):
        event.class_uid, event.activity_id = ocsf.AUTHENTICATION, 1
        event.auth = event.operation
        event.user, event.resource = people.user(event.resource), ""


def _ldap_search(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.operation = f"search {row.text('scope')}".rstrip()
    event.file = row.text("base_object")
    event.resource = row.text("filter")
    result = row.text("result")
    event.status_detail = result
    event.status_id = (SUCCESS if result == "success" else FAILURE) if result else 0


# --- other applications -------------------------------------------------------------------------------------


def _ftp(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    command = row.text("command").upper()
    event.operation = command
    event.activity_id = terms.FTP_COMMANDS.get(command, terms.OTHER)
    event.user = people.user(row.text("user"))
    event.file = row.text("arg")
    if event.activity_id == terms.UPLOAD:
        event.bytes_out = terms.volume(row.text("file_size"))
    elif event.activity_id == terms.DOWNLOAD:
        event.bytes_in = terms.volume(row.text("file_size"))
    event.status_detail = row.text("reply_code")
    event.status_id = terms.reply_outcome(event.status_detail)


def _smtp(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    recipients = row.items("rcptto")
    event.domain = terms.mail_domain(recipients[0]) if recipients else ""
    event.user_agent = row.text("user_agent")
    code = row.text("last_reply")[:3]
    event.status_id = terms.reply_outcome(code)
    event.status_detail = code if event.status_id else ""


def _dhcp(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    kinds = row.items("msg_types")
    event.operation = kinds[-1] if kinds else ""
    event.activity_id = terms.DHCP_MESSAGES.get(event.operation.lower(), terms.OTHER if kinds else 0)
    address = ""
    for column in ("assigned_addr", "client_addr", "requested_addr", "assigned_ip", "id.orig_h"):
        address = address or identity.ip(row.text(column))
    event.src_host = identity.host(row.text("host_name") or row.text("client_fqdn"))
    event.host = address or event.src_host
    event.src_ip = address
    event.dst_ip = event.dst_ip or identity.ip(row.text("server_addr"))
    event.status_id = {5: SUCCESS, 6: FAILURE}.get(event.activity_id, 0)


def _radius(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.user = people.user(row.text("username"))
    event.auth = "radius"
    event.status_detail = row.text("result")
    event.status_id = {"success": SUCCESS, "failed": FAILURE}.get(event.status_detail, 0)
    event.resource = row.text("connect_info")


def _sip(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.operation = row.text("method")
    event.resource = row.text("uri")
    event.user_agent = row.text("user_agent")
    event.status_detail = row.text("status_code")
    event.status_id = terms.reply_outcome(event.status_detail)


def _snmp(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.operation = "set" if row.text("set_requests") not in ("", "0") else "get"
    version = row.text("version")
    event.auth = f"snmp {version}" if version else ""


def _socks(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.user = people.user(row.text("user"))
    event.domain = row.text("request.name") or row.text("request_name")
    event.resource = event.domain or row.text("request.host") or row.text("request_host")
    event.status_detail = row.text("status")
    event.status_id = (
        (SUCCESS if event.status_detail == "succeeded" else FAILURE) if event.status_detail else 0
    )


def _tunnel(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.protocol = row.text("tunnel_type").rpartition("::")[2].lower()
    event.operation = row.text("action").rpartition("::")[2]
    event.activity_id = {"DISCOVER": 1, "CLOSE": 2, "EXPIRE": 2}.get(event.operation, terms.OTHER)


def _syslog(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.operation = row.text("severity").lower()
    event.service = row.text("facility").lower()


def _rfb(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.auth = row.text("authentication_method").lower()
    event.status_id = _OUTCOMES.get(row.text("auth"), 0)
    event.resource = row.text("desktop_name")


def _modbus(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.operation = row.text("func")
    event.status_detail = row.text("exception")
    event.status_id = FAILURE if event.status_detail else 0


def _ntp(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    mode = row.text("mode")
    event.activity_id = int(mode) if mode in ("1", "2", "3", "4", "5", "6", "7") else 0


def _mysql(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.operation = row.text("cmd").lower()
    event.activity_id = {"login": 3, "connect": 3, "query": 4, "execute": 4}.get(event.operation, terms.OTHER)
    argument = row.text("arg")
    if event.operation in ("login", "change_user"):
        event.user = people.user(argument)
    else:
        event.resource = argument.split(" ", 1)[0].upper() if event.operation == "query" else argument
    event.status_id = _OUTCOMES.get(row.text("success"), 0)


def _postgresql(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.user = people.user(row.text("user"))
    event.operation = row.text("frontend")
    event.resource = row.text("database")
    event.status_id = _OUTCOMES.get(row.text("success"), 0)


def _irc(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.operation = row.text("command").upper()
    event.resource = row.text("value")


def _files(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    sent = row.text("is_orig")
    if not event.src_ip:  # before Zeek 5.1 the ends stood in two sets only
        ends = [sorted(filter(None, map(identity.ip, row.items(name)))) for name in ("rx_hosts", "tx_hosts")]
        near, far = reversed(ends) if sent == "T" else ends
        event.host = event.src_ip = near[0] if near else ""
        event.dst_ip = far[0] if far else ""
    event.protocol = row.text("source").lower()
    event.operation = {"T": "upload", "F": "download"}.get(sent, "")
    event.file = row.text("filename")
    event.resource = row.text("mime_type")
    if sent == "T":
        event.bytes_out = terms.volume(row.text("seen_bytes"))
    elif sent == "F":
        event.bytes_in = terms.volume(row.text("seen_bytes"))


# --- what the sensor found ----------------------------------------------------------------------------------


def _notice(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.operation = row.text("note")
    event.status_detail = row.text("sub")
    event.protocol = row.text("proto")
    if not event.src_ip:
        event.host = event.src_ip = identity.ip(row.text("src"))
        event.dst_ip = identity.ip(row.text("dst"))
    event.dst_port = event.dst_port or terms.port(row.text("p"))
    if event.protocol == "icmp":
        event.dst_port = 0


def _intel(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.operation = row.text("seen.where")
    event.resource = row.text("seen.indicator")


def _signatures(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.host = event.src_ip = identity.ip(row.text("src_addr"))
    event.dst_ip = identity.ip(row.text("dst_addr"))
    event.dst_port = terms.port(row.text("dst_port"))
    event.operation = row.text("note")
    event.resource = row.text("sig_id")


def _weird(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.operation = row.text("name")
    event.protocol = row.text("source").lower()
    event.status_detail = row.text("addl")


def _analyzer(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.protocol = (row.text("analyzer_name") or row.text("analyzer")).lower()
    event.operation = row.text("cause") or "violation"
    event.status_id = FAILURE
    event.status_detail = row.text("failure_reason").partition("\n")[0]  # what follows quotes the packet


# --- inventories and the sensor itself ----------------------------------------------------------------------


def _software(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.operation = row.text("software_type")
    event.service = row.text("name")
    event.user_agent = row.text("unparsed_version")


def _known_services(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.service = ",".join(sorted(name.lower() for name in row.items("service")))
    event.protocol = row.text("port_proto")
    number = row.text("port_num")
    event.resource = f"{event.protocol}/{number}" if number else ""


def _known_certs(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.resource = row.text("subject")
    event.service = row.text("port_num")


def _x509(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.resource = row.text("certificate.subject")


def _ocsp(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.status_detail = row.text("certStatus")


def _sensor(row: Row, event: Event, people: identity.IdentityResolver) -> None:
    event.resource = row.text("name")
    event.status_id = _OUTCOMES.get(row.text("success"), 0)


_BASE = ocsf.BASE_EVENT
LOG_TYPES: Final = {
    "conn": LogType(detail=_conn),
    "http": LogType(ocsf.HTTP_ACTIVITY, 0, "http", detail=_http),
    "dns": LogType(ocsf.DNS_ACTIVITY, 0, "dns", detail=_dns),
    "ssl": LogType(activity_id=terms.TRAFFIC, protocol="tls", detail=_tls),
    "quic": LogType(activity_id=terms.TRAFFIC, protocol="quic", detail=_tls),
    "ssh": LogType(ocsf.SSH_ACTIVITY, 0, "ssh", detail=_ssh),
    "smb_files": LogType(ocsf.SMB_ACTIVITY, 0, "smb", detail=_smb_files),
    "smb_mapping": LogType(ocsf.SMB_ACTIVITY, 0, "smb", detail=_smb_mapping),
    "dce_rpc": LogType(activity_id=terms.TRAFFIC, protocol="dce_rpc", detail=_dce_rpc),
    "kerberos": LogType(ocsf.AUTHENTICATION, 0, "kerberos", detail=_kerberos),
    "ntlm": LogType(ocsf.AUTHENTICATION, 1, "ntlm", detail=_ntlm),
    "rdp": LogType(ocsf.RDP_ACTIVITY, terms.TRAFFIC, "rdp", detail=_rdp),
    "ldap": LogType(activity_id=terms.TRAFFIC, protocol="ldap", detail=_ldap),
    "ldap_search": LogType(activity_id=terms.TRAFFIC, protocol="ldap", detail=_ldap_search),
    "ftp": LogType(ocsf.FTP_ACTIVITY, 0, "ftp", detail=_ftp),
    "smtp": LogType(ocsf.EMAIL_ACTIVITY, 1, "smtp", detail=_smtp),
    "dhcp": LogType(ocsf.DHCP_ACTIVITY, 0, "dhcp", detail=_dhcp),
    "radius": LogType(ocsf.AUTHENTICATION, 1, "radius", detail=_radius),
    "sip": LogType(activity_id=terms.TRAFFIC, protocol="sip", detail=_sip),
    "snmp": LogType(activity_id=terms.TRAFFIC, protocol="snmp", detail=_snmp),
    "socks": LogType(activity_id=terms.TRAFFIC, protocol="socks", detail=_socks),
    "tunnel": LogType(ocsf.TUNNEL_ACTIVITY, detail=_tunnel),
    "syslog": LogType(activity_id=terms.TRAFFIC, protocol="syslog", detail=_syslog),
    "rfb": LogType(activity_id=terms.TRAFFIC, protocol="rfb", detail=_rfb),
    "modbus": LogType(activity_id=terms.TRAFFIC, protocol="modbus", detail=_modbus),
    "ntp": LogType(ocsf.NTP_ACTIVITY, protocol="ntp", detail=_ntp),
    "mysql": LogType(ocsf.DATASTORE_ACTIVITY, protocol="mysql", detail=_mysql),
    "postgresql": LogType(ocsf.DATASTORE_ACTIVITY, 4, "postgresql", detail=_postgresql),
    "irc": LogType(activity_id=terms.TRAFFIC, protocol="irc", detail=_irc),
    "files": LogType(activity_id=terms.TRAFFIC, detail=_files),
    "notice": LogType(ocsf.DETECTION_FINDING, 1, detail=_notice),
    "intel": LogType(ocsf.DETECTION_FINDING, 1, detail=_intel),
    "signatures": LogType(ocsf.DETECTION_FINDING, 1, detail=_signatures),
    "weird": LogType(activity_id=terms.OTHER, detail=_weird),
    "dpd": LogType(activity_id=terms.OTHER, detail=_analyzer),
    "analyzer": LogType(activity_id=terms.OTHER, detail=_analyzer),
    "software": LogType(_BASE, subject="host", detail=_software),
    "known_hosts": LogType(_BASE, subject="host"),
    "known_services": LogType(_BASE, subject="host", detail=_known_services),
    "known_certs": LogType(_BASE, subject="host", detail=_known_certs),
    "known_devices": LogType(_BASE, subject=""),
    "x509": LogType(_BASE, subject="", detail=_x509),
    "ocsp": LogType(_BASE, subject="", detail=_ocsp),
    "pe": LogType(_BASE, subject=""),
    "packet_filter": LogType(_BASE, subject="", detail=_sensor),
    "loaded_scripts": LogType(_BASE, subject="", detail=_sensor),
    "stats": LogType(_BASE, subject=""),
    "capture_loss": LogType(_BASE, subject=""),
    "reporter": LogType(_BASE, subject=""),
    "cluster": LogType(_BASE, subject=""),
    "broker": LogType(_BASE, subject=""),
    "config": LogType(_BASE, subject=""),
    "telemetry": LogType(_BASE, subject="", detail=_sensor),
}

CONNECTION: Final = LogType(activity_id=terms.TRAFFIC)
"""A log of a protocol analyser that this table does not know but that names the two ends."""
UNKNOWN: Final = LogType(_BASE, subject="")

FINGERPRINTS: Final = (
    # (a column that must be there, log): JSON as Zeek writes it by default does not name its log. Order
    # counts.
    ("conn_state", "conn"), ("qclass_name", "dns"), ("trans_id", "dns"), ("rcode_name", "dns"), ("AA", "dns"),
    ("ssl_history", "ssl"), ("cipher", "ssl"), ("established", "ssl"), ("seen.indicator", "intel"),
    ("note", "notice"), ("sig_id", "signatures"), ("share_type", "smb_mapping"), ("seen_bytes", "files"),
    ("request_type", "kerberos"), ("server_nb_computer_name", "ntlm"), ("domainname", "ntlm"),
    ("security_protocol", "rdp"), ("cert_count", "rdp"), ("cookie", "rdp"),
    ("call_id", "sip"), ("seq", "sip"),
    ("helo", "smtp"), ("rcptto", "smtp"), ("last_reply", "smtp"), ("trans_depth", "http"),
    ("auth_attempts", "ssh"), ("host_key_alg", "ssh"), ("named_pipe", "dce_rpc"), ("endpoint", "dce_rpc"),
    ("base_object", "ldap_search"), ("deref_aliases", "ldap_search"), ("opcode", "ldap"),
    ("community", "snmp"), ("get_requests", "snmp"), ("msg_types", "dhcp"), ("assigned_ip", "dhcp"),
    ("tunnel_type", "tunnel"), ("request_p", "socks"), ("authentication_method", "rfb"), ("func", "modbus"),
    ("root_disp", "ntp"), ("facility", "syslog"), ("connect_info", "radius"), ("analyzer_kind", "analyzer"),
    ("failure_reason", "dpd"), ("reply_code", "ftp"), ("data_channel.passive", "ftp"), ("cmd", "mysql"),
    ("nick", "irc"), ("software_type", "software"), ("port_proto", "known_services"),
    ("issuer_subject", "known_certs"), ("certificate.serial", "x509"), ("issuerNameHash", "ocsp"),
    ("compile_ts", "pe"), ("percent_lost", "capture_loss"), ("pkts_proc", "stats"), ("peer", "weird"),
    ("action", "smb_files"),
)  # fmt: skip
