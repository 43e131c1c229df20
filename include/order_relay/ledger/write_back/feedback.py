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
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.backoff import backoff
from order_relay.ledger.schema.shipment_tables import shipment
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.submissions.transitions import lock
from order_relay.ledger.write_back import cancellations
from order_relay.ledger.write_back.oms_cancellations import EXCLUDES, OMS_CANCELLED, SHIPPED, has_step, to_report
from order_relay.orders.messages import Acknowledgement, RunContext

OMS_NUMBER, LINE_NUMBERS = "oms_number", "line_numbers"

FIRST_DELAY, LONGEST_DELAY = timedelta(minutes=5), timedelta(hours=6)
"""Delay before a refused step is retried; doubled each time, up to the longest."""

MAX_REFUSALS = 5
"""Refusals by the source after which a step has failed (default of ``feedback: most_refusals``)."""

MAX_TRIES = 20
"""Tries after which a step has failed, whatever their results: some days, with the growing delays."""

RETRY_PATIENCE = ((4, 1), (8, 4), (12, 16), (MAX_TRIES + 1, 64))
"""(tries, factor): up to this many tries without an answer, a step is released after factor times ``given_up_s``."""

OPEN, FAILED, GIVEN_UP = ("sent", "refused", "failed"), "failed", "given_up"
_OVER = ("done", FAILED, GIVEN_UP)


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


_mine = feedback.alias("mine")
_before = feedback.alias("before")


class Feedback(Repository):
    """Write-back steps: what a source is informed of about its orders."""

    @reads
    def due(
        self,
        tx: Transaction,
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
        """
        deliveries = each_delivery and step == SHIPPED
        delivery = shipment.c.id if deliveries else sa.literal(0)
        source = submission.join(shipment, shipment.c.submission_id == submission.c.id) if deliveries else submission
        query = (
            sa.select(
                submission.c.id,
                sa.literal(step),
                delivery.label("delivery"),
                submission.c.source_id,
                submission.c.oms_id,
                sa.func.coalesce(_mine.c.tries, 0),
                sa.func.coalesce(_mine.c.state == "sent", sa.false()),
                sa.func.coalesce(_mine.c.refusals, 0),
            )
            .select_from(
                source.outerjoin(
                    _mine,
                    sa.and_(
                        _mine.c.submission_id == submission.c.id, _mine.c.step == step, _mine.c.delivery == delivery
                    ),
                )
            )
            .where(
                submission.c.pipeline == name,
                submission.c.state == State.IMPORTED,
                submission.c.ack == "confirmed",
                submission.c.source_cancelled_at.is_(None),
                submission.c.id > after,
                _open(tx.now, given_up_s),
                *_forerunner(step, deliveries=deliveries),
            )
            .order_by(submission.c.id, delivery)
            .limit(limit)
        )
        if deliveries:
            query = query.where(shipment.c.asks == "", shipment.c.closed == "")
        if step == SHIPPED:
            query = query.where(submission.c.cancelled_at.is_(None), ~has_step(OMS_CANCELLED))
        if step == OMS_CANCELLED:
            query = query.where(*to_report(tx.now))
        if step == SHIPPED and not deliveries and not at_import:
            query = query.where(submission.c.shipped == "shipped")
        return [FeedbackStep(*tuple(row)) for row in tx.run(query)]

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


def _open(now: datetime, given_up_s: float) -> sa.ColumnElement[bool]:
    """Never sent, refused and due again, or claimed by a worker that died."""
    return sa.or_(
        _mine.c.state.is_(None),
        sa.and_(_mine.c.state == "refused", _mine.c.due_at <= now),
        sa.and_(
            _mine.c.state == "sent",
            sa.or_(
                *(
                    sa.and_(_mine.c.tries < tries, _mine.c.at <= now - timedelta(seconds=given_up_s * times))
                    for tries, times in RETRY_PATIENCE
                )
            ),
        ),
    )


def _forerunner(step: str, *, deliveries: bool) -> list[sa.ColumnElement[bool]]:
    """The step before this one is over.

    A delivery names numbered lines, so the line numbers must be done. The shipment is reported even if the source
    refused the line numbers, or the OMS number permanently.
    """
    if step in {OMS_NUMBER, OMS_CANCELLED}:
        return []
    if step == LINE_NUMBERS:
        return [_has_state(OMS_NUMBER, "done")]
    if deliveries:
        return [_has_state(LINE_NUMBERS, "done")]
    return [sa.or_(_has_state(LINE_NUMBERS, "refused", *_OVER), _has_state(OMS_NUMBER, FAILED, GIVEN_UP))]


def _has_state(step: str, *states: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        _before.c.submission_id == submission.c.id, _before.c.step == step, _before.c.state.in_(states)
    )


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
