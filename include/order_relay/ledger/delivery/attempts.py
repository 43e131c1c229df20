"""Limits on how often an order is sent: an order that the destination never stores is not retried forever.

The limit applies to the order's content. Changed content, a replay or an operator's decision resets the count. Only
attempts that provably stored nothing at the destination count; an order that may be stored is looked up instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa

from order_relay.ledger.schema.tables import attempt
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.text import clean_text
from order_relay.orders.messages import SendOutcome

OF_ANY_KIND = 2
"""Multiple of ``max_attempts`` that limits all attempts if their answers differ."""


_NOT_TRIED = tuple(str(o) for o in (SendOutcome.NOT_SENT, SendOutcome.THROTTLED, SendOutcome.CONFIGURATION_ERROR))
LEASE_EXPIRED = "lease_expired"
"""Reason of an order whose worker died while sending: the answer is unknown."""


def is_over(now: datetime, send_before: datetime | None, quiet_s: float) -> bool:
    """Whether a request that may have started until ``send_before`` has no effect any more that is not visible.

    ``quiet_s``: seconds until its effect is visible, for what the caller wants to do.
    """
    return send_before is not None and now > send_before + timedelta(seconds=quiet_s)


class AttemptAnswer(Protocol):
    """An answer of the destination."""

    @property
    def status(self) -> int: ...  # noqa: D102
    @property
    def code(self) -> str: ...  # noqa: D102
    @property
    def outcome(self) -> str: ...  # noqa: D102


class EndedAttempt(AttemptAnswer, Protocol):
    """The end of an attempt. ``settled_at`` is missing if its worker died before it had an answer."""

    @property
    def settled_at(self) -> datetime | None: ...  # noqa: D102


def attempts_of(tx: Transaction, submission_id: int, since: datetime | None) -> list[Any]:
    """The attempts of a submission since ``since`` (``None``: all) that may have reached the destination."""
    query = sa.select(
        attempt.c.number, attempt.c.status, attempt.c.code, attempt.c.outcome, attempt.c.settled_at
    ).where(attempt.c.submission_id == submission_id, attempt.c.outcome.not_in(_NOT_TRIED))
    if since is not None:
        query = query.where(attempt.c.sent_at >= since)
    return list(tx.run(query.order_by(attempt.c.number)))


def outcome_code(tried: EndedAttempt) -> str:
    """A stable code for the end of an attempt; ``lease_expired`` if its worker died before it had an answer."""
    return LEASE_EXPIRED if tried.settled_at is None else answer_code(tried)


def answer_code(answer: AttemptAnswer) -> str:
    """A stable code for an answer of the destination: the status with the destination's code, or the kind of failure if
    there was no complete answer."""
    if answer.status:
        return clean_text(f"http_{answer.status}_{answer.code}" if answer.code else f"http_{answer.status}", 120)
    return clean_text(answer.code or str(answer.outcome), 120)


def exhausted(tried: Sequence[EndedAttempt], max_attempts: int) -> str:
    """Why an order is not sent again although none of its attempts stored it; empty if it may be sent.

    A worker that died proves nothing about the order, so such attempts count only towards the limit of all attempts.
    """
    if not tried:
        return ""
    last = outcome_code(tried[-1])
    same = 0
    for one in reversed(tried):
        if outcome_code(one) != last:
            break
        same += 1
    if last != LEASE_EXPIRED and same >= max_attempts:
        return f"{same} attempts ended with {last}, and the destination did not store the order"
    if len(tried) >= max_attempts * OF_ANY_KIND:
        return f"{len(tried)} attempts failed, the last with {last}, and the destination never stored the order"
    return ""
