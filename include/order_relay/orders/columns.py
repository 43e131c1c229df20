"""Reading columns by rules: whole columns at once, each wrong value told to a collector instead of ending the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from order_relay.errors import RecordRefused, Refusal
from order_relay.orders.converters import number_as_text, text
from order_relay.orders.emptiness import is_empty
from order_relay.orders.mapping import Rule, words

Tell = Callable[[int, Refusal], None]
"""Takes a row number and a refusal whose pointer is still the row's own business."""

NotInTable = Callable[[int, Rule], None]

UNREADABLE = (ValueError, TypeError, ArithmeticError, AttributeError, KeyError, RecursionError)


class Rows:
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


def read(rule: Rule, rows: Rows, tell: Tell, note: NotInTable) -> list[Any]:
    """One column: the first path that has a value, looked up, converted, and defaulted."""
    if not rule.paths:
        column: list[Any] = [rule.value] * rows.size
    else:
        column = combined(rule, [rows.column(path) for path in rule.paths], tell)
    if rule.table is not None:
        column = looked_up(rule, column, tell, note)
    if rule.converter is not None:
        column = converted(rule, column, tell)
    return defaulted(rule, column)


def combined(rule: Rule, found: Sequence[list[Any]], tell: Tell) -> list[Any]:
    """What stands at a rule's paths as one column: the first value or all of them joined, and of it what counts."""
    column = found[0]
    if rule.join is not None:
        column = _joined(rule.join, found, tell)
    else:
        for more in found[1:]:
            column = [b if is_empty(a) else a for a, b in zip(column, more, strict=True)]
    if rule.extract is None:
        return column
    matches = (rule.extract.search(value) if isinstance(value, str) else None for value in column)
    return [None if match is None else match[1] for match in matches]


def _joined(separator: str, found: Sequence[list[Any]], tell: Tell) -> list[Any]:
    joined: list[Any] = []
    for index, parts in enumerate(zip(*found, strict=True)):
        try:
            given = [text(part) for part in parts if not is_empty(part)]
            joined.append(separator.join(filter(None, given)) or None)
        except (RecordRefused, *UNREADABLE):
            joined.append(None)
            tell(index, Refusal("wrong_type", "", "has a part that is not text"))
    return joined


def looked_up(rule: Rule, column: list[Any], tell: Tell, note: NotInTable) -> list[Any]:
    """The rows of a code table for a column of codes."""
    table = rule.table or {}
    found: list[Any] = []
    for index, value in enumerate(column):
        if is_empty(value):
            found.append(None)
            continue
        code = words(_digits(value))
        if code in table:
            found.append(table[code])
        elif rule.unknown == "keep":
            found.append(value)
        else:
            found.append(None)
            if rule.unknown == "refuse":
                tell(index, Refusal("not_in_table", "", "has no row in its code table"))
            elif rule.unknown == "note" and table:
                note(index, rule)
    return found


def _digits(value: Any) -> str:
    """A code as text; nothing for what is no code."""
    if isinstance(value, str):
        return value
    return number_as_text(value) or ""


def converted(rule: Rule, column: list[Any], tell: Tell) -> list[Any]:
    """A column through the rule's converter. The quick way first; only a column with a wrong value goes one by one.

    What a converter refuses and what is empty (a blank text, an empty list or object) is missing.
    """
    convert = rule.converter
    if convert is None:
        return column
    try:
        return [None if value is None else convert(value) for value in column]
    except (RecordRefused, *UNREADABLE):
        pass  # found out below which value it was
    good: list[Any] = []
    for index, value in enumerate(column):
        try:
            good.append(None if value is None else convert(value))
        except RecordRefused as error:
            good.append(None)
            if not is_empty(value):
                tell(index, error.refusals[0])
        except UNREADABLE:
            good.append(None)
            if not is_empty(value):
                tell(index, Refusal("bad_value", "", "cannot be read"))
    return good


def defaulted(rule: Rule, column: list[Any]) -> list[Any]:
    """A column with the rule's default where there is no value."""
    if rule.default is None:
        return column
    return [rule.default if value is None else value for value in column]
