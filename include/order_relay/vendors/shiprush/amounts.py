"""The amounts of one order in the feed, which add up: items, tax and shipping are together the order's total.

The feed has two decimals for every amount, and no member for other charges. So a charge that is sent as tax at the
destination counts as tax, any other one as shipping, and what is taken off is a line of its own. A unit price that two
decimals cannot hold is rounded, upwards where the order would otherwise cost too little; what it is too much is taken
off by a line as well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any

from order_relay.orders.mapping.line_ids import ItemIds
from order_relay.orders.money.amounts import EXACT_CONTEXT, from_minor
from order_relay.orders.payload.charges import CHARGE_PREFIX

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Deduction:
    """A line that only takes something off; ``amount`` is negative. ``number`` is that of no other line."""

    number: str
    name: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class OrderAmounts:
    """Amounts with two decimals. ``prices``: of one unit of each line; of a line that takes something off, of all."""

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
    taken: Collection[str],
) -> OrderAmounts:
    """The amounts of an order of this ``total``. ``lines``: the quantity and the unit price of each line. ``taxes``:
    the charges that are sent as tax. ``taken``: what the lines are called."""
    ids = ItemIds(taken)
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
    prices, over = _prices(lines, left, Decimal(1).scaleb(-scale))
    if over > 0:
        deductions.append(Deduction(ids.id_for_charge("rounding"), "Rounding", -over))
    return OrderAmounts(whole, tax, shipping + max(-over, Decimal(0)), prices, deductions)


def to_cents(value: Decimal) -> Decimal:
    """An amount with two decimals."""
    return value.quantize(CENT, ROUND_HALF_UP, EXACT_CONTEXT)


def _charges(order: Mapping[str, Any]) -> dict[str, Decimal]:
    given = {name.removeprefix(CHARGE_PREFIX): value for name, value in order.items() if name.startswith(CHARGE_PREFIX)}
    amounts = {name: to_cents(Decimal(value)) for name, value in given.items() if value is not None}
    return {name: amount for name, amount in amounts.items() if amount}


def _prices(lines: Sequence[tuple[int, Decimal]], left: Decimal, unit: Decimal) -> tuple[list[Decimal], Decimal]:
    """The price of each line, and how much all of them are more than what is ``left`` for them. ``unit``: the
    smallest one of the currency."""
    for rounding, step in ((ROUND_HALF_UP, CENT), (ROUND_CEILING, CENT), (ROUND_CEILING, max(CENT, unit))):
        prices = [
            to_cents((price if price >= 0 else price * quantity).quantize(step, rounding, EXACT_CONTEXT))
            for quantity, price in lines
        ]
        amounts = [
            price * quantity if price >= 0 else price for (quantity, _), price in zip(lines, prices, strict=True)
        ]
        over = sum(amounts, -left)
        if over >= 0:
            break
    return prices, over
