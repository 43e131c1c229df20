"""Expired leases: submissions that a dead worker left ``sending`` become in doubt."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from order_relay import measurements
from order_relay.ledger.delivery.attempts import LEASE_EXPIRED
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, writes
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition
from order_relay.orders.messages import RunContext


class Leases(Repository):
    """Leases of the workers that send."""

    def expire(self, ctx: RunContext, timeout_s: float) -> int:
        """Put submissions in doubt whose lease and time-out have passed (dead worker); returns their number."""
        number = self._expire(ctx, timeout_s)
        measurements.leases_expired(number)
        return number

    @writes
    def _expire(self, tx: Transaction, ctx: RunContext, timeout_s: float) -> int:
        limit = tx.now - timedelta(seconds=timeout_s)
        ids = (
            tx.run(
                sa.select(submission.c.id).where(
                    submission.c.pipeline == ctx.pipeline,
                    submission.c.state == State.SENDING,
                    submission.c.send_before < limit,
                )
            )
            .scalars()
            .all()
        )
        rows = [row for row in lock(tx, ids, "send_before") if row.state == State.SENDING and row.send_before < limit]
        cause = TransitionCause(ctx, "no outcome before the end of lease and time-out", LEASE_EXPIRED)
        transition(tx, rows, State.IN_DOUBT, cause, {"due_at": tx.now})
        return len(rows)
