"""Tables of what is written back to sources, and how an order gets on the worklist of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from order_relay.ledger.schema.predicates import unindexed
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import metadata, pipeline, submission
from order_relay.ledger.store.column_types import BigKey, UtcTime, among
from order_relay.ledger.store.database import Transaction

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

# Orders with a step that is due, or will be with time alone: the worklist of pipelines that write back.
feedback_due = sa.Table(
    "feedback_due",
    metadata,
    sa.Column("pipeline", sa.Text, sa.ForeignKey("pipeline.name"), primary_key=True),
    sa.Column("submission_id", BigKey, sa.ForeignKey("submission.id"), primary_key=True, autoincrement=False),
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

# The files for a source's sales portal: one row for each file of a pipeline.
portal_file = sa.Table(
    "portal_file",
    metadata,
    sa.Column("pipeline", sa.Text, sa.ForeignKey("pipeline.name"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("place", sa.Text, nullable=False),  # the connection and the folder
    sa.Column("state", sa.Text, nullable=False),  # new, writing, written, taken
    sa.Column("covered_to", UtcTime),  # the portal has taken the changes until then
    sa.Column("covers_to", UtcTime),  # the file last written holds the changes until then
    sa.Column("digest", sa.Text, nullable=False),  # SHA-256 of the content last written
    sa.Column("replaced", sa.Text, nullable=False),  # of our file that it replaces, while it is being written
    sa.Column("owner", sa.Text, nullable=False),  # the task at work; empty: none
    sa.Column("lease_until", UtcTime),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("run", sa.Text, nullable=False),
)

IS_REPORTABLE = sa.and_(
    unindexed(submission.c.state) == State.IMPORTED,
    submission.c.ack == "confirmed",
    submission.c.source_cancelled_at.is_(None),
)
"""Imported and acknowledged, and its source has not cancelled it: its source may be informed of it."""

_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_KEY = ["pipeline", "submission_id"]
_WRITES_BACK = sa.exists().where(pipeline.c.name == submission.c.pipeline, pipeline.c.feedback_after.is_not(None))
_SETTINGS = (
    sa.select(pipeline.c.feedback_after)
    .where(pipeline.c.name.in_(sa.select(submission.c.pipeline).where(among(submission.c.id, "ids"))))
    .order_by(pipeline.c.name)
    .with_for_update(read=True, key_share=True)
)


def enqueue_write_back(tx: Transaction, ids: Iterable[int]) -> None:
    """Put these orders on the worklist, unless nothing is reported about them, or their pipeline does not write back.

    Called after the change that may have made a step due, in its transaction, with the orders locked.
    """
    keys = {"ids": sorted(set(ids))}
    # A first run waits for these locks, so that it finds what is not listed here.
    if keys["ids"] and any(after is not None for after in tx.run(_SETTINGS, keys).scalars()):
        list_due(tx, sa.and_(among(submission.c.id, "ids"), _WRITES_BACK), keys)


def list_due(tx: Transaction, which: sa.ColumnElement[bool], values: dict[str, Any] | None = None) -> None:
    """Put the reportable ones of these orders on the worklist.

    A row that is there already is locked: another transaction may be about to remove it.
    """
    orders = sa.select(submission.c.pipeline, submission.c.id).where(which, IS_REPORTABLE).order_by(submission.c.id)
    insert: Any = _INSERT[tx.conn.dialect.name](feedback_due).from_select(_KEY, orders)
    tx.run(insert.on_conflict_do_update(index_elements=_KEY, set_={"pipeline": insert.excluded.pipeline}), values)
