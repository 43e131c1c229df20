"""Orders that their source listed and whose content it did not give: when they are asked for again.

Revision ID: 0010
Revises: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unread",
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asks", sa.Integer(), nullable=False),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("denials", sa.Integer(), nullable=False),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["pipeline"], ["pipeline.name"], name="fk_unread_pipeline"),
        sa.PrimaryKeyConstraint("pipeline", "source_id", name="pk_unread"),
    )
    # a single 404 used to end the asking: these are asked for again
    op.execute("UPDATE submission SET due_at = changed_at WHERE state = 'waiting' AND reason = 'gate:gone'")


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
