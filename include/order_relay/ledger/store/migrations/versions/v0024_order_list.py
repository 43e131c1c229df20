"""Indexes for the list of orders and for tracking numbers, and the table of saved views.

Reads every order once; meanwhile nothing is written to the orders. See "Upgrade" in docs/operations.md.

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_submission_state", "submission")
    op.create_index("ix_submission_state", "submission", ["pipeline", "state", "changed_at", "id", "reason"])
    op.create_index("ix_submission_received", "submission", ["pipeline", "first_offered_at", "id"])
    op.create_index("ix_shipment_tracking", "shipment", [sa.text("upper(replace(tracking_number, ' ', ''))")])
    op.create_table(
        "saved_view",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, primary_key=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_saved_view"),
        sa.UniqueConstraint("who", "name", name="uq_saved_view_name"),
    )
    op.create_index(
        "ix_saved_view_shared",
        "saved_view",
        ["name"],
        sqlite_where=sa.text("shared"),
        postgresql_where=sa.text("shared"),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
