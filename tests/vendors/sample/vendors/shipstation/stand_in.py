"""ShipStation, simulated: orders are created, or updated by their key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from order_relay_sandbox.kit import Paging, PlainDestination, PlainDestinationSwitches
from order_relay_sandbox.money import decimal_of

REQUIRED = ("orderNumber", "orderDate", "orderStatus", "billTo", "shipTo", "items")


class ShipStation(PlainDestination[PlainDestinationSwitches]):
    """One account. Amounts are JSON numbers; a discount is an item of its own with a negative price."""

    name = "shipstation"
    switches_model = PlainDestinationSwitches
    roots = ("/orders",)
    path = "/orders"
    import_path = "/orders/createorder"
    paging = Paging(
        size_parameter="pageSize",
        max_size=500,
        rows="orders",
        total_member="total",
        page_member="page",
        pages_member="pages",
    )
    searches = {"orderNumber": "orderNumber"}  # noqa: RUF012 (a declaration)
    key_member = "orderKey"
    id_member = "orderId"

    def problems(self, document: Mapping[str, Any]) -> Iterator[str]:
        """Missing members, and amounts that are not numbers."""
        yield from (f"{name} is required" for name in REQUIRED if not document.get(name))
        for name, value in self._amounts(document):
            if isinstance(value, bool) or not isinstance(value, int | Decimal):
                yield f"{name} must be a number"

    def total_of(self, document: Mapping[str, Any]) -> Decimal:
        """Price times quantity of all items, plus tax and shipping of the order."""
        total = sum(
            (decimal_of(document.get(name, 0)) or Decimal(0) for name in ("taxAmount", "shippingAmount")), Decimal(0)
        )
        for item in document["items"]:
            total += (decimal_of(item["unitPrice"]) or Decimal(0)) * (decimal_of(item["quantity"]) or Decimal(0))
        return total

    @staticmethod
    def _amounts(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        yield from ((name, document[name]) for name in ("taxAmount", "shippingAmount") if name in document)
        for item in document.get("items") or ():
            yield from ((name, item.get(name)) for name in ("unitPrice", "quantity"))


STAND_IN = ShipStation
