"""What an address, a user agent or an Internet name stands for: offline, bounded, total for hostile text.

Nothing is fetched: countries and autonomous systems come from bundled databases (features/data/README.md),
families of user agents from the rules of ua-parser, registered domains from the list that publicsuffixlist
ships.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TYPE_CHECKING, Final, Self

import maxminddb
from publicsuffixlist import PublicSuffixList
from ua_parser import Parser
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

from features import identity
from features.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

_CACHE_SIZE: Final = 65_536
_NAME_LIMIT: Final = 64
"""Characters of an organisation or user-agent family."""

# --- addresses -------------------------------------------------------------------

# IANA special-purpose address registries (RFC 6890 and later). The first network that holds it decides.
_CLASSES_4: Final = (
    ("127.0.0.0/8", "loopback"),
    ("10.0.0.0/8", "private"),
    ("172.16.0.0/12", "private"),
    ("192.168.0.0/16", "private"),
    ("169.254.0.0/16", "link-local"),
    ("100.64.0.0/10", "shared"),
    ("224.0.0.0/4", "multicast"),
    ("0.0.0.0/8", "reserved"),
    ("192.0.0.0/24", "reserved"),
    ("192.0.2.0/24", "reserved"),
    ("198.18.0.0/15", "reserved"),
    ("198.51.100.0/24", "reserved"),
    ("203.0.113.0/24", "reserved"),
    ("240.0.0.0/4", "reserved"),
)
_CLASSES_6: Final = (
    ("::1/128", "loopback"),
    ("fe80::/10", "link-local"),
    ("fc00::/7", "private"),
    ("fec0::/10", "private"),
    ("ff00::/8", "multicast"),
    ("64:ff9b:1::/48", "private"),
    ("2001:db8::/32", "reserved"),
    ("3fff::/20", "reserved"),
    ("100::/64", "reserved"),
    ("2000::/3", "public"),
)
_NAT64: Final = b"\0\x64\xff\x9b" + bytes(8)
"""64:ff9b::/96 (RFC 6052): the last four bytes are an IPv4 address."""
_MAPPED: Final = bytes(10) + b"\xff\xff"
_UNSPECIFIED: Final = bytes(16)


def _by_first_byte(
    classes: tuple[tuple[str, str], ...], bits: int
) -> tuple[tuple[tuple[int, int, str], ...], ...]:
    """Mask, network and class of what touches each first byte: most IPv4 addresses compare with nothing."""
    networks = [(ipaddress.ip_network(text), name) for text, name in classes]
    shift = bits - 8
    return tuple(
        tuple(
            (int(network.netmask), int(network.network_address), name)
            for network, name in networks
            if int(network.network_address) >> shift <= byte <= int(network.broadcast_address) >> shift
        )
        for byte in range(256)
    )


@lru_cache(maxsize=1)
def _class_networks() -> tuple[tuple[tuple[tuple[int, int, str], ...], ...], ...]:
    return _by_first_byte(_CLASSES_4, 32), _by_first_byte(_CLASSES_6, 128)


def address_class(ip: str) -> str:
    """Class of an address: private, loopback, link-local, multicast, shared (CGNAT), reserved or public.

    "" for text that is no address, and for the unspecified addresses. NAT64 addresses have the class of the
    IPv4 address inside.
    """
    return _address_class(ip) if len(ip) <= 96 else ""


@lru_cache(maxsize=_CACHE_SIZE)
def _address_class(ip: str) -> str:
    return _place(ip)[0]


def _packed_6(text: str) -> bytes:
    """Bytes of a plain IPv6 address, b"" for other text: many times faster than the module ipaddress."""
    try:
        return inet_pton(AF_INET6, text)
    except (OSError, ValueError):  # NUL and lone surrogates are ValueErrors
        return b""


def _place(text: str) -> tuple[str, str]:
    """Class of an address and the address itself; NAT64 and mapped ones give both of the IPv4 inside."""
    address, packed = text, _packed_6(text) if ":" in text else b""
    if not packed:  # IPv4, or a spelling with brackets, a port or a zone
        address = identity.ip(text)
        packed = _packed_6(address) if ":" in address else b""
    if not address or packed == _UNSPECIFIED:
        return "", ""
    four, six = _class_networks()
    if packed:
        if packed.startswith((_NAT64, _MAPPED)):
            return _place(inet_ntop(AF_INET, packed[12:]))
        candidates, other = six[packed[0]], "reserved"
    else:
        packed = inet_pton(AF_INET, address)
        candidates, other = four[packed[0]], "public"
    if candidates:
        number = int.from_bytes(packed, "big")
        for mask, network, name in candidates:
            if number & mask == network:
                return name, address
    return other, address


def _subnet(address: str, bits_4: int, bits_6: int) -> str:
    """Network around an address that `_place` gave; lengths in whole bytes."""
    if ":" in address:
        packed = inet_pton(AF_INET6, address)[: bits_6 // 8]
        return f"{inet_ntop(AF_INET6, packed.ljust(16, bytes(1)))}/{bits_6}"
    octets = address.split(".")[: bits_4 // 8]
    return ".".join(octets + ["0"] * (4 - len(octets))) + f"/{bits_4}"


ATTRIBUTION: Final = (
    ("IP Geolocation by DB-IP", "https://db-ip.com"),
    ("RouteViews", "https://www.routeviews.org"),
    ("NRO", "https://www.nro.net"),
    ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/"),
)
"""Text and link of whom the names of networks come from; features/data/NOTICE has the whole notice.

The licence of the bundled database asks for the first link on every page that shows or uses them.
"""


class GeoDatabase:
    """Countries and networks of addresses, from MMDB files that are memory-mapped.

    Parameters
    ----------
    country
        Country database with `country_code` or MaxMind's `country.iso_code`; the bundled one if None.
    asn
        Database of autonomous systems with `autonomous_system_number` and `autonomous_system_organization`
        (GeoLite2-ASN, DB-IP ASN Lite, iptoasn); the bundled one if None. Whoever shows its names shows
        `ATTRIBUTION` too.
    autonomous_systems
        False: open no such database; networks of public addresses are prefixes then.

    Raises
    ------
    InputError
        If a file is missing or is no MMDB file, turns out damaged while it is read, or was closed; or if a
        database of autonomous systems is named that shall not be used.

    Notes
    -----
    Look-ups are memoised (65,536 addresses) and safe from several threads; `close` ends them. The files are
    mapped into memory: put a new one in place by renaming it, never write into a file that is in use.
    """

    def __init__(
        self, country: Path | None = None, asn: Path | None = None, *, autonomous_systems: bool = True
    ) -> None:
        if asn is not None and not autonomous_systems:
            raise InputError(f"{asn}: named as the database of autonomous systems, but none shall be used")
        data = Path(__file__).with_name("data")
        self._country_path = country or data / "iptoasn-country.mmdb"
        self._asn_path = asn or data / "asn.mmdb"
        self._countries = _open(self._country_path)
        try:
            self._systems = _open(self._asn_path) if autonomous_systems else None
        except InputError:
            self._countries.close()
            raise
        # One memo for both: to remember an address that was never seen costs as much as to look it up.
        self._found: Callable[[str], tuple[str, str]] = lru_cache(maxsize=_CACHE_SIZE)(self._find)

    def country(self, ip: str) -> str:
        """ISO 3166-1 alpha-2 code of where the network of a public address is registered, else ""."""
        return self._found(ip)[0] if len(ip) <= 96 else ""

    def network(self, ip: str) -> str:
        """Network of an address as one value of a baseline, "" for none.

        `AS15169 Google LLC` for a public address that the database of autonomous systems knows (`AS13342` if
        it knows no name); else the surrounding /16 (IPv4) or /32 (IPv6, what a provider gets). For addresses
        that are not public the /24 or /48. NAT64 addresses are in the network of the IPv4 address inside.
        """
        return self._found(ip)[1] if len(ip) <= 96 else ""

    def close(self) -> None:
        """Close the files. Look-ups that are not remembered raise `InputError` afterwards."""
        self._countries.close()
        if self._systems is not None:
            self._systems.close()

    def __enter__(self) -> Self:
        """Return the open database."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self.close()

    def _find(self, ip: str) -> tuple[str, str]:
        name, address = _place(ip)
        if name == "public":
            return self._find_country(address), self._find_network(address)
        return "", _subnet(address, 24, 48) if address else ""

    def _find_country(self, address: str) -> str:
        found = _read(self._countries, self._country_path, address)
        code = found.get("country_code")
        if code is None:
            nested = found.get("country")
            code = nested.get("iso_code") if isinstance(nested, dict) else None
        return code if isinstance(code, str) and len(code) == 2 and code.isascii() and code.isupper() else ""

    def _find_network(self, address: str) -> str:
        if self._systems is not None:
            found = _read(self._systems, self._asn_path, address)
            number = found.get("autonomous_system_number")
            if isinstance(number, int) and 0 < number < 2**32:
                return f"AS{number} {_organisation(found)}".rstrip()
        return _subnet(address, 16, 32)


def _organisation(found: dict[str, object]) -> str:
    name = found.get("autonomous_system_organization")
    if not isinstance(name, str):
        return ""
    if not name.isprintable():
        name = "".join(filter(str.isprintable, name[:512]))
    return " ".join(name[:512].split())[:_NAME_LIMIT]


def _open(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(path, maxminddb.MODE_AUTO)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such address database; see features/data/README.md") from error
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise InputError(f"{path}: cannot be read as an MMDB file; fetch it again") from error


def _read(reader: maxminddb.Reader, path: Path, ip: str) -> dict[str, object]:
    try:
        found = reader.get(ip)
    except maxminddb.InvalidDatabaseError as error:
        raise InputError(f"{path}: the address database is damaged; fetch it again") from error
    except ValueError as error:
        if reader.closed:
            raise InputError(f"{path}: the address database was closed; open it again") from error
        return {}  # an IPv6 address in a database of IPv4 addresses
    return found if isinstance(found, dict) else {}


# --- user agents -----------------------------------------------------------------

_PRODUCT: Final = re.compile(r"[\[(\"' ]*([A-Za-z][A-Za-z0-9 ._+:-]{0,63})")
_BROWSER: Final = ("mozilla/", "opera/", "dalvik/")
_UNTOLD: Final = frozenset({"apn", "hashicorp"})
"""First tokens that every tool of a partner programme sends."""
_VARIABLE: Final = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[a-f]{0,32}\d)[0-9a-f]{8,}|\d{3,}",
    re.IGNORECASE,
)
_VERSION: Final = re.compile(r"[ _-]v?\d[\w.+-]*$")
_FAMILIES: Final = {"WindowsPowerShell": "PowerShell", "Other": ""}
_SYSTEMS: Final = {"Mac OS X": "macOS", "Other": ""}


@lru_cache(maxsize=1)
def _agents() -> Parser:
    return Parser(Resolver(load_lazy_builtins()))


def user_agent_family(text: str) -> str:
    """Family of a user agent: `Chrome on Windows`, `aws-cli`, `python-requests`, `PowerShell`; "" for none.

    Browsers go through the rules of ua-parser; other agents are their first product token without its
    version. Ids and long numbers become `*`, text that is no product token becomes `other`. At most 512
    characters are read.
    """
    return _user_agent_family(text[:512])


@lru_cache(maxsize=_CACHE_SIZE // 4)
def _user_agent_family(text: str) -> str:
    text = "".join(character for character in text if character.isprintable()).strip()
    if text in ("", "-", "null", "None"):
        return ""
    if not text.lower().startswith(_BROWSER):
        return _product(text)
    agent = _agents().parse(text)
    family = agent.user_agent.family if agent.user_agent is not None else "Mozilla"
    family = _product(_FAMILIES.get(family, family)) or "Mozilla"
    system = agent.os.family if agent.os is not None else ""
    system = _product(_SYSTEMS.get(system, system))
    return f"{family} on {system}" if system and family != "PowerShell" else family


def _product(text: str) -> str:
    """First product token (RFC 9110, 10.1.5) without its version."""
    for _ in range(3):
        match = _PRODUCT.match(text)
        if match is None:
            return "other" if text else ""
        name = match[1]
        if name.lower() not in _UNTOLD:
            break
        text = text[match.end() :].partition(" ")[2]
    name = _VERSION.sub("", " ".join(name.split()[:3]))
    return _VARIABLE.sub("*", name).strip(" .:_+-")[:40] or "other"


# --- Internet names --------------------------------------------------------------

_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_MALFORMED: Final = "(malformed)"


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def registered_domain(name: str) -> str:
    """Part of an Internet name that somebody registered: `a.b.example.co.uk` -> `example.co.uk`.

    Private suffixes count (`me.github.io`), because another customer is another owner. Unknown top-level
    domains keep two labels (`dc-01.corp.internal` -> `corp.internal`); a single label and a bare suffix stay.
    International names become punycode; an address stays an address; reverse look-ups become `in-addr.arpa`
    or `ip6.arpa`; what cannot be a name becomes `(malformed)`; "" for nothing. At most 253 characters.
    """
    return _registered_domain(name) if len(name) <= 512 else _MALFORMED


@lru_cache(maxsize=_CACHE_SIZE)
def _registered_domain(name: str) -> str:
    text = identity.clean(name).strip("\"'")
    if text in ("", "-", ".", "(empty)"):
        return ""
    if "://" in text[:16]:
        text = text.partition("://")[2]
        text = re.split(r"[/?#]", text, maxsplit=1)[0].rpartition("@")[2]
    address = identity.ip(text)
    if address:
        return address
    stem, colon, port = text.rpartition(":")
    text = (stem if colon and port.isdecimal() else text).strip(".").removeprefix("*.")
    for zone in ("in-addr.arpa", "ip6.arpa"):
        if text.endswith(zone):
            return zone
    labels = [_punycode(label) for label in text.split(".")]
    if sum(map(len, labels)) + len(labels) > 254 or not all(map(_LABEL.fullmatch, labels)):
        return _MALFORMED
    while len(labels) > 2 and labels[0].startswith("_"):  # service records: _ldap._tcp.corp.example
        del labels[0]
    text = ".".join(labels)
    return _suffixes().privatesuffix(text) or text


def _punycode(label: str) -> str:
    if label.isascii():
        return label
    try:
        return label.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
