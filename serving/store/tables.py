"""The tables, as SQLAlchemy knows them. What a data directory holds is made by the migrations alone.

Moments are int64 microseconds since 1970-01-01 UTC (`*_us`), days are int32 days since then. Every row that
belongs to a tenant names it, and every query gives one.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# SQLite gives only a column of the exact type INTEGER the speed of its row id.
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")

tenants = Table(
    "tenants",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("created_us", BigInteger, nullable=False),
    # secret seed of the deduplication keys: drawn once, so that a replay from nothing gives the same state
    Column("key_seed", BigInteger, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the secret
    Column("created_us", BigInteger, nullable=False),
    Column("revoked_us", BigInteger),
)

journal = Table(
    "journal",
    metadata,
    Column("seq", _ROW_ID, primary_key=True, autoincrement=False),
    Column("commit_no", BigInteger, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Column("events", Integer, nullable=False),
    Column("size", Integer, nullable=False),  # bytes of the body before compression
    Column("body", LargeBinary, nullable=False),  # one zstd frame, with its checksum
    Column("ids", LargeBinary),  # the client's ids as JSON in one zstd frame
)

faults = Table(
    "faults",
    metadata,
    Column("seq", _ROW_ID, primary_key=True, autoincrement=False),
    Column("commit_no", BigInteger, nullable=False),
    Column("tenant", Text, nullable=False),
    # "": applied on its own, because its group failed; else why it is left out
    Column("reason", Text, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("record", Integer, primary_key=True),
    Column("received_us", BigInteger, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
)

entity_days = Table(
    "entity_days",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("entity_kind", Text, primary_key=True),
    Column("entity", Text, primary_key=True),
    # the day that was open when this part was closed: later than `day` for what arrived late
    Column("closed_on", Integer, primary_key=True),
    Column("risk", Float(53), nullable=False),
    Column("alert", Boolean, nullable=False),
    Column("n_events", BigInteger, nullable=False),
    Column("reasons", Text, nullable=False),  # JSON list of text
    Column("alerted_us", BigInteger),  # event time at which it was raised
    Column("entity_risk", Float(53)),
)

alerts = Table(
    "alerts",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("alert_id", Text, primary_key=True),
    Column("entity_kind", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("risk", Float(53), nullable=False),
    Column("n_events", BigInteger, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("raised_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),  # the journal's position it was raised at
    Column("alerted_us", BigInteger),
    Column("entity_risk", Float(53)),
    UniqueConstraint("tenant", "entity_kind", "entity", "day", name="one_alert_an_entity_day"),
    Index("alerts_by_day", "tenant", "day"),
)

audit = Table(
    "audit",
    metadata,
    Column("number", _ROW_ID, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),  # JSON object
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
