"""Whether an order's own numbers add up. What does not is refused, never mended."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pandas as pd

from order_relay.errors import Refusal
from order_relay.orders.canonical import Canonical, Reader
from order_relay.orders.units import extension

Refuse = Callable[[int, str, str, str], None]


def judge(canonical: Canonical, reader: Reader) -> pd.DataFrame:
    """Add what is wrong with lines and totals to the refusals; gives the lines that are items, with their amounts.

    In the result ``quantity`` and ``extended`` are ``int64``, ``unit_price`` is ``Decimal`` or ``None``.
    """

    def refuse(row: int, code: str, place: str, why: str) -> None:
        canonical.refusals[row].append(Refusal(code, place, f"{place} {why}"))

    items = canonical.lines.loc[~canonical.lines["promotion"]].copy()
    items["extended"], items["quantity"] = _lines(items, canonical, reader, refuse)
    items = items.astype({"extended": "int64", "quantity": "int64"})
    _repeated(items, canonical, reader, refuse)
    _promotions_only(items, canonical, reader, refuse)
    _totals(items, canonical, reader, refuse)
    return items


def _lines(items: pd.DataFrame, canonical: Canonical, reader: Reader, refuse: Refuse) -> tuple[list[int], list[int]]:
    """Extended amounts and quantities of all items; 0 where they can not be known (the order is refused then)."""
    scales = canonical.orders["scale"].tolist()
    extended: list[int] = []
    quantities: list[int] = []
    names = ("order", "position", "item_number", "quantity", "unit_price", "extended")
    for row, position, number, quantity, unit, amount in zip(*(items[name].tolist() for name in names), strict=True):
        for column, value in (("item_number", number), ("quantity", quantity)):
            if value is None:
                _missing(row, reader.line_place(column, position), canonical, refuse)
        scale = scales[row]
        if quantity is None or scale is None or (unit is None and amount is None):
            canonical.priceless.add(row)
            extended.append(0)
            quantities.append(0)
            continue
        if amount is None:
            amount = extension(unit, quantity, scale)  # noqa: PLW2901
        elif unit is not None and abs(2 * (amount - (unit * quantity).scaleb(scale))) > quantity:
            place = reader.line_place("extended", position)
            refuse(row, "price_mismatch", place, "is more than half a cent a unit off unit price times quantity")
        for column, value in (("extended", amount), ("unit_price", unit)):
            if value is not None and value < 0:
                refuse(row, "negative_amount", reader.line_place(column, position), "is negative")
        extended.append(amount)
        quantities.append(quantity)
    return extended, quantities


def _missing(row: int, place: str, canonical: Canonical, refuse: Refuse) -> None:
    """A missing value, unless it is missing because it was refused already."""
    if not any(known.pointer == place for known in canonical.refusals[row]):
        refuse(row, "missing_field", place, "is required and missing")


def _repeated(items: pd.DataFrame, canonical: Canonical, reader: Reader, refuse: Refuse) -> None:
    """Two items under one line number: what the OMS reports by it could not be told apart."""
    label = [line or str(at + 1) for line, at in zip(items["line"].tolist(), items["position"].tolist(), strict=True)]
    items["line"] = label
    twice = items.loc[items.duplicated(["order", "line"]), ["order", "position"]]
    for row, position in zip(twice["order"].tolist(), twice["position"].tolist(), strict=True):
        refuse(row, "repeated_line", reader.line_place("line", position), "is the number of an earlier line too")


def _promotions_only(items: pd.DataFrame, canonical: Canonical, reader: Reader, refuse: Refuse) -> None:
    lines = set(canonical.lines["order"].tolist())
    for row in sorted(lines - set(items["order"].tolist())):
        place = reader.line_place("", 0).rsplit("/", 1)[0]
        refuse(row, "only_promotions", place, "holds promotion texts and no item")
        canonical.priceless.add(row)


def _totals(items: pd.DataFrame, canonical: Canonical, reader: Reader, refuse: Refuse) -> None:
    """Subtotal, discount, freight, tax and total against each other, for all orders whose money could be read."""
    known = [row for row in range(len(canonical.orders)) if row not in canonical.priceless]
    _work_out(items, canonical, reader, known)
    money = canonical.orders.loc[known, ["subtotal", "discount", "freight", "tax", "total"]]
    incomplete = money.isna()
    for column in money.columns:
        for row in money.index[incomplete[column]].tolist():
            _missing(row, reader.order_place(column), canonical, refuse)
            canonical.priceless.add(row)
    money = money.loc[~incomplete.any(axis=1)].astype("int64")
    lines = items.groupby("order")["extended"].sum().reindex(money.index, fill_value=0)
    checks: list[tuple[Any, str, str, str]] = [
        (money["subtotal"] != lines, "subtotal_mismatch", "subtotal", "is not the sum of the extended prices"),
        (money["total"] != money[["subtotal", "discount", "freight", "tax"]].sum(axis=1), "total_mismatch", "total",
         "is not subtotal, discount, freight and tax together"),
        (money["discount"] > 0, "discount_positive", "discount", "is above zero: a discount is negative or zero"),
        (-money["discount"] > money["subtotal"], "discount_too_large", "discount", "is more than the subtotal"),
        (money["freight"] < 0, "negative_amount", "freight", "is negative"),
        (money["tax"] < 0, "negative_amount", "tax", "is negative"),
    ]  # fmt: skip
    for wrong, code, column, why in checks:
        for row in money.index[wrong].tolist():
            refuse(row, code, reader.order_place(column), why)


def _work_out(items: pd.DataFrame, canonical: Canonical, reader: Reader, known: list[int]) -> None:
    """Sums for which the source's mapping has no rule, since the source states none. What it states is only judged."""
    orders = canonical.orders
    if "subtotal" not in reader.targets:
        sums = items.groupby("order")["extended"].sum()
        _fill(orders, "subtotal", {row: int(sums.get(row, 0)) for row in known})
    if "total" not in reader.targets:
        parts = orders.loc[known, ["subtotal", "discount", "freight", "tax"]].dropna()
        _fill(orders, "total", {row: sum(parts.loc[row].tolist()) for row in parts.index})


def _fill(frame: pd.DataFrame, name: str, values: dict[int, int]) -> None:
    column = [values.get(row, old) for row, old in enumerate(frame[name].tolist())]
    frame[name] = pd.Series(column, index=frame.index, dtype=object)


def shown_price(unit: Decimal | None, scale: int) -> Decimal | None:
    """A unit price with at least the decimals of its currency: 142.5 is written 142.50."""
    if unit is None:
        return None
    exponent = unit.as_tuple().exponent
    fine = isinstance(exponent, int) and exponent <= -scale
    return unit if fine else unit.quantize(Decimal(1).scaleb(-scale))
