"""What a scoring run writes: events, entity-days, quarantine and ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from features.behaviours import COLUMN
from models.explain import reason
from models.strongest import strongest
from serving.texts import coded_texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from features.baselines import Baselines
    from features.columns import Batch
    from features.reader import Quarantined
    from models.channels import Channel
    from models.engine import Scores
    from serving.replay import Ledger

TENANT = "default"
FORMATS = ("parquet", "csv", "ndjson")

EVENT_SCHEMA = pa.schema(
    [
        ("event_uid", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("tenant", pa.string()),
        ("class_uid", pa.int32()),
        ("user", pa.string()),
        ("host", pa.string()),
        ("src_ip", pa.string()),
        ("risk", pa.float64()),
        ("evidence", pa.float64()),
        ("p_value", pa.float64()),
        ("top_channel", pa.string()),
        ("reason", pa.string()),
        ("model", pa.string()),
    ]
)
ENTITY_DAY_SCHEMA = pa.schema(
    [
        ("tenant", pa.string()),
        ("entity_kind", pa.string()),
        ("entity", pa.string()),
        ("day", pa.date32()),
        ("risk", pa.float64()),
        ("alert", pa.bool_()),
        ("n_events", pa.int64()),
        ("reasons", pa.list_(pa.string())),
        ("alerted_at", pa.timestamp("us", tz="UTC")),
        ("entity_risk", pa.float64()),
        ("rarity", pa.float64()),
    ]
)


class TableWriter:
    """Writes tables of one schema to one file as Parquet, CSV or NDJSON, part by part.

    CSV has no lists: they are joined by " | ". Times are ISO 8601 in UTC in every format.
    """

    def __init__(self, path: Path, schema: pa.Schema, format_: str) -> None:
        self._format = format_
        self._file = path.open("wb")
        if format_ == "parquet":
            self._parquet = parquet.ParquetWriter(self._file, schema, compression="zstd")
        elif format_ == "csv":
            flat = pa.schema([(f.name, pa.string() if _is_text(f.type) else f.type) for f in schema])
            self._csv = csv.CSVWriter(self._file, flat)
            self._flat = flat

    def write(self, table: pa.Table) -> None:
        """Append rows."""
        if self._format == "parquet":
            self._parquet.write_table(table)
        elif self._format == "csv":
            self._csv.write_table(_flattened(table, self._flat))
        else:
            encoder = msgspec.json.Encoder()
            self._file.write(encoder.encode_lines([_plain(row) for row in table.to_pylist()]))

    def close(self) -> None:
        """Finish the file."""
        if self._format == "parquet":
            self._parquet.close()
        elif self._format == "csv":
            self._csv.close()
        self._file.close()

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_timestamp(kind))


def _flattened(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = []
    for column in table.columns:
        if pa.types.is_list(column.type):
            columns.append(pa.array([" | ".join(items) for items in column.to_pylist()], pa.string()))
        elif pa.types.is_timestamp(column.type):
            texts = [None if moment is None else _iso(moment) for moment in column.to_pylist()]
            columns.append(pa.array(texts, pa.string()))
        else:
            columns.append(column)
    return pa.table(columns, schema=schema)


def _iso(moment: Any) -> str:
    return str(moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("time", "alerted_at"):
        if row.get(name) is not None:
            row[name] = _iso(row[name])
    if "day" in row:
        row["day"] = row["day"].isoformat()
    return row


class ScoredRows(NamedTuple):
    """Scored events before they are a table: making one for every event would cost more than scoring it.

    uids, reasons: n texts. user, host, src_ip: int32 (n,) value ids, good until ids are given anew.
    The others as in EVENT_SCHEMA; top is the channel's number, -1 for none.
    """

    uids: list[str]
    time_us: np.ndarray
    class_uid: np.ndarray
    user: np.ndarray
    host: np.ndarray
    src_ip: np.ndarray
    risk: np.ndarray
    evidence: np.ndarray
    p_value: np.ndarray
    top: np.ndarray
    reasons: list[str]

    def __len__(self) -> int:
        return len(self.time_us)


def scored_rows(
    baselines: Baselines, channels: tuple[Channel, ...], batch: Batch, uids: list[str], scores: Scores
) -> ScoredRows:
    """Rows of a batch that was scored just now: reasons say what the baselines know at this moment."""
    return ScoredRows(
        uids,
        batch.time_us,
        batch.class_uid,
        batch.columns[:, COLUMN["user"]].copy(),
        batch.columns[:, COLUMN["host"]].copy(),
        batch.src_ip,
        scores.risk,
        scores.evidence,
        scores.p_value,
        scores.top,
        _reasons(baselines, channels, scores, len(batch.time_us)),
    )


def _reasons(baselines: Baselines, channels: tuple[Channel, ...], scores: Scores, n: int) -> list[str]:
    details = scores.details
    reasons = [""] * n
    for index in strongest(details.nats, details.row).tolist():
        reasons[details.row[index]] = reason(
            baselines,
            channels[int(details.behaviour[index])],
            int(details.entity[index]),
            int(details.value[index]),
            float(details.nats[index]),
            details.counts[index],
        )
    return reasons


def table_of_rows(
    baselines: Baselines,
    channels: tuple[Channel, ...],
    tenant: str,
    parts: Sequence[ScoredRows],
    model: str = "",
) -> pa.Table:
    """One row an event, in the order of the parts (see EVENT_SCHEMA).

    parts: at least one. model: what scored them, see `serving.following.orders.Mark.short`.
    """

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    top = column("top")
    names = pa.array([channel.name for channel in channels] + [""], pa.string())
    return pa.table(
        [
            pa.array([uid for part in parts for uid in part.uids], pa.string()),
            pa.array(column("time_us"), pa.int64()).cast(pa.timestamp("us", tz="UTC")),
            pa.repeat(tenant, len(top)),
            pa.array(column("class_uid"), pa.int32()),
            _texts(baselines, column("user")),
            _texts(baselines, column("host")),
            _texts(baselines, column("src_ip")),
            pa.array(column("risk")),
            pa.array(column("evidence")),
            pa.array(column("p_value")),
            names.take(pa.array(np.where(top < 0, len(channels), top))),
            pa.array([text for part in parts for text in part.reasons], pa.string()),
            pa.repeat(model, len(top)),
        ],
        schema=EVENT_SCHEMA,
    )


def event_table(
    baselines: Baselines,
    channels: tuple[Channel, ...],
    tenant: str,
    batch: Batch,
    uids: list[str],
    scores: Scores,
) -> pa.Table:
    """One row an event, in the batch's order (see EVENT_SCHEMA)."""
    rows = scored_rows(baselines, channels, batch, uids, scores)
    return table_of_rows(baselines, channels, tenant, [rows])


def _texts(baselines: Baselines, ids: np.ndarray) -> pa.Array:
    coded = coded_texts(baselines.values, ids)
    return coded.dictionary.take(coded.indices)


def quarantine_line(record: Quarantined) -> bytes:
    r"""One quarantined record as a JSON line; bytes that are no UTF-8 are written as \\xNN."""
    return (
        msgspec.json.encode(
            {
                "file": record.file,
                "record": record.record,
                "reason": record.reason,
                "raw": record.raw.decode("utf-8", "backslashreplace"),
            }
        )
        + b"\n"
    )


class Folder:
    """The output folder of one scoring run: events.*, entity_days.*, quarantine.ndjson, ledger.json.

    Parameters
    ----------
    path
        Made when missing; files of an earlier run are replaced.
    format_
        One of FORMATS.
    baselines
        Gives ids their text.
    channels
        The detector's, by number.
    """

    def __init__(
        self,
        path: Path,
        format_: str,
        baselines: Baselines,
        channels: tuple[Channel, ...],
        tenant: str = TENANT,
    ) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._format = format_
        self._baselines = baselines
        self._channels = channels
        self._tenant = tenant
        self._quarantine = (path / "quarantine.ndjson").open("wb")
        self._events = TableWriter(path / f"events.{format_}", EVENT_SCHEMA, format_)

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self._events.close()
        self._quarantine.close()

    def put_aside(self, record: Quarantined) -> None:
        """Write one quarantined record."""
        self._quarantine.write(quarantine_line(record))

    def add(self, batch: Batch, uids: list[str], scores: Scores) -> None:
        """Write one scored batch."""
        self._events.write(event_table(self._baselines, self._channels, self._tenant, batch, uids, scores))

    def finish(self, frame: pd.DataFrame, ledger: Ledger) -> None:
        """Write the entity-days (see `models.days.DayBook.frame`) and the ledger."""
        table = pa.Table.from_pandas(frame, schema=ENTITY_DAY_SCHEMA, preserve_index=False)
        with TableWriter(self._path / f"entity_days.{self._format}", ENTITY_DAY_SCHEMA, self._format) as days:
            days.write(table)
        text = msgspec.json.format(msgspec.json.encode(ledger), indent=2)
        (self._path / "ledger.json").write_bytes(text)
