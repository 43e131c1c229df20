"""Orders of Sample Shop with any amounts that its documentation allows."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

SCALES = {"EUR": 2, "JPY": 0, "KWD": 3}

ADDRESS = {"first_name": "Ann", "last_name": "O'Neil", "address_1": "1 Elm Street", "city": "Ede", "country": "NL"}


def odd_order(rng: random.Random, number: int = 1) -> dict[str, Any]:
    """An order with odd amounts, discounts and taxes of lines, shipping and fees, in a currency of 0, 2 or 3 decimals.

    Amounts that the shop does not state are 0; ``total`` is what its documentation adds up.
    """
    currency = rng.choice(sorted(SCALES))

    def amount(most: int, least: int = 0) -> Decimal:
        return Decimal(rng.randint(least, most)).scaleb(-SCALES[currency])

    def charges(most: int) -> list[dict[str, str]]:
        made = [(amount(5_000), amount(900)) for _ in range(rng.randint(0, most))]
        return [{"total": f"{total:f}", "total_tax": f"{tax:f}"} for total, tax in made]

    lines: list[dict[str, Any]] = []
    for position in range(1, rng.randint(1, 4) + 1):
        subtotal = amount(200_003, least=1)
        off = min(subtotal, amount(20_000))
        lines.append(
            {
                "id": position,
                "sku": f"A-{position}",
                "name": "Lamp",
                "quantity": rng.randint(1, 13),
                "subtotal": f"{subtotal:f}",
                "total": f"{subtotal - off:f}",
                "total_tax": f"{amount(40_000):f}",
                "meta_data": [{"key": "Colour", "value": "blue"}],
            }
        )
    shipping, fees = charges(2), charges(1)
    order = {
        "id": number,
        "number": str(5000 + number),
        "status": "processing",
        "currency": currency,
        "date_created_gmt": "2026-03-04T12:00:00",
        "billing": ADDRESS | {"email": "buyer@shop.example"},
        "shipping": ADDRESS,
        "line_items": lines,
        "shipping_lines": shipping,
        "fee_lines": fees,
    }
    paid = [Decimal(entry[name]) for entry in (*lines, *shipping, *fees) for name in ("total", "total_tax")]
    return order | {"total": f"{sum(paid, Decimal(0)):f}"}
