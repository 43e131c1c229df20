"""Shipment notices: a ``ShipNotice`` document and the query beside it (assumed as ShipStation's; ShipRush says only
that notices carry tracking numbers, page-shiprush.txt).

No notice that names an order is lost: what can not be read of its lines is kept with the parcel, and a body that can
not be read at all is kept as it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import NoReturn
from xml.etree import ElementTree as ET

from order_relay.errors import BadAnswer, RecordRefused
from order_relay.ledger.feed_ids import read_feed_id
from order_relay.orders.money import CURRENCIES, amount, to_minor
from order_relay.orders.shipping import Shipment, ShippedLine, parcel_key
from order_relay.vendors.shiprush.dates import read_date
from order_relay.vendors.shiprush.xml_text import block_text, carried, line_text

ORIGIN = "shiprush"
MOST_LINES = 500
"""Lines of a notice that are kept; all further ones together become one odd line."""

_QUANTITY = re.compile(r"([0-9]{1,5})(?:\.0*)?")
_NAMED = re.compile(rb"<(?:\w+:)?(ordernumber|orderid)\b[^<>]{0,200}>\s{0,20}([^<>&]{1,400})", re.ASCII | re.IGNORECASE)
_ROOT = "shipnotice"
_WORD = 200  # characters of an order word, carrier, service or tracking number
_RAW = 16_000  # bytes of an unreadable notice
_PLAUSIBLE = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


class _NoDoctype(ET.TreeBuilder):
    """Without a DOCTYPE no entities can be declared: none are expanded, none are fetched."""

    def doctype(self, *_: object) -> NoReturn:
        raise BadAnswer("the notice holds a DOCTYPE, which is refused")


def read_notice(query: Mapping[str, str], body: bytes, currency: str) -> Shipment:
    """The parcel that a notice describes. What the body says goes before the query; without a body the query will do.

    ``OrderID`` is the id that our feed gave. No items mean the whole order. A date or a cost that can not be read is
    left out; a line that can not be read is kept as odd. Where the body as a whole can not be read, the shipment holds
    it in ``raw``. Raises ``BadAnswer`` where the notice names no order.
    """
    try:
        root = _root(body) if body.strip() else ET.Element(_ROOT)
    except BadAnswer as error:
        return unreadable(query, body, str(error), currency)

    def said(element: str, parameter: str = "") -> str:
        return line_text(root.findtext(element.lower()) or query.get(parameter), _WORD)

    numbers, given_id = _names(root.findtext("ordernumber"), query.get("order_number"), root.findtext("orderid"))
    if not numbers and not given_id:
        raise BadAnswer("the notice names no order: OrderNumber or order_number is needed")
    carrier, tracking = said("Carrier", "carrier"), said("TrackingNumber", "tracking_number")
    lines, whole = _lines(root), body or repr(sorted(query.items())).encode()
    return Shipment(
        origin=ORIGIN, key=parcel_key(_name(numbers, given_id), tracking, lines, whole),
        words=numbers, given_id=given_id, carrier=carrier, service=said("Service", "service"), tracking_number=tracking,
        shipped_at=_first_date(said("LabelCreateDate"), said("ShipDate")),
        cost_minor=_cost(said("ShippingCost"), currency), currency=currency, lines=lines,
    )  # fmt: skip


def unreadable(query: Mapping[str, str], body: bytes, why: str, currency: str) -> Shipment:
    """A notice whose body can not be read, as it came (bounded), for an operator.

    Raises ``BadAnswer`` that says ``why`` where neither the query nor the body names an order.
    """
    inside = {name.lower(): value.decode("utf-8", "replace") for name, value in reversed(_NAMED.findall(body))}
    numbers, given_id = _names(inside.get(b"ordernumber"), query.get("order_number"), inside.get(b"orderid"))
    if not numbers and not given_id:
        raise BadAnswer(why)
    named = ("carrier", "service", "tracking_number")
    carrier, service, tracking = (line_text(query.get(name), _WORD) for name in named)
    return Shipment(
        origin=ORIGIN, key=parcel_key(_name(numbers, given_id), "", (), body + tracking.encode()),
        words=numbers, given_id=given_id, carrier=carrier, service=service, tracking_number=tracking,
        currency=currency, raw=block_text(body[:_RAW].decode("utf-8", "replace"), _RAW) or "(empty)",
        asks=f"{why}; the notice was kept as it came",
    )  # fmt: skip


def _names(number: str | None, parameter: str | None, order_id: str | None) -> tuple[tuple[str, ...], str]:
    """The numbers that a notice gives of its order, and the id of our feed. An ``OrderID`` of another form is a number:
    some senders put one there."""
    given, texts = "", [number, parameter]
    if order_id and read_feed_id(text := _number(order_id)) is not None:
        given = text
    elif order_id:
        texts.append(order_id)
    return tuple(dict.fromkeys(filter(None, map(_number, texts)))), given


def _number(text: str | None) -> str:
    """A number as it was given, without outer blanks: it is compared exactly."""
    return carried(text or "").strip()[:_WORD]


def _name(numbers: tuple[str, ...], given_id: str) -> str:
    """How the notice names the order, for recognising the same notice."""
    return "\n".join(sorted({*numbers, given_id} - {""}))


def _root(body: bytes) -> ET.Element:
    parser = ET.XMLParser(target=_NoDoctype())  # noqa: S314 - no DOCTYPE, so no entities
    try:
        parser.feed(body)
        root: ET.Element = parser.close()
    except (ET.ParseError, ValueError, LookupError):
        raise BadAnswer("the notice is not well-formed XML") from None
    for element in root.iter():  # neither a namespace nor capitals change what a name means here
        element.tag = element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""
    if root.tag != _ROOT:
        raise BadAnswer("the notice is not a ShipNotice document")
    return root


def _lines(root: ET.Element) -> tuple[ShippedLine, ...]:
    items = root.findall("items/item") or list(root.iter("item"))
    lines = [_line(item) for item in items[:MOST_LINES]]
    if len(items) > MOST_LINES:
        lines.append(ShippedLine(0, odd=f"{len(items) - MOST_LINES} further lines"))
    return tuple(lines)


def _line(item: ET.Element) -> ShippedLine:
    told = (item.findtext("quantity") or "").strip()
    found = _QUANTITY.fullmatch(told)
    units = int(found[1]) if found and found[1].isascii() else 0
    line, number = (line_text(item.findtext(name.lower()), _WORD) for name in ("LineItemID", "SKU"))
    odd = "" if units else f"Quantity {line_text(told, 50)!r} is not a whole number from 1 to 99999"
    if not line and not number:
        odd = "neither LineItemID nor SKU"
    return ShippedLine(units, line, number, odd=odd)


def _first_date(*texts: str) -> datetime | None:
    for text in texts:
        try:
            moment = read_date(text)
        except ValueError:
            continue
        if _PLAUSIBLE[0] <= moment < _PLAUSIBLE[1]:
            return moment
    return None


def _cost(text: str, currency: str) -> int | None:
    try:
        value: Decimal = amount(text)
        minor = to_minor(value, CURRENCIES.get(currency, 2))
    except RecordRefused:
        return None
    return minor if minor is not None and abs(minor) < 10**15 else None
