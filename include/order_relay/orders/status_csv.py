"""CSV files of status events, with a column mapping as data. What can not be read is refused row by row.

A row becomes a record of the vendor's own shape, and so an event by the same rules as everywhere.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from order_relay.errors import RecordRefused, Refusal
from order_relay.orders.status_events import Channel, Kind
from order_relay.orders.status_records import EntryNames, Reading, Refused, StatusShape, read_records

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


def read_drop(
    data: bytes, columns: CsvColumns, shape: StatusShape, moment: datetime, *, arrival_counts: bool = False
) -> Iterator[Reading]:
    """A whole file, a portion of rows at a time; positions are its lines, the header being line 1.

    Raises ``RecordRefused`` where the file as a whole can not be read: not UTF-8, no such columns, broken quotes.
    """
    rows = _rows(data)
    header = [name.strip() for name in next(rows, (0, []))[1]]
    _check_header(header, columns)
    records: list[tuple[int, Any]] = []
    refused: list[Refused] = []
    for line, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            refused.append(_row_refused(line, "wrong_width", f"has {len(row)} cells, the header {len(header)}"))
            continue
        try:
            records.append((line, _record(dict(zip(header, row, strict=True)), columns, shape)))
        except RecordRefused as error:
            refused.append(Refused(line, "", tuple(error.refusals)))
        if len(records) + len(refused) >= ROWS:
            yield _reading(records, refused, shape, moment, arrival_counts=arrival_counts)
            records, refused = [], []
    yield _reading(records, refused, shape, moment, arrival_counts=arrival_counts)


def _reading(
    records: list[tuple[int, Any]], refused: list[Refused], shape: StatusShape, moment: datetime, *,
    arrival_counts: bool,
) -> Reading:  # fmt: skip
    found = read_records(
        shape, [record for _, record in records], Channel.CSV, moment, arrival_counts=arrival_counts
    )
    lines = [replace(entry, position=records[entry.position][0], order_id="") for entry in found.refused]
    return replace(found, refused=(*refused, *lines))


def _rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _whole("not_utf8", "the file is not UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error:
        raise _whole("broken_csv", f"the file is broken at line {reader.line_num}") from None


def _check_header(header: list[str], columns: CsvColumns) -> None:
    missing = [name for name in (columns.order_id, columns.status) if name not in header]
    if missing:
        raise _whole("no_such_column", f"the file lacks the column {missing[0]!r}; see csv in the column mapping")
    if len(set(header)) != len(header):
        raise _whole("column_twice", "the file has a column twice")


def _record(row: Mapping[str, str], columns: CsvColumns, shape: StatusShape) -> dict[str, Any]:
    """The row in the shape of the vendor's records."""

    def cell(name: str) -> str | None:
        return row.get(name, "").strip() or None if name else None

    parcel = cell(columns.parcel)
    kind = (cell(columns.kind) or (Kind.PARCEL if parcel else Kind.ORDER)).lower()

    def entry(names: EntryNames) -> dict[str, Any]:
        told = {
            names.event_id: cell(columns.event_id), names.status: cell(columns.status),
            names.updated_at: cell(columns.updated_at), names.happened_at: cell(columns.happened_at),
            names.location: cell(columns.location), names.detail: cell(columns.detail),
        }  # fmt: skip
        return {name: value for name, value in told.items() if name and value is not None}

    record: dict[str, Any] = {shape.order_id: cell(columns.order_id)}
    if kind == Kind.PARCEL:
        parcels = shape.parcels
        return {**record, parcels.list: [{parcels.parcel: parcel, parcels.history: [entry(parcels.entry)]}]}
    for names in shape.lists:
        if names.kind == kind:
            return {**record, names.list: [entry(names.entry)]}
    raise RecordRefused([Refusal("unknown_kind", f"/{columns.kind}", "is none of order, detailed, parcel")])


def _row_refused(line: int, code: str, message: str) -> Refused:
    return Refused(line, "", (Refusal(code, "", message),))


def _whole(code: str, message: str) -> RecordRefused:
    return RecordRefused([Refusal(code, "", message)])
