"""Write-back that needs an operator: steps that failed permanently, and orders that their source cancelled."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from order_relay.errors import IllegalTransitionError
from order_relay.ledger.schema.predicates import of_pipeline
from order_relay.ledger.schema.records import OverdueOrders
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.submissions.transitions import lock
from order_relay.ledger.write_back import cancellations, offline_orders
from order_relay.ledger.write_back.feedback import FAILED, GIVEN_UP, THIS_STEP
from order_relay.orders.messages import RunContext

MAX_NAMED = 20

WRITE_BACK_FAILED = "untold"


class WriteBackTasks(Repository):
    """Write-back that needs an operator."""

    @reads
    def failed(self, tx: Transaction, name: str | None = None) -> list[dict[str, Any]]:
        """The steps that are not retried unless an operator decides so, including those of offline orders."""
        return _failed(tx, name)

    @writes
    def decide_failed(self, tx: Transaction, ctx: RunContext, number: str, reason: str, *, retry: bool) -> int:
        """Retry the failed steps of an order, or give them up; returns their number.

        Raises ``IllegalTransitionError`` if no step of it has failed.
        """
        found = _decide(tx, ctx, number, reason, retry=retry)
        found += offline_orders.decide_failed(tx, ctx.pipeline, number, retry=retry)
        if not found:
            raise IllegalTransitionError(f"no write-back step of order {number!r} of {ctx.pipeline} has failed")
        return found

    @reads
    def pending(self, tx: Transaction, name: str) -> list[OverdueOrders]:
        """Write-back that needs an operator, for alerts and reports; empty if there is none."""
        failed = _failed(tx, name)
        orders = tuple(dict.fromkeys(row["order_number"] for row in failed))
        incomplete = (
            OverdueOrders(WRITE_BACK_FAILED, len(orders), min(row["at"] for row in failed), orders[:MAX_NAMED])
            if failed
            else None
        )
        return [task for task in (cancellations.overdue(tx, name), incomplete) if task is not None]


def _failed_steps(tx: Transaction, name: str | None) -> list[dict[str, Any]]:
    """The steps that are not retried unless an operator decides so."""
    where = [feedback.c.state == sa.literal_column("'failed'")]
    if name is not None:
        where.append(of_pipeline(name))
    query = (
        sa.select(
            submission.c.pipeline,
            submission.c.order_number,
            submission.c.source_id,
            feedback.c.step,
            feedback.c.delivery,
            feedback.c.tries,
            feedback.c.at,
            feedback.c.message,
            feedback.c.submission_id,
        )
        .select_from(feedback.join(submission, submission.c.id == feedback.c.submission_id))
        .where(*where)
        .order_by(submission.c.pipeline, feedback.c.submission_id, feedback.c.step)
    )
    return [dict(row) for row in tx.run(query).mappings()]


def _failed(tx: Transaction, name: str | None) -> list[dict[str, Any]]:
    marks = [
        {**row, "order_number": row["source_id"], "step": "offline_sent", "delivery": 0}
        for row in offline_orders.failed(tx, name)
    ]
    return [*_failed_steps(tx, name), *marks]


def _decide(tx: Transaction, ctx: RunContext, number: str, reason: str, *, retry: bool) -> int:
    """Retry the failed steps of an order, or give them up; returns their number."""
    chosen = [row for row in _failed_steps(tx, ctx.pipeline) if number in {row["order_number"], row["source_id"]}]
    lock(tx, {row["submission_id"] for row in chosen})
    decision = f"{'retry' if retry else 'given up'} by {ctx.who}: {clean_text(reason, 200)}"
    return tx.many(
        _DECIDED,
        [
            {
                "b_submission_id": row["submission_id"],
                "b_step": row["step"],
                "b_delivery": row["delivery"],
                "b_state": "refused" if retry else GIVEN_UP,
                "b_due": tx.now if retry else None,
                "b_message": clean_text(f"{decision} ({row['message']})", 300),
            }
            for row in chosen
        ],
    )


_DECIDED = (
    feedback.update()
    .where(THIS_STEP, feedback.c.state == FAILED)
    .values(
        state=sa.bindparam("b_state"),
        tries=0,
        refusals=0,
        message=sa.bindparam("b_message"),
        due_at=sa.bindparam("b_due", type_=feedback.c.due_at.type),
    )
)
