"""When a write-back step is due.

The steps of an order follow each other, so what is due depends on the steps before, on parcels and cancellations, and
on the setting after what an order is reported as done.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.shipment_tables import IS_COUNTED, shipment
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.schema.write_back_tables import IS_REPORTABLE, feedback, feedback_due
from order_relay.ledger.write_back.oms_cancellations import (
    IS_ONLY_VERSION,
    OMS_CANCELLED,
    SHIPPED,
    cancelled_at_oms,
    has_step,
)

OMS_NUMBER, LINE_NUMBERS = "oms_number", "line_numbers"

AFTER_SHIPMENT, AFTER_IMPORT, EACH_DELIVERY = "shipment", "import", "delivery"
"""An order is reported as done when all of it was shipped, once it is imported, or delivery by delivery."""

MAX_TRIES = 20
"""Tries after which a step has failed, whatever their results: some days, with the growing delays."""

RETRY_PATIENCE = ((4, 1), (8, 4), (12, 16), (MAX_TRIES + 1, 64))
"""(tries, factor): up to this many tries without an answer, a step is released after factor times ``given_up_s``."""

FAILED, GIVEN_UP = "failed", "given_up"
_OVER = ("done", FAILED, GIVEN_UP)
_UNANSWERED, _REFUSED = "sent", "refused"

_mine = feedback.alias("mine")
_before = feedback.alias("before")


def due_steps(name: str, step: str, after: str, *, beyond: int, now: datetime, given_up_s: float) -> sa.Select[Any]:
    """The due steps of this kind of the orders on the worklist, by ledger id, with ids above ``beyond``: the columns of
    ``FeedbackStep``."""
    deliveries = after == EACH_DELIVERY and step == SHIPPED
    delivery = shipment.c.id if deliveries else sa.literal(0)
    orders = feedback_due.join(submission, submission.c.id == feedback_due.c.submission_id)
    source = orders.join(shipment, shipment.c.submission_id == submission.c.id) if deliveries else orders
    this_step = sa.and_(_mine.c.submission_id == submission.c.id, _mine.c.step == step, _mine.c.delivery == delivery)
    other_versions = [IS_ONLY_VERSION] if step == OMS_CANCELLED else []
    return (
        sa.select(
            submission.c.id,
            sa.literal(step),
            delivery.label("delivery"),
            submission.c.source_id,
            submission.c.oms_id,
            sa.func.coalesce(_mine.c.tries, 0),
            sa.func.coalesce(_mine.c.state == _UNANSWERED, sa.false()),
            sa.func.coalesce(_mine.c.refusals, 0),
        )
        .select_from(source.outerjoin(_mine, this_step))
        .where(
            feedback_due.c.pipeline == name,
            feedback_due.c.submission_id > beyond,
            IS_REPORTABLE,
            _is_free(now, given_up_s),
            *_conditions(step, after, now),
            *([IS_COUNTED] if deliveries else []),
            *other_versions,
        )
        .order_by(feedback_due.c.submission_id, delivery)
    )


def may_be_due(after: str, now: datetime) -> sa.ColumnElement[bool]:
    """A step of a reportable order is due, or will be with time alone.

    Also if it was cancelled at the OMS and has another version, which may still be discarded: for
    ``oms_cancellations.REPORTED_FOR``.
    """
    return sa.or_(
        *(
            sa.and_(*_conditions(step, after, now), _is_left(step, after))
            for step in (OMS_NUMBER, LINE_NUMBERS, SHIPPED, OMS_CANCELLED)
        )
    )


def _conditions(step: str, after: str, now: datetime) -> list[sa.ColumnElement[bool]]:
    """What a step needs besides that it was not sent yet.

    A delivery names numbered lines, so the line numbers must be done. The shipment is reported even if the source
    refused the line numbers, or the OMS number permanently.
    """
    if step == OMS_NUMBER:
        return []
    if step == OMS_CANCELLED:
        return cancelled_at_oms(now)
    if step == LINE_NUMBERS:
        return [_has_state(OMS_NUMBER, "done")]
    not_cancelled = [submission.c.cancelled_at.is_(None), ~has_step(OMS_CANCELLED)]
    if after == EACH_DELIVERY:
        return [*not_cancelled, _has_state(LINE_NUMBERS, "done")]
    tried = sa.or_(_has_state(LINE_NUMBERS, _REFUSED, *_OVER), _has_state(OMS_NUMBER, FAILED, GIVEN_UP))
    shipped = [submission.c.shipped == "shipped"] if after == AFTER_SHIPMENT else []
    return [*not_cancelled, tried, *shipped]


def _is_free(now: datetime, given_up_s: float) -> sa.ColumnElement[bool]:
    """Never sent, refused and due again, or claimed by a worker that died."""
    return sa.or_(
        _mine.c.state.is_(None),
        sa.and_(_mine.c.state == _REFUSED, _mine.c.due_at <= now),
        sa.and_(
            _mine.c.state == _UNANSWERED,
            sa.or_(
                *(
                    sa.and_(_mine.c.tries < tries, _mine.c.at <= now - timedelta(seconds=given_up_s * times))
                    for tries, times in RETRY_PATIENCE
                )
            ),
        ),
    )


def _is_left(step: str, after: str) -> sa.ColumnElement[bool]:
    """The step, or that of a delivery, was never sent, or has no final answer."""
    if step == SHIPPED and after == EACH_DELIVERY:
        return sa.exists().where(
            shipment.c.submission_id == submission.c.id, IS_COUNTED, ~_is_over(step, shipment.c.id)
        )
    return ~_is_over(step, sa.literal(0))


def _is_over(step: str, delivery: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        _before.c.submission_id == submission.c.id,
        _before.c.step == step,
        _before.c.delivery == delivery,
        _before.c.state.not_in([_UNANSWERED, _REFUSED]),
    )


def _has_state(step: str, *states: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        _before.c.submission_id == submission.c.id, _before.c.step == step, _before.c.state.in_(states)
    )
