"""The canonical order: the common form between the documents of any source and the payloads of any destination.

A slice of orders is two frames. ``orders`` has one row per document, in the order of the documents. ``lines`` has one
row per line, with the row number of its order. Money columns are whole minor units of the order's currency (cents);
unit prices are ``Decimal``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from order_relay.errors import ConfigurationError, ValidationIssue
from order_relay.orders.mapping import columns
from order_relay.orders.mapping.line_ids import assign_line_ids
from order_relay.orders.mapping.mapping_rules import MappingRule
from order_relay.orders.mapping.units import convert_to_pieces
from order_relay.orders.money.amounts import CURRENCIES
from order_relay.orders.notes import OrderNote
from order_relay.orders.paths import match_form, path_pointer, pointer_pattern
from order_relay.orders.schema.validator import field_name

if TYPE_CHECKING:
    import pandas as pd

PARTY_FIELDS = ("name", "company", "address1", "address2", "city", "state", "postal_code", "country", "phone", "email")
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
    "fulfilment_status",
    "fulfilment_location",
    "uses_inventory",
    *(f"{side}_{part}" for side in ("bill", "ship") for part in PARTY_FIELDS),
)
"""Columns that ``orders`` always has; ``None`` if the source has no such value.

``fulfilment_status`` is READY, SHIPPED or CANCELLED, for orders that were fulfilled, begun or cancelled before they are
sent; ``fulfilment_location`` is where, ``uses_inventory`` (boolean) whether its stock counts."""

LINE_COLUMNS = (
    "line",
    "item_number",
    "description",
    "quantity",
    "pieces_per_unit",
    "unit_price",
    "extended",
    "discount",
    "tax",
    "upc",
    "options",
)
"""Columns that ``lines`` always has, besides ``order`` (the row of its order) and ``position`` (from 0).

``line`` is never empty: a line without an id is given a unique one (``line_ids``). ``extended`` is the line's amount
before its own ``discount`` (at most 0) and ``tax``; both are 0 if the source gives none. docs/mapping.md states how the
amounts of an order add up."""

LINE_MONEY = ("extended", "discount", "tax")
CHARGE_PREFIX = "charges."
"""Prefix of the columns of ``orders`` that hold charges besides freight and tax."""


def charge_columns(columns: Iterable[Any]) -> list[str]:
    """The names of the columns that hold charges."""
    return [name for name in map(str, columns) if name.startswith(CHARGE_PREFIX)]


@dataclass
class CanonicalOrders:
    """The frames, and the issues and notes of each row of ``orders``."""

    orders: pd.DataFrame
    lines: pd.DataFrame
    issues: list[list[ValidationIssue]]
    notes: list[list[OrderNote]]
    unpriced: set[int] = field(default_factory=set)
    """Orders with amounts that could not be read; their sums are not checked."""


class CanonicalReader:
    """Reads documents into canonical frames by the mapping rules of a source."""

    def __init__(self, orders: Sequence[MappingRule], lines: Sequence[MappingRule], each: str) -> None:
        self.orders = orders
        self.lines = lines
        self.each = each
        for needed, rules, where in (("order_number", orders, "order"), ("item_number", lines, "lines")):
            if needed not in {rule.target for rule in rules}:
                raise ConfigurationError(
                    f"the source's mapping has no rule with target {needed!r} in its section {where!r}"
                )
        self.targets = frozenset(rule.target for rule in orders)
        self.order_paths = {rule.target: rule.paths[0] for rule in orders if rule.paths}
        self.line_paths = {rule.target: rule.paths[0] for rule in lines if rule.paths}
        self._informational = _informational_pointers(orders, lines, each)
        self._required_parts = _required_parts(orders, lines, each)

    def order_pointer(self, column: str) -> str:
        """JSON pointer of an order's column in the source's document; empty if it is not read from the document."""
        return path_pointer(self.order_paths.get(column, ""))

    def is_informational(self, location: str) -> bool:
        """Whether the value at a JSON pointer is left out if it cannot be read, instead of rejecting the order."""
        return match_form(location) in self._informational

    def is_required_part(self, location: str) -> bool:
        """Whether the value at a JSON pointer is part of a sum, or of a required value that combines several members.

        Without it the value would be incomplete.
        """
        return match_form(location) in self._required_parts

    def line_pointer(self, column: str, position: int) -> str:
        """JSON pointer of a line's column; of the line itself if the column is not read from the document."""
        return f"{path_pointer(self.each)}/{position}{path_pointer(self.line_paths.get(column, ''))}"

    def read(self, documents: Sequence[Mapping[str, Any]]) -> CanonicalOrders:
        """The frames of these documents. Rejected values are ``None``."""
        import pandas as pd

        issues: list[list[ValidationIssue]] = [[] for _ in documents]
        notes: list[list[OrderNote]] = [[] for _ in documents]
        unpriced: set[int] = set()
        orders: dict[str, list[Any]] = {name: [None] * len(documents) for name in ORDER_COLUMNS}
        whole = columns.DocumentRows(documents)
        for rule in self.orders:
            orders[rule.target] = self._order_column(rule, whole, issues, notes, unpriced)
        scales = [CURRENCIES.get(code) if isinstance(code, str) else None for code in orders["currency"]]
        for name in ORDER_MONEY:
            orders[name] = self._order_minor(name, orders[name], scales, issues, unpriced)
        lines = self._read_lines(whole, issues, notes, unpriced, scales)
        for row, scale in enumerate(scales):
            if scale is None:
                unpriced.add(row)
                location = self.order_pointer("currency")
                if not any(known.pointer == location for known in issues[row]):
                    issues[row].append(
                        ValidationIssue("missing_field", location, f"{field_name(location)} is required but missing")
                    )
        frame = pd.DataFrame({**orders, "scale": scales}, dtype=object)
        return CanonicalOrders(frame, lines, issues, notes, unpriced)

    def _order_minor(
        self,
        name: str,
        column: list[Any],
        scales: Sequence[int | None],
        issues: list[list[ValidationIssue]],
        unpriced: set[int],
    ) -> list[Any]:
        location = self.order_pointer(name)

        def report(row: int, issue: ValidationIssue) -> None:
            unpriced.add(row)
            issues[row].append(ValidationIssue(issue.code, location, f"{field_name(location)} {issue.message}"))

        return columns.to_minor_units(column, scales, report)

    def _order_column(
        self,
        rule: MappingRule,
        documents: columns.DocumentRows,
        issues: list[list[ValidationIssue]],
        notes: list[list[OrderNote]],
        unpriced: set[int],
    ) -> list[Any]:
        location = self.order_pointer(rule.target)
        wrong: set[int] = set()

        def report(row: int, issue: ValidationIssue) -> None:
            wrong.add(row)
            if rule.informational:
                notes[row].append(columns.omission_note(location, issue))
            else:
                message = f"{field_name(location) if location else rule.target} {issue.message}"
                issues[row].append(replace(issue, pointer=location, message=message))

        missing = OrderNote("not_in_code_table", location, "is not in its code table; left out")
        column = columns.read_column(rule, documents, report, lambda row, _: notes[row].append(missing))
        if rule.required:
            for row, value in enumerate(column):
                if value is None and row not in wrong:
                    report(row, columns.REQUIRED)
        if rule.target in ORDER_MONEY:
            unpriced |= wrong
        return column

    def _read_lines(
        self,
        documents: columns.DocumentRows,
        issues: list[list[ValidationIssue]],
        notes: list[list[OrderNote]],
        unpriced: set[int],
        scales: Sequence[int | None],
    ) -> pd.DataFrame:
        import pandas as pd

        rows: list[Any] = []
        order: list[int] = []
        position: list[int] = []
        for index, found in enumerate(documents.column(self.each)):
            if not isinstance(found, list) or not found:
                location = path_pointer(self.each)
                issues[index].append(
                    ValidationIssue(
                        "no_items", location, f"the order has no lines ({field_name(location)} is missing or empty)"
                    )
                )
                unpriced.add(index)
                continue
            rows += found
            order += [index] * len(found)
            position += range(len(found))

        def note(line: int, rule: MappingRule) -> None:
            location = self.line_pointer(rule.target, position[line])
            notes[order[line]].append(OrderNote("not_in_code_table", location, "is not in its code table; left out"))

        lines: dict[str, list[Any]] = {name: [None] * len(rows) for name in LINE_COLUMNS}
        wrong: dict[str, dict[int, ValidationIssue]] = {}
        line_rows = columns.DocumentRows(rows)
        for rule in self.lines:
            issues_by_row = wrong.setdefault(rule.target, {})
            lines[rule.target] = columns.read_column(rule, line_rows, issues_by_row.__setitem__, note)
            if rule.required:
                for index, value in enumerate(lines[rule.target]):
                    if value is None:
                        issues_by_row.setdefault(index, columns.REQUIRED)
        given = [None if name is None else str(name) for name in lines["line"]]
        lines["line"] = assign_line_ids(given, order, position)
        own_scales = [scales[row] for row in order]
        for name in LINE_MONEY:
            lines[name] = _line_minor(name, lines[name], own_scales, wrong)
        convert_to_pieces(lines, own_scales, wrong.setdefault("quantity", {}))
        unread = wrong["extended"].keys() | wrong.get("unit_price", {}).keys()
        promotion = [
            unit is None and extended is None and index not in unread
            for index, (unit, extended) in enumerate(zip(lines["unit_price"], lines["extended"], strict=True))
        ]
        informational = {rule.target for rule in self.lines if rule.informational}
        for column, issues_by_row in wrong.items():
            for index, issue in issues_by_row.items():
                if column == "quantity" and promotion[index]:
                    continue  # a promotion is a text: its quantity does not matter
                location = self.line_pointer(column, position[index])
                if column in informational:
                    notes[order[index]].append(columns.omission_note(location, issue))
                    continue
                message = f"{field_name(location)} {issue.message}"
                issues[order[index]].append(replace(issue, pointer=location, message=message))
                if column in ("quantity", "unit_price", *LINE_MONEY):
                    unpriced.add(order[index])
        frame = pd.DataFrame({**lines, "promotion": promotion}, dtype=object)
        frame["order"] = pd.Series(order, dtype="int64")
        frame["position"] = pd.Series(position, dtype="int64")
        frame["promotion"] = frame["promotion"].astype(bool)
        return frame


def _informational_pointers(orders: Sequence[MappingRule], lines: Sequence[MappingRule], each: str) -> frozenset[str]:
    """Pointers (without line numbers) to informational values, and to objects of which only such values are read."""
    inner: dict[str, bool] = {}
    for location, rule in _patterns(orders, lines, each):
        names = location.split("/")
        for size in range(2, len(names) + 1):
            outer = "/".join(names[:size])
            inner[outer] = inner.get(outer, True) and rule.informational
    return frozenset(location for location, informational in inner.items() if informational)


def _required_parts(orders: Sequence[MappingRule], lines: Sequence[MappingRule], each: str) -> frozenset[str]:
    return frozenset(
        location
        for location, rule in _patterns(orders, lines, each)
        if rule.verb in ("sum", "difference") or (rule.required and rule.verb != "first")
    )


def _patterns(
    orders: Sequence[MappingRule], lines: Sequence[MappingRule], each: str
) -> Iterator[tuple[str, MappingRule]]:
    """The pointers (without numbers of elements) that the rules read."""
    for before, rules in (("", orders), (f"{each}[].", lines)):
        for rule in rules:
            for path in rule.paths:
                yield pointer_pattern(f"{before}{path}"), rule


def _line_minor(
    name: str, column: list[Any], scales: Sequence[int | None], wrong: dict[str, dict[int, ValidationIssue]]
) -> list[Any]:
    """A column of lines in minor units; discount and tax are 0 if the source has none."""
    if name != "extended" and name not in wrong:  # no rule reads it
        return [0] * len(column)
    amounts = columns.to_minor_units(column, scales, wrong.setdefault(name, {}).__setitem__)
    return amounts if name == "extended" else [amount or 0 for amount in amounts]
