"""The CSV files in which SuperCat's sales portal takes the status of orders and tracking numbers.

Unverified: docs/vendors/supercat.md, "Order status for the sales portal". Columns, their order and the upper limit of a
carrier's code are as reported; formats of values are assumed and settings of the connection.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from order_relay.orders.fulfilment.oms_order import OmsReading
from order_relay.orders.fulfilment.portal_orders import PortalFile, PortalOrder, PortalParcel
from order_relay.orders.money.amounts import from_minor
from order_relay.orders.table_cells import escape_formula
from order_relay.vendors.supercat.connection import MAX_CARRIER, SuperCatSettings

ORDER_COLUMNS = (
    "LastModifiedAt",
    "OrderNumber",
    "Complete",
    "OrderDate",
    "Status",
    "OrderOrigin",
    "CustomerPONumber",
    "CustomerBillToNumber",
    "CustomerBillToName",
    "TotalAmount",
)
"""Of an order, in its first row; continuation rows have only ``OrderNumber``."""

LINE_COLUMNS = ("ItemNumber", "Description", "QuantityOrdered", "QuantityInvoiced", "UnitPrice")
TRACKING_COLUMNS = ("InvoiceNumber", "Carrier", "Number")

_WORDS = {
    OmsReading.OPEN: "Open",
    OmsReading.PARTLY_SHIPPED: "Partially Shipped",
    OmsReading.SHIPPED: "Shipped",
    OmsReading.PARTLY_CANCELLED: "Partially Cancelled",
    OmsReading.CANCELLED: "Cancelled",
    OmsReading.REJECTED: "On Hold",
    OmsReading.UNKNOWN: "Open",
}
_CARRIERS = {
    "FEDERAL EXPRESS": "FEDEX",
    "UNITED PARCEL SERVICE": "UPS",
    "US POSTAL SERVICE": "USPS",
    "U.S. POSTAL SERVICE": "USPS",
    "DHL EXPRESS": "DHL",
}
_YES_NO = {"true_false": ("true", "false"), "yes_no": ("Yes", "No"), "1_0": ("1", "0")}


class SuperCatPortal:
    """The portal of one organisation. Implements ``PortalFileFormat``."""

    order_file_name = "order_data.csv"
    tracking_file_name = "invoice_tracking_data.csv"

    def __init__(self, settings: SuperCatSettings) -> None:
        self._settings = settings
        self._words = _WORDS | {OmsReading(status): word for status, word in settings.portal_statuses.items()}
        self._carriers = {**_CARRIERS, **{name.upper(): code for name, code in settings.portal_carriers.items()}}

    def order_file(self, orders: Sequence[PortalOrder]) -> PortalFile:
        """See ``PortalFileFormat``. The rows of an order are contiguous, with its columns in the first one."""
        left_out: Counter[str] = Counter()
        rows: list[list[Any]] = []
        for order in orders:
            if _is_altered(order.order_number):
                left_out["the order number begins like a formula or has control characters"] += 1
                continue
            rows += self._order_rows(order)
        return self._file(self.order_file_name, (*ORDER_COLUMNS, *LINE_COLUMNS), rows, left_out)

    def tracking_file(self, parcels: Sequence[PortalParcel]) -> PortalFile:
        """See ``PortalFileFormat``. A parcel is listed once; one whose carrier has no short code is left out."""
        left_out: Counter[str] = Counter()
        rows: dict[tuple[str, str, str], None] = {}
        for parcel in parcels:
            named = parcel.order_number if self._settings.portal_invoice_number == "order_number" else parcel.oms_id
            carrier = self._carrier(parcel.carrier)
            if not named or any(map(_is_altered, (named, carrier, parcel.tracking_number))):
                left_out["invoice number, carrier or tracking number cannot be written unchanged"] += 1
            elif len(carrier) > MAX_CARRIER:
                name = escape_formula(parcel.carrier)[:40]
                left_out[f"carrier {name!r} has no code of {MAX_CARRIER} characters: see portal_carriers"] += 1
            else:
                rows[named, carrier, parcel.tracking_number] = None
        return self._file(self.tracking_file_name, TRACKING_COLUMNS, list(rows), left_out)

    def _order_rows(self, order: PortalOrder) -> Iterator[list[Any]]:
        head = [
            int(order.modified_at.timestamp()) * 1000,
            order.order_number,
            _YES_NO[self._settings.portal_complete][not order.complete],
            _day(order.order.get("submitted_at")),
            self._words[order.reading],
            self._settings.portal_origin,
            order.order.get("customer_po"),
            order.order.get("customer_number"),
            order.order.get("bill_company") or order.order.get("bill_name"),
            _total(order.order),
        ]
        continued = [None, order.order_number, *[None] * (len(ORDER_COLUMNS) - 2)]
        if not order.lines:
            yield [*head, *[None] * len(LINE_COLUMNS)]
        for position, line in enumerate(order.lines):
            cells = [line.line.get("item_number"), line.line.get("description")]
            numbers = [_number(one) for one in (line.ordered, line.shipped, line.line.get("unit_price"))]
            yield [*(continued if position else head), *cells, *numbers]

    def _carrier(self, name: str) -> str:
        known = name.strip().upper()
        return self._carriers.get(known, known)

    def _file(
        self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], left_out: Counter[str]
    ) -> PortalFile:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in row] for row in rows)
        return PortalFile(name, text.getvalue().encode(self._settings.portal_encoding, "replace"), len(rows), left_out)


def _is_altered(text: str) -> bool:
    """Whether a cell would be changed, so that the portal would read another number."""
    return escape_formula(text) != text


def _day(value: Any) -> str:
    return f"{value:%Y-%m-%d}" if isinstance(value, datetime) else ""


def _total(order: Mapping[str, Any]) -> Decimal | None:
    total, scale = order.get("total"), order.get("scale")
    return None if total is None or scale is None else from_minor(total, scale)


def _number(value: Any) -> Decimal | None:
    return value if isinstance(value, Decimal) else None


def _cell(value: Any) -> str:
    """Numbers exactly and without exponent; texts protected against being run as formulas."""
    return f"{value:f}" if isinstance(value, Decimal) else escape_formula(value)
