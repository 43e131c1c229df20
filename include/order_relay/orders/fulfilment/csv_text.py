"""Reads the rows of a CSV file: detects its encoding and delimiter, and parses each row separately.

An invalid byte or a misplaced quote affects only its own row. This module knows no columns: ``ExpectedColumns``
identifies the header and plausible rows.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from order_relay.errors import RecordRejectedError, ValidationIssue

DELIMITERS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8", "cp874", "cp1252")
"""Encodings tried for the header, in this order: UTF-8, Windows Thai, Windows Western."""

_WIDE = {"utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BREAK = re.compile("\r\n|\n|\r")
_BREAK_BYTES = re.compile(b"\r\n|\n|\r")
_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_MAX_JOINED_LINES = 50  # lines of one row: a quoted cell may hold line breaks
_SAMPLE_BYTES = 4_000  # bytes in which zeros reveal UTF-16


@dataclass(frozen=True)
class ExpectedColumns:
    """``header``: whether cells are the file's header. ``complete``: whether cells are certainly a complete row."""

    header: Callable[[Sequence[str]], bool]
    complete: Callable[[Sequence[str]], bool]


@dataclass(frozen=True)
class CsvRow:
    """One row: its first line in the file (counted from 1) and its cells.

    ``problem``: why the cells cannot be separated. ``odd``: misplaced quotes, so that a cell may be wrong. ``ended``: a
    line break follows; without one, the file may be truncated.
    """

    line: int
    cells: Sequence[str] = ()
    problem: str = ""
    odd: bool = False
    ended: bool = True


class CsvTable:
    """A file's header and rows. Bytes invalid in the encoding are kept as surrogates (see ``is_unreadable``)."""

    def __init__(self, data: bytes, expected: ExpectedColumns, encoding: str = "", delimiter: str = "") -> None:
        """Detect encoding and delimiter unless given. Raises ``RecordRejectedError`` if there is no header."""
        self._expected = expected
        mark, marked = next(((mark, name) for mark, name in _BOMS if data.startswith(mark)), (b"", ""))
        data = data[len(mark) :]
        known = marked or encoding or _wide(data)
        choices = [known] if known else list(ENCODINGS)
        self._wide = codecs.lookup(choices[0]).name in _WIDE
        self._lines: Sequence[bytes] | Sequence[str]
        if self._wide:
            self._lines = _BREAK.split(data.decode(choices[0], "replace"))
        else:
            self._lines = _BREAK_BYTES.split(data)
        self.encoding, self.delimiter, self.header, self._begin = self._detect(choices, delimiter)

    def _detect(self, encodings: Sequence[str], delimiter: str) -> tuple[str, str, list[str], int]:
        """Encoding, delimiter, header, and the index of the first line after it."""
        for encoding in encodings:
            self.encoding = encoding
            choices: Sequence[str] = (delimiter,) if delimiter else DELIMITERS
            for index in range(len(self._lines)):
                text = self._text(index).strip(" ")
                if not text:
                    continue
                if separator := _SEP.fullmatch(text):
                    choices = choices if delimiter else (separator[1],)
                    continue
                for choice in choices:
                    cells, _ = _strict(text, choice)
                    if cells is not None and self._expected.header(cells):
                        return encoding, choice, cells, index + 1
                break
        raise RecordRejectedError(
            [
                ValidationIssue(
                    "no_such_column",
                    "",
                    "no header with the columns of order number and status was found. Check files.columns, and "
                    "files.delimiter and files.encoding if the file uses unusual ones",
                )
            ]
        )

    def rows(self) -> Iterator[CsvRow]:
        """All rows after the header, without empty lines and repeated headers. May be called repeatedly."""
        index, width, last = self._begin, len(self.header), len(self._lines) - 1
        while index <= last:
            row, used = self._row(index, width)
            index += used
            if (any(cell.strip() for cell in row.cells) or row.problem) and list(row.cells) != self.header:
                yield row

    def _row(self, index: int, width: int) -> tuple[CsvRow, int]:
        """The row that begins at a line, and its number of lines."""
        text, line, ended = self._text(index), index + 1, index < len(self._lines) - 1
        if '"' not in text:
            return CsvRow(line, text.split(self.delimiter), ended=ended), 1
        cells, is_open = _strict(text, self.delimiter)
        if cells is not None:
            return CsvRow(line, cells, ended=ended), 1
        if is_open and (joined := self._join_lines(index, text, width)):
            return joined
        loose = _loose(text, self.delimiter)
        if loose is None:
            return CsvRow(line, problem="broken_quotes", ended=ended), 1
        return CsvRow(line, loose, odd=True, ended=ended), 1

    def _join_lines(self, index: int, text: str, width: int) -> tuple[CsvRow, int] | None:
        """A row with line breaks in a quoted cell. Lines that are complete rows are never joined to it."""
        for more in range(1, min(_MAX_JOINED_LINES, len(self._lines) - index)):
            following = self._text(index + more)
            alone, _ = _strict(following, self.delimiter)
            if alone is not None and len(alone) >= width and self._expected.complete(alone):
                return None
            text = f"{text}\n{following}"
            if '"' not in following:
                continue
            cells, is_open = _strict(text, self.delimiter)
            if cells is not None:
                ended = index + more < len(self._lines) - 1
                return (CsvRow(index + 1, cells, ended=ended), more + 1) if len(cells) >= width else None
            if not is_open:
                return None
        return None

    def _text(self, index: int) -> str:
        line = self._lines[index]
        return line if isinstance(line, str) else line.decode(self.encoding, "surrogateescape")


def is_unreadable(cell: str) -> bool:
    """Whether a cell holds bytes that are invalid in the file's encoding."""
    return any("\udc80" <= char <= "\udcff" or char == "\ufffd" for char in cell)


def recover_cell(cell: str, encoding: str) -> str:
    """A free text cell with invalid bytes: decoded as Thai if possible, else with those bytes replaced."""
    if "\ufffd" in cell:
        return cell
    data = cell.encode(encoding, "surrogateescape")
    if all(char.isascii() or "\udc80" <= char <= "\udcff" for char in cell):
        with suppress(UnicodeDecodeError):
            return data.decode("cp874")
    return data.decode(encoding, "replace")


def usable_encoding(name: str) -> bool:
    """Whether an encoding is known and has commas, quotes and line breaks as in ASCII (or is UTF-16 or UTF-32)."""
    signs = 'Az09+",;|\t\r\n'
    try:
        return codecs.lookup(name).name in _WIDE or signs.encode(name) == signs.encode("ascii")
    except (LookupError, UnicodeError):
        return False


def _wide(data: bytes) -> str:
    """UTF-16 without a byte order mark, recognized by its zeros: every second byte of ASCII letters; else empty."""
    part = data[:_SAMPLE_BYTES]
    for name, start in (("utf-16-le", 1), ("utf-16-be", 0)):
        if part and part[start::2].count(0) * 4 > len(part):
            return name
    return ""


def _strict(text: str, delimiter: str) -> tuple[list[str] | None, bool]:
    """The cells of one row, or ``None`` and whether a quoted cell is open at its end."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        return None, "unexpected end" in str(error)
    return (rows[0], False) if len(rows) == 1 else (None, False)


def _loose(text: str, delimiter: str) -> list[str] | None:
    """The cells of a row with quotes that are not doubled: a quoted cell ends at a quote before a delimiter."""
    end_of_cell = re.compile(f'"(?={re.escape(delimiter)}|$)')
    cells, position = [], 0
    while True:
        if text.startswith('"', position):
            end = end_of_cell.search(text, position + 1)
            if end is None:
                return None
            cells.append(text[position + 1 : end.start()].replace('""', '"'))
            position = end.end()
        else:
            following = text.find(delimiter, position)
            stop = len(text) if following < 0 else following
            cells.append(text[position:stop])
            position = stop
        if position >= len(text):
            return cells
        position += 1
