"""Shipment notices: a ``ShipNotice`` document and the query beside it (assumed as ShipStation's; ShipRush says only
that notices carry tracking numbers, page-shiprush.txt).

No notice that names an order is lost: what can not be read of its lines is kept with the parcel, and a body that can
not be read at all is kept as it came.
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
from order_relay.ledger.fulfilment.feed_ids import parse_feed_id
from order_relay.orders.fulfilment.shipment_progress import (
    Shipment,
    ShippedLine,
    normalize_tracking_number,
    shipment_key,
)
from order_relay.orders.money.amounts import CURRENCIES, amount, to_minor
from order_relay.vendors.shiprush.dates import read_date
from order_relay.vendors.shiprush.xml_text import block_text, carried, line_text

ORIGIN = "shiprush"
MAX_LINES = 500
"""Lines of a notice that are kept; all further ones together become one odd line."""

_QUANTITY = re.compile(r"([0-9]{1,5})(?:\.0*)?")
_NAMED = re.compile(
    rb"(?:<(?:\w+:)?|[\"'])(order_?number|order_?id)"
    rb"(?:\b[^<>]{0,200}>\s{0,20}(?:<!\[CDATA\[)?|[\"']\s{0,20}:\s{0,20}[\"']?)\s{0,20}([^<>&\"'\],}]{1,400})",
    re.ASCII | re.IGNORECASE,
)
"""An order's number or id in a body that cannot be read: an XML element, or a member of JSON."""
_ROOT = "shipnotice"
_NAMELESS = "the notice names no order: OrderNumber or order_number is needed"
_MAX_NAMES = 20  # names of orders in one notice
_WORD = 200  # characters of an order word, carrier, service or tracking number
_RAW = 16_000  # bytes of an unreadable notice
_PLAUSIBLE = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


Several = Mapping[str, Sequence[str]]


class _NoDoctypeBuilder(ET.TreeBuilder):
    """Without a DOCTYPE no entities can be declared: none are expanded, none are fetched."""

    def doctype(self, *_: object) -> NoReturn:
        raise MalformedResponseError("the notice holds a DOCTYPE, which is refused")


def read_notice(
    query: Mapping[str, str], body: bytes, currency: str, several: Several = MappingProxyType({})
) -> Shipment:
    """The parcel that a notice describes. What the body says goes before the query; without a body the query will do.

    ``OrderID`` is the id that our feed gave. No items mean the whole order. A date or a cost that cannot be read is
    left out; a line that cannot be read is kept as odd. Where the body as a whole cannot be read, the shipment holds
    it in ``raw``. ``several``: all values of the parameters that were given with different ones. Raises
    ``MalformedResponseError``
    where the notice names no order.
    """
    try:
        root = _root(body) if body.strip() else ET.Element(_ROOT)
    except MalformedResponseError as error:
        return unreadable_notice(query, body, str(error), currency, several)

    def said(element: str, parameter: str = "") -> str:
        return line_text(root.findtext(element.lower()) or query.get(parameter), _WORD)

    numbers, given_ids = _names(
        [*_all(root, "ordernumber"), *_parameter(query, several, "order_number")], _all(root, "orderid")
    )
    unclear = _ambiguity(root, several, given_ids)
    if unclear or not (numbers or given_ids):
        return unreadable_notice(query, body, unclear or _NAMELESS, currency, several)
    given_id = "".join(given_ids)
    carrier, tracking = said("Carrier", "carrier"), said("TrackingNumber", "tracking_number")
    lines, whole = _lines(root), body or repr(sorted(query.items())).encode()
    return Shipment(
        origin=ORIGIN,
        key=shipment_key(_name(numbers, given_id), tracking, lines, whole),
        words=numbers,
        given_id=given_id,
        carrier=carrier,
        service=said("Service", "service"),
        tracking_number=tracking,
        shipped_at=_first_date(said("LabelCreateDate"), said("ShipDate")),
        cost_minor=_cost(said("ShippingCost"), currency),
        currency=currency,
        lines=lines,
    )


def unreadable_notice(
    query: Mapping[str, str], body: bytes, why: str, currency: str, several: Several = MappingProxyType({})
) -> Shipment:
    """A notice that cannot be read, as it came (bounded), for an operator.

    Raises ``MalformedResponseError`` that says ``why`` where neither the query nor the body names an order.
    """
    plain = body.replace(b"\0", b"")  # of UTF-16, enough to find names
    inside = [
        (name.lower().replace(b"_", b""), value.decode("utf-8", "replace"))
        for name, value in islice((found.groups() for found in _NAMED.finditer(plain)), _MAX_NAMES)
    ]
    numbers, given_ids = _names(
        [*(value for name, value in inside if name == b"ordernumber"), *_parameter(query, several, "order_number")],
        [value for name, value in inside if name == b"orderid"],
    )
    if not numbers and not given_ids:
        raise MalformedResponseError(why)
    given_id = given_ids[0] if given_ids else ""
    named = ("carrier", "service", "tracking_number")
    carrier, service, tracking = (line_text(query.get(name), _WORD) for name in named)
    return Shipment(
        origin=ORIGIN,
        key=shipment_key(_name(numbers, given_id), "", (), body + f"{tracking}\n{why}".encode()),
        words=numbers,
        given_id=given_id,
        carrier=carrier,
        service=service,
        tracking_number=tracking,
        currency=currency,
        raw=block_text(plain[:_RAW].decode("utf-8", "replace"), _RAW) or "(empty)",
        asks=f"{why}; the notice was kept as it came",
    )


def _names(numbers: Iterable[str], order_ids: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The numbers that a notice gives of its order, and the ids of our feed. An ``OrderID`` of another form is a
    number: some senders put one there."""
    ids = list(dict.fromkeys(filter(None, map(_number, order_ids))))
    given = tuple(text for text in ids if parse_feed_id(text) is not None)
    texts = [*map(_number, numbers), *(text for text in ids if text not in given)]
    return tuple(dict.fromkeys(filter(None, texts)))[:_MAX_NAMES], given


def _all(root: ET.Element, name: str) -> list[str]:
    return [element.text or "" for element in root.findall(name)]


def _parameter(query: Mapping[str, str], several: Several, name: str) -> Sequence[str]:
    return several.get(name) or [query.get(name, "")]


def _ambiguity(root: ET.Element, several: Several, given_ids: Sequence[str]) -> str:
    """What a notice says in two ways, where only an operator can tell which one counts."""
    tracking = {normalize_tracking_number(text) for text in _all(root, "trackingnumber")} - {""}
    if not tracking:
        tracking = {normalize_tracking_number(text) for text in several.get("tracking_number", ())} - {""}
    if len(tracking) > 1:
        return "it gives more than one tracking number"
    return "it gives more than one OrderID" if len(given_ids) > 1 else ""


def _number(text: str | None) -> str:
    """A number as it was given, without outer blanks: it is compared exactly."""
    return carried(text or "").strip()[:_WORD]


def _name(numbers: tuple[str, ...], given_id: str) -> str:
    """How the notice names the order, for recognising the same notice."""
    return "\n".join(sorted({*numbers, given_id} - {""}))


def _root(body: bytes) -> ET.Element:
    parser = ET.XMLParser(target=_NoDoctypeBuilder())  # noqa: S314 - no DOCTYPE, so no entities
    try:
        parser.feed(body)
        root: ET.Element = parser.close()
    except (ET.ParseError, ValueError, LookupError):
        raise MalformedResponseError("the notice is not well-formed XML") from None
    for element in root.iter():  # neither a namespace nor capitals change what a name means here
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
    told = (item.findtext("quantity") or "").strip()
    found = _QUANTITY.fullmatch(told)
    units = int(found[1]) if found and found[1].isascii() else 0
    line, number = (_number(item.findtext(name.lower())) for name in ("LineItemID", "SKU"))
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
    except RecordRejectedError:
        return None
    return minor if minor is not None and abs(minor) < 10**15 else None
