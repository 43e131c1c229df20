"""The amounts of one order in the feed: items, tax and shipping add up to the order's total.

The feed has two decimals and no element for other charges. A charge that is sent as tax at the destination counts as
tax, other charges as shipping, and deductions become lines. A unit price with more decimals is rounded, upwards if the
order would otherwise cost too little; the excess is deducted by a line.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any

from order_relay.orders.mapping.canonical import CHARGE_PREFIX
from order_relay.orders.mapping.line_ids import ItemIds
from order_relay.orders.money.amounts import EXACT_CONTEXT, from_minor

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Deduction:
    """A line that reduces the total: ``amount`` is negative, ``number`` unique among the lines."""

    number: str
    name: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class OrderAmounts:
    """Amounts with two decimals. ``prices``: unit prices of the lines; of a line with a negative price, its amount."""

    total: Decimal
    tax: Decimal
    shipping: Decimal
    prices: Sequence[Decimal]
    deductions: Sequence[Deduction]


def order_amounts(  # noqa: PLR0917 - each is a part of one order
    order: Mapping[str, Any],
    total: int,
    scale: int,
    lines: Sequence[tuple[int, Decimal]],
    taxes: Collection[str],
    names: Collection[str],
) -> OrderAmounts:
    """The amounts of an order of this ``total`` (minor units with ``scale`` decimals).

    ``lines``: quantity and unit price of each line. ``taxes``: the charges that are sent as tax. ``names``: ids that
    the lines already use.
    """
    ids = ItemIds(names)
    tax, shipping = (to_cents(from_minor(order[name] or 0, scale)) for name in ("tax", "freight"))
    deductions = []
    if off := to_cents(-from_minor(abs(order["discount"] or 0), scale)):
        deductions.append(Deduction(ids.id_for_charge("discount"), "Discount", off))
    for name, charge in _charges(order).items():
        if charge < 0:
            deductions.append(Deduction(ids.id_for_charge(name), name, charge))
        elif name in taxes:
            tax += charge
        else:
            shipping += charge
    whole = to_cents(from_minor(total, scale))
    left = whole - tax - shipping - sum(off.amount for off in deductions)
    prices, excess = _prices(lines, left, Decimal(1).scaleb(-scale))
    if excess > 0:
        deductions.append(Deduction(ids.id_for_charge("rounding"), "Rounding", -excess))
    return OrderAmounts(whole, tax, shipping + max(-excess, Decimal(0)), prices, deductions)


def to_cents(value: Decimal) -> Decimal:
    """An amount with two decimals."""
    return value.quantize(CENT, ROUND_HALF_UP, EXACT_CONTEXT)


def _charges(order: Mapping[str, Any]) -> dict[str, Decimal]:
    given = {name.removeprefix(CHARGE_PREFIX): value for name, value in order.items() if name.startswith(CHARGE_PREFIX)}
    amounts = {name: to_cents(Decimal(value)) for name, value in given.items() if value is not None}
    return {name: amount for name, amount in amounts.items() if amount}


def _prices(lines: Sequence[tuple[int, Decimal]], left: Decimal, unit: Decimal) -> tuple[list[Decimal], Decimal]:
    """The price of each line, and by how much they exceed ``left`` in total. ``unit``: the currency's smallest unit."""
    for rounding, step in ((ROUND_HALF_UP, CENT), (ROUND_CEILING, CENT), (ROUND_CEILING, max(CENT, unit))):
        prices = [
            to_cents((price if price >= 0 else price * quantity).quantize(step, rounding, EXACT_CONTEXT))
            for quantity, price in lines
        ]
        amounts = [
            price * quantity if price >= 0 else price for (quantity, _), price in zip(lines, prices, strict=True)
        ]
        excess = sum(amounts, -left)
        if excess >= 0:
            break
    return prices, excess
