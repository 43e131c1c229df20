"""What became of imported orders at their destination.

Revision ID: 0026
Revises: 0025
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_oms_status_due": (["pipeline", "due_at"], "due_at IS NOT NULL"),
    "ix_oms_status_open": (["pipeline", "reading", "changed_at"], "due_at IS NOT NULL"),
    "ix_oms_status_unanswered": (["pipeline", "submission_id"], "misses > 0 AND due_at IS NOT NULL"),
    "ix_oms_status_finished": (["pipeline", "finished_at"], "finished_at IS NOT NULL"),
}


def upgrade() -> None:
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    time = sa.DateTime(timezone=True)
    op.add_column("pipeline", sa.Column("oms_to", time, nullable=True))
    op.create_table(
        "oms_status",
        sa.Column("submission_id", key, autoincrement=False, nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("received", sa.Text(), nullable=False),
        sa.Column("reading", sa.Text(), nullable=False),
        sa.Column("cancelled", sa.Text(), nullable=False),
        sa.Column("changed_at", time, nullable=False),
        sa.Column("asked_at", time, nullable=True),
        sa.Column("answered_at", time, nullable=True),
        sa.Column("misses", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("due_at", time, nullable=True),
        sa.Column("notified_at", time, nullable=True),
        sa.Column("finished_at", time, nullable=True),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="fk_oms_status_submission_id"),
        sa.ForeignKeyConstraint(["pipeline"], ["pipeline.name"], name="fk_oms_status_pipeline"),
        sa.PrimaryKeyConstraint("submission_id", name="pk_oms_status"),
    )
    for name, (columns, where) in INDEXES.items():
        op.create_index(name, "oms_status", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
