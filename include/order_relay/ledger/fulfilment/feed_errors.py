"""Gaps of the order feed: orders that it omits because they cannot be rendered.

A gap is open until the order can be rendered. It is alerted once, not at every poll. Its end counts as a modification
of the order, since a client that polls by time windows would not request it again otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa

from order_relay.ledger.fulfilment.feed_index import OMS_READING, FeedOrder, feed_order
from order_relay.ledger.schema.predicates import GAP_IS_OPEN
from order_relay.ledger.schema.shipment_tables import feed_gap
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, inserts, reads
from order_relay.ledger.store.text import clean_text


class FeedErrors(Repository):
    """Orders that a feed cannot render."""

    def record(self, problems: Mapping[int, str]) -> list[int]:
        """Record why orders are omitted (empty: rendered); returns the ids of new gaps."""
        return self._record(problems) if self._has_changes(problems) else []

    @reads
    def _has_changes(self, tx: Transaction, problems: Mapping[int, str]) -> bool:
        """Whether ``record`` would change anything."""
        known = _known(tx, problems)
        return any(known.get(number, "") != problem for number, problem in _cleaned(problems).items())

    @inserts
    def _record(self, tx: Transaction, problems: Mapping[int, str]) -> list[int]:
        """See ``record``."""
        known, cleaned = _known(tx, problems), _cleaned(problems)
        new = [number for number, problem in cleaned.items() if problem and number not in known]
        tx.many(
            feed_gap.insert(),
            [{"submission_id": number, "problem": cleaned[number], "noted_at": tx.now} for number in new],
        )
        for number, before in known.items():
            if cleaned[number] != before:
                values = {"problem": cleaned[number]} if cleaned[number] else {"mended_at": tx.now}
                tx.run(feed_gap.update().where(feed_gap.c.submission_id == number, GAP_IS_OPEN).values(values))
        return new

    @reads
    def omitted_orders(
        self, tx: Transaction, pipelines: Collection[str] | None = None, limit: int = 50
    ) -> list[FeedOrder]:
        """Omitted orders; a random choice if there are more than ``limit``, so that each is retried eventually."""
        query = (
            sa.select(submission, feed_gap.c.noted_at.label("modified"), OMS_READING)
            .join(feed_gap, feed_gap.c.submission_id == submission.c.id)
            .where(GAP_IS_OPEN)
            .order_by(sa.func.random())
            .limit(limit)
        )
        if pipelines is not None:
            query = query.where(submission.c.pipeline.in_(sorted(pipelines)))
        return [feed_order(row) for row in tx.run(query)]


def _known(tx: Transaction, problems: Mapping[int, str]) -> dict[int, str]:
    query = sa.select(feed_gap.c.submission_id, feed_gap.c.problem).where(
        among(feed_gap.c.submission_id, "ids"), GAP_IS_OPEN
    )
    return {row.submission_id: row.problem for row in tx.run(query, {"ids": list(problems)})}


def _cleaned(problems: Mapping[int, str]) -> dict[int, str]:
    return {number: clean_text(problem) for number, problem in problems.items()}
