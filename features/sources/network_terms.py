"""Words that network sensors share: OCSF activity ids of protocol verbs, reply codes, names in URLs."""

from __future__ import annotations

from typing import Final

from features import identity
from features.events import FAILURE, SUCCESS
from features.sources import parsing

OTHER: Final = 99
"""OCSF activity_id for what the class has no name for."""

HTTP_METHODS: Final = {
    "CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8, "PATCH": 9,
}  # fmt: skip
FTP_COMMANDS: Final = {
    "STOR": 1, "STOU": 1, "APPE": 1, "RETR": 2, "STAT": 3, "SIZE": 3, "MDTM": 3,
    "DELE": 4, "RMD": 4, "RNFR": 5, "RNTO": 5, "LIST": 6, "NLST": 6, "MLSD": 6, "MLST": 6,
}  # fmt: skip
UPLOAD, DOWNLOAD = 1, 2
"""Activity ids of FTP Activity (4008) that carry a file."""
DHCP_MESSAGES: Final = {
    "discover": 1, "offer": 2, "request": 3, "decline": 4, "ack": 5, "nak": 6, "release": 7, "inform": 8,
}  # fmt: skip

OPEN, CLOSE, RESET, FAIL, REFUSE, TRAFFIC = 1, 2, 3, 4, 5, 6
"""Activity ids of Network Activity (4001) and of the classes that extend it without verbs of their own."""


def port(text: str) -> int:
    """A port number, 0 for anything that is none."""
    if not (1 <= len(text) <= 5 and text.isascii() and text.isdigit()):
        return 0
    number = int(text)
    return number if number < 65_536 else 0


def volume(text: str) -> int:
    """Bytes in decimal text as sensors write counters; see `features.sources.parsing.volume`."""
    return parsing.volume(text) if text.isascii() and text.isdigit() else 0


def reply_outcome(code: str) -> int:
    """Status of a three-digit reply code of HTTP, FTP, SMTP or SIP: 4xx and above failed; 0 for none."""
    if len(code) != 3 or not (code.isascii() and code.isdigit()):
        return 0
    return SUCCESS if code < "400" else FAILURE


def asked_name(authority: str) -> str:
    """The name in a Host header, SNI or URL authority, without port and user; "" if it is an address."""
    name = authority.rpartition("@")[2].strip()
    head, colon, tail = name.rpartition(":")
    if colon and (tail.isdigit() or not tail) and ":" not in head:
        name = head
    return "" if not name or identity.ip(name) else name.rstrip(".")


def url_parts(url: str) -> tuple[str, str]:
    """Name and path of a URL or request target; the query is cut off, for tokens and secrets live in it."""
    rest = url.partition("?")[0]
    scheme, found, after = rest.partition("://")
    if not found or not scheme.isalnum():
        return "", rest
    authority, slash, path = after.partition("/")
    return asked_name(authority), slash + path


def mail_domain(address: str) -> str:
    """The domain of `Alice <alice@corp.example>` or `alice@corp.example`, "" if there is none."""
    return address.rpartition("@")[2].strip(" <>\"'.;,") if "@" in address else ""


def unc_host(path: str) -> str:
    r"""The server in a UNC path such as `\\fs01\share`, "" if there is none."""
    if not path.startswith("\\\\"):
        return ""
    return path[2:].partition("\\")[0]
