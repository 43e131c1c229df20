"""Reading columns by rules: whole columns at once, each wrong value told to a collector instead of ending the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from order_relay.errors import RecordRejectedError, ValidationIssue
from order_relay.orders.empty_values import is_empty
from order_relay.orders.mapping.converters import number_as_text, text
from order_relay.orders.mapping.mapping_rules import MappingRule, normalize_words

ReportIssue = Callable[[int, ValidationIssue], None]
"""Takes a row number and a refusal whose pointer is still the row's own business."""

ReportUnmapped = Callable[[int, MappingRule], None]

CONVERSION_ERRORS = (ValueError, TypeError, ArithmeticError, AttributeError, KeyError, RecursionError)


class DocumentRows:
    """Documents, read by columns. Objects on the way to a member are found once for all members beside it."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self.size = len(rows)
        nothing: dict[str, Any] = {}
        self._nothing = nothing
        self._objects: dict[str, list[dict[str, Any]]] = {"": [row if type(row) is dict else nothing for row in rows]}

    def column(self, path: str) -> list[Any]:
        """The members at a dotted path; anything missing or of another kind on the way reads as ``None``."""
        outer, _, name = path.rpartition(".")
        return [row.get(name) for row in self._inside(outer)]

    def blocked(self, paths: Sequence[str]) -> list[int]:
        """Rows where something that is neither an object nor empty is on the way to one of the paths."""
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
    """One column: the first path that has a value, looked up, converted, and defaulted."""
    if not rule.paths:
        column: list[Any] = [rule.value] * rows.size
    else:
        column = combine_columns(rule, [rows.column(path) for path in rule.paths], report)
    if rule.table is not None:
        column = look_up_codes(rule, column, report, note)
    if rule.converter is not None:
        column = convert_column(rule, column, report)
    return apply_default(rule, column)


def combine_columns(rule: MappingRule, found: Sequence[list[Any]], report: ReportIssue) -> list[Any]:
    """What stands at a rule's paths as one column: the first value or all of them joined, and of it what counts."""
    column = found[0]
    if rule.join is not None:
        column = _join_columns(rule.join, found, report)
    else:
        for more in found[1:]:
            column = [b if is_empty(a) else a for a, b in zip(column, more, strict=True)]
    if rule.extract is None:
        return column
    matches = (rule.extract.search(value) if isinstance(value, str) else None for value in column)
    return [None if match is None else match[1] for match in matches]


def _join_columns(separator: str, found: Sequence[list[Any]], report: ReportIssue) -> list[Any]:
    joined: list[Any] = []
    for index, parts in enumerate(zip(*found, strict=True)):
        try:
            given = [text(part) for part in parts if not is_empty(part)]
            joined.append(separator.join(filter(None, given)) or None)
        except (RecordRejectedError, *CONVERSION_ERRORS):
            joined.append(None)
            report(index, ValidationIssue("wrong_type", "", "has a part that is not text"))
    return joined


def look_up_codes(rule: MappingRule, column: list[Any], report: ReportIssue, note: ReportUnmapped) -> list[Any]:
    """The rows of a code table for a column of codes."""
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
                report(index, ValidationIssue("not_in_table", "", "has no row in its code table"))
            elif rule.unknown == "note" and table:
                note(index, rule)
    return found


def _digits(value: Any) -> str:
    """A code as text; nothing for what is no code."""
    if isinstance(value, str):
        return value
    return number_as_text(value) or ""


def convert_column(rule: MappingRule, column: list[Any], report: ReportIssue) -> list[Any]:
    """A column through the rule's converter. The quick way first; only a column with a wrong value goes one by one.

    What a converter refuses and what is empty (a blank text, an empty list or object) is missing.
    """
    convert = rule.converter
    if convert is None:
        return column
    try:
        return [None if value is None else convert(value) for value in column]
    except (RecordRejectedError, *CONVERSION_ERRORS):
        pass  # found out below which value it was
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
    """A column with the rule's default where there is no value."""
    if rule.default is None:
        return column
    return [rule.default if value is None else value for value in column]
