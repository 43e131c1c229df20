"""Shipments: parcels that left the warehouse, their orders, and the units still open.

A shipment is recorded once and never changed. One that matches no order, or may be a duplicate, is stored but does not
count until an operator decides. Its effect on the order is stored in separate columns: a parcel never changes the state
of an order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from order_relay.errors import IllegalTransitionError
from order_relay.ledger.fulfilment.shipment_rows import lines_of, shipments_of, with_lines
from order_relay.ledger.schema import order_counts
from order_relay.ledger.schema.shipment_tables import IS_COUNTED, WAITING_PARCEL, shipment, shipment_line
from order_relay.ledger.schema.tables import submission
from order_relay.ledger.schema.write_back_tables import enqueue_write_back
from order_relay.ledger.store.column_types import among
from order_relay.ledger.store.database import Transaction
from order_relay.ledger.store.repository import Repository, inserts, reads, writes
from order_relay.ledger.store.text import MAX_BODY, clean_text, dump_json
from order_relay.ledger.submissions.transitions import lock
from order_relay.orders.fulfilment.shipment_progress import (
    SAME_SHIPMENT,
    OrderedLine,
    Shipment,
    ShipmentProgress,
    ShippedLine,
    compute_progress,
    shipment_conflict,
)
from order_relay.orders.messages import RunContext

PARTLY, SHIPPED = "partly", "shipped"

_KEPT = 200  # bytes of a carrier, service, tracking number or order name


REPEATED, REPLACED, DISMISSED = "repeated", "replaced", "dismissed"
"""Why a shipment does not count: it is a duplicate, another one corrects it, or an operator dismissed it."""

_BEFORE = sa.select(submission.c.pipeline, submission.c.shipped).where(submission.c.id == sa.bindparam("b_id"))


@dataclass(frozen=True, slots=True)
class ShipmentResult:
    """The result of recording a shipment: ``recorded``, ``known`` (nothing changed), ``asked`` (an operator decides
    whether it counts) or ``unmatched``.

    ``shipped`` is the progress of the order: empty, ``partly`` or ``shipped``. ``progress``: the counted units, if any.
    ``asks``: what an operator must decide.
    """

    outcome: str
    shipment_id: int
    submission_id: int | None = None
    shipped: str = ""
    progress: ShipmentProgress | None = None
    asks: str = ""


class Shipments(Repository):
    """Shipments of orders."""

    @inserts
    def record(
        self, tx: Transaction, ctx: RunContext, notice: Shipment, ordered: Sequence[OrderedLine] | None, why: str = ""
    ) -> ShipmentResult:
        """Record a shipment for ``notice.submission_id``, or as unmatched if that is ``None``.

        ``ordered`` are the lines of the order, ``None`` if it cannot be read; the order then counts as partly shipped.
        A repeated notice changes nothing, unless it was unmatched and its order is known now. The same parcel in
        another format is recognized by order, tracking number and lines. In doubt, both are stored for an operator.
        """
        if notice.submission_id is not None and not lock(tx, [notice.submission_id]):
            raise IllegalTransitionError(f"no order {notice.submission_id}")
        known = tx.run(
            sa.select(shipment.c.id, shipment.c.submission_id, shipment.c.asks, shipment.c.closed).where(
                shipment.c.origin == notice.origin, shipment.c.key == notice.key
            )
        ).first()
        if known is not None and (known.submission_id is not None or known.closed or notice.submission_id is None):
            waits = not known.closed and (known.asks or known.submission_id is None)
            outcome = "known" if not waits else "unmatched" if known.submission_id is None else "asked"
            return ShipmentResult(
                outcome,
                known.id,
                known.submission_id,
                _shipped(tx, known.submission_id),
                asks=known.asks if waits else "",
            )
        if notice.submission_id is None:
            return ShipmentResult("unmatched", _insert(tx, ctx, notice, why), asks=notice.asks)
        twin, doubt = _compared(tx, notice, ordered)
        if doubt == SAME_SHIPMENT:
            if known is not None:
                _close(tx, known.id, REPEATED)
            return ShipmentResult("known", twin, notice.submission_id, _shipped(tx, notice.submission_id))
        asks = notice.asks or (f"{doubt}, as parcel {twin}" if doubt else "")
        number = known.id if known is not None else _insert(tx, ctx, notice, why)
        if not asks:
            return _count(tx, number, notice.submission_id, ordered)
        tx.run(
            shipment.update()
            .where(shipment.c.id == number)
            .values(submission_id=notice.submission_id, asks=clean_text(asks, 1_000))
        )
        return ShipmentResult("asked", number, notice.submission_id, _shipped(tx, notice.submission_id), asks=asks)

    @writes
    def match(
        self,
        tx: Transaction,
        number: int,
        submission_id: int,
        ordered: Sequence[OrderedLine] | None,
        instead_of: int | None = None,
    ) -> ShipmentResult:
        """Count a pending shipment as a parcel of this order, ``instead_of`` an earlier one.

        If the same parcel counts already, the pending one is closed and the result is ``known``. Raises
        ``IllegalTransitionError`` if there is no such shipment or order, or the shipment belongs to another order.
        """
        rows = lock(tx, [submission_id])
        waiting = (
            tx.run(
                sa.select(shipment.c.id).where(
                    shipment.c.id == number,
                    shipment.c.closed == "",
                    shipment.c.submission_id.is_(None) | (shipment.c.submission_id == submission_id),
                )
            ).first()
            if rows
            else None
        )
        if waiting is None:
            raise IllegalTransitionError(
                f"parcel {number} cannot be matched: it is closed or belongs to another order, or the order is unknown"
            )
        if instead_of is not None:
            replaced = tx.run(
                shipment.update()
                .where(
                    shipment.c.id == instead_of,
                    shipment.c.id != number,
                    shipment.c.submission_id == submission_id,
                    shipment.c.closed == "",
                )
                .values(closed=REPLACED, asks="", raw="")
            ).rowcount
            if not replaced:
                raise IllegalTransitionError(
                    f"parcel {instead_of} does not count for this order, so it cannot be replaced"
                )
        elif (twin := _counted_twin(tx, number, submission_id, ordered)) is not None:
            _close(tx, number, REPEATED)
            return ShipmentResult("known", twin, submission_id, _shipped(tx, submission_id))
        return _count(tx, number, submission_id, ordered)

    @writes
    def dismiss(self, tx: Transaction, number: int, why: str) -> None:
        """Dismiss a pending shipment. Raises ``IllegalTransitionError`` if it is not pending."""
        closed = tx.run(
            shipment.update()
            .where(shipment.c.id == number, sa.text(WAITING_PARCEL))
            .values(closed=DISMISSED, asks="", raw="", why=clean_text(why, 1_000))
        ).rowcount
        if not closed:
            raise IllegalTransitionError(f"parcel {number} is not waiting for an operator")

    @reads
    def of_order(self, tx: Transaction, number: int) -> list[dict[str, Any]]:
        """See ``shipments_of``."""
        return shipments_of(tx, number)

    @reads
    def counted_lines(self, tx: Transaction, ids: Collection[int]) -> dict[int, list[list[ShippedLine]]]:
        """The parcels that count for these submissions, each as its lines."""
        query = sa.select(shipment).where(among(shipment.c.submission_id, "ids"), IS_COUNTED)
        found: dict[int, list[list[ShippedLine]]] = defaultdict(list)
        for parcel in with_lines(tx, query.order_by(shipment.c.id), {"ids": sorted(ids)}):
            found[parcel["submission_id"]].append(lines_of(parcel))
        return found

    @reads
    def recent(self, tx: Transaction, *, unmatched: bool = False, most: int = 1_000) -> list[dict[str, Any]]:
        """Shipments with their ``lines``, newest first; all, or only those that wait for an operator."""
        query = sa.select(shipment).order_by(shipment.c.id.desc()).limit(most)
        return with_lines(tx, query.where(sa.text(WAITING_PARCEL)) if unmatched else query)

    @reads
    def waiting(self, tx: Transaction, most: int = 20) -> tuple[int, datetime | None, list[dict[str, Any]]]:
        """How many shipments wait for an operator, since when, and the first of them."""
        which = sa.text(WAITING_PARCEL)
        found = tx.run(
            sa.select(
                sa.func.count().label("number"),
                sa.func.min(shipment.c.recorded_at, type_=shipment.c.recorded_at.type).label("oldest"),
            )
            .select_from(shipment)
            .where(which)
        ).one()
        first = sa.select(shipment).where(which).order_by(shipment.c.id).limit(most)
        return found.number, found.oldest, with_lines(tx, first)


def _compared(tx: Transaction, notice: Shipment, ordered: Sequence[OrderedLine] | None) -> tuple[int, str]:
    """The earlier parcel that this one repeats or may repeat, and ``SAME_SHIPMENT`` or the doubt."""
    doubtful = (0, "")
    for parcel in shipments_of(tx, notice.submission_id or 0):
        doubt = shipment_conflict(notice, parcel["tracking_number"], lines_of(parcel), ordered)
        if doubt == SAME_SHIPMENT:
            return parcel["id"], SAME_SHIPMENT
        if doubt and not doubtful[1]:
            doubtful = (parcel["id"], doubt)
    return doubtful


def _counted_twin(
    tx: Transaction, number: int, submission_id: int, ordered: Sequence[OrderedLine] | None
) -> int | None:
    """The parcel of the order that counts already and is the same as this one, by tracking number and lines."""
    (mine,) = with_lines(tx, sa.select(shipment).where(shipment.c.id == number))
    notice = Shipment("", "", (), tracking_number=mine["tracking_number"], lines=tuple(lines_of(mine)), sure=True)
    for parcel in () if mine["raw"] else shipments_of(tx, submission_id):
        counts = parcel["id"] != number and not parcel["asks"] and not parcel["closed"]
        if counts and shipment_conflict(notice, parcel["tracking_number"], lines_of(parcel), ordered) == SAME_SHIPMENT:
            return int(parcel["id"])
    return None


def _close(tx: Transaction, number: int, how: str) -> None:
    tx.run(shipment.update().where(shipment.c.id == number).values(closed=how, asks="", raw=""))


def _count(tx: Transaction, number: int, submission_id: int, ordered: Sequence[OrderedLine] | None) -> ShipmentResult:
    """Count a shipment for its order."""
    tx.run(
        shipment.update()
        .where(shipment.c.id == number)
        .values(
            submission_id=submission_id, matched_at=sa.func.coalesce(shipment.c.matched_at, tx.now), asks="", raw=""
        )
    )
    parcels = [parcel for parcel in shipments_of(tx, submission_id) if not parcel["asks"] and not parcel["closed"]]
    found = None if ordered is None else compute_progress(ordered, [lines_of(parcel) for parcel in parcels])
    shipped = SHIPPED if found is not None and found.complete else PARTLY
    newest = max(filter(None, (parcel["shipped_at"] for parcel in parcels)), default=tx.now)
    before = tx.run(_BEFORE, {"b_id": submission_id}).one()
    order_counts.count(tx, before.pipeline, order_counts.SHIPPED, (shipped == SHIPPED) - (before.shipped == SHIPPED))
    tx.run(submission.update().where(submission.c.id == submission_id).values(shipped=shipped, shipped_at=newest))
    enqueue_write_back(tx, [submission_id])
    return ShipmentResult("recorded", number, submission_id, shipped, found)


def _insert(tx: Transaction, ctx: RunContext, notice: Shipment, why: str) -> int:
    written = tx.run(
        shipment.insert(),
        {
            "origin": notice.origin,
            "key": notice.key,
            "words": dump_json([clean_text(word, _KEPT) for word in (*notice.words, notice.given_id) if word]),
            "carrier": clean_text(notice.carrier, _KEPT),
            "service": clean_text(notice.service, _KEPT),
            "tracking_number": clean_text(notice.tracking_number, _KEPT),
            "shipped_at": notice.shipped_at,
            "cost_minor": notice.cost_minor,
            "currency": notice.currency,
            "recorded_at": tx.now,
            "run": ctx.run,
            "who": ctx.who,
            "why": clean_text(why, 1_000),
            "asks": clean_text(notice.asks, 1_000),
            "raw": clean_text(notice.raw, MAX_BODY),
        },
    )
    number = int(written.inserted_primary_key[0])  # type: ignore[index]
    tx.many(
        shipment_line.insert(),
        [
            {
                "shipment_id": number,
                "position": position,
                "line": clean_text(line.line, _KEPT),
                "item_number": clean_text(line.item_number, _KEPT),
                "quantity": line.quantity,
                "odd": clean_text(line.odd, _KEPT),
            }
            for position, line in enumerate(notice.lines)
        ],
    )
    return number


def _shipped(tx: Transaction, number: int | None) -> str:
    if number is None:
        return ""
    return tx.run(sa.select(submission.c.shipped).where(submission.c.id == number)).scalar() or ""
