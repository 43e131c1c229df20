"""Invalid orders with one defect each, and suffixed orders whose base is unknown."""

from __future__ import annotations

import random
from collections.abc import Callable

from order_relay_sandbox.money import text
from order_relay_sandbox.supercat.body import Order, cents


def _missing_field(rng: random.Random, order: Order) -> Order:
    del order[rng.choice(("items", "ship_to", "total"))]
    return order


def _totals_off(rng: random.Random, order: Order) -> Order:
    order["total"] = text(cents(order["total"]) + rng.choice((-100, -1, 1, 7, 2500)))
    return order


def _fractional_quantity(rng: random.Random, order: Order) -> Order:
    line = rng.choice(order["items"])
    line["quantity"] = line["quantity"] + 0.5
    return order


def _wrong_type(rng: random.Random, order: Order) -> Order:
    name, value = rng.choice((("items", {"1": "LAMP-9"}), ("ship_to", "12 Elm Street"), ("total", ["12.00"])))
    order[name] = value
    return order


def _no_identity(rng: random.Random, order: Order) -> Order:
    """An order without id; the generator omits it."""
    order["order_number"] = None
    del order["uuid"]
    return order


def _suffix_without_base(rng: random.Random, order: Order) -> Order:
    order["order_number"] += "-1"
    return order


SPOILERS: dict[str, Callable[[random.Random, Order], Order]] = {
    "missing_field": _missing_field,
    "totals_off": _totals_off,
    "fractional_quantity": _fractional_quantity,
    "wrong_type": _wrong_type,
    "no_identity": _no_identity,
    "suffix_without_base": _suffix_without_base,
}
