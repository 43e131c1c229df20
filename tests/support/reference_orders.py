"""Orders for the literal vendors, each beside the state in which the tables say that it must end.

Written by hand from the vendors' pages and the ledger's tables; no generator of the sandbox is used.
"""

from __future__ import annotations

import copy
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Case:
    """One submission, the state that it must end in, and the total that the OMS must work out (None: never sent)."""

    order: dict[str, Any]
    state: str
    total: Decimal | None = None


def address(name: str, **changes: Any) -> dict[str, Any]:
    plain = {
        "name": name,
        "company": "Lamp & Co",
        "address1": "55 Example St",
        "address2": None,
        "city": "Phoenix",
        "state": "AZ",
        "postal_code": "85001",
        "country": "US",
        "phone": "000-111-0000",
        "email": "buyer@shop.example",
    }
    return plain | changes


def line(number: int, item: str, quantity: Any, unit: str | None, extended: str | None) -> dict[str, Any]:
    return {
        "line": number,
        "item_number": item,
        "description": f"Article {item}",
        "quantity": quantity,
        "unit_price": unit,
        "extended_price": extended,
        "upc": None,
        "options": {},
    }


class Relay:
    """Writes orders with ids that follow each other, as the vendor assigns them."""

    def __init__(self) -> None:
        self.next_id = 400100

    def order(
        self,
        lines: list[dict[str, Any]],
        *,
        discount: str = "0.00",
        freight: str = "0.00",
        tax: str = "0.00",
        name: str = "Jörg Müller-Łukasz",
        number: str | None = None,
        family: str | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        self.next_id += 7
        subtotal = sum((Decimal(i["extended_price"]) for i in lines if i["extended_price"]), Decimal(0))
        total = subtotal + Decimal(discount) + Decimal(freight) + Decimal(tax)
        plain = {
            "id": self.next_id,
            "uuid": family or str(uuid.uuid5(uuid.NAMESPACE_OID, str(self.next_id))).upper(),
            "order_number": number or f"{self.next_id % 9000 + 1000}-021524-{self.next_id % 900 + 100}",
            "submitted_at": "2024-02-15T15:42:10-07:00",
            "customer_number": "C-1044",
            "customer_po": "EMAIL",
            "currency": "USD",
            "bill_to": address(name),
            "ship_to": address(name),
            "ship_via": "UPS Ground",
            "requested_ship_date": "2024-02-20",
            "terms": "Net 30",
            "sales_rep": {"name": "R. Epp", "email": "rep@brand.example"},
            "notes": None,
            "items": lines,
            "subtotal": f"{subtotal:.2f}",
            "discount": discount,
            "freight": freight,
            "tax": tax,
            "total": f"{total:.2f}",
            "payment": {"method": "terms", "transaction_id": None, "card_last4": None},
            "custom_fields": {},
        }
        return plain | changes


def cases() -> list[Case]:
    """Every kind of order that the tables speak of."""
    relay = Relay()
    return [*good(relay), *versions(relay), *refused(relay), *reused_identities(relay)]


def sent(order: dict[str, Any]) -> Case:
    return Case(order, "imported", Decimal(order["total"]))


def good(relay: Relay) -> list[Case]:
    two = [line(1, "LAMP-9", 2, "142.50", "285.00"), line(2, "BULB-1", 7, "3.33", "23.31")]
    promotion = {**line(3, "PROMO", 1, None, None), "description": "Spring promotion: ask for the display"}
    uneven = [line(1, "A", 3, "9.99", "29.97"), line(2, "B", 7, "1.43", "10.01"), line(3, "C", 11, "0.05", "0.55")]
    return [
        sent(relay.order(two)),
        sent(relay.order(two, discount="-28.50")),
        sent(relay.order(uneven, discount="-3.34", freight="7.77", tax="2.01")),
        sent(relay.order(uneven, freight="0.01", tax="0.02")),
        sent(relay.order([*two, promotion])),
        sent(relay.order([line(1, "FREE", 4, "0.00", "0.00"), line(2, "PAID", 1, "10.00", "10.00")], discount="-1.00")),
        sent(relay.order([line(1, "HALF", 8, "0.125", "1.00")])),
        sent(relay.order([line(1, "HALF", 3, "0.335", "1.01")])),
        sent(relay.order([line(1, "TWO-POINT-NOUGHT", 2.0, "5.00", "10.00")])),
        sent(relay.order(two, name="Cher")),
        sent(relay.order(two, name="")),
        sent(relay.order(two, name="李小龍 " + "長" * 60)),
        sent(relay.order(two, notes="Please call. " * 200)),
        sent(relay.order(two, currency=None)),
        sent(relay.order(two, id=str(relay.next_id + 100_000))),
        sent(
            relay.order(
                [line(n, f"ROW-{n}", n % 5 + 1, "1.07", f"{Decimal('1.07') * (n % 5 + 1):.2f}") for n in range(1, 201)],
                discount="-11.11",
                tax="13.37",
            )
        ),
        sent(relay.order(two, notes="card 4111 1111 1111 1111 on file")),
    ]


def versions(relay: Relay) -> list[Case]:
    lines = [line(1, "LAMP-9", 2, "10.00", "20.00"), line(2, "BULB-1", 1, "5.00", "5.00")]
    more = [line(1, "LAMP-9", 5, "10.00", "50.00"), line(2, "BULB-1", 1, "5.00", "5.00")]
    other = [line(1, "SOFA-1", 1, "900.00", "900.00")]

    first = relay.order(lines)
    newer = relay.order(more, number=f"{first['order_number']}-1", family=first["uuid"])
    newest = relay.order(lines, number=f"{first['order_number']}-2", family=first["uuid"])

    form = relay.order(lines)
    reused = relay.order(other, number=f"{form['order_number']}-1", family=form["uuid"])

    base = relay.order(lines)
    broken = relay.order(more, number=f"{base['order_number']}-1", family=base["uuid"], total="1.00")

    orphan = relay.order(lines, number="7777-021524-300-1")
    return [
        Case(first, "superseded"),
        Case(newer, "superseded"),
        sent(newest),
        Case(form, "held"),
        Case(reused, "held"),
        Case(base, "waiting"),
        Case(broken, "quarantined"),
        Case(orphan, "held"),
    ]


def refused(relay: Relay) -> list[Case]:
    lines = [line(1, "LAMP-9", 2, "10.00", "20.00")]
    nameless = relay.order(lines)
    del nameless["items"]
    return [
        Case(relay.order(lines, total="21.00"), "quarantined"),
        Case(relay.order(lines, subtotal="19.00"), "quarantined"),
        Case(relay.order([line(1, "KILO", "1.5", "10.00", "15.00")]), "quarantined"),
        Case(relay.order([line(1, "LAMP-9", 2, "10.00", "25.00")]), "quarantined"),
        Case(relay.order([line(1, "PROMO", 1, None, None)]), "quarantined"),
        Case(relay.order([]), "quarantined"),
        Case(nameless, "quarantined"),
        Case(relay.order(lines, submitted_at="yesterday"), "quarantined"),
        Case(relay.order(lines, ship_to="Main Street 1"), "quarantined"),
    ]


def reused_identities(relay: Relay) -> list[Case]:
    lines = [line(1, "LAMP-9", 2, "10.00", "20.00")]
    one = relay.order(lines, number="6001-021524-001")
    two = relay.order(lines, number="6001-021524-001")
    without = relay.order(lines)
    without["id"] = None
    return [Case(one, "held"), Case(two, "held"), Case(without, "quarantined")]


def resubmitted_after_import(order: dict[str, Any], new_id: int) -> dict[str, Any]:
    """The rep changes an order that the OMS already has, and submits it again."""
    later = copy.deepcopy(order)
    later["id"] = new_id
    later["order_number"] = f"{order['order_number']}-1"
    return later
