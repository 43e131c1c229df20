"""Orders and addresses of the web shops and the shops' clock; keeps the audit up to date."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from order_relay_sandbox.audit import Audit, Offer
from order_relay_sandbox.cloudsuite import generator
from order_relay_sandbox.cloudsuite.switches import CloudSuiteSwitches
from order_relay_sandbox.kit import clock
from order_relay_sandbox.money import decimal_of, in_cents

NAME = "cloudsuite"

CANCEL = "cancel"

_SETTLED = {0: CANCEL, 1: "processing"}
_DIGITS = 19

Document = dict[str, Any]


@dataclass(slots=True)
class Order:
    """One order. Times are time-zone aware.

    ``document`` holds the members of its detail (amounts as ``Decimal``, addresses as ids). ``raw`` is the exact
    text in which it was offered, until a client changes it.
    """

    document: Document
    kind: str
    offline: bool
    created: datetime
    modified: datetime
    confirmed: datetime | None
    raw: bytes | None = None
    offer: Offer | None = None
    write_backs: Counter[str] = field(default_factory=Counter)
    deliveries: list[str] = field(default_factory=list)
    delivered: dict[str, Decimal] = field(default_factory=dict)
    statuses: int = 0

    @property
    def id(self) -> int:
        """CloudSuite's own id."""
        order_id: int = self.document["id"]
        return order_id

    @property
    def lines(self) -> list[Document]:
        """Its lines; empty if the order was offered with something else in their place."""
        lines = self.document.get("order_lines")
        return [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []

    @property
    def external_id(self) -> str:
        """The order's expected external id at the destination: web shop and reference."""
        return f"{_written(self.document.get('webshop'))}-{_written(self.document.get('reference'))}"


class OrderStore:
    """All orders by id. All changes are made here, to keep audit and modification dates consistent."""

    def __init__(self, switches: CloudSuiteSwitches, audit: Audit, seed: int) -> None:
        self.switches = switches
        self._audit = audit
        self._seed = seed
        self._generated = 0
        self._orders: dict[int, Order] = {}
        self._due: dict[int, datetime] = {}
        self.addresses: dict[int, Document] = {}
        self.delivery_numbers: set[str] = set()
        self.put_back: list[str] = []
        self.cancelled: dict[str, None] = {}
        self.writes_after_cancel: dict[str, Counter[str]] = {}
        self._ahead = (switches.now - clock.now()) if switches.now else timedelta()

    def now(self) -> datetime:
        """The shops' running clock (UTC), which tests may advance."""
        return clock.now() + self._ahead

    def advance(self, by: timedelta) -> datetime:
        """Advance the clock and confirm the orders that became due."""
        self._ahead += by
        self.catch_up()
        return self.now()

    def catch_up(self) -> None:
        """Confirm the orders that are due."""
        now = self.now()
        for order_id in [order_id for order_id, moment in self._due.items() if moment <= now]:
            order, moment = self._orders[order_id], self._due.pop(order_id)
            if order.document["state"] == "draft":
                order.confirmed = order.modified = moment
                order.document["state"] = "confirmed"
                self._update_audit(order)

    def generate(self, count: int, seed: int) -> None:
        """Add generated orders, confirmed within the spread before now."""
        self._seed = seed
        spread, now = timedelta(hours=self.switches.spread_h), self.now()
        for made in generator.orders(count, seed, self._generated):
            self._add_generated(made, now - spread * made.age)
        self._generated += count

    def arrive(self) -> None:
        """Add one generated order, confirmed now."""
        made = next(generator.orders(1, self._seed, self._generated))
        self._generated += 1
        self._add_generated(made, self.now())

    def _add_generated(self, made: generator.Made, confirmed: datetime) -> None:
        self.addresses.update((address["id"], address) for address in made.addresses)
        settled = self.switches.settled_after_h
        if settled and made.document["state"] == "confirmed" and confirmed < self.now() - timedelta(hours=settled):
            made.document["state"] = _SETTLED.get(made.document["id"] // 3 % 20, "done")
        self._add(made.document, made.kind, confirmed, offline=made.offline)

    def offer(self, order: Mapping[str, Any] | bytes, kind: str) -> Order:
        """Add an order, or replace the one with the same id. Missing members are filled in.

        An object may also have ``confirm_date`` (with a zone; a future one confirms the order at that time),
        ``offline``, and addresses as objects. Bytes without these are the exact text of the detail.
        """
        document = _parsed(order) if isinstance(order, bytes) else dict(order)
        wished, offline = document.pop("confirm_date", None), bool(document.pop("offline", False))
        confirmed = datetime.fromisoformat(wished) if isinstance(wished, str) else self.now()
        self._adopt_addresses(document)
        added = self._add(self._completed(document), kind, confirmed, offline=offline)
        added.raw = order if isinstance(order, bytes) and wished is None and not offline else None
        return added

    def _completed(self, document: Document) -> Document:
        order_id = document.get("id")
        if not isinstance(order_id, int):
            order_id = max(self._orders, default=generator.FIRST_ID) + 1
        blank: Document = {
            "id": order_id,
            "reference": f"CS{order_id}",
            "key": None,
            "customer_order_number": None,
            "erp_order_number": None,
            "description": None,
            "state": "confirmed",
            "payment_status": "paid",
            "shipment_state": None,
            "requested_delivery_date": None,
            "currency": "EUR",
            "paid_amount": None,
            "customer": 1000,
            "user": 2000,
            "webshop": 1,
            "order_lines": [],
            "shipment_address": None,
            "invoice_address": None,
        }
        return blank | document | {"id": order_id}

    def _adopt_addresses(self, document: Document) -> None:
        for side in ("shipment_address", "invoice_address"):
            address = document.get(side)
            if isinstance(address, Mapping):
                given = address.get("id")
                address_id = given if isinstance(given, int) else max(self.addresses, default=0) + 1
                self.addresses[address_id] = {**address, "id": address_id}
                document[side] = address_id

    def _add(self, document: Document, kind: str, confirmed: datetime, *, offline: bool) -> Order:
        created = min(confirmed, self.now()) - timedelta(seconds=97, microseconds=104_511)
        date = created.astimezone(self.zone).date().isoformat()
        order = Order({"order_date": date, **document}, kind, offline, created, created, None)
        former = self._orders.get(order.id)
        if former is not None and former.offer is not None:
            order.offer = former.offer
            order.offer.acknowledged = False
        self._orders[order.id] = order
        self._due.pop(order.id, None)
        if document["state"] == "confirmed" and confirmed > self.now():
            order.document["state"] = "draft"
            self._due[order.id] = confirmed
        elif document["state"] not in ("draft", "quotation"):
            order.confirmed = order.modified = confirmed
        self._update_audit(order)
        return order

    def create(self, document: Document) -> Order:
        """Add an order posted by a client; it is offline."""
        return self._add(self._completed(document), "posted", self.now(), offline=True)

    def change(self, order: Order, changes: Mapping[str, Any]) -> None:
        """Change an order as the shop: a payment, a cancellation, a confirmed draft."""
        if changes.get("state") == CANCEL:
            self.cancelled[order.external_id] = None
        order.document |= changes
        order.raw, order.modified = None, self.now()
        if order.document["state"] == "confirmed" and order.confirmed is None:
            order.confirmed = order.modified
        self._update_audit(order)

    def write(self, order: Order, document: Document, steps: Counter[str]) -> None:
        """Change an order as a client. Leaving ``confirmed`` acknowledges it; returning to it is counted."""
        before, after = order.document["state"], document["state"]
        order.document, order.raw, order.modified = document, None, self.now()
        order.write_backs.update(steps)
        if before == CANCEL:
            self.record_write_after_cancel(order, steps)
        if before == "confirmed" != after and order.offer is not None:
            self._audit.acknowledge(order.offer)
        if before != "confirmed" == after and order.offer is not None:
            self.put_back.append(order.external_id)
            order.offer.acknowledged = False
        self._update_audit(order)

    def record_write_after_cancel(self, order: Order, steps: Counter[str]) -> None:
        """Record a client's write to an order that the shop has cancelled."""
        self.writes_after_cancel.setdefault(order.external_id, Counter()).update(steps or {"nothing": 1})

    def _update_audit(self, order: Order) -> None:
        if order.document["state"] == "confirmed" and not order.offline:
            if order.offer is None:
                order.offer = self._audit.offer(_offer(order))
            order.offer.total = _total(order.document)
        self._audit.forbid(order.external_id, self._forbidden(order))

    def _forbidden(self, order: Order) -> str:
        """Why the order must not be imported at present; empty if it may."""
        if order.offline:
            return "offline"
        acknowledged = order.offer is not None and order.offer.acknowledged
        if order.document["state"] != "confirmed" and not acknowledged:
            return "not confirmed"
        status = order.document.get("payment_status")
        free = status == "none" and order.document.get("webshop") in self.switches.none_payable_webshops
        return "" if free or status in self.switches.payable else "not paid"

    @property
    def zone(self) -> ZoneInfo:
        """The shops' zone."""
        return ZoneInfo(self.switches.time_zone)

    def all(self) -> Iterator[Order]:
        """All orders by rising id."""
        return (self._orders[order_id] for order_id in sorted(self._orders))

    def find(self, word: str) -> Order | None:
        """Find by id, or by external key as ``ext:<key>``."""
        if word.startswith("ext:"):
            return next((order for order in self._orders.values() if order.document.get("key") == word[4:]), None)
        return self._orders.get(number_of(word))

    def named(self, word: str) -> Order | None:
        """Find by id, external key, or web shop and reference (for tests)."""
        return self.find(word) or next((o for o in self._orders.values() if o.external_id == word), None)


def _written(value: Any) -> Any:
    """Whole numbers without decimals, whatever their form in the offer: 1.0 becomes 1."""
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


def number_of(word: str) -> int:
    """An id from a path; -1, which no order has, if it is not a number."""
    return int(word) if word.isascii() and word.isdigit() and len(word) < _DIGITS else -1


def _offer(order: Order) -> Offer:
    return Offer(
        source=NAME,
        number=order.external_id,
        source_id=str(order.id),
        lineage="",
        rank=None,
        external_id=order.external_id,
        total=None,
        kind=order.kind,
    )


def _total(document: Document) -> int | str | None:
    """Price times quantity of all lines in cents; ``None`` if a line is invalid."""
    total = Decimal(0)
    lines = document.get("order_lines")
    for line in lines if isinstance(lines, list) else [None]:
        known = line if isinstance(line, dict) else {}
        price, quantity = decimal_of(known.get("unit_price")), decimal_of(known.get("quantity"))
        if price is None or quantity is None:
            return None
        total += price * quantity
    return in_cents(total)


def _parsed(raw: bytes) -> Document:
    """The order for lists and the audit; text that cannot be parsed is offered, too."""
    try:
        document = json.loads(raw, parse_float=Decimal)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
