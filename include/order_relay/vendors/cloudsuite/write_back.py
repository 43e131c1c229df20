"""Write-back to an order after take-over, in small idempotent steps.

Steps: docs/vendors/cloudsuite.md, "Facts", taken over and shipped. The order is read before each
write, and a cancelled order is never written to. If a PATCH returns the order (assumed), its new values are checked.
All functions raise the errors of ``Source.acknowledge``.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from order_relay.http.reading.bodies import excerpt
from order_relay.http.reading.transport import NotFoundError, RequestRefusedError
from order_relay.orders.messages import Acknowledgement, SourceOrder
from order_relay.vendors.cloudsuite.transport import CloudSuiteTransport

CONFIRMED, PROCESSING, DONE, SENT = "confirmed", "processing", "done", "sent"
TAKEN_OVER_STATES = (PROCESSING, DONE)
CANCEL = "cancel"
CANCELLED_STATES = frozenset({CANCEL, "canceled", "cancelled"})
"""``cancel`` is documented; the other spellings are a precaution."""

ACCEPTED = Acknowledgement(True)
NOT_FOUND = Acknowledgement(False, "the shop answered HTTP 404: the order does not exist (any more)")
SHOP_CANCELLED = Acknowledgement(False, "the shop has cancelled the order; nothing was written", cancelled=True)


def is_cancelled(order: SourceOrder) -> bool:
    """Whether the shop has cancelled the order."""
    return order.document.get("state") in CANCELLED_STATES


def take_over(
    transport: CloudSuiteTransport, order_id: str, listed_states: Collection[str] = (CONFIRMED,)
) -> Acknowledgement:
    """Set an order in one of ``listed_states`` to ``processing``.

    An order in that state or a later one is accepted without a change; a cancelled or withdrawn one is refused.
    """
    order = read_order(transport, order_id)
    if order is None:
        return NOT_FOUND
    state = order.document.get("state")
    if state in TAKEN_OVER_STATES:
        return ACCEPTED
    if is_cancelled(order):
        return SHOP_CANCELLED
    if state not in listed_states:
        return Acknowledgement(False, f"its state is {quote_value(state)}; it was not changed")
    return patch_order(transport, order_id, {"state": PROCESSING})


def set_erp_number(transport: CloudSuiteTransport, order_id: str, oms_id: str) -> Acknowledgement:
    """Write the OMS order id into ``erp_order_number``. A different number is never replaced."""
    order = read_order(transport, order_id)
    if order is None:
        return NOT_FOUND
    if is_cancelled(order):
        return SHOP_CANCELLED
    known = order.document.get("erp_order_number")
    if known in (None, ""):
        return patch_order(transport, order_id, {"erp_order_number": oms_id})
    if str(known) == oms_id:
        return ACCEPTED
    return Acknowledgement(False, "it already has another ERP order number, which was not changed")


def mark_sent(transport: CloudSuiteTransport, order_id: str) -> Acknowledgement:
    """Set ``shipment_state`` to ``sent``, unless the shop has cancelled the order."""
    order = read_order(transport, order_id)
    if order is None:
        return NOT_FOUND
    if is_cancelled(order):
        return SHOP_CANCELLED
    if order.document.get("shipment_state") == SENT:
        return ACCEPTED
    return patch_order(transport, order_id, {"shipment_state": SENT})


def mark_done(transport: CloudSuiteTransport, order_id: str) -> Acknowledgement:
    """Set the ``state`` of an order in ``processing`` to ``done``."""
    order = read_order(transport, order_id)
    if order is None:
        return NOT_FOUND
    state = order.document.get("state")
    if state == DONE:
        return ACCEPTED
    if is_cancelled(order):
        return SHOP_CANCELLED
    if state != PROCESSING:
        return Acknowledgement(False, f"its state is {quote_value(state)}, not processing; it was not changed")
    return patch_order(transport, order_id, {"state": DONE})


def read_order(transport: CloudSuiteTransport, order_id: str) -> SourceOrder | None:
    """The order in its present state; ``None`` after a 404. Other failures concern this order alone."""
    try:
        return transport.get_one(f"order/{order_id}")
    except NotFoundError:
        return None


def patch_order(transport: CloudSuiteTransport, order_id: str, members: dict[str, Any]) -> Acknowledgement:
    """PATCH some members. Refused if the shop refuses, or returns other values.

    A response without these members proves nothing (it may be a gateway's): the order is read then.
    """
    try:
        written = transport.write("PATCH", f"order/{order_id}", members)
    except NotFoundError:
        return NOT_FOUND
    except RequestRefusedError as error:
        return Acknowledgement(False, str(error))
    if written is None or not members.keys() <= written.document.keys():
        written = read_order(transport, order_id)
    if written is not None and "state" not in members and is_cancelled(written):  # cancelled between read and write
        return SHOP_CANCELLED
    after = {} if written is None else written.document
    wrong = [name for name, value in members.items() if name in after and after[name] != value]
    return Acknowledgement(False, f"accepted, but {wrong[0]} has another value afterwards") if wrong else ACCEPTED


def quote_value(value: Any) -> str:
    """A state as the shop spells it, for messages."""
    return excerpt(value, limit=40) or "unknown"
