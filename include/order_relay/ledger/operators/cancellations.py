"""Decisions of operators about imported orders that their source cancelled.

*Cancelled* records that the order is cancelled at the destination, too. *Keep* ships it anyway: feeds offer it again.
Nothing is written back about a kept order while its source counts it as cancelled. If the source has taken the
cancellation back, keeping the order removes all marks, and its write-back continues.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from order_relay.errors import ConfigurationError, IllegalTransitionError
from order_relay.ledger.operators.decisions import record_decision
from order_relay.ledger.operators.shown import ShownRevisions, lock_shown
from order_relay.ledger.schema.listed_rows import CancelledSubmission
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.write_back.cancellations import (
    UNDECIDED,
    RecordedCancellations,
    mark,
    pending,
    record,
    record_sent,
    reinstate,
    release,
)
from order_relay.orders.messages import RunContext
from order_relay.orders.review.choices import AT_OMS, KEEP, REINSTATED

_OUTCOMES = {
    AT_OMS: "cancelled at the destination",
    KEEP: "kept: it is shipped although its source cancelled it",
    REINSTATED: "reinstated at its source",
}


class Cancellations(Repository):
    """Orders that their source has cancelled."""

    def record(self, ctx: RunContext, source_ids: Iterable[str]) -> RecordedCancellations:
        """Record that the source has cancelled these; returns how many are new."""
        wanted = list(source_ids)
        return self._record(ctx, wanted) if wanted else RecordedCancellations()

    @writes
    def _record(self, tx: Transaction, ctx: RunContext, source_ids: Sequence[str]) -> RecordedCancellations:
        return record(tx, ctx, source_ids)

    @writes
    def reinstate(self, tx: Transaction, ctx: RunContext, source_ids: Sequence[str], as_of: datetime) -> int:
        """See ``cancellations.reinstate``."""
        return reinstate(tx, ctx, source_ids, as_of)

    def follow_offers(
        self, ctx: RunContext, cancelled: Collection[str], eligible: Collection[str], as_of: datetime
    ) -> None:
        """Record what a source's offers say about orders that were sent. May be repeated.

        ``cancelled``: source ids that are offered as cancelled. ``eligible``: those that are offered as valid orders,
        which takes cancellations before ``as_of`` back.
        """
        if cancelled:
            self._record_sent(ctx, cancelled)
        if eligible and (marked := self._marked(ctx.pipeline, eligible)):
            self.reinstate(ctx, marked, as_of)

    @writes
    def _record_sent(self, tx: Transaction, ctx: RunContext, source_ids: Collection[str]) -> int:
        return record_sent(tx, ctx, source_ids)

    @reads
    def _marked(self, tx: Transaction, name: str, source_ids: Collection[str]) -> list[str]:
        query = sa.select(submission.c.source_id).where(
            submission.c.pipeline == name,
            among(submission.c.source_id, "keys"),
            submission.c.source_cancelled_at.is_not(None),
            submission.c.source_reinstated_at.is_(None),
        )
        return list(tx.run(query, {"keys": sorted(source_ids)}).scalars())

    @reads
    def unsettled(self, tx: Transaction, name: str | None = None) -> list[CancelledSubmission]:
        """Imported orders that their source cancelled, and about which no operator has decided yet."""
        return pending(tx, name)

    @writes
    def decide(self, tx: Transaction, shown: ShownRevisions, choice: str, reason: str, who: str) -> list[int]:
        """Record an operator's decision (``orders.review.choices.CANCELLATION_CHOICES``); returns the ids.

        ``reinstated``: the operator knows that the source took its cancellation back. Raises ``ConcurrentUpdateError``
        if an order has changed since it was shown, and ``IllegalTransitionError`` if one needs no decision.
        """
        if choice not in _OUTCOMES:
            raise ConfigurationError(f"unknown decision {choice!r}; choose one of: {', '.join(_OUTCOMES)}")
        rows = lock_shown(
            tx, shown, "pipeline", "lineage", "source_cancelled_at", "source_reinstated_at", "cancelled_at"
        )
        query = sa.select(submission.c.id).where(among(submission.c.id, "ids"), UNDECIDED)
        undecided = set(tx.run(query, {"ids": [row.id for row in rows]}).scalars())
        if closed := [row.order_number or row.source_id for row in rows if row.id not in undecided]:
            raise IllegalTransitionError(
                f"no decision is needed about {', '.join(closed[:5])}: the source has not cancelled "
                "an imported order of this number, or it was decided already"
            )
        ctx, why = RunContext("", "", who), f"{_OUTCOMES[choice]}: {clean_text(reason, 300)}"
        decided = {"cancellation_decided_at": tx.now}
        if choice == AT_OMS:
            each = {row: {**decided, "cancelled_at": row.cancelled_at or tx.now} for row in rows}
            mark(tx, ctx, each, why)
        else:
            kept = [row for row in rows if choice == KEEP and row.source_reinstated_at is None]
            mark(tx, ctx, dict.fromkeys(kept, decided), why)
            release(tx, ctx, [row for row in rows if row not in kept], why)
        record_decision(tx, rows, choice, reason, who)
        return sorted(undecided)
