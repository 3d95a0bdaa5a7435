"""Windows event logs as JSON, in the shapes that shippers and evtx tools write.

===========  ==============================================================================================
shape        how it is known, and who writes it
===========  ==============================================================================================
winlog       object `winlog`: winlogbeat 7 and later, Elastic Agent; attributes that an ingest pipeline
             moved to ECS fields are taken from there
winlogbeat6  `event_id`, `log_name`, `source_name`, `computer_name` at the top: winlogbeat 5 and 6
system       `Event.System`, or `System` at the top: evtx_dump, converters like xmltodict, Velociraptor
flat         `EventID` at the top beside the fields: NXLog, Security-Datasets, Sentinel and others
===========  ==============================================================================================

An Elasticsearch hit (`_source`) is unwrapped.

Time is UTC. winlog: `@timestamp`, which winlogbeat takes from TimeCreated. system: TimeCreated.SystemTime.
Flat records need care, because exporters write local time without saying so. The first of these counts:

1. `UtcTime` of Sysmon events: written by the sensor, always UTC;
2. `EventTime` with an offset (`+02:00` or `Z`);
3. `EventTime` without one is local time of the collector (NXLog's default). Beside it stand
   `EventReceivedTime`, local as well, and `@timestamp`, the same instant in UTC: their difference, rounded to
   a quarter of an hour, is the zone;
4. `@timestamp`, `TimeGenerated`, `TimeCreated`, or a lone `EventTime`, taken as UTC.

What this cannot see is a local TimeCreated that an exporter marked with Z or left bare: such records are off
by the zone, and only those that also carry `UtcTime` are right. No record is corrected by what another one
says: the result must not depend on the order or the company that records arrive in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from features.errors import RecordError
from features.sources.ecs_classes import looks_like_ecs
from features.sources.ecs_mapping import EcsMapper
from features.sources.parsing import checked_us, integer, json_object, mapping
from features.sources.windows import WindowsMapper, audit_result
from features.sources.windows_record import WindowsRecord, text, utc_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from features.events import Event
    from features.sources.base import Record, Sample, SourceContext

_ID_LIMIT: Final = 65_536
_QUARTER_US: Final = 900_000_000
_ZONE_LIMIT_US: Final = 15 * 3_600_000_000
_FIELD_LIMIT: Final = 512
_FLAT_PROVIDERS: Final = (
    "SourceName",
    "ProviderName",
    "Provider",
    "provider_name",
    "EventSourceName",
    "Source",
)
_FLAT_NUMBERS: Final = ("RecordNumber", "EventRecordID", "RecordId", "EventRecordId")
_FLAT_MARKS: Final = frozenset(("Channel", *_FLAT_PROVIDERS[:5]))
_FLAT_HOSTS: Final = ("Hostname", "Computer", "ComputerName", "computer_name", "MachineName", "HostName")


# --- winlogbeat and Elastic Agent ------------------------------------------------------------------


def from_winlog(record: dict[str, object], minutes: dict[str, int]) -> WindowsRecord:
    """Read a record of winlogbeat 7 and later, or of Elastic Agent; RecordError without time or event id."""
    log = mapping(record.get("winlog"))
    event = mapping(record.get("event"))
    user = mapping(log.get("user"))
    channel = text(log.get("channel"))
    data = log.get("event_data")
    if not isinstance(data, dict) or not data:
        data = mapping(log.get("user_data"))
    return WindowsRecord(
        time_us=utc_us(record.get("@timestamp"), minutes),
        event_id=_event_id(log.get("event_id", event.get("code"))),
        provider=text(log.get("provider_name")) or text(event.get("provider")),
        channel=channel,
        computer=text(log.get("computer_name")) or text(mapping(record.get("host")).get("name")),
        record_id=text(log.get("record_id")),
        sid=text(user.get("identifier")),
        account=text(user.get("name")),
        account_domain=text(user.get("domain")),
        audit=audit_result(channel, log.get("keywords")) if log.get("keywords") else _outcome(channel, event),
        raw_message=record.get("message"),
        data=data,
    )


def _outcome(channel: str, event: dict[str, object]) -> int:
    if channel.lower() != "security":  # elsewhere winlogbeat derives it from nothing
        return 0
    return {"success": 1, "failure": 2}.get(text(event.get("outcome")), 0)


def from_winlogbeat6(record: dict[str, object], minutes: dict[str, int]) -> WindowsRecord:
    """Read a record of winlogbeat 5 or 6, whose fields stand at the top."""
    user = mapping(record.get("user"))
    channel = text(record.get("log_name"))
    data = record.get("event_data")
    if not isinstance(data, dict) or not data:
        data = mapping(record.get("user_data"))
    return WindowsRecord(
        time_us=utc_us(record.get("@timestamp"), minutes),
        event_id=_event_id(record.get("event_id")),
        provider=text(record.get("source_name")),
        channel=channel,
        computer=text(record.get("computer_name")),
        record_id=text(record.get("record_number")),
        sid=text(user.get("identifier")),
        account=text(user.get("name")),
        account_domain=text(user.get("domain")),
        audit=audit_result(channel, record.get("keywords"), text(record.get("level")).replace(" ", "_")),
        raw_message=record.get("message"),
        data=data,
    )


# --- Event.System ----------------------------------------------------------------------------------


def _attribute(parent: dict[str, object], element: str, name: str) -> object:
    """Attribute of an XML element in any of the JSON conventions; None if absent."""
    node = parent.get(element)
    if type(node) is dict:
        inner = node.get("#attributes")
        if isinstance(inner, dict):
            return inner.get(name)
        for key in (name, f"@{name}", f"_{name}", f"-{name}"):
            if key in node:
                return node[key]
    beside = parent.get(f"{element}_attributes")
    return beside.get(name) if isinstance(beside, dict) else None


def _content(value: object) -> object:
    """Text of an XML element that may have attributes."""
    if isinstance(value, dict):
        for key in ("#text", "Value", "_", "$"):
            if key in value:
                return value[key]
        return None
    return value


def event_data(body: object) -> dict[str, object]:
    """Flatten EventData or UserData: named values as they are, unnamed ones as param1, param2 and so on.

    UserData holds one element with the fields in it, so single nested objects are opened (at most 4 deep).
    """
    for _ in range(4):
        if not isinstance(body, dict):
            return {}
        if len(body) > 3 or "Data" in body:  # one element, and at most two keys that hold attributes
            break
        inner = [
            value for key, value in body.items() if key[:1] not in "#@" and not key.endswith("_attributes")
        ]
        if len(inner) == 1 and isinstance(inner[0], dict):
            body = inner[0]
        else:
            break
    if not isinstance(body, dict):
        return {}
    values = body.get("Data")
    if values is None or isinstance(values, bool | int | float):
        return body
    found: dict[str, object] = {key: value for key, value in body.items() if key != "Data"}
    unnamed: list[object] = []
    for item in (values if isinstance(values, list) else [values])[:_FIELD_LIMIT]:
        name = text(_attribute({"Data": item}, "Data", "Name")) if isinstance(item, dict) else ""
        if name:
            found[name] = _content(item)
            continue
        value = _content(item)
        unnamed.extend(value[:_FIELD_LIMIT] if isinstance(value, list) else [value])
    for number, value in enumerate(unnamed[:_FIELD_LIMIT], 1):
        found.setdefault(f"param{number}", value)
    return found


def from_system(record: dict[str, object], minutes: dict[str, int]) -> WindowsRecord:
    """Read `{"Event": {"System": ..., "EventData": ...}}` or the same without the outer `Event`."""
    outer = record.get("Event")
    event = outer if isinstance(outer, dict) else record
    system = mapping(event.get("System"))
    channel = text(_content(system.get("Channel")))
    time = _attribute(system, "TimeCreated", "SystemTime")
    body = event.get("EventData")
    data = event_data(body) if body is not None else event_data(event.get("UserData"))
    return WindowsRecord(
        time_us=utc_us(time if time is not None else system.get("TimeCreated"), minutes),
        event_id=_event_id(_content(system.get("EventID"))),
        provider=text(_attribute(system, "Provider", "Name") or _content(system.get("Provider"))),
        channel=channel,
        computer=text(_content(system.get("Computer"))),
        record_id=text(_content(system.get("EventRecordID"))),
        sid=text(_attribute(system, "Security", "UserID")),
        audit=audit_result(channel, _content(system.get("Keywords"))),
        raw_message=mapping(event.get("RenderingInfo")).get("Message") or record.get("Message"),
        data=data,
    )


# --- flat ------------------------------------------------------------------------------------------


def from_flat(record: dict[str, object], minutes: dict[str, int]) -> WindowsRecord:
    """Read a record whose event fields stand beside the system fields."""
    get = record.get
    channel = text(get("Channel"))
    extra = get("ExtraEventData") or get("EventData")
    # AccountName is the writer in NXLog's records, unless the event has a field of that name itself.
    nxlog = "AccountType" in record
    words = get("EventType")
    return WindowsRecord(
        time_us=flat_time_us(record, minutes),
        event_id=_event_id(get("EventID", get("EventId"))),
        provider=text(get("SourceName")) or _first(record, _FLAT_PROVIDERS),
        channel=channel,
        computer=text(get("Hostname")) or _first(record, _FLAT_HOSTS),
        record_id=text(get("RecordNumber")) or _first(record, _FLAT_NUMBERS),
        sid=text(get("UserID") or get("UserId")),
        account=text(get("AccountName")) if nxlog else "",
        account_domain=text(get("Domain")) if nxlog else "",
        audit=audit_result(channel, get("Keywords"), words if isinstance(words, str) else ""),
        raw_message=get("Message") or get("message"),
        data=extra if isinstance(extra, dict) else record,
    )


def _first(record: dict[str, object], names: tuple[str, ...]) -> str:
    for name in names:
        if name in record:
            found = text(record[name])
            if found:
                return found
    return ""


def flat_time_us(record: dict[str, object], minutes: dict[str, int]) -> int:
    """Microseconds UTC of a flat record, by the rules of the module's text; RecordError without any time."""
    sensor = record.get("UtcTime")
    if type(sensor) is str and len(sensor) >= 19:
        try:
            return utc_us(sensor, minutes)
        except RecordError:
            pass  # Sysmon's configuration can drop or blank a field; the other stamps still tell
    stamp = record.get("EventTime")
    shipped = record.get("@timestamp")
    if stamp is None or stamp == "":
        return utc_us(shipped or record.get("TimeGenerated") or record.get("TimeCreated"), minutes)
    event_us = utc_us(stamp, minutes)
    if isinstance(stamp, str) and _has_zone(stamp):
        return event_us
    received = record.get("EventReceivedTime")
    if isinstance(shipped, str) and isinstance(received, str) and not _has_zone(received):
        # Whole minutes are enough to tell a zone, and are remembered.
        try:
            zone = utc_us(f"{shipped[:16]}:00", minutes) - utc_us(f"{received[:16]}:00", minutes)
        except RecordError:
            return event_us
        if abs(zone) < _ZONE_LIMIT_US:
            return checked_us(event_us + (zone + _QUARTER_US // 2) // _QUARTER_US * _QUARTER_US)
    return utc_us(shipped, minutes) if shipped else event_us


def _has_zone(stamp: str) -> bool:
    return stamp.endswith(("Z", "z")) or "+" in stamp[10:] or "-" in stamp[10:]


def _event_id(value: object) -> int:
    if type(value) is int and 0 <= value < _ID_LIMIT:
        return value
    number = integer(value)
    if not number:
        if value in (0, "0"):
            return 0
        raise RecordError("event id is missing" if value is None else "event id is not a number")
    number &= 0xFFFFFFFF  # classic records of some exporters carry the qualifiers in the upper half
    return number & 0xFFFF if number >= _ID_LIMIT else number


# --- the decoder -----------------------------------------------------------------------------------


def unwrap(record: dict[str, object]) -> dict[str, object]:
    """Take the document out of an Elasticsearch hit; anything else is returned as it is."""
    source = record.get("_source")
    return source if isinstance(source, dict) else record


def shape_of(record: dict[str, object]) -> str:
    """Tell the shape of a record: "winlog", "system", "flat", "winlogbeat6", or "" for none of them."""
    if isinstance(record.get("winlog"), dict):
        return "winlog"
    outer = record.get("Event")
    event = outer if isinstance(outer, dict) else record
    system = event.get("System")
    if isinstance(system, dict) and "EventID" in system:
        return "system"
    if ("EventID" in record or "EventId" in record) and not _FLAT_MARKS.isdisjoint(record):
        return "flat"
    if "event_id" in record and ("log_name" in record or "source_name" in record):
        return "winlogbeat6"
    return ""


_READERS: Final = {
    "winlog": from_winlog,
    "system": from_system,
    "flat": from_flat,
    "winlogbeat6": from_winlogbeat6,
}


class WindowsJsonDecoder:
    """Decoder of all JSON shapes of Windows event logs; a stream may mix them, and hold ECS records too."""

    name: ClassVar[str] = "windows"

    def __init__(self, context: SourceContext) -> None:
        self._mapper = WindowsMapper(context)
        self._ecs = EcsMapper(context)
        self._minutes: dict[str, int] = {}

    @classmethod
    def sniff(cls, sample: Sample) -> float:
        """Say how sure we are; the shapes share no key combination with another source."""
        shape = shape_of(unwrap(sample.record))
        return {"winlog": 0.97, "system": 0.95, "flat": 0.9, "winlogbeat6": 0.9}.get(shape, 0.0)

    def frames(self, lines: Iterable[Record]) -> Iterator[Record]:
        """One record a line; blank lines are dropped."""
        for number, line in lines:
            if line and not line.isspace():
                yield number, line

    def decode(self, record: bytes) -> Event:
        """One JSON object to one event; RecordError if it is none, or has no time or event id."""
        found = unwrap(json_object(record))
        shape = shape_of(found)
        if not shape:
            if looks_like_ecs(found):
                return self._ecs.event(found)
            raise RecordError("not a Windows event: no event id with a log or provider")
        event = self._mapper.event(_READERS[shape](found, self._minutes))
        if shape == "winlog":
            self._ecs.fill(event, found)
        return event
