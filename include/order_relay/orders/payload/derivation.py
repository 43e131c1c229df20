"""Columns derived from the canonical ones for sending, and items whose amounts add up to the order's total."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from order_relay.orders.mapping.canonical import CanonicalOrders
from order_relay.orders.mapping.line_ids import ItemIds
from order_relay.orders.money.allocation import allocate, split_line
from order_relay.orders.money.amounts import from_minor, per_unit
from order_relay.orders.payload.charges import ChargeItem, Charges
from order_relay.orders.payload.totals import rounded_price

ORDER_DERIVED = ("destination_key", "comment")
"""Columns that ``derive_columns`` adds to those of an order."""

ITEM_DERIVED = (
    "external_item_id",
    "item_name",
    "item_quantity",
    "actual_price",
    "retail_price",
    "item_freight",
    "item_tax",
)
"""Columns that ``allocate_items`` adds to those of a line."""


def derive_columns(canonical: CanonicalOrders, key_prefix: str) -> dict[str, list[Any]]:
    """The columns of the orders with the derived ones."""
    orders = {name: canonical.orders[name].tolist() for name in canonical.orders.columns}
    own = orders.get("destination_key") or orders["order_number"]
    orders["destination_key"] = [None if key is None else f"{key_prefix}{key}" for key in own]
    orders["comment"] = _comments(canonical, orders["notes"])
    return orders


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


def allocate_items(
    items: pd.DataFrame,
    canonical: CanonicalOrders,
    orders: Mapping[str, list[Any]],
    good: Sequence[int],
    *,
    each_unit: bool,
    charges: Charges,
    needed: Collection[str],
) -> tuple[dict[str, list[Any]], dict[int, range]]:
    """The items to send, as columns, and the range of items of each order. Only for orders that add up.

    Of the columns of lines, those ``needed`` are repeated for the items. An item that is a charge and no line has the
    position -1.
    """
    lines = {name: items[name].tolist() for name in items.columns}
    bounds = _bounds(lines["order"])
    numbers = _numbers(canonical)
    out: dict[str, list[Any]] = {name: [] for name in ITEM_DERIVED}
    add = [out[name].append for name in ITEM_DERIVED]
    kept: list[int] = []
    of_order: dict[int, range] = {}
    extra: dict[int, tuple[int, ChargeItem]] = {}
    for row in good:
        span = bounds[row]
        ids = ItemIds(numbers[row])
        weights = lines["extended"][span.start : span.stop]
        discounts = allocate(-orders["discount"][row] + charges.added("discount", orders, row), weights)
        freights = allocate(orders["freight"][row] + charges.added("freight", orders, row), weights)
        taxes = allocate(orders["tax"][row] + charges.added("tax", orders, row), weights)
        scale = orders["scale"][row]
        start = len(kept)
        for at, line in enumerate(span):
            quantity = lines["quantity"][line]
            found = split_line(weights[at] - discounts[at], quantity, freights[at], taxes[at], each_unit=each_unit)
            shown = rounded_price(lines["unit_price"][line], scale) or per_unit(weights[at], quantity, scale)
            name = lines["description"][line] or lines["item_number"][line]
            for item_id, piece in zip(ids.ids_for_line(lines["line"][line], len(found)), found, strict=True):
                kept.append(line)
                values = (
                    item_id,
                    name,
                    piece.quantity,
                    from_minor(piece.price, scale),
                    shown,
                    from_minor(piece.freight, scale),
                    from_minor(piece.tax, scale),
                )
                for append, value in zip(add, values, strict=True):
                    append(value)
        for charge in charges.items(orders, row):
            extra[len(kept)] = row, charge
            kept.append(-1)
            price, zero = from_minor(charge.amount, scale), from_minor(0, scale)
            values = ids.id_for_charge(charge.part_number), charge.name, 1, price, price, zero, zero
            for append, value in zip(add, values, strict=True):
                append(value)
        of_order[row] = range(start, len(kept))
    for name in lines.keys() & {*needed, "order", "position"}:
        column = lines[name]
        out[name] = [None if line < 0 else column[line] for line in kept]
    _place_charges(out, extra)
    return out, of_order


def _place_charges(out: dict[str, list[Any]], extra: Mapping[int, tuple[int, ChargeItem]]) -> None:
    """The line columns of items that are charges."""
    for at, (row, charge) in extra.items():
        given = {"order": row, "position": -1, "item_number": charge.part_number, "description": charge.name}
        for name, value in given.items():
            if name in out:
                out[name][at] = value


def _numbers(canonical: CanonicalOrders) -> list[list[str]]:
    """The ids of all lines of each order, including promotions and cancelled lines."""
    numbers: list[list[str]] = [[] for _ in range(len(canonical.orders))]
    for row, number in zip(canonical.lines["order"].tolist(), canonical.lines["line"].tolist(), strict=True):
        numbers[row].append(number)
    return numbers


def _bounds(order: Sequence[int]) -> dict[int, range]:
    """The range of each order's lines, which are contiguous."""
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for index, row in enumerate(order):
        starts.setdefault(row, index)
        ends[row] = index + 1
    return {row: range(start, ends[row]) for row, start in starts.items()}
