"""Claims: the intent to send, committed before the first byte, for at most one submission per lineage.

Guarantees: a claim is durable before its caller may send. At most one submission of a lineage is in ``sending``,
``in_doubt`` or ``imported``; a partial unique index enforces it. The rows of a lineage are locked in key order, so that
two runs with versions of one order wait for each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from order_relay.ledger.delivery.attempts import is_over
from order_relay.ledger.schema.records import Claim, Sendable
from order_relay.ledger.schema.states import AT_DESTINATION, State
from order_relay.ledger.schema.tables import attempt, submission
from order_relay.ledger.store.column_types import among, among_selected
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, reads, writes
from order_relay.ledger.submissions.transitions import TransitionCause, transition
from order_relay.ledger.write_back import cancellations
from order_relay.orders.decisions.versions import IN_DOUBT
from order_relay.orders.messages import RunContext, SendOutcome

NOT_STORED = (SendOutcome.NOT_SENT, SendOutcome.THROTTLED, SendOutcome.CONFIGURATION_ERROR, SendOutcome.REJECTED)
"""Outcomes that prove that the destination stored nothing."""

_READY = (
    sa.select(submission.c.id)
    .where(submission.c.pipeline == sa.bindparam("name"), submission.c.state == sa.literal_column("'ready'"))
    .order_by(submission.c.id)
)

_SENDABLE = (
    sa.select(
        submission.c.id,
        submission.c.revision,
        submission.c.destination_key,
        submission.c.payload_name,
        submission.c.payload_row,
        submission.c.fingerprint,
        submission.c.attempt,
        submission.c.lineage,
        submission.c.order_number,
        sa.func.coalesce(submission.c.total_minor, 0),
        submission.c.currency,
        submission.c.submitted_at,
    )
    .where(among(submission.c.id, "ids"))
    .order_by(submission.c.id)
)
_READY_TO_SEND = _SENDABLE.where(submission.c.state == sa.literal_column("'ready'"))
_TO_SEND_AGAIN = _SENDABLE.join(
    attempt, sa.and_(attempt.c.submission_id == submission.c.id, attempt.c.number == submission.c.attempt)
).where(
    submission.c.state == sa.literal_column("'in_doubt'"),
    attempt.c.fingerprint == submission.c.fingerprint,
)

_own = submission.alias("own")
_FAMILY = (
    sa.select(
        submission.c.id,
        submission.c.state,
        submission.c.revision,
        submission.c.lineage,
        submission.c.version,
        submission.c.edition,
        submission.c.attempt,
        submission.c.first_sent_at,
        submission.c.source_cancelled_at,
        submission.c.send_before,
    )
    .where(
        submission.c.pipeline == sa.bindparam("name"),
        # no further condition on the pipeline: SQLite would then read all of its rows instead of these few
        among_selected(submission.c.lineage, sa.select(_own.c.lineage).where(among(_own.c.id, "ids"))),
    )
    .order_by(submission.c.id)
    .with_for_update(of=submission)
)
_blank: sa.ColumnElement[str] = sa.literal_column("''")
_INSERT_ATTEMPTS = attempt.insert().from_select(
    [
        "submission_id",
        "number",
        "run",
        "owner",
        "fingerprint",
        "payload_name",
        "payload_row",
        "sent_at",
        "send_before",
        "outcome",
        "status",
        "code",
        "message",
        "body",
    ],
    sa.select(
        submission.c.id,
        submission.c.attempt,
        sa.bindparam("b_run", type_=sa.Text),
        submission.c.owner,
        submission.c.fingerprint,
        submission.c.payload_name,
        submission.c.payload_row,
        sa.bindparam("b_at", type_=attempt.c.sent_at.type),
        submission.c.send_before,
        _blank,
        sa.literal_column("0"),
        _blank,
        _blank,
        _blank,
    ).where(among(submission.c.id, "ids")),
)
"""Copied from the rows that were just claimed."""


class Claims(Repository):
    """The intent to send an order, committed before the request."""

    @reads
    def ready(self, tx: Transaction, name: str) -> list[int]:
        """The submissions that may be sent, oldest first."""
        return list(tx.run(_READY, {"name": name}).scalars())

    @reads
    def sendable(self, tx: Transaction, ids: Iterable[int]) -> list[Sendable]:
        """Those of ``ids`` that may be sent, with their payloads."""
        return [Sendable(*tuple(row)) for row in tx.run(_READY_TO_SEND, {"ids": list(ids)})]

    @reads
    def to_send_again(self, tx: Transaction, ids: Iterable[int]) -> list[Sendable]:
        """Those of ``ids`` that are in doubt, with the payload of their last attempt."""
        return [Sendable(*tuple(row)) for row in tx.run(_TO_SEND_AGAIN, {"ids": list(ids)})]

    def claim(
        self, ctx: RunContext, ids: Iterable[int], owner: str, lease_s: float, resend_after_s: float | None = None
    ) -> dict[int, Claim]:
        """See ``claim``; one by one if another process claims at the same time."""
        wanted = list(ids)
        try:
            return self._claim(ctx, wanted, owner, lease_s, resend_after_s)
        except IntegrityError:
            return self._claim(ctx, wanted, owner, lease_s, resend_after_s, one_by_one=True)

    @writes
    def _claim(  # noqa: PLR0917 - as ``claim``
        self,
        tx: Transaction,
        ctx: RunContext,
        ids: Sequence[int],
        owner: str,
        lease_s: float,
        resend_after_s: float | None,
        *,
        one_by_one: bool = False,
    ) -> dict[int, Claim]:
        return claim(tx, ctx, ids, owner, lease_s, resend_after_s, one_by_one=one_by_one)


def claim(  # noqa: PLR0917 - what a claim consists of
    tx: Transaction,
    ctx: RunContext,
    ids: Iterable[int],
    owner: str,
    lease_s: float,
    resend_after_s: float | None = None,
    *,
    one_by_one: bool = False,
) -> dict[int, Claim]:
    """Commit the intent to send these; returns claims by id. Submissions that cannot be claimed are left out.

    No request may start after ``send_before``: the database's clock plus ``lease_s``. If the lineage of a submission is
    being sent, in doubt or imported, the submission changes to ``waiting`` and is resolved again, which also decides
    whether it agrees with the imported version and is superseded by it. A submission that its source has cancelled
    meanwhile (after an attempt that provably stored nothing) is held.

    ``resend_after_s``: at an idempotent destination, submissions in doubt are claimed as well, this long after the
    lease of their last attempt (the destination's time-out). ``None``: they are left out.

    Raises ``IntegrityError`` if the lineage index refused one of them because another version was claimed between
    reading and writing. Nothing is claimed then; call again with ``one_by_one`` to leave out only that one.
    """
    wanted = set(ids)
    families: dict[str, list[Any]] = defaultdict(list)
    for row in tx.run(_FAMILY, {"ids": list(wanted), "name": ctx.pipeline}):
        families[row.lineage].append(row)
    free: list[Any] = []
    waiting: list[Any] = []
    cancelled: list[Any] = []
    moment = tx.now
    for family in families.values():
        free += _select_resends(family, wanted, moment, resend_after_s)
        _select_versions(family, wanted, free, waiting, cancelled)
    cancellations.hold_unsent(tx, ctx, cancelled)
    transition(
        tx,
        waiting,
        State.WAITING,
        TransitionCause(ctx, "another version of this order is being sent or imported", IN_DOUBT),
        {"due_at": moment},
    )
    before = moment + timedelta(seconds=lease_s)
    if one_by_one:
        free = [row for row in free if _claim_row(tx, ctx, row, owner, before)]
    else:
        _claim_rows(tx, ctx, free, owner, before)
    return {
        row.id: Claim(row.id, row.attempt + 1, row.revision + 1, before, resent=row.state == State.IN_DOUBT)
        for row in free
    }


def _select_resends(family: list[Any], wanted: set[int], now: datetime, resend_after_s: float | None) -> Iterator[Any]:
    """The version of a lineage that is in doubt, if it may be sent again. No other one may be sent then."""
    if resend_after_s is None:
        return
    for row in family:
        asked = row.id in wanted and row.state == State.IN_DOUBT and row.source_cancelled_at is None
        if asked and is_over(now, row.send_before, resend_after_s):
            yield row


def _select_versions(
    family: list[Any], wanted: set[int], free: list[Any], waiting: list[Any], cancelled: list[Any]
) -> None:
    """Select the version of a lineage to send: the newest requested one, if none is at the destination."""
    ready_ones = [row for row in family if row.id in wanted and row.state == State.READY]
    cancelled += [row for row in ready_ones if row.source_cancelled_at is not None]
    asking = sorted(
        (row for row in ready_ones if row.source_cancelled_at is None),
        key=lambda row: (row.version, row.edition, row.id),
    )
    if asking and not any(row.state in AT_DESTINATION for row in family):
        free.append(asking.pop())
    waiting += asking


def _claim_row(tx: Transaction, ctx: RunContext, row: Any, owner: str, before: datetime) -> bool:
    """Claim one row; false if the lineage index refuses it."""
    try:
        with tx.conn.begin_nested():
            _claim_rows(tx, ctx, [row], owner, before)
    except IntegrityError:
        return False
    return True


def _claim_rows(tx: Transaction, ctx: RunContext, rows: Sequence[Any], owner: str, before: datetime) -> None:
    by_attempt: dict[tuple[int, bool, bool], list[Any]] = defaultdict(list)
    for row in rows:
        by_attempt[row.attempt + 1, row.first_sent_at is None, row.state == State.IN_DOUBT].append(row)
    common = {"owner": owner, "send_before": before, "absent_once_at": None, "lookups": 0}
    for (number, first, resent), group in by_attempt.items():
        began = {"first_sent_at": tx.now} if first else {}
        why = f"claimed by {owner}{', to be sent again under the same key' if resent else ''}"
        transition(tx, group, State.SENDING, TransitionCause(ctx, why), {**common, **began, "attempt": number})
    if rows:
        tx.run(_INSERT_ATTEMPTS, {"ids": [row.id for row in rows], "b_run": ctx.run, "b_at": tx.now})
