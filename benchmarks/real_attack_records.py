"""Public Windows recordings put on another day, and harmless stretches of them given to other machines.

A recording is minutes long. Some were exported with a clock of their own beside Sysmon's: the records of one
event are hours apart. Sysmon writes UTC, so that its stamps set the others right, by the median difference
within the file.
"""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from features.sources.windows_json import flat_time_us

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from pathlib import Path

Record = dict[str, Any]
DAY_US = 86_400_000_000
QUARTER_US = 900_000_000
_STAMPS = ("@timestamp", "TimeCreated", "EventTime", "EventReceivedTime")
_NUMBERS = ("RecordNumber", "EventRecordID", "RecordId", "EventRecordId")


def day_us(day: date) -> int:
    """Microseconds since 1970 of a day's midnight, UTC."""
    return (day.toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()) * DAY_US


def stamp(time_us: int) -> str:
    """ISO 8601 with microseconds and Z."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def recorded(path: Path) -> list[Record]:
    """Records of a gzipped NDJSON file, in order."""
    with gzip.open(path, "rb") as lines:
        return [msgspec.json.decode(line) for line in lines if line.strip()]


def host_of(record: Record) -> str:
    """Machine that wrote a record: short name, lower case."""
    return str(record.get("Hostname") or record.get("Computer") or "").partition(".")[0].lower()


def times_of(records: list[Record]) -> np.ndarray:
    """(n,) int64 microseconds UTC of records: Sysmon's own stamp, else the shipped one set right by it."""
    memo: dict[str, int] = {}
    sensor, apart = [], []
    time_us = np.array([flat_time_us(record, memo) for record in records], np.int64)
    for place, record in enumerate(records):
        if record.get("UtcTime"):
            sensor.append(place)
            apart.append(time_us[place] - flat_time_us({**record, "UtcTime": None}, memo))
    if sensor:
        wrong = round(float(np.median(apart)) / QUARTER_US) * QUARTER_US
        other = np.ones(len(records), np.bool_)
        other[sensor] = False
        time_us[other] += wrong
    return time_us


def restamped(record: Record, time_us: int) -> Record:
    """The record with all its stamps at one time."""
    text = stamp(time_us)
    new = {**record, **{name: text for name in _STAMPS if name in record}}
    if record.get("UtcTime"):
        new["UtcTime"] = text[:-4].replace("T", " ")
    return new


def on_day(records: list[Record], day: date) -> list[Record]:
    """The records with their times of day, on another day; most of them, where they cross midnight."""
    time_us = times_of(records)
    usual = int(np.median(time_us // DAY_US))
    shift = day_us(day) - usual * DAY_US
    return [restamped(record, int(at) + shift) for record, at in zip(records, time_us, strict=True)]


def write(path: Path, records: Iterable[Record]) -> Path:
    """Write NDJSON; returns the path."""
    path.write_bytes(msgspec.json.Encoder().encode_lines(records))
    return path


class Stretch(NamedTuple):
    """Records of one machine that has no part in an attack, oldest first. time_us: (n,) int64."""

    file: str
    host: str
    address: str
    records: list[Record]
    time_us: np.ndarray


def stretch_of(file: str, records: list[Record], host: str, address: str, people: set[str]) -> Stretch:
    """Records of a bystander that name none of some accounts."""
    named = re.compile(
        rb"(?i)\b(?:" + b"|".join(re.escape(name.encode()) for name in sorted(people)) + rb")\b"
    )
    own = [
        record
        for record in records
        if host_of(record) == host and not named.search(msgspec.json.encode(record))
    ]
    time_us = times_of(own)
    order = np.argsort(time_us, kind="stable")
    return Stretch(file, host, address, [own[place] for place in order], time_us[order])


def clip(source: Stretch, first: int, n: int, host: str, address: str, at_us: int) -> list[Record]:
    """n records of a stretch in a row, from the first on and from its beginning again, at another machine.

    They start at `at_us` and keep their distances. The machine's name, its account and its address are
    replaced; the log's own record numbers are taken out, because they would count as repeats.
    """
    total = len(source.records)
    if not total:
        return []
    length = int(source.time_us[-1] - source.time_us[0]) + 1_000_000
    begin = int(source.time_us[first % total])
    name = re.compile(rb"(?i)\b" + re.escape(source.host.encode()) + rb"\b")
    own_address = re.compile(rb"(?<![\d.])" + re.escape(source.address.encode()) + rb"(?!\d)")
    found = []
    for step in range(first % total, first % total + n):
        record = {key: value for key, value in source.records[step % total].items() if key not in _NUMBERS}
        elapsed = int(source.time_us[step % total]) - begin + step // total * length
        text = msgspec.json.encode(restamped(record, at_us + elapsed))
        text = own_address.sub(address.encode(), name.sub(host.encode(), text))
        found.append(msgspec.json.decode(text))
    return found
