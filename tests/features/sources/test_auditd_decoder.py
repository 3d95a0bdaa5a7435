"""Linux audit: joining lines to events, decoding fields, and who acts on whom."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import events as ocsf
from features.errors import RecordError
from features.events import FAILURE, SUCCESS, Event
from features.sources.auditd import AuditdDecoder
from features.sources.base import Decoder, Sample, SourceContext

if TYPE_CHECKING:
    from pathlib import Path


def framed(*lines: str, host: str = "") -> tuple[AuditdDecoder, list[tuple[int, bytes]]]:
    decoder = AuditdDecoder(SourceContext(default_host=host))
    return decoder, list(decoder.frames(enumerate((line.encode() for line in lines), start=1)))


def decode(*lines: str, host: str = "") -> list[Event]:
    decoder, frames = framed(*lines, host=host)
    return [decoder.decode(record) for _, record in frames]


def line(kind: str, rest: str, serial: int = 1, time: str = "1714557600.123") -> str:
    return f"type={kind} msg=audit({time}:{serial}): {rest}"


CALL = (
    "arch=c000003e syscall={} success={} exit={} a0=1 a1={} a2=0 a3=0 items=2 ppid=1 pid=2 auid=1000 "
    'uid=1000 gid=1000 euid={} tty=pts0 ses=3 comm="x" exe="/usr/bin/x" key=(null)'
)


def call(number: int, success: str = "yes", exit_code: str = "0", a1: str = "0", euid: str = "1000") -> str:
    return CALL.format(number, success, exit_code, a1, euid)


def test_the_decoder_fulfils_the_protocol() -> None:
    assert isinstance(AuditdDecoder(SourceContext()), Decoder)


def test_lines_of_one_execution_become_one_process_start() -> None:
    (event,) = decode(
        line("SYSCALL", call(59, euid="0")),
        line("EXECVE", 'argc=3 a0="/bin/sh" a1="-c" a2=' + b"id; echo \xc3\xa4".hex()),
        line("CWD", 'cwd="/root"'),
        line("PATH", 'item=0 name="/bin/sh" nametype=NORMAL'),
        line("PROCTITLE", "proctitle=" + b"/bin/sh\x00-c\x00id".hex()),
        host="Web-1",
    )
    assert event == Event(
        time_us=1_714_557_600_123_000,
        class_uid=ocsf.PROCESS_ACTIVITY,
        activity_id=1,
        status_id=SUCCESS,
        user="web-1\\1000",
        target_user="root",
        host="web-1",
        process="/usr/bin/x",
        command="/bin/sh -c id; echo ä",
        operation="execve",
    )


def test_interleaved_events_are_kept_apart_and_number_their_first_line() -> None:
    _, frames = framed(
        line("SYSCALL", call(59), 1),
        line("SYSCALL", call(59), 2),
        line("EXECVE", 'argc=1 a0="one"', 1),
        line("EXECVE", 'argc=1 a0="two"', 2),
        line("PROCTITLE", "proctitle=6F6E65", 1),
        line("EOE", "", 1),
        line("USER_END", "pid=1", 3),
        line("EOE", "", 2),
    )
    assert [number for number, _ in frames] == [1, 7, 2]
    assert [record.count(b"one") for _, record in frames] == [1, 0, 0]


def test_an_event_without_an_end_is_over_after_two_seconds_of_the_logs_own_time() -> None:
    _, frames = framed(
        line("SYSCALL", call(59), 1, "100.0"),
        line("SYSCALL", call(59), 2, "101.9"),
        line("SYSCALL", call(59), 3, "102.1"),
        line("CWD", 'cwd="/"', 2, "101.9"),
    )
    assert [record.count(b"\n") + 1 for _, record in frames] == [1, 2, 1]


def test_what_is_held_back_is_bounded() -> None:
    decoder = AuditdDecoder(SourceContext())
    same = (b"type=PATH msg=audit(1.0:1): item=0" for _ in range(10_000))
    assert len(list(decoder.frames(enumerate(same)))) == 40
    pulled = 0

    def endless() -> list[tuple[int, bytes]]:
        nonlocal pulled
        pulled += 1
        return [(pulled, f"type=SYSCALL msg=audit(1.0:{pulled}): syscall=59".encode())]

    frames = decoder.frames(pair for _ in range(1_000) for pair in endless())
    next(frames)
    assert pulled < 300


def test_a_line_that_is_no_audit_does_not_stop_the_others() -> None:
    decoder, frames = framed("garbage", line("USER_END", "pid=1"), "----", "time->Wed May  1 10:00:00 2024")
    assert len(frames) == 2
    with pytest.raises(RecordError, match="not an audit line"):
        decoder.decode(frames[0][1])


def test_a_failed_logon_names_account_and_address() -> None:
    words = 'op=PAM:authentication acct="root" exe="/usr/sbin/sshd" hostname=192.0.2.7 addr=192.0.2.7'
    (event,) = decode(line("USER_AUTH", f"pid=1 uid=0 auid=4294967295 ses=1 msg='{words} res=failed'"))
    assert (event.class_uid, event.activity_id, event.status_id) == (ocsf.AUTHENTICATION, 1, FAILURE)
    assert (event.user, event.src_ip, event.src_host, event.service) == ("root", "192.0.2.7", "", "sshd")


def test_an_encoded_account_cannot_forge_the_fields_behind_it() -> None:
    name = b'x" addr=6.6.6.6 res=success'.hex()
    words = f'op=login acct={name} exe="/usr/sbin/sshd" hostname=? addr=198.51.100.7 terminal=ssh res=failed'
    (event,) = decode(line("USER_LOGIN", f"pid=1 uid=0 auid=4294967295 ses=1 msg='{words}'"))
    assert (event.src_ip, event.status_id) == ("198.51.100.7", FAILURE)


def test_fields_of_the_kernel_come_before_those_of_a_program() -> None:
    (event,) = decode(
        line("USER_CMD", "pid=1 uid=1000 auid=1000 ses=1 msg='auid=0 cmd=6964 terminal=pts/0 res=success'")
    )
    assert (event.user, event.command, event.parent_process) == ("1000", "id", "sudo")


def test_a_number_gets_the_name_that_the_log_told_before() -> None:
    opened = (
        'op=PAM:session_open acct="backup" exe="/usr/sbin/cron" hostname=? addr=? terminal=cron res=success'
    )
    before, opening, after = decode(
        line("LOGIN", "pid=1 uid=0 old-auid=4294967295 auid=998 ses=1 res=1", 1),
        line("USER_START", f"pid=1 uid=0 auid=998 ses=1 msg='{opened}'", 2),
        line("LOGIN", "pid=1 uid=0 old-auid=4294967295 auid=998 ses=1 res=1", 3),
    )
    assert [before.user, opening.user, after.user] == ["998", "backup", "backup"]
    assert opening.target_user == ""


def test_sudo_acts_on_root_and_does_not_rename_its_user() -> None:
    words = 'op=PAM:session_open acct="root" exe="/usr/bin/sudo" hostname=? addr=? terminal=pts/0 res=success'
    asks = (
        'op=PAM:authentication acct="alice" exe="/usr/bin/sudo" hostname=? addr=? terminal=pts/0 res=success'
    )
    first, named, second = decode(
        line("USER_START", f"pid=1 uid=0 auid=1000 ses=1 msg='{words}'", 1),
        line("USER_AUTH", f"pid=1 uid=1000 auid=1000 ses=1 msg='{asks}'", 2),
        line("USER_START", f"pid=1 uid=0 auid=1000 ses=1 msg='{words}'", 3),
    )
    assert (first.user, first.target_user) == ("1000", "root")
    assert (named.user, named.target_user) == ("alice", "")
    assert (second.user, second.target_user) == ("alice", "root")


def test_the_enriched_part_names_ids_and_calls() -> None:
    enriched = '\x1dARCH=x86_64 SYSCALL=openat AUID="alice" UID="root" EUID="root"'
    (event,) = decode(
        line("SYSCALL", call(257, euid="0") + enriched),
        line("CWD", 'cwd="/etc"'),
        line("PATH", 'item=0 name="/etc" nametype=PARENT'),
        line("PATH", 'item=1 name="shadow" nametype=NORMAL'),
    )
    assert (event.user, event.target_user, event.operation) == ("alice", "root", "openat")
    assert (event.class_uid, event.activity_id, event.file) == (ocsf.FILE_ACTIVITY, 2, "/etc/shadow")


@pytest.mark.parametrize(
    ("number", "a1", "nametype", "class_uid", "activity"),
    [
        (2, "0", "NORMAL", ocsf.FILE_ACTIVITY, 2),
        (2, "441", "NORMAL", ocsf.FILE_ACTIVITY, 3),
        (2, "241", "CREATE", ocsf.FILE_ACTIVITY, 1),
        (87, "0", "DELETE", ocsf.FILE_ACTIVITY, 4),
        (90, "0", "NORMAL", ocsf.FILE_ACTIVITY, 7),
        (101, "0", "NORMAL", ocsf.PROCESS_ACTIVITY, 4),
        (313, "0", "NORMAL", ocsf.KERNEL_EXTENSION, 1),
        (999, "0", "NORMAL", ocsf.BASE_EVENT, 0),
    ],
)
def test_system_calls_become_activities(
    number: int, a1: str, nametype: str, class_uid: int, activity: int
) -> None:
    (event,) = decode(
        line("SYSCALL", call(number, a1=a1)), line("PATH", f'item=0 name="/x" nametype={nametype}')
    )
    assert (event.class_uid, event.activity_id) == (class_uid, activity)


def test_a_connection_names_its_target() -> None:
    (event,) = decode(
        line("SYSCALL", call(42, "no", "-115")), line("SOCKADDR", "saddr=020001BBC63364070000000000000000")
    )
    assert (event.class_uid, event.dst_ip, event.dst_port) == (ocsf.NETWORK_ACTIVITY, "198.51.100.7", 443)
    assert (event.status_id, event.status_detail) == (FAILURE, "-115")


def test_denials_keep_the_caller_of_their_system_call() -> None:
    (event,) = decode(
        line(
            "AVC",
            'avc:  denied  { read } for  pid=2 comm="x" name="shadow" scontext=a tcontext=b tclass=file',
        ),
        line("SYSCALL", call(2, "no", "-13")),
    )
    assert (event.user, event.process, event.file) == ("1000", "/usr/bin/x", "shadow")
    assert (event.status_id, event.status_detail, event.resource) == (FAILURE, "denied", "file")


@pytest.mark.parametrize(
    ("kind", "rest", "class_uid", "activity"),
    [
        ("ADD_USER", "pid=1 uid=0 auid=1000 msg='op=adding user acct=\"bob\" res=success'", 3001, 1),
        (
            "USER_CHAUTHTOK",
            "pid=1 uid=0 auid=1000 msg='op=change password acct=\"bob\" res=success'",
            3001,
            3,
        ),
        ("SERVICE_STOP", "pid=1 uid=0 auid=4294967295 msg='unit=auditd exe=\"/x\" res=success'", 6002, 4),
        ("CONFIG_CHANGE", "audit_enabled=0 old=1 auid=1000 ses=1 res=1", 1008, 10),
        ("DAEMON_END", "op=terminate auid=0 pid=1 res=success", 1008, 7),
        ("ANOM_PROMISCUOUS", 'dev=eth0 prom=256 auid=1000 uid=0 exe="/usr/bin/tcpdump"', 2004, 1),
    ],
)
def test_other_records_have_their_class(kind: str, rest: str, class_uid: int, activity: int) -> None:
    (event,) = decode(line(kind, rest))
    assert (event.class_uid, event.activity_id) == (class_uid, activity)


def test_the_node_is_the_host() -> None:
    (event,) = decode("node=Web-2.corp.example " + line("USER_END", "pid=1"))
    assert event.host == "web-2"


@pytest.mark.parametrize(
    "record", ["", "type=X", "type=X msg=audit(x:1): a", "type=X msg=audit(99999999999.0:1): a"]
)
def test_broken_records_go_to_quarantine(record: str) -> None:
    with pytest.raises(RecordError, match=r"not an audit line|out of range"):
        AuditdDecoder(SourceContext()).decode(record.encode())


def test_sniffing_knows_audit_lines_and_leaves_other_sources_alone() -> None:
    def sniff(*lines: bytes) -> float:
        return AuditdDecoder.sniff(Sample(name="audit.log", head=b"\n".join(lines), lines=lines, record={}))

    assert sniff(line("USER_END", "pid=1").encode()) == 1.0
    assert sniff(b"----", b"time->x", b"node=a " + line("USER_END", "pid=1").encode()) == 1.0
    assert sniff(b"May  1 10:00:00 web-1 audit: type=1400 msg=audit(1.0:1): x") == 0.0
    assert sniff(b"type=LOGIN user=alice") == 0.0
    assert sniff() == 0.0


KINDS = st.sampled_from(
    ("SYSCALL", "EXECVE", "PATH", "CWD", "PROCTITLE", "SOCKADDR", "USER_AUTH", "USER_CMD", "AVC", "LOGIN",
     "EOE", "CONFIG_CHANGE", "ADD_USER", "NEW_KIND", "ANOM_ABEND")
)  # fmt: skip
FIELDS = ("syscall", "arch", "auid", "uid", "acct", "saddr", "argc", "a0", "a1", "a1[0]", "msg", "name")
WORDS = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.builds(
            "{}={}".format,
            st.sampled_from(
                (
                    "syscall",
                    "arch",
                    "auid",
                    "uid",
                    "acct",
                    "saddr",
                    "argc",
                    "a0",
                    "a1",
                    "a1[0]",
                    "msg",
                    "name",
                )
            ),
            st.text(max_size=12) | st.binary(max_size=8).map(bytes.hex),
        ),
    ),
    max_size=8,
)


@given(st.lists(st.tuples(KINDS, WORDS), max_size=5))
def test_any_fields_give_events(lines: list[tuple[str, list[str]]]) -> None:
    raw = [line(kind, " ".join(words)).encode("utf-8", "surrogatepass") for kind, words in lines]
    decoder = AuditdDecoder(SourceContext())
    for _, record in decoder.frames(enumerate(raw, start=1)):
        assert decoder.decode(record).time_us == 1_714_557_600_123_000


@given(st.binary(max_size=200))
def test_any_bytes_give_an_event_or_a_clean_refusal(record: bytes) -> None:
    decoder = AuditdDecoder(SourceContext())
    for raw in (record, b"type=SYSCALL msg=audit(1.0:1): " + record, b"type=SYSCALL msg=audit(" + record):
        try:
            reason = decoder.decode(raw).host[:0]
        except RecordError as error:
            reason = str(error)
        assert reason.isprintable()


def test_every_real_line_belongs_to_an_event(real_data: Path) -> None:
    content = gzip.decompress((real_data / "azure_ad" / "auditd.log.gz").read_bytes())
    decoder = AuditdDecoder(SourceContext())
    frames = list(decoder.frames(enumerate(content.splitlines(), start=1)))
    events = [decoder.decode(record) for _, record in frames]
    assert sum(record.count(b"\n") + 1 for _, record in frames) == 1_708
    assert len(events) == 938
    assert sum(event.operation == "execve" for event in events) == 157
    assert sum(event.operation == "USER_CMD" and bool(event.command) for event in events) == 17
