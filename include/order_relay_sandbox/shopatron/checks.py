"""The constraints stated by the vendor's Historic Order Import page.

Written by hand from that page, so that it cannot share a mistake with the package's own JSON Schema. What the page
leaves open (marked "assumed") depends on switches.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from order_relay_sandbox.shopatron.currencies import CURRENCIES
from order_relay_sandbox.shopatron.switches import ShopatronSwitches

MISSING, INVALID = 5011, 5015

_LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")
_MAX_DIGITS = 16
_ORDER_STATUSES = ("SHIPPED", "READY", "CANCELLED")


@dataclass(frozen=True, slots=True)
class Problem:
    """A violated constraint: OMS code, path of the field such as ``orderItems[0].product.name``, and message."""

    code: int
    field: str
    text: str


Check = Callable[[Any], str]
"""Describes what is wrong with a value; empty if nothing is."""


def is_number(value: Any) -> bool:
    """A JSON number (not a boolean) of reasonable size."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return False
    return Decimal(value).adjusted() < _MAX_DIGITS


def is_integer(value: Any) -> bool:
    """A JSON number without a fraction; ``1.0`` is one, as in JSON Schema."""
    return is_number(value) and (isinstance(value, int) or value == value.to_integral_value())


def _text(low: int = 0, high: int | None = None) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            return "must be a string"
        if len(value) < low:
            return f"must have at least {low} characters"
        return f"must have at most {high} characters" if high is not None and len(value) > high else ""

    return check


def _integer(low: int | None = None) -> Check:
    def check(value: Any) -> str:
        if not is_integer(value):
            return "must be an integer"
        return f"must be at least {low}" if low is not None and value < low else ""

    return check


def _number(low: int | None = None) -> Check:
    def check(value: Any) -> str:
        if not is_number(value):
            return "must be a number"
        return f"must be at least {low}" if low is not None and value < low else ""

    return check


def _boolean(value: Any) -> str:
    return "" if isinstance(value, bool) else "must be a boolean"


def _object(value: Any) -> str:
    return "" if isinstance(value, Mapping) else "must be an object"


def _array(value: Any) -> str:
    return "" if isinstance(value, list) else "must be an array"


def _one_of(*allowed: str) -> Check:
    return lambda value: "" if isinstance(value, str) and value in allowed else f"must be one of {', '.join(allowed)}"


def _matching(pattern: re.Pattern[str], what: str) -> Check:
    return lambda value: "" if isinstance(value, str) and pattern.fullmatch(value) else f"must be {what}"


def _currency(value: Any) -> str:
    return "" if isinstance(value, str) and value in CURRENCIES else "must be an ISO currency code"


REQUIRED: dict[str, Check] = {
    "externalOrderID": _text(1, 100),
    "manufacturerID": _integer(1),
    "catalogID": _integer(0),
    "locale": _matching(_LOCALE, "an IETF language tag"),
    "currency": _currency,
    "customer": _object,
    "orderItems": _array,
    "shippingMethod": _object,
    "shippingAddress": _object,
    "orderPayments": _array,
    "customerIP": _text(),
    "sendEmail": _boolean,
    "orderStatus": _one_of(*_ORDER_STATUSES),
}
DEFAULTED = ("locale", "sendEmail")

OPTIONAL: dict[str, Check] = {
    "orderID": _integer(1),
    "importedCreationDate": _matching(_DATE_TIME, "a date-time"),
    "cartID": _text(0, 512),
    "currencyLocale": _matching(_LOCALE, "an IETF language tag"),
    "orderGift": _object,
    "shippingTax": _number(0),
    "shippingTaxRate": _number(0),
    "forceItemTaxOverride": _boolean,
    "orderComment": _text(0, 1000),
    "optInRetailer": _boolean,
    "landingCode": _text(10, 200),
    "customOrderData": _object,
    "fraudData": _array,
    "allowSplit": _boolean,
    "isTestOrder": _boolean,
    "expectedDeliveryDate": _matching(_DATE_TIME, "a date-time"),
    "promotions": _array,
    "discounts": _array,
    "channel": _text(),
    "assignedLocation": _text(),
    "useInventory": _boolean,
}


def problems(body: Any, switches: ShopatronSwitches) -> list[Problem]:
    """Every violated constraint of an importOrder body, in the order of the documentation."""
    if not isinstance(body, Mapping):
        return [Problem(INVALID, "", "must be an object")]
    found = _top_level(body, switches)
    for part in (_items, _payments, _custom_data, _fraud):
        found += part(body, switches)
    ip = _ip_problem(body.get("customerIP"), switches)
    if ip:
        found.append(Problem(INVALID, "customerIP", ip))
    return found


def _top_level(body: Mapping[str, Any], switches: ShopatronSwitches) -> list[Problem]:
    found = []
    for name, check in REQUIRED.items():
        if body.get(name) is None:
            if switches.defaulted_fields_required or name not in DEFAULTED:
                found.append(Problem(MISSING, name, "is required"))
        elif wrong := check(body[name]):
            found.append(Problem(INVALID, name, wrong))
    for name, check in OPTIONAL.items():
        # The vendor's own example sends null for optional fields.
        if body.get(name) is not None and (wrong := check(body[name])):
            found.append(Problem(INVALID, name, wrong))
    if switches.unknown_fields == "reject":
        found += [Problem(INVALID, name, "is unknown") for name in body if name not in REQUIRED | OPTIONAL]
    return found


_ITEM: dict[str, tuple[Check, bool]] = {
    "product.partNumber": (_text(1), True),
    "product.name": (_text(1), True),
    "product.retailPrice": (_number(), True),
    "product.averageDealerMargin": (_number(), False),
    "product.availability": (_text(), False),
    "product.UPC": (_text(), False),
    "product.SKU": (_text(), False),
    "itemSpecifics.actualPrice": (_number(), True),
    "itemSpecifics.quantity": (_integer(1), True),
    "itemSpecifics.externalItemID": (_text(), False),
    "itemSpecifics.shipping": (_number(), False),
    "itemSpecifics.shippingTax": (_number(), False),
    "itemSpecifics.itemTaxOverride": (_number(), False),
    "itemSpecifics.options": (_object, False),
    "itemSpecifics.customItemData": (_object, False),
}


def _items(body: Mapping[str, Any], switches: ShopatronSwitches) -> list[Problem]:
    items = body.get("orderItems")
    if not isinstance(items, list):
        return []
    found = []
    if len(items) < switches.min_items:  # assumed: the page states no minimum
        found.append(Problem(INVALID, "orderItems", f"must have at least {switches.min_items} elements"))
    for index, item in enumerate(items):
        if not isinstance(item, Mapping):
            found.append(Problem(INVALID, f"orderItems[{index}]", "must be an object"))
            continue
        found += _item(item, f"orderItems[{index}]", force_tax=body.get("forceItemTaxOverride") is True)
    return found


def _item(item: Mapping[str, Any], path: str, *, force_tax: bool) -> list[Problem]:
    found = []
    for name, (check, required) in _ITEM.items():
        group, _, key = name.partition(".")
        holder = item.get(group)
        value = holder.get(key) if isinstance(holder, Mapping) else None
        if value is None:
            if required or (force_tax and key == "itemTaxOverride"):
                found.append(Problem(MISSING, f"{path}.{name}", "is required"))
        elif wrong := check(value):
            found.append(Problem(INVALID, f"{path}.{name}", wrong))
    return found


def _payments(body: Mapping[str, Any], switches: ShopatronSwitches) -> list[Problem]:
    payments = body.get("orderPayments")
    if not isinstance(payments, list):
        return []
    if not payments:
        return [Problem(MISSING, "orderPayments", "must have a billing address and a payment method")]
    found: list[Problem] = []
    for index, payment in enumerate(payments):
        path = f"orderPayments[{index}].paymentMethod"
        method = payment.get("paymentMethod") if isinstance(payment, Mapping) else None
        if not isinstance(method, Mapping):
            found.append(Problem(MISSING, path, "is required"))
            continue
        if method.get("paymentType") not in switches.payment_types:
            found.append(Problem(INVALID, f"{path}.paymentType", f"must be one of {', '.join(switches.payment_types)}"))
        found += _billing(method.get("billingAddress"), f"{path}.billingAddress")
    return found


def _billing(address: Any, path: str) -> list[Problem]:
    if not isinstance(address, Mapping):
        return [Problem(MISSING, path, "is required")]
    # assumed: a "valid" billing address has at least a street, a city and a country
    found = [
        Problem(MISSING, f"{path}.{name}", "is required")
        for name in ("addressLine1", "city", "countryCode")
        if not address.get(name)
    ]
    for name in ("addressLine1", "addressLine2", "addressLine3"):
        if address.get(name) is not None and (wrong := _text(0, 250)(address[name])):
            found.append(Problem(INVALID, f"{path}.{name}", wrong))
    return found


def _custom_data(body: Mapping[str, Any], switches: ShopatronSwitches) -> list[Problem]:
    data = body.get("customOrderData")
    if not switches.custom_data_limits or not isinstance(data, Mapping):
        return []
    found = []
    if switches.custom_data_keys == "ignore_case" and len({name.casefold() for name in data}) < len(data):
        found.append(Problem(INVALID, "customOrderData", "contains a duplicate name"))
    for name, value in data.items():
        if not 1 <= len(name) <= 100:
            found.append(Problem(INVALID, "customOrderData", "names must have 1 to 100 characters"))
        if wrong := _text(1, 1000)(value):
            found.append(Problem(INVALID, f"customOrderData.{name}", wrong))
    return found


def _fraud(body: Mapping[str, Any], switches: ShopatronSwitches) -> list[Problem]:
    data = body.get("fraudData")
    if not isinstance(data, list):
        return []
    found = []
    for index, entry in enumerate(data):
        path = f"fraudData[{index}]"
        if not isinstance(entry, Mapping):
            found.append(Problem(INVALID, path, "must be an object"))
            continue
        if entry.get("fraudType") not in ("KOUNT", "EXTERNAL"):
            found.append(Problem(INVALID, f"{path}.fraudType", "must be one of KOUNT, EXTERNAL"))
        needed = ("fraudScore", "fraudState") if entry.get("fraudType") == "EXTERNAL" else ()
        found += [Problem(MISSING, f"{path}.{name}", "is required") for name in needed if entry.get(name) is None]
        if entry.get("fraudTransactionID") is not None and (wrong := _text(0, 200)(entry["fraudTransactionID"])):
            found.append(Problem(INVALID, f"{path}.fraudTransactionID", wrong))
    return found


def _ip_problem(value: Any, switches: ShopatronSwitches) -> str:
    if not isinstance(value, str):
        return ""  # already reported as missing or of a wrong type
    if value == "0.0.0.0" and switches.allow_unspecified_ip:  # noqa: S104 (compared, not bound)
        return ""  # the vendor's own example sends it
    return _not_public(value)


@lru_cache(maxsize=1024)
def _not_public(value: str) -> str:
    try:
        address = ipaddress.IPv4Address(value)
    except ValueError:
        return "must be an IPv4 address"
    return "" if address.is_global and not address.is_multicast else "must be a public address"
