"""Delivery messages (DESADV) and status texts: validation and assignment to orders.

The vendor's page lists dotted paths and calls the message XML; XML and JSON are read into the same nested members.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from xml.etree import ElementTree

from order_relay_sandbox.cloudsuite.errors import Refused
from order_relay_sandbox.cloudsuite.store import CANCEL, Order, OrderStore
from order_relay_sandbox.money import decimal_of

_HEADER = (("DesadvNumber",), ("DesadvDate",), ("PlannedDeliveryDate",))
_MAY_BE_EMPTY = (("TransportDetails", "TransportModeCode"), ("TransportDetails", "MeansOfTransport", "Identification"))
_DATES = ("DesadvDate", "PlannedDeliveryDate")
_DIGITS, _DECIMALS = 12, 4


class Item(NamedTuple):
    """One delivered line of a message."""

    order: Order
    line_number: str
    quantity: Decimal


class Message(NamedTuple):
    """A valid delivery message."""

    number: str
    items: list[Item]


def parsed(raw: bytes, content_type: str, accepted: str) -> dict[str, Any]:
    """Parse a message into its members.

    Raises ``Refused``: 415 for a format that the scenario does not accept, 400 for an invalid message.
    """
    form = "xml" if "xml" in content_type or raw.lstrip()[:1] == b"<" else "json"
    if accepted not in (form, "both"):
        raise Refused(415, {"detail": f'Unsupported media type "{content_type}" in request.'})
    try:
        content = _xml(raw) if form == "xml" else json.loads(raw, parse_float=Decimal)
    except (ValueError, ElementTree.ParseError, RecursionError):
        raise Refused(400, {"detail": "Parse error"}) from None
    message = _at(content, ("Desadv",))
    if not isinstance(message, dict):
        raise Refused(400, {"Desadv": ["This field is required."]})
    return message


def checked(store: OrderStore, message: dict[str, Any], shop: str) -> Message:
    """Validate a message and find its orders; raises ``Refused`` (400) naming missing and invalid members."""
    header = message.get("DesadvHeader")
    wrong = {".".join(path): ["This field is required."] for path in _HEADER if not _at(header, path)}
    wrong |= {".".join(path): ["This field is required."] for path in _MAY_BE_EMPTY if _at(header, path) is None}
    dates = {name: _at(header, (name,)) for name in _DATES if name not in wrong}
    wrong |= {name: ["Enter a valid date."] for name, text in dates.items() if not _is_date(text)}
    number = str(_at(header, ("DesadvNumber",)))
    if number in store.delivery_numbers:
        wrong["DesadvNumber"] = ["This delivery message was received before."]
    entries = list(_entries(message))
    if not entries:
        wrong["LineItems"] = ["This field is required."]
    if wrong:
        raise Refused(400, wrong)
    return Message(number, [_item(store, entry, shop) for entry in entries])


def deliver(store: OrderStore, message: Message) -> None:
    """Record the delivery. An order becomes sent when all its lines are delivered (assumed)."""
    store.delivery_numbers.add(message.number)
    by_order: dict[int, list[Item]] = defaultdict(list)
    for item in message.items:
        by_order[item.order.id].append(item)
    for items in by_order.values():
        order = items[0].order
        order.deliveries.append(message.number)
        if order.document["state"] == CANCEL:
            store.record_write_after_cancel(order, Counter(["delivery"]))
        for item in items:
            order.delivered[item.line_number] = order.delivered.get(item.line_number, Decimal(0)) + item.quantity
        sent = store.switches.delivery_marks_sent and _complete(order)
        store.change(order, {"shipment_state": "sent"} if sent else {})


def order_of_status(store: OrderStore, body: dict[str, Any], shop: str) -> Order:
    """The order of a status text; raises ``Refused`` (400, 404)."""
    if not body.get("CloudsuiteOrderId") and not body.get("orderId"):
        raise Refused(400, {"CloudsuiteOrderId": ["Either this or orderId is required."]})
    wrong = {name: ["This field is required."] for name in ("dateTime", "state") if not body.get(name)}
    if wrong:
        raise Refused(400, wrong)
    order = _with_number(store, str(body.get("orderId")), shop) or _with_reference(
        store, str(body.get("CloudsuiteOrderId")), shop
    )
    if order is None:
        raise Refused(404, {"detail": "Not found."})
    return order


def required(query: Any, names: tuple[str, ...]) -> None:
    """Raise ``Refused`` (400) unless the address has all of these members."""
    missing = {name: ["This parameter is required."] for name in names if not query.get(name)}
    if missing:
        raise Refused(400, missing)


def _item(store: OrderStore, entry: Any, shop: str) -> Item:
    order_number, quantity = str(_at(entry, ("OrderNum",))), decimal_of(_at(entry, ("QuantityValue",)))
    order = _with_number(store, order_number, shop) or _with_reference(store, order_number, shop)
    if order is None:
        raise Refused(400, {"OrderNum": [f'No order "{order_number}".']})
    if not order.document.get("erp_order_number"):
        raise Refused(400, {"OrderNum": [f'Order "{order_number}" has no ERP order number yet.']})
    line_number = str(_at(entry, ("ItemNum",)))
    if line_number not in {str(line.get("erp_line_number")) for line in order.lines} - {"None"}:
        raise Refused(400, {"ItemNum": [f'No line "{line_number}" in order "{order_number}".']})
    if quantity is None or not _fits(quantity):
        raise Refused(400, {"QuantityValue": ["A number of at most 12 digits, 4 of them decimals, is required."]})
    if not _at(entry, ("SellerItemID",)):
        raise Refused(400, {"SellerItemID": ["This field is required."]})
    return Item(order, line_number, quantity)


def _with_number(store: OrderStore, number: str, shop: str) -> Order | None:
    return _only(store, shop, "erp_order_number", number)


def _with_reference(store: OrderStore, reference: str, shop: str) -> Order | None:
    return _only(store, shop, "reference", reference)


def _only(store: OrderStore, shop: str, member: str, value: str) -> Order | None:
    found = [order for order in store.all() if order.document.get(member) == value]
    here = [order for order in found if str(order.document.get("webshop")) == shop]
    return here[0] if here else None


def _complete(order: Order) -> bool:
    goods = [line for line in order.lines if line.get("type") == "line"]
    wanted = {str(line.get("erp_line_number")): decimal_of(line.get("quantity")) or Decimal(0) for line in goods}
    return all(order.delivered.get(number, Decimal(0)) >= quantity for number, quantity in wanted.items())


def _fits(quantity: Decimal) -> bool:
    exponent = quantity.normalize().as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) else 0
    return quantity > 0 and decimals <= _DECIMALS and quantity < 10 ** (_DIGITS - _DECIMALS)


def _is_date(text: Any) -> bool:
    try:
        return isinstance(text, str) and len(text) == len("2025-03-04") and date.fromisoformat(text) is not None
    except ValueError:
        return False


def _entries(message: dict[str, Any]) -> Iterator[Any]:
    """Every ``Item``, whether written as a list or as a single element."""
    for packaging in _many(_at(message, ("DesadvDetail", "Packaging"))):
        for line_items in _many(_at(packaging, ("LineItems",))):
            yield from _many(_at(line_items, ("Item",)))


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _xml(raw: bytes) -> dict[str, Any]:
    if b"<!" in raw:
        raise ValueError("document type declarations are not allowed")
    root = ElementTree.fromstring(raw)  # noqa: S314 (no document type, so no entities)
    return {root.tag: _members(root)}


def _members(element: ElementTree.Element) -> Any:
    """Children by name, repeated ones as a list; the text for an element without children."""
    if not len(element):
        return element.text or ""
    members: dict[str, Any] = {}
    for child in element:
        value = _members(child)
        members[child.tag] = [*_many(members[child.tag]), value] if child.tag in members else value
    return members
