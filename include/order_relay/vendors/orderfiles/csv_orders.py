"""Orders in CSV files: one row per line of an order.

The rows of an order have the same ``order_number``, next to each other or not. Columns that begin with ``line_`` belong
to the line, all others to the order: there, its rows must agree; an empty cell repeats the first row's. What is wrong
with a row concerns its order only. No order is imported of which a line may be missing: a row whose cells cannot be
separated also stops the orders of the rows before and after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from order_relay.errors import ConfigurationError, RecordRejectedError, ValidationIssue
from order_relay.orders.fulfilment.csv_cells import strip_invisible
from order_relay.orders.fulfilment.csv_text import CsvRow, CsvTable, ExpectedColumns, is_unreadable
from order_relay.orders.messages import SourceOrder

from .cells import LINES, restore_identifiers
from .connection import OrderFileSettings

NUMBER = "order_number"
_LINE = "line_"
_BOOLEANS = {"true": True, "false": False}
_MAX_ISSUES = 20


def read_csv(data: bytes, name: str, settings: OrderFileSettings) -> Iterator[SourceOrder]:
    """The orders of a file, each once its last row was read; ``name``: for messages.

    Memory beyond the file itself depends on the orders whose rows are apart. Raises ``ConfigurationError`` if there is
    no usable header.
    """
    yield from _OrderRows(data, name, settings).orders()


class _OrderRows:
    """The rows of a file by order."""

    def __init__(self, data: bytes, name: str, settings: OrderFileSettings) -> None:
        self._name, self._limit = name, settings.order_limit_bytes
        self._ours = {_plain(theirs): ours for theirs, ours in settings.columns.items()}
        expected = ExpectedColumns(lambda cells: NUMBER in self._names(cells), lambda _cells: True)
        try:
            self._table = CsvTable(data, expected, settings.encoding, settings.delimiter)
        except RecordRejectedError:
            raise ConfigurationError(
                f"the file {name} has no column {NUMBER} in its first row. Correct the file, or the fields 'columns', "
                "'delimiter' and 'encoding' of the connection"
            ) from None
        self._columns = self._names(self._table.header)
        if twice := sorted({column for column in self._columns if column and self._columns.count(column) > 1}):
            raise ConfigurationError(f"the file {name} has the column {twice[0]} more than once; remove or rename one")
        self._key = self._columns.index(NUMBER)

    def orders(self) -> Iterator[SourceOrder]:
        last, beside = self._survey()
        rows: dict[str, list[CsvRow]] = {}
        for row in self._table.rows():
            number = self._number(row)
            if not number:
                yield self._without_number(row)
                continue
            rows.setdefault(number, []).append(row)
            if last[number] == row.line:
                yield self._order(rows.pop(number), beside.get(number, 0))

    def _survey(self) -> tuple[dict[str, int], dict[str, int]]:
        """The last row of each order, and the orders beside a row of no known order with the line of that row."""
        last: dict[str, int] = {}
        beside: dict[str, int] = {}
        before, unknown = "", 0
        for row in self._table.rows():
            number = self._number(row)
            if number:
                last[number] = row.line
                if unknown:
                    beside[number] = unknown
                before, unknown = number, 0
            else:
                unknown = row.line
                if before:
                    beside[before] = row.line
        return last, beside

    def _number(self, row: CsvRow) -> str:
        """The row's order number as it is in the file; empty if it cannot be known."""
        misplaced = row.problem or row.odd or self._key >= len(row.cells)
        return "" if misplaced else strip_invisible(row.cells[self._key])

    def _order(self, rows: Sequence[CsvRow], beside: int) -> SourceOrder:
        issues = [issue for row in rows for issue in self._row_issues(row)]
        if beside:
            message = f"row {beside}, next to this order, has no readable order number and may belong to it"
            issues.append(ValidationIssue("number_missing", f"/{NUMBER}", message))
        filled = [self._values(row) for row in rows]
        order = {name: value for name, value in filled[0].items() if not name.startswith(_LINE)}
        for row, values in zip(rows[1:], filled[1:], strict=True):
            for name, value in values.items():
                if not name.startswith(_LINE) and order.get(name) != value:
                    message = f"row {row.line} has another value than row {rows[0].line} of the same order"
                    issues.append(ValidationIssue("rows_differ", f"/{name}", message))
        lines = [
            {name.removeprefix(_LINE): value for name, value in values.items() if name.startswith(_LINE)}
            for values in filled
        ]
        document, damaged = restore_identifiers({**order, LINES: [line for line in lines if line]})
        issues += damaged
        size = sum(len(cell) for row in rows for cell in row.cells)
        if size > self._limit:
            issues.append(
                ValidationIssue("order_too_large", "", f"the order has {size} characters, more than {self._limit}")
            )
        if not issues:
            return SourceOrder(document, where=self._where(rows[0]))
        return self._refused(document, issues, rows)

    def _row_issues(self, row: CsvRow) -> Iterator[ValidationIssue]:
        width, given = len(self._columns), len(row.cells)
        if given < width and not row.ended:
            message = f"row {row.line} is the last one and has {given} of {width} cells; the file is truncated"
            yield ValidationIssue("cut_off", "", message)
        elif given < width or any(cell.strip() for cell in row.cells[width:]):
            message = f"row {row.line} has {given} cells, the header has {width}"
            yield ValidationIssue("wrong_width", "", message)
        for name, cell in zip(self._columns, row.cells, strict=False):
            if is_unreadable(cell):
                message = f"row {row.line} holds bytes that are not {self._table.encoding}; set the field 'encoding'"
                yield ValidationIssue("wrong_encoding", f"/{name}", message)

    def _values(self, row: CsvRow) -> dict[str, Any]:
        """The cells that are not empty, by our names of their columns."""
        cells = zip(self._columns, map(strip_invisible, row.cells), strict=False)
        found: dict[str, Any] = {name: cell for name, cell in cells if name and cell}
        if "uses_inventory" in found:
            found["uses_inventory"] = _BOOLEANS.get(found["uses_inventory"].lower(), found["uses_inventory"])
        return found

    def _without_number(self, row: CsvRow) -> SourceOrder:
        code = row.problem or ("broken_quotes" if row.odd else "number_missing")
        issue = ValidationIssue(code, "", f"row {row.line} has no readable order number")
        return self._refused({}, [issue], [row])

    def _refused(
        self, document: dict[str, Any], issues: Sequence[ValidationIssue], rows: Sequence[CsvRow]
    ) -> SourceOrder:
        text = "\n".join(self._table.delimiter.join(row.cells) or f"row {row.line}" for row in rows)[: self._limit]
        text = text.encode("utf-8", "backslashreplace").decode()
        where = self._where(rows[0])
        return SourceOrder(document, issues[0].code, issues=tuple(issues[:_MAX_ISSUES]), text=text, where=where)

    def _where(self, row: CsvRow) -> str:
        return f"{self._name}, row {row.line}"

    def _names(self, cells: Sequence[str]) -> list[str]:
        plain = [_plain(cell) for cell in cells]
        return [self._ours.get(name, name) for name in plain]


def _plain(name: str) -> str:
    """A column's name in lower case, with underscores for spaces."""
    return "_".join(strip_invisible(name).lower().split())
