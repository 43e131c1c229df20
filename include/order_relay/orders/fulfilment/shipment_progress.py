"""Counts the parcels of an order against its lines. Independent of vendors and of the database."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class OrderedLine:
    """The ordered units of one line (a whole number, not negative). ``line`` is the id of the line at the source."""

    line: str
    item_number: str
    quantity: int


@dataclass(frozen=True, slots=True)
class ShippedLine:
    """Units in one parcel, of a line or, if the origin names no line, of an item number.

    ``quantity``: pieces. ``in_source_units``: the same quantity in the units of the source, if those are not pieces
    (dozens, kilograms). ``odd``: what could not be read; such a line counts as surplus only.
    """

    quantity: int
    line: str = ""
    item_number: str = ""
    in_source_units: Decimal | None = None
    odd: str = ""


@dataclass(frozen=True, slots=True)
class Shipment:
    """One parcel as described by its origin.

    * ``key``: identical whenever the origin sends the same notice.
    * ``words``: the order's numbers in the notice (order number, external id, or id at the destination).
    * ``given_id``: the id of the order in our feed, if the notice has one.
    * ``submission_id``: the order, if it is known in advance.
    * ``lines``: the contents; if empty, the origin did not give any, and the parcel counts as the whole order.
    * ``cost_minor``: in minor units of ``currency``. ``shipped_at``: UTC.
    * ``raw``: the notice itself if it could not be read; may hold personal data.
    * ``asks``: why an operator must decide about it; empty if no decision is required.
    * ``sure``: entered by an operator who confirms that it is a separate parcel even without a tracking number.
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
    given_id: str = ""
    raw: str = ""
    asks: str = ""
    sure: bool = False


@dataclass(frozen=True, slots=True)
class ShipmentProgress:
    """Units ordered and shipped. ``surplus``: units shipped in excess of the order or of unknown items."""

    ordered: int
    shipped: int
    surplus: int

    @property
    def complete(self) -> bool:
        """Whether everything ordered has been shipped."""
        return self.shipped >= self.ordered


_SPREADSHEET_DAMAGE = re.compile(r"[0-9](?:[.,][0-9]+)?E\+?[0-9]+")
"""A number shortened by a spreadsheet; many tracking numbers become equal in this form."""


def normalize_tracking_number(text: str) -> str:
    """A tracking number in the form in which parcels are compared: upper case, without spaces and invisible characters.

    Empty if the text does not identify a parcel: no digit (``N/A``, ``none``), one repeated character such as ``0``, or
    a number shortened by a spreadsheet (``6.12E+11``).
    """
    wide = unicodedata.normalize("NFKC", text).upper()
    form = "".join(char for char in wide if not char.isspace() and unicodedata.category(char)[0] != "C")
    bare = _bare(form)
    digits = {char for char in bare if char.isdigit()}
    if not digits or digits == {"0"} or len(set(bare)) == 1 or _SPREADSHEET_DAMAGE.fullmatch(form):
        return ""
    return form


def _bare(form: str) -> str:
    return "".join(char for char in form if char.isalnum())


def shipment_key(name: str, tracking_number: str, lines: Iterable[ShippedLine] = (), otherwise: bytes = b"") -> str:
    """The identity of a notice: a hash of the name of its order, its tracking number and its lines.

    If the tracking number does not identify a parcel, ``otherwise`` (the whole notice) is used instead.
    """
    form = normalize_tracking_number(tracking_number)
    units = sorted([line.line, line.item_number, line.quantity, line.odd] for line in lines)
    parts = [name, form or hashlib.sha256(otherwise).hexdigest(), units]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


SAME_SHIPMENT = "same"
"""Result of ``shipment_conflict`` for a parcel that was already recorded."""


def shipment_conflict(
    recorded: Shipment, tracking_number: str, lines: Sequence[ShippedLine], ordered: Sequence[OrderedLine] | None
) -> str:
    """Compare a parcel (its tracking number and lines) with one recorded earlier for the same order.

    Returns an empty text for another parcel, ``SAME_SHIPMENT`` for the same parcel with the same lines, or else the
    reason why an operator must decide.
    """
    new, old = normalize_tracking_number(recorded.tracking_number), normalize_tracking_number(tracking_number)
    same_lines = same_contents(recorded.lines, lines, ordered)
    if new and old:
        if new == old:
            return (
                SAME_SHIPMENT if same_lines else "a parcel with the same tracking number but other lines was recorded"
            )
        return "a parcel with almost the same tracking number was recorded" if _bare(new) == _bare(old) else ""
    if not new and not old:
        return "" if recorded.sure else "neither parcel has a usable tracking number"
    if same_lines and not recorded.sure:
        return "a parcel with the same lines was recorded, and only one of the two has a tracking number"
    return ""


def same_contents(
    first: Sequence[ShippedLine], second: Sequence[ShippedLine], ordered: Sequence[OrderedLine] | None
) -> bool:
    """Whether two parcels of an order hold the same units, given by line or by item number.

    If one names lines and the other items, both must also result in the same progress of the order.
    """
    if any(not lines for lines in (first, second)) and ordered is None:
        return not first and not second
    whole = [ShippedLine(line.quantity, line.line, line.item_number) for line in ordered or ()]
    one, two = (lines or whole for lines in (first, second))
    if _units(one, ordered or ()) != _units(two, ordered or ()):
        return False
    if all(line.line for line in (*one, *two)):
        return _by_line(one) == _by_line(two)
    return ordered is None or compute_progress(ordered, [one]) == compute_progress(ordered, [two])


def _units(lines: Iterable[ShippedLine], ordered: Sequence[OrderedLine]) -> Counter[tuple[str, str]]:
    items = {line.line: line.item_number for line in ordered if line.line}
    units: Counter[tuple[str, str]] = Counter()
    for line in lines:
        units[items.get(line.line, "") or line.item_number or line.line, line.odd] += line.quantity or bool(line.odd)
    return +units


def _by_line(lines: Iterable[ShippedLine]) -> Counter[str]:
    units: Counter[str] = Counter()
    for line in lines:
        units[line.line] += line.quantity
    return +units


def compute_progress(ordered: Sequence[OrderedLine], parcels: Iterable[Sequence[ShippedLine]]) -> ShipmentProgress:
    """The progress of an order: units ordered, shipped and surplus; see ``units_left``."""
    left, surplus = units_left(ordered, parcels)
    total = sum(line.quantity for line in ordered)
    return ShipmentProgress(total, total - sum(left), surplus)


def units_left(ordered: Sequence[OrderedLine], parcels: Iterable[Sequence[ShippedLine]]) -> tuple[list[int], int]:
    """The units of each ordered line that were not shipped, and the surplus.

    A parcel's line counts for the ordered line that it names, else for the lines of its item number in their order.
    Units in excess and lines that could not be read count as surplus, never for another item.
    """
    left = [line.quantity for line in ordered]
    names = {line.line: index for index, line in enumerate(ordered) if line.line}
    surplus = 0
    unnamed: list[ShippedLine] = []
    for lines in parcels:
        if not lines:
            left = [0] * len(left)
        for sent in lines:
            if sent.odd:
                surplus += sent.quantity
            elif sent.line in names:
                surplus += _take(left, [names[sent.line]], sent.quantity)
            else:
                unnamed.append(sent)
    for sent in unnamed:
        indexes = [n for n, line in enumerate(ordered) if sent.item_number and line.item_number == sent.item_number]
        surplus += _take(left, indexes, sent.quantity)
    return left, surplus


def _take(left: list[int], indexes: Sequence[int], units: int) -> int:
    """Subtract units from the quantities left at these indexes; returns the units in excess."""
    for index in indexes:
        took = min(left[index], units)
        left[index] -= took
        units -= took
    return units
