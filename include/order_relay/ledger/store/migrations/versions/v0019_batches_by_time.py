"""Indexes for the newest complete answer of a source, and for the newest one with orders.

Revision ID: 0019
Revises: 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, where in (("ix_batch_complete", "complete"), ("ix_batch_orders", "records > 0")):
        op.create_index(
            name,
            "batch",
            ["pipeline", "fetched_at"],
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
