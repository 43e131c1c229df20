"""Tables of what operators do beside the transitions of orders, which are in ``event``."""

from __future__ import annotations

import sqlalchemy as sa

from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.column_types import BigKey, UtcTime

operator_action = sa.Table(
    "operator_action",
    metadata,
    sa.Column("id", BigKey, primary_key=True, autoincrement=True),
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id")),  # null: about no single order
    sa.Column("pipeline", sa.Text, nullable=False),  # empty: about all pipelines
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),  # note, assign, snooze, reveal, correct, table, stop ...
    sa.Column("why", sa.Text, nullable=False),  # removed by retention, as is ``details``
    sa.Column("details", sa.Text),  # JSON
    sa.Index("ix_operator_action_submission", "submission_id", "id"),
    sa.Index(
        "ix_operator_action_general",
        "action",
        "id",
        sqlite_where=sa.text("submission_id IS NULL"),
        postgresql_where=sa.text("submission_id IS NULL"),
    ),
)
