"""What people are told: once for each cause, again while it lasts, and once more when it is over.

A message is first noted here and then delivered, so that one that could not be delivered is delivered by whoever looks
next. ``next_at`` says when: it is pushed into the future before each delivery, which keeps two processes from
delivering at once, and again afterwards. A cause that comes back before its end was told goes on as if it never left.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from order_relay.ledger.schema.listed_rows import OpenAlert
from order_relay.ledger.schema.records import Alert, Delivery
from order_relay.ledger.schema.tables import alert
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text

RETRY_AFTER = timedelta(minutes=5)
"""So long after a delivery began without being noted as done, it is tried again."""

RESOLVED_AFTER = timedelta(hours=1)
"""A cause must be gone so long before people hear that it is over: what comes and goes is told as one."""

PUNCTUAL = 0.97
"""A look that comes once in the distance between two messages may come a little early; it still tells."""

DELETED_AFTER = timedelta(days=90)
MAX_DELIVERIES = 50
MAX_TEXT = 16_000

_NEW = {
    "sqlite": sqlite.insert(alert).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(alert).on_conflict_do_nothing(),
}


class Alerts(Repository):
    """Alerts of the pipelines and their delivery."""

    @writes
    def record(self, tx: Transaction, name: str, messages: Sequence[Alert], settles: Collection[str] = ()) -> None:
        """Note what is to be told about a pipeline now.

        ``settles``: the kinds that the caller knows completely: an open cause of these kinds that is not among
        ``messages`` is over. A cause of any kind that nobody noted for twice its distance is closed without a word.
        """
        by_cause = {message.cause: message for message in messages}
        for message in by_cause.values():
            values = {"pipeline": name, "cause": message.cause, **_content(tx, message), **_begun(tx, message)}
            tx.run(_NEW[tx.conn.dialect.name], values)
        rows = tx.run(sa.select(alert).where(alert.c.pipeline == name).order_by(alert.c.cause).with_for_update()).all()
        for row in rows:
            if row.cause in by_cause:
                message = by_cause[row.cause]
                _set(tx, row, {**_content(tx, message), **_seen_again(tx, row, message)})
            elif row.cleared_at is None and row.kind in settles:
                _set(tx, row, {"cleared_at": tx.now, "next_at": tx.now + RESOLVED_AFTER if row.told_at else None})
            elif row.cleared_at is None and row.last_at + timedelta(seconds=2 * row.repeat_s) < tx.now:
                _set(tx, row, {"cleared_at": tx.now, "next_at": None})
        tx.run(alert.delete().where(alert.c.cleared_at < tx.now - DELETED_AFTER))

    @writes
    def claim_due(self, tx: Transaction) -> list[Delivery]:
        """What is to be delivered now, of all pipelines, the oldest first; nobody else gets it for ``RETRY_AFTER``.

        What was told before is due again only if it was noted since: nobody is reminded of what nobody sees any more.
        """
        rows = tx.run(
            sa.select(alert)
            .where(
                alert.c.next_at <= tx.now,
                sa.or_(alert.c.cleared_at.is_not(None), alert.c.told_at.is_(None), alert.c.last_at >= alert.c.next_at),
            )
            .order_by(alert.c.first_at, alert.c.pipeline, alert.c.cause)
            .limit(MAX_DELIVERIES)
            .with_for_update()
        ).all()
        for row in rows:
            _set(tx, row, {"next_at": tx.now + RETRY_AFTER})
        return [
            Delivery(row.pipeline, row.cause, row.kind, row.subject, row.text, row.size, row.cleared_at is not None)
            for row in rows
        ]

    @writes
    def mark_delivered(self, tx: Transaction, delivered: Delivery) -> None:
        """A note has reached its target."""
        row = tx.run(
            sa.select(alert)
            .where(alert.c.pipeline == delivered.pipeline, alert.c.cause == delivered.cause)
            .with_for_update()
        ).one_or_none()
        if row is None:
            return
        if delivered.over:
            _set(tx, row, {"next_at": None} if row.cleared_at else {})
        else:
            pause = RESOLVED_AFTER if row.cleared_at else timedelta(seconds=row.repeat_s * PUNCTUAL)
            _set(tx, row, {"told_at": tx.now, "told_size": delivered.size, "next_at": tx.now + pause})

    @reads
    def unresolved(self, tx: Transaction) -> list[OpenAlert]:
        """The causes that last, the oldest first; ``told_at`` is null where they are not told yet."""
        query = sa.select(alert).where(alert.c.cleared_at.is_(None)).order_by(alert.c.first_at, alert.c.cause)
        return tx.rows(OpenAlert, query)

    @reads
    def first_recorded_at(self, tx: Transaction, name: str, cause: str) -> datetime | None:
        """When a cause was noted first; ``None`` where it never was."""
        found: datetime | None = tx.run(
            sa.select(alert.c.first_at).where(alert.c.pipeline == name, alert.c.cause == cause)
        ).scalar()
        return found


def _content(tx: Transaction, message: Alert) -> dict[str, Any]:
    return {
        "kind": message.kind,
        "subject": clean_text(message.subject),
        "text": clean_text(message.text, MAX_TEXT),
        "size": message.size,
        "repeat_s": message.repeat_s,
        "last_at": tx.now,
    }


def _begun(tx: Transaction, message: Alert) -> dict[str, Any]:
    """A cause that is new, or whose end was told."""
    return {
        "first_at": tx.now,
        "told_at": None,
        "told_size": 0,
        "cleared_at": None,
        "next_at": tx.now + timedelta(seconds=message.after_s),
    }


def _seen_again(tx: Transaction, row: Any, message: Alert) -> dict[str, Any]:
    if row.cleared_at is not None and row.next_at is None:
        return _begun(tx, message)
    if row.cleared_at is not None:
        return {"cleared_at": None, "next_at": row.told_at + timedelta(seconds=message.repeat_s)}
    if row.told_at is not None and message.size >= 2 * row.told_size:
        return {"next_at": min(row.next_at, tx.now)}
    return {}


def _set(tx: Transaction, row: Any, values: Mapping[str, Any]) -> None:
    if values:
        tx.run(alert.update().where(alert.c.pipeline == row.pipeline, alert.c.cause == row.cause), dict(values))
