"""From a parcel that somebody describes to the ledger: which order it is for, and what that order asked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from order_relay.ledger import Ledger, Recorded
from order_relay.ledger.addressing import Addressee
from order_relay.ledger.values import Work
from order_relay.orders.exchange import RunContext
from order_relay.orders.shipping import Shipment
from order_relay.pipeline.reading_back import OrderArchive


def record_parcel(
    ledger: Ledger,
    archive: OrderArchive,
    who: str,
    told: Shipment,
    *,
    pipelines: Collection[str] | None = None,
    run: str = "",
    why: str = "",
) -> Recorded:
    """Record a shipment, matched to its order where there is one (only of ``pipelines``, where given).

    One that could not be read (``told.raw``) is kept for an operator. The same parcel again changes nothing.
    """
    found = Addressee(None, told.asks) if told.raw else find_order(ledger, told, pipelines)
    work = found.work
    ordered = archive.read([work])[work.id].ordered() if work else None
    matched = replace(told, submission_id=work.id if work else None, asks=found.asks or told.asks)
    return ledger.record_shipment(RunContext(work.pipeline if work else "", run, who), matched, ordered, why)


def assign_parcel(
    ledger: Ledger, archive: OrderArchive, shipment_id: int, work: Work, instead_of: int | None = None
) -> Recorded:
    """Count a shipment that waits for an operator for an order. Raises ``MoveRefused`` where it has another one."""
    return ledger.match_shipment(shipment_id, work.id, archive.read([work])[work.id].ordered(), instead_of)


def find_order(ledger: Ledger, told: Shipment, pipelines: Collection[str] | None = None) -> Addressee:
    """The order that a shipment is for: the one that is known beforehand, else the one that its notice names."""
    if told.submission_id is not None:
        return Addressee(next(iter(ledger.works([told.submission_id])), None))
    return ledger.addressee(told.words, told.given_id, pipelines)
