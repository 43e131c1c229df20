"""Parcels and what they leave open of an order: pure counting, no vendor and no database."""

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
    """What was ordered: units (whole, not negative) of one line. ``line`` is the source's name of the line."""

    line: str
    item_number: str
    quantity: int


@dataclass(frozen=True, slots=True)
class ShippedLine:
    """Units in one parcel, of a line, or where the origin names none, of an item number.

    ``quantity`` counts pieces; ``in_source_units`` is the same in the units of the order's source, where those are
    something else (a dozen, a kilogram). ``odd`` says what could not be read of the line: it counts as surplus only.
    """

    quantity: int
    line: str = ""
    item_number: str = ""
    in_source_units: Decimal | None = None
    odd: str = ""


@dataclass(frozen=True, slots=True)
class Shipment:
    """One parcel as its origin described it.

    ``key`` is the same whenever the origin sends the same notice. ``words`` are the order's numbers that the notice
    gives: order number, external id or id at the destination. ``given_id`` is the id that it gives of the order in a
    feed of ours, if any; ``submission_id`` the order where that is known beforehand. No ``lines``: the origin did not
    say what is in the parcel, which then counts as everything that was ordered. ``cost_minor`` is in minor units of
    ``currency``, ``shipped_at`` UTC. ``raw`` is the notice itself where it could not be read (it may hold personal
    data), ``asks`` why it needs an operator. ``sure``: an operator describes it, who knows that it is a parcel of its
    own even without a tracking number.
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
    """Units ordered and shipped. ``surplus`` were shipped beyond the order: too many, or of unknown items."""

    ordered: int
    shipped: int
    surplus: int

    @property
    def complete(self) -> bool:
        """Whether nothing that was ordered is still to be shipped."""
        return self.shipped >= self.ordered


_SPREADSHEET_DAMAGE = re.compile(r"[0-9](?:[.,][0-9]+)?E\+?[0-9]+")
"""A number as a spreadsheet shortens it: many tracking numbers look alike then."""


def normalize_tracking_number(text: str) -> str:
    """A tracking number in the one form by which parcels are compared: capitals, no blanks, no invisible characters.

    Empty for what identifies no parcel: nothing, words such as ``N/A`` or ``none`` (a tracking number has a digit),
    one repeated character such as ``0``, and a number that a spreadsheet shortened (``6.12E+11``).
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
    """The identity of a notice: how it names the order, its tracking number and its lines.

    Without a tracking number that identifies a parcel, ``otherwise`` (the whole notice) takes its place.
    """
    form = normalize_tracking_number(tracking_number)
    units = sorted([line.line, line.item_number, line.quantity, line.odd] for line in lines)
    parts = [name, form or hashlib.sha256(otherwise).hexdigest(), units]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


SAME_SHIPMENT = "same"
"""What ``doubt_about`` gives for a parcel that was recorded before."""


def shipment_conflict(
    recorded: Shipment, tracking_number: str, lines: Sequence[ShippedLine], ordered: Sequence[OrderedLine] | None
) -> str:
    """What a parcel has to do with an earlier one of the same order (its tracking number and lines).

    Empty: it is another parcel. ``SAME_SHIPMENT``: it is the same one, with the same lines. Else the reason why only an
    operator
    can tell.
    """
    new, old = normalize_tracking_number(recorded.tracking_number), normalize_tracking_number(tracking_number)
    same_lines = same_contents(recorded.lines, lines, ordered)
    if new and old:
        if new == old:
            return SAME_SHIPMENT if same_lines else "the same tracking number was recorded with other lines"
        return "almost the same tracking number was recorded" if _bare(new) == _bare(old) else ""
    if not new and not old:
        return "" if recorded.sure else "neither has a tracking number that tells parcels apart"
    if same_lines and not recorded.sure:
        return "the same lines were recorded, and only one of the two has a tracking number"
    return ""


def same_contents(
    first: Sequence[ShippedLine], second: Sequence[ShippedLine], ordered: Sequence[OrderedLine] | None
) -> bool:
    """Whether two parcels of an order hold the same units, whether by line or by item number.

    Where one names lines and the other items, both must also bring the order equally far.
    """
    if any(not lines for lines in (first, second)) and ordered is None:
        return not first and not second
    one, two = (lines or _whole(ordered or ()) for lines in (first, second))
    if _units(one, ordered or ()) != _units(two, ordered or ()):
        return False
    if all(line.line for line in (*one, *two)):
        return _by_line(one) == _by_line(two)
    return ordered is None or compute_progress(ordered, [one]) == compute_progress(ordered, [two])


def _whole(ordered: Sequence[OrderedLine]) -> list[ShippedLine]:
    return [ShippedLine(line.quantity, line.line, line.item_number) for line in ordered]


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
    """How far the parcels of an order have come.

    A parcel's line counts for the ordered line that it names; else for the lines of its item number, in their order.
    More units than were ordered count as surplus, never for another item; so do lines that could not be read.
    """
    left = [line.quantity for line in ordered]
    names = {line.line: place for place, line in enumerate(ordered) if line.line}
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
        places = [n for n, line in enumerate(ordered) if sent.item_number and line.item_number == sent.item_number]
        surplus += _take(left, places, sent.quantity)
    total = sum(line.quantity for line in ordered)
    return ShipmentProgress(total, total - sum(left), surplus)


def _take(left: list[int], places: Sequence[int], units: int) -> int:
    """Take units from what is left at these places; how many found no place."""
    for place in places:
        took = min(left[place], units)
        left[place] -= took
        units -= took
    return units
