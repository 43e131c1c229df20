"""Values as cells of tables, and CSV protected against formula injection in spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from order_relay.errors import ConfigurationError

# Spreadsheets read a cell that starts with one of these as a formula; some skip a leading tab or carriage return, and
# some input settings treat the full-width forms like the plain ones.
_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def printable(value: Any) -> str:
    """One cell as text on one line: times in UTC to the second, control characters shown as ``?``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    return "".join(c if c.isprintable() else "?" for c in str(value))


def escape_formula(value: Any) -> str:
    """The cell's text, prefixed with an apostrophe if a spreadsheet would run it as a formula. Numbers are kept."""
    if isinstance(value, int | float | Decimal):
        return printable(value)
    raw = value if isinstance(value, str) else printable(value)
    dangerous = raw.lstrip(" \u00a0").startswith(_FORMULA_PREFIXES)
    text = printable(raw)
    return f"'{text}" if dangerous else text


BYTE_ORDER_MARK = "\ufeff"
"""At the beginning of a CSV file: spreadsheets read it as UTF-8 then, instead of the machine's own encoding."""


def save_csv(path: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file; raises ``ConfigurationError`` if it cannot be written."""
    try:
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            file.write(BYTE_ORDER_MARK)
            write_csv(file, columns, rows)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from None


def write_csv(stream: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a header and the rows, with every cell escaped. Returns the number of rows."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow([escape_formula(row.get(column)) for column in columns])
        count += 1
    return count
