"""Quantities in pieces: a source may sell by the kilogram or dozen, a destination counts whole pieces.

The canonical column ``pieces_per_unit``, which a mapping fills from a code table, holds the pieces of one unit. Without
it a line is counted in pieces. Fractions of a piece are rejected.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from order_relay.errors import RecordRejectedError, ValidationIssue
from order_relay.orders.mapping.converters import quantity
from order_relay.orders.money.amounts import EXACT_CONTEXT


def convert_to_pieces(
    lines: dict[str, list[Any]], scales: Sequence[int | None], issues_by_row: dict[int, ValidationIssue]
) -> None:
    """Convert the quantities of all lines to whole pieces. Others become ``None`` and are added to ``issues_by_row``.

    A line whose unit has several pieces keeps its amount and loses its unit price.
    """
    for row, (sold, pieces) in enumerate(zip(lines["quantity"], lines["pieces_per_unit"], strict=True)):
        if sold is None or (pieces is None and type(sold) is int):
            continue
        try:
            lines["quantity"][row] = quantity(Decimal(sold) * Decimal(1 if pieces is None else pieces))
        except RecordRejectedError as error:
            lines["quantity"][row] = None
            issues_by_row[row] = error.issues[0]
            continue
        if pieces is not None and pieces != 1:
            _keep_amount(lines, row, Decimal(sold), scales[row])


def _keep_amount(lines: dict[str, list[Any]], row: int, sold: Decimal, scale: int | None) -> None:
    unit = lines["unit_price"][row]
    if lines["extended"][row] is None and unit is not None and scale is not None:
        lines["extended"][row] = extended_amount(unit, sold, scale)
    if lines["extended"][row] is not None:
        lines["unit_price"][row] = None


def extended_amount(unit: Decimal, quantity: Decimal | int, scale: int) -> int:
    """Unit price times quantity in minor units, rounded half up. Used only if the source gives no extended price."""
    amount = EXACT_CONTEXT.multiply(unit, Decimal(quantity)).scaleb(scale, EXACT_CONTEXT)
    return int(amount.quantize(Decimal(1), context=EXACT_CONTEXT))
