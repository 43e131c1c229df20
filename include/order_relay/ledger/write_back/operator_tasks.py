"""Write-back that needs an operator: steps that failed permanently, and orders that their source cancelled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from order_relay.errors import ConcurrentUpdateError
from order_relay.ledger.schema.predicates import of_any_pipeline, of_pipeline
from order_relay.ledger.schema.records import OverdueOrders
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.schema.write_back_tables import UNFINISHED, enqueue_write_back, feedback
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.submissions.transitions import lock
from order_relay.ledger.write_back import cancellations, offline_orders
from order_relay.ledger.write_back.due_steps import FAILED, GIVEN_UP
from order_relay.ledger.write_back.feedback import THIS_STEP

MAX_NAMED = 20

WRITE_BACK_FAILED = "untold"

OFFLINE_STEP = "offline_sent"
"""The step of an offline order, which is no submission."""


class WriteBackCount(NamedTuple):
    """Write-back steps of a pipeline in one state. ``oldest``: when the first of them was tried last."""

    pipeline: str
    step: str
    state: str
    number: int
    oldest: datetime


class WriteBackTasks(Repository):
    """Write-back that needs an operator."""

    @reads
    def failed(self, tx: Transaction, name: str | None = None) -> list[dict[str, Any]]:
        """The steps that are not retried unless an operator decides so, including those of offline orders."""
        return _failed(tx, name)

    @reads
    def unfinished(self, tx: Transaction, names: Collection[str]) -> list[WriteBackCount]:
        """How many steps of these pipelines were tried and are not done, by step and state, with the oldest time."""
        query = (
            sa.select(
                submission.c.pipeline,
                feedback.c.step,
                feedback.c.state,
                sa.func.count(),
                sa.func.min(feedback.c.at, type_=feedback.c.at.type),
            )
            .select_from(feedback.join(submission, submission.c.id == feedback.c.submission_id))
            .where(sa.text(f"feedback.{UNFINISHED}"), of_any_pipeline(names))
            .group_by(submission.c.pipeline, feedback.c.step, feedback.c.state)
            .order_by(submission.c.pipeline, feedback.c.step, feedback.c.state)
        )
        return [WriteBackCount(*tuple(row)) for row in tx.run(query)]

    @writes
    def decide_failed(
        self, tx: Transaction, who: str, steps: Sequence[Mapping[str, Any]], reason: str, *, retry: bool
    ) -> int:
        """Retry failed ``steps`` (rows of ``failed``), or give them up; returns their number.

        Steps that have not failed any more are left out. Raises ``ConcurrentUpdateError`` if none has failed.
        """
        found = _decide(tx, who, steps, reason, retry=retry)
        for row in steps:
            if row["step"] == OFFLINE_STEP:
                found += offline_orders.decide_failed(tx, row["pipeline"], row["source_id"], retry=retry)
        if not found:
            raise ConcurrentUpdateError("none of these write-back steps has failed, or they were decided already")
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
        {**row, "order_number": row["source_id"], "step": OFFLINE_STEP, "delivery": 0, "submission_id": None}
        for row in offline_orders.failed(tx, name)
    ]
    return [*_failed_steps(tx, name), *marks]


def _decide(tx: Transaction, who: str, steps: Sequence[Mapping[str, Any]], reason: str, *, retry: bool) -> int:
    """Retry these steps, or give them up; returns how many had failed."""
    chosen = [row for row in steps if row["submission_id"] is not None]
    lock(tx, {row["submission_id"] for row in chosen})
    decision = f"{'retry' if retry else 'given up'} by {who}: {clean_text(reason, 200)}"
    decided = tx.many(
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
    enqueue_write_back(tx, [row["submission_id"] for row in chosen])
    return decided


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
