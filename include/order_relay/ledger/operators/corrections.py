"""Corrections of archived orders: records beside the original, which is never changed.

A correction belongs to one submission and one content. It applies while the submission has this content
(``submissions.worklist`` adds the values to the work items) and ends by itself when the source sends other content.
Corrections of earlier content, or of an earlier version of the order, are ``pending``: not applied, but shown, so that
an operator carries them over or dismisses them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from order_relay.errors import IllegalTransitionError
from order_relay.ledger.operators.activity import record_action
from order_relay.ledger.operators.shown import lock_shown
from order_relay.ledger.schema.operator_tables import correction
from order_relay.ledger.schema.predicates import IN_ANY_PIPELINE
from order_relay.ledger.schema.records import WorkItem
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.submissions.intake import HELD_FOR_CONTENT
from order_relay.ledger.submissions.transitions import TransitionCause, transition, update
from order_relay.ledger.submissions.worklist import work_items
from order_relay.orders.corrections.correctable_fields import FieldCorrection, require_correctable
from order_relay.orders.mapping.content_hash import settled_hash
from order_relay.orders.messages import RunContext

CORRECTABLE_STATES = (State.QUARANTINED, State.REJECTED, State.HELD)
UNSENT_STATES = (State.RECEIVED, State.WAITING, State.READY, *CORRECTABLE_STATES)
"""States in which a correction can be withdrawn."""

CORRECT, CARRY_OVER, WITHDRAW, DISMISS = "correct", "carry_over", "withdraw", "dismiss"
REPLACED, WITHDRAWN, DISMISSED = "replaced", "withdrawn", "dismissed"


class StoredCorrection(NamedTuple):
    """One correction. ``old`` and ``new`` are personal data, and ``None`` once retention has removed them.

    ``applies``: it is part of what is evaluated and sent. Otherwise ``ended_as`` says why, or the content has changed.
    """

    id: int
    submission_id: int
    field: str
    old: str | None
    new: str | None
    who: str
    why: str
    at: datetime
    ended_at: datetime | None
    ended_as: str
    applies: bool


class Corrections(Repository):
    """Corrections of archived orders."""

    @writes
    def correct(
        self,
        tx: Transaction,
        ctx: RunContext,
        number: int,
        *,
        revision: int,
        changes: Sequence[FieldCorrection],
        why: str,
        action: str = CORRECT,
    ) -> None:
        """Store corrections of the submission ``number``, whose ``revision`` was shown, and put it back to
        ``received``; one held for a decision about versions stays held. ``changes`` are checked already
        (``DocumentCorrector``).

        Raises ``ConcurrentUpdateError`` if it has changed since, ``IllegalTransitionError`` if it is not quarantined,
        rejected or held, and ``ConfigurationError`` for a field that may not be corrected.
        """
        require_correctable(change.field for change in changes)
        row = _locked(tx, number, revision, CORRECTABLE_STATES)
        content, fields = settled_hash(row.content_hash), [change.field for change in changes]
        _end(tx, row, fields, REPLACED)
        common = {"submission_id": row.id, "content_hash": content, "who": ctx.who, "why": clean_text(why, 2_000)}
        common |= {"at": tx.now, "ended_at": None, "ended_as": ""}
        values = [
            {"field": change.field, "old": clean_text(change.old, 8_000), "new": change.new} for change in changes
        ]
        tx.many(correction.insert(), [{**common, **value} for value in values])
        _put_back(tx, ctx, row, _Act(action, fields, why))

    @writes
    def withdraw(
        self, tx: Transaction, ctx: RunContext, number: int, *, revision: int, fields: Collection[str], why: str
    ) -> None:
        """End the corrections of these fields, so that the archived values count again.

        A submission that was not sent yet returns to ``received``. Raises as ``correct`` does, and
        ``IllegalTransitionError`` if one of the fields has no correction that applies.
        """
        row = _locked(tx, number, revision, UNSENT_STATES)
        if _end(tx, row, fields, WITHDRAWN) != len(set(fields)):
            raise IllegalTransitionError("one of these fields has no correction that applies")
        _put_back(tx, ctx, row, _Act(WITHDRAW, sorted(fields), why))

    @writes
    def dismiss(
        self, tx: Transaction, ctx: RunContext, number: int, *, revision: int, fields: Collection[str], why: str
    ) -> None:
        """Record that the pending corrections of these fields are not carried over to the present content.

        Raises as ``correct`` does, and ``IllegalTransitionError`` if none is pending for one of the fields.
        """
        row = _locked(tx, number, revision, tuple(State))
        if missing := set(fields) - {one.field for one in pending_corrections(tx, [row.id]).get(row.id, ())}:
            raise IllegalTransitionError(f"no correction is waiting for confirmation: {', '.join(sorted(missing))}")
        common = {"submission_id": row.id, "content_hash": settled_hash(row.content_hash), "old": "", "new": ""}
        common |= {"who": ctx.who, "why": clean_text(why, 2_000), "at": tx.now, "ended_at": tx.now}
        tx.many(correction.insert(), [{**common, "field": name, "ended_as": DISMISSED} for name in sorted(set(fields))])
        _record(tx, ctx, row, _Act(DISMISS, sorted(fields), why))

    @reads
    def candidates(self, tx: Transaction, number: str, pipeline: str | None = None) -> list[WorkItem]:
        """The submissions with this order number that were not sent yet, by id."""
        mine = IN_ANY_PIPELINE if pipeline is None else submission.c.pipeline == pipeline
        where = (mine, submission.c.order_number == number, submission.c.state.in_(UNSENT_STATES))
        return work_items(tx, tx.run(sa.select(submission.c.id).where(*where)).scalars().all())

    @reads
    def of(self, tx: Transaction, ids: Iterable[int]) -> dict[int, list[StoredCorrection]]:
        """All corrections of these submissions by id, oldest first. Contains personal data."""
        found: dict[int, list[StoredCorrection]] = defaultdict(list)
        for row in tx.run(_CORRECTIONS.where(among(correction.c.submission_id, "ids")), {"ids": list(ids)}):
            found[row.submission_id].append(_stored(row))
        return dict(found)

    @reads
    def pending(self, tx: Transaction, number: int) -> list[StoredCorrection]:
        """Corrections of earlier content or of earlier versions of an order that wait for confirmation, by field.

        Contains personal data. Empty for an unknown submission.
        """
        return pending_corrections(tx, [number]).get(number, [])


_CORRECTIONS = (
    sa.select(correction, submission.c.content_hash.label("present"))
    .join(submission, submission.c.id == correction.c.submission_id)
    .order_by(correction.c.submission_id, correction.c.id)
)
_own = submission.alias("own")
_OF_LINEAGES = (
    _CORRECTIONS.add_columns(_own.c.id.label("of_id"), _own.c.content_hash.label("of_content"))
    .join(_own, sa.and_(_own.c.pipeline == submission.c.pipeline, _own.c.lineage == submission.c.lineage))
    .where(among(_own.c.id, "ids"), submission.c.id <= _own.c.id)
)


def _stored(row: Any) -> StoredCorrection:
    applies = row.ended_at is None and settled_hash(row.present) == row.content_hash
    return StoredCorrection(**{name: getattr(row, name) for name in StoredCorrection._fields[:-1]}, applies=applies)


def pending_corrections(tx: Transaction, ids: Collection[int]) -> dict[int, list[StoredCorrection]]:
    """The newest correction of each field that was neither ended nor decided for the present content, by submission."""
    newest: dict[int, dict[str, StoredCorrection]] = defaultdict(dict)
    decided = set()
    for found in tx.run(_OF_LINEAGES, {"ids": list(ids)}):
        if found.submission_id == found.of_id and found.content_hash == settled_hash(found.of_content):
            decided.add((found.of_id, found.field))
        elif found.ended_at is None and found.new is not None:
            newest[found.of_id][found.field] = _stored(found)
    waiting = {of: [one for name, one in sorted(by.items()) if (of, name) not in decided] for of, by in newest.items()}
    return {of: corrections for of, corrections in waiting.items() if corrections}


def _locked(tx: Transaction, number: int, revision: int, states: Collection[State]) -> Any:
    """The submission as it was shown, locked."""
    (row,) = lock_shown(tx, {number: revision}, "pipeline", "lineage", "content_hash", "reason", "decided", "edition")
    if row.state not in states:
        raise IllegalTransitionError(
            f"the order is {row.state}; only orders in these states can be corrected: {', '.join(CORRECTABLE_STATES)}"
        )
    return row


def _end(tx: Transaction, row: Any, fields: Iterable[str], ended_as: str) -> int:
    """End the corrections of these fields that apply; returns their number."""
    ended = (
        correction.update()
        .where(
            correction.c.submission_id == row.id,
            correction.c.content_hash == settled_hash(row.content_hash),
            correction.c.ended_at.is_(None),
            among(correction.c.field, "fields"),
        )
        .values(ended_at=tx.now, ended_as=ended_as)
    )
    return tx.run(ended, {"fields": sorted(set(fields))}).rowcount


class _Act(NamedTuple):
    action: str
    fields: Sequence[str]
    why: str


def _put_back(tx: Transaction, ctx: RunContext, row: Any, act: _Act) -> None:
    """Have the order evaluated again, as a replay does, and record the action.

    A held order waits for its decision, unless it is held for its own content, which was corrected here instead of at
    its source. Every change makes a new revision, so that no evaluation with the former values can be stored.
    """
    for_content = row.reason in HELD_FOR_CONTENT and not row.decided and row.edition == 1
    if row.state == State.RECEIVED or (row.state == State.HELD and not for_content):
        update(tx, [row], {row.id: {}})
    else:
        cause = TransitionCause(ctx, f"{act.action.replace('_', ' ')} ({', '.join(act.fields)}): {act.why}")
        transition(tx, [row], State.RECEIVED, cause)
    _record(tx, ctx, row, act)


def _record(tx: Transaction, ctx: RunContext, row: Any, act: _Act) -> None:
    record_action(
        tx,
        who=ctx.who,
        action=act.action,
        why=act.why,
        pipeline=row.pipeline,
        submission_id=row.id,
        details={"fields": list(act.fields)},
    )
