"""Orders in doubt, their lookups, and the rule when an absence counts.

An order is sent again only after two valid absences. An absence is valid if the lookup was complete with a positive
control (the caller then reports ``absent``), and if it was made after the end of the lease plus ``quiet_s``: the
destination's time-out plus the delay until it shows stored orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from order_relay.ledger.delivery.attempts import attempts_of, exhausted, is_over, outcome_code
from order_relay.ledger.schema.records import InDoubtOrder, LookupResult, PositiveControl
from order_relay.ledger.schema.states import State
from order_relay.ledger.schema.tables import attempt, lookup, submission
from order_relay.ledger.store.column_types import among, not_among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.store.text import clean_text
from order_relay.ledger.submissions.revisions import apply_pending_offers
from order_relay.ledger.submissions.transitions import TransitionCause, lock, transition, update
from order_relay.orders.messages import MAX_ATTEMPTS, RunContext

FIRST_DELAY = timedelta(minutes=2)
LONGEST_DELAY = timedelta(hours=6)
_REFUSED = (400, 422)
_NEEDED = ("attempt", "send_before", "absent_once_at", "lookups", "offered", "absences", "first_sent_at", "reason")


def lookup_delay(lookups: int) -> timedelta:
    """Delay before the next lookup, from two minutes, doubled each time, to six hours."""
    return min(FIRST_DELAY * (1 << min(lookups, 12)), LONGEST_DELAY)


class Lookups(Repository):
    """Orders in doubt and their lookups."""

    @reads
    def due(self, tx: Transaction, name: str, now: datetime | None = None) -> list[int]:
        """Submissions in doubt whose lookup is due, longest due first; ``now`` defaults to the database's clock."""
        return list(
            tx.run(
                sa.select(submission.c.id)
                .where(
                    submission.c.pipeline == name,
                    submission.c.state == State.IN_DOUBT,
                    submission.c.due_at <= (now or tx.now),
                )
                .order_by(submission.c.due_at, submission.c.id)
            ).scalars()
        )

    @reads
    def in_doubt(self, tx: Transaction, ids: Iterable[int]) -> list[InDoubtOrder]:
        """Those of ``ids`` that are in doubt, with the data for a lookup."""
        query = (
            sa.select(
                submission.c.id,
                submission.c.revision,
                submission.c.destination_key,
                submission.c.attempt,
                attempt.c.sent_at,
                submission.c.submitted_at,
                submission.c.absent_once_at,
                submission.c.send_before,
                submission.c.order_number,
                submission.c.lookups,
                submission.c.reason,
                submission.c.payload_name,
                submission.c.payload_row,
                sa.func.coalesce(submission.c.total_minor, 0),
                submission.c.currency,
            )
            .join(
                attempt, sa.and_(attempt.c.submission_id == submission.c.id, attempt.c.number == submission.c.attempt)
            )
            .where(among(submission.c.id, "ids"), submission.c.state == State.IN_DOUBT)
            .order_by(submission.c.id)
        )
        return [InDoubtOrder(*tuple(row)) for row in tx.run(query, {"ids": list(ids)})]

    @writes
    def record(
        self,
        tx: Transaction,
        ctx: RunContext,
        results: Sequence[LookupResult],
        quiet_s: float = 0.0,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> dict[int, str]:
        """Record lookups and apply them; returns the states afterwards, by id.

        ``found``: imported. A second valid ``absent`` of the same attempt: ready again, or rejected if the last answer
        was a refusal (400, 422) or the order has no attempts left (``attempts.exhausted``). Otherwise the order stays
        in doubt and is due again at ``next_at`` (default: a growing delay). Results for another attempt, or for orders
        that are no longer in doubt, are stored but change nothing.
        """
        given = {result.id: result for result in results}
        rows = lock(tx, given, *_NEEDED)
        states = {row.id: str(row.state) for row in rows}
        log: list[dict[str, Any]] = []
        for row in rows:
            result = given[row.id]
            open_now = row.state == State.IN_DOUBT and row.attempt == result.attempt
            counted = open_now and _counts(tx.now, row, result, quiet_s)
            log.append(_log_row(tx, ctx, result, counted))
            if open_now:
                states[row.id] = _conclude(tx, ctx, row, result, counted, max_attempts)
        tx.many(lookup.insert(), log)
        changed = [row.id for row in rows if row.offered and states[row.id] != row.state]
        if changed:
            apply_pending_offers(tx, TransitionCause(ctx), changed)
        return states

    @reads
    def positive_controls(
        self, tx: Transaction, destination: str, exclude: Iterable[str] = (), shown_after_s: float = 3600.0
    ) -> list[PositiveControl]:
        """Up to three different imported orders as positive controls, newest first.

        ``exclude`` are unsuitable external ids. ``shown_after_s``: seconds until the destination shows an imported
        order; younger orders are used only if there are no others.
        """
        found: list[PositiveControl] = []
        keys = list(exclude)
        for age in CONTROL_AGES:
            given = {"destination": destination, "keys": [*keys, *(control.key for control in found)]}
            until = tx.now - timedelta(seconds=shown_after_s) - age
            row = tx.run(_NEWEST_UNTIL, {**given, "until": until}).one_or_none() or tx.run(_OLDEST, given).one_or_none()
            if row is None:
                break
            found.append(PositiveControl(*tuple(row)))
        return found


def _counts(now: datetime, row: Any, result: LookupResult, quiet_s: float) -> bool:
    if result.finding.kind == "found":
        return bool(result.finding.oms_id)
    if result.finding.kind != "absent" or not is_over(now, row.send_before, quiet_s):
        return False
    return row.absent_once_at is None or now > row.absent_once_at


def _log_row(tx: Transaction, ctx: RunContext, result: LookupResult, counted: bool) -> dict[str, Any]:
    return {
        "submission_id": result.id,
        "attempt": result.attempt,
        "at": tx.now,
        "finding": result.finding.kind,
        "counted": counted,
        "method": clean_text(result.method, 100),
        "oms_id": clean_text(result.finding.oms_id, 200) or None,
        "run": ctx.run,
        "who": ctx.who,
        "why": clean_text(result.why, 500),
    }


def _conclude(  # noqa: PLR0917 - the row and the result of one lookup
    tx: Transaction, ctx: RunContext, row: Any, result: LookupResult, counted: bool, max_attempts: int
) -> str:
    if counted and result.finding.kind == "found":
        values = {"oms_id": clean_text(result.finding.oms_id, 200), "imported_at": tx.now}
        transition(
            tx,
            [row],
            State.IMPORTED,
            TransitionCause(ctx, f"found by lookup ({clean_text(result.method, 100)})"),
            values,
        )
        return State.IMPORTED
    if counted and row.absent_once_at is not None:
        return _confirm_absence(tx, ctx, row, max_attempts)
    update(
        tx,
        [row],
        {
            row.id: {
                "lookups": row.lookups + 1,
                "absent_once_at": tx.now if counted else row.absent_once_at,
                "reason": result.reason or row.reason,
                "due_at": result.next_at or tx.now + lookup_delay(row.lookups),
            }
        },
    )
    return State.IN_DOUBT


def _confirm_absence(tx: Transaction, ctx: RunContext, row: Any, max_attempts: int) -> str:
    """The attempt stored nothing: the order may be sent again, unless it has no attempts left."""
    tried = attempts_of(tx, row.id, row.first_sent_at)
    absences = {"absences": row.absences + 1}
    if tried and tried[-1].status in _REFUSED:
        reason = f"http_{tried[-1].status}"
        transition(
            tx,
            [row],
            State.REJECTED,
            TransitionCause(ctx, "refused by the destination, and absent in two lookups", reason),
            absences,
        )
        return State.REJECTED
    why = exhausted(tried, max_attempts)
    if why:
        transition(tx, [row], State.REJECTED, TransitionCause(ctx, why, outcome_code(tried[-1])), absences)
        return State.REJECTED
    transition(tx, [row], State.READY, TransitionCause(ctx, "absent in two lookups"), absences)
    return State.READY


CONTROL_AGES = (timedelta(0), timedelta(days=7), timedelta(days=1))
"""Ages of the positive controls, beyond the delay until the destination shows stored orders: the newest proves that
the search is up to date, the others that it reaches back."""

_CONTROL = (
    sa.select(
        submission.c.destination_key,
        submission.c.oms_id,
        submission.c.imported_at,
        submission.c.submitted_at,
        sa.func.coalesce(submission.c.total_minor, 0),
        submission.c.currency,
    )
    .where(
        submission.c.destination == sa.bindparam("destination"),
        submission.c.state == sa.literal_column("'imported'"),
        submission.c.destination_key.is_not(None),
        not_among(submission.c.destination_key, "keys"),
    )
    .limit(1)
)
_NEWEST_UNTIL = _CONTROL.where(
    submission.c.imported_at <= sa.bindparam("until", type_=submission.c.imported_at.type)
).order_by(submission.c.imported_at.desc())
_OLDEST = _CONTROL.order_by(submission.c.imported_at)
