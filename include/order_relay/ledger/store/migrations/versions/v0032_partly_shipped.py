"""An index of the orders of which some lines have left the warehouse.

Revision ID: 0032
Revises: 0031
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from order_relay.ledger.store.migrations.large_tables import LargeTables

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

NAME, COLUMNS = "ix_submission_partly_shipped", ["pipeline", "id"]
PARTLY_SHIPPED = "shipped = 'partly' AND cancelled_at IS NULL"


def prepare(large: LargeTables) -> None:
    large.create_index(NAME, "submission", COLUMNS, where=PARTLY_SHIPPED)


def upgrade() -> None:
    where = sa.text(PARTLY_SHIPPED)
    op.create_index(NAME, "submission", COLUMNS, sqlite_where=where, postgresql_where=where, if_not_exists=True)


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
