"""Actions of operators beside the transitions of orders.

Revision ID: 0020
Revises: 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

GENERAL = "submission_id IS NULL"


def upgrade() -> None:
    op.create_table(
        "operator_action",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, primary_key=True),
        sa.Column("submission_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="fk_operator_action_submission_id"),
        sa.PrimaryKeyConstraint("id", name="pk_operator_action"),
    )
    op.create_index("ix_operator_action_submission", "operator_action", ["submission_id", "id"])
    op.create_index(
        "ix_operator_action_general",
        "operator_action",
        ["action", "id"],
        sqlite_where=sa.text(GENERAL),
        postgresql_where=sa.text(GENERAL),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
