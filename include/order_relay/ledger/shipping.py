"""Shipments: what left the warehouse, for which order, and how much of it is still open.

A shipment is recorded once (origin and key), never changed, and kept where no order of ours fits it. What it means for
an order stands in columns of its own beside the order's state: a parcel is never a move.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from order_relay.errors import MoveRefused
from order_relay.ledger.columns import among
from order_relay.ledger.database import Transaction
from order_relay.ledger.moving import lock
from order_relay.ledger.states import AT_DESTINATION, State
from order_relay.ledger.tables import shipment, shipment_line, submission
from order_relay.ledger.texts import clean, dump, load
from order_relay.ledger.values import Work
from order_relay.ledger.works import works
from order_relay.orders.exchange import RunContext
from order_relay.orders.shipping import OrderedLine, Progress, Shipment, ShippedLine, progress

PARTLY, SHIPPED = "partly", "shipped"

_MOST = 50  # submissions looked at for one word
_KEPT = 200  # bytes of a carrier, service, tracking number or order word


@dataclass(frozen=True, slots=True)
class Recorded:
    """What happened to a shipment: ``recorded``, ``known`` (told before, nothing changed) or ``unmatched`` (kept).

    ``shipped`` is how far its order is now: empty, ``partly`` or ``shipped``. ``progress`` where units were counted.
    """

    outcome: str
    shipment_id: int
    submission_id: int | None = None
    shipped: str = ""
    progress: Progress | None = None


def target(tx: Transaction, words: Iterable[str], pipelines: Collection[str] | None = None) -> Work | None:
    """The one submission that these words name; ``None`` where there is none or more than one.

    Each word in turn is looked for as external id, order number and id at the destination. What is or may be at the
    destination comes first; something else counts only where nothing took its place.
    """
    for word in filter(None, words):
        for column in (submission.c.destination_key, submission.c.order_number, submission.c.oms_id):
            where = [column == word, submission.c.state.not_in([State.SUPERSEDED, State.DISCARDED])]
            if pipelines is not None:
                where.append(submission.c.pipeline.in_(sorted(pipelines)))
            rows = tx.run(
                sa.select(submission.c.id, submission.c.state, submission.c.cancelled_at).where(*where)
                .order_by(submission.c.id).limit(_MOST)
            ).all()
            standing = [row for row in rows if row.cancelled_at is None]
            there = [row for row in standing if row.state in AT_DESTINATION]
            found = there or standing or rows
            if found:
                return works(tx, [found[0].id])[0] if len(found) == 1 else None
    return None


def record(
    tx: Transaction, ctx: RunContext, told: Shipment, ordered: Sequence[OrderedLine] | None, why: str = ""
) -> Recorded:
    """Record a shipment for ``told.submission_id``, or as unmatched where that is ``None``.

    ``ordered`` is what the order asks for, ``None`` where it can not be read: then the order counts as partly shipped.
    A shipment that was recorded before changes nothing, unless it was unmatched and its order is known now.
    """
    known = tx.run(sa.select(shipment.c.id, shipment.c.submission_id).where(
        shipment.c.origin == told.origin, shipment.c.key == told.key
    )).first()
    if known is not None and (known.submission_id is not None or told.submission_id is None):
        outcome = "unmatched" if known.submission_id is None else "known"
        return Recorded(outcome, known.id, known.submission_id, _shipped(tx, known.submission_id))
    number = known.id if known is not None else _insert(tx, ctx, told, why)
    if told.submission_id is None:
        return Recorded("unmatched", number)
    return match(tx, number, told.submission_id, ordered)


def match(tx: Transaction, number: int, submission_id: int, ordered: Sequence[OrderedLine] | None) -> Recorded:
    """Give a shipment to its order. Raises ``MoveRefused`` where there is none, or it has another order already."""
    rows = lock(tx, [submission_id])
    changed = tx.run(
        shipment.update().where(
            shipment.c.id == number,
            shipment.c.submission_id.is_(None) | (shipment.c.submission_id == submission_id),
        ).values(submission_id=submission_id, matched_at=sa.func.coalesce(shipment.c.matched_at, tx.now))
    ).rowcount if rows else 0
    if not changed:
        raise MoveRefused(f"there is no shipment {number} or no such order, or it belongs to another order")
    parcels = shipments_of(tx, submission_id)
    found = None if ordered is None else progress(ordered, [_lines(parcel) for parcel in parcels])
    shipped = SHIPPED if found is not None and found.complete else PARTLY
    newest = max(filter(None, (parcel["shipped_at"] for parcel in parcels)), default=tx.now)
    tx.run(submission.update().where(submission.c.id == submission_id).values(shipped=shipped, shipped_at=newest))
    return Recorded("recorded", number, submission_id, shipped, found)


def _insert(tx: Transaction, ctx: RunContext, told: Shipment, why: str) -> int:
    written = tx.run(shipment.insert(), {
        "origin": told.origin, "key": told.key, "words": dump([clean(word, _KEPT) for word in told.words]),
        "carrier": clean(told.carrier, _KEPT), "service": clean(told.service, _KEPT),
        "tracking_number": clean(told.tracking_number, _KEPT), "shipped_at": told.shipped_at,
        "cost_minor": told.cost_minor, "currency": told.currency, "recorded_at": tx.now, "run": ctx.run,
        "who": ctx.who, "why": clean(why, 1_000),
    })
    number = int(written.inserted_primary_key[0])  # type: ignore[index]
    tx.many(shipment_line.insert(), [
        {
            "shipment_id": number, "position": position, "line": clean(line.line, _KEPT),
            "item_number": clean(line.item_number, _KEPT), "quantity": line.quantity,
        }
        for position, line in enumerate(told.lines)
    ])
    return number


def _shipped(tx: Transaction, number: int | None) -> str:
    if number is None:
        return ""
    return tx.run(sa.select(submission.c.shipped).where(submission.c.id == number)).scalar() or ""


def shipments_of(tx: Transaction, number: int) -> list[dict[str, Any]]:
    """The shipments of one submission with their ``lines``, the first recorded first."""
    query = sa.select(shipment).where(shipment.c.submission_id == number)
    return _with_lines(tx, query.order_by(shipment.c.id))


def listed(tx: Transaction, *, unmatched: bool = False, most: int = 1_000) -> list[dict[str, Any]]:
    """The newest shipments with their ``lines``, the newest first; only those that no order of ours fits, or all."""
    query = sa.select(shipment).order_by(shipment.c.id.desc()).limit(most)
    return _with_lines(tx, query.where(shipment.c.submission_id.is_(None)) if unmatched else query)


def _with_lines(tx: Transaction, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """Rows of shipments, each with its ``lines`` and its ``words`` as a list."""
    rows = [dict(row) for row in tx.run(query).mappings()]
    lines: dict[int, list[dict[str, Any]]] = defaultdict(list)
    found = tx.run(
        sa.select(shipment_line).where(among(shipment_line.c.shipment_id, "ids"))
        .order_by(shipment_line.c.shipment_id, shipment_line.c.position),
        {"ids": [row["id"] for row in rows]},
    )
    for line in found.mappings():
        lines[line["shipment_id"]].append({name: line[name] for name in ("line", "item_number", "quantity")})
    return [{**row, "words": load(row["words"], []), "lines": lines[row["id"]]} for row in rows]


def _lines(parcel: dict[str, Any]) -> list[ShippedLine]:
    return [ShippedLine(**line) for line in parcel["lines"]]
