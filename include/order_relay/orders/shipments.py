"""What a source can be told about a delivery, whoever made it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ShippedLine:
    """A delivered part of one line. ``line`` is the source's own id of its order line, ``quantity`` in its units."""

    line: str
    part_number: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Shipment:
    """One delivery. ``number`` is unique among all deliveries of the account; days are those of the sender."""

    number: str
    shipped_on: date
    expected_on: date
    lines: tuple[ShippedLine, ...]
    carrier: str = ""
    tracking: str = ""
    comment: str = ""
