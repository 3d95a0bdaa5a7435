"""Settings of the grouping, and how it tells what it did."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from features.errors import InputError

Kind = Literal["opened", "updated", "merged", "reopened", "closed", "recurred"]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the grouping; docs/incidents.md says how the defaults were chosen.

    join_nats, merge_nats
        Least tie of an alert with an incident it joins, and with each further one that it merges.
    routine_nats
        Alerts of other detectors with less risk are everyday ones; habitus's own passed a budget already.
    quiet_hours
        Silence after which an incident closes.
    most_days
        Age at which an incident takes nothing in any more.
    reopen_days, reopen_nats
        See the module.
    keep_days
        How long closed incidents stay here, and their keys resolvable.
    most_open, most_closed
        Incidents kept; beyond, those that were quiet for longest are closed or dropped, and counted.
    """

    join_nats: float = 3.0
    merge_nats: float = 5.0
    routine_nats: float = 4.0
    quiet_hours: float = 36.0
    most_days: float = 14.0
    reopen_days: float = 7.0
    reopen_nats: float = 2.0
    keep_days: float = 30.0
    most_open: int = 2_000
    most_closed: int = 4_000

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        if not 0 < self.join_nats <= self.merge_nats or self.routine_nats < 0:
            raise InputError(
                "rules of incidents: 0 < join_nats <= merge_nats and routine_nats >= 0 are needed"
            )
        if min(self.quiet_hours, self.most_days, self.most_open, self.most_closed) <= 0:
            raise InputError("rules of incidents: hours, days and numbers of incidents must be above 0")


class Change(NamedTuple):
    """What became of an incident in one call.

    kind: "opened", "updated", "merged" (gone into `into`), "reopened", "closed" or "recurred". Whoever
    notifies sends the first and updates what was sent for the others, by `incident_id`.
    """

    kind: Kind
    incident_id: str
    into: str = ""


class Taken(NamedTuple):
    """What became of a batch: one change an incident, in the order of ids, and the incident of each alert by
    uid (those that were only counted as repeats of a judged incident, too).
    """

    changes: list[Change]
    homes: dict[str, str]
