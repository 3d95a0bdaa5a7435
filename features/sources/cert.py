"""The CERT insider threat data sets, releases 1 to 6.2: logon.csv, device.csv, http.csv, email.csv, file.csv.

Every file begins with its header, `id,date,user,pc,...`; columns differ between releases and are taken by
name. Dates are `MM/DD/YYYY HH:MM:SS` without a zone and are read as UTC. The `content` column (words of
pages, mails and files) is not read. `id` is unique for a record, so it is the event's uid, with the kind of
record before it.
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, ClassVar, Final

from features import events as ocsf
from features import identity
from features.errors import RecordError
from features.events import SUCCESS, Event
from features.sources import network_terms as terms
from features.sources import parsing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from features.sources.base import Record, Sample, SourceContext

Columns = dict[str, str]

_HEADER: Final = b"id,date,user,pc,"
_LINES_A_RECORD: Final = 64
"""Lines of one record: quoted text may hold line breaks."""
_BYTES_A_RECORD: Final = 1 << 20
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class CertDecoder:
    """Decodes one of the data set's files; `frames` reads its header."""

    name: ClassVar[str] = "cert"

    def __init__(self, context: SourceContext) -> None:
        self._people = context.identity
        self._columns: list[str] = []
        self._kind = ""
        self._stem = PurePath(context.path.replace("\\", "/")).name.partition(".")[0].lower()
        self._days: dict[str, int] = {}

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Certain of the header's first four columns and one column that only this data set has."""
        first = sample.lines[0].lstrip(b"\xef\xbb\xbf").lower() if sample.lines else b""
        if not first.startswith(_HEADER):
            return 0.0
        return 1.0 if _kind_of(first.decode("latin-1").strip().split(","), "") else 0.0

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """Records without the header and blank lines; a quoted line break does not end a record."""
        held: list[bytes] = []
        first, size, quotes = 0, 0, 0
        for number, line in lines:
            if not held:
                plain = line.lstrip(b"\xef\xbb\xbf")
                if plain[: len(_HEADER)].lower() == _HEADER:
                    self._columns = plain.decode("utf-8", "replace").strip().lower().split(",")
                    self._kind = _kind_of(self._columns, self._stem)
                    continue
                if not line.strip():
                    continue
                first, size, quotes = number, 0, 0
            held.append(line)
            size += len(line)
            quotes += line.count(b'"')
            if quotes % 2 == 0 or len(held) >= _LINES_A_RECORD or size > _BYTES_A_RECORD:
                yield first, b"\n".join(held)
                held = []
        if held:
            yield first, b"\n".join(held)

    def decode(self, record: bytes) -> Event:
        """One record to one event; see `features.sources.base.Decoder`."""
        if not self._columns:
            raise RecordError("record of a CERT file without its id,date,user,pc header")
        values = _values(record.decode("utf-8", "replace").strip("\r\n"))
        if len(values) < min(len(self._columns), 5):
            raise RecordError(f"record has {len(values)} columns, its header {len(self._columns)}")
        row = dict.fromkeys(self._columns, "")
        row |= {name: parsing.text(value.strip()) for name, value in zip(self._columns, values, strict=False)}
        kind = self._kind
        if kind == "logon" and row.get("activity", "").lower() in ("connect", "disconnect"):
            kind = "device"  # in most releases the two files have the same columns
        pc = row["pc"]
        domain, _, name = row["user"].rpartition("/")  # "DTAA/KEE0997" up to release 3
        event = Event(
            time_us=self._time_us(row["date"]),
            status_id=SUCCESS,
            uid=f"{kind}|{row['id']}" if row["id"] else "",
            user=self._people.user(name, domain=domain, host=pc),
            host=identity.host(pc),
        )
        _READERS[kind](row, event, self._people)
        return event

    def _time_us(self, stamp: str) -> int:
        day, _, clock = stamp.partition(" ")
        start = self._days.get(day)
        if start is None:
            start = _day_us(day)
            if len(self._days) > 10_000:
                self._days.clear()
            self._days[day] = start
        parts = clock.split(":")
        if len(parts) not in (2, 3) or not all(
            len(part) == 2 and part.isascii() and part.isdigit() for part in parts
        ):
            raise RecordError("time is not MM/DD/YYYY HH:MM:SS")
        hour, minute, second = (*map(int, parts), 0)[:3]
        if hour > 23 or minute > 59 or second > 59:
            raise RecordError("time is not MM/DD/YYYY HH:MM:SS")
        return parsing.checked_us(start + ((hour * 60 + minute) * 60 + second) * 1_000_000)


def _day_us(day: str) -> int:
    parts = day.split("/")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts):
        raise RecordError("time is missing" if not day else "time is not MM/DD/YYYY HH:MM:SS")
    try:
        return (
            datetime(int(parts[2]), int(parts[0]), int(parts[1]), tzinfo=UTC) - _EPOCH
        ).days * 86_400_000_000
    except ValueError as error:
        raise RecordError("time is not MM/DD/YYYY HH:MM:SS") from error


def _values(line: str) -> list[str]:
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line.replace("\x00", "")], strict=False), [])
    except csv.Error as error:
        raise RecordError("not valid CSV") from error


def _kind_of(columns: list[str], stem: str) -> str:
    """Which file the header is of; logon.csv and device.csv of most releases look alike (see `decode`)."""
    names = set(columns)
    for name, kind in (("url", "http"), ("to", "email"), ("filename", "file"), ("file_tree", "device")):
        if name in names:
            return kind
    if "activity" in names:
        return "device" if stem.startswith("device") else "logon"
    return ""


def _logon(row: Columns, event: Event, people: identity.IdentityResolver) -> None:
    event.class_uid, event.operation, event.auth = ocsf.AUTHENTICATION, row.get("activity", ""), "interactive"
    event.activity_id = {"logon": 1, "logoff": 2}.get(event.operation.lower(), terms.OTHER)


def _device(row: Columns, event: Event, people: identity.IdentityResolver) -> None:
    """A removable drive: no class of `features.events` fits it, so it is a Base Event with a verb."""
    event.operation, event.resource = f"device {row.get('activity', '').lower()}".strip(), "removable media"
    event.file = row.get("file_tree", "").partition(";")[0]


def _http(row: Columns, event: Event, people: identity.IdentityResolver) -> None:
    activity = row.get("activity", "")
    event.class_uid, event.protocol = ocsf.HTTP_ACTIVITY, "http"
    event.activity_id = 6 if activity == "WWW Upload" else 3
    event.operation = activity or "WWW Visit"
    event.domain, event.resource = terms.url_parts(row["url"])


def _email(row: Columns, event: Event, people: identity.IdentityResolver) -> None:
    activity = row.get("activity", "")
    event.class_uid, event.protocol = ocsf.EMAIL_ACTIVITY, "smtp"
    event.activity_id = 2 if activity in ("View", "Receive") else 1
    event.operation = activity or "Send"
    own = terms.mail_domain(row.get("from", ""))
    others = [
        terms.mail_domain(address) for name in ("to", "cc", "bcc") for address in row.get(name, "").split(";")
    ]
    event.domain = next((domain for domain in others if domain and domain != own), own)
    event.file = row.get("attachments", "").partition(";")[0].partition("(")[0]
    if event.file.isdigit():
        event.file = ""  # up to release 4 the column is a number of attachments
    attached = sum(
        terms.volume(item.rpartition("(")[2].removesuffix(")"))
        for item in row.get("attachments", "").split(";")
        if item.endswith(")")
    )
    # The data sets do not say whether a mail's size counts what is attached: at least the larger of the two.
    size = parsing.volume(max(terms.volume(row.get("size", "")), attached))
    if event.activity_id == 2:
        event.bytes_in = size
    else:
        event.bytes_out = size


_FILE_ACTIVITIES: Final = {"file open": 14, "file write": 3, "file copy": 1, "file delete": 4}


def _file(row: Columns, event: Event, people: identity.IdentityResolver) -> None:
    """Files; before release 5 every event is a copy to a removable drive."""
    activity = row.get("activity", "")
    event.class_uid = ocsf.FILE_ACTIVITY
    event.activity_id = _FILE_ACTIVITIES.get(activity.lower(), terms.OTHER) if activity else 1
    event.operation, event.file = activity or "File Copy", row["filename"]
    to_drive = row.get("to_removable_media", "" if activity else "True").lower() == "true"
    from_drive = row.get("from_removable_media", "").lower() == "true"
    event.resource = "to removable media" if to_drive else "from removable media" if from_drive else ""


_READERS: Final[dict[str, Callable[[Columns, Event, identity.IdentityResolver], None]]] = {
    "logon": _logon,
    "device": _device,
    "http": _http,
    "email": _email,
    "file": _file,
    "": lambda row, event, people: None,
}
