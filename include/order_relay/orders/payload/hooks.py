"""What a destination's folder may add to its mapping file in Python (``vendors/NAME/payload.py``, ``HOOKS``).

Every hook is optional, and a plain destination has none. ``settings`` is the destination's settings model
(``TransformSettings`` or the one of ``vendors/NAME/transform.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from order_relay.errors import ValidationIssue
from order_relay.orders.schema.validator import VendorFormat

OrderColumns = Mapping[str, Sequence[Any]]
"""Columns of orders by name: one value per order."""

Refuse = Callable[[int, str, str, str], None]
"""Rejects the order of a row: row, canonical column to blame, issue code, and the problem in words."""


@dataclass(frozen=True)
class PayloadHooks:
    """``derived``: the columns that ``derive_columns`` adds, each with the canonical column to which problems with its
    value are attributed.

    ``adapt_format(format, settings)``: schema and mapping as this account has them.
    ``derive_columns(orders, settings, refuse)``: the columns named in ``derived``; it may refuse orders.
    ``check_constants(constants, filled, settings)``: problems with values that are the same in every order, as (target,
    message); they stop the pipeline at the start. ``filled``: all targets that may have a value.
    ``check_payload(payload, total, currency, settings)``: problems of a payload that the schema accepts. ``total`` is
    the order's.
    ``read_status(payload, settings)``: the order status in a payload, for those who report it.
    """

    derived: Mapping[str, str] = field(default_factory=dict)
    adapt_format: Callable[[VendorFormat, Any], VendorFormat] | None = None
    derive_columns: Callable[[OrderColumns, Any, Refuse], dict[str, list[Any]]] | None = None
    check_constants: Callable[[Mapping[str, Any], Set[str], Any], Iterator[tuple[str, str]]] | None = None
    check_payload: Callable[[Mapping[str, Any], Decimal, str, Any], Iterator[ValidationIssue]] | None = None
    read_status: Callable[[Mapping[str, Any], Any], str] | None = None
