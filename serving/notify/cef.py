"""Alerts as CEF over syslog (ArcSight Common Event Format, version 0, in RFC 5424 messages).

Header fields escape the backslash and the pipe, extension values the backslash and the equals sign; what is
no text of one line is replaced, so that nothing from an event can begin a field, or a message, of its own.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from serving.notify.addresses import Undelivered, connected
from serving.text import printable

if TYPE_CHECKING:
    from serving.notify.addresses import Network

SECONDS = 10.0
FACILITY = 10
"""authpriv: security messages."""
DATAGRAM_BYTES = 2048
"""Receivers must take this much of a UDP message (RFC 5426 section 3.2 recommends it)."""
STREAM_BYTES = 8192
_SYSLOG = {1: 6, 2: 5, 3: 4, 4: 3, 5: 2}
_CEF = {1: 1, 2: 3, 3: 5, 4: 8, 5: 10}


def header_field(text: str) -> str:
    """A value of the seven fields before the extension."""
    return printable(text).replace("\\", "\\\\").replace("|", "\\|")


def extension_value(text: str) -> str:
    """A value of the extension."""
    return printable(text).replace("\\", "\\\\").replace("=", "\\=")


def message(finding: dict[str, Any], key: str, version: str, most: int) -> bytes:
    """An alert (OCSF finding) as one syslog message of at most so many bytes.

    key: of the notification, for receivers that drop repeats.
    """
    own = finding["unmapped"]
    incident = own.get("incident_id", "") if "finding_info" not in finding else ""
    info = {"uid": incident, "title": finding["message"]} if incident else finding["finding_info"]
    severity = int(finding["severity_id"])
    at = datetime.fromtimestamp(finding["time"] / 1000, UTC)
    who = {"user": "suser", "host": "dhost", "src_ip": "src"}.get(own["entity_kind"], "suser")
    head = "|".join(
        [
            "CEF:0",
            "habitus",
            "habitus",
            header_field(version),
            "incident" if incident else "entity-day",
            header_field(info["title"][:200]),
            str(_CEF[severity]),
        ]
    )
    fields = {
        "rt": str(finding["time"]),
        "externalId": info["uid"],
        who: str(own["entity"])[:512],
        "start": str(finding["start_time"]),
        "end": str(finding["end_time"]),
        "cnt": str(own["n_events"]),
        "cfp1": f"{own['risk']:.3f}",
        "cfp1Label": "risk",
        "cs1": str(finding["metadata"]["tenant_uid"]),
        "cs1Label": "tenant",
        "cs2": key,
        "cs2Label": "notification",
        "msg": "; ".join(own["reasons"]),
    }
    extension = " ".join(f"{name}={extension_value(value)}" for name, value in fields.items())
    priority = 8 * FACILITY + _SYSLOG[severity]
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    line = f"<{priority}>1 {stamp} {_host()} habitus - alert - {head}|{extension}"
    return line.encode("utf-8", "replace")[:most].decode("utf-8", "ignore").encode()


def _host() -> str:
    name = "".join(character for character in socket.gethostname() if 33 <= ord(character) < 127)
    return name[:255] or "-"


def send(lines: list[bytes], host: str, port: int, transport: str, network: Network) -> None:
    """Send messages over udp, tcp (octet counting, RFC 6587) or tls (RFC 5425); Undelivered when that failed.

    Syslog is not acknowledged: over UDP nothing is known but that it was sent, over TCP that the other side
    did not break the connection.
    """
    if transport == "udp":
        address = network.resolve(host, port, socket.SOCK_DGRAM)[0]
        try:
            with socket.socket(address.family, socket.SOCK_DGRAM) as out:
                for line in lines:
                    out.sendto(line, address.sockaddr)
        except OSError as error:
            raise Undelivered(f"the datagram was not sent ({type(error).__name__})") from error
        return
    raw = connected(network.resolve(host, port), SECONDS)
    try:
        out = raw
        if transport == "tls":
            out = ssl.create_default_context().wrap_socket(raw, server_hostname=host)
        with out:
            out.sendall(b"".join(b"%d %s" % (len(line), line) for line in lines))
            if transport == "tcp":
                out.shutdown(socket.SHUT_WR)
                out.settimeout(1.0)
                with contextlib.suppress(TimeoutError):
                    out.recv(1)  # raises when the other side broke off
    except OSError as error:
        raise Undelivered(f"the connection broke ({type(error).__name__})") from error
    finally:
        raw.close()
