"""CEF that no event can break out of; apprise held to what it may do; texts that mention nobody."""

from __future__ import annotations

import re
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from serving.notify import cef, chat, messages
from serving.notify.addresses import Network, Undelivered
from serving.queries import finding
from tests.serving.triage.triage_app import alert

# apprise asks for a module that Python 3.13 no longer has, and minds when it is not there
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

LOCAL = Network.parsed("127.0.0.0/8")
REST = {
    "state": "new",
    "assignee": "",
    "version": 0,
    "verdict_id": None,
    "first_us": None,
    "acknowledged_us": None,
    "contained_us": None,
    "closed_us": None,
}


def found(entity="ann", reason="first logon to db1"):
    import msgspec

    return finding(
        {**alert("acme", 3, entity=entity, reasons=msgspec.json.encode([reason]).decode()), **REST}
    )


def test_a_message_is_cef_in_rfc_5424():
    line = cef.message(found(), "key1", "0.1.0", 8192).decode()
    assert re.match(
        r"<83>1 2025-03-03T09:00:00\.000000Z \S+ habitus - alert - CEF:0\|habitus\|habitus\|0\.1\.0\|", line
    )
    assert "|entity-day|Unusual day of user ann|8|rt=1740992400000 externalId=acme-3 suser=ann " in line
    assert line.endswith("msg=first logon to db1")


def unescaped_fields(line: str) -> list[str]:
    return re.split(r"(?<!\\)(?:\\\\)*\|", line.partition("CEF:")[2])


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_from_an_event_makes_a_field_or_a_message_of_its_own(entity, reason):
    line = cef.message(found(entity, reason), "k", "1", 8192)
    text = line.decode()
    assert not any(byte < 32 or byte == 127 for byte in line)
    assert len(unescaped_fields(text)) >= 8
    extension = unescaped_fields(text)[7:]
    names = re.findall(r"(?:^| )(\w+)(?<!\\)=", "|".join(extension))
    assert names == [
        "rt",
        "externalId",
        "suser",
        "start",
        "end",
        "cnt",
        "cfp1",
        "cfp1Label",
        "cs1",
        "cs1Label",
        "cs2",
        "cs2Label",
        "msg",
    ]


def test_a_long_message_is_cut_and_stays_utf8():
    line = cef.message(found("ü" * 5000, "ß" * 5000), "k", "1", 2048)
    assert 2040 <= len(line) <= 2048
    line.decode()


def test_datagrams_and_streams_arrive_as_they_are():
    lines = [b"one", "zwölf".encode()]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        cef.send(lines, "127.0.0.1", server.getsockname()[1], "udp", LOCAL)
        assert [server.recv(100) for _ in lines] == lines
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = []

        def take():
            connection, _ = server.accept()
            with connection:
                while part := connection.recv(4096):
                    taken.append(part)

        thread = threading.Thread(target=take)
        thread.start()
        cef.send(lines, "127.0.0.1", server.getsockname()[1], "tcp", LOCAL)
        thread.join()
        port = server.getsockname()[1]
    assert b"".join(taken) == b"3 one6 zw\xc3\xb6lf"
    with pytest.raises(Undelivered):
        cef.send(lines, "127.0.0.1", port, "tcp", LOCAL)
    for transport in ("udp", "tcp", "tls"):
        with pytest.raises(Undelivered, match="private"):
            cef.send(lines, "127.0.0.1", port, transport, Network())


SLACK = "slack://TokenA123/TokenB1234/T1JJ3T3L2A2BNC6TRCL1abcd/#general"


@pytest.mark.parametrize(
    "url",
    [
        SLACK,
        "mailtos://user:pass@mail.example.com?to=soc@example.com&mode=ssl",
        "workflows://prod-1.westus.logic.azure.com:443/643e69f83c8944/KOTcebQu",
    ],
)
def test_the_usual_services_are_allowed(url):
    assert chat.checked(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "json://127.0.0.1/",
        "jsons://evil.example/",
        "xml://a.example/",
        "form://a.example/",
        "file:///etc/passwd",
        "syslog://localhost",
        "dbus://",
        "exec://ls",
        "mmosts://10.0.0.1/token",
        "matrixs://a.example/x",
        "ntfy://10.0.0.1/x",
        f"{SLACK[:-9]}?verify=no",
        f"{SLACK[:-9]}?redirect=yes",
        "workflows://10.0.0.1/abc/def",
        "workflows://x.logic.azure.com.evil.example/abc/def",
        "workflows://a.logic.azure.com/abc/def?template=/etc/passwd",
        "mailto://u:p@mail.example.com?mode=insecure",
        "mailto://u:p@mail.example.com?attach=/etc/passwd",
        "slack://short",
        "",
        "slack",
        "mailto://u:p@mail.example.com?to=a%0Ab\n",
    ],
)
def test_what_reads_files_or_goes_anywhere_is_not(url):
    with pytest.raises(InputError) as error:
        chat.checked(url)
    assert "passwd" not in str(error.value), "a refusal repeats no secret"


def test_mail_does_not_go_to_a_private_host_and_not_by_its_options():
    for url in (
        "mailto://u:p@127.0.0.1?to=a@example.com&from=h@example.com",
        "mailto://u:p@example.com?smtp=127.0.0.1&to=a@example.com",
    ):
        with pytest.raises(Undelivered, match="private"):
            chat.send(url, "t", "b", urgent=False, network=Network())


def test_mail_reaches_a_real_server(monkeypatch):
    """apprise over the wire, as far as a server that says no to the sender."""
    said = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as lines:
                connection.sendall(b"220 here\r\n")
                for line in lines:
                    said.append(line)
                    refused = line.startswith((b"STARTTLS", b"AUTH", b"MAIL"))
                    connection.sendall(b"550 no\r\n" if refused else b"250 ok\r\n")

        threading.Thread(target=serve, daemon=True).start()
        url = f"mailto://127.0.0.1:{server.getsockname()[1]}?to=soc@example.com&from=h@example.com&user=h&pass=x"
        with pytest.raises(Undelivered):
            chat.send(url, "title", "text", urgent=True, network=LOCAL)
    assert said


def test_texts_for_chats_mention_nobody_and_link_nowhere():
    evil = "<!channel> @everyone <@U123> http://evil.example `x` \x1b[2J\r\nBcc: a@b.c"
    title, text = messages.text(messages.RAISED, "k1", [found(evil, evil)])
    for part in (title, text):
        assert "@e" not in part
        assert "<" not in part
        assert "://" not in part
        assert "\x1b" not in part
    assert "\n" not in title
    assert "\nBcc" not in text
    title, text = messages.text(messages.RAISED, "k1", [found() for _ in range(30)])
    assert title == "habitus: 30 alerts"
    assert "and 10 more" in text
