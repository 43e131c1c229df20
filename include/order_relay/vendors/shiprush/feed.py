"""The order feed: canonical orders as ShipRush's XML.

Form and lengths: docs/vendors/shiprush.md, "The feed" and "Facts".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from xml.etree import ElementTree as ET

from order_relay.errors import RecordRejectedError, ValidationIssue
from order_relay.orders.money.amounts import CURRENCIES, from_minor
from order_relay.vendors.shiprush.amounts import order_amounts, to_cents
from order_relay.vendors.shiprush.dates import write_date
from order_relay.vendors.shiprush.xml_text import block_text, clean_text, line_text

Row = Mapping[str, Any]

NUMBER = 50  # characters of an identity, which is never shortened
SKU = 100
QUANTITY = range(1, 100_000)
MAX_OPTIONS = 10
_MAX_AMOUNT = Decimal(10) ** 7  # decimal 9,2

_WEIGHTS = {
    **dict.fromkeys(("lb", "lbs", "pound", "pounds"), ("Pounds", Decimal(1))),
    **dict.fromkeys(("oz", "ounce", "ounces"), ("Ounces", Decimal(1))),
    **dict.fromkeys(("g", "gm", "gram", "grams"), ("Grams", Decimal(1))),
    **dict.fromkeys(("kg", "kilogram", "kilograms"), ("Grams", Decimal(1000))),
}

_BILL = (("Name", "name", 100), ("Company", "company", 100), ("Phone", "phone", 50), ("Email", "email", 100))
_SHIP = (
    ("Name", "name", 100),
    ("Company", "company", 100),
    ("Address1", "address1", 200),
    ("Address2", "address2", 200),
    ("City", "city", 100),
    ("State", "state", 100),
    ("PostalCode", "postal_code", 50),
    ("Country", "country", 2),
    ("Phone", "phone", 50),
)
_SHIP_REQUIRED = ("Name", "Address1", "City", "Country")


@dataclass(frozen=True, slots=True)
class FeedHeader:
    """The part of an order that the ledger knows: ids, ShipRush's word for the status, times (UTC).

    ``total``: minor units and currency of the sent payload; if missing, the source's total is used.
    ``taxes``: the charges that are sent as tax.
    """

    order_id: str
    order_number: str
    status: str
    modified_at: datetime
    received_at: datetime
    source: str = ""
    total: tuple[int, str] | None = None
    taxes: frozenset[str] = frozenset()


def render_page(orders: Sequence[ET.Element], pages: int) -> bytes:
    """A whole response in UTF-8 with its declaration. Each element must be writable, see ``is_writable``."""
    root = ET.Element("Orders", pages=str(pages))
    root.extend(orders)
    text = ET.tostring(root, encoding="unicode")  # encoding separately is several times faster
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + text.encode()


def is_writable(order: ET.Element) -> None:
    """Raise the error that writing this element raises, if any."""
    ET.tostring(order, encoding="unicode").encode()


def order_element(head: FeedHeader, order: Row, lines: Sequence[Row]) -> ET.Element:
    """One order. Columns: the canonical order, and the additional ones in docs/vendors/shiprush.md, "The feed".

    Raises ``RecordRejectedError`` if ShipRush could not accept it: the order is then omitted from the feed.
    """
    total, scale = (order["total"], order["scale"]) if head.total is None else _sent(head.total)
    if scale is None or total is None:
        raise _rejection("no_total", "OrderTotal", "is unknown: currency or total could not be read")
    wanted = [line for line in lines if line["quantity"] != 0]
    priced = [(_quantity(line), _price(line, scale)) for line in wanted]
    names = [str(line[name]) for line in wanted for name in ("line", "item_number") if line[name]]
    sums = {**order, **{name: (order[name] or 0) + sum(line[name] for line in wanted) for name in ("discount", "tax")}}
    money = order_amounts(sums, total, scale, priced, head.taxes, names)
    made = ET.Element("Order")
    _add(made, "OrderID", _identity(head.order_id, NUMBER, "OrderID"))
    _add(made, "OrderNumber", _identity(head.order_number, NUMBER, "OrderNumber"))
    _add(made, "OrderDate", write_date(order["submitted_at"] or head.received_at))
    _add(made, "OrderStatus", head.status)
    _add(made, "LastModified", write_date(head.modified_at))
    _add(made, "ShippingMethod", line_text(order["ship_via"], 100))
    _add(made, "PaymentMethod", line_text(order["payment_method"], 50))
    for name, amount in (("OrderTotal", money.total), ("TaxAmount", money.tax), ("ShippingAmount", money.shipping)):
        _add(made, name, _amount(amount, name))
    _add(made, "CustomerNotes", block_text(order["notes"], 1000))
    _add(made, "InternalNotes", block_text(order.get("internal_notes"), 1000))
    _add(made, "Gift", "true" if order.get("gift") else "false")
    _add(made, "GiftMessage", block_text(order.get("gift_message"), 1000))
    for number, text in enumerate(_custom_fields(order), 1):
        _add(made, f"CustomField{number}", text)
    if warehouse := line_text(order.get("warehouse"), 100):
        _add(made, "RequestedWarehouse", warehouse)
    _add(made, "Source", line_text(head.source, 50))
    made.append(_customer(order, head))
    items = ET.SubElement(made, "Items")
    items.extend([_item(line, price) for line, price in zip(wanted, money.prices, strict=True)])
    items.extend([_adjustment(off.number, line_text(off.name, 200), off.amount) for off in money.deductions])
    return made


def _sent(total: tuple[int, str]) -> tuple[int | None, int | None]:
    """A sent total in minor units, and its currency's number of decimals."""
    minor, currency = total
    return minor, CURRENCIES.get(currency)


def _customer(order: Row, head: FeedHeader) -> ET.Element:
    made = ET.Element("Customer")
    code = order["customer_number"] or order["bill_email"] or order["ship_email"] or head.order_number
    _add(made, "CustomerCode", line_text(code, 50))
    bill, ship = ET.SubElement(made, "BillTo"), ET.SubElement(made, "ShipTo")
    # addresses are never mixed
    side = "ship" if order["ship_address1"] else "bill"
    names = [order[f"{of}_{part}"] for of in (side, "bill", "ship") for part in ("name", "company")]
    known = line_text(next(filter(None, names), ""), 100)
    for element, column, limit in _SHIP:
        text = line_text(order[f"{side}_{column}"], limit if element != "Country" else 200)
        text = text or (known if element == "Name" else "")
        if element in _SHIP_REQUIRED and not text:
            raise _rejection("missing_field", f"ShipTo/{element}", "is missing")
        if element == "Country" and len(text) != 2:
            raise _rejection("bad_country", "ShipTo/Country", "is not a code of two letters")
        _add(ship, element, text)
    for element, column, limit in _BILL:
        _add(bill, element, line_text(order[f"bill_{column}"], limit) or (known if element == "Name" else ""))
    return made


def _quantity(line: Row) -> int:
    quantity = line["quantity"]
    if not isinstance(quantity, int) or quantity not in QUANTITY:
        raise _rejection("bad_quantity", "Item/Quantity", "is not a whole number from 1 to 99999")
    return quantity


def _price(line: Row, scale: int) -> Decimal:
    """The unit price, which may have more decimals than the feed."""
    price = line["unit_price"]
    if price is None and line["extended"] is not None:
        price = from_minor(line["extended"], scale) / line["quantity"]
    if price is None:
        raise _rejection("no_price", "Item/UnitPrice", "could not be read")
    return Decimal(price)


def _item(line: Row, price: Decimal) -> ET.Element:
    """One line. ``price``: the unit price with two decimals; if negative, the amount of the line."""
    number = line["item_number"] or ""
    name = line_text(line["description"], 200) or line_text(number, 200)
    if price < 0:  # a coupon or refund: ShipRush accepts it as an adjustment only
        return _adjustment(number or "adjustment", name or "Adjustment", price)
    if not name:
        raise _rejection("missing_field", "Item/SKU", "is missing, and so is the name")
    made = ET.Element("Item")
    _add(made, "LineItemID", _identity(line["line"] or str(line["position"] + 1), NUMBER, "Item/LineItemID"))
    _add(made, "SKU", _identity(number, SKU, "Item/SKU"))
    _add(made, "Name", name)
    image = line_text(line.get("image_url"), 2_000)
    if image.startswith(("http://", "https://")) and len(image) <= 500:
        _add(made, "ImageUrl", image)
    unit, factor = _WEIGHTS.get(line_text(line.get("weight_unit"), 20).lower(), ("", Decimal(0)))
    weights = (line.get("option_weights") or {}) if unit else {}
    if unit and line.get("weight") is not None:
        _add(made, "Weight", _weight(line["weight"], factor, "Item/Weight"))
    if unit and (line.get("weight") is not None or weights):
        _add(made, "WeightUnits", unit)
    _add(made, "Quantity", str(line["quantity"]))
    _add(made, "UnitPrice", _amount(price, "Item/UnitPrice"))
    _add(made, "Location", line_text(line.get("location"), 100))
    _options(
        made,
        line["options"] or {},
        {str(name): _weight(weight, factor, "Option/Weight") for name, weight in weights.items() if weight is not None},
    )
    return made


def _weight(value: Any, factor: Decimal, element: str) -> str:
    """The unit weight in ShipRush's unit. A text must be a plain number, such as ``1.2``."""
    try:
        weight = Decimal("NaN" if isinstance(value, bool) else str(value).strip())
    except InvalidOperation:
        weight = Decimal("NaN")
    if not weight.is_finite() or not 0 <= weight < _MAX_AMOUNT:
        raise _rejection("bad_weight", element, "is not a plain number such as 1.2")
    return _amount(weight * factor, element)


def _options(item: ET.Element, options: Mapping[str, Any], weights: Mapping[str, str]) -> None:
    given = [(str(name), line_text(name, 100), line_text(value, 100)) for name, value in options.items()]
    if not any(name and value for _, name, value in given):
        return
    made = ET.SubElement(item, "Options")
    for key, name, value in [one for one in given if all(one[1:])][:MAX_OPTIONS]:
        option = ET.SubElement(made, "Option")
        _add(option, "Name", name)
        _add(option, "Value", value)
        if key in weights:
            _add(option, "Weight", weights[key])


def _adjustment(number: str, name: str, price: Decimal) -> ET.Element:
    """A line that changes the total; its price is negative."""
    made = ET.Element("Item")
    _add(made, "SKU", _identity(number, SKU, "Item/SKU"))
    _add(made, "Name", name)
    _add(made, "Quantity", "1")
    _add(made, "UnitPrice", _amount(price, "Item/UnitPrice"))
    _add(made, "Adjustment", "true")
    return made


def _custom_fields(order: Row) -> list[str]:
    """Three texts: the customer's purchase order number, then the source's own fields as ``name: value``."""
    fields = {"PO": order["customer_po"], **(order["custom_fields"] or {})}
    texts = [line_text(f"{name}: {value}", 100) for name, value in fields.items() if value not in (None, "")]
    return [*texts, "", "", ""][:3]


def _identity(text: Any, limit: int, element: str) -> str:
    """An identity, unchanged: shortened or cleaned it would identify something else."""
    whole = str(text)
    if clean_text(whole) != whole or len(whole) > limit:
        raise _rejection(
            "bad_identity", element, f"is longer than {limit} characters or contains characters that XML does not allow"
        )
    return whole


def _amount(value: Decimal, element: str) -> str:
    amount = to_cents(value)
    if not -_MAX_AMOUNT < amount < _MAX_AMOUNT:
        raise _rejection("amount_too_large", element, "has more than seven digits before the point")
    return f"{amount:f}"


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text or None


def _rejection(code: str, element: str, message: str) -> RecordRejectedError:
    return RecordRejectedError([ValidationIssue(code, f"/{element}", f"{element} {message}")])
