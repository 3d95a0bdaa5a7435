"""Journal, tenants, keys, quarantine, entity-days, alerts and the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "tenants",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("key_seed", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("revoked_us", sa.BigInteger),
    )
    op.create_table(
        "journal",
        sa.Column("seq", _ROW_ID, primary_key=True, autoincrement=False),
        sa.Column("commit_no", sa.BigInteger, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("received_us", sa.BigInteger, nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("ids", sa.LargeBinary),
    )
    op.create_table(
        "faults",
        sa.Column("seq", _ROW_ID, primary_key=True, autoincrement=False),
        sa.Column("commit_no", sa.BigInteger, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "quarantine",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("record", sa.Integer, primary_key=True),
        sa.Column("received_us", sa.BigInteger, nullable=False),
        sa.Column("protocol", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "entity_days",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True),
        sa.Column("entity_kind", sa.Text, primary_key=True),
        sa.Column("entity", sa.Text, primary_key=True),
        sa.Column("closed_on", sa.Integer, primary_key=True),
        sa.Column("risk", sa.Float(53), nullable=False),
        sa.Column("alert", sa.Boolean, nullable=False),
        sa.Column("n_events", sa.BigInteger, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("alerted_us", sa.BigInteger),
        sa.Column("entity_risk", sa.Float(53)),
    )
    op.create_table(
        "alerts",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("alert_id", sa.Text, primary_key=True),
        sa.Column("entity_kind", sa.Text, nullable=False),
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("risk", sa.Float(53), nullable=False),
        sa.Column("n_events", sa.BigInteger, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("raised_us", sa.BigInteger, nullable=False),
        sa.Column("updated_us", sa.BigInteger, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("alerted_us", sa.BigInteger),
        sa.Column("entity_risk", sa.Float(53)),
        sa.UniqueConstraint("tenant", "entity_kind", "entity", "day", name="one_alert_an_entity_day"),
    )
    op.create_index("alerts_by_day", "alerts", ["tenant", "day"])
    op.create_table(
        "audit",
        sa.Column("number", _ROW_ID, primary_key=True, autoincrement=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """A journal is not taken apart: restore a back-up instead."""
    raise NotImplementedError("habitus does not migrate backwards; restore a back-up of the data directory")
