"""Acknowledgements to the source: which order numbers are due, and their results.

Imported and discarded orders are acknowledged. Superseded ones are acknowledged only if a newer version of their
lineage is imported, or if an operator settled the lineage and none of it is open. A number of an open submission is
never acknowledged: the source knows only numbers and would no longer offer the open one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

import sqlalchemy as sa

from order_relay.ledger.schema import order_counts
from order_relay.ledger.schema.predicates import (
    DECIDED,
    HAS_IMPORTED_WINNER,
    IS_SUPERSEDED,
    NUMBER_IS_FREE,
    SETTLED_BY_OPERATOR,
    SETTLED_FOR_GOOD,
    of_pipeline,
)
from order_relay.ledger.schema.records import DueAcknowledgement
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.schema.write_back_tables import enqueue_write_back
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.submissions.transitions import lock
from order_relay.ledger.write_back import ack_retries, cancellations
from order_relay.orders.messages import Acknowledgement, RunContext

_TO_ACKNOWLEDGE = (
    sa.select(submission.c.id, submission.c.order_number, submission.c.source_id)
    .where(
        submission.c.pipeline == sa.bindparam("name"),
        submission.c.id > sa.bindparam("after"),
        sa.text("submission.ack IN ('due', 'sent', 'refused')"),
        submission.c.order_number != "",
        SETTLED_FOR_GOOD,
        NUMBER_IS_FREE,
    )
    .order_by(submission.c.id)
)
_ANSWERED = submission.c.ack != "sent"


class Acknowledgements(Repository):
    """Acknowledgements of orders to their source."""

    @reads
    def due(
        self, tx: Transaction, name: str, limit: int | None = None, after: int = 0, given_up_s: float | None = None
    ) -> list[DueAcknowledgement]:
        """Orders to acknowledge, oldest first, with ids above ``after``; each number once.

        ``given_up_s``: include acknowledgements sent that many seconds ago without an answer, for sources whose silence
        about an order proves nothing. An acknowledgement refused by such a source is due again after growing delays, a
        limited number of times (``ack_retries``).
        """
        query = _TO_ACKNOWLEDGE.where(sa.or_(_ANSWERED, _given_up(tx, given_up_s)))
        if given_up_s is not None:
            query = query.where(~ack_retries.blocked(tx.now))
        numbers: dict[str, DueAcknowledgement] = {}
        for row in tx.run(query.limit(limit), {"name": name, "after": after}):
            numbers.setdefault(row.order_number, DueAcknowledgement(row.id, row.order_number, row.source_id))
        return list(numbers.values())

    @writes
    def mark_sent(
        self, tx: Transaction, ctx: RunContext, ids: Iterable[int], given_up_s: float | None = None
    ) -> list[int]:
        """Record, before the request, that these are being acknowledged.

        Returns the ids to acknowledge, without those that another process acknowledges at the same time.
        """
        rows = lock(tx, ids)
        mine = list(
            tx.run(
                sa.select(submission.c.id).where(
                    among(submission.c.id, "ids"),
                    of_pipeline(ctx.pipeline),
                    sa.or_(
                        submission.c.ack.in_(["due", "refused"]),
                        sa.and_(submission.c.ack == "sent", _given_up(tx, given_up_s)),
                    ),
                ),
                {"ids": [row.id for row in rows]},
            ).scalars()
        )
        tx.run(
            submission.update().where(among(submission.c.id, "ids")).values(ack="sent", ack_at=tx.now), {"ids": mine}
        )
        return mine

    @writes
    def record_answers(
        self, tx: Transaction, ctx: RunContext, answers: Mapping[int, Acknowledgement], most: int | None = None
    ) -> None:
        """Record answers of the source: accepted ones are confirmed, the others stay due as ``refused``.

        ``most``: maximum refusals by a source that never gives a complete answer (``ack_retries``).

        An id that was sent and is missing here stays ``sent``: the next complete answer of the source shows whether it
        was accepted. All rows with the same number share the answer.
        """
        accepted = [number for number, answer in answers.items() if answer.accepted]
        cancelled = [number for number, answer in answers.items() if answer.cancelled]
        if cancelled:  # no acknowledgement is needed, but an operator must act
            accepted += cancelled
            query = sa.select(submission.c.source_id).where(among(submission.c.id, "ids"))
            cancellations.record(tx, ctx, tx.run(query, {"ids": cancelled}).scalars())
        confirmed = tx.run(_CONFIRM, {"ids": accepted, "b_pipeline": ctx.pipeline, "b_at": tx.now}).scalars().all()
        order_counts.count(tx, ctx.pipeline, order_counts.ACKNOWLEDGED, len(confirmed))
        enqueue_write_back(tx, confirmed)
        tx.many(
            _REFUSE,
            [
                {"b_id": number, "message": clean_text(answer.message, 300), "b_at": tx.now}
                for number, answer in answers.items()
                if not answer.accepted and not answer.cancelled
            ],
        )
        if most is not None:
            ack_retries.record_answers(tx, ctx, answers, most)

    @writes
    def record_no_answer(self, tx: Transaction, ctx: RunContext, ids: Iterable[int], most: int) -> None:
        """Record that these were sent without a usable answer: one more try of each."""
        silence = Acknowledgement(False, "no usable answer", passing=True)
        ack_retries.record_answers(tx, ctx, dict.fromkeys(ids, silence), most)


def _given_up(tx: Transaction, after_s: float | None) -> sa.ColumnElement[bool]:
    return sa.false() if after_s is None else submission.c.ack_at <= tx.now - timedelta(seconds=after_s)


_same = submission.alias("same")

_same_number = sa.select(_same.c.order_number).where(among(_same.c.id, "ids"))

_CONFIRM = (
    submission.update()
    .where(
        submission.c.pipeline == sa.bindparam("b_pipeline"),
        submission.c.order_number.in_(_same_number),
        submission.c.ack.in_(["due", "sent", "refused"]),
        SETTLED_FOR_GOOD,
    )
    .values(ack="confirmed", ack_at=sa.bindparam("b_at", type_=submission.c.ack_at.type), ack_message="")
    .returning(submission.c.id)
)
_REFUSE = (
    submission.update()
    .where(submission.c.id == sa.bindparam("b_id"), sa.or_(submission.c.ack == "due", submission.c.ack == "sent"))
    .values(
        ack="refused",
        ack_message=sa.bindparam("message", type_=sa.Text),
        ack_at=sa.bindparam("b_at", type_=submission.c.ack_at.type),
    )
)


def premature(tx: Transaction, scope: Sequence[sa.ColumnElement[bool]]) -> list[int]:
    """Submissions that were acknowledged although the rules did not allow it: a violated invariant."""
    query = sa.select(submission.c.id).where(
        *scope,
        submission.c.ack.in_(["sent", "confirmed"]),
        # a version that came after the acknowledgement may have opened the lineage again
        sa.not_(sa.or_(DECIDED, sa.and_(IS_SUPERSEDED, sa.or_(HAS_IMPORTED_WINNER, SETTLED_BY_OPERATOR)))),
    )
    return list(tx.run(query).scalars())
