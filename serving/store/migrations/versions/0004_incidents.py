"""Incidents, what disagrees about an alert and why it was raised, and answers to settled alerts."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _whole(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def upgrade() -> None:
    """Add columns to the alerts, and the tables of incidents."""
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("incident_id", sa.Text, nullable=False, server_default=""),
        sa.Column("disagrees", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("why", sa.Text, nullable=False, server_default=""),
    )
    for column in columns:
        op.add_column("alerts", column)
    op.create_table(
        "incidents",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("incident_id", sa.Text, primary_key=True),
        *_whole("revision", "opened_us", "updated_us", "first_us", "last_us"),
        sa.Column("risk", sa.Float(53), nullable=False),
        sa.Column("severity_id", sa.SmallInteger, nullable=False),
        *_text("title"),
        sa.Column("active", sa.Boolean, nullable=False),
        *_text("closed_for"),
        sa.Column("merged_into", sa.Text, nullable=False, server_default=""),
        sa.Column("alerts", sa.Integer, nullable=False),
        *_whole("events"),
        *_text("entities", "techniques"),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="new"),
        sa.Column("assignee", sa.Text, nullable=False, server_default=""),
        sa.Column("verdict_id", sa.SmallInteger),
        sa.Column("told", sa.SmallInteger, nullable=False, server_default="0"),
    )
    op.create_index("incidents_by_time", "incidents", ["tenant", "last_us"])
    op.create_index("incidents_by_state", "incidents", ["tenant", "state", "last_us"])
    op.create_table(
        "incident_alerts",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("alert_id", sa.Text, primary_key=True),
        *_text("incident_id", "entity_kind", "entity"),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("risk", sa.Float(53), nullable=False),
    )
    op.create_index("alerts_of_incident", "incident_alerts", ["tenant", "incident_id"])
    op.create_table(
        "golden_answers",
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("alert_id", sa.Text, primary_key=True),
        sa.Column("actor", sa.Text, primary_key=True),
        sa.Column("verdict_id", sa.SmallInteger, nullable=False),
        sa.Column("settled_id", sa.SmallInteger, nullable=False),
        *_whole("at_us"),
    )
    op.create_index("golden_by_time", "golden_answers", ["tenant", "at_us"])


def downgrade() -> None:
    """A journal is not taken apart: restore a back-up instead."""
    raise NotImplementedError("habitus does not migrate backwards; restore a back-up of the data directory")
