"""Decisions about orders that their source cancelled after the import.

Revision ID: 0027
Revises: 0026
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

UNDECIDED = "source_cancelled_at IS NOT NULL AND cancellation_decided_at IS NULL"


def upgrade() -> None:
    op.add_column("submission", sa.Column("source_reinstated_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("submission", sa.Column("cancellation_decided_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE submission SET cancellation_decided_at = cancelled_at "
        "WHERE source_cancelled_at IS NOT NULL AND cancelled_at IS NOT NULL"
    )
    op.drop_index("ix_submission_source_cancelled", "submission")
    op.create_index(
        "ix_submission_source_cancelled",
        "submission",
        ["pipeline", "id"],
        sqlite_where=sa.text(UNDECIDED),
        postgresql_where=sa.text(UNDECIDED),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
