"""Refused acknowledgements of sources that never give a complete answer: retried with growing delays, up to a limit.

Such a source cannot confirm an acknowledgement by absence, so one that it always refuses would be sent in every run. It
is therefore recorded like a write-back step (``feedback``), with the same limits: after ``most_refusals`` refusals, or
``due_steps.MAX_TRIES`` tries without an answer, it has failed and an operator decides. Only refused or unanswered
acknowledgements have a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.backoff import backoff_after_immediate_retry
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.submissions.transitions import lock
from order_relay.ledger.write_back import feedback as steps
from order_relay.ledger.write_back.cancellations import CANCELLED, TAKE_OVER
from order_relay.ledger.write_back.due_steps import FAILED, GIVEN_UP, MAX_TRIES
from order_relay.orders.messages import Acknowledgement, RunContext

_same = submission.alias("same")


def blocked(now: datetime) -> sa.ColumnElement[bool]:
    """The acknowledgement of a submission's number has failed, or is not due again yet."""
    return sa.exists().where(
        _same.c.pipeline == submission.c.pipeline,
        _same.c.order_number == submission.c.order_number,
        feedback.c.submission_id == _same.c.id,
        feedback.c.step == TAKE_OVER,
        sa.or_(
            feedback.c.state.in_([FAILED, GIVEN_UP]),
            sa.and_(feedback.c.state == "refused", feedback.c.due_at > now),
        ),
    )


def record_answers(tx: Transaction, ctx: RunContext, answers: Mapping[int, Acknowledgement], most: int) -> None:
    """Record refused, unanswered and cancelled acknowledgements, and set accepted ones that have a row to ``done``."""
    lock(tx, answers)
    rows = tx.run(
        sa.select(feedback).where(among(feedback.c.submission_id, "ids"), feedback.c.step == TAKE_OVER),
        {"ids": sorted(answers)},
    )
    known = {row.submission_id: row for row in rows}
    written = [
        (number in known, _row(tx, ctx, number, answer, before=known.get(number), most=most))
        for number, answer in answers.items()
        if number in known or not answer.accepted
    ]
    tx.many(feedback.insert(), [row for old, row in written if not old])
    tx.many(_CHANGE, [{f"b_{name}": value for name, value in row.items()} for old, row in written if old])


def next_state(state: str, tries: int, refusals: int, answer: Acknowledgement, most: int) -> tuple[str, int, int]:
    """State, tries and refusals after an answer. Those of an earlier one that is done or cancelled do not count."""
    if state in {"done", CANCELLED}:
        tries = refusals = 0
    tries += 1
    refusals += not answer.accepted and not answer.passing
    if answer.accepted:
        return "done", tries, refusals
    if answer.cancelled:
        return CANCELLED, tries, refusals
    over = refusals >= most or tries >= MAX_TRIES
    return FAILED if over else "refused", tries, refusals


def retry_delay(tries: int) -> timedelta:
    """The delay of the next try after ``tries``. The first retry is left to the next run."""
    return backoff_after_immediate_retry(steps.FIRST_DELAY, tries - 1, steps.LONGEST_DELAY)


def _row(
    tx: Transaction, ctx: RunContext, number: int, answer: Acknowledgement, *, before: Any, most: int
) -> dict[str, Any]:
    known: tuple[str, int, int] = ("refused", 0, 0)
    if before is not None:
        known = (before.state, before.tries, before.refusals)
    state, tries, refusals = next_state(*known, answer, most)
    return {
        "submission_id": number,
        "step": TAKE_OVER,
        "delivery": 0,
        "state": state,
        "tries": tries,
        "at": tx.now,
        "due_at": tx.now + retry_delay(tries) if state == "refused" else None,
        "run": ctx.run,
        "message": clean_text(answer.message, 300),
        "refusals": refusals,
    }


_CHANGE = (
    feedback.update()
    .where(
        feedback.c.submission_id == sa.bindparam("b_submission_id"),
        feedback.c.step == sa.bindparam("b_step"),
        feedback.c.delivery == sa.bindparam("b_delivery"),
    )
    .values(
        {
            name: sa.bindparam(f"b_{name}", type_=feedback.c[name].type)
            for name in ("state", "tries", "at", "due_at", "run", "message", "refusals")
        }
    )
)
