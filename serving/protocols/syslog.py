"""Syslog on the wire: messages of a TCP stream (RFC 6587, RFC 5425) and of UDP datagrams (RFC 5426)."""

from __future__ import annotations

from dataclasses import dataclass, field

from features.errors import HabitusError
from serving.protocols.framing import Framed

MESSAGE_BYTES = 64 << 10
"""Longest message. RFC 5425 asks for 2,048 and recommends 8,192; auditd and Windows agents write more."""
_LENGTH_DIGITS = 7
_CONTROL = bytes(range(32)) + b"\x7f"
_ESCAPES = {byte: f"#{byte:03o}".encode() for byte in _CONTROL if byte != 0x09}


class BadStream(HabitusError):
    """A stream whose next message cannot be found: the connection has to be closed."""


def line_of(message: bytes) -> bytes:
    """A message as one line: control characters written as rsyslog does (#012), invalid UTF-8 replaced."""
    stripped = message.strip(b"\x00\r\n ")
    if any(byte in _ESCAPES for byte in stripped):
        stripped = b"".join(_ESCAPES.get(byte, bytes([byte])) for byte in stripped)
    try:
        stripped.decode()
    except UnicodeDecodeError:
        return stripped.decode("utf-8", "replace").encode()
    return stripped


@dataclass
class Framer:
    """Messages of one TCP connection.

    A message that begins with a digit is counted (`MSG-LEN SP MSG`, RFC 6587 3.4.1), any other ends with a
    line feed (3.4.2); a sender may not mix them, but telling them apart anew each time costs nothing.
    """

    limit: int = MESSAGE_BYTES
    _rest: bytearray = field(default_factory=bytearray)
    _skipping: bool = False
    oversized: int = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Lines that are complete now.

        Raises
        ------
        BadStream
            If a counted message names no length or one over the limit.
        """
        self._rest += data
        lines: list[bytes] = []
        position = 0
        while position < len(self._rest):
            if self._skipping:
                end = self._rest.find(b"\n", position)
                self._skipping = end < 0
                position = len(self._rest) if end < 0 else end + 1
                continue
            taken = self._counted(position) if 0x31 <= self._rest[position] <= 0x39 else self._ended(position)
            if taken is None:
                break
            message, position = taken
            if line := line_of(message):
                lines.append(line)
        del self._rest[:position]
        return lines

    def finish(self) -> list[bytes]:
        """What an ended connection left without its line feed."""
        if self._skipping or not self._rest or 0x31 <= self._rest[0] <= 0x39:
            return []
        line = line_of(bytes(self._rest))
        self._rest.clear()
        return [line] if line else []

    def _counted(self, position: int) -> tuple[bytes, int] | None:
        space = self._rest.find(b" ", position, position + _LENGTH_DIGITS + 1)
        digits = bytes(self._rest[position : space if space >= 0 else position + _LENGTH_DIGITS + 1])
        if not digits.isdigit() or (space < 0 and len(digits) > _LENGTH_DIGITS):
            # a line that begins with its ISO stamp is no count
            return self._ended(position)
        if space < 0:
            return None
        length = int(digits)
        if length > self.limit:
            raise BadStream(f"a syslog message of {length:,} bytes, at most {self.limit:,}")
        start = space + 1
        if len(self._rest) < start + length:
            return None
        return bytes(self._rest[start : start + length]), start + length

    def _ended(self, position: int) -> tuple[bytes, int] | None:
        end = self._rest.find(b"\n", position)
        length = (len(self._rest) if end < 0 else end) - position
        if length > self.limit:
            # the beginning of a message says who and when: it is kept, the rest is dropped
            self.oversized += 1
            message = bytes(self._rest[position : position + self.limit])
            self._skipping = end < 0
            return message, len(self._rest) if end < 0 else end + 1
        if end < 0:
            return None
        return bytes(self._rest[position:end]), end + 1


def frame(lines: list[bytes]) -> Framed:
    """Messages as records of the syslog decoder."""
    return Framed(lines, source="syslog")
