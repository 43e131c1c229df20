"""Shipment notices: a ``ShipNotice`` document and the query (docs/vendors/shiprush.md, "Facts", notice).

No notice that names an order is lost: unreadable lines are kept with the parcel, an unreadable body is kept as
received.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from types import MappingProxyType
from typing import NoReturn
from xml.etree import ElementTree as ET

from order_relay.errors import MalformedResponseError, RecordRejectedError
from order_relay.orders.fulfilment.feed_id import parse_feed_id
from order_relay.orders.fulfilment.shipment_progress import (
    Shipment,
    ShippedLine,
    normalize_tracking_number,
    shipment_key,
)
from order_relay.orders.money.amounts import CURRENCIES, amount, to_minor
from order_relay.vendors.shiprush.dates import read_date
from order_relay.vendors.shiprush.xml_text import block_text, clean_text, line_text

ORIGIN = "shiprush"
MAX_LINES = 500
"""Lines of a notice that are kept; all further ones become one unreadable line."""

_QUANTITY = re.compile(r"([0-9]{1,5})(?:\.0*)?")
_NAMED = re.compile(
    rb"(?:<(?:\w+:)?|[\"'])(order_?number|order_?id)"
    rb"(?:\b[^<>]{0,200}>\s{0,20}(?:<!\[CDATA\[)?|[\"']\s{0,20}:\s{0,20}[\"']?)\s{0,20}([^<>&\"'\],}]{1,400})",
    re.ASCII | re.IGNORECASE,
)
"""An order's number or id in an unreadable body: an XML element or a JSON member."""
_ROOT = "shipnotice"
_NAMELESS = "the notice names no order: OrderNumber or order_number is required"
_MAX_NAMES = 20  # order numbers in one notice
_WORD = 200  # characters of an order number, carrier, service or tracking number
_RAW = 16_000  # bytes of an unreadable notice
_PLAUSIBLE = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


Several = Mapping[str, Sequence[str]]


class _NoDoctypeBuilder(ET.TreeBuilder):
    """Refuses a DOCTYPE, so that no entities can be declared, expanded or fetched."""

    def doctype(self, *_: object) -> NoReturn:
        raise MalformedResponseError("the notice contains a DOCTYPE, which is not accepted")


def read_notice(
    query: Mapping[str, str], body: bytes, currency: str, several: Several = MappingProxyType({})
) -> Shipment:
    """The parcel that a notice describes. The body takes precedence over the query and may be empty.

    ``OrderID`` is the id of our feed. No items mean the whole order. An unreadable date or cost is omitted, an
    unreadable line is kept with its problem in ``odd``, and an unreadable body is kept in ``raw``. ``several``: all
    values of parameters with different values. Raises ``MalformedResponseError`` if the notice names no order.
    """
    try:
        root = _root(body) if body.strip() else ET.Element(_ROOT)
    except MalformedResponseError as error:
        return unreadable_notice(query, body, str(error), currency, several)

    def text_of(element: str, parameter: str = "") -> str:
        return line_text(root.findtext(element.lower()) or query.get(parameter), _WORD)

    numbers, given_ids = _names(
        [*_all(root, "ordernumber"), *_parameter(query, several, "order_number")], _all(root, "orderid")
    )
    unclear = _ambiguity(root, several, given_ids)
    if unclear or not (numbers or given_ids):
        return unreadable_notice(query, body, unclear or _NAMELESS, currency, several)
    given_id = "".join(given_ids)
    carrier, tracking = text_of("Carrier", "carrier"), text_of("TrackingNumber", "tracking_number")
    lines, whole = _lines(root), body or repr(sorted(query.items())).encode()
    return Shipment(
        origin=ORIGIN,
        key=shipment_key(_name(numbers, given_id), tracking, lines, whole),
        words=numbers,
        given_id=given_id,
        carrier=carrier,
        service=text_of("Service", "service"),
        tracking_number=tracking,
        shipped_at=_first_date(text_of("LabelCreateDate"), text_of("ShipDate")),
        cost_minor=_cost(text_of("ShippingCost"), currency),
        currency=currency,
        lines=lines,
    )


def unreadable_notice(
    query: Mapping[str, str], body: bytes, reason: str, currency: str, several: Several = MappingProxyType({})
) -> Shipment:
    """An unreadable notice as received (bounded), for an operator. ``reason``: why it is unreadable.

    Raises ``MalformedResponseError`` with the reason if neither the query nor the body names an order.
    """
    plain = body.replace(b"\0", b"")  # finds names in UTF-16 too
    inside = [
        (name.lower().replace(b"_", b""), value.decode("utf-8", "replace"))
        for name, value in islice((found.groups() for found in _NAMED.finditer(plain)), _MAX_NAMES)
    ]
    numbers, given_ids = _names(
        [*(value for name, value in inside if name == b"ordernumber"), *_parameter(query, several, "order_number")],
        [value for name, value in inside if name == b"orderid"],
    )
    if not numbers and not given_ids:
        raise MalformedResponseError(reason)
    given_id = given_ids[0] if given_ids else ""
    named = ("carrier", "service", "tracking_number")
    carrier, service, tracking = (line_text(query.get(name), _WORD) for name in named)
    return Shipment(
        origin=ORIGIN,
        key=shipment_key(_name(numbers, given_id), "", (), body + f"{tracking}\n{reason}".encode()),
        words=numbers,
        given_id=given_id,
        carrier=carrier,
        service=service,
        tracking_number=tracking,
        currency=currency,
        raw=block_text(plain[:_RAW].decode("utf-8", "replace"), _RAW) or "(empty)",
        asks=f"{reason}; the notice was kept as received",
    )


def _names(numbers: Iterable[str], order_ids: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The order numbers in a notice, and the ids of our feed. An ``OrderID`` of another form is an order number."""
    ids = list(dict.fromkeys(filter(None, map(_number, order_ids))))
    given = tuple(text for text in ids if parse_feed_id(text) is not None)
    texts = [*map(_number, numbers), *(text for text in ids if text not in given)]
    return tuple(dict.fromkeys(filter(None, texts)))[:_MAX_NAMES], given


def _all(root: ET.Element, name: str) -> list[str]:
    return [element.text or "" for element in root.findall(name)]


def _parameter(query: Mapping[str, str], several: Several, name: str) -> Sequence[str]:
    return several.get(name) or [query.get(name, "")]


def _ambiguity(root: ET.Element, several: Several, given_ids: Sequence[str]) -> str:
    """A contradiction in a notice that only an operator can resolve, or empty."""
    tracking = {normalize_tracking_number(text) for text in _all(root, "trackingnumber")} - {""}
    if not tracking:
        tracking = {normalize_tracking_number(text) for text in several.get("tracking_number", ())} - {""}
    if len(tracking) > 1:
        return "it contains several tracking numbers"
    return "it contains several OrderIDs" if len(given_ids) > 1 else ""


def _number(text: str | None) -> str:
    """A number without outer blanks; it is compared exactly."""
    return clean_text(text or "").strip()[:_WORD]


def _name(numbers: tuple[str, ...], given_id: str) -> str:
    """All names of the order in the notice, to recognise a repetition."""
    return "\n".join(sorted({*numbers, given_id} - {""}))


def _root(body: bytes) -> ET.Element:
    parser = ET.XMLParser(target=_NoDoctypeBuilder())  # noqa: S314 - no DOCTYPE, so no entities
    try:
        parser.feed(body)
        root: ET.Element = parser.close()
    except (ET.ParseError, ValueError, LookupError):
        raise MalformedResponseError("the notice is not well-formed XML") from None
    for element in root.iter():  # names are compared without namespace and case
        element.tag = element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""
    if root.tag != _ROOT:
        raise MalformedResponseError("the notice is not a ShipNotice document")
    return root


def _lines(root: ET.Element) -> tuple[ShippedLine, ...]:
    items = root.findall("items/*") or list(root.iter("item"))
    lines = [
        _line(item) if item.tag == "item" else ShippedLine(0, odd=f"{line_text(item.tag, 50)!r} is not an Item")
        for item in items[:MAX_LINES]
    ]
    if len(items) > MAX_LINES:
        lines.append(ShippedLine(0, odd=f"{len(items) - MAX_LINES} further lines"))
    return tuple(lines)


def _line(item: ET.Element) -> ShippedLine:
    quantity = (item.findtext("quantity") or "").strip()
    found = _QUANTITY.fullmatch(quantity)
    units = int(found[1]) if found and found[1].isascii() else 0
    line, number = (_number(item.findtext(name.lower())) for name in ("LineItemID", "SKU"))
    odd = "" if units else f"Quantity {line_text(quantity, 50)!r} is not a whole number from 1 to 99999"
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
    except RecordRejectedError:
        return None
    return minor if minor is not None and abs(minor) < 10**15 else None
