"""How rare an entity-day was, beside its risk."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column to the entity-days; what was closed before has none."""
    op.add_column("entity_days", sa.Column("rarity", sa.Float(53)))


def downgrade() -> None:
    """A journal is not taken apart: restore a back-up instead."""
    raise NotImplementedError("habitus does not migrate backwards; restore a back-up of the data directory")
