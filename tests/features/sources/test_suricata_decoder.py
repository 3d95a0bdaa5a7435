"""Suricata EVE: who is the client, what each kind says, and that no value of any field breaks the stream."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import events as ocsf
from features.errors import RecordError
from features.events import FAILURE, SUCCESS, Event
from features.sources.base import Decoder, Sample, SourceContext
from features.sources.suricata import SuricataDecoder

STAMP = "2024-05-01T10:00:00.123456+0000"


def eve(kind: str, **fields: object) -> dict[str, object]:
    ends = {"src_ip": "10.0.0.5", "src_port": 50000, "dest_ip": "10.0.0.1", "dest_port": 445, "proto": "TCP"}
    return {"timestamp": STAMP, "flow_id": 1, "event_type": kind, **ends, **fields}


def decode(record: dict[str, object]) -> Event:
    return SuricataDecoder(SourceContext()).decode(json.dumps(record).encode())


def test_the_decoder_fulfils_the_protocol() -> None:
    assert isinstance(SuricataDecoder(SourceContext()), Decoder)


def test_a_request_names_its_client_site_and_program() -> None:
    http = {
        "hostname": "intra.corp.example:8080", "url": "/login?token=1", "http_user_agent": "curl/8.0",
        "http_method": "post", "status": 403,
    }  # fmt: skip
    event = decode(eve("http", dest_port=8080, http=http))
    assert event == Event(
        time_us=1_714_557_600_123_456,
        class_uid=ocsf.HTTP_ACTIVITY,
        activity_id=6,
        status_id=FAILURE,
        host="10.0.0.5",
        src_ip="10.0.0.5",
        dst_ip="10.0.0.1",
        dst_port=8080,
        protocol="http",
        operation="POST",
        resource="/login",
        status_detail="403",
        user_agent="curl/8.0",
        domain="intra.corp.example",
    )


ALERT = {"signature_id": 2100498, "signature": "GPL ATTACK_RESPONSE id check", "category": "Bad Traffic"}


@pytest.mark.parametrize(
    "hint",
    [
        {"app_proto": "http"},
        {"direction": "to_client"},
        {"flow": {"src_ip": "10.0.0.5", "dest_ip": "203.0.113.9", "src_port": 50000, "dest_port": 80}},
    ],
)
def test_an_alert_on_an_answer_still_belongs_to_the_client(hint: dict[str, object]) -> None:
    ends = {"src_ip": "203.0.113.9", "src_port": 80, "dest_ip": "10.0.0.5", "dest_port": 50000}
    event = decode(eve("alert", **ends, alert=ALERT, **hint))
    assert (event.class_uid, event.host, event.dst_ip, event.dst_port) == (
        2004,
        "10.0.0.5",
        "203.0.113.9",
        80,
    )
    assert (event.operation, event.resource) == ("GPL ATTACK_RESPONSE id check", "2100498")


def test_a_scan_from_a_well_known_source_port_is_not_turned_round() -> None:
    event = decode(eve("alert", src_ip="203.0.113.9", src_port=80, dest_port=50000, alert=ALERT))
    assert event.host == "203.0.113.9"


@pytest.mark.parametrize(
    "dns",
    [
        {"type": "answer", "rrname": "www.example.com", "rrtype": "A", "rcode": "NXDOMAIN"},
        {
            "version": 3, "type": "response", "rcode": "NXDOMAIN",
            "queries": [{"rrname": "www.example.com", "rrtype": "A"}],
        },
    ],
)  # fmt: skip
def test_answers_of_all_dns_versions_read_alike(dns: dict[str, object]) -> None:
    ends = {"src_ip": "10.0.0.1", "src_port": 53, "dest_ip": "10.0.0.5", "dest_port": 50000, "proto": "UDP"}
    event = decode(eve("dns", **ends, dns=dns))
    assert (event.host, event.dst_ip, event.dst_port) == ("10.0.0.5", "10.0.0.1", 53)
    assert (event.domain, event.operation, event.activity_id) == ("www.example.com", "A", 2)
    assert (event.status_id, event.status_detail) == (FAILURE, "NXDOMAIN")


@pytest.mark.parametrize(
    ("flow", "tcp", "activity", "status"),
    [
        ({"state": "closed", "pkts_toserver": 9, "pkts_toclient": 8}, {"syn": True, "ack": True}, 6, SUCCESS),
        ({"state": "new", "pkts_toserver": 1, "pkts_toclient": 0}, {"syn": True}, 4, FAILURE),
        ({"state": "closed", "pkts_toserver": 1, "pkts_toclient": 1}, {"syn": True, "rst": True}, 5, FAILURE),
    ],
)
def test_flows_say_whether_they_came_about(
    flow: dict[str, object], tcp: dict[str, object], activity: int, status: int
) -> None:
    event = decode(eve("flow", flow=flow, tcp=tcp, app_proto="smb"))
    assert (event.activity_id, event.status_id, event.service) == (activity, status, "smb")


def test_logons_in_smb_and_kerberos_name_the_user() -> None:
    ntlm = decode(
        eve("smb", smb={"status": "STATUS_LOGON_FAILURE", "ntlmssp": {"user": "Alice", "host": "WS-12"}})
    )
    krb5 = decode(eve("krb5", krb5={
        "msg_type": "KRB_ERROR", "failed_request": "KRB_TGS_REQ", "cname": "alice", "realm": "CORP.EXAMPLE",
        "sname": "cifs/fs01.corp.example", "error_code": "KDC_ERR_S_PRINCIPAL_UNKNOWN",
    }))  # fmt: skip
    assert (ntlm.class_uid, ntlm.user, ntlm.src_host, ntlm.status_id) == (3002, "alice", "ws-12", FAILURE)
    assert (krb5.class_uid, krb5.activity_id, krb5.user, krb5.dst_host) == (3002, 4, "alice", "fs01")


def test_ftp_passwords_stay_out() -> None:
    event = decode(
        eve("ftp", ftp={"command": "PASS", "command_data": "Hunter2!", "completion_code": ["230"]})
    )
    assert "Hunter2" not in repr(event)
    assert event.status_id == SUCCESS


def test_an_offered_address_belongs_to_the_machine_that_asked() -> None:
    dhcp = {"type": "reply", "dhcp_type": "ack", "assigned_ip": "10.0.0.77", "hostname": "WS-77"}
    event = decode(eve("dhcp", src_ip="10.0.0.1", dest_ip="255.255.255.255", proto="UDP", dhcp=dhcp))
    assert (event.host, event.src_host, event.activity_id, event.status_id) == (
        "10.0.0.77",
        "ws-77",
        5,
        SUCCESS,
    )


def test_statistics_are_about_the_sensor() -> None:
    event = decode({"timestamp": STAMP, "event_type": "stats", "host": "Sensor-1", "stats": {"uptime": 1}})
    assert (event.class_uid, event.host, event.src_ip) == (0, "sensor-1", "")


def test_kinds_unknown_to_the_table_keep_their_ends() -> None:
    event = decode(eve("newproto", newproto={"method": "HELLO"}))
    assert (event.class_uid, event.host, event.operation, event.protocol) == (
        4001,
        "10.0.0.5",
        "HELLO",
        "newproto",
    )


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b'{"timestamp":"2024-05-01T10:00:00Z"}', "event_type"),
        (b'{"event_type":"dns"}', "time is missing"),
        (b'{"event_type":"dns","timestamp":"yesterday"}', "ISO 8601"),
        (b'{"event_type":"dns","timestamp":"2204-05-01T10:00:00Z"}', "time out of range"),
        (b"[1]", "expected a JSON object"),
        (b"{", "not valid JSON"),
    ],
)
def test_broken_records_go_to_quarantine_with_a_reason(record: bytes, reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        SuricataDecoder(SourceContext()).decode(record)


def test_sniffing_knows_eve_and_leaves_other_sources_alone() -> None:
    def sniff(record: dict[str, object]) -> float:
        return SuricataDecoder.sniff(Sample(name="x.json", head=b"", lines=(b"{",), record=record))

    assert sniff(eve("alert")) == 1.0
    assert sniff({"timestamp": STAMP, "event_type": "stats", "stats": {}}) > 0.5
    assert sniff({"timestamp": STAMP, "event_type": "login", "src_ip": "10.0.0.5", "proto": "TCP"}) == 0.0
    assert sniff({"_path": "dns", "ts": 1.0}) == 0.0


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
KINDS = ("alert", "anomaly", "dhcp", "dns", "drop", "fileinfo", "flow", "ftp", "http", "krb5", "ldap", "rdp",
         "smb", "smtp", "ssh", "stats", "tls", "nfs")  # fmt: skip
OUTER = ("src_ip", "dest_port", "flow", "tcp", "proto", "app_proto", "http")
INNER = (
    "ntlmssp", "queries", "query", "rcpt_to", "completion_code", "client", "request", "responses", "snames",
    "kerberos", "hostname", "url", "state", "command", "status", "method", "error_code",
)  # fmt: skip


@given(
    kind=st.sampled_from(KINDS),
    outer=st.dictionaries(
        st.sampled_from(("src_ip", "dest_port", "flow", "tcp", "proto", "app_proto", "http")), VALUES
    ),
    inner=VALUES | st.dictionaries(st.sampled_from(INNER), VALUES),
)
def test_any_value_in_any_field_gives_an_event(kind: str, outer: dict[str, object], inner: object) -> None:
    record = json.dumps({**eve(kind, **{kind: inner}), **outer}).encode()
    try:
        event = SuricataDecoder(SourceContext()).decode(record)
    except RecordError as error:
        reason: str = str(error)
    else:
        reason = "" if 0 <= event.dst_port < 65536 else "port"
    assert reason == "" or reason.startswith("not valid JSON")
