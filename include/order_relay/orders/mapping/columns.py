"""Reads whole columns of documents by mapping rules. A wrong value is reported and does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from order_relay.errors import RecordRejectedError, ValidationIssue
from order_relay.orders.empty_values import is_empty
from order_relay.orders.mapping.converters import number_as_text
from order_relay.orders.mapping.mapping_rules import MappingRule, normalize_words
from order_relay.orders.money.amounts import to_minor
from order_relay.orders.notes import OrderNote
from order_relay.orders.paths import is_blocked, iterate_values, through_list

ReportIssue = Callable[[int, ValidationIssue], None]
"""Takes a row number and an issue without a pointer; the callback fills it in."""

ReportUnmapped = Callable[[int, MappingRule], None]

REQUIRED = ValidationIssue("missing_field", "", "is required but missing")
_BLOCKED = ValidationIssue("wrong_type", "", "cannot be read: the value around it has the wrong type")
CONVERSION_ERRORS = (ValueError, TypeError, ArithmeticError, AttributeError, KeyError, RecursionError)


def omission_note(location: str, issue: ValidationIssue) -> OrderNote:
    """The note on an informational value that is left out because of an issue."""
    return OrderNote("unreadable_value", location, f"{issue.message}; left out")


class DocumentRows:
    """Documents, read by columns. The objects along a path are looked up once for all members in them."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self.size = len(rows)
        nothing: dict[str, Any] = {}
        self._nothing = nothing
        self._objects: dict[str, list[dict[str, Any]]] = {"": [row if type(row) is dict else nothing for row in rows]}

    def column(self, path: str) -> list[Any]:
        """The first values at a path; ``None`` if one is missing or something along the path has another type."""
        if through_list(path):
            return [next(iterate_values(row, path), None) for row in self._objects[""]]
        outer, _, name = path.rpartition(".")
        return [row.get(name) for row in self._inside(outer)]

    def values(self, path: str) -> list[list[Any]]:
        """The values at a path that may go through lists; a list for each row."""
        return [list(iterate_values(row, path)) for row in self._objects[""]]

    def blocked(self, paths: Sequence[str]) -> list[int]:
        """Rows in which something along one of the paths is neither empty nor the object or list that is expected."""
        if any(map(through_list, paths)):
            return [row for row, node in enumerate(self._objects[""]) if any(is_blocked(node, path) for path in paths)]
        outer = {path.rpartition(".")[0] for path in paths} - {""}
        return [
            row
            for name in sorted(outer)
            for row, value in enumerate(self.column(name))
            if type(value) is not dict and not is_empty(value)
        ]

    def _inside(self, path: str) -> list[dict[str, Any]]:
        if path not in self._objects:
            nothing = self._nothing
            self._objects[path] = [found if type(found) is dict else nothing for found in self.column(path)]
        return self._objects[path]


def read_column(rule: MappingRule, rows: DocumentRows, report: ReportIssue, note: ReportUnmapped) -> list[Any]:
    """One column: the values at the rule's paths as one; then code table, converter and default."""
    if not rule.paths:
        column: list[Any] = [rule.value] * rows.size
    else:
        read = rows.values if rule.many else rows.column
        column = combine_columns(rule, [read(path) for path in rule.paths], report, many=rule.many)
    column = convert_codes(rule, column, report, note)
    if rule.many or rule.informational:
        for row in rows.blocked(rule.paths):
            if rule.verb != "first":
                column[row] = None  # a part is missing
            report(row, _BLOCKED)
    return apply_default(rule, column)


def column_of(path: str, columns: Container[str]) -> str:
    """The column that a path of a destination's rule reads: ``custom_fields`` for ``custom_fields.terms``.

    A column's name may contain dots; the longest one counts. Empty if there is none.
    """
    name = path
    while name and name not in columns:
        name = name[: max(name.rfind("."), name.rfind("["), 0)]
    return name


def read_from_columns(rule: MappingRule, source: Mapping[str, list[Any]], report: ReportIssue) -> list[Any]:
    """The values at the rule's paths in columns, or in the objects and lists that columns hold, as one column."""
    if all(path in source for path in rule.paths):
        return combine_columns(rule, [source[path] for path in rule.paths], report)
    found: list[list[Any]] = []
    for path in rule.paths:
        name = column_of(path, source)
        inner = f"column{path[len(name) :]}"
        rows = DocumentRows([{"column": value} for value in source[name]])
        found.append(rows.values(inner))
        for row in rows.blocked([inner]):
            report(row, _BLOCKED)
    return combine_columns(rule, found, report, many=True)


def combine_columns(
    rule: MappingRule, found: Sequence[list[Any]], report: ReportIssue, *, many: bool = False
) -> list[Any]:
    """The values at a rule's paths as one column: the first one, or as its verb says; then the rule's ``extract``.

    ``many``: the columns hold a list of values for each row.
    """
    column = found[0]
    if many or rule.verb != "first":
        column = _combine(rule, found, report, many=many)
    else:
        for more in found[1:]:
            column = [b if is_empty(a) else a for a, b in zip(column, more, strict=True)]
    if rule.extract is None:
        return column
    matches = (rule.extract.search(value) if isinstance(value, str) else None for value in column)
    return [None if match is None else match[1] for match in matches]


def _combine(rule: MappingRule, found: Sequence[list[Any]], report: ReportIssue, *, many: bool) -> list[Any]:
    combined: list[Any] = []
    for row, parts in enumerate(zip(*found, strict=True)):
        given = [[part for part in (values if many else (values,)) if not is_empty(part)] for values in parts]
        try:
            combined.append(rule.combine(given))
        except RecordRejectedError as error:
            combined.append(None)
            report(row, error.issues[0])
        except CONVERSION_ERRORS:
            combined.append(None)
            report(row, ValidationIssue("bad_value", "", "cannot be read"))
    return combined


def convert_codes(rule: MappingRule, column: list[Any], report: ReportIssue, note: ReportUnmapped) -> list[Any]:
    """Apply the rule's code table, then its converter. Issues of either name table and code."""
    if rule.table is None:
        return convert_column(rule, column, report)
    codes = column

    def report_code(row: int, issue: ValidationIssue) -> None:
        report(row, replace(issue, table_code=(rule.table_name, _digits(codes[row]))))

    return convert_column(rule, look_up_codes(rule, codes, report_code, note), report_code)


def look_up_codes(rule: MappingRule, column: list[Any], report: ReportIssue, note: ReportUnmapped) -> list[Any]:
    """The code table's rows for a column of codes."""
    table = rule.table or {}
    found: list[Any] = []
    for index, value in enumerate(column):
        if is_empty(value):
            found.append(None)
            continue
        code = normalize_words(_digits(value))
        if code in table:
            found.append(table[code])
        elif rule.unknown == "keep":
            found.append(value)
        else:
            found.append(None)
            if rule.unknown == "refuse":
                report(
                    index,
                    ValidationIssue(
                        "not_in_table", "", "is not in its code table; add a row to the table or correct the order"
                    ),
                )
            elif rule.unknown == "note" and table:
                note(index, rule)
    return found


def _digits(value: Any) -> str:
    """A code as text; empty if it is neither text nor a number."""
    if isinstance(value, str):
        return value
    return number_as_text(value) or ""


def convert_column(rule: MappingRule, column: list[Any], report: ReportIssue) -> list[Any]:
    """Apply the rule's converter. Only a column with a wrong value is converted value by value.

    An empty value (blank text, empty list or object) that the converter rejects is missing, not wrong.
    """
    convert = rule.converter
    if convert is None:
        return column
    try:
        return [None if value is None else convert(value) for value in column]
    except (RecordRejectedError, *CONVERSION_ERRORS):
        pass  # the loop below finds the value
    good: list[Any] = []
    for index, value in enumerate(column):
        try:
            good.append(None if value is None else convert(value))
        except RecordRejectedError as error:
            good.append(None)
            if not is_empty(value):
                report(index, error.issues[0])
        except CONVERSION_ERRORS:
            good.append(None)
            if not is_empty(value):
                report(index, ValidationIssue("bad_value", "", "cannot be read"))
    return good


def apply_default(rule: MappingRule, column: list[Any]) -> list[Any]:
    """Replace missing values by the rule's default."""
    if rule.default is None:
        return column
    return [rule.default if value is None else value for value in column]


def to_minor_units(column: Sequence[Any], scales: Sequence[int | None], report: ReportIssue) -> list[Any]:
    """A column of decimals as minor units, each in the currency of its row."""
    minor: list[Any] = []
    for row, (value, scale) in enumerate(zip(column, scales, strict=True)):
        try:
            minor.append(None if value is None or scale is None else to_minor(Decimal(value), scale))
        except RecordRejectedError as error:
            minor.append(None)
            report(row, error.issues[0])
    return minor
