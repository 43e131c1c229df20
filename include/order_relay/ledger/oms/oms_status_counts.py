"""Counts of what became of imported orders at their destination, for reports, alerts and metrics.

Each reads only the orders that are still asked about, or those finished since a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.oms_tables import IS_ASKED, IS_UNANSWERED, oms_status
from order_relay.ledger.schema.records import OverdueOrders
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads
from order_relay.orders.fulfilment.oms_order import OmsReading

UNANSWERED = "unanswered"
"""``OverdueOrders.state`` of orders without a readable answer."""

_NAMED = 20
_TIME = oms_status.c.changed_at.type
_IS_ASKED, _IS_UNANSWERED = sa.text(IS_ASKED), sa.text(IS_UNANSWERED)
_COUNTED = sa.select(oms_status.c.reading, sa.func.count().label("number")).group_by(oms_status.c.reading)


class OmsStatusCounts(Repository):
    """How many orders have which status at their destination."""

    @reads
    def open_counts(self, tx: Transaction, name: str) -> dict[str, int]:
        """Orders that are still asked about, by reading (empty: no answer yet)."""
        query = _COUNTED.where(oms_status.c.pipeline == name, _IS_ASKED)
        return {row.reading: row.number for row in tx.run(query)}

    @reads
    def finished_since(self, tx: Transaction, name: str, since: datetime) -> dict[str, int]:
        """Orders that were finished since a time, by reading."""
        query = _COUNTED.where(oms_status.c.pipeline == name, oms_status.c.finished_at >= since)
        return {row.reading: row.number for row in tx.run(query)}

    @reads
    def oldest_due(self, tx: Transaction, name: str) -> datetime | None:
        """Since when the longest due question waits; ``None`` if none is due."""
        query = sa.select(oms_status.c.due_at).where(oms_status.c.pipeline == name, oms_status.c.due_at <= tx.now)
        found: datetime | None = tx.run(query.order_by(oms_status.c.due_at).limit(1)).scalar()
        return found

    @reads
    def needing_operator(self, tx: Transaction, name: str, lasting: timedelta) -> list[OverdueOrders]:
        """Orders still asked about that have been ``rejected`` or ``unknown`` for so long, or ``unanswered``."""
        before = tx.now - lasting
        mine, since = oms_status.c.pipeline == name, oms_status.c.changed_at
        found = [
            _overdue(tx, reading, since, [mine, _IS_ASKED, oms_status.c.reading == reading, since <= before])
            for reading in (OmsReading.REJECTED, OmsReading.UNKNOWN)
        ]
        answered = sa.func.coalesce(oms_status.c.answered_at, since, type_=_TIME)
        found.append(_overdue(tx, UNANSWERED, answered, [mine, _IS_UNANSWERED, answered <= before]))
        return [entry for entry in found if entry is not None]


def _overdue(tx: Transaction, name: str, since: sa.ColumnElement[Any], where: Sequence[Any]) -> OverdueOrders | None:
    oldest = sa.func.min(since, type_=_TIME).label("oldest")
    found = tx.run(sa.select(sa.func.count().label("number"), oldest).select_from(oms_status).where(*where)).one()
    if not found.number:
        return None
    ids = sa.select(oms_status.c.submission_id, since.label("since")).where(*where)
    first = ids.order_by(since, oms_status.c.submission_id).limit(_NAMED).subquery()
    numbers = sa.select(submission.c.order_number).join(first, first.c.submission_id == submission.c.id)
    named = tx.run(numbers.order_by(first.c.since, first.c.submission_id)).scalars()
    return OverdueOrders(name, found.number, found.oldest, tuple(named))
