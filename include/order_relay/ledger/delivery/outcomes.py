"""Outcomes of attempts, committed under the attempt's number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.delivery.attempts import answer_code
from order_relay.ledger.delivery.claims import NOT_STORED, claim
from order_relay.ledger.schema.records import AttemptResult, Claim
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import attempt
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, writes
from order_relay.ledger.store.text import MAX_BODY, MAX_REMARK, clean_text
from order_relay.ledger.submissions.revisions import apply_pending_offers
from order_relay.ledger.submissions.transitions import COMPUTED, TransitionCause, lock, transition
from order_relay.orders.messages import RunContext, SendOutcome, SendResult

_TARGET = {
    SendOutcome.IMPORTED: State.IMPORTED,
    SendOutcome.REJECTED: State.REJECTED,
    SendOutcome.IN_DOUBT: State.IN_DOUBT,
    SendOutcome.NOT_SENT: State.READY,
    SendOutcome.THROTTLED: State.READY,
    SendOutcome.CONFIGURATION_ERROR: State.READY,
}
_UNDER_WAY = (State.SENDING, State.IN_DOUBT)
_ADOPT = (State.SENDING, State.IMPORTED)

_RECORD = (
    attempt.update()
    .where(
        attempt.c.submission_id == sa.bindparam("b_id"),
        attempt.c.number == sa.bindparam("b_number"),
        # a later report of an import overrides any earlier outcome
        sa.or_(
            attempt.c.settled_at.is_(None),
            attempt.c.outcome == SendOutcome.IN_DOUBT,
            sa.and_(sa.bindparam("b_outcome", type_=sa.Text) == SendOutcome.IMPORTED, attempt.c.oms_id.is_(None)),
        ),
    )
    .values(
        {
            name: sa.bindparam(name)
            for name in (
                "settled_at",
                "outcome",
                "status",
                "code",
                "message",
                "body",
                "oms_id",
                "remark",
            )
        }
    )
)
_EARLIER = sa.select(attempt.c.submission_id, attempt.c.number).where(
    among(attempt.c.submission_id, "ids"), attempt.c.outcome.not_in([str(o) for o in NOT_STORED])
)


Corrections = dict[int, SendOutcome | None]
"""What was recorded instead of an answer's own outcome, by submission: ``IN_DOUBT``, or ``None`` if it was stale."""


class Outcomes(Repository):
    """Outcomes of requests to the destination."""

    @writes
    def record(self, tx: Transaction, ctx: RunContext, results: Sequence[AttemptResult]) -> Corrections:
        """See ``record_outcomes``."""
        return record_outcomes(tx, ctx, results)

    @writes
    def record_and_claim(
        self,
        tx: Transaction,
        ctx: RunContext,
        results: Sequence[AttemptResult],
        ids: Sequence[int],
        *,
        owner: str,
        lease_s: float,
        resend_after_s: float | None = None,
    ) -> tuple[Corrections, dict[int, Claim]]:
        """``record`` and ``Claims.claim`` in one transaction. Raises ``IntegrityError``."""
        corrections = record_outcomes(tx, ctx, results, ids)  # locks the rows of both in key order
        return corrections, claim(tx, ctx, ids, owner, lease_s, resend_after_s)

    @writes
    def return_to_received(self, tx: Transaction, ctx: RunContext, ids: Iterable[int], why: str) -> int:
        """Return submissions to ``received``: rejected ones if the configuration was wrong, and ready ones with a
        damaged payload, which must be built again. Returns their number."""
        rows = [row for row in lock(tx, ids) if row.state in (State.REJECTED, State.READY)]
        transition(tx, rows, State.RECEIVED, TransitionCause(ctx, why))
        return len(rows)


def record_outcomes(
    tx: Transaction, ctx: RunContext, results: Sequence[AttemptResult], next_ids: Iterable[int] = ()
) -> Corrections:
    """Commit outcomes in one transaction; returns those that were recorded otherwise than the answers say.

    A refusal is in doubt if an earlier attempt may have been stored, and so is an import without an id. An outcome
    counts only for the current attempt, which is sending or in doubt; a late outcome for an attempt in
    doubt counts. A late import after two absences makes the order imported, unless a new attempt began. Refused
    outcomes are still stored with their attempt, so that the accounting check finds duplicates. Recording the same
    outcome again changes nothing.

    ``next_ids`` are claimed next in this transaction. They are locked with the others in key order, so that two workers
    with the same orders never deadlock.
    """
    given = {result.id: result for result in results}
    rows = [row for row in lock(tx, {*given, *next_ids}, "attempt", "oms_id", "offered") if row.id in given]
    doubtful = _possibly_stored(tx, rows, given)
    _record(tx, results)
    groups: dict[tuple[State, bool], list[Any]] = defaultdict(list)
    known = {row.id for row in rows}
    corrections: Corrections = {number: None for number in given if number not in known}
    for row in rows:
        target = _target(row, given[row.id], row.id in doubtful)
        if target is None:
            if not _is_recorded(row, given[row.id]):
                corrections[row.id] = None
            continue
        if target is State.IN_DOUBT and given[row.id].answer.outcome is not SendOutcome.IN_DOUBT:
            corrections[row.id] = SendOutcome.IN_DOUBT
        if target != row.state:  # text from the database, not a member
            groups[target, row.state == State.READY].append(row)
    for (target, late), group in groups.items():
        _transition(tx, ctx, target, group, given, late=late)
    changed = [row.id for row in rows if row.offered]
    if changed:
        apply_pending_offers(tx, TransitionCause(ctx), changed)
    return corrections


def _target(row: Any, result: AttemptResult, doubtful: bool) -> State | None:
    """The state after an outcome; ``None`` if the outcome no longer applies."""
    if result.attempt != row.attempt:
        return None
    target = _TARGET[result.answer.outcome]
    if target is State.IMPORTED and not result.answer.oms_id:
        target = State.IN_DOUBT
    if (target is State.REJECTED and doubtful) or (target is State.READY and result.resent):
        target = State.IN_DOUBT
    if row.state in _UNDER_WAY:
        return target
    return target if row.state == State.READY and target is State.IMPORTED else None


def _is_recorded(row: Any, result: AttemptResult) -> bool:
    """Whether this outcome is recorded already: a commit whose confirmation was lost is repeated."""
    if result.attempt != row.attempt or row.state != _TARGET[result.answer.outcome]:
        return False
    return bool(row.state != State.IMPORTED or row.oms_id == result.answer.oms_id)


def _possibly_stored(tx: Transaction, rows: Iterable[Any], given: dict[int, AttemptResult]) -> set[int]:
    """Refused orders with an earlier attempt that may have been stored: the refusal may mean "already exists"."""
    asked = {
        row.id: row.attempt for row in rows if row.attempt > 1 and given[row.id].answer.outcome is SendOutcome.REJECTED
    }
    if not asked:
        return set()
    earlier = tx.run(_EARLIER, {"ids": list(asked)})
    return {row.submission_id for row in earlier if row.number < asked[row.submission_id]}


def _record(tx: Transaction, results: Sequence[AttemptResult]) -> None:
    """Store every answer with its attempt, even if it is stale."""
    tx.many(
        _RECORD,
        [
            {
                "b_id": r.id,
                "b_number": r.attempt,
                "b_outcome": r.answer.outcome,
                "settled_at": tx.now,
                "outcome": r.answer.outcome,
                "status": r.answer.status,
                "code": clean_text(r.answer.code, 100),
                "message": clean_text(r.answer.message, 1_000),
                "body": clean_text(r.answer.body, MAX_BODY),
                "oms_id": clean_text(r.answer.oms_id, 200) or None,
                "remark": clean_text(r.answer.remark, MAX_REMARK),
            }
            for r in results
        ],
    )


def _transition(
    tx: Transaction, ctx: RunContext, target: State, rows: list[Any], given: dict[int, AttemptResult], *, late: bool
) -> None:
    answers = {row.id: given[row.id].answer for row in rows}
    if target is State.IMPORTED:
        values = {"imported_at": tx.now, "oms_id": COMPUTED}
        why = "late answer: the destination had stored it" if late else "the destination has stored it"
        transition(tx, rows, target, TransitionCause(ctx, why), values, via=_ADOPT if late else None)
        return
    due = {"due_at": tx.now} if target is State.IN_DOUBT else {}
    for (code, why), group in _by_reason(rows, answers, target).items():
        transition(tx, group, target, TransitionCause(ctx, why, code), due)


def _by_reason(rows: list[Any], answers: dict[int, SendResult], target: State) -> dict[tuple[str, str], list[Any]]:
    """The rows by reason code and event text."""
    groups: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in rows:
        answer = answers[row.id]
        code = answer_code(answer)
        why = "refused, but an earlier attempt may have been stored" if answer.outcome is SendOutcome.REJECTED else ""
        if answer.outcome in (SendOutcome.NOT_SENT, SendOutcome.THROTTLED, SendOutcome.CONFIGURATION_ERROR):
            why = "not stored this time, but an earlier attempt may have been"
        unproven = target is State.IN_DOUBT and why
        groups[code, f"{code}: {why}" if unproven else code].append(row)
    return groups
