"""Imports of orders of the past: which orders they read, and how far they got.

Revision ID: 0029
Revises: 0028
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("submission", sa.Column("history", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("submission", sa.Column("history_import", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_submission_history",
        "submission",
        ["history_import", "state", "imported_at"],
        sqlite_where=sa.text("history_import IS NOT NULL"),
        postgresql_where=sa.text("history_import IS NOT NULL"),
    )
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "history_import",
        sa.Column("id", key, autoincrement=True, primary_key=True),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("range_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("range_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["pipeline"], ["pipeline.name"], name="fk_history_import_pipeline"),
        sa.PrimaryKeyConstraint("id", name="pk_history_import"),
    )
    op.create_index("ix_history_import_pipeline", "history_import", ["pipeline", "id"])
    op.create_table(
        "history_slice",
        sa.Column("import_id", key, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("slice_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("slice_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("orders", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["history_import.id"], name="fk_history_slice_import_id"),
        sa.PrimaryKeyConstraint("import_id", "number", name="pk_history_slice"),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
