"""Alembic's entry: runs the migrations on the connection that `serving.store.database` hands over."""

from __future__ import annotations

from alembic import context

from serving.store.tables import metadata

# Migrations run inside the opening process only, on its own connection and in its transaction; there is no
# alembic.ini and no command line to get a URL wrong with.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
