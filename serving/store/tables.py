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
    false,
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

accounts = Table(
    "accounts",
    metadata,
    Column("login", Text, primary_key=True),  # names one person in all tenants: it decides the tenant
    Column("tenant", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("password", Text, nullable=False),  # argon2id; "" for who signs in elsewhere
    Column("must_change", Boolean, nullable=False),
    Column("subject", Text, unique=True),  # who it is at the OpenID provider: issuer and sub
    Column("totp_secret", LargeBinary),
    Column("totp_waiting", LargeBinary),  # shown, and not confirmed by a code yet
    Column("totp_step", BigInteger, nullable=False, server_default="0"),  # of the last code: none works twice
    Column("created_us", BigInteger, nullable=False),
    Column("disabled_us", BigInteger),
    Index("accounts_by_tenant", "tenant", "login"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # SHA-256 of the cookie's token
    Column("login", Text, nullable=False),
    Column("via", Text, nullable=False),  # password or oidc
    Column("created_us", BigInteger, nullable=False),
    Column("used_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("pseudonymous", Boolean, nullable=False),
    Index("sessions_by_login", "login"),
    Index("sessions_by_end", "expires_us"),
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
    Column("rarity", Float(53)),
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
    # what people did about it, see `serving.triage`
    Column("state", Text, nullable=False, server_default="new"),
    Column("assignee", Text, nullable=False, server_default=""),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("verdict_id", SmallInteger),  # OCSF; of the newest verdict that was not reverted
    Column("channel", Text, nullable=False, server_default=""),  # that says most of it
    Column("first_us", BigInteger),  # event time of the first finding behind it
    Column("acknowledged_us", BigInteger),
    Column("contained_us", BigInteger),
    Column("closed_us", BigInteger),
    Column("incident_id", Text, nullable=False, server_default=""),
    Column("disagrees", Boolean, nullable=False, server_default=false()),  # opinions that hold contradict
    Column("why", Text, nullable=False, server_default=""),  # it was raised, if not for its risk
    UniqueConstraint("tenant", "entity_kind", "entity", "day", name="one_alert_an_entity_day"),
    Index("alerts_by_day", "tenant", "day"),
    Index("alerts_by_state", "tenant", "state", "day"),
    Index("alerts_by_change", "tenant", "updated_us"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("incident_id", Text, primary_key=True),
    # what the state told last, see `serving.incidents.keeping.Told`
    Column("revision", BigInteger, nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("first_us", BigInteger, nullable=False),
    Column("last_us", BigInteger, nullable=False),
    Column("risk", Float(53), nullable=False),
    Column("severity_id", SmallInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("active", Boolean, nullable=False),  # takes in alerts
    Column("closed_for", Text, nullable=False),
    Column("merged_into", Text, nullable=False, server_default=""),
    Column("alerts", Integer, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("entities", Text, nullable=False),  # JSON list of kind:name, the riskiest first
    Column("techniques", Text, nullable=False),  # JSON list of ATT&CK ids
    Column("body", LargeBinary, nullable=False),  # JSON in one zstd frame: description and ties
    # from the rows of its alerts, see `serving.incidents.rows.follow`
    Column("state", Text, nullable=False, server_default="new"),
    Column("assignee", Text, nullable=False, server_default=""),
    Column("verdict_id", SmallInteger),
    Column("told", SmallInteger, nullable=False, server_default="0"),  # highest severity_id in a message
    Index("incidents_by_time", "tenant", "last_us"),
    Index("incidents_by_state", "tenant", "state", "last_us"),
)

incident_alerts = Table(
    "incident_alerts",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("alert_id", Text, primary_key=True),
    Column("incident_id", Text, nullable=False),
    Column("entity_kind", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("risk", Float(53), nullable=False),
    Index("alerts_of_incident", "tenant", "incident_id"),
)

golden_answers = Table(
    "golden_answers",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("alert_id", Text, primary_key=True),
    Column("actor", Text, primary_key=True),
    Column("verdict_id", SmallInteger, nullable=False),  # OCSF; what was answered
    Column("settled_id", SmallInteger, nullable=False),  # what had been settled
    Column("at_us", BigInteger, nullable=False),
    Index("golden_by_time", "tenant", "at_us"),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("uid", Text, primary_key=True),
    Column("subject", Text, nullable=False),  # alert, event or entity_day
    Column("event_uid", Text, nullable=False),  # "" unless the subject is an event
    Column("alert_id", Text, nullable=False),  # "" for an entity-day that raised no alert
    Column("entity_kind", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("verdict_id", SmallInteger, nullable=False),  # OCSF
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("reverted_us", BigInteger),
    Column("reverted_by", Text),
    Index("verdicts_by_alert", "tenant", "alert_id"),
    Index("verdicts_by_entity_day", "tenant", "entity_kind", "entity", "day"),
    Index("verdicts_by_time", "tenant", "at_us"),
)

exceptions = Table(
    "exceptions",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("uid", Text, primary_key=True),
    Column("body", Text, nullable=False),  # JSON, see `models.feedback.exemptions.Exemption`
    Column("reason", Text, nullable=False),
    Column("wide", Boolean, nullable=False),
    Column("state", Text, nullable=False),  # proposed, holds, lifted
    Column("until_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("approved_by", Text),
    Column("approved_us", BigInteger),
    Column("lifted_by", Text),
    Column("lifted_us", BigInteger),
    Index("exceptions_by_time", "tenant", "at_us"),
)

alert_history = Table(
    "alert_history",
    metadata,
    Column("number", _ROW_ID, primary_key=True, autoincrement=True),
    Column("tenant", Text, nullable=False),
    Column("alert_id", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("what", Text, nullable=False),  # state, assignee, note, verdict, revert
    Column("old", Text, nullable=False),
    Column("new", Text, nullable=False),
    Index("history_of_alert", "tenant", "alert_id", "number"),
    Index("history_by_time", "tenant", "at_us"),
)

requests = Table(
    "requests",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of who asked for what
    Column("answer", Text, nullable=False),  # JSON
    Index("requests_by_time", "at_us"),
)

views = Table(
    "views",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("query", Text, nullable=False),  # of GET /v1/alerts
    Column("actor", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

receipts = Table(
    "receipts",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("alert_id", Text, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),  # JSON in one zstd frame
)

channels = Table(
    "channels",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("channel_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # webhook, syslog or apprise
    Column("label", Text, nullable=False),
    Column("target", Text, nullable=False),  # JSON object; holds secrets
    Column("rules", Text, nullable=False),  # JSON object: what is sent, and when
    Column("created_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("removed_us", BigInteger),
)

outbox = Table(
    "outbox",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("message_key", Text, primary_key=True),
    Column("channel_id", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),  # JSON object
    Column("severity_id", SmallInteger, nullable=False),
    # what is sent in one piece has one key: a message's own, or a digest's
    Column("parcel", Text),
    Column("attempts", Integer, nullable=False),
    Column("next_us", BigInteger, nullable=False),
    Column("done_us", BigInteger),
    Column("dead_us", BigInteger),
    Column("error", Text, nullable=False),
    Index("outbox_due", "done_us", "dead_us", "next_us"),
    Index("outbox_of_channel", "tenant", "channel_id", "created_us"),
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
