"""Public addresses that people come from, by kind of provider, and the addresses inside.

The prefixes are real public space of large access and hosting providers, so that countries and networks come
out as in real logs. The addresses are drawn at random from them and stand for nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.simulate.chance import Chance

HOME = {
    "DE": ("79.192", "87.128", "91.0", "84.128", "93.192", "88.64", "77.20"),
    "GB": ("86.128", "81.128", "82.0", "90.192"),
    "US": ("73.4", "98.192", "24.16"),
    "IN": ("122.160", "59.88", "117.192"),
    "PL": ("83.0", "79.184", "31.0"),
    "RO": ("86.120", "79.112"),
}
"""Access lines: countries with an office, and those that contractors work from."""
BUSINESS = {
    "DE": ("217.6", "213.61", "62.153"),
    "GB": ("81.149", "195.8", "62.49"),
    "US": ("12.220", "50.200", "64.60"),
    "IN": ("14.140", "182.73", "115.110"),
}
"""Lines of offices."""
GATEWAYS = ("165.225", "147.161", "136.226")
"""Exits of gateways in the cloud that whole organisations go through."""
MOBILE = {
    "DE": ("109.40",),
    "GB": ("92.40", "94.196"),
    "US": ("172.56", "174.192"),
    "IN": ("49.32", "106.192"),
    "PL": ("37.47", "94.254"),
    "RO": ("109.166",),
}
ABROAD = {
    "FR": ("90.0", "86.192", "78.192", "82.224"),
    "NL": ("77.160", "84.80"),
    "ES": ("80.24", "83.32"),
    "PL": ("83.0", "79.184"),
    "IT": ("79.0", "87.0", "151.16"),
    "CH": ("85.0", "178.192"),
    "AT": ("91.112", "62.46", "80.108"),
    "SE": ("90.224", "81.224"),
    "SG": ("116.86", "175.156"),
    "BR": ("177.32", "179.96", "189.0"),
    "TR": ("78.160", "88.224"),
    "VN": ("113.160", "14.160"),
    "ID": ("36.64", "114.120"),
}
"""Access providers of countries without an office: where travellers, suppliers and strangers come from."""
HOSTED = ("104.248", "138.68", "167.99", "51.15", "95.217", "94.130", "185.107", "89.187", "37.120", "193.32")
"""Hosting and commercial VPN providers: exits of privacy VPNs, cloud desktops, scanners."""


def within(prefix: str, chance: Chance) -> str:
    """An address of a provider whose first two octets are given."""
    return f"{prefix}.{chance.between(1, 254)}.{chance.between(2, 253)}"


def home(country: str, chance: Chance) -> str:
    """A home line in a country with an office."""
    return within(chance.pick(HOME[country]), chance)


def mobile(country: str, chance: Chance) -> str:
    """A phone's address in a country with an office."""
    return within(chance.pick(MOBILE[country]), chance)


def abroad(chance: Chance, country: str = "") -> str:
    """An access line in a country without an office, any if none is given."""
    return within(chance.pick(ABROAD[country or chance.pick(sorted(ABROAD))]), chance)


def hosted(chance: Chance) -> str:
    """An address of a hosting or commercial VPN provider."""
    return within(chance.favourite(HOSTED, 0.5), chance)


def anywhere(chance: Chance) -> str:
    """An address such as doors to the Internet see all day: half hosted, half lines all over the world."""
    if chance.happens(0.5):
        return hosted(chance)
    return abroad(chance) if chance.happens(0.7) else home(chance.pick(sorted(HOME)), chance)


def vpn_pool(chance: Chance) -> str:
    """An address inside that the VPN gateway hands out for one session."""
    return f"10.250.{chance.between(0, 7)}.{chance.between(2, 253)}"
