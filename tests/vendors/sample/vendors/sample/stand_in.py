"""Sample Shop, simulated: a list of orders in pages, details, one acknowledgement per order, and imports by key."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from order_relay_sandbox.kit import (
    Paging,
    PlainDestination,
    PlainDestinationSwitches,
    PlainSource,
    PlainSourceSwitches,
    Window,
)

GOODS = (("LAMP-9", "Lamp", "10.00"), ("BELL", "Bell", "4.95"), ("MUG", "Mug", "0.33"), ("DESK", "Desk", "349.00"))
PLACES = (("Ede", "6711 AB", "NL", ""), ("Phoenix", "85001", "US", "AZ"), ("Łódź", "90-001", "PL", ""))
NAMES = (("Zoë", "Bakker"), ("Ann", "O'Neil"), ("小明", "王"))
CENT = Decimal("0.01")
AMOUNTS = ("total", "discount_total", "shipping_total", "total_tax")


class SampleSwitches(PlainSourceSwitches, PlainDestinationSwitches):
    """Those of a source and of a destination."""


class SampleShop(PlainSource[SampleSwitches], PlainDestination[SampleSwitches]):
    """One shop. Every amount is a text; a line's ``total`` is after its discount, and without tax."""

    name = "sample"
    roles = ("source", "destination")
    switches_model = SampleSwitches
    roots = ("/wp-json/",)
    path = "/wp-json/wc/v3/orders"
    accepts = ("basic", "token")
    token_path = "/wp-json/oauth/token"
    paging = Paging(link=True, total_header="X-WP-Total", pages_header="X-WP-TotalPages")
    window = Window("date_modified_gmt", since="modified_after", until="modified_before")
    import_path = "/wp-json/shop/v1/imports"
    key_member = "external_id"

    def make(self, rng: random.Random, number: int) -> dict[str, Any]:
        """An order whose total is the sum of its lines, shipping, fees and all taxes."""
        lines = [self._line(rng, position) for position in range(1, rng.choice((1, 1, 2, 3)) + 1)]
        shipping = [_charge("method_title", "Parcel", rng.choice(("0.00", "5.95", "12.00")))]
        fees = [_charge("name", "Gift wrap", "2.50")] if rng.random() < 0.2 else []
        paid = [Decimal(entry[name]) for entry in (*lines, *shipping, *fees) for name in ("total", "total_tax")]
        discount = sum((Decimal(line["subtotal"]) - Decimal(line["total"]) for line in lines), Decimal(0))
        return {
            "number": str(5000 + number),
            "currency": "EUR",
            "total": str(sum(paid, Decimal(0))),
            "discount_total": str(discount),
            "customer_note": rng.choice(("", "Please ring twice", "7/½")),
            "billing": _address(rng),
            "shipping": _address(rng),
            "line_items": lines,
            "shipping_lines": shipping,
            "fee_lines": fees,
            "coupon_lines": [{"code": "spring", "discount": str(discount)}] if discount else [],
            "meta_data": [{"id": 1, "key": "channel", "value": rng.choice(("web", "app"))}],
        }

    def problems(self, document: Mapping[str, Any]) -> Iterator[str]:
        """Missing members, and amounts that are not texts."""
        yield from (f"{name} is required" for name in ("number", "currency", *AMOUNTS) if not document.get(name))
        amounts = [document.get(name) for name in AMOUNTS] + [item.get("price") for item in _items(document)]
        if not all(isinstance(amount, str) for amount in amounts):
            yield "amounts must be texts"

    def total_of(self, document: Mapping[str, Any]) -> Decimal:
        """Price times quantity of all items, discount, shipping and tax; ``total`` itself is not trusted."""
        items = (Decimal(item["price"]) * item["quantity"] for item in _items(document))
        return sum(items, sum((Decimal(document[name]) for name in AMOUNTS[1:]), Decimal(0)))

    @staticmethod
    def _line(rng: random.Random, position: int) -> dict[str, Any]:
        sku, name, price = rng.choice(GOODS)
        quantity = rng.choice((1, 1, 2, 3, 7))
        subtotal = Decimal(price) * quantity
        total = _rounded(subtotal * rng.choice((Decimal(1), Decimal(1), Decimal("0.9"))))
        return {
            "id": position,
            "sku": sku,
            "name": name,
            "quantity": quantity,
            "subtotal": str(subtotal),
            "total": str(total),
            "total_tax": str(_rounded(total * Decimal("0.21"))),
            "meta_data": [{"key": "Colour", "value": "blue"}] if rng.random() < 0.3 else [],
        }


def _items(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return document.get("line_items") or []


def _charge(label: str, text: str, amount: str) -> dict[str, Any]:
    tax = _rounded(Decimal(amount) * Decimal("0.21"))
    return {label: text, "total": amount, "total_tax": str(tax)}


def _address(rng: random.Random) -> dict[str, Any]:
    city, postcode, country, state = rng.choice(PLACES)
    first, last = rng.choice(NAMES)
    return {
        "first_name": first,
        "last_name": last,
        "company": "",
        "address_1": f"{rng.randrange(1, 99)} Elm Street",
        "address_2": "",
        "city": city,
        "postcode": postcode,
        "state": state,
        "country": country,
        "email": "buyer@shop.example",
        "phone": "0318 555 01 23",
    }


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


STAND_IN = SampleShop
