"""For the tests of volume, returns, traffic and travel: events told in words, and what is found in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from features import events as ocsf
from features.baselines import Baselines
from features.behaviours import COLUMN, ENTITY_KINDS, VALUE_COLUMNS, WIDTH
from features.columns import Batch
from models.activity import Activity
from models.calibration import THRESHOLD_NATS
from models.channels import KINDS, Channels

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
START_DAY = 20_148
"""2025-03-01 UTC, a Saturday."""
ACTIVITIES = {
    "logon": (ocsf.AUTHENTICATION, "logon succeeded"),
    "failure": (ocsf.AUTHENTICATION, "logon failed"),
    "deletion": (ocsf.FILE_ACTIVITY, "delete succeeded"),
    "start": (ocsf.PROCESS_ACTIVITY, "launch succeeded"),
    "traffic": (ocsf.NETWORK_ACTIVITY, "traffic"),
}
CLASS_OF = {
    name: (class_uid, f"{ocsf.CLASS_NAMES[class_uid]}: {what}")
    for name, (class_uid, what) in ACTIVITIES.items()
}


class Found(NamedTuple):
    """One finding in words."""

    row: int
    channel: str
    kind: str
    entity: str
    value: str
    nats: float
    counts: tuple[float, ...]


def at(day: int, hours: float) -> int:
    """Microseconds since 1970 of a day (counted from START_DAY) and a time of day."""
    return (START_DAY + day) * DAY_US + int(hours * HOUR_US)


def event(time_us: int, what: str = "logon", *, sent: int = 0, received: int = 0, **values: str) -> dict:
    """One event; values by the name of their column."""
    return {"time_us": time_us, "what": what, "sent": sent, "received": received, "values": values}


def batch_of(baselines: Baselines, told: list[dict]) -> Batch:
    """Events in the order given, with the ids of the baselines; new names are added."""
    columns = np.zeros((len(told), WIDTH), np.int32)
    for name in {name for one in told for name in one["values"]}:
        texts = [one["values"].get(name, "") for one in told]
        columns[:, COLUMN[name]] = baselines.values.intern_many(texts)
    activities = [CLASS_OF[one["what"]][1] for one in told]
    columns[:, COLUMN["activity"]] = baselines.values.intern_many(activities)
    for kind, name in enumerate(ENTITY_KINDS):
        names = columns[:, COLUMN[name]]
        known = names > 0
        if known.any():
            columns[known, len(VALUE_COLUMNS) + kind] = baselines.entities.ids(kind, names[known])
    return Batch(
        np.array([one["time_us"] for one in told], np.int64),
        np.array([CLASS_OF[one["what"]][0] for one in told], np.int32),
        columns[:, COLUMN["src_ip"]].copy(),
        columns,
        np.array([one["received"] for one in told], np.int64),
        np.array([one["sent"] for one in told], np.int64),
    )


class World:
    """One organisation that only `models.activity` watches."""

    def __init__(self, **options: object) -> None:
        self.baselines = Baselines()
        self.channels = Channels(self.baselines.behaviours)
        self.activity = Activity(self.baselines, self.channels, **options)

    def observe(self, told: list[dict], fresh: np.ndarray | None = None) -> list[Found]:
        """Take in events of the open day, in order of time."""
        told = sorted(told, key=lambda one: one["time_us"])
        batch = batch_of(self.baselines, told)
        nothing = np.zeros((len(told), 3), np.uint8)
        found = self.activity.observe(batch, nothing if fresh is None else fresh)
        values, entities = self.baselines.values, self.baselines.entities
        return [
            Found(
                int(row),
                self.channels.all[channel].name,
                KINDS[self.channels.all[channel].kind],
                values[int(entities.name[entity])],
                values[int(value)] if value else "",
                float(nats),
                tuple(counts.tolist()),
            )
            for row, channel, entity, value, nats, counts in zip(
                found.row, found.channel, found.entity, found.value, found.nats, found.counts, strict=True
            )
        ]

    def day(self, day: int, told: list[dict]) -> list[Found]:
        """Close the day before, open this one (counted from START_DAY) and take in its events."""
        if self.activity.today >= 0:
            self.activity.close_day()
        self.activity.open_day(START_DAY + day)
        return self.observe(told) if told else []

    def id(self, name: str, kind: str = "user") -> int:
        """Entity id."""
        return dict(self.baselines.find(name))[kind]

    def groups(self, members: dict[str, str], kind: str = "user") -> None:
        """Put entities into peer groups."""
        self.baselines.set_groups(kind, list(members), list(members.values()))


def strongest(found: list[Found], entity: str, channel: str) -> float:
    """Most evidence beyond the everyday for an entity in channels whose name begins so; 0 for none."""
    nats = [one.nats for one in found if one.entity == entity and one.channel.startswith(channel)]
    return max(nats, default=THRESHOLD_NATS) - THRESHOLD_NATS
