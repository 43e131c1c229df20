"""Orders and addresses as CloudSuite writes them: summaries, details, naive dates, numbers or decimal texts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from order_relay_sandbox.cloudsuite.store import Document, Order, OrderStore

_SUMMARY = ("id", "reference", "customer_order_number", "erp_order_number", "state", "order_date")
_PLACES = {"quantity": 4, "unit_price": 4, "paid_amount": 2}


def moment(store: OrderStore, when: datetime | None) -> str | None:
    """Local time of the shops with microseconds, without an offset."""
    if when is None:
        return None
    return when.astimezone(store.zone).replace(tzinfo=None).isoformat(timespec="microseconds")


def summary(store: OrderStore, order: Order) -> Document:
    """An entry of a list."""
    # Members of an order offered as exact text may have any type.
    members = {name: _written(order.document.get(name), store.switches.numbers_as) for name in _SUMMARY}
    return members | {"create_date": moment(store, order.created), "modified_date": moment(store, order.modified)}


def detail(store: OrderStore, order: Order) -> Document:
    """The whole order."""
    shown: Document = dict(order.document)
    for side in ("shipment_address", "invoice_address"):
        known = store.addresses.get(shown[side]) if isinstance(shown[side], int) else None
        if store.switches.addresses_as == "object" and known is not None:
            shown[side] = known
    if store.switches.extra_members:
        shown |= {
            "confirm_date": moment(store, order.confirmed),
            "create_date": moment(store, order.created),
            "modified_date": moment(store, order.modified),
            "offline": order.offline,
            "loyalty": {"points": 12},
        }
    written: Document = _written(shown, store.switches.numbers_as)
    return written


def _written(value: Any, numbers_as: str, name: str = "") -> Any:
    """The value with each ``Decimal`` as a number, or as a string with the member's number of decimals."""
    if isinstance(value, dict):
        return {key: _written(member, numbers_as, key) for key, member in value.items()}
    if isinstance(value, list):
        return [_written(member, numbers_as, name) for member in value]
    if not isinstance(value, Decimal):
        return value
    if numbers_as == "string" and abs(value) < 10**15:
        return f"{value:.{_PLACES.get(name, 2)}f}"
    number = float(value)  # exact up to 15 digits
    return number if isfinite(number) else str(value)
