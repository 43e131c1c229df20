"""What a source is told about an order after it was taken over: small steps, each recorded on its own until it is done.

The steps of one order follow each other: its number at the destination, the numbers of its lines, and that it left (a
delivery that is told by itself names the numbered lines). Never are two told at a time: one that writes the whole order
back would take away what the other has just written. A step is claimed before the request (``sent``), and what became
of it is recorded after it. One whose worker died is free again after some time; so steps are such that telling one
again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.columns import among
from order_relay.ledger.database import Transaction
from order_relay.ledger.moving import lock
from order_relay.ledger.shipment_tables import shipment
from order_relay.ledger.states import State
from order_relay.ledger.tables import feedback, submission
from order_relay.ledger.texts import clean
from order_relay.orders.exchange import Acknowledgement, RunContext

OMS_NUMBER, LINE_NUMBERS, SHIPPED = "oms_number", "line_numbers", "shipped"

FIRST_DELAY, LONGEST_DELAY = timedelta(minutes=5), timedelta(hours=6)
"""A step that the source refused is tried again after this, then after twice as long, and so on."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step to tell. ``delivery`` is the shipment's ledger id where each delivery is a step, else 0.

    ``silent``: it was told before, and nobody knows whether the source took it.
    """

    submission_id: int
    step: str
    delivery: int = 0
    source_id: str = ""
    oms_id: str = ""
    tries: int = 0
    silent: bool = False


_mine = feedback.alias("mine")
_before = feedback.alias("before")


def due(
    tx: Transaction, name: str, step: str, limit: int, *, each_delivery: bool = False, after: int = 0,
    given_up_s: float = 900.0,
) -> list[Step]:
    """Orders of a pipeline for which ``step`` is due, by ledger id from behind ``after``.

    Also those that were claimed ``given_up_s`` seconds ago and have no answer.

    ``each_delivery``: ``shipped`` is due for every shipment of an order; else once, when everything was shipped.
    """
    deliveries = each_delivery and step == SHIPPED
    delivery = shipment.c.id if deliveries else sa.literal(0)
    source = submission.join(shipment, shipment.c.submission_id == submission.c.id) if deliveries else submission
    query = (
        sa.select(
            submission.c.id, sa.literal(step), delivery.label("delivery"), submission.c.source_id, submission.c.oms_id,
            sa.func.coalesce(_mine.c.tries, 0), sa.func.coalesce(_mine.c.state == "sent", sa.false()),
        )
        .select_from(source.outerjoin(_mine, sa.and_(
            _mine.c.submission_id == submission.c.id, _mine.c.step == step, _mine.c.delivery == delivery
        )))
        .where(
            submission.c.pipeline == name, submission.c.state == State.IMPORTED, submission.c.ack == "confirmed",
            submission.c.id > after, _open(tx.now, given_up_s),
            *_forerunner(step, "done" if deliveries else "refused"),
        )
        .order_by(submission.c.id, delivery).limit(limit)
    )
    if deliveries:
        query = query.where(shipment.c.asks == "", shipment.c.closed == "")
    if step == SHIPPED and not deliveries:
        query = query.where(submission.c.shipped == "shipped")
    return [Step(*tuple(row)) for row in tx.run(query)]


def _open(now: datetime, given_up_s: float) -> sa.ColumnElement[bool]:
    """Never told, refused and due again, or claimed by a worker that died."""
    return sa.or_(
        _mine.c.state.is_(None),
        sa.and_(_mine.c.state == "refused", _mine.c.due_at <= now),
        sa.and_(_mine.c.state == "sent", _mine.c.at <= now - timedelta(seconds=given_up_s)),
    )


def _forerunner(step: str, without_lines: str) -> list[sa.ColumnElement[bool]]:
    """That the step before this one is over: done, or for the lines of a shipped order also ``without_lines``."""
    if step == OMS_NUMBER:
        return []
    before, states = (OMS_NUMBER, {"done"}) if step == LINE_NUMBERS else (LINE_NUMBERS, {"done", without_lines})
    return [sa.exists().where(
        _before.c.submission_id == submission.c.id, _before.c.step == before, _before.c.state.in_(sorted(states))
    )]


def claim(tx: Transaction, ctx: RunContext, steps: Sequence[Step], given_up_s: float = 900.0) -> list[Step]:
    """Note, before the request, that these are being told; those whose orders nobody else tells of meanwhile."""
    ids = {step.submission_id for step in steps}
    lock(tx, ids)
    rows = tx.run(sa.select(feedback).where(among(feedback.c.submission_id, "ids")), {"ids": sorted(ids)}).all()
    known = {(row.submission_id, row.step, row.delivery): row for row in rows}
    stale = tx.now - timedelta(seconds=given_up_s)
    busy = {row.submission_id for row in rows if row.state == "sent" and row.at > stale}
    claimed = []
    for step in steps:
        row = known.get((step.submission_id, step.step, step.delivery))
        if step.submission_id not in busy and (row is None or row.state != "done"):
            claimed.append(step)
    new = [step for step in claimed if (step.submission_id, step.step, step.delivery) not in known]
    tx.many(feedback.insert(), [
        {**_key(step), "state": "sent", "tries": 1, "at": tx.now, "run": ctx.run, "message": ""} for step in new
    ])
    tx.many(_AGAIN, [
        {**_bound(step), "b_at": tx.now, "b_run": ctx.run} for step in claimed if step not in new
    ])
    return claimed


def told(tx: Transaction, ctx: RunContext, answers: Iterable[tuple[Step, Acknowledgement]]) -> None:
    """What the source said. A refused step is due again after a growing time."""
    tx.many(_ANSWER, [
        {
            **_bound(step), "b_state": "done" if answer.accepted else "refused", "b_at": tx.now, "b_run": ctx.run,
            "b_due": None if answer.accepted else tx.now + min(FIRST_DELAY * 2 ** min(step.tries, 10), LONGEST_DELAY),
            "b_message": clean(answer.message, 300),
        }
        for step, answer in answers
    ])


def steps_of(tx: Transaction, number: int) -> list[dict[str, Any]]:
    """What the source was told about one submission, for people."""
    query = sa.select(feedback).where(feedback.c.submission_id == number).order_by(feedback.c.at, feedback.c.step)
    return [dict(row) for row in tx.run(query).mappings()]


def counts(tx: Transaction, name: str) -> dict[str, int]:
    """How many steps of a pipeline's orders stand how, as ``STEP_STATE``."""
    query = (
        sa.select(feedback.c.step, feedback.c.state, sa.func.count().label("n"))
        .join(submission, submission.c.id == feedback.c.submission_id).where(submission.c.pipeline == name)
        .group_by(feedback.c.step, feedback.c.state)
    )
    return {f"{row.step}_{row.state}": row.n for row in tx.run(query)}


def _key(step: Step) -> dict[str, object]:
    return {"submission_id": step.submission_id, "step": step.step, "delivery": step.delivery}


def _bound(step: Step) -> dict[str, object]:
    return {f"b_{name}": value for name, value in _key(step).items()}


_THIS = sa.and_(
    feedback.c.submission_id == sa.bindparam("b_submission_id"), feedback.c.step == sa.bindparam("b_step"),
    feedback.c.delivery == sa.bindparam("b_delivery"),
)
_AGAIN = feedback.update().where(_THIS).values(
    state="sent", tries=feedback.c.tries + 1, at=sa.bindparam("b_at", type_=feedback.c.at.type),
    run=sa.bindparam("b_run"), due_at=None,
)
_ANSWER = feedback.update().where(_THIS, feedback.c.state == "sent").values(
    state=sa.bindparam("b_state"), at=sa.bindparam("b_at", type_=feedback.c.at.type), run=sa.bindparam("b_run"),
    due_at=sa.bindparam("b_due", type_=feedback.c.due_at.type), message=sa.bindparam("b_message"),
)
