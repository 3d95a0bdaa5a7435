"""CERT insider threat files of all releases: columns by name, one uid a record, no content."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import events as ocsf
from features.errors import RecordError
from features.events import SUCCESS, Event
from features.sources.base import Decoder, Sample, SourceContext
from features.sources.cert import CertDecoder

LOGON = "id,date,user,pc,activity"
EMAIL = "id,date,user,pc,to,cc,bcc,from,activity,size,attachments,content"


def decode(header: str, *lines: str, path: str = "") -> list[Event]:
    decoder = CertDecoder(SourceContext(path=path))
    numbered = enumerate([line.encode() for line in (header, *lines)], start=1)
    return [decoder.decode(record) for _, record in decoder.frames(numbered)]


def test_the_decoder_fulfils_the_protocol() -> None:
    assert isinstance(CertDecoder(SourceContext()), Decoder)


def test_a_logon_is_local_and_successful() -> None:
    assert decode(LOGON, "{X1D9-S0ES98JV},01/02/2010 06:49:00,DTAA/NGF0157,PC-6056,Logon") == [
        Event(
            time_us=1_262_414_940_000_000,
            class_uid=ocsf.AUTHENTICATION,
            activity_id=1,
            status_id=SUCCESS,
            uid="logon|{X1D9-S0ES98JV}",
            user="ngf0157",
            host="pc-6056",
            operation="Logon",
            auth="interactive",
        )
    ]


def test_drives_and_logons_with_the_same_header_are_told_apart_by_what_they_did() -> None:
    (event,) = decode(LOGON, "{A},01/02/2010 07:21:06,MOH0273,PC-6699,Connect")
    assert (event.class_uid, event.operation, event.uid) == (0, "device connect", "device|{A}")


def test_mail_names_the_first_domain_outside_and_never_the_content() -> None:
    line = (
        '{R},01/02/2010 07:11:45,LAP0338,PC-5758,"bob@dtaa.com;eve@rival.example",,,me@dtaa.com,Send,25830,'
    )
    (event,) = decode(EMAIL, f'{line}"C:\\plan.doc(123);b.doc(5)","secret, words"')
    assert (event.class_uid, event.activity_id, event.domain) == (ocsf.EMAIL_ACTIVITY, 1, "rival.example")
    assert event.file == "C:\\plan.doc"
    assert "secret" not in repr(event)


def test_a_page_names_site_and_path() -> None:
    (event,) = decode(
        "id,date,user,pc,url,content", "{V},01/02/2010 06:55:16,LRR0148,PC-4275,http://msn.com/a/b.php,words"
    )
    assert (event.class_uid, event.activity_id, event.domain, event.resource) == (
        4002,
        3,
        "msn.com",
        "/a/b.php",
    )


def test_files_of_old_releases_are_copies_to_a_drive_and_of_new_ones_what_they_say() -> None:
    old = decode(
        "id,date,user,pc,filename,content", "{L},01/02/2010 07:23:14,MOH0273,PC-6699,EYPC9Y08.doc,words"
    )
    new = decode(
        "id,date,user,pc,filename,activity,to_removable_media,from_removable_media,content",
        "{M},01/02/2010 07:23:14,MOH0273,PC-6699,C:\\x.doc,File Open,False,True,words",
    )
    assert [(e.activity_id, e.resource, e.file) for e in old + new] == [
        (1, "to removable media", "EYPC9Y08.doc"),
        (14, "from removable media", "C:\\x.doc"),
    ]


def test_line_breaks_in_quotes_do_not_end_a_record() -> None:
    header = "id,date,user,pc,url,content"
    decoder = CertDecoder(SourceContext())
    lines = [
        header,
        '{V},01/02/2010 06:55:16,LRR0148,PC-4275,http://msn.com/,"one',
        'two"',
        "",
        "{W},01/02/2010 06:55:17,A,P,http://x.y/,z",
    ]
    frames = list(decoder.frames(enumerate((line.encode() for line in lines), start=1)))
    assert [number for number, _ in frames] == [2, 5]
    assert [decoder.decode(record).domain for _, record in frames] == ["msn.com", "x.y"]


def test_a_quote_that_never_closes_does_not_swallow_the_file() -> None:
    decoder = CertDecoder(SourceContext())
    lines = [LOGON, '"{X', *(f"{{{n}}},01/02/2010 06:49:00,A,PC-1,Logon" for n in range(200))]
    frames = list(decoder.frames(enumerate((line.encode() for line in lines), start=1)))
    assert len(frames) > 130


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{X},,A,PC-1,Logon", "time is missing"),
        ("{X},13/45/2010 06:49:00,A,PC-1,Logon", "time is not"),
        ("{X},01/02/2010 26:49:00,A,PC-1,Logon", "time is not"),
        ("{X},01/02/2210 06:49:00,A,PC-1,Logon", "out of range"),
        ("{X},01/02/2010 06:49:00", "columns"),
    ],
)
def test_broken_lines_go_to_quarantine_with_a_reason(line: str, reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        decode(LOGON, line)


def test_a_record_without_its_header_is_refused() -> None:
    with pytest.raises(RecordError, match="header"):
        CertDecoder(SourceContext()).decode(b"{X},01/02/2010 06:49:00,A,PC-1,Logon")


def test_sniffing_wants_the_header() -> None:
    def sniff(line: bytes) -> float:
        return CertDecoder.sniff(Sample(name="logon.csv", head=line, lines=(line,), record={}))

    assert sniff(b"\xef\xbb\xbf" + LOGON.encode()) == 1.0
    assert sniff(EMAIL.encode()) == 1.0
    assert sniff(b"id,date,user,pc,colour") == 0.0
    assert sniff(b"time,user,host,activity") == 0.0


@given(header=st.sampled_from((LOGON, EMAIL, "id,date,user,pc,url")), record=st.binary(max_size=200))
def test_any_bytes_give_an_event_or_a_clean_refusal(header: str, record: bytes) -> None:
    decoder = CertDecoder(SourceContext())
    list(decoder.frames([(1, header.encode())]))
    try:
        text = repr(decoder.decode(b"{A},01/02/2010 06:49:00," + record))
    except RecordError as error:
        text = str(error)
    assert text.isprintable()
