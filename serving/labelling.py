"""What people said, out of a service's store: labels with where they come from, and the days they are about.

Works while the service runs. Evidence comes from receipts, which every alert has; of a verdict without an
alert it is what the newest checkpoint remembers. Names are those of the store, not pseudonyms.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import zstandard
from sqlalchemy import func, select

from features import checkpoint
from features.errors import InputError
from models.detector import Detector
from models.feedback import weights as weighing
from serving.judgement import WEIGHTS_SET
from serving.store.database import FILE
from serving.store.tables import alerts, audit, entity_days, golden_answers, receipts, tenants, verdicts
from serving.tenant import TO_LEARN
from serving.triage.golden import agrees
from training.labels import Lesson, lessons, opinion
from training.retraining import Queue, factors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Connection

    from models.feedback.weights import Weights
    from serving.store.database import Database

HISTORY_DAYS = 180
"""As long as a verdict is remembered (`models.feedback.feedback.REMEMBERED_DAYS`, twice)."""
MOST_CHANGE = weighing.BOUND**2
"""Times that one entity-day can gain on another: what is farther away does not matter."""


class Remembered(NamedTuple):
    """What the newest checkpoint remembers: evidence by uid of a verdict, and the weights that serve."""

    evidence: Mapping[str, Mapping[str, float]]
    weights: Weights | None


def remembered(state: Path) -> Remembered:
    """Of a tenant's state folder; nothing when there is no checkpoint."""
    found = checkpoint.read(state, Detector.schema())
    if found is None:
        return Remembered({}, None)
    feedback = found[1].get("feedback", {})
    evidence = {one["uid"]: one["evidence"] for one in feedback.get("verdicts", ())}
    return Remembered(evidence, weighing.decoded(msgspec.json.encode(feedback.get("weights"))))


def check_store(data_dir: Path, url: str | None) -> None:
    """InputError when a folder is no data directory: opening its store would make a new one."""
    if url is None and not (data_dir / FILE).is_file():
        raise InputError(f"{data_dir}: holds no store of a service; --data-dir names its data directory")


def check_tenant(database: Database, tenant: str) -> None:
    """InputError, naming those there are, when the store does not know a tenant."""
    with database.read() as connection:
        known = sorted(connection.execute(select(tenants.c.tenant)).scalars())
    if tenant not in known:
        raise InputError(
            f"no tenant is called {tenant[:64]!r} (known: {', '.join(known[:10]) or 'none yet'})"
        )


def labels(database: Database, tenant: str, memory: Remembered) -> list[dict[str, Any]]:
    """Rows of the data set (`training.labels.TABLE`), oldest verdict first; moments are microseconds UTC,
    days days since 1970.
    """
    with database.read() as connection:
        query = select(verdicts).where(verdicts.c.tenant == tenant).order_by(verdicts.c.at_us, verdicts.c.uid)
        said = connection.execute(query).mappings().all()
        raised = _alerts(connection, tenant)
        golden = _golden(connection, tenant)
        wanted = {row["alert_id"] for row in said if row["alert_id"]}
        kept = {one: receipt for one, receipt in _receipts(connection, tenant) if one in wanted}
        days = _days_without_alert(connection, tenant, {_key(row) for row in said if not row["alert_id"]})
    together: dict[tuple[str, str, int], list[int]] = {}
    for row in said:
        if row["reverted_us"] is None and row["subject"] != "event":
            together.setdefault(_key(row), []).append(row["verdict_id"])
    apart = {key for key, ids in together.items() if _contradict(ids)}
    return [
        _row(row, raised.get(row["alert_id"]), kept.get(row["alert_id"]), golden, days, memory, apart)
        for row in said
    ]


def _key(row: Mapping[Any, Any]) -> tuple[str, str, int]:
    return row["entity_kind"], row["entity"], row["day"]


def _contradict(ids: list[int]) -> bool:
    return opinion(ids) is None and any(opinion([one]) is not None for one in ids)


def _alerts(connection: Connection, tenant: str) -> dict[str, dict[str, Any]]:
    c = alerts.c
    wanted = (c.alert_id, c.raised_us, c.why, c.risk, c.entity_kind, c.entity, c.day)
    found = connection.execute(select(*wanted).where(c.tenant == tenant)).mappings()
    return {row["alert_id"]: dict(row) for row in found}


def _golden(connection: Connection, tenant: str) -> Counter[tuple[str, bool]]:
    """How often an alert was judged again without knowing, by whether that agreed."""
    c = golden_answers.c
    found = connection.execute(select(c.alert_id, c.verdict_id, c.settled_id).where(c.tenant == tenant))
    return Counter((row.alert_id, agrees(row.verdict_id, row.settled_id)) for row in found)


def _receipts(connection: Connection, tenant: str) -> Iterator[tuple[str, dict[str, Any]]]:
    decompressor = zstandard.ZstdDecompressor()
    c = receipts.c
    found = connection.execute(select(c.alert_id, c.at_us, c.body).where(c.tenant == tenant))
    for row in found:
        receipt = msgspec.json.decode(decompressor.decompress(row.body))
        nats = dict(zip(receipt["causes"], receipt["evidence"], strict=True))
        yield (
            row.alert_id,
            {
                "risk": receipt["risk"],
                "factor": receipt["factor"],
                "at_us": row.at_us,
                "evidence": {cause: value for cause, value in nats.items() if value > 0},
            },
        )


def _days_without_alert(
    connection: Connection, tenant: str, wanted: set[tuple[str, str, int]]
) -> dict[tuple[str, str, int], float]:
    c = entity_days.c
    columns = (c.entity_kind, c.entity, c.day, func.max(c.risk).label("risk"))
    found: dict[tuple[str, str, int], float] = {}
    for kind, entity, day in sorted(wanted):
        query = select(*columns).where(
            c.tenant == tenant, c.day == day, c.entity_kind == kind, c.entity == entity
        )
        row = connection.execute(query.group_by(c.entity_kind, c.entity, c.day)).first()
        if row is not None:
            found[kind, entity, day] = float(row.risk)
    return found


def _row(
    row: Mapping[Any, Any],
    alert: Mapping[str, Any] | None,
    receipt: Mapping[str, Any] | None,
    golden: Counter[tuple[str, bool]],
    days: Mapping[tuple[str, str, int], float],
    memory: Remembered,
    apart: set[tuple[str, str, int]],
) -> dict[str, Any]:
    nats = dict(receipt["evidence"]) if receipt else dict(memory.evidence.get(row["uid"], {}))
    risk = receipt["risk"] if receipt else alert["risk"] if alert else days.get(_key(row))
    delay = None if alert is None else max(0.0, (row["at_us"] - alert["raised_us"]) / 1e6)
    return {
        "tenant": row["tenant"],
        "uid": row["uid"],
        "subject": row["subject"],
        "entity_kind": row["entity_kind"],
        "entity": row["entity"],
        "day": row["day"],
        "event_uid": row["event_uid"],
        "alert_id": row["alert_id"],
        "verdict_id": row["verdict_id"],
        "reason": row["reason"],
        "analyst": row["actor"],
        "at": row["at_us"],
        "alert_written_at": None if alert is None else alert["raised_us"],
        "delay_seconds": delay,
        "holds": row["reverted_us"] is None,
        "reverted_at": row["reverted_us"],
        "reverted_by": row["reverted_by"],
        "disagrees": _key(row) in apart,
        "golden_agree": golden[row["alert_id"], True] if alert else 0,
        "golden_differ": golden[row["alert_id"], False] if alert else 0,
        "why": alert["why"] if alert else "",
        "risk": risk,
        "factor": receipt["factor"] if receipt else None,
        "evidence_from": "receipt" if receipt else "state" if nats else "",
        "evidence": nats,
    }


# ----------------------------------------------------------------------------------------------------- queues


def queue(
    database: Database, tenant: str, memory: Remembered, history_days: int = HISTORY_DAYS
) -> tuple[list[dict[str, Any]], Queue]:
    """The labels, and what was raised in the last so many days, ready to be queued again."""
    rows = labels(database, tenant, memory)
    judged = {one.key: one for one in lessons(rows)}
    with database.read() as connection:
        raised = _alerts(connection, tenant)
        newest = max((alert["day"] for alert in raised.values()), default=0)
        first = newest - history_days
        shown = {one: alert for one, alert in raised.items() if alert["day"] >= first}
        history = _served(connection, tenant)
        found = []
        for alert_id, receipt in _receipts(connection, tenant):
            if alert_id not in shown:
                continue
            key = _key(shown[alert_id])
            lesson = judged.pop(key, None) or Lesson(*key, None, key[2] + 1, receipt["risk"], {})
            lesson = lesson._replace(risk=receipt["risk"], evidence=receipt["evidence"])
            found.append(_as_now(lesson, _at(history, receipt["at_us"]), memory.weights))
        found += [one for one in judged.values() if one.day >= first]
        others = _others(connection, tenant, found)
    counts = Counter(alert["day"] for alert in shown.values() if alert["why"] != TO_LEARN)
    found.sort(key=lambda one: (one.day, one.key))
    return rows, Queue(found, others, counts, memory.weights)


def _served(connection: Connection, tenant: str) -> list[tuple[int, Weights | None]]:
    """Weights that served, and from which moment on, oldest first."""
    c = audit.c
    query = select(c.at_us, c.detail).where(c.tenant == tenant, c.action == WEIGHTS_SET).order_by(c.number)
    found = []
    for row in connection.execute(query):
        detail = msgspec.json.decode(row.detail)
        weights = weighing.decoded(msgspec.json.encode(detail["weights"])) if detail.get("weights") else None
        found.append((int(row.at_us), weights))
    return found


def _at(history: list[tuple[int, Weights | None]], at_us: int) -> Weights | None:
    before = [weights for since_us, weights in history if since_us <= at_us]
    return before[-1] if before else None


def _as_now(lesson: Lesson, then: Weights | None, now: Weights | None) -> Lesson:
    """Its risk as the present weights would have it."""
    if then == now:
        return lesson
    change = factors(now, [lesson])[0] / factors(then, [lesson])[0]
    return lesson._replace(risk=float(lesson.risk * change))


def _others(connection: Connection, tenant: str, found: list[Lesson]) -> dict[int, np.ndarray]:
    """Risks of entity-days that were not raised, as far as they can matter, by day."""
    if not found:
        return {}
    ours = {one.key for one in found}
    c = entity_days.c
    query = select(c.day, c.entity_kind, c.entity, c.risk).where(
        c.tenant == tenant,
        c.day >= min(one.day for one in found),
        c.risk >= min(one.risk for one in found) / MOST_CHANGE,
    )
    most: dict[int, dict[tuple[str, str], float]] = {}
    for row in connection.execute(query):
        if (row.entity_kind, row.entity, row.day) not in ours:
            of_day = most.setdefault(row.day, {})
            key = row.entity_kind, row.entity
            of_day[key] = max(of_day.get(key, 0.0), float(row.risk))
    return {day: np.array(sorted(of_day.values())) for day, of_day in most.items()}
