"""Alembic's door: it runs this file with its context set. The connection, already in a transaction, comes from
`migrate.py`.
"""

from __future__ import annotations

from alembic import context

from interlock.adapters.store.tables import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
