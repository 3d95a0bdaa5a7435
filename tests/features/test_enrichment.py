"""Classes, countries and networks of addresses; families of user agents; registered domains."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING

import maxminddb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import features.enrich
from features.enrich import (
    ATTRIBUTION,
    GeoDatabase,
    address_class,
    registered_domain,
    user_agent_family,
)
from features.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(features.enrich.__file__).with_name("data")
WEBKIT = "(KHTML, like Gecko)"
CHROME = (
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 {WEBKIT} Chrome/126.0.0.0 Safari/537.36"
)
MAC = "Macintosh; Intel Mac OS X 10_15_7"
SAFARI = f"Mozilla/5.0 ({MAC}) AppleWebKit/605.1.15 {WEBKIT} Version/17.1 Safari/605.1.15"
HOSTILE = st.one_of(
    st.text(max_size=100),
    st.sampled_from(["Mozilla/5.0 ", "a.", "\0", "1.", "::", "(", "xn--", "ß."]).map(
        lambda piece: piece * 20_000
    ),
)


@pytest.fixture(scope="module")
def geo() -> Iterator[GeoDatabase]:
    with GeoDatabase() as database:
        yield database


@pytest.mark.parametrize(
    ("ip", "name"),
    [
        ("10.1.2.3", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.1", "public"),
        ("192.168.1.1", "private"),
        ("127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("100.64.0.1", "shared"),
        ("224.0.0.251", "multicast"),
        ("203.0.113.9", "reserved"),
        ("255.255.255.255", "reserved"),
        ("8.8.8.8", "public"),
        ("8.8.8.8:53", "public"),
        ("::1", "loopback"),
        ("fe80::1%eth0", "link-local"),
        ("fd00::1", "private"),
        ("ff02::1", "multicast"),
        ("2001:db8::1", "reserved"),
        ("2001:4860:4860::8888", "public"),
        ("::ffff:10.0.0.1", "private"),
        ("64:ff9b::a00:1", "private"),
        ("4000::1", "reserved"),
        ("0.0.0.0", ""),  # noqa: S104
        ("::", ""),
        ("0:0:0:0:0:0:0:0", ""),
        ("::ffff:0:0", ""),
        ("ws-12", ""),
        ("", ""),
    ],
)
def test_an_address_has_a_class(ip: str, name: str) -> None:
    assert address_class(ip) == name


def test_a_public_address_has_a_country_and_others_have_none(geo: GeoDatabase) -> None:
    assert geo.country("8.8.8.8") == "US"
    assert geo.country("193.0.6.139") == "NL"
    assert geo.country("2a01:4f8::1") == "DE"
    for ip in ("10.0.0.1", "127.0.0.1", "2001:db8::1", "", "ws-12", "1" * 10_000):
        assert geo.country(ip) == ""


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("10.1.2.3", "10.1.2.0/24"),
        ("fd00:1:2:3::4", "fd00:1:2::/48"),
        ("64:ff9b::a01:203", "10.1.2.0/24"),
        ("::1", "::/48"),
        ("8.8.8.8", "8.8.0.0/16"),
        ("2001:4860:4860::8888", "2001:4860::/32"),
        ("64:ff9b::808:808", "8.8.0.0/16"),
        ("ws-12", ""),
        ("", ""),
    ],
)
def test_without_autonomous_systems_a_network_is_a_prefix(ip: str, network: str) -> None:
    with GeoDatabase(autonomous_systems=False) as database:
        assert database.network(ip) == network


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("8.8.8.8", "AS15169 Google LLC"),
        ("8.8.8.8:53", "AS15169 Google LLC"),
        ("::ffff:8.8.8.8", "AS15169 Google LLC"),
        ("64:ff9b::808:808", "AS15169 Google LLC"),
        ("2001:4860:4860::8888", "AS15169 Google LLC"),
        ("1.1.1.1", "AS13335 Cloudflare, Inc."),
        ("2606:4700:4700::1111", "AS13335 Cloudflare, Inc."),
        ("9.9.9.9", "AS19281 Quad9"),
        ("77.88.8.8", "AS13238 YANDEX LLC"),
        ("140.82.112.3", "AS36459 GitHub, Inc."),
        ("193.0.6.139", "AS3333 Reseaux IP Europeens Network Coordination Centre"),
        ("2a01:4f8::1", "AS24940 Hetzner Online GmbH"),
    ],
)
def test_the_bundled_database_names_the_autonomous_system(geo: GeoDatabase, ip: str, network: str) -> None:
    assert geo.network(ip) == network


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("10.1.2.3", "10.1.2.0/24"),
        ("100.64.9.9", "100.64.9.0/24"),
        ("fd00:1:2:3::4", "fd00:1:2::/48"),
        ("9.77.1.2", "9.77.0.0/16"),
        ("3f00::1", "3f00::/32"),
        ("2002:808:808::1", "2002:808::/32"),
    ],
)
def test_an_address_that_nobody_announces_has_a_prefix(geo: GeoDatabase, ip: str, network: str) -> None:
    assert geo.network(ip) == network


@pytest.mark.parametrize(("text", "link"), ATTRIBUTION)
def test_the_notice_names_whom_the_data_come_from(text: str, link: str) -> None:
    notice = (DATA / "NOTICE").read_text(encoding="utf-8")
    assert text.removeprefix("IP Geolocation by ") in notice
    assert link in notice


def test_an_autonomous_system_names_the_network_when_a_database_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Systems:
        closed = False

        def get(self, ip: str) -> object:
            if ip == "8.8.8.8":
                return {"autonomous_system_number": 15169, "autonomous_system_organization": "Google\0 LLC\n"}
            if ip == "2001:4860::1":
                raise ValueError("an IPv6 address in a database of IPv4 addresses")
            return {
                "9.9.9.9": {"autonomous_system_number": -1},
                "4.4.4.4": {"autonomous_system_number": 7},
            }.get(ip)

        def close(self) -> None:
            return

    real = features.enrich._open
    monkeypatch.setattr(
        features.enrich, "_open", lambda path: Systems() if path.name == "mine.mmdb" else real(path)
    )
    with GeoDatabase(asn=Path("mine.mmdb")) as database:
        assert database.network("8.8.8.8") == "AS15169 Google LLC"
        assert database.network("4.4.4.4") == "AS7"
        assert database.network("9.9.9.9") == "9.9.0.0/16"
        assert database.network("2001:4860::1") == "2001:4860::/32"
        assert database.network("1.1.1.1") == "1.1.0.0/16"
        assert database.network("10.1.2.3") == "10.1.2.0/24"


def test_a_missing_or_foreign_database_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.mmdb"):
        GeoDatabase(tmp_path / "absent.mmdb")
    (tmp_path / "text.mmdb").write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match=r"text\.mmdb"):
        GeoDatabase(tmp_path / "text.mmdb")
    with pytest.raises(InputError, match=r"absent-asn\.mmdb"):
        GeoDatabase(asn=tmp_path / "absent-asn.mmdb")


def test_a_database_that_shall_not_be_used_cannot_be_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none shall be used"):
        GeoDatabase(asn=tmp_path / "mine.mmdb", autonomous_systems=False)


def test_a_damaged_database_is_refused_when_it_is_read(tmp_path: Path) -> None:
    whole = (DATA / "iptoasn-country.mmdb").read_bytes()
    with maxminddb.open_database(DATA / "iptoasn-country.mmdb") as reader:
        metadata = reader.metadata()
    start = metadata.node_count * metadata.record_size // 4 + 16
    end = whole.rindex(b"\xab\xcd\xefMaxMind.com")
    (tmp_path / "torn.mmdb").write_bytes(whole[:start] + b"\xff" * (end - start) + whole[end:])
    with GeoDatabase(tmp_path / "torn.mmdb") as database, pytest.raises(InputError, match=r"torn\.mmdb"):
        database.country("8.8.8.8")


def test_a_closed_database_answers_what_it_remembers_and_refuses_the_rest() -> None:
    database = GeoDatabase()
    network = database.network("8.8.8.8")
    database.close()
    assert database.network("8.8.8.8") == network
    with pytest.raises(InputError, match="was closed"):
        database.network("1.1.1.1")
    with pytest.raises(InputError, match="was closed"):
        database.country("1.1.1.1")


@pytest.mark.parametrize("name", ["iptoasn-country.mmdb", "asn.mmdb"])
def test_a_bundled_database_is_the_one_that_its_page_names(name: str) -> None:
    checksum = hashlib.sha256((DATA / name).read_bytes()).hexdigest()
    assert checksum in (DATA / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "family"),
    [
        (CHROME, "Chrome on Windows"),
        (CHROME.replace("126.0", "127.0"), "Chrome on Windows"),
        (SAFARI, "Safari on macOS"),
        ("Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.3570", "PowerShell"),
        ("aws-cli/2.13.0 Python/3.11.4 Linux/5.15 exe/x86_64", "aws-cli"),
        ("Boto3/1.28.0 md/Botocore#1.31.0 ua/2.0 os/linux", "Boto3"),
        ("python-requests/2.31.0", "python-requests"),
        ("curl/8.1.2", "curl"),
        ("okta-sdk-python/2.9.1 python/3.9", "okta-sdk-python"),
        ("APN/1.0 HashiCorp/1.0 Terraform/1.5.7 (+https://www.terraform.io)", "Terraform"),
        ("[S3Console/0.4, aws-internal/3]", "S3Console"),
        ("Microsoft Office/16.0 (Windows NT 10.0; Pro)", "Microsoft Office"),
        ("console.amazonaws.com", "console.amazonaws.com"),
        ("AWS Internal", "AWS Internal"),
        ("BAV2ROPC", "BAV2ROPC"),
        ("runner-8f3a2c1100004000", "runner"),
        ("Mozilla/5.0", "Mozilla"),
        ("<script>alert(1)</script>", "other"),
        ("-", ""),
        ("", ""),
        ("\0\n", ""),
    ],
)
def test_a_user_agent_has_a_family_without_versions(text: str, family: str) -> None:
    assert user_agent_family(text) == family


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("a.b.example.co.uk", "example.co.uk"),
        ("WWW.Example.COM.", "example.com"),
        ("alice.github.io", "alice.github.io"),
        ("cdn.alice.github.io", "alice.github.io"),
        ("co.uk", "co.uk"),
        ("localhost", "localhost"),
        ("dc-01.corp.internal", "corp.internal"),
        ("_ldap._tcp.dc._msdcs.corp.example", "corp.example"),
        ("www.b\u00fccher.de", "xn--bcher-kva.de"),
        ("www.xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("*.example.com", "example.com"),
        ("example.com:443", "example.com"),
        ("https://bob:pw@www.example.com:8443/x?y", "example.com"),
        ("7.2.0.192.in-addr.arpa", "in-addr.arpa"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:DB8::1]:443", "2001:db8::1"),
        ("ex\u202eample.com", "example.com"),
        ("a..b.com", "(malformed)"),
        ("a b.com", "(malformed)"),
        ("x" * 64 + ".com", "(malformed)"),
        ("a." * 400 + "com", "(malformed)"),
        ("-", ""),
        ("", ""),
    ],
)
def test_a_name_is_reduced_to_what_somebody_registered(name: str, domain: str) -> None:
    assert registered_domain(name) == domain
    assert registered_domain(domain) == domain


@given(st.ip_addresses(v=6))
def test_every_spelling_of_an_address_is_the_same_place(geo: GeoDatabase, ip: IPv6Address) -> None:
    spellings = [str(ip), ip.exploded, str(ip).upper(), f"[{ip}]:443", f"{ip}%eth0", f" {ip}/128 "]
    assert len({(address_class(text), geo.country(text), geo.network(text)) for text in spellings}) == 1
    mapped, inside = f"::ffff:{ip.exploded[:9]}", str(IPv4Address(int(ip) >> 96))
    assert address_class(mapped) == address_class(inside)
    assert geo.network(mapped) == geo.network(inside)


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_enrichment_is_total_bounded_and_printable(geo: GeoDatabase, text: str) -> None:
    for value in (
        user_agent_family(text),
        registered_domain(text),
        address_class(text),
        geo.country(text),
        geo.network(text),
    ):
        assert len(value) <= 253
        assert value.isprintable()
