"""Where a notification may go: what leads inside is refused, however it is written."""

from __future__ import annotations

import socket

import pytest

from features.errors import InputError
from serving.notify import webhook
from serving.notify.addresses import Network, Undelivered
from tests.serving.notify.receiver import receiving

SECRET = webhook.secret_bytes(webhook.new_secret())
LOCAL = Network.parsed("127.0.0.0/8")


def post(url, network=Network(), key="k1"):  # noqa: B008 - frozen
    webhook.post(webhook.Url.parsed(url), SECRET, key, b"{}", network, 1_700_000_000)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.1.2.3",
        ".".join("0000"),
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "::10.0.0.1",
    ],
)
def test_addresses_inside_are_not_permitted(address):
    assert not Network().permits(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are(address):
    assert Network().permits(address)


def test_the_operator_can_allow_networks_and_only_those():
    network = Network.parsed("10.1.2.0/24, fd00::/8")
    assert network.permits("10.1.2.3")
    assert network.permits("::ffff:10.1.2.3")
    assert network.permits("fd00::5")
    assert not network.permits("10.1.3.3")
    with pytest.raises(InputError):
        Network.parsed("10.1.2.0/33")
    with pytest.raises(InputError):
        Network.parsed("10.1.2.3/24")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_no_spelling_of_this_machine_reaches_it(host):
    with receiving() as server:
        url = f"http://{host}:{server.server_port}/"
        with pytest.raises((Undelivered, InputError)):
            post(url)
        assert server.taken == []


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    answers = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443)),
    ]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(Undelivered, match="private"):
        post("https://rebinding.example/")


def test_a_name_is_looked_up_once_and_the_checked_address_is_used(monkeypatch):
    """DNS rebinding: an answer that turns private after the check must not be connected to."""
    with receiving() as server:
        asked = []
        real = socket.getaddrinfo

        def turning(host, port, *more, **given):
            asked.append(host)
            return real("127.0.0.1" if len(asked) == 1 else "127.0.0.2", port, *more, **given)

        monkeypatch.setattr("socket.getaddrinfo", turning)
        post(f"http://turning.example:{server.server_port}/", Network.parsed("127.0.0.1/32"))
        assert asked == ["turning.example"]
        assert server.taken[0][0]["host"] == f"turning.example:{server.server_port}"


def test_redirects_are_not_followed():
    with receiving() as inside, receiving() as server:
        server.answers, server.location = ["redirect"], inside.url
        with pytest.raises(Undelivered, match="307"):
            post(server.url, LOCAL)
        assert (len(server.taken), inside.taken) == (1, [])


def test_plain_http_goes_only_where_the_operator_said(monkeypatch):
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(Undelivered, match="https"):
        post("http://public.example/")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example/",
        "https://",
        "https://user:pass@a.example/",
        "https://a.example/\r\nX: y",
        "https://a.example/ b",
        "file:///etc/passwd",
        "gopher://a.example:25/",
        "https://a.example:99999/",
        "https://\u0430.example/",
        "//a.example/",
        "https://a.example@127.0.0.1/",
    ],
)
def test_what_is_no_plain_web_address_is_refused(url):
    with pytest.raises(InputError):
        webhook.Url.parsed(url)
