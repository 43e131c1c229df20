"""The worklist: submissions to validate, and the places of their raw orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from order_relay.ledger.schema.operator_tables import correction
from order_relay.ledger.schema.predicates import SETTLED_FOR_GOOD
from order_relay.ledger.schema.records import HistoryMark, WorkItem
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import batch, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition
from order_relay.orders.mapping.content_hash import settled_hash
from order_relay.orders.mapping.eligibility import REASON_PREFIX
from order_relay.orders.messages import RunContext

WORK_COLUMNS = (
    "source_id",
    "batch_id",
    "part",
    "row",
    "problem",
    "lineage",
    "order_number",
    "edition",
    "pipeline",
    "history",
)
"""The columns that a ``WorkItem`` needs besides id, revision and state, in its own order."""

_COLUMNS = [submission.c[name] for name in ("id", "revision", "state", *WORK_COLUMNS)]
_REPLAYABLE = (State.WAITING, State.SUPERSEDED, State.QUARANTINED)


class Worklist(Repository):
    """Submissions to evaluate."""

    @reads
    def to_validate(self, tx: Transaction, name: str, batch_id: str | None) -> list[WorkItem]:
        """Received submissions, and those whose content is in this batch and which are validated in place: quarantined
        ones and those that wait for their source."""
        which = submission.c.state == State.RECEIVED
        if batch_id is not None:
            in_place = sa.or_(
                submission.c.state == State.QUARANTINED,
                sa.and_(submission.c.state == State.WAITING, submission.c.reason.startswith(REASON_PREFIX)),
            )
            which = sa.and_(
                submission.c.state.in_([State.RECEIVED, State.QUARANTINED, State.WAITING]),  # for ix_submission_state
                sa.or_(which, sa.and_(in_place, submission.c.batch_id == batch_id)),
            )
        query = sa.select(*_COLUMNS).where(submission.c.pipeline == name, which).order_by(submission.c.id)
        return _with_corrections(tx, [WorkItem(*tuple(row)) for row in tx.run(query)])

    @reads
    def get(self, tx: Transaction, ids: Iterable[int]) -> list[WorkItem]:
        """The current rows of these submissions, in key order; unknown ids are left out."""
        return work_items(tx, ids)

    @writes
    def replay_interval(
        self, tx: Transaction, ctx: RunContext, start: datetime, end: datetime, history: HistoryMark | None = None
    ) -> int:
        """Return the offers of the batches fetched in [start, end) to ``received``; returns their number.

        Submissions that may be sent, are being sent, were settled by an operator, or are imported keep their state, so
        that a backfill sends no duplicates. So do those superseded for good: retention may have removed their raw
        orders. An order that was offered before and after the interval counts as offered within it. ``history`` is
        set on all of them.
        """
        spans = tx.run(
            sa.select(sa.func.count()).where(
                batch.c.pipeline == ctx.pipeline, batch.c.fetched_at >= start, batch.c.fetched_at < end
            )
        ).scalar_one()
        if not spans:
            return 0
        ids = (
            tx.run(
                sa.select(submission.c.id).where(
                    submission.c.pipeline == ctx.pipeline,
                    submission.c.first_offered_at < end,
                    submission.c.last_offered_at >= start,
                    submission.c.state.in_([State.RECEIVED, *_REPLAYABLE]),
                    ~SETTLED_FOR_GOOD,
                )
            )
            .scalars()
            .all()
        )
        rows = lock(tx, ids)
        back = [row for row in rows if row.state in _REPLAYABLE]
        transition(tx, back, State.RECEIVED, TransitionCause(ctx, "replay of an interval"))
        put_back = [row.id for row in rows if row.state == State.RECEIVED or row.state in _REPLAYABLE]
        if history is not None:
            marks = {"history": history.source, "history_import": history.number}
            tx.run(submission.update().where(among(submission.c.id, "ids")).values(**marks), {"ids": put_back})
        return len(put_back)


def work_items(tx: Transaction, ids: Iterable[int]) -> list[WorkItem]:
    """The current rows of these submissions, in key order; unknown ids are left out."""
    query = sa.select(*_COLUMNS).where(among(submission.c.id, "ids")).order_by(submission.c.id)
    return _with_corrections(tx, [WorkItem(*tuple(row)) for row in tx.run(query, {"ids": list(ids)})])


def _with_corrections(tx: Transaction, works: list[WorkItem]) -> list[WorkItem]:
    """The items with the corrections that apply to their present content."""
    found: dict[int, dict[str, str | None]] = defaultdict(dict)
    for row in tx.run(_APPLIED, {"ids": [work.id for work in works]}) if works else ():
        if row.content_hash == settled_hash(row.present):
            found[row.submission_id][row.field] = row.new
    return [replace(work, corrections=found[work.id]) if work.id in found else work for work in works]


_APPLIED = (
    sa.select(
        correction.c.submission_id,
        correction.c.content_hash,
        correction.c.field,
        correction.c.new,
        submission.c.content_hash.label("present"),
    )
    .join(submission, submission.c.id == correction.c.submission_id)
    .where(among(correction.c.submission_id, "ids"), correction.c.ended_at.is_(None))
    .order_by(correction.c.id)
)


def resume_waiting(tx: Transaction, ctx: RunContext) -> int:
    """Return waiting submissions that are due to ``received``.

    Submissions that wait for their source (``source_holds``) are excluded, since they must be read again first.
    """
    ids = (
        tx.run(
            sa.select(submission.c.id).where(
                submission.c.pipeline == ctx.pipeline,
                submission.c.state == State.WAITING,
                submission.c.due_at <= tx.now,
                ~submission.c.reason.startswith(REASON_PREFIX),
            )
        )
        .scalars()
        .all()
    )
    rows = [row for row in lock(tx, ids) if row.state == State.WAITING]
    transition(tx, rows, State.RECEIVED, TransitionCause(ctx, "due for another evaluation"))
    return len(rows)
