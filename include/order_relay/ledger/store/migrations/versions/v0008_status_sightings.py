"""When and where status events were seen, what made an order doubtful, and which orders are settled.

Revision ID: 0008
Revises: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NOT_SETTLED = sa.text("NOT settled")


def upgrade() -> None:
    for name in ("listed_at", "first_at", "last_at"):
        op.add_column("status_event", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("status_event", sa.Column("position", sa.Integer(), nullable=True))
    op.add_column("status_order", sa.Column("shown_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("status_order", sa.Column("doubt", sa.Text(), nullable=False, server_default=""))
    op.add_column("status_order", sa.Column("settled", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index(
        "ix_status_order_open",
        "status_order",
        ["account", "read_after"],
        sqlite_where=NOT_SETTLED,
        postgresql_where=NOT_SETTLED,
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
