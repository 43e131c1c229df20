"""Write-backs per order for the audit: states, numbers, shipments, and how often each was stored."""

from __future__ import annotations

from typing import Any

from order_relay_sandbox.audit import Audit
from order_relay_sandbox.cloudsuite.store import Order, OrderStore


def report(store: OrderStore, audit: Audit) -> dict[str, Any]:
    """The audit's ``cloudsuite`` member; orders are keyed by ``<webshop>-<reference>``."""
    touched = [order for order in store.all() if order.write_backs or order.deliveries or order.statuses]
    return {
        "put_back": list(store.put_back),
        "cancelled": list(store.cancelled),
        "told_after_cancel": {number: dict(steps) for number, steps in store.writes_after_cancel.items()},
        "feedback": {order.external_id: _write_backs(order, audit) for order in touched},
    }


def _write_backs(order: Order, audit: Audit) -> dict[str, Any]:
    document = order.document
    imported = audit.imports.get(order.external_id)
    oms_ids = [] if imported is None else [str(order_id) for order_id in imported.order_ids]
    erp_order_number = document.get("erp_order_number")
    return {
        "state": document["state"],
        "erp_order_number": erp_order_number,
        "is_oms_id": erp_order_number in oms_ids,
        "line_numbers": [line.get("erp_line_number") for line in order.lines],
        "shipment_state": document.get("shipment_state"),
        "deliveries": list(order.deliveries),
        "delivered": {number: f"{quantity:f}" for number, quantity in order.delivered.items()},
        "statuses": order.statuses,
        "told": dict(order.write_backs),
        "told_again": sorted(step for step, times in order.write_backs.items() if times > 1),
    }
