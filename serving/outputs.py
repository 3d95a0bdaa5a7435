"""What a scoring run writes: events, entity-days, quarantine and ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from features.behaviours import COLUMN
from models.explain import reason
from models.strongest import strongest

if TYPE_CHECKING:
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


def event_table(
    baselines: Baselines,
    channels: tuple[Channel, ...],
    tenant: str,
    batch: Batch,
    uids: list[str],
    scores: Scores,
) -> pa.Table:
    """One row an event, in the batch's order (see EVENT_SCHEMA)."""
    n = len(batch.time_us)
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
    names = np.array([channel.name for channel in channels] + [""], object)
    return pa.table(
        [
            pa.array(uids, pa.string()),
            pa.array(batch.time_us, pa.int64()).cast(pa.timestamp("us", tz="UTC")),
            pa.repeat(tenant, n),
            pa.array(batch.class_uid, pa.int32()),
            _texts(baselines, batch.columns[:, COLUMN["user"]]),
            _texts(baselines, batch.columns[:, COLUMN["host"]]),
            _texts(baselines, batch.src_ip),
            pa.array(scores.risk),
            pa.array(scores.evidence),
            pa.array(scores.p_value),
            pa.array(names[scores.top], pa.string()),
            pa.array(reasons, pa.string()),
        ],
        schema=EVENT_SCHEMA,
    )


def _texts(baselines: Baselines, ids: np.ndarray) -> pa.Array:
    distinct, index = np.unique(ids, return_inverse=True)
    return pa.array(baselines.values.many(distinct), pa.string()).take(pa.array(index))


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
