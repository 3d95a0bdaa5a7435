"""Syslog: frames and years, what programs say, and user names that try to forge the rest of their line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import events as ocsf
from features.errors import RecordError
from features.events import FAILURE, SUCCESS, Event
from features.sources.base import Decoder, Sample, SourceContext
from features.sources.syslog import SyslogDecoder

if TYPE_CHECKING:
    from pathlib import Path


def decoder(year: int = 2024) -> SyslogDecoder:
    return SyslogDecoder(SourceContext(default_year=year))


def test_a_stamp_later_than_the_file_itself_is_of_the_year_before() -> None:
    written = 1_795_000_000_000_000  # 2026-11-18
    context = SourceContext(default_year=2026, modified_us=written)
    line = b"Dec 10 06:55:46 web-1 sshd[24200]: Invalid user webmaster from 203.0.113.9"
    reader = SyslogDecoder(context)
    [(_, record)] = reader.frames([(1, line)])
    assert reader.decode(record).time_us // 1_000_000 == 1_765_349_746  # 2025-12-10


def decode(line: str) -> Event:
    return decoder().decode(line.encode())


def said(program: str, message: str) -> Event:
    return decode(f"May  1 10:00:00 web-1 {program}[42]: {message}")


def times(lines: list[str], year: int) -> list[str]:
    reader = decoder(year)
    frames = reader.frames(enumerate((line.encode() for line in lines), start=1))
    events = [reader.decode(record) for _, record in frames]
    return [datetime.fromtimestamp(event.time_us / 1e6, UTC).strftime("%Y-%m-%d") for event in events]


def test_the_decoder_fulfils_the_protocol() -> None:
    assert isinstance(decoder(), Decoder)


@pytest.mark.parametrize(
    "line",
    [
        "May  1 10:00:00 web-1 cupsd[7]: hello",
        "May 1 10:00:00 web-1 cupsd[7]: hello",
        "<34>May  1 10:00:00 WEB-1.corp.example cupsd: hello",
        "May  1 2024 10:00:00 web-1 cupsd[7]: hello",
        "2024-05-01T12:00:00.000000+02:00 web-1 cupsd[7]: hello",
        "<34>1 2024-05-01T10:00:00Z web-1.corp.example cupsd 7 - - hello",
        '<34>1 2024-05-01T10:00:00Z web-1 cupsd 7 ID1 [a@1 x="]\\"[y"][b@1 z=""] \ufeffhello',
        "93 <34>1 2024-05-01T10:00:00Z web-1 cupsd 7 - - hello",
        "May  1 10:00:00 web-1 cupsd[7]: hello\r",
    ],
)
def test_all_kinds_of_frames_say_the_same(line: str) -> None:
    expected = Event(time_us=1_714_557_600_000_000, host="web-1", process="cupsd", service="cupsd")
    assert decode(line) == expected


def test_a_file_that_runs_over_new_year_ends_in_the_given_year() -> None:
    lines = [
        "Nov 30 10:00:00 h p: x",
        "Dec 31 23:59:59 h p: x",
        "Jan  1 00:00:00 h p: x",
        "Feb  1 10:00:00 h p: x",
    ]
    assert times(lines, 2024) == ["2023-11-30", "2023-12-31", "2024-01-01", "2024-02-01"]
    assert times(lines[:2], 2024) == ["2024-11-30", "2024-12-31"]
    assert times(lines * 2, 2024)[0] == "2022-11-30"


def test_a_december_line_that_comes_late_belongs_to_the_old_year() -> None:
    lines = [
        "Dec 31 23:59:58 h p: x",
        "Jan  1 00:00:00 h p: x",
        "Dec 31 23:59:59 h p: x",
        "Jan  1 00:00:01 h p: x",
    ]
    assert times(lines, 2024) == ["2023-12-31", "2024-01-01", "2023-12-31", "2024-01-01"]


def test_numbers_and_bytes_of_lines_survive_the_look_ahead() -> None:
    lines = [(3, b"May  1 10:00:00 h p: \x00\xff\t one"), (4, b"  "), (9, b"2024-05-01T10:00:00Z h p: two ")]
    assert list(decoder().frames(lines)) == [lines[0], lines[2]]


def test_a_live_stream_counts_on_over_new_year() -> None:
    reader = decoder(2024)
    reader.decode(b"Dec 31 23:59:59 h p: x")
    assert reader.decode(b"Jan  1 00:00:00 h p: x").time_us == 1_735_689_600_000_000


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("hello world", "no time stamp"),
        ("Feb 30 10:00:00 h p: x", "no date"),
        ("May  1 25:00:00 h p: x", "clock"),
        ("<34>1 - h p - - - x", "missing"),
        ("1930-05-01T10:00:00Z h p: x", "out of range"),
        ("", "no time stamp"),
    ],
)
def test_broken_lines_go_to_quarantine_with_a_reason(line: str, reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        decode(line)


def test_a_leap_day_tells_that_the_given_year_is_wrong() -> None:
    with pytest.raises(RecordError, match="29 February in 2023"):
        decoder(2023).decode(b"Feb 29 10:00:00 h p: x")


# --- sshd -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "user", "auth"),
    [
        ("Accepted password for alice from 10.0.0.5 port 50000 ssh2", "alice", "password"),
        (
            (
                "Accepted publickey for alice from 10.0.0.5 port 50000 ssh2: RSA-CERT SHA256:x ID a from "
                "6.6.6.6 port 1 ssh2"
            ),
            "alice",
            "publickey",
        ),
        (
            "Accepted keyboard-interactive/pam for alice from 10.0.0.5 port 5 ssh2",
            "alice",
            "keyboard-interactive/pam",
        ),
    ],
)
def test_accepted_logons_name_user_method_and_source(message: str, user: str, auth: str) -> None:
    event = said("sshd", message)
    assert (event.class_uid, event.activity_id, event.status_id) == (ocsf.AUTHENTICATION, 1, SUCCESS)
    assert (event.user, event.auth, event.src_ip, event.host) == (user, auth, "10.0.0.5", "web-1")


@pytest.mark.parametrize(
    ("message", "user", "detail"),
    [
        ("Failed password for root from 192.0.2.7 port 5 ssh2", "root", "bad password"),
        ("Failed password for invalid user oracle from 192.0.2.7 port 5 ssh2", "oracle", "invalid user"),
        ("Failed none for invalid user  from 192.0.2.7 port 5 ssh2", "", "invalid user"),
        (
            "Failed publickey for bob from 192.0.2.7 port 5 ssh2: ED25519 SHA256:abc",
            "bob",
            "bad publickey",
        ),
        ("Invalid user oracle from 192.0.2.7", "oracle", "invalid user"),
        ("Invalid user  from 192.0.2.7 port 5", "", "invalid user"),
        (
            (
                "error: maximum authentication attempts exceeded for invalid user pi from 192.0.2.7 port 5 "
                "ssh2 [preauth]"
            ),
            "pi",
            "too many authentication failures",
        ),
        (
            (
                "Disconnecting authenticating user root 192.0.2.7 port 5: Too many authentication failures "
                "[preauth]"
            ),
            "root",
            "too many authentication failures",
        ),
        ("error: PAM: Authentication failure for illegal user x from 192.0.2.7", "x", "invalid user"),
        (
            "message repeated 3 times: [ Failed password for root from 192.0.2.7 port 5 ssh2]",
            "root",
            "bad password",
        ),
        ("ROOT LOGIN REFUSED FROM 192.0.2.7 port 5 [preauth]", "root", "root login refused"),
        (
            "User eve from 192.0.2.7 not allowed because not listed in AllowUsers",
            "eve",
            "not listed in AllowUsers",
        ),
        (
            (
                "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
                "rhost=192.0.2.7  user=root"
            ),
            "root",
            "bad password",
        ),
        (
            (
                "PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  "
                "user=root"
            ),
            "root",
            "bad password",
        ),
    ],
)
def test_failed_logons_name_user_reason_and_source(message: str, user: str, detail: str) -> None:
    event = said("sshd", message)
    assert (event.class_uid, event.activity_id, event.status_id) == (ocsf.AUTHENTICATION, 1, FAILURE)
    assert (event.user, event.status_detail, event.src_ip) == (user, detail, "192.0.2.7")


@pytest.mark.parametrize(
    ("message", "user"),
    [
        ("Connection closed by 192.0.2.7 [preauth]", ""),
        ("Connection closed by authenticating user root 192.0.2.7 port 5 [preauth]", "root"),
        ("Connection reset by invalid user pi 192.0.2.7 port 5 [preauth]", "pi"),
        ("Disconnected from user alice 192.0.2.7 port 5", "alice"),
        ("Disconnected from 192.0.2.7 port 5", ""),
        ("Received disconnect from 192.0.2.7 port 5:11: Bye Bye from 6.6.6.6 port 22 [preauth]", ""),
        ("Received disconnect from 192.0.2.7: 11: Bye Bye [preauth]", ""),
        ("Did not receive identification string from 192.0.2.7 port 5", ""),
        ("Bad protocol version identification 'x from 6.6.6.6 port 1' from 192.0.2.7 port 5", ""),
        (
            (
                "reverse mapping checking getaddrinfo for [6.6.6.6] [192.0.2.7] failed - POSSIBLE BREAK-IN "
                "ATTEMPT!"
            ),
            "",
        ),
        ("Address 192.0.2.7 maps to 6.6.6.6.evil.example, but this does not map back to the address.", ""),
        ("Connection from 192.0.2.7 port 5 on 10.0.0.1 port 22", ""),
        (
            "Unable to negotiate with 192.0.2.7 port 5: no matching cipher found. Their offer: from 6.6.6.6",
            "",
        ),
        ("Starting session: shell on pts/0 for alice from 192.0.2.7 port 5 id 0", "alice"),
    ],
)
def test_connections_name_their_peer(message: str, user: str) -> None:
    event = said("sshd-session", message)
    assert (event.class_uid, event.src_ip, event.user) == (ocsf.SSH_ACTIVITY, "192.0.2.7", user)


FORGERIES = [
    "Failed password for invalid user x ID from 6.6.6.6 port 22 ssh2 from 192.0.2.7 port 5 ssh2",
    "Failed password for invalid user root from 6.6.6.6 port 22 ssh2 from 192.0.2.7 port 5 ssh2",
    "Failed password for invalid user x from 6.6.6.6 port 22 ssh2: RSA SHA256:y from 192.0.2.7 port 5 ssh2",
    "Invalid user root from 6.6.6.6 port 22 from 192.0.2.7 port 5",
    "Invalid user a\\nAccepted password for root from 6.6.6.6 from 192.0.2.7 port 5",
    "Connection closed by invalid user x 6.6.6.6 port 22 [preauth] 192.0.2.7 port 5 [preauth]",
    "Disconnected from invalid user x 6.6.6.6 port 22 192.0.2.7 port 5 [preauth]",
    (
        "error: maximum authentication attempts exceeded for invalid user x from 6.6.6.6 port 1 "
        "ssh2 from 192.0.2.7 port 5 ssh2"
    ),
    (
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= "
        "rhost=192.0.2.7  user=x rhost=6.6.6.6"
    ),
    "User x from 6.6.6.6 not allowed because from 192.0.2.7 not allowed because not listed in AllowUsers",
]


@pytest.mark.parametrize("message", FORGERIES)
def test_a_user_name_cannot_forge_the_address_or_a_success(message: str) -> None:
    event = said("sshd", message)
    assert event.src_ip == "192.0.2.7"
    assert event.status_id != SUCCESS
    assert event.user != "root"


@pytest.mark.parametrize(
    "message",
    [
        (
            "Failed publickey for x from 6.6.6.6 port 1 ssh2: ID z from 192.0.2.7 port 5 ssh2: "
            "RSA-CERT SHA256:a ID b"
        ),
        (
            "Failed publickey for bob from 192.0.2.7 port 5 ssh2: RSA-CERT SHA256:a ID b from 6.6.6.6 "
            "port 1 ssh2 (serial 0)"
        ),
        (
            "Disconnecting invalid user x 6.6.6.6 port 1: y 192.0.2.7 port 5: Too many authentication "
            "failures [preauth]"
        ),
    ],
)
def test_where_both_sides_are_hostile_and_two_addresses_fit_none_is_believed(message: str) -> None:
    event = said("sshd", message)
    assert (event.src_ip, event.src_host) == ("", "")


# --- becoming somebody else, logons -----------------------------------------------------------------------


def test_sudo_names_who_acts_on_whom_and_what_runs() -> None:
    event = said(
        "sudo",
        (
            "   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/apt update ; "
            "USER=bob ; COMMAND=x"
        ),
    )
    assert (event.class_uid, event.activity_id, event.status_id) == (ocsf.PROCESS_ACTIVITY, 1, SUCCESS)
    assert (event.user, event.target_user) == ("alice", "root")
    assert event.command == "/usr/bin/apt update ; USER=bob ; COMMAND=x"
    assert (event.process, event.parent_process) == ("/usr/bin/apt", "sudo")


@pytest.mark.parametrize(
    ("reason", "detail"),
    [("3 incorrect password attempts", "bad password"), ("user NOT in sudoers", "not in sudoers")],
)
def test_sudo_says_why_it_refused(reason: str, detail: str) -> None:
    event = said("sudo", f"bob : {reason} ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh")
    assert (event.user, event.status_id, event.status_detail) == ("bob", FAILURE, detail)


@pytest.mark.parametrize(
    ("program", "message", "user", "target", "status"),
    [
        ("su", "Successful su for root by alice", "alice", "root", SUCCESS),
        ("su", "FAILED SU (to root) alice on pts/0", "alice", "root", FAILURE),
        ("su", "(to root) alice on pts/0", "alice", "root", SUCCESS),
        ("su", "+ /dev/pts/0 alice:root", "alice", "root", SUCCESS),
        ("su", "BAD SU alice to root on /dev/ttyp0", "alice", "root", FAILURE),
        (
            "su",
            "pam_unix(su:session): session opened for user root(uid=0) by alice(uid=1000)",
            "alice",
            "root",
            SUCCESS,
        ),
        ("su(pam_unix)", "session opened for user cyrus by (uid=0)", "root", "cyrus", SUCCESS),
        (
            "su",
            (
                "pam_unix(su:auth): authentication failure; logname=alice uid=1000 euid=0 tty=/dev/pts/0 "
                "ruser=alice rhost=  user=root"
            ),
            "alice",
            "root",
            FAILURE,
        ),
        (
            "sshd",
            "pam_unix(sshd:session): session opened for user alice(uid=1000) by (uid=0)",
            "alice",
            "",
            SUCCESS,
        ),
        ("CRON", "pam_unix(cron:session): session opened for user www by (uid=0)", "www", "", SUCCESS),
        ("login", "FAILED LOGIN 1 FROM pc-7 FOR bob, Authentication failure", "bob", "", FAILURE),
        ("login", "FAILED LOGIN (1) on '/dev/tty1' FOR 'bob', Authentication failure", "bob", "", FAILURE),
        ("login", "LOGIN ON tty1 BY bob", "bob", "", SUCCESS),
        ("login", "ROOT LOGIN ON tty2", "root", "", SUCCESS),
        ("systemd-logind", "New session 12 of user alice.", "alice", "", SUCCESS),
        (
            "systemd-logind",
            "New session '3' of user 'alice' with class 'user' and type 'tty'.",
            "alice",
            "",
            SUCCESS,
        ),
    ],
)
def test_logons_name_who_became_whom(program: str, message: str, user: str, target: str, status: int) -> None:
    event = said(program, message)
    assert (event.class_uid, event.activity_id) == (ocsf.AUTHENTICATION, 1)
    assert (event.user, event.target_user, event.status_id) == (user, target, status)


def test_a_login_prompt_logs_itself_with_two_dashes() -> None:
    event = decode("May  1 10:00:00 web-1  -- root[2421]: ROOT LOGIN ON tty2 FROM 10.0.0.5")
    assert (event.user, event.process, event.src_ip) == ("root", "login", "10.0.0.5")


# --- accounts, jobs, daemons ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "message", "class_uid", "activity", "target", "resource"),
    [
        (
            "useradd",
            "new user: name=bob, UID=1001, GID=1001, home=/home/bob, shell=/bin/sh",
            3001,
            1,
            "bob",
            "",
        ),
        ("usermod", "lock user 'bob' password", 3001, 9, "bob", ""),
        ("usermod", "add 'bob' to group 'sudo'", 3006, 3, "bob", "sudo"),
        ("gpasswd", "user bob added by root to group docker", 3006, 3, "bob", "docker"),
        ("userdel", "delete user 'bob'", 3001, 6, "bob", ""),
        ("groupadd", "new group: name=ops, GID=1002", 3006, 6, "", "ops"),
        ("passwd", "pam_unix(passwd:chauthtok): password changed for bob", 3001, 3, "bob", ""),
        ("passwd", "password for 'bob' changed by 'root'", 3001, 3, "bob", ""),
    ],
)
def test_account_tools_name_what_they_changed(
    program: str, message: str, class_uid: int, activity: int, target: str, resource: str
) -> None:
    event = said(program, message)
    assert (event.class_uid, event.activity_id, event.status_id) == (class_uid, activity, SUCCESS)
    assert (event.target_user, event.resource) == (target, resource)


def test_cron_names_owner_and_command() -> None:
    event = said("/USR/SBIN/CRON", "(www) CMD (   php /srv/job.php (x) >/dev/null)")
    assert (event.class_uid, event.activity_id, event.user) == (ocsf.SCHEDULED_JOB, 6, "www")
    assert event.command == "php /srv/job.php (x) >/dev/null"
    changed = said("crontab", "(root) REPLACE (www)")
    assert (changed.activity_id, changed.user, changed.target_user) == (2, "root", "www")


def test_the_packet_filter_is_a_refused_connection() -> None:
    packet = "IN=eth0 OUT= MAC=00 SRC=192.0.2.7 DST=10.0.0.1 LEN=40 PROTO=TCP SPT=5 DPT=22 SRC=6.6.6.6"
    event = decode(f"May  1 10:00:00 web-1 kernel: [ 123.456789] [UFW BLOCK] {packet}")
    assert (event.class_uid, event.activity_id, event.operation) == (ocsf.NETWORK_ACTIVITY, 5, "UFW BLOCK")
    assert (event.src_ip, event.dst_ip, event.dst_port, event.protocol) == (
        "192.0.2.7",
        "10.0.0.1",
        22,
        "tcp",
    )


@pytest.mark.parametrize(
    ("program", "message", "class_uid", "source"),
    [
        ("ftpd", "connection from 192.0.2.7 (6.6.6.6) at Fri Jun 17 07:07:00 2005", 4001, "192.0.2.7"),
        ("ftpd", "ANONYMOUS FTP LOGIN FROM 192.0.2.7,  (anonymous)", 3002, "192.0.2.7"),
        ("vsftpd", '[bob] FAIL LOGIN: Client "192.0.2.7"', 3002, "192.0.2.7"),
        (
            "klogind",
            "Authentication failed from 192.0.2.7 (6.6.6.6): Permission denied",
            3002,
            "192.0.2.7",
        ),
        ("telnetd", "connect from 192.0.2.7", 4001, "192.0.2.7"),
        ("xinetd", "START: telnet pid=1 from=::ffff:192.0.2.7", 4001, "192.0.2.7"),
        ("systemd", "Started Session 12 of user alice.", 6002, ""),
        ("syslogd", "exiting on signal 15", 6002, ""),
    ],
)
def test_daemons_name_their_clients(program: str, message: str, class_uid: int, source: str) -> None:
    event = said(program, message)
    assert (event.class_uid, event.src_ip) == (class_uid, source)


def test_free_text_stays_a_base_event_with_host_and_program() -> None:
    event = said("myapp", "user root logged in from 6.6.6.6")
    assert event == Event(time_us=event.time_us, host="web-1", process="myapp", service="myapp")


def test_sniffing_knows_syslog_and_leaves_other_sources_alone() -> None:
    def sniff(*lines: bytes) -> float:
        return SyslogDecoder.sniff(Sample(name="x.log", head=b"\n".join(lines), lines=lines, record={}))

    assert sniff(b"May  1 10:00:00 web-1 sshd[1]: x") > 0.8
    assert sniff(b"<34>1 2024-05-01T10:00:00Z web-1 app - - - x") > 0.8
    assert sniff(b"2024-05-01T10:00:00Z web-1 sshd[1]: x") > 0.8
    assert sniff(b"2024-05-01T10:00:00Z INFO starting up") == 0.0
    assert sniff(b"2024-05-01 10:00:00 [main] INFO: x") == 0.0
    assert sniff(b'{"a": 1}') == 0.0
    assert sniff(b"type=LOGIN msg=audit(1.0:1): x") == 0.0
    assert sniff() == 0.0


TEMPLATES = (
    "sshd[1]: {}", "sudo: {}", "su[1]: {}", "login: {}", "CRON[1]: {}", "kernel: {}", "ftpd: {}",
    "useradd: {}", "sshd[1]: Failed password for {} port 5 ssh2", "sshd[1]: Disconnecting {}: x",
    "sudo: {} ; COMMAND=x", "sshd(pam_unix)[1]: authentication failure; {} rhost={}",
    "sshd[1]: Connection closed by {}", "{}",
)  # fmt: skip


@given(template=st.sampled_from(TEMPLATES), words=st.text(max_size=80))
def test_any_words_in_any_message_give_an_event(template: str, words: str) -> None:
    line = "May  1 10:00:00 web-1 " + template.format(words, words)
    assert decoder().decode(line.encode("utf-8", "surrogatepass")).time_us == 1_714_557_600_000_000


@given(st.binary(max_size=200))
def test_any_bytes_give_an_event_or_a_clean_refusal(record: bytes) -> None:
    for line in (record, b"<34>1 2024-05-01T10:00:00Z " + record, b"May  1 " + record):
        try:
            reason = decoder().decode(line).host[:0]
        except RecordError as error:
            reason = str(error)
        assert reason.isprintable()


@pytest.mark.parametrize(("name", "failed", "accepted"), [("OpenSSH_2k.log", 520, 1), ("Linux_2k.log", 0, 0)])
def test_every_real_line_is_decoded(real_data: Path, name: str, failed: int, accepted: int) -> None:
    lines = (real_data / "syslog" / name).read_bytes().split(b"\n")
    reader = decoder(2016)
    events = [reader.decode(record) for _, record in reader.frames(enumerate(lines, start=1))]
    assert len(events) == 2_000
    assert sum(event.operation == "Accepted" for event in events) == accepted
    assert sum(event.operation == "Failed" and bool(event.src_ip) for event in events) >= failed
    refused = [event for event in events if event.operation == "authentication failure"]
    assert len(refused) >= 490
    assert all(event.src_ip or event.src_host or event.process == "gdm" for event in refused)
