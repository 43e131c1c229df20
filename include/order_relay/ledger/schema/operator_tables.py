"""Tables of what operators do beside the transitions of orders (``event``): actions, and rows of code tables."""

from __future__ import annotations

import sqlalchemy as sa

from order_relay.ledger.schema.tables import event, metadata
from order_relay.ledger.store.column_types import BigKey, UtcTime

LEFT_OPERATOR = "from_state IN ('quarantined', 'rejected', 'held', 'in_doubt')"
"""Events of orders that leave a state in which an operator may be needed."""

sa.Index(
    "ix_event_resolved",
    event.c.at,
    event.c.id,
    sqlite_where=sa.text(LEFT_OPERATOR),
    postgresql_where=sa.text(LEFT_OPERATOR),
)

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

# Who looks after an order that needs attention, and until when it is out of sight. A snooze ends when the order is no
# longer as it was: see ``attention.IS_SNOOZED``.
order_attention = sa.Table(
    "order_attention",
    metadata,
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id"), primary_key=True, autoincrement=False),
    sa.Column("assignee", sa.Text, nullable=False),  # empty: nobody
    sa.Column("snoozed_until", UtcTime),
    sa.Column("seen_changed_at", UtcTime),  # the order as it was when it was snoozed
    sa.Column("seen_content", sa.Text, nullable=False),
    sa.Column("seen_offered", sa.Boolean, nullable=False),
)

code_table_row = sa.Table(
    "code_table_row",
    metadata,
    sa.Column("id", BigKey, primary_key=True, autoincrement=True),  # the row's version; rises in commit order
    sa.Column("pipeline", sa.Text, nullable=False),  # no foreign key: rows may be made before the first run
    sa.Column("table_name", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),  # the key in the form in which codes are compared
    sa.Column("key", sa.Text, nullable=False),  # the key as the operator wrote it
    sa.Column("value", sa.Text),  # JSON; null if removed
    sa.Column("previous", sa.Text),  # JSON of the value of the version before; null if there was none
    sa.Column("removed", sa.Boolean, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Index("ix_code_table_row_code", "pipeline", "table_name", "code", "id"),
    sa.Index("ix_code_table_row_version", "pipeline", "id"),
)

VIEW_IS_SHARED = sa.text("shared")

# Named filters of the list of orders, per user.
saved_view = sa.Table(
    "saved_view",
    metadata,
    sa.Column("id", BigKey, primary_key=True, autoincrement=True),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("query", sa.Text, nullable=False),  # of the list's URL
    sa.Column("shared", sa.Boolean, nullable=False),
    sa.Column("saved_at", UtcTime, nullable=False),
    sa.UniqueConstraint("who", "name", name="uq_saved_view_name"),
    sa.Index("ix_saved_view_shared", "name", sqlite_where=VIEW_IS_SHARED, postgresql_where=VIEW_IS_SHARED),
)

# Corrected values of archived orders. One applies while its submission has this content and it was not ended. A row
# without a value that is ended as `dismissed` records that a correction of earlier content is not carried over.
correction = sa.Table(
    "correction",
    metadata,
    sa.Column("id", BigKey, primary_key=True, autoincrement=True),
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id"), nullable=False),
    sa.Column("content_hash", sa.Text, nullable=False),  # without the part about eligibility
    sa.Column("field", sa.Text, nullable=False),  # a column of the canonical order
    sa.Column("old", sa.Text),  # as archived; null: removed by retention, as is ``new``
    sa.Column("new", sa.Text),  # empty: the value is removed
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),  # removed by retention
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("ended_at", UtcTime),
    sa.Column("ended_as", sa.Text, nullable=False),  # replaced, withdrawn, dismissed; empty: not ended
    sa.Index("ix_correction_submission", "submission_id", "id"),
    sa.Index(
        "uq_correction_field",
        "submission_id",
        "content_hash",
        "field",
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
)
