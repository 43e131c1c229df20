"""What became of an order, read from its own detail and its shipments. Facts: docs/vendors/shopatron.md, "Status".

A search is never the source of a status: only the detail of the order decides, and only if it names the order asked
about. Shipments are searched by the order's id; an answer with a row of another order is not used at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec

from order_relay.errors import MalformedResponseError, TransientError
from order_relay.http.sending.outcomes import read_number_id
from order_relay.http.sending.search import SearchReader, SearchReply
from order_relay.orders.fulfilment.oms_order import OmsOrder, OmsReading
from order_relay.orders.fulfilment.shipment_progress import Shipment, ShippedLine
from order_relay.orders.identity.traits import OTHER
from order_relay.vendors.shopatron.order_view import OrderView, first_value, parse_time, plain_text
from order_relay.vendors.shopatron.search import is_none_found

READINGS: Mapping[str, OmsReading] = MappingProxyType(
    {
        "READY": OmsReading.OPEN,
        "BACKORDER": OmsReading.OPEN,
        "SHIPPED": OmsReading.SHIPPED,
        "FULFILLED": OmsReading.SHIPPED,
        "CANCELLED": OmsReading.CANCELLED,
        "CANCELED": OmsReading.CANCELLED,
    }
)
"""The status words of orders that the vendor's pages name. Others are unknown unless a setting reads them."""

OPEN, LEFT, VOID = "open", "shipped", "cancelled"
SHIPMENT_READINGS: Mapping[str, str] = MappingProxyType(
    {
        "READY": OPEN,
        "BACKORDER": OPEN,
        "SHIPPED": LEFT,
        "FULFILLED": LEFT,
        "CANCELLED": VOID,
        "CANCELED": VOID,
    }
)
"""The status words of shipments (assumed, but for BACKORDER)."""

MEMBERS: Mapping[str, str] = MappingProxyType(
    {
        "status": "orderStatus,status",
        "items": "orderItems",
        "item_id": "orderItemID",
        "item_state": "itemState",
        "part_number": "product.partNumber,partNumber",
        "quantity": "itemSpecifics.quantity,quantity",
        "shipment_status": "shipmentStatus",
        "tracking": "trackingNumber,tracking.number",
        "carrier": "carrier,shippingCarrier",
        "service": "shippingMethod,service",
        "shipped_at": "shippedDate,shipDate",
    }
)
"""Paths of the values that are read, separated by commas; the first that is present counts."""

PER_PAGE, MAX_PAGES = 100, 20
ORIGIN = "oms"


@dataclass(frozen=True)
class OmsStatusReader:
    """Reads the orders of one account.

    ``words`` and ``shipment_words``: further status words and their readings. ``members``: see ``MEMBERS``.
    """

    view: OrderView
    words: Mapping[str, str] = field(default_factory=dict)
    shipment_words: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, str] = field(default_factory=dict)

    async def __call__(
        self, reader: SearchReader, oms_id: str, destination_key: str, *, shipments: bool = True
    ) -> OmsOrder:
        """The order with this id, and its parcels if ``shipments``.

        Raises ``TransientError`` if there was no answer, ``MalformedResponseError`` if the answer is unreadable
        or is about another one, and what ``reader.get`` raises.
        """
        document = self._checked(await reader.get(f"order/{oms_id}", {}), oms_id, destination_key)
        word = self._text(document, "status")
        reading = self._reading(word)
        items = self._items(document)
        cancelled = tuple(line for state, line in items.values() if state in _CANCELLED)
        if reading is OmsReading.OPEN and cancelled:
            whole = len(cancelled) == len(items)
            reading = OmsReading.CANCELLED if whole else OmsReading.PARTLY_CANCELLED
        if not shipments:
            return OmsOrder(word, reading, cancelled)
        try:
            rows = await self._shipment_rows(reader, oms_id, items)
        except TransientError:
            return OmsOrder(word, reading, cancelled, incomplete=True)
        return self._with_shipments(OmsOrder(word, reading, cancelled), rows, items, (oms_id, destination_key))

    def _checked(self, reply: SearchReply, oms_id: str, key: str) -> Mapping[str, Any]:
        if reply.status != 200:
            raise _failure(reply.status, "the order")
        document = _decoded(reply.body)
        if not isinstance(document, dict) or not self._text(document, "status"):
            raise MalformedResponseError("the OMS's answer shows no status of an order")
        shown = document.get("externalOrderID")
        other_key = isinstance(shown, str) and bool(shown) and shown != key
        if read_number_id(document.get("orderID")) != oms_id or other_key or self._is_foreign(document):
            raise MalformedResponseError("the OMS's answer is about another order")
        return document

    def _is_foreign(self, document: Mapping[str, Any]) -> bool:
        return self.view.traits(document).owner == OTHER

    def _reading(self, word: str) -> OmsReading:
        known = {**READINGS, **{name.upper(): OmsReading(reading) for name, reading in self.words.items()}}
        return known.get(word.upper(), OmsReading.UNKNOWN)

    def _items(self, document: Mapping[str, Any]) -> dict[str, tuple[str, ShippedLine]]:
        """The state and the units of each item, by the OMS's id of the item."""
        found: dict[str, tuple[str, ShippedLine]] = {}
        for item in _rows(first_value(document, self._paths("items"))):
            quantity = _whole(first_value(item, self._paths("quantity")))
            line = ShippedLine(
                quantity or 0, item_number=self._text(item, "part_number"), odd="" if quantity else "no quantity"
            )
            found[plain_text(first_value(item, self._paths("item_id"))) or f"-{len(found)}"] = (
                self._text(item, "item_state").upper(),
                line,
            )
        return found

    async def _shipment_rows(
        self, reader: SearchReader, oms_id: str, items: Mapping[str, Any]
    ) -> list[Mapping[str, Any]]:
        """All shipments of the order. Raises ``TransientError`` unless the answer is complete and about this order."""
        rows: dict[str, Mapping[str, Any]] = {}
        query = {"orderID": oms_id, "manufacturerID": str(self.view.manufacturer_id), "perPage": str(PER_PAGE)}
        for page in range(1, MAX_PAGES + 1):
            reply = await reader.get("shipment/", {**query, "page": str(page)})
            if is_none_found(reply) and not rows:
                return []
            if reply.status != 200:
                raise _failure(reply.status, "its shipments")
            document = _decoded(reply.body)
            total = document.get("totalCount") if isinstance(document, dict) else None
            if not isinstance(total, int) or isinstance(total, bool):
                raise MalformedResponseError("the OMS's answer has no count of shipments")
            new = _rows(document.get("collection"))
            known = len(rows)
            for row in new:
                if not self._is_of_order(row, oms_id, items):
                    raise MalformedResponseError("the OMS's answer lists shipments of other orders")
                rows[plain_text(row.get("shipmentID"))] = row
            if "" in rows or len(rows) != known + len(new) or len(rows) > total:
                raise MalformedResponseError("the OMS's pages of shipments do not fit together")
            if len(rows) == total:
                return list(rows.values())
            if not new:
                break
        raise MalformedResponseError("the OMS does not show all shipments that it counts")

    def _is_of_order(self, row: Mapping[str, Any], oms_id: str, items: Mapping[str, Any]) -> bool:
        named = read_number_id(row.get("orderID"))
        if named:
            return named == oms_id
        ids = [plain_text(first_value(item, self._paths("item_id"))) for item in _rows(row.get("items"))]
        return bool(ids) and all(one in items for one in ids)

    def _with_shipments(
        self,
        order: OmsOrder,
        rows: Sequence[Mapping[str, Any]],
        items: Mapping[str, tuple[str, ShippedLine]],
        names: tuple[str, str],
    ) -> OmsOrder:
        """The order with its parcels. A parcel without a tracking number counts once the whole order is shipped."""
        parcels = []
        unknown = ""
        known = {**SHIPMENT_READINGS, **{word.upper(): reading for word, reading in self.shipment_words.items()}}
        for row in rows:
            word = self._text(row, "shipment_status")
            reading = known.get(word.upper(), "")
            unknown = unknown or ("" if reading else word or "(empty)")
            tracked = bool(self._text(row, "tracking"))
            if reading == LEFT and (tracked or order.reading is OmsReading.SHIPPED):
                parcels.append(self._parcel(row, items, names, order.reading, alone=len(rows) == 1))
        reading = order.reading
        if parcels and reading in (OmsReading.OPEN, OmsReading.PARTLY_CANCELLED):
            reading = OmsReading.PARTLY_SHIPPED
        received = f"{order.received}, shipment {unknown}" if unknown else order.received
        return OmsOrder(received, reading, order.cancelled, tuple(parcels), incomplete=bool(unknown))

    def _parcel(
        self,
        row: Mapping[str, Any],
        items: Mapping[str, tuple[str, ShippedLine]],
        names: tuple[str, str],
        reading: OmsReading,
        *,
        alone: bool,
    ) -> Shipment:
        """One parcel. The only one of a shipped order counts as all of it if its items are shown without number."""
        lines = []
        for part in _rows(row.get("items")):
            item = items.get(plain_text(first_value(part, self._paths("item_id"))))
            quantity = _whole(first_value(part, self._paths("quantity")))
            number = item[1].item_number if item else ""
            odd = "unknown item" if item is None else _NO_NUMBER if not number else "" if quantity else "no quantity"
            lines.append(ShippedLine(quantity or 0, item_number=number, odd=odd))
        if alone and reading is OmsReading.SHIPPED and all(line.odd == _NO_NUMBER for line in lines):
            lines = []
        elif not lines and not alone:  # without lines it would count as the whole order
            lines = [ShippedLine(0, odd="no items are listed")]
        return Shipment(
            origin=ORIGIN,
            key=f"{self.view.manufacturer_id}:{plain_text(row.get('shipmentID'))}",
            words=names,
            carrier=self._text(row, "carrier"),
            service=self._text(row, "service"),
            tracking_number=self._text(row, "tracking"),
            shipped_at=parse_time(self._text(row, "shipped_at")),
            lines=tuple(lines),
        )

    def _paths(self, name: str) -> str:
        return self.members.get(name, MEMBERS[name])

    def _text(self, document: Mapping[str, Any], name: str) -> str:
        return plain_text(first_value(document, self._paths(name)))


_NO_NUMBER = "no item number"
_CANCELLED = frozenset({"CANCELED", "CANCELLED"})


def _failure(status: int, what: str) -> TransientError:
    if status == 404:
        return MalformedResponseError(f"the OMS does not find {what} (HTTP 404)")
    found = f"HTTP {status}" if status else "no answer"
    return TransientError(f"the OMS cannot show {what} ({found})")


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _whole(value: Any) -> int | None:
    """A whole number of units above 0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = plain_text(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 and int(text) else None


def check_words(words: Mapping[str, str], readings: Sequence[str]) -> dict[str, str]:
    """The words unchanged. Raises ``ValueError`` for a reading that does not exist."""
    if unknown := sorted(set(words.values()) - set(readings)):
        raise ValueError(f"has unknown readings ({', '.join(unknown)}); available: {', '.join(readings)}")
    return dict(words)
