"""The worklist of write-back: orders with a step that is due, or will be with time alone (``feedback_due``).

Whatever can make a step due lists the order in its own transaction (``enqueue_write_back``), so that a run reads these
orders and not those of the past. A run removes the orders about which nothing is left to do; a later event lists them
again.

Only pipelines that write back have a worklist. Its first run, and the first one after a change of the setting for which
it was made (``pipeline.feedback_after``), fills it with the orders of before: in portions, of which the pipeline's row
knows how many are left.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from order_relay.errors import ConcurrentUpdateError
from order_relay.ledger.schema.predicates import of_pipeline
from order_relay.ledger.schema.tables import pipeline, submission
from order_relay.ledger.schema.write_back_tables import IS_REPORTABLE, feedback_due, list_due
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.write_back.due_steps import may_be_due

PORTION = 10_000
"""Ids that a transaction of ``fill`` looks through, and orders that one of ``remove`` does."""

OTHER_SETTING = (
    "another process writes back for pipeline {!r} with another setting (done_after, or shipped_by of the connection): "
    "wait until it has ended, then run the write-back again"
)


def is_filled(tx: Transaction, name: str, after: str) -> bool:
    """Whether the worklist is made for this setting, and complete; also if the pipeline never ran."""
    found = tx.run(_PROGRESS, {"name": name}).one_or_none()
    return found is None or (found.feedback_after == after and not found.feedback_unread)


def start(tx: Transaction, name: str, after: str) -> None:
    """Have the worklist filled for this setting, unless that was started already.

    Waits for transactions that enqueue orders; later ones know that the pipeline writes back.
    """
    if tx.run(_PROGRESS.with_for_update(), {"name": name}).one().feedback_after != after:
        newest = tx.run(sa.select(sa.func.max(submission.c.id))).scalar()
        _record(tx, name, feedback_after=after, feedback_unread=newest or 0)


def fill(tx: Transaction, name: str, after: str) -> bool:
    """Fill the worklist with one portion of the orders of before, the newest first; returns whether it is complete.

    Raises ``ConcurrentUpdateError`` if it was started for another setting.
    """
    row = tx.run(_PROGRESS.with_for_update(key_share=True), {"name": name}).one()
    if row.feedback_after != after:
        raise ConcurrentUpdateError(OTHER_SETTING.format(name))
    last: int = row.feedback_unread
    first = max(last - PORTION, 0)
    which = [submission.c.id > first, submission.c.id <= last, of_pipeline(name)]
    list_due(tx, sa.and_(*which, may_be_due(after, tx.now)))
    _record(tx, name, feedback_unread=first)
    return not first


def finished(tx: Transaction, name: str, after: str, beyond: int) -> Sequence[int]:
    """Orders of the worklist with ids above ``beyond`` about which nothing is left to do, at most ``PORTION``."""
    query = _LISTED.where(feedback_due.c.pipeline == name, feedback_due.c.submission_id > beyond, ~_is_open(tx, after))
    return tx.run(query.order_by(feedback_due.c.submission_id).limit(PORTION)).scalars().all()


def remove(tx: Transaction, name: str, after: str, ids: Sequence[int]) -> None:
    """Remove those of these orders about which still nothing is left to do.

    Nothing if the worklist is by now made for another setting.
    """
    setting = sa.select(pipeline.c.feedback_after).where(pipeline.c.name == name)
    if tx.run(setting.with_for_update(read=True, key_share=True)).scalar() != after:
        return
    keys = {"ids": ids}
    these = (feedback_due.c.pipeline == name, among(feedback_due.c.submission_id, "ids"))
    # Locked before they are evaluated: whoever enqueues one of them waits, and inserts it again.
    tx.run(sa.select(feedback_due).where(*these).order_by(feedback_due.c.submission_id).with_for_update(), keys)
    over = tx.run(_LISTED.where(*these, ~_is_open(tx, after)), keys).scalars().all()
    tx.run(feedback_due.delete().where(*these), {"ids": over})


_PROGRESS = sa.select(pipeline.c.feedback_after, pipeline.c.feedback_unread).where(
    pipeline.c.name == sa.bindparam("name")
)
_LISTED = sa.select(feedback_due.c.submission_id).join(submission, submission.c.id == feedback_due.c.submission_id)


def _is_open(tx: Transaction, after: str) -> sa.ColumnElement[bool]:
    return sa.func.coalesce(sa.and_(IS_REPORTABLE, may_be_due(after, tx.now)), sa.false())


def _record(tx: Transaction, name: str, **columns: object) -> None:
    tx.run(pipeline.update().where(pipeline.c.name == name), columns)
