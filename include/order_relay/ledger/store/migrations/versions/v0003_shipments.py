"""Shipments, and what of an order's life a feed by time windows looks through.

Revision ID: 0003
Revises: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CANCELLED = "cancelled_at IS NOT NULL"


def upgrade() -> None:
    op.add_column("submission", sa.Column("shipped", sa.Text(), nullable=True))
    op.add_column("submission", sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("submission", sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_submission_cancelled_at",
        "submission",
        ["cancelled_at"],
        unique=False,
        sqlite_where=sa.text(CANCELLED),
        postgresql_where=sa.text(CANCELLED),
    )
    op.create_index("ix_event_at", "event", ["at", "submission_id"], unique=False)
    op.create_table(
        "shipment",
        sa.Column("id", BigKey, autoincrement=True, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("submission_id", BigKey, nullable=True),
        sa.Column("matched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("tracking_number", sa.Text(), nullable=False),
        sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cost_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="fk_shipment_submission_id"),
        sa.PrimaryKeyConstraint("id", name="pk_shipment"),
        sa.UniqueConstraint("origin", "key", name="uq_shipment_key"),
    )
    op.create_index("ix_shipment_submission", "shipment", ["submission_id", "id"], unique=False)
    op.create_index("ix_shipment_matched_at", "shipment", ["matched_at", "submission_id"], unique=False)
    op.create_table(
        "shipment_line",
        sa.Column("shipment_id", BigKey, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("item_number", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name="fk_shipment_line_shipment_id"),
        sa.PrimaryKeyConstraint("shipment_id", "position", name="pk_shipment_line"),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
