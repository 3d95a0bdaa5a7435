"""Where results go: lake, quarantine, entity-days and alerts. Every write can be repeated and changes nothing
then: a recovery gives the same results once more.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard
from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from serving import audit, receipts
from serving.days import DAY_US, number_of
from serving.following import prepared
from serving.gauges import TailMeter
from serving.incidents import rows as incident_rows
from serving.incidents import telling
from serving.notify import outbox
from serving.outputs import table_of_rows
from serving.store import tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa
    from sqlalchemy import Connection, Table

    from features.columns import Batch
    from models.detector import Detector
    from models.engine import Scores
    from serving.incidents.keeping import Told
    from serving.learned import Learned, Window
    from serving.outputs import ScoredRows
    from serving.results import Aside
    from serving.store.database import Database
    from serving.tenant import TenantState

STORED_A_SUBMISSION = 100
"""Records of one submission that are kept in quarantine; the others are counted. A sender of rubbish must not
cost more than a sender of events.
"""
TABLE_ROWS = 8_192
"""Scored events that are made a table at once: a few milliseconds, which an answer may wait."""


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
    tails
        Where tail probabilities are counted, by tenant.
    models
        Folder of prepared models.
    """

    def __init__(
        self,
        database: Database,
        learned: Learned,
        tails: dict[str, TailMeter] | None = None,
        models: Path | None = None,
    ) -> None:
        self._database = database
        self._models = models
        self.learned = learned
        self._quarantine: list[dict[str, Any]] = []
        self._days: list[dict[str, Any]] = []
        self._alerts: list[dict[str, Any]] = []
        self._receipts: dict[tuple[str, str], dict[str, Any]] = {}
        self._incidents: defaultdict[str, list[Told]] = defaultdict(list)
        self._packer = zstandard.ZstdCompressor()
        self._parts: defaultdict[str, list[ScoredRows]] = defaultdict(list)
        self._loose: defaultdict[str, int] = defaultdict(int)
        self._tables: defaultdict[str, list[pa.Table]] = defaultdict(list)
        self.tails: dict[str, TailMeter] = {} if tails is None else tails
        self.rows: defaultdict[str, int] = defaultdict(int)
        """Scored events by tenant that are in no lake segment yet."""

    @property
    def pending(self) -> bool:
        """Whether something still has to reach the store."""
        return bool(self._quarantine or self._days or self._alerts or self._receipts or self._incidents)

    # ---------------------------------------------------------------- serving.results.Sinks

    def scored(self, state: TenantState, batch: Batch, scores: Scores, rows: ScoredRows) -> None:
        """Keep scored events for the lake."""
        tenant = state.tenant
        self._parts[tenant].append(rows)
        self._loose[tenant] += len(rows)
        self.rows[tenant] += len(rows)
        # the state has counted them already
        self.learned.add(tenant, batch, scores, state.learned_count - len(rows))
        if state.detector.alerts.watches:  # before, nothing is known that a score could be compared with
            self.tails.setdefault(tenant, TailMeter()).add(scores.p_value)
        if self._loose[tenant] >= TABLE_ROWS:
            self._settle(state)

    def _settle(self, state: TenantState) -> None:
        """Make a table of the events that are none yet."""
        self._loose.pop(state.tenant, None)
        parts = self._parts.pop(state.tenant, [])
        if parts:
            detector = state.detector
            table = table_of_rows(
                detector.baselines, detector.channels.all, state.tenant, parts, state.model.short
            )
            self._tables[state.tenant].append(table)
            # in the same steps: all of a segment at once would hold up the answers of its moment
            self.learned.settle(state.tenant, detector.baselines)

    def waiting(self, state: TenantState) -> list[pa.Table]:
        """Scored events (EVENT_SCHEMA) that are in no segment yet."""
        self._settle(state)
        return list(self._tables.get(state.tenant, ()))

    def renumbering(self, state: TenantState) -> None:
        """Make text of the ids that are kept for the segments of lake and learned rows."""
        self._settle(state)
        self.learned.settle(state.tenant, state.detector.baselines)

    def recall(self, state: TenantState, window: Window) -> pa.Table:
        """What was learned of a window."""
        return self.learned.recall(state.tenant, window, state.detector.baselines)

    def behind(self, state: TenantState, number: int) -> pa.Table:
        """What was learned from a number on."""
        return self.learned.behind(state.tenant, number, state.detector.baselines)

    def prepared(self, place: str) -> Detector:
        """A prepared model, see `serving.following.builder`; StateError when it is not there."""
        return prepared.load(self._models, place)

    def cut(self, state: TenantState) -> list[pa.Table]:
        """Scored events that make up the tenant's next segment; empty when there are none."""
        self._settle(state)
        waiting = self._tables.pop(state.tenant, [])
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
                    "rarity": _number(row["rarity"]),
                }
            )
            if alert:
                self._alerts.append(self._alert(tenant, row, 0))

    def receipts(self, tenant: str, made: list[dict[str, Any]]) -> None:
        """Keep receipts of alerts, the newest of each."""
        for receipt in made:
            self._receipts[tenant, receipt["alert_id"]] = receipt

    def incidents(self, tenant: str, told: Sequence[Told]) -> None:
        """Keep what became of incidents, in that order."""
        self._incidents[tenant] += told

    # ---------------------------------------------------------------- alerts of the open day

    def raise_alerts(self, state: TenantState) -> None:
        """Keep what the detector raised on the day that is still open.

        Not what would be raised if the day ended now: that has no moment yet, and may still go away.
        """
        frame = state.open_days()
        for row in frame[frame["alerted_at"].notna()].to_dict("records"):
            self._alerts.append(self._alert(state.tenant, row, state.position))
        self.receipts(state.tenant, state.open_receipts())

    @staticmethod
    def _alert(tenant: str, row: dict[Any, Any], position: int) -> dict[str, Any]:
        now = time.time_ns() // 1000
        day = number_of(row["day"])
        return {
            "tenant": tenant,
            "alert_id": receipts.alert_id(tenant, row["entity_kind"], row["entity"], day),
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
            if self._alerts or self._incidents:
                audit.reserve(connection)  # people change these rows as well
            fresh = _fresh(connection, self._alerts)
            _put(connection, tables.alerts, fresh)
            now_us = time.time_ns() // 1000
            incidents = [
                row
                for tenant, told in self._incidents.items()
                for row in incident_rows.write(connection, tenant, told, now_us)
            ]
            for tenant in {alert["tenant"] for alert in fresh}:
                mine = [alert["alert_id"] for alert in fresh if alert["tenant"] == tenant]
                incident_rows.joined(connection, tenant, mine)
            for alert in self._alerts:
                connection.execute(
                    update(tables.alerts)
                    .where(
                        tables.alerts.c.tenant == alert["tenant"],
                        tables.alerts.c.alert_id == alert["alert_id"],
                    )
                    .values({name: alert[name] for name in CHANGING})
                )
            for (tenant, alert_id), receipt in self._receipts.items():
                self._keep(connection, tenant, alert_id, receipt)
            # who is to be told of something is written with it, or not at all
            outbox.fill(connection, [_stored(connection, alert) for alert in fresh], now_us)
            telling.fill(connection, incidents, now_us)
        self._quarantine, self._days, self._alerts, self._receipts = [], [], [], {}
        self._incidents.clear()

    def _keep(self, connection: Connection, tenant: str, alert_id: str, receipt: dict[str, Any]) -> None:
        c, known = tables.receipts.c, tables.alerts.c
        about = {
            "channel": receipts.leading_channel(receipt),
            "first_us": receipts.first_us(receipt),
            "why": receipt.get("why", ""),
        }
        mine = (known.tenant == tenant, known.alert_id == alert_id)
        if not connection.execute(update(tables.alerts).where(*mine).values(about)).rowcount:
            return  # the alert itself has not been given yet
        connection.execute(delete(tables.receipts).where(c.tenant == tenant, c.alert_id == alert_id))
        body = self._packer.compress(msgspec.json.encode(receipt))
        row = {"tenant": tenant, "alert_id": alert_id, "at_us": time.time_ns() // 1000, "body": body}
        connection.execute(insert(tables.receipts), [row])

    def forget(self, tenant: str) -> None:
        """Drop what was collected for a tenant: its state is built anew, and gives it again."""
        for kept in (self._parts, self._loose, self._tables, self.rows):
            kept.pop(tenant, None)
        self.learned.forget(tenant)
        self._quarantine = [row for row in self._quarantine if row["tenant"] != tenant]
        self._days = [row for row in self._days if row["tenant"] != tenant]
        self._alerts = [row for row in self._alerts if row["tenant"] != tenant]
        self._receipts = {key: one for key, one in self._receipts.items() if key[0] != tenant}
        self._incidents.pop(tenant, None)


def keep_house(
    database: Database,
    now_us: Mapping[str, int],
    *,
    quarantine_days: float,
    quarantine_records: int,
    entity_days_days: float,
) -> None:
    """Remove what its retention no longer covers. now_us: what it counts from, by tenant."""
    quarantine, days = tables.quarantine.c, tables.entity_days.c
    with database.write() as connection:
        for tenant, moment_us in now_us.items():
            old = moment_us - round(quarantine_days * DAY_US)
            oldest_day = (moment_us - round(entity_days_days * DAY_US)) // DAY_US
            connection.execute(
                delete(tables.quarantine).where(quarantine.tenant == tenant, quarantine.received_us < old)
            )
            connection.execute(delete(tables.entity_days).where(days.tenant == tenant, days.day < oldest_day))
            incident_rows.forget(connection, tenant, oldest_day * DAY_US)
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

    return None if pd.isna(at) else int(pd.Timestamp(at).value) // 1000


def _number(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)


def _stored(connection: Connection, alert: dict[str, Any]) -> dict[str, Any]:
    c = tables.alerts.c
    query = select(tables.alerts).where(c.tenant == alert["tenant"], c.alert_id == alert["alert_id"])
    return dict(connection.execute(query).mappings().one())


def _fresh(connection: Connection, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Alerts that the store does not have, each once."""
    c = tables.alerts.c
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for alert in given:
        key = (alert["tenant"], alert["alert_id"])
        query = select(c.alert_id).where(c.tenant == key[0], c.alert_id == key[1])
        if key not in found and connection.execute(query).first() is None:
            found[key] = alert
    return list(found.values())


def _put(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows; those that are there stay as they are."""
    if not rows:
        return
    make = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    connection.execute(make(table).on_conflict_do_nothing(), rows)
