"""Rows as CSV that a spreadsheet opens without running anything in it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from order_relay.cli.output import printable
from order_relay.errors import ConfigurationError

# A cell that starts with one of these is read as a formula by spreadsheets; a leading tab or carriage return is skipped
# by some of them first. The full-width forms are taken for the plain ones by some input settings.
_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def escape_formula(value: Any) -> str:
    """The cell's text, led by an apostrophe where a spreadsheet would take it for a formula. Numbers stay numbers."""
    if isinstance(value, int | float | Decimal):
        return printable(value)
    raw = value if isinstance(value, str) else printable(value)
    dangerous = raw.lstrip(" \u00a0").startswith(_FORMULA_PREFIXES)
    text = printable(raw)
    return f"'{text}" if dangerous else text


def save_csv(path: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file. Raises ``ConfigurationError`` where it can not be written."""
    try:
        # The mark at the beginning tells spreadsheets that the text is UTF-8.
        with Path(path).open("w", encoding="utf-8-sig", newline="") as file:
            write_csv(file, columns, rows)
    except OSError as error:
        raise ConfigurationError(f"{path} can not be written: {error.strerror}") from None


def write_csv(stream: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a header and the rows; every cell guarded. Returns the number of rows."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow([escape_formula(row.get(column)) for column in columns])
        count += 1
    return count
