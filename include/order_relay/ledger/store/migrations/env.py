"""Run by Alembic: uses the connection that ``order_relay.ledger.store.migrate`` opened, and its transaction."""

from __future__ import annotations

from alembic import context

from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.migrate import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
