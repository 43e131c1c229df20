"""What the shop is told about an order after it was taken over: small steps, each of which may be repeated.

Source: page "Order JSON orderflow - states": ``processing`` takes the order off the list of confirmed ones, the ERP
number is a member of its own, ``shipment_state`` ``sent`` or ``state`` ``done`` end it. That a PATCH answers with the
order is assumed; where it does, what came back is checked. The order is read before anything is written into it, and
nothing is written into one that the shop has cancelled. Raised by all: as the port ``Source.acknowledge`` says.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from order_relay.http.bodies import excerpt
from order_relay.orders.messages import Acknowledgement, SourceOrder
from order_relay.vendors.cloudsuite.transport import CloudSuiteTransport, OrderNotFoundError, WriteRefusedError

CONFIRMED, PROCESSING, DONE, SENT = "confirmed", "processing", "done", "sent"
TAKEN_OVER_STATES = (PROCESSING, DONE)
CANCEL = "cancel"
CANCELLED_STATES = frozenset({CANCEL, "canceled", "cancelled"})
"""``cancel`` is documented; the other spellings are a precaution."""

ACCEPTED = Acknowledgement(True)
NOT_FOUND = Acknowledgement(False, "CloudSuite has no such order (any more)")
SHOP_CANCELLED = Acknowledgement(False, "the shop has cancelled the order; nothing was written", cancelled=True)


def cancelled(order: SourceOrder) -> bool:
    """Whether the shop has cancelled it."""
    return order.document.get("state") in CANCELLED_STATES


def take_over(
    transport: CloudSuiteTransport, order_id: str, listed_states: Collection[str] = (CONFIRMED,)
) -> Acknowledgement:
    """Set an order in one of ``listed_states`` to ``processing``.

    One that is so far, or further, stays as it is and counts as accepted; one that the shop cancelled or withdrew stays
    as it is and is refused.
    """
    order = read_order(transport, order_id)
    if order is None:
        return NOT_FOUND
    state = order.document.get("state")
    if state in TAKEN_OVER_STATES:
        return ACCEPTED
    if cancelled(order):
        return SHOP_CANCELLED
    if state not in listed_states:
        return Acknowledgement(False, f"its state is {quote_value(state)}, and stays so")
    return patch_order(transport, order_id, {"state": PROCESSING})


def set_erp_number(transport: CloudSuiteTransport, order_id: str, oms_id: str) -> Acknowledgement:
    """Write the OMS's order id into ``erp_order_number``. Another number that stands there already is not replaced."""
    order = read_order(transport, order_id)
    if order is None:
        return NOT_FOUND
    if cancelled(order):
        return SHOP_CANCELLED
    known = order.document.get("erp_order_number")
    if known in (None, ""):
        return patch_order(transport, order_id, {"erp_order_number": oms_id})
    if str(known) == oms_id:
        return ACCEPTED
    return Acknowledgement(False, "it has another ERP order number already, which was left as it is")


def mark_sent(transport: CloudSuiteTransport, order_id: str) -> Acknowledgement:
    """Set ``shipment_state`` to ``sent``, unless the shop has cancelled the order."""
    order = read_order(transport, order_id)
    if order is None:
        return NOT_FOUND
    if cancelled(order):
        return SHOP_CANCELLED
    if order.document.get("shipment_state") == SENT:
        return ACCEPTED
    return patch_order(transport, order_id, {"shipment_state": SENT})


def mark_done(transport: CloudSuiteTransport, order_id: str) -> Acknowledgement:
    """Set ``state`` to ``done``, of an order that was taken over."""
    order = read_order(transport, order_id)
    if order is None:
        return NOT_FOUND
    state = order.document.get("state")
    if state == DONE:
        return ACCEPTED
    if cancelled(order):
        return SHOP_CANCELLED
    if state != PROCESSING:
        return Acknowledgement(False, f"its state is {quote_value(state)}, not processing, and stays so")
    return patch_order(transport, order_id, {"state": DONE})


def read_order(transport: CloudSuiteTransport, order_id: str) -> SourceOrder | None:
    """The order as it is now; ``None`` where there is none.

    Whatever else the shop answers concerns this order alone: it must not end the telling of the others.
    """
    try:
        return transport.get_one(f"order/{order_id}")
    except OrderNotFoundError:
        return None


def patch_order(transport: CloudSuiteTransport, order_id: str, members: dict[str, Any]) -> Acknowledgement:
    """PATCH some members; refused where the shop says so, or has other values of them afterwards.

    An answer that does not show them proves nothing (it may be some gateway's): then the order is read.
    """
    try:
        answer = transport.write("PATCH", f"order/{order_id}", members)
    except OrderNotFoundError:
        return NOT_FOUND
    except WriteRefusedError as error:
        return Acknowledgement(False, str(error))
    if answer is None or not members.keys() <= answer.document.keys():
        answer = read_order(transport, order_id)
    if answer is not None and "state" not in members and cancelled(answer):  # between reading and writing
        return SHOP_CANCELLED
    now = {} if answer is None else answer.document
    wrong = [name for name, value in members.items() if name in now and now[name] != value]
    return Acknowledgement(False, f"accepted, but {wrong[0]} came back with another value") if wrong else ACCEPTED


def quote_value(value: Any) -> str:
    """A state as the shop spells it, for a message."""
    return excerpt(value, limit=40) or "unknown"
