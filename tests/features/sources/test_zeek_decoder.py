"""Zeek logs: both carriers of a record give the same event; a bad row gives RecordError and nothing else."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import events as ocsf
from features.errors import RecordError
from features.events import FAILURE, SUCCESS, Event
from features.sources.base import Decoder, Sample, SourceContext
from features.sources.zeek import ZeekDecoder
from features.sources.zeek_logs import LOG_TYPES

if TYPE_CHECKING:
    from pathlib import Path

ENDS = "uid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p"


def header(path: str, fields: str) -> list[bytes]:
    lines = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-"]
    return [line.encode() for line in [*lines, f"#path\t{path}", f"#fields\t{fields}", "#types\twhatever"]]


def tsv(path: str, fields: str, *rows: str) -> list[Event]:
    decoder = ZeekDecoder(SourceContext())
    lines = [*header(path, fields), *(row.encode() for row in rows), b"#close\t2024-05-01-00-00-00"]
    return [decoder.decode(record) for _, record in decoder.frames(enumerate(lines, start=1))]


def from_json(record: dict[str, object], path: str = "") -> Event:
    return ZeekDecoder(SourceContext(path=path)).decode(json.dumps(record).encode())


def sample(lines: list[bytes], name: str = "x.log") -> Sample:
    record = json.loads(lines[0]) if lines[0].startswith(b"{") else {}
    return Sample(name=name, head=b"\n".join(lines), lines=tuple(lines), record=record)


def test_the_decoder_fulfils_the_protocol() -> None:
    assert isinstance(ZeekDecoder(SourceContext()), Decoder)


def test_a_connection_names_its_originator_as_the_host_and_reads_no_label() -> None:
    (event,) = tsv(
        "conn",
        f"ts\t{ENDS}\tproto\tservice\tconn_state\tlabel\tdetailedlabel",
        "1714557600.123456\tC1\t10.0.0.5\t50000\t198.51.100.7\t443\ttcp\tssl\tSF\tMalicious\tC&C",
    )
    assert event == Event(
        time_us=1_714_557_600_123_456,
        class_uid=ocsf.NETWORK_ACTIVITY,
        activity_id=6,
        status_id=SUCCESS,
        host="10.0.0.5",
        src_ip="10.0.0.5",
        dst_ip="198.51.100.7",
        dst_port=443,
        protocol="tcp",
        service="ssl",
        status_detail="SF",
    )


def test_labels_appended_with_spaces_to_the_last_column_are_ignored() -> None:
    (event,) = tsv(
        "conn",
        f"ts\t{ENDS}\tproto\tconn_state\ttunnel_parents   label   detailed-label",
        "1.0\tC1\t10.0.0.5\t5\t198.51.100.7\t23\ttcp\tS0\t(empty)   Malicious   PortScan",
    )
    assert event.activity_id == 4
    assert "Malicious" not in repr(event)


@pytest.mark.parametrize(
    ("state", "proto", "activity", "status"),
    [
        ("S0", "tcp", 4, FAILURE),
        ("S0", "udp", 6, 0),
        ("REJ", "tcp", 5, FAILURE),
        ("RSTR", "tcp", 3, SUCCESS),
        ("OTH", "tcp", 6, 0),
    ],
)
def test_connection_states_become_activities(state: str, proto: str, activity: int, status: int) -> None:
    (event,) = tsv(
        "conn", f"ts\t{ENDS}\tproto\tconn_state", f"1.0\tC\t10.0.0.5\t5\t10.0.0.6\t8\t{proto}\t{state}"
    )
    assert (event.activity_id, event.status_id) == (activity, status)


def test_icmp_codes_are_no_ports() -> None:
    (event,) = tsv("conn", f"ts\t{ENDS}\tproto", "1.0\tC\t10.0.0.5\t8\t10.0.0.6\t3\ticmp")
    assert event.dst_port == 0


CARRIERS: list[tuple[str, str, str, dict[str, object]]] = [
    (
        "dns",
        "proto\tquery\tqtype_name\trcode_name\tanswers",
        "udp\twww.example.com\tA\tNXDOMAIN\t(empty)",
        {"query": "www.example.com", "qtype_name": "A", "rcode_name": "NXDOMAIN", "answers": []},
    ),
    (
        "analyzer",
        "analyzer_name\tcause\tfailure_reason",
        'RDP\tviolation\tgot "\\\\=" and "\\x01"\\x0a and more',
        {"analyzer_name": "RDP", "cause": "violation", "failure_reason": 'got "\\=" and "\\x01"\n and more'},
    ),
    (
        "ntlm",
        "username\thostname\tdomainname\tserver_nb_computer_name\tsuccess",
        "Alice\tWS-12\tCORP\tFS01\tF",
        {
            "username": "Alice", "hostname": "WS-12", "domainname": "CORP",
            "server_nb_computer_name": "FS01", "success": False,
        },
    ),
    (
        "smb_mapping",
        "path\tshare_type",
        "\\\\\\\\fs01.corp.example\\\\Gehälter\tDISK",
        {"path": "\\\\fs01.corp.example\\Gehälter", "share_type": "DISK"},
    ),
    (
        "http",
        "method\thost\turi\tuser_agent\tstatus_code\tusername",
        "GET\tintra.corp.example:8080\t/a?token=1\tcurl/8.0 \\xff\\xc3\\xa4\t403\t-",
        {
            "method": "GET", "host": "intra.corp.example:8080", "uri": "/a?token=1", "status_code": 403,
            "user_agent": "curl/8.0 \\xffä",
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("path", "fields", "row", "record"), CARRIERS, ids=[case[0] for case in CARRIERS])
def test_both_carriers_of_one_record_give_the_same_event(
    path: str, fields: str, row: str, record: dict[str, object]
) -> None:
    (event,) = tsv(
        path, f"ts\t{ENDS}\t{fields}", f"1521911720.000001\tC1\t10.0.0.5\t50000\tfe80::1\t445\t{row}"
    )
    ends = {
        "uid": "C1",
        "id.orig_h": "10.0.0.5",
        "id.orig_p": 50000,
        "id.resp_h": "fe80::1",
        "id.resp_p": 445,
    }
    stamp = "2018-03-24T17:15:20.000001Z"
    assert from_json({"_path": path, "ts": stamp, **ends, **record}) == event
    assert from_json({"ts": 1521911720.000001, **ends, **record}, path=f"/logs/{path}.log") == event
    assert from_json({"ts": 1521911720000.001, **ends, **record}, path=f"{path}.12:00-13:00.log.gz") == event
    assert (
        from_json({"ts": stamp, "id": {k[3:]: v for k, v in ends.items()}, **record}, path=f"{path}.json")
        == event
    )


def test_windows_logons_seen_on_the_wire_name_user_client_and_server() -> None:
    (event,) = tsv(
        "ntlm",
        f"ts\t{ENDS}\tusername\thostname\tdomainname\tserver_nb_computer_name\tsuccess",
        "1.0\tC\t10.0.0.5\t5\t10.0.0.6\t445\tAlice\tWS-12\tCORP\tFS01\tT",
    )
    assert (event.class_uid, event.activity_id, event.status_id) == (ocsf.AUTHENTICATION, 1, SUCCESS)
    assert (event.user, event.src_host, event.dst_host, event.auth) == ("alice", "ws-12", "fs01", "ntlm")


def test_kerberos_requests_split_client_and_service_principals() -> None:
    rows = [
        "1.0\tC\t10.0.0.5\t5\t10.0.0.1\t88\tTGS\talice/CORP.EXAMPLE\tcifs/fs01.corp.example\tT\t-",
        "1.0\tC\t10.0.0.5\t5\t10.0.0.1\t88\tAS\tWS-12$/CORP.EXAMPLE\tkrbtgt/CORP\tF\tKDC_ERR_PREAUTH_FAILED",
        "1.0\tC\t10.0.0.5\t5\t10.0.0.1\t88\tAS\t/NM\tkrbtgt/NM\t-\t-",
    ]
    ticket, machine, nameless = tsv(
        "kerberos", f"ts\t{ENDS}\trequest_type\tclient\tservice\tsuccess\terror_msg", *rows
    )
    assert (ticket.activity_id, ticket.user, ticket.dst_host, ticket.status_id) == (
        4,
        "alice",
        "fs01",
        SUCCESS,
    )
    assert (machine.activity_id, machine.user, machine.status_detail) == (
        3,
        "ws-12$",
        "KDC_ERR_PREAUTH_FAILED",
    )
    assert (nameless.user, nameless.dst_host, nameless.status_id) == ("", "", 0)


def test_ftp_passwords_and_snmp_communities_stay_out_of_events() -> None:
    (ftp,) = tsv(
        "ftp", f"ts\t{ENDS}\tuser\tpassword\tcommand\targ\treply_code",
        "1.0\tC\t10.0.0.5\t5\t10.0.0.6\t21\tbob\tHunter2!\tRETR\t/etc/passwd\t550",
    )  # fmt: skip
    (snmp,) = tsv(
        "snmp", f"ts\t{ENDS}\tversion\tcommunity\tset_requests",
        "1.0\tC\t10.0.0.5\t5\t10.0.0.6\t161\t2c\tHunter2!\t1",
    )  # fmt: skip
    assert (ftp.user, ftp.activity_id, ftp.status_id, ftp.file) == ("bob", 2, FAILURE, "/etc/passwd")
    assert (snmp.operation, snmp.auth) == ("set", "snmp 2c")
    assert "Hunter2" not in repr((ftp, snmp))


def test_files_before_and_after_zeek_5_name_the_receiver_of_a_download() -> None:
    old = tsv(
        "files",
        "ts\ttx_hosts\trx_hosts\tsource\tis_orig\tfilename",
        "1.0\t198.51.100.7\t10.0.0.5\tHTTP\tF\ta.exe",
    )
    new = tsv(
        "files",
        f"ts\t{ENDS}\tsource\tis_orig\tfilename",
        "1.0\tC\t10.0.0.5\t5\t198.51.100.7\t80\tHTTP\tF\ta.exe",
    )
    assert [(e.host, e.dst_ip, e.operation, e.file) for e in old + new] == [
        ("10.0.0.5", "198.51.100.7", "download", "a.exe")
    ] * 2


def test_inventories_belong_to_the_machine_they_describe() -> None:
    (event,) = tsv(
        "known_services", "ts\thost\tport_num\tport_proto\tservice", "1.0\t10.0.0.6\t443\ttcp\tSSL,HTTP"
    )
    assert (event.class_uid, event.host, event.service, event.resource) == (
        0,
        "10.0.0.6",
        "http,ssl",
        "tcp/443",
    )


def test_scripts_of_the_sensor_have_no_time_and_stand_at_the_epoch() -> None:
    (event,) = tsv("loaded_scripts", "name", "/opt/zeek/share/zeek/base/init-bare.zeek")
    stamp = "1970-01-01T00:00:00.000000Z"
    same = from_json(
        {"_path": "loaded_scripts", "_write_ts": stamp, "name": "/opt/zeek/share/zeek/base/init-bare.zeek"}
    )
    assert event == same
    assert (event.time_us, event.class_uid) == (0, ocsf.BASE_EVENT)


def test_logs_unknown_to_the_table_keep_their_ends() -> None:
    (event,) = tsv("my_protocol", f"ts\t{ENDS}\tthing", "1.0\tC\t10.0.0.5\t5\t10.0.0.6\t9999\tx")
    assert (event.class_uid, event.host, event.dst_port) == (ocsf.NETWORK_ACTIVITY, "10.0.0.5", 9999)


def test_json_without_path_and_file_name_is_told_by_its_fields() -> None:
    event = from_json(
        {"ts": 1.5, "id.orig_h": "10.0.0.5", "id.resp_h": "10.0.0.6", "conn_state": "REJ", "proto": "tcp"}
    )
    assert (event.activity_id, event.time_us) == (5, 1_500_000)


def test_several_logs_in_one_file_are_each_read_by_their_own_header_even_when_frames_run_ahead() -> None:
    decoder = ZeekDecoder(SourceContext())
    lines = [
        *header("dns", f"ts\t{ENDS}\tquery"), b"1.0\tC\t10.0.0.5\t5\t10.0.0.1\t53\ta.example",
        *header("ssh", f"ts\t{ENDS}\tauth_success"), b"2.0\tC\t10.0.0.5\t5\t10.0.0.1\t22\tF",
        *header("dns", f"ts\t{ENDS}\tquery"), b"3.0\tC\t10.0.0.5\t5\t10.0.0.1\t53\tb.example",
    ]  # fmt: skip
    frames = list(decoder.frames(enumerate(lines, start=1)))
    events = [decoder.decode(record) for _, record in frames]
    assert [number for number, _ in frames] == [8, 16, 24]
    assert [event.domain for event in events] == ["a.example", "", "b.example"]
    assert events[1].class_uid == ocsf.SSH_ACTIVITY


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"1.0\tC1", "columns"),
        (b"-\tC\t10.0.0.5\t5\t10.0.0.6\t1", "time is not"),
        (b"99999999999.0\tC\t10.0.0.5\t5\t10.0.0.6\t1", "time out of range"),
    ],
)
def test_broken_rows_go_to_quarantine_with_a_reason(record: bytes, reason: str) -> None:
    decoder = ZeekDecoder(SourceContext())
    list(decoder.frames(enumerate(header("conn", f"ts\t{ENDS}"))))
    with pytest.raises(RecordError, match=reason):
        decoder.decode(record)


def test_rows_without_their_header_are_refused() -> None:
    with pytest.raises(RecordError, match="#fields"):
        ZeekDecoder(SourceContext()).decode(b"1.0\tC1\t10.0.0.5")


def test_sniffing_knows_zeek_and_leaves_other_sources_alone() -> None:
    ours = [
        sample(header("conn", "ts")),
        sample([b'{"_path":"dns","ts":1.0}']),
        sample([b'{"ts":1.0,"uid":"C","id.orig_h":"10.0.0.5"}']),
        sample([b'{"ts":1.0,"host":"10.0.0.5"}'], name="known_hosts.log"),
    ]
    others = [
        sample([b'{"ts":1.0,"message":"x"}']),
        sample([b'{"timestamp":"2024","event_type":"dns","src_ip":"10.0.0.5"}'], name="dns.json"),
        sample([b"# a comment"]),
        sample([b"Jun 14 15:16:01 combo sshd[1]: x"]),
    ]
    assert all(ZeekDecoder.sniff(one) > 0.5 for one in ours)
    assert not any(ZeekDecoder.sniff(one) for one in others)


def outcome(decoder: ZeekDecoder, record: bytes) -> Event | str:
    try:
        return decoder.decode(record)
    except RecordError as error:
        return str(error)


def assert_event_or_clean_refusal(decoder: ZeekDecoder, record: bytes) -> None:
    found = outcome(decoder, record)
    if isinstance(found, str):
        assert found.isprintable()
        assert len(found) < 200
    else:
        assert 0 <= found.dst_port < 65536


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
COLUMNS = (
    "ts", "host", "id", "id.orig_h", "id.resp_p", "user", "service", "rcptto", "msg_types", "mode", "path",
    "client", "username", "uri", "query", "qtype_name", "is_orig", "tx_hosts", "set_requests", "filter",
    "opcode",
)  # fmt: skip


@given(path=st.sampled_from(sorted(LOG_TYPES)), values=st.dictionaries(st.sampled_from(COLUMNS), JSON))
def test_any_json_value_in_any_field_gives_an_event_or_a_clean_refusal(
    path: str, values: dict[str, object]
) -> None:
    record = json.dumps({"ts": 1.0, **values, "_path": path}).encode()
    assert_event_or_clean_refusal(ZeekDecoder(SourceContext()), record)


@given(lines=st.lists(st.binary(max_size=60), max_size=6), record=st.binary(max_size=200))
def test_any_bytes_in_header_and_row_give_an_event_or_a_refusal(lines: list[bytes], record: bytes) -> None:
    decoder = ZeekDecoder(SourceContext())
    head = [*header("conn", f"ts\t{ENDS}"), *(b"#" + line for line in lines), record]
    rows = [row for _, row in decoder.frames(enumerate(head))]
    for row in (*rows, record):
        assert_event_or_clean_refusal(decoder, row)


def decoded(path: Path) -> tuple[list[Event], int]:
    decoder = ZeekDecoder(SourceContext(path=str(path)))
    content = path.read_bytes()
    lines = (gzip.decompress(content) if path.suffix == ".gz" else content).split(b"\n")
    found = [outcome(decoder, record) for _, record in decoder.frames(enumerate(lines, start=1))]
    events = [event for event in found if isinstance(event, Event)]
    return events, len(found) - len(events)


@pytest.mark.slow
def test_every_real_record_is_the_same_event_in_both_carriers(real_data: Path) -> None:
    total = 0
    for table in sorted((real_data / "zeek" / "zed-tsv").glob("*.log.gz")):
        name = table.name.removesuffix(".log.gz")
        rows, refused = decoded(table)
        objects, refused_json = decoded(real_data / "zeek" / "zed-json" / f"{name}.ndjson.gz")
        assert (refused, refused_json) == (0, 0), name
        assert rows == objects, name
        total += len(rows)
    assert total == 54_687


@pytest.mark.slow
def test_every_labelled_real_row_is_decoded_and_no_label_is_read(real_data: Path) -> None:
    total = 0
    for table in sorted((real_data / "zeek").glob("stratosphere-*/*log*")):
        events, refused = decoded(table)
        assert refused == 0, table
        assert not any("Malicious" in repr(event) or "External-Attack" in repr(event) for event in events)
        total += len(events)
    assert total == 992 + 992 + 6_661 + 11_982
