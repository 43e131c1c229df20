"""The outbox of alerts: one per condition, repeated while it lasts, and one recovery notice when it has ended.

An alert is first recorded and then delivered, so that a failed delivery is retried by the next process. ``next_at`` is
the time of the next delivery. It is moved into the future before each delivery, which keeps two processes from
delivering the same alert, and again afterwards. A condition that returns before its recovery notice continues.
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
"""A delivery that is not marked as done within this time is retried."""

RESOLVED_AFTER = timedelta(hours=1)
"""Delay of the recovery notice, so that an intermittent condition is one alert."""

PUNCTUAL = 0.97
"""Share of the repeat interval after which an alert may be repeated: a periodic check may run slightly early."""

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
        """Record the current alerts of a pipeline.

        ``settles``: the kinds of which ``messages`` is complete; open alerts of these kinds that are not among
        ``messages`` have ended. An alert of any kind that is not recorded for two repeat intervals is closed silently.
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
        """Due alerts of all pipelines, oldest first, reserved for the caller for ``RETRY_AFTER``.

        A delivered alert is due again only if it was recorded since, so that nothing outdated is repeated.
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
        """Record that an alert was delivered."""
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
        """Open alerts, oldest first; ``told_at`` is null if one was not delivered yet."""
        query = sa.select(alert).where(alert.c.cleared_at.is_(None)).order_by(alert.c.first_at, alert.c.cause)
        return tx.rows(OpenAlert, query)

    @reads
    def first_recorded_at(self, tx: Transaction, name: str, cause: str) -> datetime | None:
        """When a condition was first recorded; ``None`` if never."""
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
    """Columns of a new alert, or of one whose recovery notice was sent."""
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
