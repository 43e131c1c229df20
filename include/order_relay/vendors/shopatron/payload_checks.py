"""The last check of importOrder: the shopper's address, what a status requires, and every total that the OMS may
calculate where its documentation leaves the calculation open (docs/vendors/shopatron.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, localcontext
from typing import Any

from order_relay.errors import ValidationIssue
from order_relay.orders.payload.checks.money_check import (
    EXACT_SUMS,
    MoneyCheck,
    Payload,
    column_sum,
    number,
    total_mismatch,
    value_at,
)
from order_relay.vendors.shopatron.transform import ShopatronTransform, is_public_ipv4

NEEDED = {"SHIPPED": ("assignedLocation", "useInventory")}
"""Members that an order of this status also requires."""

TAX_FIXED = "forceItemTaxOverride"
"""Stops the OMS from calculating tax itself."""

SHIPPING_TAX = "shippingTax"
"""A member of the order and of its items; which one counts if both are given is unknown."""

RATE = "shippingTaxRate"
"""A rate that may apply to the shipping of the items; how it is applied is unknown."""

_ITEMS = "orderItems"
_SPECIFICS = "itemSpecifics"
_QUANTITY, _SHIPPING = (_SPECIFICS, "quantity"), (_SPECIFICS, "shipping")
_AMOUNTS = {
    each_unit: MoneyCheck(
        items=_ITEMS,
        item_price=(_SPECIFICS, "actualPrice"),
        item_quantity=_QUANTITY,
        item_amount=(),
        item_charges=(_SHIPPING, (_SPECIFICS, "itemTaxOverride")),
        order_charges=((SHIPPING_TAX,),),
        total=(),
        each_unit=each_unit,
    )
    for each_unit in (False, True)
}
"""The documented amounts. No total is sent: that the OMS adds exactly these is inferred."""

_LISTED = ("discounts", "promotions")


def read_status(payload: Payload, settings: ShopatronTransform) -> str:
    """The order status in a payload, as the setting ``order_status`` spells it; "" for none."""
    status = payload.get(settings.status_field)
    words = {spelled: word for word, spelled in settings.status_values.items()}
    return words.get(status, status) if isinstance(status, str) else ""


def check_payload(
    payload: Payload, total: Decimal, currency: str, settings: ShopatronTransform
) -> Iterator[ValidationIssue]:
    """All problems of a payload that the schema accepts."""
    address = payload.get("customerIP")
    if address is not None and not (isinstance(address, str) and is_public_ipv4(address)):
        message = "customerIP must be a public IPv4 address, not an internal, reserved or multicast one"
        yield ValidationIssue("address_not_public", "/customerIP", message)
    field = settings.status_field
    for member in NEEDED.get(read_status(payload, settings), ()):
        if payload.get(member) is None:
            message = f"{member} is missing, but required for the {field} {payload[field]}"
            yield ValidationIssue("missing_field", f"/{member}", message)
    yield from _amounts(payload, total, currency, settings)


def _amounts(
    payload: Payload, total: Decimal, currency: str, settings: ShopatronTransform
) -> Iterator[ValidationIssue]:
    if payload.get(TAX_FIXED) is not True:
        message = (
            f"{TAX_FIXED} is not true, so the destination would calculate tax itself and change the "
            "total. Remove the constant or mapping rule that sets it"
        )
        yield ValidationIssue("tax_not_fixed", "", message)
    for parts in interpretations(payload, each_unit=settings.spread_unit == "per_unit"):
        if found := next(total_mismatch(parts, total, currency), None):
            yield found
            return
    for name in _LISTED if settings.discounts_listed == "refuse" else ():
        if any(_numbers(payload.get(name))):
            message = (
                f"{name} holds amounts, and it is not documented whether the destination subtracts them. "
                "Remove them, or set transform.discounts_listed to informative if they are for information only"
            )
            yield ValidationIssue("undocumented_amount", "", message)


def interpretations(payload: Payload, *, each_unit: bool) -> list[dict[str, Decimal]]:
    """The parts of each total that the OMS may calculate; one interpretation if nothing is ambiguous."""
    with localcontext(EXACT_SUMS):
        items = payload.get(_ITEMS) or ()
        times = [number(value_at(item, _QUANTITY)) for item in items] if each_unit else None
        parts = _AMOUNTS[each_unit].parts(payload)
        if rate := number(payload.get(RATE)):
            parts[RATE] = rate * column_sum(items, _SHIPPING, times)
        of_items = column_sum(items, (_SPECIFICS, SHIPPING_TAX), times)
        with_items = {**parts, f"{SHIPPING_TAX} of items": of_items}
        return [with_items, parts] if of_items and payload.get(SHIPPING_TAX) is not None else [with_items]


def _numbers(node: Any, depth: int = 0) -> Iterator[Decimal]:
    """All numbers, to a bounded depth. A text counts if it has a decimal point."""
    if isinstance(node, Mapping):
        for value in node.values():
            yield from _numbers(value, depth + 1) if depth < 20 else ()
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _numbers(value, depth + 1) if depth < 20 else ()
    elif not isinstance(node, str) or "." in node:  # a text of digits alone is a code, not an amount
        yield number(node)
