"""Tables of what is written back to sources."""

from __future__ import annotations

import sqlalchemy as sa

from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.column_types import BigKey, UtcTime

UNFINISHED = "state IN ('sent', 'refused', 'failed', 'given_up')"
"""A write-back step that was tried and is not done. A given-up step stays so."""

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id"), primary_key=True, autoincrement=False),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column(
        "delivery", BigKey, primary_key=True, autoincrement=False
    ),  # the shipment, if each is a step; otherwise 0
    sa.Column("state", sa.Text, nullable=False),  # sent, done, refused, failed, given_up, cancelled
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("due_at", UtcTime),
    sa.Column("run", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("refusals", sa.Integer, nullable=False, server_default="0"),  # by the source itself
    sa.Index(
        "ix_feedback_failed",
        "submission_id",
        sqlite_where=sa.text("state = 'failed'"),
        postgresql_where=sa.text("state = 'failed'"),
    ),
    sa.Index(
        "ix_feedback_unfinished",
        "step",
        "state",
        "at",
        "submission_id",
        sqlite_where=sa.text(UNFINISHED),
        postgresql_where=sa.text(UNFINISHED),
    ),
)

# Offline orders that could not yet be marked at their source.
offline_mark = sa.Table(
    "offline_mark",
    metadata,
    sa.Column("pipeline", sa.Text, sa.ForeignKey("pipeline.name"), primary_key=True),
    sa.Column("source_id", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),  # refused, failed, given_up
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("due_at", UtcTime),
    sa.Column("message", sa.Text, nullable=False),
)
