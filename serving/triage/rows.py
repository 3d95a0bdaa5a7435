"""What every change to an alert shares: found in its tenant, of the version expected, once for a key.

All functions work inside of a transaction that may write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from features.errors import InputError
from serving import audit
from serving.days import DAY_US
from serving.incidents.rows import follow
from serving.queries import finding
from serving.store.tables import alert_history, alerts, requests
from serving.triage.words import KEY_LENGTH, Conflict, Missing, Repeated, words

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from serving.audit import Deed
    from serving.triage.words import Asked

REMEMBERED_US = 2 * DAY_US
"""How long the answer to a request with an idempotency key is remembered."""


def begin(connection: Connection, asked: Asked) -> None:
    """Look whether the request was carried out before.

    Raises
    ------
    Repeated
        With the answer of then.
    Conflict
        If the key was used for another request.
    InputError
        If the key is none.
    """
    audit.reserve(connection)
    if not asked.key:
        return
    words(asked.key, "Idempotency-Key", KEY_LENGTH)
    columns = requests.c
    found = connection.execute(
        select(columns.digest, columns.answer).where(
            columns.tenant == asked.tenant, columns.idempotency_key == asked.key
        )
    ).first()
    if found is None:
        return
    if bytes(found.digest) != asked.digest:
        raise Conflict("this Idempotency-Key was used for another request; make a new one")
    raise Repeated(found.answer.encode())


def end(connection: Connection, asked: Asked, at_us: int, answer: bytes, deed: Deed | None) -> None:
    """Write what was done into the audit log (unless somebody else does) and remember the answer."""
    if deed is not None:
        audit.append(connection, at_us, asked.tenant, deed)
    if asked.key:
        row = {
            "tenant": asked.tenant,
            "idempotency_key": asked.key,
            "at_us": at_us,
            "digest": asked.digest,
            "answer": answer.decode(),
        }
        connection.execute(insert(requests), [row])


def alert_row(connection: Connection, asked: Asked, alert_id: str) -> dict[str, Any]:
    """The alert's row, locked until the transaction ends.

    Raises
    ------
    Missing
        If the tenant has no such alert.
    Conflict
        If it has another version by now.
    """
    query = select(alerts).where(alerts.c.tenant == asked.tenant, alerts.c.alert_id == alert_id)
    row = connection.execute(query.with_for_update()).mappings().first()
    if row is None:
        raise Missing("there is no alert with this id")
    if asked.version is not None and row["version"] != asked.version:
        raise Conflict(
            f"the alert has version {row['version']} by now and not {asked.version}: look at it again",
            finding(dict(row)),
        )
    return dict(row)


def change(connection: Connection, row: dict[str, Any], at_us: int, **values: object) -> None:
    """Write columns of an alert, and count its version up; `row` is brought up to date."""
    values |= {"version": row["version"] + 1, "updated_us": max(row["updated_us"], at_us)}
    mine = (alerts.c.tenant == row["tenant"], alerts.c.alert_id == row["alert_id"])
    connection.execute(update(alerts).where(*mine).values(values))
    row.update(values)
    if row["incident_id"]:
        follow(connection, row["tenant"], row["incident_id"], at_us)


def move(row: dict[str, Any], state: str, at_us: int) -> dict[str, object]:
    """Columns that change with a state; moments of what is undone by opening a case again go away."""
    values: dict[str, object] = {"state": state}
    if row["acknowledged_us"] is None:
        values["acknowledged_us"] = at_us
    if state in ("contained", "closed"):
        if row["contained_us"] is None:
            values["contained_us"] = at_us
    else:
        values["contained_us"] = None
    values["closed_us"] = at_us if state == "closed" else None
    return values


def note(
    connection: Connection, asked: Asked, alert_id: str, at_us: int, what: str, old: str, new: str
) -> None:
    """Add a line to an alert's history."""
    row = {
        "tenant": asked.tenant,
        "alert_id": alert_id,
        "at_us": at_us,
        "actor": asked.who.actor,
        "what": what,
        "old": old,
        "new": new,
    }
    connection.execute(insert(alert_history), [row])


def history(
    connection: Connection, tenant: str, alert_id: str, limit: int, after: int
) -> list[dict[str, Any]]:
    """Lines of an alert's history, oldest first, behind a number; Missing when there is no such alert."""
    known = select(alerts.c.alert_id).where(alerts.c.tenant == tenant, alerts.c.alert_id == alert_id)
    if connection.execute(known).first() is None:
        raise Missing("there is no alert with this id")
    columns = alert_history.c
    query = (
        select(alert_history)
        .where(columns.tenant == tenant, columns.alert_id == alert_id, columns.number > after)
        .order_by(columns.number)
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def forget_requests(connection: Connection, now_us: int) -> None:
    """Drop answers that nobody will ask for again."""
    connection.execute(delete(requests).where(requests.c.at_us < now_us - REMEMBERED_US))


def whole_version(value: int | None) -> int | None:
    """A version as the caller gave it; InputError when it is none."""
    if value is not None and not 0 <= value < 1 << 31:
        raise InputError(f"version={value}: the number that the alert was shown with")
    return value
