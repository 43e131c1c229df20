"""Clocks and limits that belong to the order, and what the destination said beside an order id.

Revision ID: 0009
Revises: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

REMARKED = "remark <> ''"


def upgrade() -> None:
    op.add_column("submission", sa.Column("first_sent_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("submission", sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("submission", sa.Column("absences", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("attempt", sa.Column("remark", sa.Text(), nullable=False, server_default=""))
    op.create_index(
        "ix_attempt_remark", "attempt", ["run"], sqlite_where=sa.text(REMARKED), postgresql_where=sa.text(REMARKED)
    )
    # Only what may still be sent or looked up needs its clock; settled orders, the large part, are left alone.
    op.execute(
        "UPDATE submission SET first_sent_at = (SELECT min(attempt.sent_at) FROM attempt "
        "WHERE attempt.submission_id = submission.id) "
        "WHERE state IN ('ready', 'sending', 'in_doubt', 'rejected') AND attempt > 0"
    )
    op.execute("UPDATE submission SET waiting_since = changed_at WHERE state = 'waiting'")


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
