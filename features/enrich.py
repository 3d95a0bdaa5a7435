"""What an address, a user agent or an Internet name stands for: offline, bounded, total for hostile text.

Nothing is fetched: countries come from a bundled database (features/data/README.md), families of user agents
from the rules of ua-parser, registered domains from the list that publicsuffixlist ships.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from pathlib import Path
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
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@lru_cache(maxsize=1)
def _class_networks() -> tuple[tuple[tuple[int, int, str], ...], tuple[tuple[int, int, str], ...]]:
    """Mask, network and class for both families, as integers: a look-up only compares."""
    four = [(ipaddress.IPv4Network(text), name) for text, name in _CLASSES_4]
    six = [(ipaddress.IPv6Network(text), name) for text, name in _CLASSES_6]
    return (
        tuple((int(net.netmask), int(net.network_address), name) for net, name in four),
        tuple((int(net.netmask), int(net.network_address), name) for net, name in six),
    )


@lru_cache(maxsize=_CACHE_SIZE)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    normal = identity.ip(text)
    return ipaddress.ip_address(normal) if normal else None


def address_class(ip: str) -> str:
    """Class of an address: private, loopback, link-local, multicast, shared (CGNAT), reserved or public.

    "" for text that is no address, and for the unspecified addresses. NAT64 addresses have the class of the
    IPv4 address inside.
    """
    return _address_class(ip) if len(ip) <= 96 else ""


@lru_cache(maxsize=_CACHE_SIZE)
def _address_class(ip: str) -> str:
    four, six = _class_networks()
    normal = identity.ip(ip)
    if normal and ":" not in normal:
        first, second, third, fourth = map(int, normal.split("."))
        number = first << 24 | second << 16 | third << 8 | fourth
        return next((name for mask, network, name in four if number & mask == network), "public")
    address = _address(ip)
    if address is None:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address in _NAT64:
        address = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    number = int(address)
    is_four = isinstance(address, ipaddress.IPv4Address)
    for mask, network, name in four if is_four else six:
        if number & mask == network:
            return name
    return "public" if is_four else "reserved"


def _subnet(ip: str, bits_4: int, bits_6: int) -> str:
    normal = identity.ip(ip)
    if normal and ":" not in normal:  # the common case, without the slow address classes
        octets = normal.split(".")[: bits_4 // 8]
        return ".".join(octets + ["0"] * (4 - len(octets))) + f"/{bits_4}"
    address = _address(ip)
    if address is None:
        return ""
    bits = bits_4 if address.version == 4 else bits_6
    return str(ipaddress.ip_network((address, bits), strict=False))


class GeoDatabase:
    """Countries and networks of addresses, from MMDB files that are memory-mapped.

    Parameters
    ----------
    country
        Country database with `country_code` or MaxMind's `country.iso_code`; the bundled one if None.
    asn
        Optional database of autonomous systems (GeoLite2-ASN, DB-IP ASN Lite, iptoasn). None is bundled: the
        ones that could be had ask for attribution wherever results are shown.

    Raises
    ------
    InputError
        If a file is missing or is no MMDB file, or turns out damaged while it is read.

    Notes
    -----
    Look-ups are memoised (65,536 addresses) and safe from several threads; `close` ends them.
    """

    def __init__(self, country: Path | None = None, asn: Path | None = None) -> None:
        self._country_path = country or Path(__file__).with_name("data") / "iptoasn-country.mmdb"
        self._asn_path = asn
        self._countries = _open(self._country_path)
        try:
            self._systems = _open(asn) if asn is not None else None
        except InputError:
            self._countries.close()
            raise
        self._country: Callable[[str], str] = lru_cache(maxsize=_CACHE_SIZE)(self._find_country)
        self._network: Callable[[str], str] = lru_cache(maxsize=_CACHE_SIZE)(self._find_network)

    def country(self, ip: str) -> str:
        """ISO 3166-1 alpha-2 code of where the network of a public address is registered, else ""."""
        return self._country(ip) if len(ip) <= 96 else ""

    def network(self, ip: str) -> str:
        """Network of an address as one value of a baseline, "" for none.

        `AS15169 Google LLC` for a public address if a database of autonomous systems is open and knows it;
        else the surrounding /16 (IPv4) or /32 (IPv6, what a provider gets). For others the /24 or /48.
        """
        return self._network(ip) if len(ip) <= 96 else ""

    def close(self) -> None:
        """Close the files. Look-ups that are not remembered fail afterwards."""
        self._countries.close()
        if self._systems is not None:
            self._systems.close()

    def __enter__(self) -> Self:
        """Return the open database."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files."""
        self.close()

    def _find_country(self, ip: str) -> str:
        if _address_class(ip) != "public":
            return ""
        found = _read(self._countries, self._country_path, identity.ip(ip))
        code = found.get("country_code")
        if code is None:
            nested = found.get("country")
            code = nested.get("iso_code") if isinstance(nested, dict) else None
        return code if isinstance(code, str) and len(code) == 2 and code.isascii() and code.isupper() else ""

    def _find_network(self, ip: str) -> str:
        if _address_class(ip) != "public":
            return _subnet(ip, 24, 48)
        if self._systems is not None and self._asn_path is not None:
            found = _read(self._systems, self._asn_path, identity.ip(ip))
            number = found.get("autonomous_system_number")
            if isinstance(number, int) and 0 < number < 2**32:
                name = found.get("autonomous_system_organization")
                text = "".join(filter(str.isprintable, name[:512])) if isinstance(name, str) else ""
                name = " ".join(text.split())[:_NAME_LIMIT]
                return f"AS{number} {name}".rstrip()
        return _subnet(ip, 16, 32)


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
    except ValueError:  # an IPv6 address in a database of IPv4 addresses, or a closed one
        return {}
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
