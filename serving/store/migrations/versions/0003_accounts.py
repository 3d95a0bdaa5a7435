"""People who sign in to the console: accounts, their sessions, and what an open page asks for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    """Add the two tables."""
    op.create_table(
        "accounts",
        sa.Column("login", sa.Text, primary_key=True),
        *_text("tenant", "role", "name", "password"),
        sa.Column("must_change", sa.Boolean, nullable=False),
        sa.Column("subject", sa.Text, unique=True),
        sa.Column("totp_secret", sa.LargeBinary),
        sa.Column("totp_waiting", sa.LargeBinary),
        sa.Column("totp_step", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("disabled_us", sa.BigInteger),
    )
    op.create_index("accounts_by_tenant", "accounts", ["tenant", "login"])
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        *_text("login", "via"),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("used_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.Column("pseudonymous", sa.Boolean, nullable=False),
    )
    # an open page asks every second what has changed
    op.create_index("alerts_by_change", "alerts", ["tenant", "updated_us"])
    op.create_index("sessions_by_login", "sessions", ["login"])
    op.create_index("sessions_by_end", "sessions", ["expires_us"])


def downgrade() -> None:
    """A journal is not taken apart: restore a back-up instead."""
    raise NotImplementedError("habitus does not migrate backwards; restore a back-up of the data directory")
