"""The health of a pipeline: overdue orders, heartbeat, and the activity of the last day. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.listed_rows import Activity, StateActivity
from order_relay.ledger.schema.predicates import BATCH_IS_COMPLETE, GAP_IS_OPEN, of_pipeline
from order_relay.ledger.schema.records import Heartbeat, OverdueOrders
from order_relay.ledger.schema.shipment_tables import feed_gap
from order_relay.ledger.schema.states import OPEN, SETTLED, State
from order_relay.ledger.schema.tables import batch, event, pipeline, run, submission
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads
from order_relay.ledger.store.text import load_json
from order_relay.orders.mapping.eligibility import REASON_PREFIX

ACKNOWLEDGEMENT = "acknowledgement"
"""Listed beside the states: settled orders that the source has not confirmed yet."""

LEFT_OUT = "left_out"
"""Listed beside the states: orders that a feed omits, for up to ``REPORTED_FOR``."""

REPORTED_FOR = timedelta(days=30)
"""After this time, an omitted order is no longer reported."""

MAX_NAMED = 20
"""Maximum order numbers named; of the others only the count is given."""

_ACK_OPEN = sa.text("submission.ack IN ('due', 'sent', 'refused')")
# an expression, else SQLite takes ix_submission_state and reads all settled orders
_SETTLED = sa.func.coalesce(submission.c.state, sa.literal_column("''")).in_(SETTLED)
_GAP = sa.select(feed_gap.c.noted_at).where(feed_gap.c.submission_id == submission.c.id, GAP_IS_OPEN).scalar_subquery()
_TIME = submission.c.changed_at.type
_TRIED = (State.READY, State.SENDING, State.IN_DOUBT, State.REJECTED)
"""The states between the first attempt and its end; an alert about one of them counts from that attempt."""

_SINCE_FIRST_ATTEMPT = sa.func.coalesce(submission.c.first_sent_at, submission.c.changed_at, type_=_TIME)


class Health(Repository):
    """Whether pipelines run and orders proceed in time."""

    @reads
    def overdue(self, tx: Transaction, name: str, limits: Mapping[str, float]) -> list[OverdueOrders]:
        """Orders that have been in a state longer than its limit in seconds.

        The keys of ``limits`` are states, ``acknowledgement`` and ``left_out``. ``in_doubt`` covers an order that was
        sent and is not known to be imported, through all its attempts: also while it is ready to be sent again, and if
        its last attempt was rejected. The alert therefore has one cause, from the first lost answer to the operator's
        decision. ``in_doubt`` counts from the first attempt to send this content, ``waiting`` from when the wait
        began, ``left_out`` from when the feed first omitted the order, and other states from the last transition.
        Orders that wait for their source do not count.
        """
        found = (_overdue(tx, name, state, tx.now - timedelta(seconds=limit)) for state, limit in limits.items())
        return [entry for entry in found if entry is not None]

    @reads
    def heartbeat(self, tx: Transaction, name: str) -> Heartbeat | None:
        """The latest activity of a pipeline; ``None`` if it never ran."""
        bound = tx.run(sa.select(pipeline).where(pipeline.c.name == name)).one_or_none()
        if bound is None:
            return None
        by_time = bound.read_to is not None  # such a source never gives a complete answer
        batches = sa.select(batch.c.fetched_at).where(batch.c.pipeline == name)
        newest = batches.order_by(batch.c.fetched_at.desc()).limit(1)
        read = newest if by_time else newest.where(BATCH_IS_COMPLETE)
        last = tx.run(
            sa.select(run.c.facts)
            .where(run.c.pipeline == name, run.c.ended_at.is_not(None))
            .order_by(run.c.started_at.desc())
            .limit(1)
        ).scalar()
        return Heartbeat(
            bound_at=bound.bound_at,
            read_at=bound.read_to if by_time else tx.run(read).scalar(),
            order_at=tx.run(read.where(sa.text("batch.records > 0"))).scalar(),
            resting=bound.resting_why or "",
            last_run=load_json(last, {}),
        )

    @reads
    def activity_since(self, tx: Transaction, name: str, since: datetime) -> Activity:
        """Activity since a time, and the open orders by state and reason, for a summary. Only counts, codes, times."""
        lately = sa.func.sum(sa.case((submission.c.changed_at >= since, 1), else_=0))
        oldest = sa.func.min(submission.c.changed_at, type_=submission.c.changed_at.type)
        states = (
            sa.select(
                submission.c.state,
                submission.c.reason,
                sa.func.count().label("n"),
                oldest.label("oldest"),
                lately.label("lately"),
            )
            .where(submission.c.pipeline == name, submission.c.state.in_(OPEN))
            .group_by(submission.c.state, submission.c.reason)
            .order_by(submission.c.state, submission.c.reason)
        )
        acknowledged = sa.select(sa.func.count()).where(
            submission.c.pipeline == name, sa.text("submission.ack = 'confirmed'"), submission.c.ack_at >= since
        )
        facts = [
            load_json(text)
            for text in tx.run(
                sa.select(run.c.facts).where(run.c.pipeline == name, run.c.started_at >= since)
            ).scalars()
        ]
        return {
            "states": tx.rows(StateActivity, states),
            "received": _entered(tx, name, since, event.c.from_state == ""),
            "imported": _entered(
                tx, name, since, event.c.to_state == State.IMPORTED, event.c.from_state != State.IMPORTED
            ),
            "acknowledged": tx.run(acknowledged).scalar_one(),
            "runs": len(facts),
            "runs_failed": sum(1 for one in facts if one and (one.get("failed_tasks") or one.get("balanced") == "no")),
            "acknowledgement": _overdue(tx, name, ACKNOWLEDGEMENT, tx.now),
        }


def _entered(tx: Transaction, name: str, since: datetime, *which: sa.ColumnElement[bool]) -> int:
    """How many submissions of a pipeline have an event of this kind since a time."""
    found = sa.select(sa.func.count()).select_from(event.join(submission, submission.c.id == event.c.submission_id))
    number: int = tx.run(found.where(of_pipeline(name), event.c.at >= since, *which)).scalar_one()
    return number


def _overdue(tx: Transaction, name: str, state: str, before: datetime) -> OverdueOrders | None:
    since: Any = submission.c.changed_at
    which: list[Any] = [submission.c.state == state]
    if state == ACKNOWLEDGEMENT:
        which = [_ACK_OPEN, _SETTLED, submission.c.id > 0]  # the id: for ix_submission_ack
    elif state == LEFT_OUT:
        since = _GAP
        lately = sa.select(feed_gap.c.submission_id).where(GAP_IS_OPEN, feed_gap.c.noted_at > before - REPORTED_FOR)
        which = [submission.c.id.in_(lately)]
    elif state == State.WAITING:  # without those that only their source can release, for example once they are paid
        since = sa.func.coalesce(submission.c.waiting_since, submission.c.changed_at, type_=_TIME)
        which.append(~submission.c.reason.startswith(REASON_PREFIX))
    elif state == State.IN_DOUBT:
        since = _SINCE_FIRST_ATTEMPT
        which = [submission.c.state.in_(_TRIED), sa.or_(submission.c.state == state, submission.c.absences > 0)]
    elif state in _TRIED:
        since = _SINCE_FIRST_ATTEMPT
        which.append(submission.c.absences == 0)
    of = of_pipeline(name) if state == LEFT_OUT else submission.c.pipeline == name
    where = [of, *which, since <= before]
    found = tx.run(
        sa.select(
            sa.func.count().label("number"), sa.func.min(since, type_=submission.c.changed_at.type).label("oldest")
        )
        .select_from(submission)
        .where(*where)
    ).one()
    if not found.number:
        return None
    orders = tx.run(
        sa.select(submission.c.order_number).where(*where).order_by(since, submission.c.id).limit(MAX_NAMED)
    )
    return OverdueOrders(state, found.number, found.oldest, tuple(orders.scalars()))
