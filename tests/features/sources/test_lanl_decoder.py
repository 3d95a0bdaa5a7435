"""Los Alamos logons and the red team's list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import events as ocsf
from features.errors import RecordError
from features.events import FAILURE, SUCCESS, Event
from features.sources.base import Decoder, Sample, SourceContext
from features.sources.lanl import LanlDecoder


def decode(line: str) -> Event:
    return LanlDecoder(SourceContext()).decode(line.encode())


def sniff(*lines: bytes) -> float:
    return LanlDecoder.sniff(Sample(name="auth.txt", head=b"\n".join(lines), lines=lines, record={}))


def test_the_decoder_fulfils_the_protocol() -> None:
    assert isinstance(LanlDecoder(SourceContext()), Decoder)


def test_a_network_logon_names_user_source_and_target() -> None:
    assert decode("7,U1@DOM1,U1@DOM1,C12,C586,NTLM,Network,LogOn,Success") == Event(
        time_us=7_000_000,
        class_uid=ocsf.AUTHENTICATION,
        activity_id=1,
        status_id=SUCCESS,
        user="u1",
        host="c586",
        src_host="c12",
        operation="LogOn",
        auth="ntlm network",
    )


def test_unknown_parts_are_empty() -> None:
    event = decode("1,C101$@DOM1,C101$@DOM1,C988,C988,?,?,AuthMap,Success")
    assert (event.user, event.auth, event.activity_id) == ("c101$", "", 6)


def test_another_account_at_the_target_is_the_one_acted_upon() -> None:
    event = decode("5,U1@DOM1,U9@DOM1,C1,C2,Kerberos,Network,LogOn,Fail")
    assert (event.user, event.target_user, event.status_id) == ("u1", "u9", FAILURE)


def test_accounts_of_a_computer_carry_its_name() -> None:
    event = decode("5,U1@C1,U9@C2,C1,C2,NTLM,Network,LogOn,Success")
    assert (event.user, event.target_user) == ("c1\\u1", "c2\\u9")


def test_nobody_is_no_user() -> None:
    event = decode("1,ANONYMOUS LOGON@C586,ANONYMOUS LOGON@C586,C1250,C586,NTLM,Network,LogOn,Success")
    assert (event.user, event.target_user) == ("", "")


@pytest.mark.parametrize(
    ("orientation", "activity"), [("LogOff", 2), ("TGT", 3), ("TGS", 4), ("ScreenLock", 99)]
)
def test_orientations_become_activities(orientation: str, activity: int) -> None:
    assert decode(f"5,U1@DOM1,U1@DOM1,C1,C2,Kerberos,?,{orientation},Success").activity_id == activity


def test_lines_of_the_red_team_are_findings_and_no_logons() -> None:
    event = decode("150885,U620@DOM1,C17693,C1003")
    assert (event.class_uid, event.user, event.src_host, event.host) == (2004, "u620", "c17693", "c1003")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1,2,3", "columns"),
        ("x,U1@DOM1,U1@DOM1,C1,C2,NTLM,Network,LogOn,Success", "not a number"),
        ("9999999999999,U620@DOM1,C17693,C1003", "out of range"),
        ("1," + "x" * 9000, "too long"),
    ],
)
def test_broken_lines_go_to_quarantine_with_a_reason(line: str, reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        decode(line)


def test_sniffing_wants_every_line_to_fit() -> None:
    auth = b"1,C1$@DOM1,C1$@DOM1,C1,C2,?,?,TGS,Success"
    red = b"150885,U620@DOM1,C17693,C1003"
    assert sniff(auth, auth) == 1.0
    assert sniff(red, red) == 1.0
    assert sniff(auth, red) == 0.0
    assert sniff(b"1,2,3,4") == 0.0
    assert sniff(b"2024,a@b.example,Cxx,C1") == 0.0
    assert sniff() == 0.0


@given(st.binary(max_size=300))
def test_any_bytes_give_an_event_or_a_clean_refusal(record: bytes) -> None:
    try:
        text = repr(LanlDecoder(SourceContext()).decode(b"1," + record))
    except RecordError as error:
        text = str(error)
    assert text.isprintable()
