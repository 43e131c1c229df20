"""Shipment notices: a ``ShipNotice`` document and the query beside it (assumed as ShipStation's; ShipRush says only
that notices carry tracking numbers, page-shiprush.txt).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import NoReturn
from xml.etree import ElementTree as ET

from order_relay.errors import BadAnswer, RecordRefused
from order_relay.orders.money import CURRENCIES, amount, to_minor
from order_relay.orders.shipping import Shipment, ShippedLine, parcel_key
from order_relay.vendors.shiprush.dates import read_date
from order_relay.vendors.shiprush.xml_text import line_text

ORIGIN = "shiprush"
_QUANTITY = re.compile(r"([0-9]{1,5})(?:\.0*)?")
_OUR_ID = re.compile(r"[0-9]{1,18}")
_WORD = 200  # characters of an order word, carrier, service or tracking number


class _NoDoctype(ET.TreeBuilder):
    """Without a DOCTYPE no entities can be declared: none are expanded, none are fetched."""

    def doctype(self, *_: object) -> NoReturn:
        raise BadAnswer("the notice holds a DOCTYPE, which is refused")


def read_notice(query: Mapping[str, str], body: bytes, currency: str) -> Shipment:
    """The parcel that a notice tells of. What the body says goes before the query; without a body the query will do.

    ``OrderID`` is the id that our feed gave. No items stand for the whole order. A date or a cost that can not be read
    is left out. Raises ``BadAnswer`` where the notice can not be read, or names no order.
    """
    root = _root(body) if body.strip() else ET.Element("ShipNotice")

    def said(element: str, parameter: str = "") -> str:
        return line_text(root.findtext(element) or query.get(parameter), _WORD)

    order_id, number = said("OrderID"), said("OrderNumber", "order_number")
    words = tuple(dict.fromkeys(filter(None, (number, line_text(query.get("order_number"), _WORD)))))
    if not order_id and not words:
        raise BadAnswer("the notice names no order: OrderNumber or order_number is needed")
    carrier, tracking = said("Carrier", "carrier"), said("TrackingNumber", "tracking_number")
    return Shipment(
        origin=ORIGIN, key=parcel_key(order_id or number, carrier, tracking, body),
        words=words or (order_id,), carrier=carrier, service=said("Service", "service"), tracking_number=tracking,
        shipped_at=_first_date(said("LabelCreateDate"), said("ShipDate")),
        cost_minor=_cost(said("ShippingCost"), currency), currency=currency,
        lines=tuple(_line(item) for item in root.iterfind("Items/Item")),
        submission_id=int(order_id) if _OUR_ID.fullmatch(order_id) else None,
    )  # fmt: skip


def _root(body: bytes) -> ET.Element:
    parser = ET.XMLParser(target=_NoDoctype())  # noqa: S314 - no DOCTYPE, so no entities
    try:
        parser.feed(body)
        root: ET.Element = parser.close()
    except (ET.ParseError, ValueError, LookupError):
        raise BadAnswer("the notice is not well-formed XML") from None
    if root.tag != "ShipNotice":
        raise BadAnswer("the notice is no ShipNotice document")
    return root


def _line(item: ET.Element) -> ShippedLine:
    found = _QUANTITY.fullmatch((item.findtext("Quantity") or "").strip())
    if found is None or not int(found[1]):
        raise BadAnswer("an item of the notice has no Quantity from 1 to 99999")
    line, number = (line_text(item.findtext(name), _WORD) for name in ("LineItemID", "SKU"))
    if not line and not number:
        raise BadAnswer("an item of the notice has neither LineItemID nor SKU")
    return ShippedLine(int(found[1]), line, number)


def _first_date(*texts: str) -> datetime | None:
    for text in texts:
        try:
            return read_date(text)
        except ValueError:
            continue
    return None


def _cost(text: str, currency: str) -> int | None:
    try:
        value: Decimal = amount(text)
        return to_minor(value, CURRENCIES.get(currency, 2))
    except RecordRefused:
        return None
