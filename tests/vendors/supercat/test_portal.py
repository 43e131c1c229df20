"""The files for SuperCat's sales portal: columns as reported in docs/vendors/supercat.md, and hostile values."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.orders.fulfilment.oms_order import OmsReading
from order_relay.orders.fulfilment.portal_orders import PortalLine, PortalOrder, PortalParcel
from order_relay.vendors.supercat.connection import SuperCatSettings
from order_relay.vendors.supercat.portal import SuperCatPortal

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
HEADER = (
    "LastModifiedAt,OrderNumber,Complete,OrderDate,Status,OrderOrigin,CustomerPONumber,CustomerBillToNumber,"
    "CustomerBillToName,TotalAmount,ItemNumber,Description,QuantityOrdered,QuantityInvoiced,UnitPrice"
)
"""Word for word as reported."""
FIRST_ROW = ",false,2026-03-04,Partially Shipped,SuperCat,PO 1,C-1,Zoë's Lamps,256.50"


def portal(**extra: Any) -> SuperCatPortal:
    connection = Connection("x", "https://shop.example", "u", "p", extra={"org": "acme", **extra})
    return SuperCatPortal(SuperCatSettings.from_connection(connection))


def line(item: str, price: str = "142.50", shipped: int = 1) -> PortalLine:
    cells = {"item_number": item, "description": "Lamp", "unit_price": Decimal(price)}
    return PortalLine(cells, Decimal(2), Decimal(shipped))


def order(number: str = "7001-1", *lines: PortalLine, **columns: Any) -> PortalOrder:
    known = {
        "submitted_at": AT,
        "customer_po": "PO 1",
        "customer_number": "C-1",
        "bill_company": "Zoë's Lamps",
        "total": 25650,
        "scale": 2,
    }
    return PortalOrder(number, OmsReading.PARTLY_SHIPPED, AT, {**known, **columns}, lines)


def test_an_order_is_one_first_row_and_contiguous_rows() -> None:
    made = portal().order_file([order("7001-1", line("A"), line("B", "1E+2", 0)), order("7001-2")])
    assert (made.name, made.rows) == ("order_data.csv", 3)
    assert made.data.decode().split("\r\n") == [
        HEADER,
        f"1772600760000,7001-1{FIRST_ROW},A,Lamp,2,1,142.50",
        ",7001-1,,,,,,,,,B,Lamp,2,0,100",
        f"1772600760000,7001-2{FIRST_ROW},,,,,",
        "",
    ]


@pytest.mark.parametrize("bad", ["=1+1", "+cmd|' /C calc'!A0", "-1", "@SUM(1)", "\t=1", " =1", "＝1"])
def test_no_cell_runs_as_a_formula(bad: str) -> None:
    made = portal().order_file([order("7001-1", line(bad), customer_po=bad, bill_company=bad), order(bad, line("A"))])
    cells = [cell for row in csv.reader(io.StringIO(made.data.decode(), newline="")) for cell in row]
    assert [cell for cell in cells if cell.strip()[:1] in tuple("=+-@＝")] == []
    assert sum(made.left_out.values()) == 1  # of another number, the portal would know nothing
    parcels = [PortalParcel("7001-1", "1", "UPS", bad), PortalParcel(bad, "1", "UPS", "1Z")]
    assert portal().tracking_file(parcels).rows == 0


def test_line_breaks_and_quotes_stay_in_their_cell() -> None:
    made = portal().order_file([order("7001-1", customer_po='a"b,c\r\nd')])
    (_, row) = csv.reader(io.StringIO(made.data.decode(), newline=""))
    assert row[6] == 'a"b,c??d'


def test_a_carrier_has_at_most_five_characters() -> None:
    carriers = ("ups", "Federal Express", "Old Dominion", "Old Dominion", "DHL")
    parcels = [PortalParcel("7001-1", "99", carrier, f"1Z{n}") for n, carrier in enumerate(carriers)]
    made = portal().tracking_file([*parcels, parcels[0]])
    assert made.data.decode() == (
        "InvoiceNumber,Carrier,Number\r\n7001-1,UPS,1Z0\r\n7001-1,FEDEX,1Z1\r\n7001-1,DHL,1Z4\r\n"
    )
    assert made.left_out == {"carrier 'Old Dominion' has no code of 5 characters: see portal_carriers": 2}
    codes = portal(portal_carriers={"old dominion": "ODFL"}, portal_invoice_number="oms_id")
    assert b"\r\n99,ODFL,1Z2\r\n" in codes.tracking_file(parcels).data


def test_assumptions_are_settings() -> None:
    changed = portal(
        portal_statuses={"partly_shipped": "Backorder"},
        portal_complete="1_0",
        portal_origin="eCat",
        portal_encoding="windows-1252",
    )
    data = changed.order_file([order(bill_company="Zoë ☃")]).data
    assert data.split(b"\r\n")[1] == b"1772600760000,7001-1,0,2026-03-04,Backorder,eCat,PO 1,C-1,Zo\xeb ?,256.50,,,,,"


@pytest.mark.parametrize(
    ("field", "value"),
    [("portal_statuses", {"sent": "x"}), ("portal_carriers", {"x": "TOOLONG"}), ("portal_invoice_number", "uuid")],
)
def test_a_wrong_setting_is_named(field: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=field):
        portal(**{field: value})
