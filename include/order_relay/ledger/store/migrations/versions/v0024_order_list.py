"""Indexes for the list of orders and for tracking numbers, and the table of saved views.

On PostgreSQL, the indexes of orders and parcels are built beside running tasks.

Revision ID: 0024
Revises: 0023
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from order_relay.ledger.store.migrations.large_tables import LargeTables, has_index

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


BY_STATE = ["pipeline", "state", "changed_at", "id", "reason"]
RECEIVED = ["pipeline", "first_offered_at", "id"]
TRACKING = "upper(replace(tracking_number, ' ', ''))"


def prepare(large: LargeTables) -> None:
    large.create_index("ix_submission_state_new", "submission", BY_STATE)
    large.create_index("ix_submission_received", "submission", RECEIVED)
    large.create_index("ix_shipment_tracking", "shipment", [TRACKING])


def upgrade() -> None:
    op.drop_index("ix_submission_state", "submission")
    if has_index(op.get_bind(), "ix_submission_state_new", "submission"):
        op.execute("ALTER INDEX ix_submission_state_new RENAME TO ix_submission_state")
    else:
        op.create_index("ix_submission_state", "submission", BY_STATE)
    op.create_index("ix_submission_received", "submission", RECEIVED, if_not_exists=True)
    op.create_index("ix_shipment_tracking", "shipment", [sa.text(TRACKING)], if_not_exists=True)
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
