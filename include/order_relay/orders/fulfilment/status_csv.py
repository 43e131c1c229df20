"""CSV files of status events, with a column mapping as data. What cannot be read is rejected row by row.

A row becomes a record of the vendor's own shape, and so an event by the same rules as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict

from order_relay.errors import RecordRejectedError, ValidationIssue
from order_relay.orders.fulfilment.csv_cells import (
    TimestampFormat,
    read_identifier,
    strip_invisible,
    to_iso_timestamp,
    year_last_parts,
)
from order_relay.orders.fulfilment.csv_text import CsvRow, CsvTable, ExpectedColumns, is_unreadable, recover_cell
from order_relay.orders.fulfilment.status_events import Channel, EventKind
from order_relay.orders.fulfilment.status_records import (
    EntryFields,
    ParsedRecords,
    RejectedRecord,
    StatusMapping,
    parse_records,
)

ROWS = 1_000
"""Rows that are read at a time."""


class CsvColumns(BaseModel):
    """Which column holds what. ``order_id`` and ``status`` must be in the file; the others where it has them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order_id: str
    status: str
    kind: str = ""
    parcel: str = ""
    event_id: str = ""
    updated_at: str = ""
    happened_at: str = ""
    location: str = ""
    detail: str = ""


@dataclass(frozen=True)
class CsvFormat:
    """How files are written: their columns, and what is not found by itself. Empty texts: found."""

    columns: CsvColumns
    encoding: str = ""
    delimiter: str = ""
    time_format: str = ""
    time_zone: str = ""


def read_status_csv(
    data: bytes, form: CsvFormat, shape: StatusMapping, moment: datetime, *, arrival_counts: bool = False
) -> Iterator[ParsedRecords]:
    """A whole file, a portion of rows at a time; positions are its lines, the header being line 1.

    Raises ``RecordRejectedError`` where the file as a whole cannot be read: no header, or a column that is in it
    repeatedly.
    """
    drop = _StatusFile(data, form, shape)
    records: list[tuple[int, Any]] = []
    rejected: list[RejectedRecord] = []
    for row in drop.table.rows():
        try:
            records.append((row.line, drop.record(row)))
        except RecordRejectedError as error:
            rejected.append(RejectedRecord(row.line, "", tuple(error.issues)))
        if len(records) + len(rejected) >= ROWS:
            yield _reading(records, rejected, shape, moment, arrival_counts=arrival_counts)
            records, rejected = [], []
    yield _reading(records, rejected, shape, moment, arrival_counts=arrival_counts)


def _reading(
    records: list[tuple[int, Any]],
    rejected: list[RejectedRecord],
    shape: StatusMapping,
    moment: datetime,
    *,
    arrival_counts: bool,
) -> ParsedRecords:
    found = parse_records(
        shape,
        [record for _, record in records],
        Channel.CSV,
        moment,
        arrival_counts=arrival_counts,
        first=2 * records[0][0] if records else 0,  # a row has two events at most: parcel and status
    )
    lines = [replace(entry, position=records[entry.position][0], order_id="") for entry in found.rejected]
    return replace(found, rejected=(*rejected, *lines))


class _StatusFile:
    """One file: its table, and how its rows become records."""

    def __init__(self, data: bytes, form: CsvFormat, shape: StatusMapping) -> None:
        self._columns, self._shape, self._form = form.columns, shape, form
        words = shape.statuses
        self._known = {*words.known, *words.final, *words.shipped}
        self.table = CsvTable(data, ExpectedColumns(self._is_header, self._is_complete), form.encoding, form.delimiter)
        self._header = _without_empty_end([_plain(name) for name in self.table.header])
        for name in self._columns.model_dump().values():
            if name and self._header.count(_plain(name)) > 1:
                raise RecordRejectedError(
                    [ValidationIssue("column_twice", "", f"the column {name!r} is in the file repeatedly")]
                )

    def _is_header(self, cells: Sequence[str]) -> bool:
        return {_plain(self._columns.order_id), _plain(self._columns.status)} <= {_plain(cell) for cell in cells}

    def _is_complete(self, cells: Sequence[str]) -> bool:
        """Whether the cell in the status column is a known status: then the cells are where they belong."""
        index = next(index for name, index, _ in self._places if name == self._columns.status)
        return index < len(cells) and self._shape.normalize_status(strip_invisible(cells[index])) in self._known

    def record(self, row: CsvRow) -> dict[str, Any]:
        """The row in the shape of the vendor's records. Raises ``RecordRejectedError``."""
        if row.problem:
            raise _row_rejected(row.problem, "has an unclosed quote, or quotes inside a quoted cell")
        cells = self._aligned(row)
        if row.odd and any('"' in cells[index] for _, index, kind in self._places if kind != "words"):
            raise _row_rejected("broken_quotes", "has misplaced quotes in a column other than location and detail")
        values = {name: self._value(cells[index], name, kind) for name, index, kind in self._places}
        return _record(values, self._columns, self._shape)

    def _aligned(self, row: CsvRow) -> list[str]:
        """As many cells as the header has. Spreadsheets leave out empty cells at the end, or add some."""
        width, cells = len(self._header), list(row.cells)
        if len(cells) in {width, len(self.table.header)}:
            filled = _without_empty_end(cells)
        else:
            filled = _without_empty_end(cells)
            if len(cells) < width and not row.ended:
                raise _row_rejected(
                    "cut_off", f"is the last one and has {len(cells)} of {width} cells: the file is cut"
                )
            if not self._is_complete(cells):
                raise _row_rejected("wrong_width", f"has {len(cells)} cells, the header has {width}")
        if len(filled) > width:
            raise _row_rejected("wrong_width", f"has {len(filled)} cells, the header has {width}")
        return filled + [""] * (width - len(filled))

    def _value(self, cell: str, name: str, kind: str) -> str | None:
        if is_unreadable(cell):
            if kind != "words":
                raise RecordRejectedError(
                    [
                        ValidationIssue(
                            "wrong_encoding",
                            f"/{name}",
                            f"holds bytes that are not {self.table.encoding}; set files.encoding",
                        )
                    ]
                )
            cell = recover_cell(cell, self.table.encoding)
        if kind == "time":
            return to_iso_timestamp(cell, self._times, name)
        return (read_identifier(cell, name) if kind == "identity" else strip_invisible(cell)) or None

    @cached_property
    def _places(self) -> list[tuple[str, int, str]]:
        """Of each column that the file has: its name, its index, and how its cells are read."""
        c = self._columns
        kinds = {
            c.order_id: "identity",
            c.parcel: "identity",
            c.event_id: "identity",
            c.status: "word",
            c.kind: "word",
            c.updated_at: "time",
            c.happened_at: "time",
            c.location: "words",
            c.detail: "words",
        }
        return [
            (name, self._header.index(_plain(name)), kind)
            for name, kind in kinds.items()
            if name and _plain(name) in self._header
        ]

    @cached_property
    def _times(self) -> TimestampFormat:
        """How times are written. Whether days or months come first shows by numbers above 12, in any row."""
        firsts: set[int] = set()
        seconds: set[int] = set()
        if not self._form.time_format:
            wanted = [index for _, index, kind in self._places if kind == "time"]
            for row in self.table.rows():
                for found in (year_last_parts(row.cells[index]) for index in wanted if index < len(row.cells)):
                    if found is not None:
                        firsts.add(found[0])
                        seconds.add(found[1])
        days = max(firsts, default=0) > 12, max(seconds, default=0) > 12
        return TimestampFormat(self._form.time_format, self._form.time_zone, days[0] if days[0] != days[1] else None)


def _plain(name: str) -> str:
    """A column's name for comparisons: without case, and with single spaces."""
    return " ".join(strip_invisible(name).casefold().split())


def _without_empty_end(cells: list[str]) -> list[str]:
    while cells and not strip_invisible(cells[-1]):
        cells = cells[:-1]
    return cells


def _record(row: Mapping[str, str | None], columns: CsvColumns, shape: StatusMapping) -> dict[str, Any]:
    def cell(name: str) -> str | None:
        return row.get(name)

    if cell(columns.status) is None:
        raise RecordRejectedError([ValidationIssue("no_status", f"/{columns.status}", "is empty")])
    parcel = cell(columns.parcel)
    kind = (cell(columns.kind) or (EventKind.PARCEL if parcel else EventKind.ORDER)).lower()

    def entry(names: EntryFields) -> dict[str, Any]:
        fields = {
            names.event_id: cell(columns.event_id),
            names.status: cell(columns.status),
            names.updated_at: cell(columns.updated_at),
            names.happened_at: cell(columns.happened_at),
            names.location: cell(columns.location),
            names.detail: cell(columns.detail),
        }
        return {name: value for name, value in fields.items() if name and value is not None}

    record: dict[str, Any] = {shape.order_id: cell(columns.order_id)}
    if kind == EventKind.PARCEL:
        parcels = shape.parcels
        return {**record, parcels.list: [{parcels.parcel: parcel, parcels.history: [entry(parcels.entry)]}]}
    for names in shape.lists:
        if names.kind == kind:
            return {**record, names.list: [entry(names.entry)]}
    raise RecordRejectedError(
        [ValidationIssue("unknown_kind", f"/{columns.kind}", "must be order, detailed or parcel")]
    )


def _row_rejected(code: str, message: str) -> RecordRejectedError:
    return RecordRejectedError([ValidationIssue(code, "", f"the row {message}")])
