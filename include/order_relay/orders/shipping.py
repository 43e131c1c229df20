"""Parcels and what they leave open of an order: pure counting, no vendor and no database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class OrderedLine:
    """What was ordered: units (whole, not negative) of one line. ``line`` is the source's name of the line."""

    line: str
    item_number: str
    quantity: int


@dataclass(frozen=True, slots=True)
class ShippedLine:
    """Units in one parcel, of a line, or where the origin names none, of an item number.

    ``quantity`` counts pieces; ``in_source_units`` is the same in the units of the order's source, where those are
    something else (a dozen, a kilogram).
    """

    quantity: int
    line: str = ""
    item_number: str = ""
    in_source_units: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Shipment:
    """One parcel as its origin told it.

    ``key`` is the same whenever the origin tells of the same parcel. ``words`` name the order, the surest first: order
    number, external id or id at the destination; ``submission_id`` where it is known to be ours. No ``lines``: the
    origin did not say what is in it, which stands for everything that was ordered. ``cost_minor`` is in minor units of
    ``currency``, ``shipped_at`` UTC.
    """

    origin: str
    key: str
    words: tuple[str, ...]
    carrier: str = ""
    service: str = ""
    tracking_number: str = ""
    shipped_at: datetime | None = None
    cost_minor: int | None = None
    currency: str = ""
    lines: tuple[ShippedLine, ...] = ()
    submission_id: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Units ordered and shipped. ``surplus`` were shipped beyond the order: too many, or of unknown items."""

    ordered: int
    shipped: int
    surplus: int

    @property
    def complete(self) -> bool:
        """Whether nothing that was ordered is still to be shipped."""
        return self.shipped >= self.ordered


def parcel_key(order: str, carrier: str, tracking_number: str, otherwise: bytes = b"") -> str:
    """The identity of a parcel: order, tracking number and carrier; without a tracking number what else was told.

    Carriers are one whether in capitals or not.
    """
    parts = [order, carrier.strip().casefold(), tracking_number.strip()]
    if not parts[-1]:
        parts.append(hashlib.sha256(otherwise).hexdigest())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def progress(ordered: Sequence[OrderedLine], parcels: Iterable[Sequence[ShippedLine]]) -> Progress:
    """How far the parcels of an order have come.

    A parcel's line counts for the ordered line that it names; else for the lines of its item number, in their order.
    More units than were ordered count as surplus, never for another item.
    """
    left = [line.quantity for line in ordered]
    names = {line.line: place for place, line in enumerate(ordered) if line.line}
    surplus = 0
    unnamed: list[ShippedLine] = []
    for lines in parcels:
        if not lines:
            left = [0] * len(left)
        for sent in lines:
            if sent.line in names:
                surplus += _take(left, [names[sent.line]], sent.quantity)
            else:
                unnamed.append(sent)
    for sent in unnamed:
        places = [n for n, line in enumerate(ordered) if sent.item_number and line.item_number == sent.item_number]
        surplus += _take(left, places, sent.quantity)
    total = sum(line.quantity for line in ordered)
    return Progress(total, total - sum(left), surplus)


def _take(left: list[int], places: Sequence[int], units: int) -> int:
    """Take units from what is left at these places; how many found no place."""
    for place in places:
        took = min(left[place], units)
        left[place] -= took
        units -= took
    return units
