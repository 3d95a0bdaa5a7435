"""Verdicts on incidents: the same verdict on each of its alerts, each an entry of the journal of its own."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from features.errors import HabitusError
from serving.incidents.finding import incident_finding
from serving.incidents.lookup import links_of, row_of
from serving.store.tables import alerts
from serving.triage import verdicts
from serving.triage.verdicts import Subject
from serving.triage.words import Missing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from serving.store.database import Database
    from serving.triage.verdicts import Given, Judges, Opinion
    from serving.triage.words import Asked


async def give(
    core: Judges, database: Database, asked: Asked, incident_id: str, opinion: Opinion
) -> dict[str, Any]:
    """Judge all alerts of an incident; returns `incident` as it is afterwards, `verdicts` and `failed`.

    Alerts that come to the incident later are not judged by it. With an idempotency key a repeated request
    judges what failed the first time and answers for the rest as then.

    Raises
    ------
    Missing
        If the tenant has no such incident.
    HabitusError
        What all of its alerts failed with, see `serving.triage.verdicts.give`.
    """
    return await _each(
        database, asked, incident_id, lambda own, subject: verdicts.give(core, own, subject, opinion)
    )


async def revert(core: Judges, database: Database, asked: Asked, incident_id: str) -> dict[str, Any]:
    """Take back the newest verdict on each alert of an incident; as `give`.

    Raises
    ------
    Missing
        If the tenant has no such incident, or none of its alerts has a verdict.
    """
    return await _each(
        database,
        asked,
        incident_id,
        lambda own, subject: verdicts.revert(core, own, alert_id=subject.alert_id),
        only_written=True,
    )


async def _each(
    database: Database,
    asked: Asked,
    incident_id: str,
    work: Callable[[Asked, Subject], Awaitable[Given]],
    *,
    only_written: bool = False,
) -> dict[str, Any]:
    key, subjects = await asyncio.to_thread(_subjects, database, asked.tenant, incident_id)
    if only_written:
        subjects = {name: subject for name, subject in subjects.items() if subject.alert_id}
    results = await asyncio.gather(
        *(work(_of_one(asked, name), subject) for name, subject in subjects.items()), return_exceptions=True
    )
    given, failed = [], []
    for name, result in zip(subjects, results, strict=True):
        if isinstance(result, HabitusError):
            failed.append((name, result))
        elif isinstance(result, BaseException):
            raise result
        else:
            given.append(_shown(result))
    if not given:
        raise failed[0][1] if failed else Missing("this incident has no alerts (any more)")
    with database.read() as connection:
        incident = incident_finding(row_of(connection, asked.tenant, key))
    return {
        "incident": incident,
        "verdicts": given,
        "failed": [
            {"alert_id": name, "error": str(error)}
            for name, error in failed
            if not (only_written and isinstance(error, Missing))
        ],
    }


def _subjects(database: Database, tenant: str, incident_id: str) -> tuple[str, dict[str, Subject]]:
    """The incident's id now, and what is judged, by alert. One that is not in the queue yet is judged as its
    entity's day.
    """
    with database.read() as connection:
        key = row_of(connection, tenant, incident_id)["incident_id"]
        links = links_of(connection, tenant, key)
        c = alerts.c
        query = select(c.alert_id).where(c.tenant == tenant, c.incident_id == key)
        written = set(connection.execute(query).scalars())
    return key, {
        link["alert_id"]: Subject(link["alert_id"])
        if link["alert_id"] in written
        else Subject("", link["entity_kind"], link["entity"], link["day"])
        for link in links
    }


def _of_one(asked: Asked, alert_id: str) -> Asked:
    """The request as far as it is about one alert; versions are those of alerts, and do not count here."""
    key = hashlib.sha256(f"{asked.key}\0{alert_id}".encode()).hexdigest() if asked.key else ""
    return asked._replace(key=key, version=None, what=asked.what + b"\0" + alert_id.encode())


def _shown(given: Given) -> dict[str, Any]:
    told = msgspec.json.decode(given.answer)["verdict"]
    answer: dict[str, Any] = {"verdict": told}
    if given.effect is not None:
        answer["effect"] = given.effect._asdict()
    if given.unlearned is not None:
        answer["unlearned"] = given.unlearned.taken._asdict()
    return answer
