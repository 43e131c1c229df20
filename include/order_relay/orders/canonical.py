"""The canonical order: what every source's order becomes before it becomes any destination's payload.

Two frames for a slice of orders. ``orders`` has one row for each document, in their order; ``lines`` one for each line,
with the row number of its order. Money columns are whole minor units of the order's currency, unit prices ``Decimal``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pandas as pd

from order_relay.errors import RecordRefused, Refusal, WrongSetup
from order_relay.orders import columns
from order_relay.orders.judging import pointer
from order_relay.orders.line_ids import numbered
from order_relay.orders.mapping import Rule
from order_relay.orders.money import CURRENCIES, to_minor
from order_relay.orders.notes import Note
from order_relay.orders.units import in_pieces

PARTY = ("name", "company", "address1", "address2", "city", "state", "postal_code", "country", "phone", "email")
ORDER_MONEY = ("subtotal", "discount", "freight", "tax", "total")
ORDER_COLUMNS = (
    "source_id",
    "lineage",
    "order_number",
    "submitted_at",
    "currency",
    "customer_number",
    "customer_po",
    "ship_via",
    "requested_ship_date",
    "terms",
    "rep_name",
    "rep_email",
    "notes",
    *ORDER_MONEY,
    "payment_method",
    "transaction_id",
    "custom_fields",
    *(f"{side}_{part}" for side in ("bill", "ship") for part in PARTY),
)
"""Columns of ``orders`` that are always there (``None`` where the source has no such thing)."""

LINE_COLUMNS = (
    "line",
    "item_number",
    "description",
    "quantity",
    "pieces_per_unit",
    "unit_price",
    "extended",
    "upc",
    "options",
)
"""Columns of ``lines`` that are always there, besides ``order`` (row of its order) and ``position`` (from 0).

``line`` is never empty: a line without a number of its own gets one that no other line has (line_ids.py)."""


@dataclass
class Canonical:
    """Frames, and for each row of ``orders`` what was refused and what a person should know."""

    orders: pd.DataFrame
    lines: pd.DataFrame
    refusals: list[list[Refusal]]
    notes: list[list[Note]]
    priceless: set[int] = field(default_factory=set)
    """Orders whose money could not be read: nothing more can be said about their sums."""


class Reader:
    """Reads documents into canonical frames by a source's rules."""

    def __init__(self, orders: Sequence[Rule], lines: Sequence[Rule], each: str) -> None:
        self.orders = orders
        self.lines = lines
        self.each = each
        for needed, rules, where in (("order_number", orders, "order"), ("item_number", lines, "lines")):
            if needed not in {rule.target for rule in rules}:
                raise WrongSetup(f"the source's mapping has no target {needed!r} in its section {where!r}")
        self.targets = frozenset(rule.target for rule in orders)
        self.places = {rule.target: rule.paths[0] for rule in orders if rule.paths}
        self.line_places = {rule.target: rule.paths[0] for rule in lines if rule.paths}
        self._informational = _informational_places(orders, lines, each)
        self.needed_parts = frozenset(
            pointer(path.split("."))
            for rule in orders
            if rule.required and rule.join is not None
            for path in rule.paths
        )
        """Pointers to the parts of required values that are joined."""

    def order_place(self, column: str) -> str:
        """JSON pointer of an order's column in the source's document; empty where it is not read from there."""
        path = self.places.get(column)
        return pointer(path.split(".")) if path else ""

    def is_informational(self, place: str) -> bool:
        """Whether a JSON pointer leads to a value that may be left out where it cannot be read."""
        return "/".join("" if part.isdigit() else part for part in place.split("/")) in self._informational

    def line_place(self, column: str, position: int) -> str:
        """JSON pointer of a line's column; of the line where the column is not read from the document."""
        path = self.line_places.get(column)
        return pointer([*self.each.split("."), position, *(path.split(".") if path else ())])

    def read(self, documents: Sequence[Mapping[str, Any]]) -> Canonical:
        """Frames of these documents. Refused values are ``None`` in them."""
        refusals: list[list[Refusal]] = [[] for _ in documents]
        notes: list[list[Note]] = [[] for _ in documents]
        priceless: set[int] = set()
        orders: dict[str, list[Any]] = {name: [None] * len(documents) for name in ORDER_COLUMNS}
        whole = columns.Rows(documents)
        for rule in self.orders:
            orders[rule.target] = self._order_column(rule, whole, refusals, notes, priceless)
        scales = [CURRENCIES.get(code) if isinstance(code, str) else None for code in orders["currency"]]
        for name in ORDER_MONEY:
            orders[name] = self._order_minor(name, orders[name], scales, refusals, priceless)
        lines = self._read_lines(whole, refusals, notes, priceless, scales)
        for row, scale in enumerate(scales):
            if scale is None:
                priceless.add(row)
                place = self.order_place("currency")
                if not any(known.pointer == place for known in refusals[row]):
                    refusals[row].append(Refusal("missing_field", place, f"{place} is required and missing"))
        frame = pd.DataFrame({**orders, "scale": scales}, dtype=object)
        return Canonical(frame, lines, refusals, notes, priceless)

    def _order_minor(
        self,
        name: str,
        column: list[Any],
        scales: Sequence[int | None],
        refusals: list[list[Refusal]],
        priceless: set[int],
    ) -> list[Any]:
        place = self.order_place(name)

        def tell(row: int, why: Refusal) -> None:
            priceless.add(row)
            refusals[row].append(Refusal(why.code, place, f"{place} {why.message}"))

        return _minor(column, scales, tell)

    def _order_column(
        self,
        rule: Rule,
        documents: columns.Rows,
        refusals: list[list[Refusal]],
        notes: list[list[Note]],
        priceless: set[int],
    ) -> list[Any]:
        place = self.order_place(rule.target)
        wrong: set[int] = set()

        def tell(row: int, why: Refusal) -> None:
            wrong.add(row)
            if rule.informational:
                notes[row].append(_left_out(place, why))
            else:
                refusals[row].append(Refusal(why.code, place, f"{place or rule.target} {why.message}"))

        missing = Note("not_in_code_table", place, "has no row in its code table; left out")
        column = columns.read(rule, documents, tell, lambda row, _: notes[row].append(missing))
        if rule.informational:
            for row in documents.blocked(rule.paths):
                tell(row, Refusal("wrong_type", "", "is inside a value that is not an object"))
        if rule.required:
            for row, value in enumerate(column):
                if value is None and row not in wrong:
                    tell(row, Refusal("missing_field", "", "is required and missing"))
        if rule.target in ORDER_MONEY:
            priceless |= wrong
        return column

    def _read_lines(
        self,
        documents: columns.Rows,
        refusals: list[list[Refusal]],
        notes: list[list[Note]],
        priceless: set[int],
        scales: Sequence[int | None],
    ) -> pd.DataFrame:
        rows: list[Any] = []
        order: list[int] = []
        position: list[int] = []
        for index, found in enumerate(documents.column(self.each)):
            if not isinstance(found, list) or not found:
                place = pointer(self.each.split("."))
                refusals[index].append(Refusal("no_items", place, f"{place} holds no line"))
                priceless.add(index)
                continue
            rows += found
            order += [index] * len(found)
            position += range(len(found))

        def note(line: int, rule: Rule) -> None:
            place = self.line_place(rule.target, position[line])
            notes[order[line]].append(Note("not_in_code_table", place, "has no row in its code table; left out"))

        lines: dict[str, list[Any]] = {name: [None] * len(rows) for name in LINE_COLUMNS}
        wrong: dict[str, dict[int, Refusal]] = {}
        line_rows = columns.Rows(rows)
        for rule in self.lines:
            told = wrong.setdefault(rule.target, {})
            lines[rule.target] = columns.read(rule, line_rows, told.__setitem__, note)
        given = [None if name is None else str(name) for name in lines["line"]]
        lines["line"] = numbered(given, order, position)
        told = wrong.setdefault("extended", {})
        own_scales = [scales[row] for row in order]
        lines["extended"] = _minor(lines["extended"], own_scales, told.__setitem__)
        in_pieces(lines, own_scales, wrong.setdefault("quantity", {}))
        unread = wrong["extended"].keys() | wrong.get("unit_price", {}).keys()
        promotion = [
            unit is None and extended is None and index not in unread
            for index, (unit, extended) in enumerate(zip(lines["unit_price"], lines["extended"], strict=True))
        ]
        informational = {rule.target for rule in self.lines if rule.informational}
        for column, told in wrong.items():
            for index, why in told.items():
                if column == "quantity" and promotion[index]:
                    continue  # the quantity of a promotion does not count
                place = self.line_place(column, position[index])
                if column in informational:
                    notes[order[index]].append(_left_out(place, why))
                    continue
                refusals[order[index]].append(Refusal(why.code, place, f"{place} {why.message}"))
                if column in ("quantity", "unit_price", "extended"):
                    priceless.add(order[index])
        frame = pd.DataFrame({**lines, "promotion": promotion}, dtype=object)
        frame["order"] = pd.Series(order, dtype="int64")
        frame["position"] = pd.Series(position, dtype="int64")
        frame["promotion"] = frame["promotion"].astype(bool)
        return frame


def _left_out(place: str, why: Refusal) -> Note:
    return Note("unreadable_value", place, f"{why.message}; left out")


def _informational_places(orders: Sequence[Rule], lines: Sequence[Rule], each: str) -> frozenset[str]:
    """Pointers, without the numbers of lines, that lead to informational values alone: to them, and to objects whose
    members that are read are all informational."""
    read = {path: rule.informational for rule in orders for path in rule.paths}
    read |= {f"{each}..{path}": rule.informational for rule in lines for path in rule.paths}
    inner: dict[str, bool] = {}
    for path, informational in read.items():
        steps = path.split(".")
        for size in range(1, len(steps) + 1):
            place = pointer(steps[:size])
            inner[place] = inner.get(place, True) and informational
    return frozenset(place for place, informational in inner.items() if informational)


def _minor(column: Sequence[Any], scales: Sequence[int | None], tell: columns.Tell) -> list[Any]:
    """A column of decimals as minor units, each in its own currency."""
    minor: list[Any] = []
    for row, (value, scale) in enumerate(zip(column, scales, strict=True)):
        try:
            minor.append(None if value is None or scale is None else to_minor(Decimal(value), scale))
        except RecordRefused as error:
            minor.append(None)
            tell(row, error.refusals[0])
    return minor
