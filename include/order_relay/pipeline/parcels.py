"""From a parcel that somebody tells of to the ledger: which order it is for, and what that order asked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from order_relay.ledger import Ledger, Recorded
from order_relay.ledger.values import Work
from order_relay.orders.exchange import RunContext
from order_relay.orders.shipping import Shipment
from order_relay.pipeline.reading_back import OrderArchive


def record_parcel(
    ledger: Ledger, archive: OrderArchive, who: str, told: Shipment, *, pipelines: Collection[str] | None = None,
    run: str = "", why: str = "",
) -> Recorded:  # fmt: skip
    """Record a shipment, matched to its order where there is one (only of ``pipelines``, where given).

    Its ``submission_id``, where the origin knows one of ours, goes before its words. Telling it again changes nothing.
    """
    work = find_order(ledger, told, pipelines)
    ordered = archive.read([work])[work.id].ordered() if work else None
    matched = replace(told, submission_id=work.id if work else None)
    return ledger.record_shipment(RunContext(work.pipeline if work else "", run, who), matched, ordered, why)


def assign_parcel(ledger: Ledger, archive: OrderArchive, shipment_id: int, work: Work) -> Recorded:
    """Give a shipment that was kept as unmatched to an order. Raises ``MoveRefused`` where it has another one."""
    return ledger.match_shipment(shipment_id, work.id, archive.read([work])[work.id].ordered())


def find_order(ledger: Ledger, told: Shipment, pipelines: Collection[str] | None = None) -> Work | None:
    """The order that a shipment is for."""
    if told.submission_id is not None:
        for work in ledger.works([told.submission_id]):
            if pipelines is None or work.pipeline in pipelines:
                return work
    return ledger.shipment_target(told.words, pipelines)
