"""What becomes of stored orders: shipments, cancelled items, and status words. Set by tests, or by switches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from order_relay_sandbox.kit import clock

if TYPE_CHECKING:
    from order_relay_sandbox.shopatron.store import Order
    from order_relay_sandbox.shopatron.switches import ShopatronSwitches

CANCELLED = "CANCELLED"


@dataclass(slots=True)
class Parcel:
    """One shipment. ``items``: units by the position of the order's item."""

    shipment_id: int
    status: str
    items: dict[int, int]
    tracking: str
    shipped_at: datetime


def ship(order: Order, items: Mapping[int, int] | None = None, *, tracking: str = "", status: str = "SHIPPED") -> None:
    """Ship units by position, or everything that is left. The order is SHIPPED once nothing is left."""
    left = units_left(order)
    sent = dict(left if items is None else items)
    number = order.order_id * 100 + len(order.shipments) + 1
    order.shipments.append(Parcel(number, status, sent, tracking or f"1Z{number:012d}", clock.now()))
    if not units_left(order):
        order.status = "SHIPPED"


def cancel(order: Order, items: tuple[int, ...] | None = None) -> None:
    """Cancel items by position, or the whole order."""
    order.cancelled_items |= set(range(order.items) if items is None else items)
    if items is None:
        order.status = CANCELLED


def units_left(order: Order) -> dict[int, int]:
    """The units that are neither shipped nor cancelled, by position."""
    left = {n: order.quantities[n] for n in range(order.items) if n not in order.cancelled_items}
    for parcel in order.shipments:
        for n, units in parcel.items.items():
            left[n] = left.get(n, 0) - units
    return {n: units for n, units in left.items() if units > 0}


def progress(order: Order, switches: ShopatronSwitches) -> None:
    """What the switch ``fulfilment`` makes of an order, once it is old enough."""
    age_s = (clock.now() - order.imported).total_seconds()
    if switches.fulfilment == "none" or order.progressed or age_s < switches.fulfilment_after_s:
        return
    order.progressed = True
    if switches.fulfilment == "ship":
        ship(order)
    elif switches.fulfilment == "ship_partly":
        ship(order, {0: 1})
    elif switches.fulfilment == "cancel":
        cancel(order)
    elif switches.fulfilment == "cancel_item":
        cancel(order, (0,))
    else:
        order.status = {"backorder": "BACKORDER", "unknown": "CUSTOMER CARE"}[switches.fulfilment]


def change(order: Order, wish: Mapping[str, Any]) -> None:
    """Apply a test's wish: ``status``, ``ship`` (``items``, ``tracking``, ``status``), ``cancel``, ``cancel_items``."""
    if "ship" in wish:
        made = wish["ship"]
        items = {int(n): int(units) for n, units in made["items"].items()} if "items" in made else None
        ship(order, items, tracking=made.get("tracking", ""), status=made.get("status", "SHIPPED"))
    if wish.get("cancel"):
        cancel(order)
    if "cancel_items" in wish:
        cancel(order, tuple(wish["cancel_items"]))
    order.status = wish.get("status", order.status)


def shipment_row(order: Order, parcel: Parcel, switches: ShopatronSwitches) -> dict[str, Any]:
    """A shipment as the search shows it. Documented: ``items`` with ``orderItemID`` and ``quantity``; the rest is
    invented."""
    shown: dict[str, Any] = {
        "shipmentID": parcel.shipment_id,
        "orderID": order.order_id,
        "manufacturerID": order.manufacturer_id,
        "shipmentStatus": switches.cancelled_spelling if parcel.status == CANCELLED else parcel.status,
        "carrier": "UPS",
        "shippedDate": parcel.shipped_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        "items": [{"orderItemID": item_id(order, n), "quantity": units} for n, units in sorted(parcel.items.items())],
    }
    if switches.shipments_show_tracking:
        shown["trackingNumber"] = parcel.tracking
    if not switches.shipments_carry_order:
        del shown["orderID"]
    return shown


def item_id(order: Order, position: int) -> int:
    """The OMS's id of an item."""
    return order.order_id * 100 + position
