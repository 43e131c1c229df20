"""How often one order may be sent: an order that the destination never stores is not retried without end.

The limit belongs to the order's content: attempts count from the first one of this content, and an operator's replay,
a decision or a changed content starts anew. Only attempts that provably left nothing at the destination count; an
order that may be stored is looked up, never counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import sqlalchemy as sa

from order_relay.ledger.schema.tables import attempt
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.text import clean_text
from order_relay.orders.messages import SendOutcome

OF_ANY_KIND = 2
"""So many times ``max_attempts`` in all, where the answers differ from attempt to attempt."""


_NOT_TRIED = tuple(str(o) for o in (SendOutcome.NOT_SENT, SendOutcome.THROTTLED, SendOutcome.CONFIGURATION_ERROR))
LEASE_EXPIRED = "lease_expired"
"""Reason of an order whose worker died while it sent: nobody saw the answer."""


class AttemptAnswer(Protocol):
    """What the destination answered."""

    @property
    def status(self) -> int: ...  # noqa: D102
    @property
    def code(self) -> str: ...  # noqa: D102
    @property
    def outcome(self) -> str: ...  # noqa: D102


class EndedAttempt(AttemptAnswer, Protocol):
    """What an attempt ended with. ``settled_at`` is missing where its worker died before it knew an answer."""

    @property
    def settled_at(self) -> datetime | None: ...  # noqa: D102


def attempts_of(tx: Transaction, submission_id: int, since: datetime | None) -> list[Any]:
    """The attempts of a submission since ``since`` (all: ``None``) that reached the destination, the oldest first."""
    query = sa.select(
        attempt.c.number, attempt.c.status, attempt.c.code, attempt.c.outcome, attempt.c.settled_at
    ).where(attempt.c.submission_id == submission_id, attempt.c.outcome.not_in(_NOT_TRIED))
    if since is not None:
        query = query.where(attempt.c.sent_at >= since)
    return list(tx.run(query.order_by(attempt.c.number)))


def outcome_code(tried: EndedAttempt) -> str:
    """A stable code for how an attempt ended; ``lease_expired`` where its worker died before it knew."""
    return LEASE_EXPIRED if tried.settled_at is None else answer_code(tried)


def answer_code(answer: AttemptAnswer) -> str:
    """A stable code for what the destination answered: the status with its own code, or the kind of failure where no
    complete answer came."""
    if answer.status:
        return clean_text(f"http_{answer.status}_{answer.code}" if answer.code else f"http_{answer.status}", 120)
    return clean_text(answer.code or str(answer.outcome), 120)


def exhausted(tried: Sequence[EndedAttempt], max_attempts: int) -> str:
    """Why an order whose attempts all left nothing at the destination is not sent again; empty where it may be.

    A worker that died says nothing about the order, so such attempts count towards the limit of all kinds only.
    """
    if not tried:
        return ""
    last = outcome_code(tried[-1])
    alike = 0
    for one in reversed(tried):
        if outcome_code(one) != last:
            break
        alike += 1
    if last != LEASE_EXPIRED and alike >= max_attempts:
        return f"{alike} attempts ended with {last}, and each time the destination did not have the order"
    if len(tried) >= max_attempts * OF_ANY_KIND:
        return f"{len(tried)} attempts ended differently, the last with {last}; the destination never had the order"
    return ""
