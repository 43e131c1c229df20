"""Which order numbers may be acknowledged to the source, and what came of it.

Acknowledged are imported and discarded orders; superseded ones only where a newer version of their lineage is
imported, or a person settled the lineage and nothing of it is open. Never anything else, and never a number that any
open submission carries: the source knows numbers only, and would forget the open one with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.schema.records import DueAcknowledgement
from order_relay.ledger.schema.states import OPEN, State
from order_relay.ledger.schema.tables import settlement, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.submissions.transitions import lock
from order_relay.ledger.write_back import ack_retries, cancellations
from order_relay.orders.messages import Acknowledgement, RunContext

_other = submission.alias("other")
_winner = submission.alias("winner")
_open = sa.or_(*[_other.c.state == sa.literal_column(f"'{state}'") for state in OPEN])

_has_winner = sa.exists().where(
    _winner.c.pipeline == submission.c.pipeline,
    _winner.c.lineage == submission.c.lineage,
    _winner.c.state == sa.literal_column("'imported'"),
    sa.tuple_(_winner.c.version, _winner.c.edition) > sa.tuple_(submission.c.version, submission.c.edition),
)
_by_person = sa.exists().where(
    settlement.c.pipeline == submission.c.pipeline, settlement.c.lineage == submission.c.lineage
)
LINEAGE_IS_OPEN = sa.exists().where(
    _other.c.pipeline == submission.c.pipeline, _other.c.lineage == submission.c.lineage, _open
)
_decided = submission.c.state.in_([State.IMPORTED, State.DISCARDED])
_superseded = submission.c.state == State.SUPERSEDED

SETTLED_FOR_GOOD = sa.or_(_decided, sa.and_(_superseded, sa.or_(_has_winner, sa.and_(_by_person, ~LINEAGE_IS_OPEN))))
"""A submission about which nothing is to be done any more, so that its number may be given back."""

NUMBER_IS_FREE = ~sa.exists().where(
    _other.c.pipeline == submission.c.pipeline, _other.c.order_number == submission.c.order_number, _open
)

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


def to_acknowledge(
    tx: Transaction, name: str, limit: int | None, after: int = 0, given_up_s: float | None = None
) -> list[DueAcknowledgement]:
    """What is due to be acknowledged now, the longest known first, from behind the id ``after``; each number once.

    ``given_up_s``: also what was sent so many seconds ago without an answer, for sources whose silence about an order
    tells nothing. What such a source refused is due again after a growing time, and not for ever (``take_over``).
    """
    query = _TO_ACKNOWLEDGE.where(sa.or_(_ANSWERED, _given_up(tx, given_up_s)))
    if given_up_s is not None:
        query = query.where(~ack_retries.blocked(tx.now))
    numbers: dict[str, DueAcknowledgement] = {}
    for row in tx.run(query.limit(limit), {"name": name, "after": after}):
        numbers.setdefault(row.order_number, DueAcknowledgement(row.id, row.order_number, row.source_id))
    return list(numbers.values())


def _given_up(tx: Transaction, after_s: float | None) -> sa.ColumnElement[bool]:
    return sa.false() if after_s is None else submission.c.ack_at <= tx.now - timedelta(seconds=after_s)


def mark_sent(tx: Transaction, ctx: RunContext, ids: Iterable[int], given_up_s: float | None = None) -> list[int]:
    """Note, before the request, that these are being acknowledged; those that nobody else acknowledges meanwhile."""
    rows = lock(tx, ids)
    mine = list(
        tx.run(
            sa.select(submission.c.id).where(
                among(submission.c.id, "ids"),
                submission.c.pipeline == ctx.pipeline,
                sa.or_(
                    submission.c.ack.in_(["due", "refused"]),
                    sa.and_(submission.c.ack == "sent", _given_up(tx, given_up_s)),
                ),
            ),
            {"ids": [row.id for row in rows]},
        ).scalars()
    )
    tx.run(submission.update().where(among(submission.c.id, "ids")).values(ack="sent", ack_at=tx.now), {"ids": mine})
    return mine


def record_answers(
    tx: Transaction, ctx: RunContext, answers: Mapping[int, Acknowledgement], most: int | None = None
) -> None:
    """What the source said: accepted ones are confirmed, the others stay due (as ``refused``, with its words).

    ``most`` refusals end the repetitions at a source that never gives a complete answer (``take_over``).

    An id that was sent and is missing here stays ``sent``: the source's next complete answer tells whether it took
    it. All rows of the same number share the answer.
    """
    accepted = [number for number, answer in answers.items() if answer.accepted]
    cancelled = [number for number, answer in answers.items() if answer.cancelled]
    if cancelled:  # its source needs no answer any more, and an operator must know
        accepted += cancelled
        query = sa.select(submission.c.source_id).where(among(submission.c.id, "ids"))
        cancellations.record(tx, ctx, tx.run(query, {"ids": cancelled}).scalars())
    tx.run(_CONFIRM, {"ids": accepted, "b_pipeline": ctx.pipeline, "b_at": tx.now})
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


_same_number = sa.select(_other.c.order_number).where(among(_other.c.id, "ids"))
_CONFIRM = (
    submission.update()
    .where(
        submission.c.pipeline == sa.bindparam("b_pipeline"),
        submission.c.order_number.in_(_same_number),
        submission.c.ack.in_(["due", "sent", "refused"]),
        SETTLED_FOR_GOOD,
    )
    .values(ack="confirmed", ack_at=sa.bindparam("b_at", type_=submission.c.ack_at.type), ack_message="")
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


def premature(tx: Transaction, name: str | None) -> list[Any]:
    """Submissions that were acknowledged although they may not be: a broken law."""
    query = sa.select(submission.c.id, submission.c.state, submission.c.ack).where(
        submission.c.ack.in_(["sent", "confirmed"]),
        # a version that came after the acknowledgement may have opened the lineage again
        sa.not_(sa.or_(_decided, sa.and_(_superseded, sa.or_(_has_winner, _by_person)))),
    )
    return list(tx.run(query if name is None else query.where(submission.c.pipeline == name)))
