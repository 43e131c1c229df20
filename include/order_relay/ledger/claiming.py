"""The intent to send, committed before the first byte; and the one rule that no lineage is sent twice.

Guarantees: a claim is durable before its caller may send; at most one submission of a lineage is ever in ``sending``,
``in_doubt`` or ``imported`` (a partial unique index, not this code, makes sure of it); the rows of a lineage are
locked in key order, so that two runs over versions of one order wait for each other instead of racing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from order_relay.ledger.columns import among
from order_relay.ledger.database import Transaction
from order_relay.ledger.moving import Cause, move
from order_relay.ledger.states import AT_DESTINATION, State
from order_relay.ledger.tables import attempt, submission
from order_relay.ledger.values import Claim, Sendable
from order_relay.orders.exchange import Outcome, RunContext
from order_relay.orders.versions import IN_DOUBT

NOT_STORED = (Outcome.NOT_SENT, Outcome.THROTTLED, Outcome.WRONG_SETUP, Outcome.REJECTED)
"""Outcomes that prove that the destination stored nothing."""

_READY = sa.select(submission.c.id).where(
    submission.c.pipeline == sa.bindparam("name"), submission.c.state == sa.literal_column("'ready'")
).order_by(submission.c.id)

_SENDABLE = sa.select(
    submission.c.id, submission.c.revision, submission.c.destination_key, submission.c.payload_name,
    submission.c.payload_row, submission.c.fingerprint, submission.c.attempt, submission.c.lineage,
    submission.c.order_number,
).where(among(submission.c.id, "ids"), submission.c.state == sa.literal_column("'ready'")).order_by(submission.c.id)

_own = submission.alias("own")
_FAMILY = (
    sa.select(
        submission.c.id, submission.c.state, submission.c.revision, submission.c.lineage, submission.c.version,
        submission.c.edition, submission.c.attempt, submission.c.fingerprint, submission.c.payload_name,
        submission.c.payload_row,
    )
    .where(
        submission.c.pipeline == sa.bindparam("name"),
        submission.c.lineage.in_(
            sa.select(_own.c.lineage).where(among(_own.c.id, "ids"), _own.c.pipeline == sa.bindparam("name"))
        ),
    )
    .order_by(submission.c.id)
    .with_for_update(of=submission)
)
_EARLIER = sa.select(attempt.c.submission_id).where(
    among(attempt.c.submission_id, "ids"), attempt.c.outcome.not_in([str(o) for o in NOT_STORED])
)
_INSERT_ATTEMPT = attempt.insert()


def ready(tx: Transaction, name: str) -> list[int]:
    """All that may be sent, the longest known first."""
    return list(tx.run(_READY, {"name": name}).scalars())


def to_send(tx: Transaction, ids: Iterable[int]) -> list[Sendable]:
    """Those of ``ids`` that may be sent now, with their payloads."""
    return [Sendable(*tuple(row)) for row in tx.run(_SENDABLE, {"ids": list(ids)})]


def claim(tx: Transaction, ctx: RunContext, ids: Iterable[int], owner: str, lease_s: float) -> dict[int, Claim]:
    """Commit the intent to send these; by id. What can not be claimed is absent from the answer.

    No request may start after ``send_before``: the database's clock plus ``lease_s``. A submission whose lineage is
    under way, in doubt or imported does not stay ``ready``: an older version than the imported one is superseded,
    anything else waits to be resolved anew.
    """
    wanted = set(ids)
    families: dict[str, list[Any]] = defaultdict(list)
    for row in tx.run(_FAMILY, {"ids": list(wanted), "name": ctx.pipeline}):
        families[row.lineage].append(row)
    free: list[Any] = []
    waiting: list[Any] = []
    superseded: list[Any] = []
    for family in families.values():
        _sort(family, wanted, free, waiting, superseded)
    moment = tx.now
    move(tx, waiting, State.WAITING, Cause(ctx, "its lineage is under way or imported", IN_DOUBT), {"due_at": moment})
    move(tx, superseded, State.SUPERSEDED, Cause(ctx, "a newer version was imported"))
    before = moment + timedelta(seconds=lease_s)
    doubtful = _may_be_stored(tx, [row.id for row in free if row.attempt])
    lost = _take(tx, ctx, free, owner, before)
    return {
        row.id: Claim(row.id, row.attempt + 1, row.revision + 1, before, row.id in doubtful)
        for row in free if row.id not in lost
    }


def _sort(
    family: list[Any], wanted: set[int], free: list[Any], waiting: list[Any], superseded: list[Any]
) -> None:
    """Who of a lineage may go: the newest wanted one, if nothing of it is at the destination."""
    asking = sorted(
        (row for row in family if row.id in wanted and row.state == State.READY),
        key=lambda row: (row.version, row.edition, row.id),
    )
    if not asking:
        return
    there = [row for row in family if row.state in AT_DESTINATION]
    if not there:
        free.append(asking.pop())
    imported = [(row.version, row.edition) for row in there if row.state == State.IMPORTED]
    for row in asking:
        older = bool(imported) and (row.version, row.edition) < max(imported)
        (superseded if older else waiting).append(row)


def _take(tx: Transaction, ctx: RunContext, rows: list[Any], owner: str, before: datetime) -> set[int]:
    """Move rows to ``sending``; the ids that the lineage index refused (a version came up at the same moment)."""
    if not rows:
        return set()
    try:
        with tx.conn.begin_nested():
            _send_intent(tx, ctx, rows, owner, before)
    except IntegrityError:
        if len(rows) == 1:
            return {rows[0].id}
        return {number for row in rows for number in _take(tx, ctx, [row], owner, before)}
    return set()


def _send_intent(tx: Transaction, ctx: RunContext, rows: Sequence[Any], owner: str, before: datetime) -> None:
    common = {"owner": owner, "send_before": before, "absent_once_at": None, "lookups": 0}
    numbers = {row.id: {"attempt": row.attempt + 1} for row in rows}
    move(tx, rows, State.SENDING, Cause(ctx, f"claimed by {owner}"), common, each=numbers)
    tx.many(_INSERT_ATTEMPT, [
        {
            "submission_id": row.id, "number": row.attempt + 1, "run": ctx.run, "owner": owner,
            "fingerprint": row.fingerprint, "payload_name": row.payload_name, "payload_row": row.payload_row,
            "sent_at": tx.now, "send_before": before, "outcome": "", "status": 0, "code": "", "message": "",
            "body": "",
        }
        for row in rows
    ])


def _may_be_stored(tx: Transaction, ids: list[int]) -> set[int]:
    """Those with an earlier attempt that did not provably leave nothing at the destination."""
    return set(tx.run(_EARLIER, {"ids": ids}).scalars()) if ids else set()
