"""What fulfilment services say about orders: status events with their revisions, and what follows from them.

Revision ID: 0006
Revises: 0005
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BigKey = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _time(name: str, nullable: bool = True) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "status_account",
        _text("name"),
        _text("account"),
        _time("bound_at", nullable=False),
        _time("read_to"),
        sa.PrimaryKeyConstraint("name", name="pk_status_account"),
        sa.UniqueConstraint("account", name="uq_status_account_account"),
    )
    op.create_table(
        "status_order",
        _text("account"),
        _text("order_number"),
        sa.Column("submission_id", BigKey, nullable=True),
        _text("order_status"),
        _text("detailed_status"),
        _text("parcels"),
        _time("changed_at"),
        _time("seen_at"),
        _time("full_read_at"),
        sa.Column("doubtful", sa.Boolean(), nullable=False),
        sa.Column("reads", sa.Integer(), nullable=False),
        _time("read_after"),
        sa.Column("followed", sa.Boolean(), nullable=False),
        _text("told"),
        _text("asks"),
        sa.ForeignKeyConstraint(["account"], ["status_account.name"], name="fk_status_order_account"),
        sa.ForeignKeyConstraint(["submission_id"], ["submission.id"], name="fk_status_order_submission_id"),
        sa.PrimaryKeyConstraint("account", "order_number", name="pk_status_order"),
    )
    op.create_index("ix_status_order_submission", "status_order", ["submission_id"], unique=False)
    op.create_index("ix_status_order_follow", "status_order", ["account", "followed"], unique=False)
    op.create_table(
        "status_event",
        _text("account"),
        _text("order_number"),
        _text("event_key"),
        _text("content_hash"),
        sa.Column("revision", sa.Integer(), nullable=False),
        _text("kind"),
        _text("status"),
        _text("parcel"),
        _text("location"),
        _text("detail"),
        _time("updated_at"),
        _time("happened_at"),
        _time("known_at", nullable=False),
        sa.Column("was_read", sa.Boolean(), nullable=False),
        _text("state"),
        _text("channel"),
        _time("first_seen_at", nullable=False),
        _text("run"),
        sa.ForeignKeyConstraint(
            ["account", "order_number"],
            ["status_order.account", "status_order.order_number"],
            name="fk_status_event_order",
        ),
        sa.PrimaryKeyConstraint("account", "order_number", "event_key", "content_hash", name="pk_status_event"),
    )
    op.create_table(
        "status_file",
        _text("account"),
        _text("sha256"),
        _text("name"),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        _time("read_at", nullable=False),
        _text("run"),
        sa.ForeignKeyConstraint(["account"], ["status_account.name"], name="fk_status_file_account"),
        sa.PrimaryKeyConstraint("account", "sha256", name="pk_status_file"),
    )
    op.create_table(
        "status_refusal",
        _text("account"),
        _text("origin"),
        _text("place"),
        _text("code"),
        _text("pointer"),
        _text("message"),
        _time("at", nullable=False),
        _text("run"),
        sa.ForeignKeyConstraint(["account"], ["status_account.name"], name="fk_status_refusal_account"),
        sa.PrimaryKeyConstraint("account", "origin", "place", "code", name="pk_status_refusal"),
    )


def downgrade() -> None:
    raise NotImplementedError("restore a backup instead: a ledger is never taken back")
