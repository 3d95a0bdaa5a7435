"""Simulated events as a table of entity-days, straight from their JSON: what anybody could count.

It is for `guards`, which look whether a simulation gives its campaigns away, and knows nothing of detectors.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

ENTITY_KINDS = ("user", "host", "src_ip")
_DAY_MS, _HOUR_MS = 86_400_000, 3_600_000
_NAME_OF_A_THING = re.compile(r"[\w.\-$]*\d[\w.\-$]*|(?<=\\Users\\)[\w.\-]+|\b[a-z]+\.[a-z]+\d*\b")
_VALUES = re.compile(rb':(?:"(?:[^"\\]|\\.)*"|[-+.\dE]+|true|false|null)')
_TWO_PART_TAILS = ("co.uk", "my.salesforce.com")


def _at(event: dict[str, Any], *path: str) -> Any:
    for key in path:
        value = event.get(key)
        if value is None:
            return None
        event = value
    return event


@lru_cache(maxsize=65_536)
def registered_domain(name: str) -> str:
    """The part of a host name that somebody registered, near enough for names that a simulation makes."""
    labels = name.lower().split(".")
    return ".".join(labels[-3:] if ".".join(labels[-2:]) in _TWO_PART_TAILS else labels[-2:])


@lru_cache(maxsize=65_536)
def command_template(text: str) -> str:
    """A command line without what is its own: names of files, accounts and machines, numbers."""
    return _NAME_OF_A_THING.sub("#", text)


@lru_cache(maxsize=65_536)
def agent_family(text: str) -> str:
    """A user agent without versions."""
    return re.sub(r"\d+(\.\d+)*", "#", text)


_PATHS = {
    "product": "metadata.product.name",
    "type": "type_uid",
    "status": "status_detail",
    "protocol": "auth_protocol",
    "logon_type": "logon_type",
    "program": "process.file.path",
    "parent": "process.parent_process.file.path",
    "api": "api.operation",
    "cloud_service": "api.service.name",
    "region": "cloud.region",
    "cloud_account": "cloud.account.uid",
    "share": "share",
    "port": "dst_endpoint.port",
    "job": "job.name",
    "rcode": "rcode",
    "record": "query.type",
    "method": "http_request.http_method",
    "target": "dst_endpoint.hostname",
    "machine": "device.hostname",
}
_PLAIN = tuple((name, tuple(path.split("."))) for name, path in _PATHS.items())
"""Columns whose values are taken as they stand."""


def reduced(event: dict[str, Any]) -> dict[str, str]:
    """An event's values by column, reduced to what can recur."""
    found = {}
    for name, path in _PLAIN:
        value = event.get(path[0])
        if value is not None and (len(path) == 1 or (value := _at(value, *path[1:])) is not None):
            found[name] = value if isinstance(value, str) else str(value)
    if (ip := _at(event, "src_endpoint", "ip")) is not None:
        found["network"] = ".".join(ip.split(".")[:2])
    if (name := _at(event, "query", "hostname") or _at(event, "http_request", "url", "hostname")) is not None:
        found["domain"] = registered_domain(name)
        found.pop("target", None)
    if (text := _at(event, "process", "cmd_line")) is not None:
        found["command"] = command_template(text)
    if (text := _at(event, "http_request", "user_agent")) is not None:
        found["agent"] = agent_family(text)
    if (name := _at(event, "service", "name")) is not None:
        found["service"] = name.partition("/")[0]
    if (name := _at(event, "file", "name")) is not None:
        found["ending"] = name.rpartition(".")[2]
    return found


def entities(event: dict[str, Any]) -> list[tuple[str, str]]:
    """Whom an event is about: the user who acts, the machine that reports, the address it came from."""
    found = []
    user = _at(event, "actor", "user", "name") or _at(event, "user", "name")
    if user is not None:
        found.append(("user", user.partition("@")[0]))
    if (name := _at(event, "device", "hostname")) is not None:
        found.append(("host", name.partition(".")[0].lower()))
    if (ip := _at(event, "src_endpoint", "ip")) is not None:
        found.append(("src_ip", ip))
    return found


def key_shape(line: bytes) -> str:
    """An event's keys, its punctuation and the types of its values, from the line."""
    return _VALUES.sub(b":", line).decode()


@dataclass(slots=True)
class _Day:
    """Counts of one entity on one day, and the values seen on it."""

    counts: Counter[str] = field(default_factory=Counter)
    seen: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class Profile:
    """What `read` found.

    Attributes
    ----------
    days
        One row an entity-day: kind, entity, day (days since 1970, UTC), campaign (name or ""), features.
    features
        Names of the feature columns.
    benign, planted
        Numbers of events by (column, reduced value), key shapes among them.
    single
        Numbers of values that only one user has, by column.
    labels
        The ground truth.
    """

    days: pd.DataFrame
    features: list[str]
    benign: Counter[tuple[str, str]]
    planted: Counter[tuple[str, str]]
    single: Counter[str]
    labels: list[dict[str, Any]]


def read(folder: Path) -> Profile:
    """Read a folder that a simulation wrote, event by event; memory grows with entity-days, not events.

    Features of an entity-day: numbers of events and of each class, failures, distinct values of every column,
    values never seen before at that entity, bytes in and out, share of events between 20 and 6 o'clock UTC,
    longest name looked up, and each of these as the distance from the entity's own past (`_add_own_past`).
    """
    labels = [msgspec.json.decode(line) for line in (folder / "labels.ndjson").read_bytes().splitlines()]
    planted_uids = {uid for label in labels for uid in label["event_uids"]}
    days: defaultdict[tuple[str, str, int], _Day] = defaultdict(_Day)
    benign: Counter[tuple[str, str]] = Counter()
    planted: Counter[tuple[str, str]] = Counter()
    decoder = msgspec.json.Decoder()
    with (folder / "events.ndjson").open("rb") as file:
        for line in file:
            event = decoder.decode(line)
            values = reduced(event)
            for entity in entities(event):
                day = days[(*entity, event["time"] // _DAY_MS)]
                _count(day.counts, event)
                day.seen.update(values.items())
            values["shape"] = key_shape(line)
            side = planted if event["metadata"]["uid"] in planted_uids else benign
            side.update(values.items())
    table = _table(days, labels)
    features = [str(name) for name in table if name not in ("kind", "entity", "day", "campaign")]
    table, more = _add_own_past(table, features)
    return Profile(table, [*features, *more], benign, planted, _single(days), labels)


def _count(counts: Counter[str], event: dict[str, Any]) -> None:
    counts["events"] += 1
    counts[f"class {event['class_uid']}"] += 1
    if event["status_id"] == 2:
        counts["failures"] += 1
    if not 6 <= event["time"] % _DAY_MS // _HOUR_MS < 20:
        counts["night"] += 1
    traffic = event.get("traffic")
    if traffic is not None:
        counts["bytes in"] += traffic["bytes_in"]
        counts["bytes out"] += traffic["bytes_out"]
    name = _at(event, "query", "hostname")
    if name is not None:
        counts["longest name"] = max(counts["longest name"], len(name))


def _single(days: dict[tuple[str, str, int], _Day]) -> Counter[str]:
    holders: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (kind, entity, _), day in days.items():
        if kind == "user":
            for pair in day.seen:
                holders[pair].add(entity)
    return Counter(column for (column, _), holding in holders.items() if len(holding) == 1)


def _table(days: dict[tuple[str, str, int], _Day], labels: list[dict[str, Any]]) -> pd.DataFrame:
    """One row an entity-day, in order; a value is new on an entity's first day with it."""
    import pandas as pd

    campaign_of = {
        (label["entity_kind"], label["entity"], label["day"]): label["campaign"] for label in labels
    }
    known: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    rows = []
    for (kind, entity, number), day in sorted(days.items(), key=lambda item: item[0]):
        row: dict[str, Any] = {"kind": kind, "entity": entity, "day": number, **day.counts}
        before = known[kind, entity]
        new = day.seen - before
        before |= new
        row.update(Counter(f"distinct {column}" for column, _ in day.seen))
        row.update(Counter(f"new {column}" for column, _ in new))
        row["new"] = len(new)
        date = datetime.fromtimestamp(number * _DAY_MS / 1000, UTC).date().isoformat()
        row["campaign"] = campaign_of.get((kind, entity, date), "")
        rows.append(row)
    table = pd.DataFrame(rows, columns=_columns(rows)).fillna(0)
    for name in ("failures", "night"):
        table[f"share of {name}"] = table[name] / table["events"]
    return table


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    """Names of the columns: what every table has, then the others in alphabetical order."""
    always = (
        "kind",
        "entity",
        "day",
        "campaign",
        "events",
        "failures",
        "night",
        "bytes in",
        "bytes out",
        "new",
    )
    return [*always, *sorted({name for row in rows for name in row} - set(always))]


def _add_own_past(table: pd.DataFrame, features: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Each feature's distance from the mean of the entity's earlier days, in their standard deviations.

    In log(1 + x); the deviation is drawn towards 1 by three days' worth, so that few days say little. An
    entity without a past gets the distance from the mean of all entities of its kind.
    """
    import numpy as np
    import pandas as pd

    logs: pd.DataFrame = table[features].transform(np.log1p)
    groups = [table["kind"], table["entity"]]
    seen = logs.groupby(groups).cumcount()
    total = logs.groupby(groups).cumsum() - logs
    squares = (logs**2).groupby(groups).cumsum() - logs**2
    mean = total.div(seen, axis=0)
    variance = (squares.div(seen, axis=0) - mean**2).clip(lower=0.0).fillna(0.0)
    first = (seen == 0).to_numpy()
    mean[first] = logs.groupby(table["kind"]).transform("mean")[first]
    deviation = variance.mul(seen, axis=0).add(3.0).div(seen + 3.0, axis=0) ** 0.5
    past = ((logs - mean) / deviation).rename(columns=lambda name: f"{name} against past")
    return pd.concat([table, past], axis=1), [str(name) for name in past]
