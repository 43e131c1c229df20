"""Reads CSV files of status events by a column mapping. Rows that cannot be read are rejected one by one.

A row becomes a record in the vendor's format, so that the same rules apply to it as to records of other channels.
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
    ListFields,
    ParcelFields,
    ParsedRecords,
    RejectedRecord,
    StatusMapping,
    parse_records,
)

ROWS = 1_000
"""Rows per chunk."""


class CsvColumns(BaseModel):
    """The name of each column. ``order_id`` and ``status`` are required; the others may be missing in a file."""

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
    """The format of a file: its columns and, if detection fails, its other properties. Empty: detected."""

    columns: CsvColumns
    encoding: str = ""
    delimiter: str = ""
    time_format: str = ""
    time_zone: str = ""


def read_status_csv(
    data: bytes, form: CsvFormat, shape: StatusMapping, moment: datetime, *, arrival_counts: bool = False
) -> Iterator[ParsedRecords]:
    """Parse a whole file in chunks of ``ROWS``. Positions are line numbers; the first line is 1.

    ``moment`` (UTC): when the file arrived. ``arrival_counts``: as in ``StatusReport``. Raises ``RecordRejectedError``
    if the whole file cannot be read: no header, or a duplicate column.
    """
    shape = _shape_of_rows(shape)
    file = _StatusFile(data, form, shape)
    records: list[tuple[int, Any]] = []
    rejected: list[RejectedRecord] = []
    for row in file.table.rows():
        try:
            records.append((row.line, file.record(row)))
        except RecordRejectedError as error:
            rejected.append(RejectedRecord(row.line, "", tuple(error.issues)))
        if len(records) + len(rejected) >= ROWS:
            yield _parse(records, rejected, shape, moment, arrival_counts=arrival_counts)
            records, rejected = [], []
    yield _parse(records, rejected, shape, moment, arrival_counts=arrival_counts)


def _parse(
    records: list[tuple[int, Any]],
    rejected: list[RejectedRecord],
    shape: StatusMapping,
    moment: datetime,
    *,
    arrival_counts: bool,
) -> ParsedRecords:
    parsed = parse_records(
        shape,
        [record for _, record in records],
        Channel.CSV,
        moment,
        arrival_counts=arrival_counts,
        first=2 * records[0][0] if records else 0,  # a row has at most two events: parcel and status
    )
    lines = [replace(entry, position=records[entry.position][0], order_id="") for entry in parsed.rejected]
    return replace(parsed, rejected=(*rejected, *lines))


class _StatusFile:
    """The table of one file, and the conversion of its rows to records."""

    def __init__(self, data: bytes, form: CsvFormat, shape: StatusMapping) -> None:
        self._columns, self._shape, self._form = form.columns, shape, form
        statuses = shape.statuses
        self._known = {*statuses.known, *statuses.final, *statuses.shipped}
        self.table = CsvTable(data, ExpectedColumns(self._is_header, self._is_complete), form.encoding, form.delimiter)
        self._header = _without_empty_end([_plain(name) for name in self.table.header])
        for name in self._columns.model_dump().values():
            if name and self._header.count(_plain(name)) > 1:
                raise RecordRejectedError(
                    [ValidationIssue("column_twice", "", f"the file has duplicate columns {name!r}")]
                )

    def _is_header(self, cells: Sequence[str]) -> bool:
        return {_plain(self._columns.order_id), _plain(self._columns.status)} <= {_plain(cell) for cell in cells}

    def _is_complete(self, cells: Sequence[str]) -> bool:
        """Whether the status column holds a known status, so that the cells are in the right columns."""
        index = next(index for name, index, _ in self._present_columns if name == self._columns.status)
        return index < len(cells) and self._shape.normalize_status(strip_invisible(cells[index])) in self._known

    def record(self, row: CsvRow) -> dict[str, Any]:
        """The row in the format of the vendor's records. Raises ``RecordRejectedError``."""
        if row.problem:
            raise _row_rejected(row.problem, "has an unclosed quote, or quotes inside a quoted cell")
        cells = self._aligned(row)
        if row.odd and any('"' in cells[index] for _, index, kind in self._present_columns if kind != "text"):
            raise _row_rejected("broken_quotes", "has misplaced quotes in a column other than location and detail")
        values = {name: self._value(cells[index], name, kind) for name, index, kind in self._present_columns}
        return _record(values, self._columns, self._shape)

    def _aligned(self, row: CsvRow) -> list[str]:
        """The cells, as many as the header has: spreadsheets omit or add empty cells at the end of a row."""
        width, cells = len(self._header), list(row.cells)
        if len(cells) in {width, len(self.table.header)}:
            filled = _without_empty_end(cells)
        else:
            filled = _without_empty_end(cells)
            if len(cells) < width and not row.ended:
                raise _row_rejected(
                    "cut_off", f"is the last one and has {len(cells)} of {width} cells; the file is truncated"
                )
            if not self._is_complete(cells):
                raise _row_rejected("wrong_width", f"has {len(cells)} cells, the header has {width}")
        if len(filled) > width:
            raise _row_rejected("wrong_width", f"has {len(filled)} cells, the header has {width}")
        return filled + [""] * (width - len(filled))

    def _value(self, cell: str, name: str, kind: str) -> str | None:
        if is_unreadable(cell):
            if kind != "text":
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
    def _present_columns(self) -> list[tuple[str, int, str]]:
        """Name, index and kind of each column that the file has."""
        c = self._columns
        kinds = {
            c.order_id: "identity",
            c.parcel: "identity",
            c.event_id: "identity",
            c.status: "code",
            c.kind: "code",
            c.updated_at: "time",
            c.happened_at: "time",
            c.location: "text",
            c.detail: "text",
        }
        return [
            (name, self._header.index(_plain(name)), kind)
            for name, kind in kinds.items()
            if name and _plain(name) in self._header
        ]

    @cached_property
    def _times(self) -> TimestampFormat:
        """The format of times. A number above 12 in any row shows whether days or months come first."""
        firsts: set[int] = set()
        seconds: set[int] = set()
        if not self._form.time_format:
            wanted = [index for _, index, kind in self._present_columns if kind == "time"]
            for row in self.table.rows():
                for parts in (year_last_parts(row.cells[index]) for index in wanted if index < len(row.cells)):
                    if parts is not None:
                        firsts.add(parts[0])
                        seconds.add(parts[1])
        days = max(firsts, default=0) > 12, max(seconds, default=0) > 12
        return TimestampFormat(self._form.time_format, self._form.time_zone, days[0] if days[0] != days[1] else None)


def _plain(name: str) -> str:
    """A column's name for comparisons: in lower case, with single spaces."""
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
        fields = {field: cell(getattr(columns, field)) for field, path in names.model_dump().items() if path}
        return {field: value for field, value in fields.items() if value is not None}

    record: dict[str, Any] = {"order_id": cell(columns.order_id)}
    if kind == EventKind.PARCEL:
        return {**record, "parcels": [{"parcel": parcel, "history": [entry(shape.parcels.entry)]}]}
    for names in shape.lists:
        if names.kind == kind:
            return {**record, names.list: [entry(names.entry)]}
    raise RecordRejectedError(
        [ValidationIssue("unknown_kind", f"/{columns.kind}", "must be order, detailed or parcel")]
    )


def _shape_of_rows(shape: StatusMapping) -> StatusMapping:
    """The same mapping for records that are made of rows: members have the names of the mapping's keys."""

    def plain(entry: EntryFields) -> EntryFields:
        return EntryFields(**{field: field if path else "" for field, path in entry.model_dump().items()})

    lists = [ListFields(list=f"{one.kind}_entries", kind=one.kind, entry=plain(one.entry)) for one in shape.lists]
    parcels = ParcelFields(list="parcels", parcel="parcel", history="history", entry=plain(shape.parcels.entry))
    return StatusMapping(order_id="order_id", error="error", lists=lists, parcels=parcels, statuses=shape.statuses)


def _row_rejected(code: str, message: str) -> RecordRejectedError:
    return RecordRejectedError([ValidationIssue(code, "", f"the row {message}")])
