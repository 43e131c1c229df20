"""Write-back to the source after the import, in small steps that are recorded one by one.

The steps of an order follow each other: its OMS number, its line numbers, and its shipment (or that the OMS cancelled
it, see ``oms_cancellations``). They never run concurrently: a step that writes the whole order would undo the changes
of another. A step is claimed before the request (``sent``), and its result is recorded afterwards. A step whose worker
died is released after some time, so steps are idempotent.

No step is repeated forever: after some refusals by the source, or many tries without an answer, it is ``failed`` and an
operator decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa

from order_relay.backoff import backoff
from order_relay.errors import ConcurrentUpdateError
from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.submissions.transitions import lock
from order_relay.ledger.write_back import cancellations, due_orders
from order_relay.ledger.write_back.due_steps import (
    AFTER_IMPORT,
    AFTER_SHIPMENT,
    EACH_DELIVERY,
    FAILED,
    MAX_TRIES,
    due_steps,
)
from order_relay.ledger.write_back.oms_cancellations import EXCLUDES, OMS_CANCELLED, SHIPPED
from order_relay.orders.messages import Acknowledgement, RunContext

FIRST_DELAY, LONGEST_DELAY = timedelta(minutes=5), timedelta(hours=6)
"""Delay before a refused step is retried; doubled each time, up to the longest."""

MAX_REFUSALS = 5
"""Refusals by the source after which a step has failed (default of ``feedback: most_refusals``)."""

OPEN = ("sent", "refused", "failed")


@dataclass(frozen=True, slots=True)
class FeedbackStep:
    """One step to send. ``delivery`` is the shipment's ledger id if each delivery is a step, otherwise 0.

    ``silent``: it was sent before without an answer.
    """

    submission_id: int
    step: str
    delivery: int = 0
    source_id: str = ""
    oms_id: str = ""
    tries: int = 0
    silent: bool = False
    refusals: int = 0


class Feedback(Repository):
    """Write-back steps: what a source is informed of about its orders."""

    def due(
        self,
        name: str,
        step: str,
        limit: int,
        *,
        each_delivery: bool = False,
        after: int = 0,
        given_up_s: float = 900.0,
        at_import: bool = False,
    ) -> list[FeedbackStep]:
        """Orders of a pipeline for which ``step`` is due, by ledger id, with ids above ``after``.

        Includes steps that were claimed ``given_up_s`` seconds ago and have no answer.

        ``each_delivery``: ``shipped`` is due for every shipment of an order; else once, when everything was shipped, or
        with ``at_import`` once the order is imported. Nothing is due for an order that its source has cancelled, and no
        shipment for one that is cancelled at the destination.

        The first time, and after a change of ``each_delivery`` or ``at_import``, all orders of before are read first.
        Raises ``ConcurrentUpdateError`` if another process changes these meanwhile.
        """
        done_after = _done_after(each_delivery=each_delivery, at_import=at_import)
        read = partial(self._due, name, step, limit, done_after, after=after, given_up_s=given_up_s)
        found = read()
        if found is None:
            self._start(name, done_after)
            while not self._fill(name, done_after):
                pass
            found = read()
        if found is None:
            raise ConcurrentUpdateError(due_orders.OTHER_SETTING.format(name))
        return found

    @reads
    def _due(
        self, tx: Transaction, name: str, step: str, limit: int, done_after: str, *, after: int, given_up_s: float
    ) -> list[FeedbackStep] | None:
        """``None`` if the worklist must be filled first."""
        if not due_orders.is_filled(tx, name, done_after):
            return None
        query = due_steps(name, step, done_after, beyond=after, now=tx.now, given_up_s=given_up_s).limit(limit)
        return [FeedbackStep(*tuple(row)) for row in tx.run(query)]

    @writes
    def _start(self, tx: Transaction, name: str, done_after: str) -> None:
        due_orders.start(tx, name, done_after)

    @writes
    def _fill(self, tx: Transaction, name: str, done_after: str) -> bool:
        return due_orders.fill(tx, name, done_after)

    def remove_finished(self, name: str, *, each_delivery: bool = False, at_import: bool = False) -> None:
        """Remove the orders from the worklist about which nothing is left to do until something happens to them."""
        done_after = _done_after(each_delivery=each_delivery, at_import=at_import)
        last = 0
        while ids := self._finished(name, done_after, last):
            self._remove(name, done_after, ids)
            last = ids[-1]

    @reads
    def _finished(self, tx: Transaction, name: str, done_after: str, last: int) -> Sequence[int]:
        return due_orders.finished(tx, name, done_after, last)

    @writes
    def _remove(self, tx: Transaction, name: str, done_after: str, ids: Sequence[int]) -> None:
        due_orders.remove(tx, name, done_after, ids)

    @writes
    def claim(
        self, tx: Transaction, ctx: RunContext, steps: Sequence[FeedbackStep], given_up_s: float = 900.0
    ) -> list[FeedbackStep]:
        """Claim steps before their requests; returns those whose orders no other worker is writing.

        A step that was tried ``MAX_TRIES`` times fails instead. Orders that were cancelled since ``due`` are left out.
        """
        ids = {step.submission_id for step in steps}
        locked = {row.id: row for row in lock(tx, ids, "source_cancelled_at", "cancelled_at", "shipped")}
        steps = [step for step in steps if not _is_cancelled(locked[step.submission_id], step.step)]
        rows = tx.run(sa.select(feedback).where(among(feedback.c.submission_id, "ids")), {"ids": sorted(ids)}).all()
        known = {(row.submission_id, row.step, row.delivery): row for row in rows}
        stale = tx.now - timedelta(seconds=given_up_s)
        busy = {row.submission_id for row in rows if row.state == "sent" and row.at > stale}
        claimed, exhausted = [], []
        for step in steps:
            row = known.get((step.submission_id, step.step, step.delivery))
            if step.submission_id in busy or (row is not None and row.state not in ("sent", "refused")):
                continue
            if any(key[:2] == (step.submission_id, EXCLUDES.get(step.step)) for key in known):
                continue
            if row is not None and row.tries >= MAX_TRIES:
                exhausted.append(step)
            else:
                claimed.append(step)
        tx.many(_EXHAUSTED, [_bound(step) for step in exhausted])
        new = [step for step in claimed if (step.submission_id, step.step, step.delivery) not in known]
        tx.many(
            feedback.insert(),
            [{**_key(step), "state": "sent", "tries": 1, "at": tx.now, "run": ctx.run, "message": ""} for step in new],
        )
        tx.many(_AGAIN, [{**_bound(step), "b_at": tx.now, "b_run": ctx.run} for step in claimed if step not in new])
        return claimed

    @writes
    def record_answers(
        self,
        tx: Transaction,
        ctx: RunContext,
        answers: Sequence[tuple[FeedbackStep, Acknowledgement]],
        most: int = MAX_REFUSALS,
    ) -> None:
        """Record answers of the source. A refused step is due again after a growing delay, and fails after ``most``
        refusals.

        An order that its source has cancelled is marked (``cancellations``), and no more steps are sent for it.
        """
        rows = []
        for step, answer in answers:
            refusals = step.refusals + (not answer.accepted and not answer.passing)
            state = "done" if answer.accepted else FAILED if refusals >= most else "refused"
            delay = backoff(FIRST_DELAY, step.tries, LONGEST_DELAY)
            rows.append(
                {
                    **_bound(step),
                    "b_state": state,
                    "b_at": tx.now,
                    "b_run": ctx.run,
                    "b_refusals": refusals,
                    "b_due": tx.now + delay if state == "refused" else None,
                    "b_message": clean_text(answer.message, 300),
                }
            )
        tx.many(_ANSWER, rows)
        cancelled = sorted({step.source_id for step, answer in answers if answer.cancelled})
        if cancelled:
            cancellations.record(tx, ctx, cancelled)


def _is_cancelled(order: Any, step: str) -> bool:
    """Whether this step must not be reported about a locked order."""
    if step == OMS_CANCELLED and (order.cancelled_at is None or order.shipped is not None):
        return True
    return order.source_cancelled_at is not None or (step == SHIPPED and order.cancelled_at is not None)


def _done_after(*, each_delivery: bool, at_import: bool) -> str:
    return EACH_DELIVERY if each_delivery else AFTER_IMPORT if at_import else AFTER_SHIPMENT


def steps_of(tx: Transaction, number: int) -> list[dict[str, Any]]:
    """The write-back steps of one submission, for display."""
    query = sa.select(feedback).where(feedback.c.submission_id == number).order_by(feedback.c.at, feedback.c.step)
    return [dict(row) for row in tx.run(query).mappings()]


def _key(step: FeedbackStep) -> dict[str, object]:
    return {"submission_id": step.submission_id, "step": step.step, "delivery": step.delivery}


def _bound(step: FeedbackStep) -> dict[str, object]:
    return {f"b_{name}": value for name, value in _key(step).items()}


THIS_STEP = sa.and_(
    feedback.c.submission_id == sa.bindparam("b_submission_id"),
    feedback.c.step == sa.bindparam("b_step"),
    feedback.c.delivery == sa.bindparam("b_delivery"),
)
_AGAIN = (
    feedback.update()
    .where(THIS_STEP)
    .values(
        state="sent",
        tries=feedback.c.tries + 1,
        at=sa.bindparam("b_at", type_=feedback.c.at.type),
        run=sa.bindparam("b_run"),
        due_at=None,
    )
)
_EXHAUSTED = (
    feedback.update()
    .where(THIS_STEP)
    .values(
        state=FAILED,
        due_at=None,
        message=sa.func.coalesce(sa.func.nullif(feedback.c.message, ""), "no usable answer"),
    )
)
_ANSWER = (
    feedback.update()
    .where(THIS_STEP, feedback.c.state == "sent")
    .values(
        state=sa.bindparam("b_state"),
        at=sa.bindparam("b_at", type_=feedback.c.at.type),
        run=sa.bindparam("b_run"),
        due_at=sa.bindparam("b_due", type_=feedback.c.due_at.type),
        message=sa.bindparam("b_message"),
        refusals=sa.bindparam("b_refusals", type_=feedback.c.refusals.type),
    )
)
