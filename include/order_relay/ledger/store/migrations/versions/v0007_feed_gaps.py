"""Gaps of the order feed: orders that it has to leave out until they can be rendered.

Revision ID: 0007
Revises: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
OPEN = "mended_at IS NULL"


def upgrade() -> None:
    op.create_table(
        "feed_gap",
        sa.Column("id", BigKey, autoincrement=True, nullable=False),
        sa.Column("submission_id", BigKey, nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="fk_feed_gap_submission_id"),
        sa.PrimaryKeyConstraint("id", name="pk_feed_gap"),
    )
    op.create_index(
        "uq_feed_gap_open",
        "feed_gap",
        ["submission_id"],
        unique=True,
        sqlite_where=sa.text(OPEN),
        postgresql_where=sa.text(OPEN),
    )
    op.create_index("ix_feed_gap_submission", "feed_gap", ["submission_id", "id"])
    op.create_index("ix_feed_gap_mended_at", "feed_gap", ["mended_at", "submission_id"])


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
