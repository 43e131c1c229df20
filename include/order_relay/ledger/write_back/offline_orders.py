"""Offline orders, which an ERP loaded into its source: the watermark of their search, and those not marked yet.

The watermark advances in the transaction that records the orders that could not be marked, so that no order is missed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from order_relay.backoff import backoff
from order_relay.ledger.schema.tables import pipeline
from order_relay.ledger.schema.write_back_tables import offline_mark
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text
from order_relay.orders.messages import Acknowledgement, RunContext

FIRST_DELAY, LONGEST_DELAY = timedelta(minutes=5), timedelta(hours=6)
MAX_TRIES = 20

_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class OfflineOrders(Repository):
    """Orders that an ERP loaded into the source, and their marks."""

    @reads
    def watermark(self, tx: Transaction, name: str) -> datetime | None:
        """The time (UTC) up to which offline orders were searched."""
        found: datetime | None = tx.run(sa.select(pipeline.c.offline_to).where(pipeline.c.name == name)).scalar()
        return found

    @reads
    def pending(self, tx: Transaction, name: str) -> dict[str, bool]:
        """The offline orders that could not be marked before, and whether a retry of each is due."""
        query = sa.select(offline_mark).where(offline_mark.c.pipeline == name).order_by(offline_mark.c.at)
        return {row.source_id: row.state == "refused" and row.due_at <= tx.now for row in tx.run(query)}

    @writes
    def record_answers(
        self,
        tx: Transaction,
        ctx: RunContext,
        answers: Iterable[tuple[str, Acknowledgement]],
        most: int,
        to: datetime | None = None,
    ) -> None:
        """Record the results of marking orders, and advance the watermark to ``to``; it never moves back.

        An order fails after ``most`` refusals, or ``MAX_TRIES`` tries without an answer.
        """
        known = tx.run(sa.select(offline_mark).where(offline_mark.c.pipeline == ctx.pipeline))
        rows = {row.source_id: row for row in known}
        for source_id, answer in answers:
            if answer.accepted or answer.cancelled:
                tx.run(
                    offline_mark.delete().where(
                        offline_mark.c.pipeline == ctx.pipeline, offline_mark.c.source_id == source_id
                    )
                )
                continue
            tries = rows[source_id].tries + 1 if source_id in rows else 1
            over = tries >= (MAX_TRIES if answer.passing else most)
            values: dict[str, Any] = {
                "state": "failed" if over else "refused",
                "tries": tries,
                "at": tx.now,
                "message": clean_text(answer.message, 300),
                "due_at": None if over else tx.now + backoff(FIRST_DELAY, tries - 1, LONGEST_DELAY),
            }
            insert: Any = _INSERT[tx.conn.dialect.name](offline_mark)
            statement = insert.on_conflict_do_update(index_elements=["pipeline", "source_id"], set_=values)
            tx.run(statement, {"pipeline": ctx.pipeline, "source_id": source_id, **values})
        if to is not None:
            tx.run(
                pipeline.update()
                .where(
                    pipeline.c.name == ctx.pipeline,
                    sa.or_(pipeline.c.offline_to.is_(None), pipeline.c.offline_to < to),
                )
                .values(offline_to=to)
            )


def failed(tx: Transaction, name: str | None) -> list[dict[str, Any]]:
    """The offline orders that are not retried unless an operator decides so."""
    where = [offline_mark.c.state == "failed"]
    if name is not None:
        where.append(offline_mark.c.pipeline == name)
    query = sa.select(offline_mark).where(*where).order_by(offline_mark.c.pipeline, offline_mark.c.at)
    return [dict(row) for row in tx.run(query).mappings()]


def decide_failed(tx: Transaction, name: str, source_id: str, *, retry: bool) -> int:
    """Retry a failed offline order, or give it up; returns the number of orders changed."""
    where = sa.and_(
        offline_mark.c.pipeline == name, offline_mark.c.source_id == source_id, offline_mark.c.state == "failed"
    )
    if retry:
        return tx.run(offline_mark.update().where(where).values(state="refused", tries=0, due_at=tx.now)).rowcount
    return tx.run(offline_mark.update().where(where).values(state="given_up")).rowcount
