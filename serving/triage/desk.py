"""What people do with alerts that changes nothing about scores: states, assignees, notes. Straight into the
store, with history and audit line in the same transaction.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy.exc import DBAPIError

from features.errors import InputError
from serving.queries import finding
from serving.submission import Refused
from serving.triage import rows
from serving.triage.words import NAME_LENGTH, NOTE_LENGTH, Repeated, checked_state, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from serving.store.database import Database
    from serving.triage.words import Asked


@contextmanager
def writing(database: Database) -> Iterator[Connection]:
    """A transaction that may write; Refused when the store takes nothing."""
    try:
        with database.write() as connection:
            yield connection
    except DBAPIError as error:
        raise Refused(f"the store cannot be written now ({error.orig}); nothing was changed") from error


class Desk:
    """Changes to alerts of any tenant. Thread-safe: every change is one transaction of the store.

    Every method takes who asks (`serving.triage.words.Asked`) and answers the alert as it is afterwards, an
    OCSF finding as JSON.

    Raises
    ------
    Missing
        If the tenant has no such alert.
    Conflict
        If it is not of the version that the caller saw.
    InputError
        If what is asked for cannot be.
    Refused
        If nothing can be written.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def set_state(self, asked: Asked, alert_id: str, state: str) -> bytes:
        """Move an alert to another state; the state it has already changes nothing."""
        checked_state(state)

        def work(connection: Connection, row: dict[str, Any], at_us: int) -> dict[str, object]:
            if row["state"] == state:
                return {}
            rows.note(connection, asked, alert_id, at_us, "state", row["state"], state)
            detail: dict[str, object] = {"old": row["state"], "new": state}
            rows.change(connection, row, at_us, **rows.move(row, state, at_us))
            return detail

        return self._done(asked, alert_id, "alert.state", work)

    def assign(self, asked: Asked, alert_id: str, assignee: str) -> bytes:
        """Give an alert to somebody, "" to nobody."""
        words(assignee, "assignee", NAME_LENGTH)

        def work(connection: Connection, row: dict[str, Any], at_us: int) -> dict[str, object]:
            if row["assignee"] == assignee:
                return {}
            rows.note(connection, asked, alert_id, at_us, "assignee", row["assignee"], assignee)
            detail: dict[str, object] = {"old": row["assignee"], "new": assignee}
            rows.change(connection, row, at_us, assignee=assignee)
            return detail

        return self._done(asked, alert_id, "alert.assign", work)

    def note(self, asked: Asked, alert_id: str, text: str) -> bytes:
        """Add a note; it stays as it was written."""
        if not words(text, "text", NOTE_LENGTH, lines=True).strip():
            raise InputError("text: a note needs some")

        def work(connection: Connection, row: dict[str, Any], at_us: int) -> dict[str, object]:
            rows.note(connection, asked, alert_id, at_us, "note", "", text)
            rows.change(connection, row, at_us)
            # the text stays where it can be removed: the audit log is for ever
            return {"characters": len(text)}

        return self._done(asked, alert_id, "alert.note", work)

    def history(self, tenant: str, alert_id: str, limit: int, after: int) -> list[dict[str, Any]]:
        """Who did what to an alert, oldest first."""
        with self._database.read() as connection:
            return rows.history(connection, tenant, alert_id, limit, after)

    def _done(
        self,
        asked: Asked,
        alert_id: str,
        action: str,
        work: Callable[[Connection, dict[str, Any], int], dict[str, object]],
    ) -> bytes:
        at_us = time.time_ns() // 1000
        try:
            with writing(self._database) as connection:
                rows.begin(connection, asked)
                row = rows.alert_row(connection, asked, alert_id)
                detail = work(connection, row, at_us)
                answer = msgspec.json.encode(finding(row))
                deed = asked.who._replace(action=action, subject=alert_id, detail=detail) if detail else None
                rows.end(connection, asked, at_us, answer, deed)
        except Repeated as repeated:
            return repeated.answer
        return answer
