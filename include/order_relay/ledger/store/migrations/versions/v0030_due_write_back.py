"""The worklist of write-back, and an index of operators' decisions.

The worklist is filled by the first write-back of each pipeline (``ledger.write_back.due_orders``), which knows its
settings.

Revision ID: 0030
Revises: 0029
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from order_relay.ledger.store.migrations.large_tables import LargeTables

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def prepare(large: LargeTables) -> None:
    large.create_index("ix_settlement_submission", "settlement", ["submission_id"])


def upgrade() -> None:
    op.create_index("ix_settlement_submission", "settlement", ["submission_id"], if_not_exists=True)
    op.add_column("pipeline", sa.Column("feedback_after", sa.Text(), nullable=True))
    op.add_column(
        "pipeline", sa.Column("feedback_unread", sa.BigInteger(), nullable=False, server_default=sa.text("0"))
    )
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "feedback_due",
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("submission_id", key, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["pipeline"], ["pipeline.name"], name="fk_feedback_due_pipeline"),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="fk_feedback_due_submission_id"),
        sa.PrimaryKeyConstraint("pipeline", "submission_id", name="pk_feedback_due"),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
