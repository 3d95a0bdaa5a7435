"""Which addresses a notification may go to.

Whoever may set up a channel must not reach through it what only the service can reach: its own machine, its
network, the metadata service of a cloud. A name is resolved once, every address it has is checked, and the
connection is made to a checked address: an answer that changes between check and use changes nothing.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any, NamedTuple

from features.errors import HabitusError, InputError

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

_NAT64 = ip_network("64:ff9b::/96")
_COMPATIBLE = ip_network("::/96")
_NOT_FOR_US = (
    ip_network("168.63.129.16/32"),  # Azure's platform address: global by number, inside by nature
    ip_network("192.0.0.0/24"),  # protocol assignments; Oracle's metadata service is one
    ip_network("64:ff9b:1::/48"),  # RFC 8215: translated as the operator likes
    ip_network("2002::/16"),  # 6to4 and Teredo lead to addresses inside of them
    ip_network("2001::/32"),
)


class Undelivered(HabitusError):
    """A message that did not arrive as far as we know; the text says why, and holds no secret."""


class Address(NamedTuple):
    """Where to connect: socket family and address."""

    family: int
    sockaddr: tuple[Any, ...]


@dataclass(frozen=True)
class Network:
    """Networks that are reachable although they are private.

    Parameters
    ----------
    allowed
        None by default: only addresses of the public internet.
    """

    allowed: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parsed(cls, text: str) -> Network:
        """From "10.1.2.0/24,192.0.2.7" (commas); InputError when a part is no network."""
        found = []
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            try:
                found.append(ip_network(part))
            except ValueError as error:
                raise InputError(f"{part[:60]!r} is no network such as 10.1.2.0/24 or 192.0.2.7") from error
        return cls(tuple(found))

    def lists(self, text: str) -> bool:
        """Whether the operator named a network that an address is in."""
        found = _unwrapped(text)
        return any(found.version == one.version and found in one for one in self.allowed)

    def permits(self, text: str) -> bool:
        """Whether a connection to an address may be made."""
        if self.lists(text):
            return True
        found = _unwrapped(text)
        if any(found.version == one.version and found in one for one in _NOT_FOR_US):
            return False
        return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)

    def resolve(self, host: str, port: int, kind: int = socket.SOCK_STREAM) -> list[Address]:
        """Addresses of a host, all of them permitted.

        Raises
        ------
        Undelivered
            If the name has no address, or one that is not permitted.
        """
        try:
            found = socket.getaddrinfo(host, port, type=kind)
        except (OSError, UnicodeError) as error:
            raise Undelivered(f"the host has no address now ({type(error).__name__})") from error
        for entry in found:
            if not self.permits(str(entry[4][0])):
                raise Undelivered(
                    "the host has an address inside of a private network; the operator can allow it with"
                    " --notify-allow"
                )
        return [Address(entry[0], entry[4]) for entry in found]


def _unwrapped(text: str) -> IPv4Address | IPv6Address:
    """An address; the IPv4 address inside of a mapped, compatible or translated one."""
    found = ip_address(text.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return found.ipv4_mapped
        if found in _NAT64 or (found in _COMPATIBLE and int(found) > 1):
            return IPv4Address(int(found) & 0xFFFFFFFF)
    return found


def connected(addresses: list[Address], seconds: float) -> socket.socket:
    """A TCP connection to the first address that answers; Undelivered when none does."""
    trouble = "no address"
    for address in addresses:
        made = socket.socket(address.family, socket.SOCK_STREAM)
        made.settimeout(seconds)
        try:
            made.connect(address.sockaddr)
        except OSError as error:
            made.close()
            trouble = (
                type(error).__name__ if isinstance(error, TimeoutError) else str(error.strerror or error)
            )
        else:
            return made
    raise Undelivered(f"no connection: {trouble}")
