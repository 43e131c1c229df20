"""Orders without a usable identity, stored under the hash of their text until the repaired order is imported.

The repaired order arrives under its own id, so only the order number that could be read links the two. It supersedes
the unreadable one only if the match is certain (``repaired``); otherwise the unreadable order stays quarantined for an
operator. Such an order is never acknowledged, because its source does not know its id.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from order_relay.ledger.schema.predicates import BATCH_IS_COMPLETE
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import batch, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import load_json
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition
from order_relay.orders.identity.source_identity import HASHED_ID_PREFIX
from order_relay.orders.messages import RunContext
from order_relay.orders.notes import READABLE_NUMBER, notes_from_json

REPAIRED = "repaired_under_its_id"
"""Reason of a superseded order without an identity."""

UNNAMED = submission.c.source_id.startswith(HASHED_ID_PREFIX)

LAST_COMPLETE = (
    sa.select(batch.c.fetched_at)
    .where(batch.c.pipeline == submission.c.pipeline, BATCH_IS_COMPLETE)
    .order_by(batch.c.fetched_at.desc())
    .limit(1)
    .scalar_subquery()
)
"""The fetch time of the newest complete answer of the submission's source."""

NO_LONGER_OFFERED = sa.func.coalesce(submission.c.last_offered_at < LAST_COMPLETE, sa.false())
"""The submission was missing from the newest complete answer of its source."""


def repaired(tx: Transaction, name: str) -> dict[int, str]:
    """Quarantined orders without an identity whose repaired order was imported, with its order number.

    All conditions must hold: the newest complete answer of the source no longer contains the unreadable text; exactly
    one submission has the order number that could be read; it was imported, and was first offered after the unreadable
    one was last offered.
    """
    numbers: dict[int, tuple[str, datetime]] = {}
    for row in tx.run(
        sa.select(submission.c.id, submission.c.notes, submission.c.last_offered_at).where(
            submission.c.pipeline == name, submission.c.state == State.QUARANTINED, UNNAMED, NO_LONGER_OFFERED
        )
    ):
        named = {note.message for note in notes_from_json(load_json(row.notes, [])) if note.code == READABLE_NUMBER}
        if len(named) == 1:
            numbers[row.id] = (named.pop(), row.last_offered_at)
    if not numbers:
        return {}
    query = (
        sa.select(
            submission.c.order_number,
            sa.func.count().label("number"),
            sa.func.min(submission.c.state).label("state"),
            sa.func.min(submission.c.first_offered_at, type_=submission.c.first_offered_at.type).label("since"),
        )
        .where(submission.c.pipeline == name, among(submission.c.order_number, "numbers"))
        .group_by(submission.c.order_number)
    )
    found = {
        row.order_number: row.since
        for row in tx.run(query, {"numbers": sorted({n for n, _ in numbers.values()})})
        if row.number == 1 and row.state == State.IMPORTED
    }
    return {id_: number for id_, (number, seen) in numbers.items() if number in found and found[number] > seen}


class UnidentifiedOrders(Repository):
    """Orders whose identity could not be read."""

    def supersede_repaired(self, ctx: RunContext) -> int:
        """Supersede unreadable orders whose repaired orders were imported; returns their number."""
        return self._supersede_repaired(ctx) if self._has_repaired(ctx.pipeline) else 0

    @reads
    def _has_repaired(self, tx: Transaction, name: str) -> bool:
        return bool(repaired(tx, name))

    @writes
    def _supersede_repaired(self, tx: Transaction, ctx: RunContext) -> int:
        """See ``supersede_repaired``."""
        found = repaired(tx, ctx.pipeline)
        rows = [row for row in lock(tx, found) if row.state == State.QUARANTINED]
        cause = TransitionCause(
            ctx, "repaired at its source: the order with this number was imported under its own id", REPAIRED
        )
        transition(tx, rows, State.SUPERSEDED, cause, {"ack": None})
        return len(rows)
