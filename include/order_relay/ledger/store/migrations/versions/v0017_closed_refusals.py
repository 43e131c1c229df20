"""Refused status records can be closed: by whom, when and why.

Revision ID: 0017
Revises: 0016
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

OPEN = "closed_at IS NULL"


def upgrade() -> None:
    op.add_column("status_refusal", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("status_refusal", sa.Column("closed_by", sa.Text(), nullable=False, server_default=""))
    op.add_column("status_refusal", sa.Column("closed_why", sa.Text(), nullable=False, server_default=""))
    op.create_index(
        "ix_status_refusal_open",
        "status_refusal",
        ["account", "place"],
        sqlite_where=sa.text(OPEN),
        postgresql_where=sa.text(OPEN),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
