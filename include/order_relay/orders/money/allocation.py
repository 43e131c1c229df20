"""Spreading an amount over the lines of an order, and a line's amount over its units, to the last minor unit.

All amounts are whole minor units (``int``); nothing is ever rounded away: what goes in comes out as a sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple


def allocate(amount: int, weights: Sequence[int]) -> list[int]:
    """Shares of ``amount`` (not negative) in proportion to ``weights``, by largest remainder.

    The shares add up to ``amount``; each is its exact proportion rounded down or up; among equal remainders the
    earlier one gets the unit. If all weights are zero, they count as equal. A share never exceeds its weight where
    ``amount`` does not exceed the sum of the weights: a discount can make no line negative.
    """
    if not weights:
        if amount:
            raise ValueError("there is nothing to spread over")
        return []
    if amount < 0 or min(weights) < 0:
        raise ValueError("only amounts and weights that are not negative can be spread")
    if amount == 0:
        return [0] * len(weights)
    total = sum(weights)
    if total == 0:
        weights, total = [1] * len(weights), len(weights)
    shares, remainders = [], []
    for index, weight in enumerate(weights):
        share, remainder = divmod(amount * weight, total)
        shares.append(share)
        remainders.append((-remainder, index))
    missing = amount - sum(shares)
    if missing:
        remainders.sort()
        for _, index in remainders[:missing]:
            shares[index] += 1
    return shares


class AllocatedItem(NamedTuple):
    """``quantity`` units of one line at the same ``price``. ``freight`` and ``tax`` are what is sent for the piece:
    its whole share, or the amount of one unit, as the OMS reads it."""

    quantity: int
    price: int
    freight: int
    tax: int

    def total(self, *, each_unit: bool) -> int:
        """What the OMS works out for this piece."""
        times = self.quantity if each_unit else 1
        return self.quantity * self.price + times * (self.freight + self.tax)


def split_line(net: int, quantity: int, freight: int, tax: int, *, each_unit: bool = False) -> list[AllocatedItem]:
    """One line as pieces whose prices times quantities add up to ``net`` exactly.

    One piece where ``net`` divides by ``quantity``, otherwise two, the dearer by one minor unit. With ``each_unit``
    freight and tax must divide over units too, which may take up to four pieces.
    """
    if not each_unit and net % quantity == 0:
        return [AllocatedItem(quantity, net // quantity, freight, tax)]
    amounts = (net, freight, tax) if each_unit else (net,)
    steps = [divmod(amount, quantity) for amount in amounts]
    # Of each amount, the last `extra` units carry one minor unit more than the others: the price changes there.
    edges = sorted({0, quantity, *(quantity - extra for _, extra in steps)})
    pieces = []
    shares_of_freight = shares_of_tax = None
    if not each_unit:
        sizes = [high - low for low, high in pairwise(edges)]
        shares_of_freight, shares_of_tax = allocate(freight, sizes), allocate(tax, sizes)
    for index, (low, high) in enumerate(pairwise(edges)):
        values = [floor + (low >= quantity - extra) for floor, extra in steps]
        if shares_of_freight is not None and shares_of_tax is not None:
            values += [shares_of_freight[index], shares_of_tax[index]]
        pieces.append(AllocatedItem(high - low, *values))
    return pieces
