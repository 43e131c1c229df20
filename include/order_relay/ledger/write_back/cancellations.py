"""Orders that their source cancelled.

An order that was sent is marked and, once imported, needs an operator (``operators.cancellations``). It keeps its
state, since the destination has it. No more write-back is sent for it, and feeds show it as cancelled. An order that
was not sent yet is stopped: it waits and is read again from its source first. A marked order that turns out not to be
at the destination is stopped before its next attempt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema import order_counts
from order_relay.ledger.schema.listed_rows import CancelledSubmission
from order_relay.ledger.schema.predicates import IN_ANY_PIPELINE
from order_relay.ledger.schema.records import OverdueOrders
from order_relay.ledger.schema.states import AT_DESTINATION, State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.schema.write_back_tables import enqueue_write_back, feedback
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.submissions.transitions import TransitionCause, lock, record_events, transition, update
from order_relay.ledger.write_back.oms_cancellations import OMS_CANCELLED
from order_relay.orders.mapping.eligibility import CANCELLED as STOPPED
from order_relay.orders.mapping.eligibility import NOT_RETURNED, is_eligibility_reason
from order_relay.orders.messages import RunContext

CANCELLED = "cancelled"
"""State of a write-back step that is no longer sent because the source cancelled the order."""

TAKE_OVER = "take_over"
"""The write-back step of the acknowledgement (``ack_retries``)."""

SENT_AS_CANCELLED = "CANCELLED"
"""``submission.sent_as`` of orders that were cancelled before they were sent."""

MAX_NAMED = 20

UNSENT = (State.RECEIVED, State.WAITING, State.READY, State.QUARANTINED, State.REJECTED, State.HELD)
"""States in which a cancelled order is stopped: nothing of it is at the destination, and it may still be sent."""


@dataclass(frozen=True, slots=True)
class RecordedCancellations:
    """How many orders were found to be cancelled after they were sent, and how many were stopped before."""

    sent: int = 0
    stopped: int = 0


UNDECIDED = sa.and_(
    # the words of ix_submission_source_cancelled
    sa.text("submission.source_cancelled_at IS NOT NULL"),
    sa.text("submission.cancellation_decided_at IS NULL"),
    sa.or_(submission.c.cancelled_at.is_(None), submission.c.source_reinstated_at.is_not(None)),
    # an expression, else SQLite takes ix_submission_state and reads all imported orders
    sa.func.coalesce(submission.c.state, sa.literal_column("''")) == State.IMPORTED,
)
"""An imported order that its source cancelled (and perhaps reinstated), without a decision of an operator."""

_MARKS = ("source_cancelled_at", "source_reinstated_at", "cancellation_decided_at", "cancelled_at")


def record(tx: Transaction, ctx: RunContext, source_ids: Iterable[str]) -> RecordedCancellations:
    """Record that the source has cancelled these; returns how many are new."""
    wanted = sorted(set(source_ids))
    rows = _rows_of(tx, ctx, wanted, submission.c.state.in_(UNSENT))
    unsent = [row for row in rows if not (_waits_for_its_source(row) or _is_known(row))]
    hold_unsent(tx, ctx, unsent)
    return RecordedCancellations(record_sent(tx, ctx, wanted), len(unsent))


def record_sent(tx: Transaction, ctx: RunContext, source_ids: Iterable[str]) -> int:
    """Record that the source has cancelled these, of those that were sent; returns how many are new.

    One that was reinstated and is cancelled again is new, even if no operator decided in between. One that is cancelled
    at the destination already needs no decision.
    """
    is_new = sa.or_(submission.c.source_cancelled_at.is_(None), submission.c.source_reinstated_at.is_not(None))
    sent = sa.and_(submission.c.state.in_(AT_DESTINATION), submission.c.sent_as != SENT_AS_CANCELLED)
    rows = _rows_of(tx, ctx, source_ids, sa.and_(sent, is_new))
    for again in (False, True):
        marks = {
            row: {
                "source_cancelled_at": row.source_cancelled_at or tx.now,
                "source_reinstated_at": None,
                "cancellation_decided_at": row.cancelled_at and tx.now,
            }
            for row in rows
            if (row.source_cancelled_at is not None) is again
        }
        mark(tx, ctx, marks, f"its source cancelled it{' again' if again else ''}")
    tx.run(
        feedback.update()
        .where(among(feedback.c.submission_id, "ids"), feedback.c.state.in_(["sent", "refused", "failed"]))
        .values(state=CANCELLED, due_at=None),
        {"ids": [row.id for row in rows]},
    )
    return len(rows)


def reinstate(tx: Transaction, ctx: RunContext, source_ids: Iterable[str], as_of: datetime | None = None) -> int:
    """Record that the source took its cancellation of these back; returns how many are new.

    ``as_of``: when the source was asked; later cancellations stay. An order that an operator decided to keep proceeds.
    All others need a decision first, since somebody may have cancelled them at the destination meanwhile.
    """
    marked: list[sa.ColumnElement[bool]] = [
        submission.c.source_cancelled_at.is_not(None),
        submission.c.source_reinstated_at.is_(None),
    ]
    if as_of is not None:
        marked.append(submission.c.source_cancelled_at < as_of)
    rows = _rows_of(tx, ctx, source_ids, sa.and_(submission.c.state.in_(AT_DESTINATION), *marked))
    kept = [row for row in rows if row.cancellation_decided_at is not None and row.cancelled_at is None]
    release(tx, ctx, kept, "its source took the cancellation back; the order was kept")
    others = {row: {"source_reinstated_at": tx.now, "cancellation_decided_at": None} for row in rows if row not in kept}
    mark(tx, ctx, others, "its source took the cancellation back")
    return len(rows)


def _rows_of(
    tx: Transaction, ctx: RunContext, source_ids: Iterable[str], condition: sa.ColumnElement[bool]
) -> list[Any]:
    """The submissions with these source ids that meet a condition, locked."""
    query = sa.select(submission.c.id).where(
        # the condition as an expression: SQLite would read all imported orders by their state
        submission.c.pipeline == ctx.pipeline,
        among(submission.c.source_id, "keys"),
        sa.case((condition, 1), else_=0) == 1,
    )
    ids = tx.run(query, {"keys": sorted(set(source_ids))}).scalars().all()
    return lock(tx, ids, *_MARKS, "reason", "due_at", "sent_as", "history")


def hold_unsent(tx: Transaction, ctx: RunContext, rows: Iterable[Any]) -> None:
    """Put these locked rows, none of them at the destination, in ``waiting`` until they are read again.

    Their mark is removed: they proceed if the source has taken the cancellation back by then.
    """
    values = {"due_at": tx.now, "source_cancelled_at": None, "source_reinstated_at": None}
    transition(tx, rows, State.WAITING, TransitionCause(ctx, "its source cancelled it", STOPPED), values)


def _is_known(row: Any) -> bool:
    """Whether a history import read the submission, which has a status of its own, unless it is ready to be sent as one
    that is not cancelled."""
    return bool(row.history) and (row.state != State.READY or row.sent_as == SENT_AS_CANCELLED)


def _waits_for_its_source(row: Any) -> bool:
    """Whether the submission already waits to be read again, for a reason of its source.

    One without ``due_at`` was read and withdrawn.
    """
    if row.state != State.WAITING or not is_eligibility_reason(row.reason):
        return False
    return row.reason in {STOPPED, NOT_RETURNED} or row.due_at is None


def release(tx: Transaction, ctx: RunContext, rows: Sequence[Any], why: str) -> None:
    """Remove all marks of these locked rows.

    Their write-back continues, with the acknowledgement first if the source refused it because of the cancellation.
    """
    if not rows:
        return
    mark(tx, ctx, {row: dict.fromkeys(_MARKS) for row in rows}, why)
    keys = {"ids": [row.id for row in rows]}
    reopened = tx.run(sa.select(submission.c.id).where(among(submission.c.id, "ids"), _NOT_TAKEN_OVER), keys)
    due = list(reopened.scalars())
    order_counts.count_unconfirmed(tx, due)
    tx.run(submission.update().where(among(submission.c.id, "due")).values(ack="due"), {"due": due})
    # that the OMS cancelled it is not true any more; the order may be reported as shipped again
    tx.run(
        feedback.delete().where(
            among(feedback.c.submission_id, "ids"), feedback.c.step == OMS_CANCELLED, feedback.c.state != "sent"
        ),
        keys,
    )
    tx.run(
        feedback.update()
        .where(among(feedback.c.submission_id, "ids"), feedback.c.state == CANCELLED)
        .values(state="refused", due_at=tx.now, tries=0, refusals=0),
        keys,
    )
    enqueue_write_back(tx, keys["ids"])


def mark(tx: Transaction, ctx: RunContext, marks: Mapping[Any, Mapping[str, Any]], why: str) -> None:
    """Write marks of locked rows with an event each: a new revision, so that decisions about the old case fail."""
    update(tx, list(marks), {row.id: columns for row, columns in marks.items()})
    record_events(tx, ctx, dict.fromkeys(marks, why), later=1)


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
