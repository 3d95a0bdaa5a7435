"""Alerts that people work on: verdicts, states, history, receipts, notifications."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    """Add columns to the alerts, and the tables beside them."""
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("state", sa.Text, nullable=False, server_default="new"),
        sa.Column("assignee", sa.Text, nullable=False, server_default=""),
        sa.Column("version", sa.Integer, nullable=False, server_default="0"),
        sa.Column("verdict_id", sa.SmallInteger),
        sa.Column("channel", sa.Text, nullable=False, server_default=""),
        *(
            sa.Column(name, sa.BigInteger)
            for name in ("first_us", "acknowledged_us", "contained_us", "closed_us")
        ),
    )
    for column in columns:
        op.add_column("alerts", column)
    op.create_index("alerts_by_state", "alerts", ["tenant", "state", "day"])
    op.create_table(
        "verdicts",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("uid", sa.Text, primary_key=True),
        *_text("subject", "event_uid", "alert_id", "entity_kind", "entity"),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("verdict_id", sa.SmallInteger, nullable=False),
        *_text("reason", "actor"),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("reverted_us", sa.BigInteger),
        sa.Column("reverted_by", sa.Text),
    )
    op.create_index("verdicts_by_alert", "verdicts", ["tenant", "alert_id"])
    op.create_index("verdicts_by_entity_day", "verdicts", ["tenant", "entity_kind", "entity", "day"])
    op.create_index("verdicts_by_time", "verdicts", ["tenant", "at_us"])
    op.create_table(
        "exceptions",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("uid", sa.Text, primary_key=True),
        *_text("body", "reason"),
        sa.Column("wide", sa.Boolean, nullable=False),
        *_text("state"),
        sa.Column("until_us", sa.BigInteger, nullable=False),
        *_text("actor"),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("approved_by", sa.Text),
        sa.Column("approved_us", sa.BigInteger),
        sa.Column("lifted_by", sa.Text),
        sa.Column("lifted_us", sa.BigInteger),
    )
    op.create_index("exceptions_by_time", "exceptions", ["tenant", "at_us"])
    op.create_table(
        "alert_history",
        sa.Column("number", _ROW_ID, primary_key=True, autoincrement=True),
        *_text("tenant", "alert_id"),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        *_text("actor", "what", "old", "new"),
    )
    op.create_index("history_of_alert", "alert_history", ["tenant", "alert_id", "number"])
    op.create_index("history_by_time", "alert_history", ["tenant", "at_us"])
    op.create_table(
        "requests",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("idempotency_key", sa.Text, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        *_text("answer"),
    )
    op.create_index("requests_by_time", "requests", ["at_us"])
    op.create_table(
        "views",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        *_text("query", "actor"),
        sa.Column("at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "receipts",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("alert_id", sa.Text, primary_key=True),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "channels",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("channel_id", sa.Text, primary_key=True),
        *_text("kind", "label", "target", "rules"),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        *_text("actor"),
        sa.Column("removed_us", sa.BigInteger),
    )
    op.create_table(
        "outbox",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("message_key", sa.Text, primary_key=True),
        *_text("channel_id"),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        *_text("payload"),
        sa.Column("severity_id", sa.SmallInteger, nullable=False),
        sa.Column("parcel", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_us", sa.BigInteger, nullable=False),
        sa.Column("done_us", sa.BigInteger),
        sa.Column("dead_us", sa.BigInteger),
        *_text("error"),
    )
    op.create_index("outbox_due", "outbox", ["done_us", "dead_us", "next_us"])
    op.create_index("outbox_of_channel", "outbox", ["tenant", "channel_id", "created_us"])


def downgrade() -> None:
    """A journal is not taken apart: restore a back-up instead."""
    raise NotImplementedError("habitus does not migrate backwards; restore a back-up of the data directory")
