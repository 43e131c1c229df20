"""Write-back to an order after take-over, in small idempotent steps.

Steps: docs/vendors/cloudsuite.md, "Facts", taken over and shipped. The order is read before each
write, and a cancelled order is never written to. If a PATCH returns the order (assumed), its new values are checked.
All functions raise the errors of ``Source.acknowledge``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from order_relay.http.reading.acknowledging import (
    ACCEPTED,
    NOT_FOUND,
    SHOP_CANCELLED,
    OrderStates,
    quote_value,
    read_order,
    write_members,
)
from order_relay.http.reading.details import OrderDetail
from order_relay.http.reading.transport import Transport
from order_relay.orders.messages import Acknowledgement, SourceOrder

CONFIRMED, PROCESSING, DONE, SENT = "confirmed", "processing", "done", "sent"
TAKEN_OVER_STATES = (PROCESSING, DONE)
CANCEL = "cancel"
CANCELLED_STATES = frozenset({CANCEL, "canceled", "cancelled"})
"""``cancel`` is documented; the other spellings are a precaution."""


@dataclass(frozen=True)
class Shop:
    """The orders of an account, for writing to them."""

    transport: Transport
    detail: OrderDetail
    states: OrderStates

    def read(self, order_id: str) -> SourceOrder | None:
        """The order in its present state; ``None`` after a 404. Other failures concern this order alone."""
        return read_order(self.transport, self.detail, order_id)

    def patch(self, order_id: str, members: Mapping[str, Any]) -> Acknowledgement:
        """PATCH some members. Refused if the shop refuses, or returns other values."""
        return write_members(self.transport, self.detail, order_id, members, states=self.states)


def order_states(detail: OrderDetail, listed_states: Collection[str] = (CONFIRMED,)) -> OrderStates:
    """The states of orders before and after take-over. ``listed_states``: of orders that may be taken over."""
    return OrderStates(
        detail=detail, member="state", open=listed_states, done=TAKEN_OVER_STATES, cancelled=CANCELLED_STATES
    )


def is_cancelled(order: SourceOrder) -> bool:
    """Whether the shop has cancelled the order."""
    return order.document.get("state") in CANCELLED_STATES


def set_erp_number(shop: Shop, order_id: str, oms_id: str) -> Acknowledgement:
    """Write the OMS order id into ``erp_order_number``. A different number is never replaced."""
    order = shop.read(order_id)
    if order is None:
        return NOT_FOUND
    if is_cancelled(order):
        return SHOP_CANCELLED
    known = order.document.get("erp_order_number")
    if known in (None, ""):
        return shop.patch(order_id, {"erp_order_number": oms_id})
    if str(known) == oms_id:
        return ACCEPTED
    return Acknowledgement(False, "it already has another ERP order number, which was not changed")


def mark_sent(shop: Shop, order_id: str) -> Acknowledgement:
    """Set ``shipment_state`` to ``sent``, unless the shop has cancelled the order."""
    order = shop.read(order_id)
    if order is None:
        return NOT_FOUND
    if is_cancelled(order):
        return SHOP_CANCELLED
    if order.document.get("shipment_state") == SENT:
        return ACCEPTED
    return shop.patch(order_id, {"shipment_state": SENT})


def mark_done(shop: Shop, order_id: str) -> Acknowledgement:
    """Set the ``state`` of an order in ``processing`` to ``done``."""
    order = shop.read(order_id)
    if order is None:
        return NOT_FOUND
    state = order.document.get("state")
    if state == DONE:
        return ACCEPTED
    if is_cancelled(order):
        return SHOP_CANCELLED
    if state != PROCESSING:
        return Acknowledgement(False, f"its state is {quote_value(state)}, not processing; it was not changed")
    return shop.patch(order_id, {"state": DONE})


def mark_cancelled(shop: Shop, order_id: str) -> Acknowledgement:
    """Set the ``state`` of an order that is neither sent nor done to ``cancel``.

    That the shop accepts this state from outside is assumed (docs/vendors/cloudsuite.md, "Facts").
    """
    order = shop.read(order_id)
    if order is None:
        return NOT_FOUND
    if is_cancelled(order):
        return ACCEPTED
    state = order.document.get("state")
    if state == DONE or order.document.get("shipment_state") == SENT:
        return Acknowledgement(False, "the shop counts it as sent; it was not cancelled")
    return shop.patch(order_id, {"state": CANCEL})
