"""Habitus's own alerts (entity-days with findings) as input of the grouping."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from ipaddress import ip_address
from math import exp
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from features.baselines import DAY_US
from features.behaviours import ENTITY_KINDS
from models.channels import CHATTER, HABIT, LINK, REGULAR, TRANSFER, TRAVEL
from models.explain import reason
from models.habit import ORG
from models.incidents.alert import Alert, Clue, clean, thing

if TYPE_CHECKING:
    from features.baselines import Baselines
    from models.channels import Channel, Channels
    from models.days import Findings
    from models.incidents.company import Company

THING_OF = {
    "user": "user",
    "target_user": "user",
    "host": "host",
    "src_host": "host",
    "src_ip": "src_ip",
    "src_net": "net",
    "dst": "host",
    "dst_net": "net",
    "dst_service": "service",
    "process": "process",
    "lineage": "lineage",
    "command": "command",
    "file": "file",
    "api": "api",
    "resource": "resource",
    "user_agent": "user_agent",
    "domain": "domain",
}
"""Value columns that name a thing. An hour, a country or an outcome is shared by too many to tie."""
HALF_COUNT = 0.5
"""Added to what others use (Krichevsky-Trofimov): what nobody else used is rare, not impossible."""
MOST_FINDINGS = 40
MOST_PARTNERS = 16
"""Of each kind, those that the smallest share of the organisation uses."""
_TRAFFIC = (REGULAR, CHATTER, TRANSFER)


def alert_uid(tenant: str, entity_kind: str, entity: str, day: int) -> str:
    """The id under which the service keeps an entity-day's alert."""
    return hashlib.sha256(msgspec.json.encode([tenant, entity_kind, entity, day])).hexdigest()[:24]


def of_entity_day(
    baselines: Baselines,
    channels: Channels,
    found: Findings,
    *,
    tenant: str,
    entity: int,
    day: int,
    risk: float,
    n_events: int,
    company: Company | None = None,
    weight: float = 1.0,
) -> Alert:
    """One entity-day as an alert.

    Parameters
    ----------
    baselines, channels
        Of the detector that found it: they hold the names.
    found
        Findings, also of other entities and days; those of this one are picked.
    entity, day
        Entity id; days since 1970, UTC.
    risk
        Nats, of the day's ranking.
    company
        Who was seen with whom; without it only findings tie.
    weight
        Of the asset.

    Notes
    -----
    The share of entities that use a value is estimated from its decayed count among all others: with c events
    spread evenly over N entities, 1 - e^(-c/N) of them have at least one (half an event is added). Where few
    entities make most of the events that is too high, so a value ties too little rather than too much. Users,
    hosts and addresses have their counted share (`Company.shares`).
    """
    kind = ENTITY_KINDS[int(baselines.entities.kind[entity])]
    name = _name(baselines, entity)
    rows = np.flatnonzero((found.entity == entity) & (found.day == day))
    rows = rows[np.lexsort((found.value[rows], found.channel[rows], -found.gain[rows]))][:MOST_FINDINGS]
    touched, shares = _touched(baselines, company, kind, name, entity, day)
    clues = []
    for row in rows.tolist():
        channel = channels.all[int(found.channel[row])]
        clue, share = _clue(baselines, channel, found, row, kind, name, touched)
        clues.append(clue)
        for one in clue.things[:1]:
            if one not in shares and share > 0:
                shares[one] = share
    first = min((clue.first_us for clue in clues), default=day * DAY_US)
    last = max((clue.last_us for clue in clues), default=(day + 1) * DAY_US - 1)
    return Alert(
        uid=alert_uid(tenant, kind, name, day),
        entity_kind=kind,
        entity=name,
        risk=max(float(risk), 0.0),
        first_us=first,
        last_us=last,
        clues=tuple(clues),
        touched=tuple(sorted(touched)),
        shares=shares,
        weight=weight,
        count=max(int(n_events), 1),
    )


def _name(baselines: Baselines, entity: int) -> str:
    return str(baselines.values[int(baselines.entities.name[entity])])


def _touched(
    baselines: Baselines, company: Company | None, kind: str, name: str, entity: int, day: int
) -> tuple[set[str], dict[str, float]]:
    """Things that the entity was seen with that day, the rarest first to be kept, and their shares."""
    if company is None:
        return set(), {}
    partners = company.partners(entity, day)
    kind_of = baselines.entities.kind
    share = company.shares(np.append(partners, entity), day, kind_of)
    users = max(2, int((kind_of == 0).sum()))
    date = datetime.fromtimestamp(day * DAY_US // 1_000_000, UTC).date().isoformat()
    shares = {thing(kind, name): float(share[-1])} if share[-1] > 0 else {}
    touched: set[str] = set()
    for number, partner_kind in enumerate(ENTITY_KINDS):
        rows = np.flatnonzero(kind_of[partners] == number)
        for row in rows[np.lexsort((partners[rows], share[rows]))][:MOST_PARTNERS].tolist():
            other = _name(baselines, int(partners[row]))
            one = thing(partner_kind, other)
            touched.add(one)
            shares[one] = float(share[row])
            if {kind, partner_kind} == {"user", "src_ip"}:
                user, address = (name, other) if kind == "user" else (other, name)
                session = thing("session", f"{user} from {address} on {date}")
                touched.add(session)
                shares[session] = 1.0 / users
    return touched, shares


def _clue(
    baselines: Baselines,
    channel: Channel,
    found: Findings,
    row: int,
    kind: str,
    name: str,
    touched: set[str],
) -> tuple[Clue, float]:
    """A finding as a clue, and the share of entities that use the thing it names (0: unknown)."""
    entity, value = int(found.entity[row]), int(found.value[row])
    numbers = found.counts[row]
    named = channel.kind in (HABIT, LINK, TRAVEL, *_TRAFFIC) and value > 0
    text = str(baselines.values[value]) if named else ""
    things: list[str] = []
    share = 0.0
    peers = max(1, int((baselines.entities.kind == ENTITY_KINDS.index(kind)).sum()))
    if text and channel.kind in (HABIT, LINK):
        column = baselines.behaviours[channel.index].value
        if column in THING_OF:
            things.append(thing(_kind_of(baselines, THING_OF[column], value, text), text))
        if channel.kind == HABIT:
            share = 1.0 - exp(-(max(float(numbers[ORG]), 0.0) + HALF_COUNT) / peers)
        if column == "lineage":
            hosts = (
                [name] if kind == "host" else sorted(one[5:] for one in touched if one.startswith("host:"))
            )
            things += [thing("tree", f"{host}: {text}") for host in hosts]
    elif text and channel.kind in _TRAFFIC:
        things.append(thing(_kind_of(baselines, "host", value, text), text))
        share = min(1.0, (max(float(numbers[3]) - 1.0, 0.0) + HALF_COUNT) / peers)
    at_us = int(found.time_us[row])
    says = reason(baselines, channel, entity, value, float(found.nats[row]), numbers)
    clue = Clue(
        channel=channel.name,
        cause=channel.cause,
        value=clean(text),
        nats=max(float(found.gain[row]), 0.0),
        first_us=at_us,
        last_us=at_us,
        says=clean(says),
        things=tuple(things),
    )
    return clue, share


def _kind_of(baselines: Baselines, kind: str, value: int, text: str) -> str:
    """A destination is a machine of ours, an address, or else an Internet name."""
    if kind != "host":
        return kind
    if baselines.entities.find(ENTITY_KINDS.index("host"), np.array([value], np.int32))[0] > 0:
        return "host"
    try:
        ip_address(text)
    except ValueError:
        return "domain" if "." in text else "host"
    return "src_ip"
