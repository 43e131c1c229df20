"""Decisions of operators about many orders: replay, discard, and the baseline of a cut-over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from order_relay.ledger.operators.decisions import record_decision
from order_relay.ledger.operators.shown import ShownRevisions, lock_shown
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

if TYPE_CHECKING:
    import pandas as pd

_STOPPED = (State.QUARANTINED, State.REJECTED)
_NEEDED = ("pipeline", "lineage")


class BulkDecisions(Repository):
    """Decisions of operators about many orders."""

    @writes
    def replay(
        self, tx: Transaction, ctx: RunContext, ids: Iterable[int], reason: str, shown: ShownRevisions | None = None
    ) -> int:
        """Validate quarantined and rejected submissions again, after a fix of the mapping; returns their number.

        ``shown``: the revisions that the operator saw, of these and possibly others. Raises ``ConcurrentUpdateError``
        if one of these has changed since; without it, submissions in other states are skipped.
        """
        rows = _locked(tx, ids, shown, _STOPPED)
        transition(tx, rows, State.RECEIVED, TransitionCause(ctx, f"replay: {reason}"))
        return len(rows)

    @writes
    def discard(
        self, tx: Transaction, ctx: RunContext, ids: Iterable[int], reason: str, shown: ShownRevisions | None = None
    ) -> int:
        """Discard quarantined, rejected and held submissions; returns their number. ``shown`` as in ``replay``."""
        rows = _locked(tx, ids, shown, (*_STOPPED, State.HELD), *_NEEDED)
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
        """Receive a batch and discard it in the same transaction, since its orders were handled elsewhere.

        No run can send any of them in between. The source ids in ``keep`` are not discarded and pass the usual stages.
        Submissions that are, or may be, at the destination keep their state. Other unsent editions of these source ids
        are discarded as well. Without ``acknowledge``, the orders are not due for acknowledgement, even if offered
        again; another call with it makes them due. Returns counts.
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


def _locked(
    tx: Transaction, ids: Iterable[int], shown: ShownRevisions | None, states: tuple[State, ...], *names: str
) -> list[Any]:
    if shown is None:
        return [row for row in lock(tx, ids, *names) if row.state in states]
    return lock_shown(tx, {number: shown[number] for number in ids}, *names, states=states)
