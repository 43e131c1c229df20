"""What a person decides: about held orders, orders in doubt, quarantined and rejected ones.

Who and why stand on every event. A decision names the submissions that were shown, and is refused when there are
others now: nobody decides about what they did not see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from order_relay.errors import MoveRefused, StaleRevision
from order_relay.ledger.columns import among
from order_relay.ledger.database import Transaction
from order_relay.ledger.editions import compare_offered
from order_relay.ledger.moving import Cause, lock, move
from order_relay.ledger.states import AT_DESTINATION, State
from order_relay.ledger.tables import lookup, settlement, submission
from order_relay.ledger.texts import clean
from order_relay.orders.exchange import RunContext
from order_relay.orders.identity import separate_lineage

CHOICES = ("replacement", "separate", "discard")
_NEEDED = ("pipeline", "source_id", "edition", "lineage", "version", "order_number")
_STOPPED = (State.QUARANTINED, State.REJECTED)


def decide(
    tx: Transaction, number: str, choice: str, reason: str, who: str, *, shown_ids: Sequence[int] | None
) -> list[int]:
    """Decide about the held submissions of an order number; the ids that were decided.

    ``replacement``: the newest goes on in the place of the others, which are superseded once it is resolved; where
    another version is at the destination already (the person has made sure that it is cancelled there) it goes on in a
    lineage of its own. ``separate``: it is an order of its own. ``discard``: it is never sent.
    Raises ``MoveRefused`` where nothing is held under this number or the choice is none, ``StaleRevision`` where
    other submissions are held now than were shown.
    """
    if choice not in CHOICES:
        raise MoveRefused(f"{choice!r} is no decision; choose one of {', '.join(CHOICES)}")
    rows = _held(tx, number, shown_ids)
    for name in sorted({row.pipeline for row in rows}):
        mine = [row for row in rows if row.pipeline == name]
        cause = Cause(RunContext(name, "", who), f"{choice}: {reason}", "")
        if choice == "discard":
            move(tx, mine, State.DISCARDED, cause)
        else:
            _let_go(tx, cause, mine, choice)
        _note(tx, mine, choice, reason, who)
    return [row.id for row in rows]


def _held(tx: Transaction, number: str, shown_ids: Sequence[int] | None) -> list[Any]:
    ids = tx.run(sa.select(submission.c.id).where(
        submission.c.order_number == number, submission.c.state == State.HELD
    )).scalars().all()
    rows = [row for row in lock(tx, ids, *_NEEDED) if row.state == State.HELD]
    if shown_ids is not None and {row.id for row in rows} != set(shown_ids):
        raise StaleRevision("other submissions are held under this order number now than were shown; look again")
    if not rows:
        raise MoveRefused("nothing is held under this order number")
    return rows


def _let_go(tx: Transaction, cause: Cause, rows: list[Any], choice: str) -> None:
    taken = set(tx.run(
        sa.select(submission.c.lineage).where(
            submission.c.pipeline == cause.ctx.pipeline, among(submission.c.lineage, "lineages"),
            submission.c.state.in_(AT_DESTINATION),
        ), {"lineages": [row.lineage for row in rows]},
    ).scalars())
    each = {
        row.id: {
            "decided": True,
            "lineage": _own(row) if choice == "separate" or row.lineage in taken else row.lineage,
        }
        for row in rows
    }
    move(tx, rows, State.RECEIVED, cause, each=each)


def _own(row: Any) -> str:
    """A lineage of its own; editions of one source id are told apart."""
    name = row.source_id if row.edition == 1 else f"{row.source_id}#{row.edition}"
    return separate_lineage(row.lineage, name)


def _note(tx: Transaction, rows: Sequence[Any], decision: str, reason: str, who: str) -> None:
    tx.many(settlement.insert(), [
        {
            "pipeline": row.pipeline, "lineage": row.lineage, "submission_id": row.id, "decision": decision,
            "reason": clean(reason, 1_000), "who": who, "at": tx.now,
        }
        for row in rows
    ])


def settle_by_person(tx: Transaction, number: str, oms_id: str | None, reason: str, who: str) -> list[int]:
    """A person's finding about an order in doubt: stored under ``oms_id``, or absent (``None``): ready again.

    Raises ``MoveRefused`` where not exactly one submission of this number is in doubt.
    """
    ids = tx.run(sa.select(submission.c.id).where(
        submission.c.order_number == number, submission.c.state == State.IN_DOUBT
    )).scalars().all()
    rows = [row for row in lock(tx, ids, *_NEEDED, "attempt") if row.state == State.IN_DOUBT]
    if len(rows) != 1:
        raise MoveRefused(f"{len(rows)} submissions of this order number are in doubt; one is needed")
    row = rows[0]
    ctx = RunContext(row.pipeline, "", who)
    found = clean(oms_id or "", 200)
    tx.run(lookup.insert(), {
        "submission_id": row.id, "attempt": row.attempt, "at": tx.now, "finding": "found" if found else "absent",
        "counted": True, "method": "person", "oms_id": found or None, "run": "", "who": who,
        "why": clean(reason, 500),
    })
    if found:
        values = {"oms_id": found, "imported_at": tx.now}
        move(tx, rows, State.IMPORTED, Cause(ctx, f"settled, stored: {reason}"), values)
    else:
        move(tx, rows, State.READY, Cause(ctx, f"settled, absent: {reason}"))
    _note(tx, rows, "stored" if found else "absent", reason, who)
    compare_offered(tx, Cause(ctx), [row.id])
    return [row.id]


def replay(tx: Transaction, ctx: RunContext, ids: Iterable[int], reason: str) -> int:
    """Quarantined and rejected submissions are judged again (a mapping or a table was mended); how many will be."""
    rows = [row for row in lock(tx, ids) if row.state in _STOPPED]
    move(tx, rows, State.RECEIVED, Cause(ctx, f"replay: {reason}"))
    return len(rows)


def discard(tx: Transaction, ctx: RunContext, ids: Iterable[int], reason: str) -> int:
    """Quarantined, rejected and held submissions are never sent; how many."""
    rows = [row for row in lock(tx, ids, *_NEEDED) if row.state in (*_STOPPED, State.HELD)]
    move(tx, rows, State.DISCARDED, Cause(ctx, f"discard: {reason}"))
    _note(tx, rows, "discard", reason, ctx.who)
    return len(rows)
