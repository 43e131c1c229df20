"""Orders for the benchmark, with the assumed SuperCat body: realistic, repeatable and importable.

None is invalid or a resubmission, so the number of POSTs equals the number of orders, and the bare loop can post the
same bodies.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

_FIRST = ("Ann", "José", "Zoë", "Björn", "Mei", "Łukasz", "Siobhán", "Omar", "Priya", "Kaoru")
_LAST = ("Miller", "Núñez", "O'Neill", "Åkesson", "Wong", "Kowalczyk", "van Dijk", "Haddad", "Iyer", "Sato")
_SHOPS = ("Lamp & Light", "Casa Bonita", "North Shore Interiors", "Der Leuchtenladen", "Maison Clair", "Oak Street")
_CITIES = (("Phoenix", "AZ", "85004"), ("San Luis Obispo", "CA", "93405"), ("Columbus", "OH", "43215"))
_GOODS = ("Table lamp", "Floor lamp", "Sconce", "Pendant", "Mirror", "Side table", "Ottoman", "Vase")
_START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def _money(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def _address(dice: random.Random) -> dict[str, Any]:
    city, state, postal_code = dice.choice(_CITIES)
    first, last = dice.choice(_FIRST), dice.choice(_LAST)
    return {
        "name": f"{first} {last}",
        "company": dice.choice(_SHOPS),
        "address1": f"{dice.randint(1, 999)} Example Street",
        "address2": dice.choice((None, "Suite 4", "")),
        "city": city,
        "state": state,
        "postal_code": postal_code,
        "country": "US",
        "phone": f"000-555-{dice.randint(0, 9999):04d}",
        "email": f"buyer{dice.randint(1, 9999)}@shop.example",
    }


def _items(dice: random.Random) -> tuple[list[dict[str, Any]], int]:
    items: list[dict[str, Any]] = []
    subtotal = 0
    for line in range(1, dice.randint(1, 6) + 1):
        quantity, cents = dice.randint(1, 12), dice.randint(99, 39_900)
        subtotal += quantity * cents
        items.append(
            {
                "line": line,
                "item_number": f"{dice.choice('LFSPMTOV')}-{dice.randint(100, 9999)}",
                "description": dice.choice(_GOODS),
                "quantity": quantity,
                "unit_price": _money(cents),
                "extended_price": _money(quantity * cents),
                "upc": None,
                "options": {"finish": dice.choice(("brass", "nickel", "oak"))} if dice.random() < 0.5 else {},
            }
        )
    return items, subtotal


def order(number: int, dice: random.Random) -> dict[str, Any]:
    """One order whose totals add up to the cent."""
    items, subtotal = _items(dice)
    discount = -(subtotal // 10) if dice.random() < 0.25 else 0
    freight = dice.choice((0, 0, 1_250, 4_999))
    tax = dice.choice((0, 0, subtotal * 7 // 100))
    submitted = _START + timedelta(seconds=37 * number)
    address = _address(dice)
    return {
        "id": 400_000 + number,
        "uuid": str(uuid.UUID(int=dice.getrandbits(128), version=4)).upper(),
        "order_number": f"{7000 + number % 900}-{submitted:%m%d%y}-{number}",
        "submitted_at": submitted.isoformat(),
        "customer_number": f"C-{number % 700}",
        "customer_po": f"PO {number}",
        "currency": "USD",
        "bill_to": address,
        "ship_to": dict(address),
        "ship_via": "UPS Ground",
        "requested_ship_date": f"{submitted + timedelta(days=9):%Y-%m-%d}",
        "terms": "Net 30",
        "sales_rep": {"name": "Rae Porter", "email": "rae@rep.example"},
        "notes": "Leave at the dock" if dice.random() < 0.3 else None,
        "items": items,
        "subtotal": _money(subtotal),
        "discount": _money(discount),
        "freight": _money(freight),
        "tax": _money(tax),
        "total": _money(subtotal + discount + freight + tax),
        "payment": {"method": "terms", "transaction_id": None, "card_last4": None},
        "custom_fields": {},
    }


def generate(count: int, seed: int = 7) -> Iterator[dict[str, Any]]:
    """``count`` orders, repeatable by seed."""
    dice = random.Random(seed)
    for number in range(1, count + 1):
        yield order(number, dice)


def write(path: Path, count: int) -> None:
    """Write the orders, one per line."""
    with path.open("w", encoding="utf-8") as file:
        for document in generate(count):
            file.write(json.dumps(document, ensure_ascii=False) + "\n")
