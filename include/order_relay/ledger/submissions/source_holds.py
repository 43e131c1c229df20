"""Orders that wait for a change at their source, such as a payment or a correction.

A source that is read by time returns them only once, so they are requested again by id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.records import WorkItem
from order_relay.ledger.schema.source_tables import unread
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition
from order_relay.orders.identity.source_identity import HASHED_ID_PREFIX
from order_relay.orders.mapping.eligibility import NOT_RETURNED, REASON_PREFIX
from order_relay.orders.messages import RunContext

LONGEST_DELAY = timedelta(hours=6)
"""The longest delay between two requests for an order; usually a twentieth of its age in the ledger."""

QUIET_PERIOD = timedelta(hours=1)
"""A refused order is requested again if it was not offered for this time."""

_REFUSED = submission.c.state.in_([State.QUARANTINED, State.REJECTED])
_WAITS = sa.and_(submission.c.state == State.WAITING, submission.c.reason.startswith(REASON_PREFIX))


@dataclass(frozen=True, slots=True)
class SourceHold:
    """A submission that the eligibility rules hold back: why, and whether it is requested again by id."""

    work: WorkItem
    reason: str
    ask_again: bool


class SourceHolds(Repository):
    """Submissions that wait for their source."""

    @writes
    def wait(self, tx: Transaction, ctx: RunContext, waits: Sequence[SourceHold], shortest_s: float) -> int:
        """Put these in ``waiting``; returns their number. One that already waits for the same reason gets no event.

        The next request is due after a twentieth of the order's age in the ledger, between ``shortest_s`` and
        ``LONGEST_DELAY``. Submissions that have changed since are skipped.
        """
        wanted = {wait.work.id: wait for wait in waits}
        rows = [
            row
            for row in lock(tx, wanted, "reason", "first_offered_at")
            if row.revision == wanted[row.id].work.revision
        ]
        due = {
            row.id: _due(tx.now, row.first_offered_at, shortest_s) if wanted[row.id].ask_again else None for row in rows
        }
        there = [row for row in rows if row.state == State.WAITING and row.reason == wanted[row.id].reason]
        tx.many(_DUE, [{"b_id": row.id, "b_due": due[row.id]} for row in there])
        moving = [row for row in rows if row not in there]
        each = {row.id: {"reason": wanted[row.id].reason, "due_at": due[row.id]} for row in moving}
        transition(tx, moving, State.WAITING, TransitionCause(ctx), each=each)
        return len(rows)

    @reads
    def due_for_recheck(self, tx: Transaction, name: str, limit: int) -> list[str]:
        """Source ids of the orders to request now, oldest first.

        Waiting orders that are due, refused ones that may be corrected at the source, and orders that could not be read
        last time.
        """
        is_due = sa.or_(submission.c.due_at.is_(None), submission.c.due_at <= tx.now)
        refused = sa.and_(_REFUSED, submission.c.last_offered_at <= tx.now - QUIET_PERIOD, is_due)
        waits = sa.and_(_WAITS, submission.c.due_at <= tx.now)
        not_read = unread.c.source_id.is_not(None)
        query = (
            sa.select(submission.c.source_id)
            .select_from(
                submission.outerjoin(
                    unread,
                    sa.and_(unread.c.pipeline == submission.c.pipeline, unread.c.source_id == submission.c.source_id),
                )
            )
            .where(
                submission.c.pipeline == name,
                submission.c.state.in_([State.WAITING, State.QUARANTINED, State.REJECTED]),
                sa.or_(_WAITS, _REFUSED),
                ~submission.c.source_id.startswith(HASHED_ID_PREFIX),
                sa.case((not_read, unread.c.due_at <= tx.now), else_=sa.or_(waits, refused)),
            )
            .order_by(submission.c.id)
            .limit(limit)
        )
        return list(dict.fromkeys(tx.run(query).scalars()))

    @writes
    def mark_withdrawn(self, tx: Transaction, ctx: RunContext, source_ids: Iterable[str]) -> int:
        """Record that the source no longer returns these to this connection; returns their number.

        Waiting ones wait under ``NOT_RETURNED``, and all are requested again after ``LONGEST_DELAY``, since the
        connection or the order may change. One that is offered again is evaluated again.
        """
        ids = (
            tx.run(
                sa.select(submission.c.id).where(
                    submission.c.pipeline == ctx.pipeline,
                    sa.or_(_WAITS, _REFUSED),
                    among(submission.c.source_id, "keys"),
                ),
                {"keys": sorted(source_ids)},
            )
            .scalars()
            .all()
        )
        rows: list[Any] = lock(tx, ids, "reason")
        waiting = [row for row in rows if row.state == State.WAITING and row.reason != NOT_RETURNED]
        transition(tx, waiting, State.WAITING, TransitionCause(ctx, "its source no longer offers it", NOT_RETURNED))
        tx.many(_DUE, [{"b_id": row.id, "b_due": tx.now + LONGEST_DELAY} for row in rows])
        return len(rows)


def _due(now: datetime, known_since: datetime, shortest_s: float) -> datetime:
    delay = (now - known_since) / 20
    return now + max(timedelta(seconds=shortest_s), min(LONGEST_DELAY, delay))


_DUE = (
    submission.update()
    .where(submission.c.id == sa.bindparam("b_id"))
    .values(due_at=sa.bindparam("b_due", type_=submission.c.due_at.type))
)
