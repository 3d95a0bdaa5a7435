"""Where results go: lake, quarantine, entity-days and alerts. Every write can be repeated and changes nothing
then: a recovery gives the same results once more.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from serving.days import DAY_US, number_of
from serving.outputs import event_table
from serving.store import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from sqlalchemy import Connection, Table

    from features.columns import Batch
    from models.engine import Scores
    from serving.learned import Learned, Window
    from serving.results import Aside
    from serving.store.database import Database
    from serving.tenant import TenantState

STORED_A_SUBMISSION = 100
"""Records of one submission that are kept in quarantine; the others are counted. A sender of rubbish must not
cost more than a sender of events.
"""


CHANGING = ("risk", "n_events", "reasons", "updated_us", "entity_risk")
"""What may still change about an alert while its day is open."""


class StoreSinks:
    """Collects results on the engine's thread; `flush` writes what belongs into the store.

    What could not be written stays here until it can be; a checkpoint waits for that.

    Parameters
    ----------
    database
        The store.
    learned
        Keeps what was learned.
    """

    def __init__(self, database: Database, learned: Learned) -> None:
        self._database = database
        self.learned = learned
        self._quarantine: list[dict[str, Any]] = []
        self._days: list[dict[str, Any]] = []
        self._alerts: list[dict[str, Any]] = []
        self.tables: defaultdict[str, list[pa.Table]] = defaultdict(list)
        """Scored events by tenant that are in no lake segment yet."""
        self.rows: defaultdict[str, int] = defaultdict(int)

    @property
    def pending(self) -> bool:
        """Whether something still has to reach the store."""
        return bool(self._quarantine or self._days or self._alerts)

    # ---------------------------------------------------------------- serving.results.Sinks

    def scored(self, state: TenantState, batch: Batch, uids: np.ndarray, scores: Scores) -> None:
        """Keep scored events for the lake."""
        detector = state.detector
        table = event_table(
            detector.baselines, detector.channels.all, state.tenant, batch, uids.tolist(), scores
        )
        self.tables[state.tenant].append(table)
        self.rows[state.tenant] += len(table)
        # the state has counted them already
        self.learned.add(state.tenant, batch, scores, state.learned_count - len(table))

    def renumbering(self, state: TenantState) -> None:
        """Make text of the ids that are kept for the learned segments."""
        self.learned.settle(state.tenant, state.detector.baselines)

    def recall(self, state: TenantState, window: Window) -> pa.Table:
        """What was learned of a window."""
        return self.learned.recall(state.tenant, window, state.detector.baselines)

    def cut(self, state: TenantState) -> list[pa.Table]:
        """Scored events that make up the tenant's next segment; empty when there are none."""
        waiting = self.tables.pop(state.tenant, [])
        self.rows.pop(state.tenant, None)
        if waiting:
            state.segment += 1
            self.learned.cut(state.tenant, state.segment, state.detector.baselines)
        return waiting

    def aside(self, tenant: str, records: Sequence[Aside]) -> None:
        """Keep records for the quarantine."""
        stored: defaultdict[int, int] = defaultdict(int)
        for record in records:
            entry = record.entry
            stored[entry.seq] += 1
            if stored[entry.seq] > STORED_A_SUBMISSION:
                continue
            self._quarantine.append(
                {
                    "tenant": tenant,
                    "seq": entry.seq,
                    "record": record.record,
                    "received_us": entry.received_us,
                    "protocol": entry.operation.protocol,
                    "reason": record.reason,
                    "raw": record.raw,
                }
            )

    def closed(self, tenant: str, day: int, frame: pd.DataFrame) -> None:
        """Keep the entity-days of days that are over; of those before the last, only a late part is new.

        A day's alerts are the detector's; a late part alone raises none.
        """
        for row in frame.to_dict("records"):
            number = number_of(row["day"])
            alert = bool(row["alert"])
            self._days.append(
                {
                    "tenant": tenant,
                    "day": number,
                    "entity_kind": row["entity_kind"],
                    "entity": row["entity"],
                    "closed_on": day,
                    "risk": float(row["risk"]),
                    "alert": alert,
                    "n_events": int(row["n_events"]),
                    "reasons": msgspec.json.encode(row["reasons"]).decode(),
                    "alerted_us": _moment(row["alerted_at"]),
                    "entity_risk": _number(row["entity_risk"]),
                }
            )
            if alert:
                self._alerts.append(self._alert(tenant, row, 0))

    # ---------------------------------------------------------------- alerts of the open day

    def raise_alerts(self, state: TenantState) -> None:
        """Keep what the detector raised on the day that is still open.

        Not what would be raised if the day ended now: that has no moment yet, and may still go away.
        """
        frame = state.open_days()
        for row in frame[frame["alerted_at"].notna()].to_dict("records"):
            self._alerts.append(self._alert(state.tenant, row, state.position))

    @staticmethod
    def _alert(tenant: str, row: dict[Any, Any], position: int) -> dict[str, Any]:
        now = time.time_ns() // 1000
        day = number_of(row["day"])
        name = msgspec.json.encode([tenant, row["entity_kind"], row["entity"], day])
        return {
            "tenant": tenant,
            "alert_id": hashlib.sha256(name).hexdigest()[:24],
            "entity_kind": row["entity_kind"],
            "entity": row["entity"],
            "day": day,
            "risk": float(row["risk"]),
            "n_events": int(row["n_events"]),
            "reasons": msgspec.json.encode(row["reasons"]).decode(),
            "raised_us": now,
            "updated_us": now,
            "seq": position,
            "alerted_us": _moment(row["alerted_at"]),
            "entity_risk": _number(row["entity_risk"]),
        }

    # ---------------------------------------------------------------- writing

    def flush(self) -> None:
        """Write everything that belongs into the store in one transaction; an error keeps it for later."""
        if not self.pending:
            return
        with self._database.write() as connection:
            _put(connection, tables.quarantine, self._quarantine)
            _put(connection, tables.entity_days, self._days)
            for alert in self._alerts:
                _put(connection, tables.alerts, [alert])
                connection.execute(
                    update(tables.alerts)
                    .where(
                        tables.alerts.c.tenant == alert["tenant"],
                        tables.alerts.c.alert_id == alert["alert_id"],
                    )
                    .values({name: alert[name] for name in CHANGING})
                )
        self._quarantine, self._days, self._alerts = [], [], []

    def forget(self, tenant: str) -> None:
        """Drop what was collected for a tenant: its state is built anew, and gives it again."""
        self.tables.pop(tenant, None)
        self.rows.pop(tenant, None)
        self.learned.forget(tenant)
        self._quarantine = [row for row in self._quarantine if row["tenant"] != tenant]
        self._days = [row for row in self._days if row["tenant"] != tenant]
        self._alerts = [row for row in self._alerts if row["tenant"] != tenant]


def keep_house(
    database: Database,
    now_us: int,
    *,
    quarantine_days: float,
    quarantine_records: int,
    entity_days_days: float,
) -> None:
    """Remove what its retention no longer covers."""
    quarantine, days = tables.quarantine.c, tables.entity_days.c
    with database.write() as connection:
        old = now_us - round(quarantine_days * DAY_US)
        connection.execute(delete(tables.quarantine).where(quarantine.received_us < old))
        connection.execute(
            delete(tables.entity_days).where(days.day < (now_us - entity_days_days * DAY_US) // DAY_US)
        )
        for tenant in connection.execute(select(quarantine.tenant).distinct()).scalars().all():
            newest = (
                select(quarantine.seq)
                .where(quarantine.tenant == tenant)
                .order_by(quarantine.seq.desc())
                .offset(quarantine_records)
                .limit(1)
            )
            bound = connection.execute(newest).scalar()
            if bound is not None:
                connection.execute(
                    delete(tables.quarantine).where(quarantine.tenant == tenant, quarantine.seq <= bound)
                )


def _moment(at: Any) -> int | None:
    """Microseconds of a pandas time stamp; None for a missing one."""
    import pandas as pd

    return None if pd.isna(at) else int(pd.Timestamp(at).as_unit("us").value)


def _number(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)


def _put(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows; those that are there stay as they are."""
    if not rows:
        return
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(make(table).on_conflict_do_nothing(), rows)
