"""The orders stored at the OMS and their totals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from order_relay_sandbox.audit import Audit
from order_relay_sandbox.kit import clock
from order_relay_sandbox.money import decimal_of, in_cents
from order_relay_sandbox.shopatron.fulfilment import Parcel
from order_relay_sandbox.shopatron.switches import ShopatronSwitches

NAME = "shopatron"

FIRST_ORDER_ID = 7_000_001


@dataclass(slots=True)
class Order:
    """One stored order. Searches find it from ``visible_at`` on (time of the event loop)."""

    order_id: int
    external_id: str
    manufacturer_id: int
    status: str
    currency: str
    total: int | str
    created: datetime
    imported: datetime
    visible_at: float
    is_test: bool
    items: int
    body: bytes
    quantities: tuple[int, ...] = ()
    shipments: list[Parcel] = field(default_factory=list)
    cancelled_items: set[int] = field(default_factory=set)
    progressed: bool = False


class OrderBook:
    """Stored orders by id and by external id."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._by_id: dict[int, Order] = {}
        self._by_external: dict[str, list[Order]] = defaultdict(list)
        self._next_id = FIRST_ORDER_ID

    def new(self, body: Mapping[str, Any], raw: bytes, total: int | str, visible_at: float, *, own_id: bool) -> Order:
        """Create an order with an id from an import body, without storing it."""
        wished = body.get("orderID")
        if own_id and isinstance(wished, int) and wished not in self._by_id:
            order_id = wished
        else:
            order_id, self._next_id = self._next_id, self._next_id + 1
        now = clock.now()
        return Order(
            order_id=order_id,
            external_id=body["externalOrderID"],
            manufacturer_id=int(body["manufacturerID"]),
            status=body["orderStatus"],
            currency=body["currency"],
            total=total,
            created=moment(body.get("importedCreationDate")) or now,
            imported=now,
            visible_at=visible_at,
            is_test=bool(body.get("isTestOrder")),
            items=len(body["orderItems"]),
            body=raw,
            quantities=tuple(_units(item) for item in body["orderItems"]),
        )

    def store(self, order: Order) -> Order:
        """Store the order."""
        self._by_id[order.order_id] = order
        self._by_external[order.external_id].append(order)
        self._audit.stored(NAME, order.external_id, order.order_id, order.total)
        return order

    def show_all(self) -> None:
        """Make all orders visible to searches."""
        for order in self._by_id.values():
            order.visible_at = 0.0

    def get(self, order_id: int) -> Order | None:
        """Find an order by the OMS's id."""
        return self._by_id.get(order_id)

    def named(self, text: str) -> Order | None:
        """Find an order by either id."""
        known = self.with_external(text)
        return known[0] if known else self.get(int(text)) if text.isascii() and text.isdigit() else None

    def with_external(self, external_id: str) -> list[Order]:
        """All orders stored under an external id; more than one is a duplicate."""
        return self._by_external.get(external_id, [])

    def first(self, number: int) -> list[int]:
        """Ids of the orders stored first."""
        return list(islice(self._by_id, number))

    def newest_first(self) -> Iterable[Order]:
        """All stored orders, newest first."""
        return reversed(self._by_id.values())


def _units(item: Mapping[str, Any]) -> int:
    return int(decimal_of(item["itemSpecifics"]["quantity"]) or 0)


def moment(text: Any) -> datetime | None:
    """Parse a date-time in any form shown on the vendor's pages (default UTC); ``None`` if invalid."""
    if not isinstance(text, str):
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def total_of(body: Mapping[str, Any], switches: ShopatronSwitches) -> int | str:
    """The order's total in cents: price times quantity, shipping and tax of every line, plus shipping tax.

    It is unknown whether shipping and tax of a line are per line or per unit (``charges_per``), whether the lines'
    own ``shippingTax`` is added to the order's (``shipping_tax``), and whether listed discounts reduce the total
    (``listed_discounts``).
    """
    total, line_shipping_taxes = Decimal(0), Decimal(0)
    for item in body["orderItems"]:
        specifics = item["itemSpecifics"]
        quantity = decimal_of(specifics["quantity"]) or Decimal(0)
        times = quantity if switches.charges_per == "unit" else Decimal(1)
        total += _amount(specifics.get("actualPrice")) * quantity
        total += (_amount(specifics.get("shipping")) + _amount(specifics.get("itemTaxOverride"))) * times
        line_shipping_taxes += _amount(specifics.get("shippingTax")) * times
    top = body.get("shippingTax")
    total += _amount(top)
    if top is None or switches.shipping_tax == "both":
        total += line_shipping_taxes
    if switches.listed_discounts == "counted":
        total -= sum(map(_listed, (body.get("discounts"), body.get("promotions"))), Decimal(0))
    return in_cents(total)


def _listed(entries: Any) -> Decimal:
    """The sum of a list of discounts: the member ``amount`` of each entry (assumed name)."""
    return sum((abs(_amount(entry.get("amount"))) for entry in entries or () if isinstance(entry, Mapping)), Decimal(0))


def _amount(value: Any) -> Decimal:
    return decimal_of(value) or Decimal(0)
