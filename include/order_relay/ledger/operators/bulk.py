"""What a person decides about many orders at once: replay, discard, and the baseline of a cut-over."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import sqlalchemy as sa

from order_relay.ledger.operators.decisions import record_decision
from order_relay.ledger.schema.records import BatchInfo
from order_relay.ledger.schema.states import AT_DESTINATION, State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, writes
from order_relay.ledger.submissions.intake import receive
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition
from order_relay.orders.decisions.versions import BASELINE
from order_relay.orders.messages import RunContext
from order_relay.orders.review.choices import DISCARD

_STOPPED = (State.QUARANTINED, State.REJECTED)
_NEEDED = ("pipeline", "lineage")


class BulkDecisions(Repository):
    """Decisions of operators about many orders."""

    @writes
    def replay(self, tx: Transaction, ctx: RunContext, ids: Iterable[int], reason: str) -> int:
        """Quarantined and rejected submissions are judged again (a mapping or a table was mended); how many will be."""
        rows = [row for row in lock(tx, ids) if row.state in _STOPPED]
        transition(tx, rows, State.RECEIVED, TransitionCause(ctx, f"replay: {reason}"))
        return len(rows)

    @writes
    def discard(self, tx: Transaction, ctx: RunContext, ids: Iterable[int], reason: str) -> int:
        """Quarantined, rejected and held submissions are never sent; how many."""
        rows = [row for row in lock(tx, ids, *_NEEDED) if row.state in (*_STOPPED, State.HELD)]
        transition(tx, rows, State.DISCARDED, TransitionCause(ctx, f"discard: {reason}"))
        record_decision(tx, rows, DISCARD, reason, ctx.who)
        return len(rows)

    @writes
    def take_baseline(
        self,
        tx: Transaction,
        ctx: RunContext,
        info: BatchInfo,
        offers: pd.DataFrame,
        transform_fingerprint: str,
        *,
        reason: str,
        acknowledge: bool,
        keep: Iterable[str] = (),
    ) -> dict[str, int]:
        """Take in a batch and, in the same transaction, discard all of it: it was handled elsewhere. Counts.

        Not the source ids in ``keep``: nobody could handle those yet, and they go the ordinary way.

        So no run can send any of it in between. What is at the destination already, or may be, stays as it is. The
        other editions of these source ids that were never sent are discarded with them. Without ``acknowledge`` they
        are not due to be acknowledged, now or when they are offered again; calling again with it makes them due.
        """
        receive(tx, ctx, info, offers, transform_fingerprint)
        found = (
            tx.run(
                sa.select(submission.c.id).where(
                    submission.c.pipeline == ctx.pipeline,
                    among(submission.c.source_id, "source_ids"),
                ),
                {"source_ids": sorted(set(offers["source_id"]) - set(keep))},
            )
            .scalars()
            .all()
        )
        rows = lock(tx, found, *_NEEDED)
        mine = [row for row in rows if row.state not in (*AT_DESTINATION, State.DISCARDED)]
        transition(tx, mine, State.DISCARDED, TransitionCause(ctx, f"baseline: {reason}", BASELINE))
        record_decision(tx, mine, BASELINE, reason, ctx.who)
        tx.run(
            submission.update()
            .where(
                among(submission.c.id, "ids"),
                submission.c.state == State.DISCARDED,
                submission.c.reason == BASELINE,
                submission.c.ack.is_(None) if acknowledge else submission.c.ack == "due",
            )
            .values(ack="due" if acknowledge else None),
            {"ids": [row.id for row in rows]},
        )
        return {
            "offered": len(offers),
            "waiting": len(set(keep)),
            "discarded": len(mine),
            "discarded_before": sum(row.state == State.DISCARDED for row in rows),
            "kept": sum(row.state in AT_DESTINATION for row in rows),
        }
