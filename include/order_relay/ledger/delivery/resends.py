"""Orders in doubt at an idempotent destination: they are sent again under the same key instead of being looked up.

An order never becomes ``ready`` on the way: until its import is confirmed the destination may have it, so that no other
version of its lineage may be sent and its content may not change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from order_relay.ledger.delivery.attempts import attempts_of, is_over
from order_relay.ledger.delivery.lookups import LONGEST_DELAY
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import lookup
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, writes
from order_relay.ledger.submissions.transitions import lock, update
from order_relay.orders.messages import RunContext

RESENDS_EXHAUSTED = "resends_exhausted"
"""Reason of an order in doubt that is not sent again by itself: an operator must settle it."""

_NEEDED = ("attempt", "send_before", "first_sent_at", "source_cancelled_at", "reason")


class Resends(Repository):
    """Orders in doubt that an idempotent destination may be sent again."""

    @writes
    def allowed(
        self,
        tx: Transaction,
        ctx: RunContext,
        ids: Iterable[int],
        *,
        timeout_s: float,
        max_attempts: int,
        excluded: Collection[str] = (),
    ) -> list[int]:
        """Those of ``ids`` that may be sent again: in doubt, and their lease and time-out have passed.

        Left out are orders that their source has cancelled, those with a reason in ``excluded``, and those with
        ``max_attempts`` attempts that may have reached the destination. The latter get ``RESENDS_EXHAUSTED``, with an
        entry among their look-ups.
        """
        found: list[int] = []
        for row in lock(tx, ids, *_NEEDED):
            if row.state != State.IN_DOUBT or row.source_cancelled_at is not None or row.reason in excluded:
                continue
            if not is_over(tx.now, row.send_before, timeout_s):
                continue
            attempts = len(attempts_of(tx, row.id, row.first_sent_at))
            if attempts < max_attempts:
                found.append(row.id)
            elif row.reason != RESENDS_EXHAUSTED:
                why = f"{attempts} attempts without a confirmed import (load.max_attempts: {max_attempts})"
                tx.run(
                    lookup.insert(),
                    {
                        "submission_id": row.id,
                        "attempt": row.attempt,
                        "at": tx.now,
                        "finding": "unclear",
                        "counted": False,
                        "method": "send_again",
                        "run": ctx.run,
                        "who": ctx.who,
                        "why": why,
                    },
                )
                update(tx, [row], {row.id: {"reason": RESENDS_EXHAUSTED, "due_at": tx.now + LONGEST_DELAY}})
        return found
