"""The data of the page of an alert, and of the page of an entity."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import pyarrow as pa
from sqlalchemy import select

from features.behaviours import ENTITY_KINDS
from serving.checkpoints import Folders
from serving.context import events, habits, past, raw, rows, telling
from serving.context.habits import ENTITY, ORGANISATION, PEERS
from serving.days import day_of
from serving.http.ports import Acts
from serving.queries import find_receipt
from serving.sinks import StoreSinks
from serving.store.tables import alerts
from serving.triage.words import Missing

if TYPE_CHECKING:
    from pathlib import Path

    from serving.context.habits import Profile
    from serving.context.kept import Kept
    from serving.context.rows import Found

LEAST_SIDES, MOST_SIDES = 3, 6
ALWAYS = ("activity", "host", "user", "src_ip", "process")
"""Shown of everybody, where an alert is about less."""
MOST_SHOWN = 8
RECENT_DAYS = 3


class Shows(Acts, Protocol):
    """What this needs of the core."""

    @property
    def data_dir(self) -> Path:
        """Where the tenants' files lie."""


async def of_alert(core: Shows, tenant: str, alert_id: str, kept: Kept | None = None) -> dict[str, Any]:
    """Everything around an alert; Missing when the tenant has no such."""
    row, receipt = await asyncio.to_thread(_alert, core, tenant, alert_id)
    kind, entity, day = row["entity_kind"], row["entity"], row["day"]
    says: list[str] = []
    if receipt is not None:
        says = await asyncio.wrap_future(core.ask(lambda: telling.reasons(core.state_of(tenant), receipt)))
    profile, found, seen = await asyncio.gather(
        habits.profile(core, tenant, kind, entity),
        _events(core, tenant, kind, entity, day, kept),
        asyncio.to_thread(_values, core, tenant, row, receipt, kept),
    )

    def rest() -> dict[str, Any]:
        told = telling.Told("", [], [])
        pieces: list[dict[str, Any]] = []
        if receipt is not None:
            pieces = telling.pieces(receipt, says)
            told = telling.told(tenant, receipt, says, day_of(day))
        with core.database.read() as connection:
            risky = past.risks_on(connection, tenant, day)
            similar = past.alike(connection, row)
            history = past.risks(connection, tenant, kind, entity, day)
        return {
            "story": told.story,
            "next_steps": told.steps,
            "techniques": told.techniques,
            "evidence": pieces,
            "usual": _sides(profile, receipt, seen),
            "hours": _hours(profile, found.table),
            "timeline": events.timeline(found.table),
            "graph": events.graph(found.table, kind, entity, risky),
            "similar": similar,
            "risk_history": history,
            "group": profile.group,
            "events": len(found.table),
            "partial": found.partial,
        }

    return await asyncio.to_thread(rest)


async def events_of_alert(
    core: Shows, tenant: str, alert_id: str, limit: int, kept: Kept | None = None
) -> dict[str, Any]:
    """The events of an alert's day, the oddest first, as they were sent where the journal still has them."""
    row, _ = await asyncio.to_thread(_alert, core, tenant, alert_id)
    found = await _events(core, tenant, row["entity_kind"], row["entity"], row["day"], kept)

    def rest() -> dict[str, Any]:
        chosen = events.strongest(found.table, limit)
        wanted = [raw.Wanted(one["event_uid"], 1000 * one["time"]) for one in chosen]
        with core.database.read() as connection:
            sent = raw.records(connection, tenant, wanted)
        lines = [{**one, "reason": one["text"], "raw": sent.get(one["event_uid"])} for one in chosen]
        return {"events": lines, "total": len(found.table), "partial": found.partial}

    return await asyncio.to_thread(rest)


async def of_entity(
    core: Shows, tenant: str, kind: str, written: str, kept: Kept | None = None
) -> dict[str, Any]:
    """Everything around an entity; InputError when nothing is known of it."""
    entity = await asyncio.wrap_future(core.ask(lambda: core.state_of(tenant).detector.known_name(written)))

    def known() -> tuple[Any, ...]:
        with core.database.read() as connection:
            newest = past.newest_day(connection, tenant)
            history = [] if newest is None else past.risks(connection, tenant, kind, entity, newest)
            said = past.verdicts_of(connection, tenant, kind, entity)
        return newest, history, said

    (newest, history, said), today = await asyncio.gather(
        asyncio.to_thread(known),
        asyncio.wrap_future(core.ask(lambda: int(core.state_of(tenant).detector.activity.today))),
    )
    profile = await habits.profile(core, tenant, kind, entity)
    last = max(today, newest or 0)
    recent = [await _events(core, tenant, kind, entity, last - back, kept) for back in range(RECENT_DAYS)]
    table = pa.concat_tables([found.table for found in reversed(recent)])
    sides = [
        {
            "behaviour": name,
            "label": telling.label(name),
            **_levels(profile, name),
        }
        for level, name in sorted(profile.habits)
        if level == ENTITY and not name.endswith(".hour")
    ]
    return {
        "entity_kind": kind,
        "entity": entity,
        "hours": _hours(profile, table),
        "habits": sides,
        "group": profile.group,
        "groups": [profile.group] if profile.group else [],
        "peers": [{"kind": kind, "entity": name, "share": None} for name in profile.members],
        "events": events.latest(table, events.MOST_MOMENTS),
        "graph": events.graph(table, kind, entity, {}),
        "verdicts": said,
        "risk_history": history,
        "partial": any(found.partial for found in recent),
    }


async def search(core: Shows, tenant: str, text: str, limit: int) -> list[dict[str, Any]]:
    """Users, hosts and addresses whose names hold a text, whatever the case; the riskiest first."""
    wanted = text.casefold()

    def names() -> list[tuple[str, str]]:
        baselines = core.state_of(tenant).detector.baselines
        entities = baselines.entities
        found: list[tuple[str, str]] = []
        for number, kind in enumerate(ENTITY_KINDS):
            ids = (entities.kind[: entities.end] == number).nonzero()[0][:MOST_SEARCHED]
            for name in baselines.values.many(entities.name[ids]):
                if wanted in name.casefold():
                    found.append((kind, name))
                    if len(found) >= MOST_MATCHES:
                        return found
        return found

    found = await asyncio.wrap_future(core.ask(names))

    def rest() -> list[dict[str, Any]]:
        with core.database.read() as connection:
            return past.last_seen(connection, tenant, found)[:limit]

    return await asyncio.to_thread(rest)


MOST_SEARCHED = 200_000
"""Names of a kind that are looked through: about 50 ms on the engine's thread."""
MOST_MATCHES = 500


def _alert(core: Shows, tenant: str, alert_id: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    c = alerts.c
    with core.database.read() as connection:
        query = select(alerts).where(c.tenant == tenant, c.alert_id == alert_id)
        row = connection.execute(query).mappings().first()
    if row is None:
        raise Missing("there is no alert with this id")
    receipt = find_receipt(core.database, tenant, alert_id)
    return dict(row), None if receipt is None else msgspec.json.decode(receipt)


async def _events(
    core: Shows, tenant: str, kind: str, entity: str, day: int, kept: Kept | None = None
) -> Found:
    def waiting() -> list[pa.Table]:
        state = core.state_of(tenant)
        return state.sinks.waiting(state) if isinstance(state.sinks, StoreSinks) else []

    fresh = await asyncio.wrap_future(core.ask(waiting))
    lake = Folders(core.data_dir).lake(tenant)
    return await asyncio.to_thread(rows.scored_on, lake, kind, entity, day, fresh, kept=kept)


def _odd(receipt: dict[str, Any] | None) -> dict[str, dict[str, float]]:
    """Values that the alert is about by behaviour, the oddest first."""
    odd: dict[str, dict[str, float]] = {}
    for finding in sorted(receipt["findings"] if receipt else [], key=lambda one: -one["gain"]):
        if finding["channel"] in telling.BEHAVIOUR_OF and finding["value"]:
            odd.setdefault(finding["channel"], {})[finding["value"]] = 1.0
    return odd


def _shown_odd(odd: dict[str, dict[str, float]]) -> list[str]:
    return [name for name in odd if not name.endswith(".hour")][:MOST_SIDES]


def _values(
    core: Shows, tenant: str, row: dict[str, Any], receipt: dict[str, Any] | None, kept: Kept | None
) -> dict[str, dict[str, int]]:
    """How often each value came that day, in all columns that `_sides` may show."""
    kind = row["entity_kind"]
    names = [*_shown_odd(_odd(receipt)), *(f"{kind}.{what}" for what in ALWAYS)]
    known = {telling.BEHAVIOUR_OF[name].value for name in names if name in telling.BEHAVIOUR_OF}
    learned = Folders(core.data_dir).learned(tenant)
    return rows.values_on(learned, kind, row["entity"], row["day"], sorted(known), kept=kept)


def _sides(
    profile: Profile, receipt: dict[str, Any] | None, seen: dict[str, dict[str, int]]
) -> list[dict[str, Any]]:
    """Usual against now, for the behaviours that the alert is about, the oddest first."""
    odd = _odd(receipt)
    names = _shown_odd(odd)
    plain = [f"{profile.kind}.{what}" for what in ALWAYS]
    names += [name for name in plain if name not in names and (ENTITY, name) in profile.habits]
    names = names[: max(LEAST_SIDES, len(odd))]
    return [
        {
            "behaviour": name,
            "label": telling.label(name),
            "now": _now(seen[telling.BEHAVIOUR_OF[name].value], odd.get(name, {})),
            **_levels(profile, name),
        }
        for name in names
    ]


def _levels(profile: Profile, behaviour: str) -> dict[str, Any]:
    """What is usual of a behaviour at the three levels."""
    names = {"usual": ENTITY, "peers": PEERS, "everybody": ORGANISATION}
    return {
        name: habits.plain(profile.habits.get((level, behaviour), []), MOST_SHOWN)
        for name, level in names.items()
    }


def _hours(profile: Profile, table: pa.Table) -> dict[str, Any]:
    """Hours of the week: usual ones, None where nothing is known, and those of some events."""
    own = profile.habits.get((ENTITY, f"{profile.kind}.hour"), [])
    return {"usual": habits.hours_of_week(own) if own else None, "now": events.hours_of_week(table)}


def _now(seen: dict[str, int], odd: dict[str, float]) -> list[dict[str, Any]]:
    """Values of a day, the odd ones first; without counts where these are in no file yet."""
    total = sum(seen.values())
    counts = {**dict.fromkeys(odd, 1), **seen}
    ranked = sorted(counts, key=lambda value: (value not in odd, -counts[value], value))
    return [
        {
            "value": value,
            "share": counts[value] / max(total, counts[value]) if total else None,
            "count": counts[value] if total else None,
            "odd": value in odd,
        }
        for value in ranked[:MOST_SHOWN]
    ]
