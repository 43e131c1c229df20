"""Records reported parcels: finds the order of a parcel and what that order contains."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from order_relay.ledger import Ledger, ShipmentResult
from order_relay.ledger.fulfilment.order_references import OrderMatch
from order_relay.ledger.schema.records import WorkItem
from order_relay.orders.fulfilment.shipment_progress import Shipment
from order_relay.orders.messages import RunContext
from order_relay.pipeline.archive import OrderArchive


def record_shipment(
    ledger: Ledger,
    archive: OrderArchive,
    who: str,
    shipment: Shipment,
    *,
    pipelines: Collection[str] | None = None,
    run: str = "",
    why: str = "",
) -> ShipmentResult:
    """Record a shipment and match it to its order, if there is one (of ``pipelines``, if given).

    An unreadable shipment (``shipment.raw``) is kept for an operator. Recording the same parcel again changes nothing.
    """
    found = OrderMatch(None, shipment.asks) if shipment.raw else find_order(ledger, shipment, pipelines)
    work = found.work
    ordered = archive.read([work])[work.id].ordered() if work else None
    matched = replace(shipment, submission_id=work.id if work else None, asks=found.asks or shipment.asks)
    return ledger.shipments.record(RunContext(work.pipeline if work else "", run, who), matched, ordered, why)


def assign_shipment(
    ledger: Ledger, archive: OrderArchive, shipment_id: int, work: WorkItem, instead_of: int | None = None
) -> ShipmentResult:
    """Count an unmatched shipment for an order. Raises ``IllegalTransitionError`` if it has another order."""
    return ledger.shipments.match(shipment_id, work.id, archive.read([work])[work.id].ordered(), instead_of)


def find_order(ledger: Ledger, shipment: Shipment, pipelines: Collection[str] | None = None) -> OrderMatch:
    """The order of a shipment: the one already known, else the one that its notice names."""
    if shipment.submission_id is not None:
        return OrderMatch(next(iter(ledger.worklist.get([shipment.submission_id])), None))
    return ledger.order_references.match(shipment.words, shipment.given_id, pipelines)
