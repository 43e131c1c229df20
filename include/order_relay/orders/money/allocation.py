"""Allocates an amount to the lines of an order, and a line's amount to its units, exactly to the minor unit.

All amounts are whole minor units (``int``). Nothing is lost by rounding: the parts add up to the amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple


def allocate(amount: int, weights: Sequence[int]) -> list[int]:
    """Allocate ``amount`` in proportion to ``weights`` by the largest remainder method.

    The shares add up to ``amount``. Each is its exact proportion rounded down or up; the earlier of equal remainders
    gets the extra unit. If all weights are zero, they count as equal. If ``amount`` is at most the sum of the weights,
    no share exceeds its weight, so a discount cannot make a line negative. Raises ``ValueError`` for negative
    arguments, and if there is an amount but no weight.
    """
    if not weights:
        if amount:
            raise ValueError("cannot allocate an amount without weights")
        return []
    if amount < 0 or min(weights) < 0:
        raise ValueError("amount and weights must not be negative")
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
    """``quantity`` units of one line at the same ``price``.

    ``freight``, ``tax`` and ``discount`` (0 or more) apply to the whole item or to one unit, depending on how the OMS
    reads them.
    """

    quantity: int
    price: int
    freight: int
    tax: int
    discount: int = 0

    def total(self, *, each_unit: bool) -> int:
        """The total that the OMS calculates for this item."""
        times = self.quantity if each_unit else 1
        return self.quantity * self.price + times * (self.freight + self.tax - self.discount)


def split_line(
    net: int, quantity: int, freight: int, tax: int, discount: int = 0, *, each_unit: bool = False
) -> list[AllocatedItem]:
    """Split a line into items whose prices times quantities add up to ``net`` exactly.

    One item if ``net`` is divisible by ``quantity``, otherwise two whose prices differ by one minor unit. With
    ``each_unit``, freight, tax and discount must also be divisible, which may take up to five items.
    """
    if not each_unit and net % quantity == 0:
        return [AllocatedItem(quantity, net // quantity, freight, tax, discount)]
    charges = (freight, tax, discount)
    steps = [divmod(amount, quantity) for amount in ((net, *charges) if each_unit else (net,))]
    # The last `extra` units of each amount carry one more minor unit than the others, so the price changes there.
    edges = sorted({0, quantity, *(quantity - extra for _, extra in steps)})
    sizes = [high - low for low, high in pairwise(edges)]
    shares = () if each_unit else [allocate(amount, sizes) for amount in charges]
    return [
        AllocatedItem(
            high - low,
            *(floor + (low >= quantity - extra) for floor, extra in steps),
            *(share[index] for share in shares),
        )
        for index, (low, high) in enumerate(pairwise(edges))
    ]
