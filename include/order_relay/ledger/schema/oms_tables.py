"""The table of what became of imported orders at their destination."""

from __future__ import annotations

import sqlalchemy as sa

from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.store.column_types import BigKey, UtcTime

IS_ASKED = "due_at IS NOT NULL"
"""The order is still asked about: it is not finished, and not too old."""

IS_UNANSWERED = "misses > 0 AND due_at IS NOT NULL"
"""The last question about the order had no readable answer."""


def _partial(name: str, where: str, *columns: str) -> sa.Index:
    return sa.Index(name, *columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


oms_status = sa.Table(
    "oms_status",
    metadata,
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id"), primary_key=True, autoincrement=False),
    sa.Column("pipeline", sa.Text, sa.ForeignKey("pipeline.name"), nullable=False),
    sa.Column("received", sa.Text, nullable=False),  # the status word, verbatim; empty: none was received yet
    sa.Column("reading", sa.Text, nullable=False),  # OmsReading; empty: none yet
    sa.Column("cancelled", sa.Text, nullable=False),  # JSON list of [line, item number, units]
    sa.Column("changed_at", UtcTime, nullable=False),  # since when it is so; at first, when asking began
    sa.Column("asked_at", UtcTime),
    sa.Column("answered_at", UtcTime),  # the last readable answer
    sa.Column("misses", sa.Integer, nullable=False),  # consecutive questions without a readable answer
    sa.Column("problem", sa.Text, nullable=False),  # of the last one; no order data
    sa.Column("due_at", UtcTime),  # the next question; null: none
    sa.Column("notified_at", UtcTime),  # the last notification of the OMS about it
    sa.Column("finished_at", UtcTime),  # when a final status was read
    _partial("ix_oms_status_due", IS_ASKED, "pipeline", "due_at"),
    _partial("ix_oms_status_open", IS_ASKED, "pipeline", "reading", "changed_at"),
    _partial("ix_oms_status_unanswered", IS_UNANSWERED, "pipeline", "submission_id"),
    _partial("ix_oms_status_finished", "finished_at IS NOT NULL", "pipeline", "finished_at"),
)
