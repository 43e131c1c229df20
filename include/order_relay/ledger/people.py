"""What a person decides about held orders and orders in doubt (in bulk: see ``bulk``).

Who and why stand on every event. A decision names the submissions that were shown, and is refused when there are
others now: nobody decides about what they did not see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from order_relay.orders.versions import BASELINE

CHOICES = ("replacement", "separate", "discard")
Shown = Mapping[int, int | None]
"""What a person saw: submissions and their revisions (``None``: whatever it is)."""

CONFIRMED = "confirmed: the old order is cancelled at the destination"
_NEEDED = ("pipeline", "source_id", "edition", "lineage", "version", "order_number")


def decide(
    tx: Transaction, number: str, choice: str, reason: str, who: str, *, shown: Shown | None,
    cancelled: bool = False, pipeline: str | None = None,
) -> list[int]:  # fmt: skip
    """Decide about the held submissions of an order number (in one pipeline, or in all); the ids that were decided.

    ``replacement``: the newest goes on in the place of the others, which are superseded by it. Where another one of
    the lineage or of this number is at the destination, ``cancelled`` must say that the person made sure that it is
    cancelled there; the newest then goes on in a lineage of its own. ``separate``: each is an order of its own.
    ``discard``: it is never sent.
    Raises ``MoveRefused`` where nothing is held under this number, the choice is none, the confirmation is missing, or
    the one to be replaced is under way (nobody can know that it is cancelled); ``StaleRevision`` where other
    submissions are held now than were ``shown``, or one of them has changed.
    """
    if choice not in CHOICES:
        raise MoveRefused(f"{choice!r} is no decision; choose one of {', '.join(CHOICES)}")
    rows = _held(tx, number, shown, pipeline)
    for name in sorted({row.pipeline for row in rows}):
        mine = [row for row in rows if row.pipeline == name]
        ctx = RunContext(name, "", who)
        if choice == "discard":
            move(tx, mine, State.DISCARDED, Cause(ctx, f"discard: {reason}"))
        elif choice == "separate":
            _go_on(tx, Cause(ctx, f"separate: {reason}"), mine, {row.id: _own(row) for row in mine})
        else:
            _replace(tx, ctx, mine, reason, cancelled=cancelled)
        note(tx, mine, choice, f"{reason} ({CONFIRMED})" if cancelled and choice == "replacement" else reason, who)
    return [row.id for row in rows]


def _held(tx: Transaction, number: str, shown: Shown | None, pipeline: str | None) -> list[Any]:
    where = [submission.c.order_number == number, submission.c.state == State.HELD]
    if pipeline is not None:
        where.append(submission.c.pipeline == pipeline)
    ids = tx.run(sa.select(submission.c.id).where(*where)).scalars().all()
    rows = [row for row in lock(tx, ids, *_NEEDED) if row.state == State.HELD]
    if shown is not None and {row.id for row in rows} != shown.keys():
        raise StaleRevision("other submissions are held under this order number now than were shown; look again")
    if shown is not None and any(shown[row.id] not in (None, row.revision) for row in rows):
        raise StaleRevision("a held submission of this order number has changed since it was shown; look again")
    if not rows:
        raise MoveRefused("nothing is held under this order number")
    return rows


def _replace(tx: Transaction, ctx: RunContext, rows: list[Any], reason: str, *, cancelled: bool) -> None:
    """The newest goes on; the other held ones stand below it in its lineage, and are superseded when it is resolved."""
    newest = max(rows, key=lambda row: (row.version, row.edition, row.id))
    there = _there(tx, ctx.pipeline, rows)
    if any(row.state in (State.SENDING, State.IN_DOUBT) for row in there):
        raise MoveRefused("the order that would be replaced is being sent or in doubt: settle it first")
    told = ""
    if there:
        ids = ", ".join(row.oms_id or "imported elsewhere" for row in there)
        if not cancelled:
            raise MoveRefused(
                f"the order that would be replaced is at the destination ({ids}): cancel it there, and confirm that"
            )
        told = f" ({CONFIRMED}: {ids})"
        _cancelled(tx, there)
    taken = any(row.lineage == newest.lineage for row in there)
    lineage = _own(newest) if taken else newest.lineage
    _go_on(tx, Cause(ctx, f"replacement{told}: {reason}"), rows, {row.id: lineage for row in rows})


def _cancelled(tx: Transaction, rows: Sequence[Any]) -> None:
    """These are cancelled at the destination, by a person's word; their state stays what it is."""
    tx.run(
        submission.update().where(among(submission.c.id, "ids"), submission.c.state == State.IMPORTED)
        .values(cancelled_at=sa.func.coalesce(submission.c.cancelled_at, tx.now)),
        {"ids": [row.id for row in rows]},
    )


def _there(tx: Transaction, name: str, rows: Sequence[Any]) -> list[Any]:
    """What of these lineages or under these numbers is, or may be, at the destination."""
    return list(tx.run(
        sa.select(submission.c.id, submission.c.state, submission.c.lineage, submission.c.oms_id).where(
            submission.c.pipeline == name,
            among(submission.c.lineage, "lineages") | among(submission.c.order_number, "numbers"),
            submission.c.state.in_(AT_DESTINATION)
            | ((submission.c.state == State.DISCARDED) & (submission.c.reason == BASELINE)),
        ).order_by(submission.c.id),
        {"lineages": [row.lineage for row in rows], "numbers": [row.order_number for row in rows]},
    ))


def _go_on(tx: Transaction, cause: Cause, rows: list[Any], lineages: dict[int, str]) -> None:
    each = {row.id: {"decided": True, "lineage": lineages[row.id]} for row in rows}
    move(tx, rows, State.RECEIVED, cause, each=each)


def _own(row: Any) -> str:
    """A lineage of its own; editions of one source id are told apart."""
    name = row.source_id if row.edition == 1 else f"{row.source_id}#{row.edition}"
    return separate_lineage(row.lineage, name)


def note(tx: Transaction, rows: Sequence[Any], decision: str, reason: str, who: str) -> None:
    """Keep a decision about each of these: by it a lineage counts as settled by a person."""
    tx.many(settlement.insert(), [
        {
            "pipeline": row.pipeline, "lineage": row.lineage, "submission_id": row.id, "decision": decision,
            "reason": clean(reason, 1_000), "who": who, "at": tx.now,
        }
        for row in rows
    ])


def settle_by_person(
    tx: Transaction, number: str, oms_id: str | None, reason: str, who: str, *, pipeline: str | None = None,
    shown: Shown | None = None,
) -> list[int]:
    """A person's finding about an order in doubt: stored under ``oms_id``, or absent (``None``): ready again.

    ``shown`` is the attempt that the person looked for, by submission. Raises ``MoveRefused`` where not exactly one
    submission of this number is in doubt, and where another order is known under ``oms_id``; ``StaleRevision`` where it
    is in doubt about another attempt than was shown.
    """
    where = [submission.c.order_number == number, submission.c.state == State.IN_DOUBT]
    if pipeline is not None:
        where.append(submission.c.pipeline == pipeline)
    ids = tx.run(sa.select(submission.c.id).where(*where)).scalars().all()
    rows = [row for row in lock(tx, ids, *_NEEDED, "attempt", "destination", "absences") if row.state == State.IN_DOUBT]
    if len(rows) != 1:
        raise MoveRefused(f"{len(rows)} submissions of this order number are in doubt; one is needed")
    row = rows[0]
    if shown is not None and shown.get(row.id) != row.attempt:
        raise StaleRevision("this order is in doubt about another attempt than was shown; look again")
    ctx = RunContext(row.pipeline, "", who)
    found = clean(oms_id or "", 200)
    if oms_id is not None and not found.strip():
        raise MoveRefused("an order that is stored at the destination has an id there; give it")
    if found and _known(tx, row, found):
        raise MoveRefused("the ledger has another order under this id of the destination; look again")
    tx.run(lookup.insert(), {
        "submission_id": row.id, "attempt": row.attempt, "at": tx.now, "finding": "found" if found else "absent",
        "counted": True, "method": "person", "oms_id": found or None, "run": "", "who": who,
        "why": clean(reason, 500),
    })
    if found:
        values = {"oms_id": found, "imported_at": tx.now}
        move(tx, rows, State.IMPORTED, Cause(ctx, f"settled, stored: {reason}"), values)
    else:
        move(tx, rows, State.READY, Cause(ctx, f"settled, absent: {reason}"), {"absences": row.absences + 1})
    note(tx, rows, "stored" if found else "absent", reason, who)
    compare_offered(tx, Cause(ctx), [row.id])
    return [row.id]


def _known(tx: Transaction, row: Any, oms_id: str) -> bool:
    return bool(tx.run(sa.select(sa.exists().where(
        submission.c.oms_id == oms_id, submission.c.destination == row.destination, submission.c.id != row.id
    ))).scalar())


def decided(tx: Transaction, ids: Iterable[int], decision: str, reason: str, who: str) -> bool:
    """Whether exactly this was decided about all of these already (by a try whose end nobody saw)."""
    wanted = sorted(set(ids))
    found = tx.run(
        sa.select(sa.func.count(settlement.c.submission_id.distinct())).where(
            among(settlement.c.submission_id, "ids"), settlement.c.decision == decision,
            settlement.c.reason.in_([clean(text, 1_000) for text in (reason, f"{reason} ({CONFIRMED})")]),
            settlement.c.who == who,
        ),
        {"ids": wanted},
    ).scalar_one()
    return bool(wanted) and found == len(wanted)
