"""Orders that their source cancelled.

An order that was sent is marked once and, once imported, needs an operator. It keeps its state, since the destination
has it. No more write-back is sent for it, and feeds show it as cancelled. An order that was not sent yet is stopped: it
waits and is read again from its source first. A marked order that turns out not to be at the destination is stopped
before its next attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from order_relay.errors import IllegalTransitionError
from order_relay.ledger.schema import order_counts
from order_relay.ledger.schema.listed_rows import CancelledSubmission
from order_relay.ledger.schema.predicates import IN_ANY_PIPELINE
from order_relay.ledger.schema.records import OverdueOrders
from order_relay.ledger.schema.states import AT_DESTINATION, State
from order_relay.ledger.schema.tables import event, submission
from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition
from order_relay.orders.mapping.eligibility import CANCELLED as STOPPED
from order_relay.orders.mapping.eligibility import NOT_RETURNED, is_eligibility_reason
from order_relay.orders.messages import RunContext

CANCELLED = "cancelled"
"""State of a write-back step that is no longer sent because the source cancelled the order."""

TAKE_OVER = "take_over"
"""The write-back step of the acknowledgement (``ack_retries``)."""

MAX_NAMED = 20

UNSENT = (State.RECEIVED, State.WAITING, State.READY, State.QUARANTINED, State.REJECTED, State.HELD)
"""States in which a cancelled order is stopped: nothing of it is at the destination, and it may still be sent."""


@dataclass(frozen=True, slots=True)
class RecordedCancellations:
    """How many orders were found to be cancelled after they were sent, and how many were stopped before."""

    sent: int = 0
    stopped: int = 0


UNDECIDED = sa.and_(
    sa.text("submission.source_cancelled_at IS NOT NULL"),
    submission.c.cancelled_at.is_(None),
    # an expression, else SQLite takes ix_submission_state and reads all imported orders
    sa.func.coalesce(submission.c.state, sa.literal_column("''")) == State.IMPORTED,
)
"""An imported order that its source cancelled, without a decision of an operator."""


class Cancellations(Repository):
    """Orders that their source has cancelled."""

    def record(self, ctx: RunContext, source_ids: Iterable[str]) -> RecordedCancellations:
        """Record that the source has cancelled these; returns how many are new."""
        wanted = list(source_ids)
        return self._record(ctx, wanted) if wanted else RecordedCancellations()

    @writes
    def _record(self, tx: Transaction, ctx: RunContext, source_ids: Sequence[str]) -> RecordedCancellations:
        return record(tx, ctx, source_ids)

    @reads
    def unsettled(self, tx: Transaction, name: str | None = None) -> list[CancelledSubmission]:
        """Imported orders that their source cancelled, and about which no operator has decided yet."""
        return pending(tx, name)

    @writes
    def settle(self, tx: Transaction, ctx: RunContext, number: str, reason: str, *, reinstated: bool = False) -> int:
        """Record that an operator cancelled these orders at the destination; returns their number.

        ``reinstated``: the source took its cancellation back instead. The orders lose their mark, and their write-back
        continues, with the acknowledgement first if the source refused it because of the cancellation. Raises
        ``IllegalTransitionError`` if no order of this number needs a decision.
        """
        ids = [row["id"] for row in pending(tx, ctx.pipeline) if number in {row["order_number"], row["source_id"]}]
        rows = lock(tx, ids)
        if not rows:
            raise IllegalTransitionError(
                f"no order {number!r} of {ctx.pipeline} was cancelled by its source after the import"
            )
        keys = {"ids": [row.id for row in rows]}
        if reinstated:
            tx.run(submission.update().where(among(submission.c.id, "ids")).values(source_cancelled_at=None), keys)
            reopened = tx.run(sa.select(submission.c.id).where(among(submission.c.id, "ids"), _NOT_TAKEN_OVER), keys)
            due = list(reopened.scalars())
            order_counts.count_unconfirmed(tx, due)
            tx.run(submission.update().where(among(submission.c.id, "due")).values(ack="due"), {"due": due})
            tx.run(
                feedback.update()
                .where(among(feedback.c.submission_id, "ids"), feedback.c.state == CANCELLED)
                .values(state="refused", due_at=tx.now, tries=0, refusals=0),
                keys,
            )
        else:
            tx.run(submission.update().where(among(submission.c.id, "ids")).values(cancelled_at=tx.now), keys)
        outcome = "reinstated at its source" if reinstated else "cancelled at the destination"
        _events(tx, ctx, rows, f"{outcome}: {clean_text(reason, 300)}")
        return len(rows)


def record(tx: Transaction, ctx: RunContext, source_ids: Iterable[str]) -> RecordedCancellations:
    """Record that the source has cancelled these; returns how many are new."""
    ids = (
        tx.run(
            sa.select(submission.c.id).where(
                submission.c.pipeline == ctx.pipeline,
                among(submission.c.source_id, "keys"),
                sa.or_(
                    submission.c.state.in_(UNSENT),
                    sa.and_(submission.c.state.in_(AT_DESTINATION), submission.c.source_cancelled_at.is_(None)),
                ),
            ),
            {"keys": sorted(set(source_ids))},
        )
        .scalars()
        .all()
    )
    rows: list[Any] = lock(tx, ids, "source_cancelled_at", "reason", "due_at")
    sent = [row for row in rows if row.state in AT_DESTINATION and row.source_cancelled_at is None]
    mark_cancelled(tx, ctx, sent, "its source cancelled it")
    unsent = [row for row in rows if row.state in UNSENT and not _waits_for_its_source(row)]
    hold_unsent(tx, ctx, unsent)
    return RecordedCancellations(len(sent), len(unsent))


def hold_unsent(tx: Transaction, ctx: RunContext, rows: Iterable[Any]) -> None:
    """Put these locked rows, none of them at the destination, in ``waiting`` until they are read again.

    Their mark is removed: they proceed if the source has taken the cancellation back by then.
    """
    values = {"due_at": tx.now, "source_cancelled_at": None}
    transition(tx, rows, State.WAITING, TransitionCause(ctx, "its source cancelled it", STOPPED), values)


def _waits_for_its_source(row: Any) -> bool:
    """Whether the submission already waits to be read again, for a reason of its source.

    One without ``due_at`` was read and withdrawn.
    """
    if row.state != State.WAITING or not is_eligibility_reason(row.reason):
        return False
    return row.reason in {STOPPED, NOT_RETURNED} or row.due_at is None


def mark_cancelled(tx: Transaction, ctx: RunContext, rows: list[Any], why: str) -> None:
    """Mark these locked rows, close their open steps, and write an event: the state stays the same."""
    if not rows:
        return
    keys = {"ids": [row.id for row in rows]}
    tx.run(submission.update().where(among(submission.c.id, "ids")).values(source_cancelled_at=tx.now), keys)
    tx.run(
        feedback.update()
        .where(among(feedback.c.submission_id, "ids"), feedback.c.state.in_(["sent", "refused", "failed"]))
        .values(state=CANCELLED, due_at=None),
        keys,
    )
    _events(tx, ctx, rows, why)


_NOT_TAKEN_OVER = sa.exists().where(
    feedback.c.submission_id == submission.c.id, feedback.c.step == TAKE_OVER, feedback.c.state == CANCELLED
)


def pending(tx: Transaction, name: str | None) -> list[CancelledSubmission]:
    """Imported orders that their source cancelled, without a decision of an operator."""
    where = [UNDECIDED, IN_ANY_PIPELINE if name is None else submission.c.pipeline == name, submission.c.id > 0]
    columns = [submission.c[column] for column in CancelledSubmission.__annotations__]
    return tx.rows(CancelledSubmission, sa.select(*columns).where(*where).order_by(submission.c.id))


def overdue(tx: Transaction, name: str) -> OverdueOrders | None:
    """The orders of ``pending``, as the cause of an alert."""
    found = pending(tx, name)
    if not found:
        return None
    oldest = min(row["source_cancelled_at"] for row in found)
    return OverdueOrders(CANCELLED, len(found), oldest, tuple(row["order_number"] for row in found[:MAX_NAMED]))


def _events(tx: Transaction, ctx: RunContext, rows: list[Any], why: str) -> None:
    tx.many(
        event.insert(),
        [
            {
                "submission_id": row.id,
                "from_state": row.state,
                "to_state": row.state,
                "revision": row.revision,
                "at": tx.now,
                "run": ctx.run,
                "who": ctx.who,
                "why": why,
            }
            for row in rows
        ],
    )
