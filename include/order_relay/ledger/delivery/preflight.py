"""Lookups before the first POST, for submissions that another ledger may have sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from order_relay.ledger.schema.predicates import of_pipeline
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import event, submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition
from order_relay.orders.messages import RunContext

_ADOPT = (State.SENDING, State.IMPORTED)


class PreflightChecks(Repository):
    """Lookups before the first request for an order."""

    @reads
    def unverified(self, tx: Transaction, name: str) -> list[int]:
        """Ready submissions that must be looked up before their first POST, since another ledger may have sent them."""
        return list(
            tx.run(
                sa.select(submission.c.id)
                .where(submission.c.pipeline == name, submission.c.state == State.READY, submission.c.proven.is_(False))
                .order_by(submission.c.id)
            ).scalars()
        )

    @writes
    def mark_verified(self, tx: Transaction, ctx: RunContext, ids: Iterable[int]) -> None:
        """Record that these were looked up and are absent at the destination: they may be sent."""
        tx.run(
            submission.update().where(among(submission.c.id, "ids"), of_pipeline(ctx.pipeline)).values(proven=True),
            {"ids": list(ids)},
        )

    @writes
    def mark_already_imported(
        self, tx: Transaction, ctx: RunContext, found: Mapping[int, str], method: str = "lookup"
    ) -> list[int]:
        """Mark ready submissions that were found at the destination before their first POST as imported; returns ids.

        They pass through ``sending`` in the same transaction, the only path to ``imported``, so that the lineage index
        applies. A submission whose lineage is at the destination with another version keeps its state.
        """
        done: list[int] = []
        for row in lock(tx, found, "offered"):
            oms_id = clean_text(found[row.id], 200)
            if row.state != State.READY or not oms_id:
                continue
            values = {"oms_id": oms_id, "imported_at": tx.now, "proven": True}
            try:
                with tx.conn.begin_nested():
                    cause = TransitionCause(
                        ctx, f"found at the destination before its first POST ({clean_text(method, 100)})"
                    )
                    transition(tx, [row], State.IMPORTED, cause, values, via=_ADOPT)
            except sa.exc.IntegrityError:
                continue
            done.append(row.id)
        return done

    @writes
    def hold_key_conflicts(
        self, tx: Transaction, ctx: RunContext, found: Mapping[int, tuple[str, str]]
    ) -> tuple[list[int], list[int]]:
        """Hold ready submissions whose external id belongs to a foreign order; ``found``: (reason, details) by id.

        Returns the held ids, and those that an operator released after such a hold: these may be sent.
        """
        rows = [row for row in lock(tx, found, "decided") if row.state == State.READY]
        asked = (
            set(
                tx.run(
                    sa.select(event.c.submission_id)
                    .where(
                        among(event.c.submission_id, "ids"),
                        event.c.to_state == State.HELD,
                        sa.or_(
                            *(
                                event.c.why.startswith(reason, autoescape=True)
                                for reason in {r for r, _ in found.values()}
                            )
                        ),
                    )
                    .distinct(),
                    {"ids": [row.id for row in rows if row.decided]},
                ).scalars()
            )
            if rows
            else set()
        )
        held = [row for row in rows if row.id not in asked]
        for row in held:
            reason, seen = found[row.id]
            transition(tx, [row], State.HELD, TransitionCause(ctx, f"{reason}: {clean_text(seen, 400)}", reason))
        return [row.id for row in held], sorted(asked)
