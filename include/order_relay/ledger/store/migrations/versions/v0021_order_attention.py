"""Who looks after an order that needs attention; indexes for what operators resolved and what statuses ask.

Revision ID: 0021
Revises: 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

LEFT_OPERATOR = "from_state IN ('quarantined', 'rejected', 'held', 'in_doubt')"
ASKED = "asks <> ''"


def upgrade() -> None:
    op.create_table(
        "order_attention",
        sa.Column("submission_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("assignee", sa.Text(), nullable=False),
        sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_content", sa.Text(), nullable=False),
        sa.Column("seen_offered", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="fk_order_attention_submission_id"),
        sa.PrimaryKeyConstraint("submission_id", name="pk_order_attention"),
    )
    for name, table, columns, where in (
        ("ix_event_resolved", "event", ["at", "id"], LEFT_OPERATOR),
        ("ix_status_order_asked", "status_order", ["submission_id"], ASKED),
    ):
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
