"""Write-back to a source: capped steps, orders cancelled at the source, and offline orders with their own watermark.

Revision ID: 0016
Revises: 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

CANCELLED = "source_cancelled_at IS NOT NULL"
FAILED = "state = 'failed'"


def upgrade() -> None:
    op.add_column("submission", sa.Column("source_cancelled_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_submission_source_cancelled",
        "submission",
        ["pipeline", "id"],
        sqlite_where=sa.text(CANCELLED),
        postgresql_where=sa.text(CANCELLED),
    )
    op.add_column("feedback", sa.Column("refusals", sa.Integer(), nullable=False, server_default="0"))
    op.create_index(
        "ix_feedback_failed",
        "feedback",
        ["submission_id"],
        sqlite_where=sa.text(FAILED),
        postgresql_where=sa.text(FAILED),
    )
    op.add_column("pipeline", sa.Column("offline_to", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "offline_mark",
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["pipeline"], ["pipeline.name"], name="fk_offline_mark_pipeline"),
        sa.PrimaryKeyConstraint("pipeline", "source_id", name="pk_offline_mark"),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
