"""Syslog lines: RFC 5424, RFC 3164 as it is used, ISO stamps of rsyslog; with or without <PRI>.

A stamp without a zone is UTC. A stamp without a year (RFC 3164) takes it from the file:
`SourceContext.default_year` is the year of the *last* line (the year before, where that would be later than
the file's own modification time by more than a day), and a month that falls back by more than six against the
line before is a New Year. How many New Years a file holds is known only at its end, so from the first such
line on `frames` reads the rest once (64 MiB stay in memory, more goes to a temporary file) before it hands
anything out: lines of an endless stream have to come in finite batches. Lines that are decoded without
`frames` start at `default_year` and count on from there.

A line of December that comes late, after lines of January, belongs to the old year.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from features import identity
from features.errors import RecordError
from features.events import Event
from features.sources import parsing
from features.sources.unix_messages import interpret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.sources.base import Record, Sample, SourceContext

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US: Final = 86_400_000_000
_SPOOL_BYTES: Final = 64 << 20
_HALF_A_YEAR: Final = 6
_LATE_MONTHS: Final = 10
"""A month that jumps ahead by this much (January to November or December) is a late line of the old year."""
_HEAD: Final = 512
"""Bytes of a line that can hold its time, host and program."""


class _Line(NamedTuple):
    month: int  # 0 if `stamp` is complete
    day: int
    clock: str
    stamp: str
    host: str
    program: str
    message: str


class SyslogDecoder:
    """Decodes syslog lines; what a program's message means is in `features.sources.unix_messages`."""

    name: ClassVar[str] = "syslog"

    def __init__(self, context: SourceContext) -> None:
        self._people = context.identity
        self._default_host = identity.host(context.default_host)
        self._year = context.default_year
        self._modified_us = context.modified_us
        self._month = 0
        self._days: dict[tuple[int, int, int], int] = {}

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """0.9 if all of the first lines are syslog, less if a few are not."""
        lines = sample.lines[:8]
        if not lines or sample.record.keys() & {"ts", "event_type", "_path"}:
            return 0.0
        good = sum(_looks_right(line) for line in lines)
        return 0.9 * good / len(lines) if good * 4 >= len(lines) * 3 else 0.0

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Lines without blank ones. See the module about files whose stamps have no year."""
        stream = ((number, line) for number, line in lines if line.strip())
        for number, line in stream:
            month = _month_of(line)
            if month and not self._month:
                yield from self._whole_file(number, line, stream)
                return
            yield number, line

    def _whole_file(self, number: int, line: bytes, stream: Iterator[Record]) -> Iterator[Record]:
        new_years, month, newest = 0, 0, line
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
            while True:
                found = _month_of(line)
                if found:
                    turned, month = _turn(month, found)
                    new_years += turned > 0
                    newest = line
                spool.write(b"%d %d\n" % (number, len(line)))
                spool.write(line)
                following = next(stream, None)
                if following is None:
                    break
                number, line = following
            self._year -= new_years + self._is_in_the_future(newest)
            spool.seek(0)
            while head := spool.readline():
                number, length = map(int, head.split())
                yield number, spool.read(length)

    def _is_in_the_future(self, line: bytes) -> bool:
        """Whether the line, in the default year, is later than the file was written."""
        found = _parse(line)
        if not self._modified_us or found is None or not found.month:
            return False
        try:
            day_us = _day_us(self._year, found.month, found.day)
        except RecordError:  # 29 February of a year that has none: it cannot be this year
            return True
        return day_us > self._modified_us + _DAY_US

    def decode(self, record: bytes) -> Event:
        """One line to one event; see `features.sources.base.Decoder`."""
        line = _parse(record)
        if line is None:
            raise RecordError("not a syslog line: no time stamp at its beginning")
        time_us = self._time_us(line) if line.month else parsing.iso_us(line.stamp)
        program = line.program.partition("(")[0]
        event = Event(
            time_us=time_us,
            host=identity.host(line.host) or self._default_host,
            process=program,
            service=program.rpartition("/")[2],
        )
        interpret(line.program, line.message, event, self._people)
        return event

    def _time_us(self, line: _Line) -> int:
        if line.stamp:  # a year stood in the stamp
            year = int(line.stamp)
        else:
            turned, self._month = _turn(self._month, line.month)
            if turned > 0:
                self._year += 1
            year = self._year - (turned < 0)
        day = self._days.get((year, line.month, line.day))
        if day is None:
            day = self._days[year, line.month, line.day] = _day_us(year, line.month, line.day)
            if len(self._days) > 1000:
                self._days.clear()
        return parsing.checked_us(day + _clock_us(line.clock))


def _turn(last: int, month: int) -> tuple[int, int]:
    """Years to add (1: New Year, -1: a late line of the old year) and the month to remember."""
    if not last or month == last:
        return 0, month
    if last - month > _HALF_A_YEAR:
        return 1, month
    if month - last >= _LATE_MONTHS:
        return -1, last
    return 0, month


def _day_us(year: int, month: int, day: int) -> int:
    try:
        delta = datetime(year, month, day, tzinfo=UTC) - _EPOCH
    except ValueError as error:
        if (month, day) == (2, 29):
            raise RecordError(f"no 29 February in {year}: the year of the log is wrong") from error
        raise RecordError("time is no date") from error
    return delta.days * 86_400_000_000


def _clock_us(clock: str) -> int:
    """Microseconds since midnight of `15:16:01[.123456]`; a leap second runs into the next minute."""
    whole, _, fraction = clock.partition(".")
    digits = whole[:2] + whole[3:5] + whole[6:]
    if len(whole) != 8 or whole[2::3] != "::" or not (digits.isascii() and digits.isdigit()):
        raise RecordError("time is no clock time")
    hour, minute, second = int(whole[:2]), int(whole[3:5]), int(whole[6:])
    if hour > 23 or minute > 59 or second > 60:
        raise RecordError("time is no clock time")
    us = int((fraction + "000000")[:6]) if fraction.isascii() and fraction.isdigit() else 0
    return ((hour * 60 + minute) * 60 + second) * 1_000_000 + us


def _without_priority(line: bytes) -> bytes:
    """Cut `<34>`, and the length before it where a line was cut out of a TCP stream (RFC 6587)."""
    line = line.lstrip(b"\xef\xbb\xbf \t\x00")
    if line[:1].isdigit():
        length, blank, rest = line[:16].partition(b" ")
        if blank and length.isdigit() and rest.startswith(b"<"):
            line = line[len(length) + 1 :]
    if line.startswith(b"<"):
        end = line.find(b">", 1, 6)
        if end > 0 and line[1:end].isdigit():
            return line[end + 1 :].lstrip(b" ")
    return line


def _month_of(line: bytes) -> int:
    """Month of a stamp that has no year, else 0."""
    words = _without_priority(line[:_HEAD]).split(None, 3)
    if len(words) < 3 or b":" not in words[2]:
        return 0
    return _MONTHS.get(words[0].decode("latin-1"), 0)


def _parse(record: bytes) -> _Line | None:
    line = _without_priority(record).decode("utf-8", "replace").rstrip("\r\n\x00")
    if line[:3] in _MONTHS:
        return _bsd(line)
    if line.startswith("1 ") and (line[2:4] == "- " or _is_iso(line[2:])):
        return _rfc5424(line)
    if _is_iso(line):
        stamp, _, rest = line.partition(" ")
        if len(stamp) == 10:  # "2024-05-01 12:00:00"
            clock, _, rest = rest.partition(" ")
            stamp = f"{stamp} {clock}"
        host, _, rest = rest.lstrip().partition(" ")
        program, message = _tag(rest)
        return _Line(0, 0, "", stamp, host, program, message)
    return None


def _is_iso(text: str) -> bool:
    return text[:4].isdigit() and text[4:5] == "-" and text[7:8] == "-" and text[10:11] in ("T", " ")


def _bsd(line: str) -> _Line | None:
    words = line.split(None, 4)
    if len(words) < 4:
        return None
    month, day, clock = words[:3]
    year = ""
    if len(clock) == 4 and clock.isdigit():  # "Jun 14 2005 15:16:01 host ..."
        words = line.split(None, 5)
        if len(words) < 5:
            return None
        year, clock = words[2:4]
        del words[2]
    if month not in _MONTHS or not (day.isascii() and day.isdigit() and len(day) < 3 and ":" in clock):
        return None
    program, message = _tag(words[4] if len(words) > 4 else "")
    return _Line(_MONTHS[month], int(day), clock.rstrip(":"), year, words[3], program, message)


def _rfc5424(line: str) -> _Line | None:
    words = line.split(" ", 6)
    if len(words) < 7:
        return None
    _, stamp, host, program, _, _, rest = words
    if stamp == "-":
        raise RecordError("time is missing")
    message = _after_structured_data(rest).removeprefix("\ufeff")
    program = "" if program == "-" else program
    if not program:
        program, message = _tag(message)
    return _Line(0, 0, "", stamp, "" if host == "-" else host, program, message)


def _after_structured_data(rest: str) -> str:
    """Message behind `-` or `[id name="value"]...`; in values a backslash escapes and brackets may stand."""
    if not rest.startswith("["):
        return rest.partition(" ")[2] if rest.startswith("-") else rest
    quoted, at = False, 0
    end = min(len(rest), 4 * parsing.TEXT_LIMIT)
    while at < end:
        character = rest[at]
        if character == "\\" and quoted:
            at += 1
        elif character == '"':
            quoted = not quoted
        elif character == "]" and not quoted and rest[at + 1 : at + 2] != "[":
            return rest[at + 2 :]
        at += 1
    return ""


def _tag(rest: str) -> tuple[str, str]:
    """Program and message of `sshd[123]: text`, `su(pam_unix)[1]: text`, `syslogd 1.4.1: text`."""
    if rest.startswith("-- ") and "]: " in rest[:64]:  # login(1): "-- root[2421]: ROOT LOGIN ON tty2"
        return "login", rest.partition("]: ")[2]
    head, blank, tail = rest.partition(" ")
    if head.endswith(":"):
        return head[:-1].partition("[")[0][:256], tail
    if "[" in head and head.endswith("]") and blank:  # some daemons leave the colon out
        return head.partition("[")[0][:256], tail.removeprefix(": ")
    version, _, message = tail.partition(" ")
    if version.endswith(":") and version[:1].isdigit():
        return head[:256], message
    program, colon, message = head.partition("]:")
    if colon and "[" in program:  # "sshd[123]:text"
        return program.partition("[")[0][:256], f"{message} {tail}"
    return "", rest


def _looks_right(line: bytes) -> bool:
    try:
        found = _parse(line[:4096])
    except RecordError:
        return False
    if found is None or not found.host:
        return False
    if found.month or line.lstrip().startswith(b"<"):
        return bool(found.program or found.message)
    return bool(found.program) and found.host[0] not in "[{\"'(" and not found.host.endswith(":")
