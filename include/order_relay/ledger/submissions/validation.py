"""Results of validation: quarantine, holds, and recovery.

Each function takes decisions about rows as they were read and skips rows that have changed since, because another run
has them. It never overwrites a newer decision.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import sqlalchemy as sa

from order_relay.errors import ValidationIssue
from order_relay.ledger.schema.records import WorkItem
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import refusal, submission
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, writes
from order_relay.ledger.store.text import clean_text, dump_json, notes_text
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition
from order_relay.ledger.submissions.worklist import work_items
from order_relay.orders.messages import RunContext
from order_relay.orders.notes import OrderNote

_QUARANTINABLE = (State.RECEIVED, State.WAITING, State.QUARANTINED, State.READY)


Notes = Mapping[int, Sequence[OrderNote]]
"""Notes on orders, by the ids of their submissions."""


class Validation(Repository):
    """Results of the evaluation of orders."""

    @writes
    def quarantine(
        self,
        tx: Transaction,
        ctx: RunContext,
        refused: Sequence[tuple[WorkItem, Sequence[ValidationIssue]]],
        notes: Notes = MappingProxyType({}),
    ) -> int:
        """See ``quarantine``."""
        return quarantine(tx, ctx, refused, notes)

    @writes
    def hold(self, tx: Transaction, ctx: RunContext, held: Sequence[tuple[WorkItem, str]], notes: Notes) -> int:
        """Hold received submissions for a reason, with their notes, until an operator decides; returns their number.

        Submissions that have changed since are skipped.
        """
        wanted = {work.id: (work.revision, reason) for work, reason in held}
        rows = [row for row in lock(tx, wanted) if row.state == State.RECEIVED and row.revision == wanted[row.id][0]]
        each = {row.id: {"reason": wanted[row.id][1], "notes": notes_text(notes.get(row.id, ()))} for row in rows}
        transition(tx, rows, State.HELD, TransitionCause(ctx), each=each)
        return len(rows)

    @writes
    def recover(self, tx: Transaction, ctx: RunContext, given: Sequence[WorkItem]) -> list[WorkItem]:
        """Return quarantined and waiting submissions that are valid now to ``received``; returns their new rows."""
        revisions = {work.id: work.revision for work in given}
        rows = [
            row
            for row in lock(tx, revisions)
            if row.state in (State.QUARANTINED, State.WAITING) and row.revision == revisions[row.id]
        ]
        transition(tx, rows, State.RECEIVED, TransitionCause(ctx, "validated again without findings"))
        return work_items(tx, [row.id for row in rows])


def quarantine(
    tx: Transaction,
    ctx: RunContext,
    refused: Sequence[tuple[WorkItem, Sequence[ValidationIssue]]],
    notes: Notes = MappingProxyType({}),
) -> int:
    """Quarantine submissions with all reasons, and their notes; returns their number.

    One that is already quarantined for the same reasons gets no event. Those that have changed since are skipped.
    """
    wanted = {work.id: (work.revision, list(reasons)) for work, reasons in refused if reasons}
    rows = [
        row
        for row in lock(tx, wanted, "refusals_hash", "notes")
        if row.state in _QUARANTINABLE and row.revision == wanted[row.id][0]
    ]
    hashes = {row.id: _fingerprint(wanted[row.id][1]) for row in rows}
    news = [row for row in rows if row.state != State.QUARANTINED or row.refusals_hash != hashes[row.id]]
    each = {row.id: {"reason": wanted[row.id][1][0].code, "refusals_hash": hashes[row.id]} for row in news}
    transition(tx, news, State.QUARANTINED, TransitionCause(ctx), each=each)
    steps = {State.RECEIVED: 1, State.READY: 1, State.QUARANTINED: 2, State.WAITING: 2}
    tx.many(
        refusal.insert(),
        [
            {
                "submission_id": row.id,
                "revision": row.revision + steps[State(row.state)],
                "position": n,
                "code": clean_text(r.code, 100),
                "pointer": clean_text(r.pointer, 500),
                "message": clean_text(r.message, 1_000),
            }
            for row in news
            for n, r in enumerate(wanted[row.id][1])
        ],
    )
    texts = {row.id: notes_text(notes.get(row.id, ())) for row in rows}
    tx.many(_NOTES, [{"b_id": row.id, "notes": texts[row.id]} for row in rows if row.notes != texts[row.id]])
    return len(rows)


_NOTES = submission.update().where(submission.c.id == sa.bindparam("b_id")).values(notes=sa.bindparam("notes"))


def _fingerprint(reasons: Iterable[ValidationIssue]) -> str:
    return hashlib.sha256(dump_json(sorted((r.code, r.pointer, r.message) for r in reasons)).encode()).hexdigest()
