"""Columns of orders that destinations' rules read: the canonical ones with decimal amounts, and derived ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from order_relay.orders.mapping.canonical import ORDER_MONEY, CanonicalOrders, charge_columns
from order_relay.orders.money.amounts import from_minor

ORDER_DERIVED = ("destination_key", "comment", "historic")
"""Columns that are added to those of an order. ``historic``: whether a history import read it."""


def derive_columns(canonical: CanonicalOrders, minor: Mapping[str, list[Any]], key_prefix: str) -> dict[str, list[Any]]:
    """The columns of the orders with the derived ones. ``minor``: the canonical columns, amounts in minor units.

    Amounts become decimals of the order's currency.
    """
    orders = {name: column for name, column in minor.items() if name != "scale"}
    for name in (*ORDER_MONEY, *charge_columns(minor)):
        orders[name] = decimals(minor[name], minor["scale"])
    own = minor.get("destination_key") or minor["order_number"]
    orders["destination_key"] = [None if key is None else f"{key_prefix}{key}" for key in own]
    orders["comment"] = _comments(canonical, minor["notes"])
    return orders


def place_sums(
    orders: dict[str, list[Any]], sums: Mapping[int, tuple[int, int, int]], scales: Sequence[int | None]
) -> None:
    """Set discount, freight and tax to those of the whole order: with its lines', and charges that are sent like them.

    ``sums``: by row, in minor units.
    """
    for at, name in enumerate(("discount", "freight", "tax")):
        column: list[int | None] = [None] * len(scales)
        for row, amounts in sums.items():
            column[row] = amounts[at]
        orders[name] = decimals(column, scales)


def decimals(amounts: Sequence[int | None], scales: Sequence[int | None]) -> list[Any]:
    """Minor units as decimals; ``scales``: the decimals of each order's currency."""
    return [
        None if amount is None or scale is None else from_minor(amount, scale)
        for amount, scale in zip(amounts, scales, strict=True)
    ]


def _comments(canonical: CanonicalOrders, notes: Sequence[str | None]) -> list[str | None]:
    """Texts of promotions and cancelled lines, then the order's own notes, which are cut first if it is too long.

    A cancelled line has quantity 0 and no amount.
    """
    texts: list[list[str]] = [[] for _ in notes]
    names = ("order", "item_number", "description", "promotion", "quantity")
    of_lines = (canonical.lines[name].tolist() for name in names)
    for row, number, description, promotion, quantity in zip(*of_lines, strict=True):
        if promotion or quantity == 0:
            text = ": ".join(part for part in (number, description) if part)
            texts[row].append(text if promotion else f"{text or 'line'} (quantity 0)")
    both = ((*found, note) for found, note in zip(texts, notes, strict=True))
    return ["\n".join(part for part in parts if part) or None for parts in both]
