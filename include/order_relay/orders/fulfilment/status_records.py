"""Converts a vendor's status records to status events, by the paths (``orders.paths``) in its mapping file.

A record of version 3 has a list of parcels; a record of version 2 has a single parcel as an object, and parcel statuses
mixed into the order's lists. Both become the same events. A record is accepted or rejected as a whole: omitting one
entry of a full history would look like a deletion.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from order_relay.errors import ConfigurationError, RecordRejectedError, ValidationIssue
from order_relay.orders.fulfilment.status_events import Channel, EventKind, StatusEvent, StatusReport, fallback_key
from order_relay.orders.identity.identifiers import identifier_problem
from order_relay.orders.mapping.converters import number_as_text
from order_relay.orders.paths import first_value, has_path, path_pointer
from order_relay.orders.schema.formats import is_integer

MAX_ENTRIES = 5_000
"""Entries of one record; an order has dozens."""
MAX_NAME_LENGTH = 200
"""Characters of an id or a status."""
MAX_TEXT_LENGTH = 2_000
"""Characters of a free text that are kept."""

_TIME = re.compile(r"(\d{4})-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)", re.ASCII)
_YEARS = range(1970, 2100)
_BUDDHIST = 543  # years by which the Buddhist calendar, usual in Thailand, is ahead


class _MappingSection(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EntryFields(_MappingSection):
    """Paths in one entry of a status history; empty: the vendor has no such member."""

    event_id: str
    status: str
    updated_at: str
    happened_at: str = ""
    location: str = ""
    detail: str = ""


class ListFields(_MappingSection):
    """A list of entries in a record, and what they are about."""

    list: str
    kind: EventKind
    entry: EntryFields


class ParcelFields(_MappingSection):
    """The member that holds the parcels (a list or one object), and the history of each."""

    list: str
    parcel: str
    history: str
    entry: EntryFields


class StatusValues(_MappingSection):
    """The vendor's statuses. ``same``: normalized spelling by other spelling. ``known``: not shown as unknown.

    ``final``: orders with this status are not polled again. ``shipped``: parcels with this status were shipped.
    """

    same: dict[str, str]
    known: list[str]
    final: list[str]
    shipped: list[str]


class StatusMapping(_MappingSection):
    """A vendor's status record, as its mapping file describes it."""

    order_id: str
    error: str
    lists: list[ListFields]
    parcels: ParcelFields
    statuses: StatusValues

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], where: str) -> StatusMapping:
        """Read the mapping file's section. Raises ``ConfigurationError`` naming ``where`` and the first wrong key."""
        try:
            return cls.model_validate(mapping)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise ConfigurationError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None

    def normalize_status(self, status: str) -> str:
        """The status in normalized spelling; an unknown one unchanged."""
        return self.statuses.same.get(status, status)


@dataclass(frozen=True)
class StatusPage:
    """The raw records of one response, and when it was requested (UTC)."""

    records: tuple[Any, ...]
    asked_at: datetime


@dataclass(frozen=True)
class RejectedRecord:
    """A rejected record: its position in the response, its order number if readable, and the issues."""

    position: int
    order_id: str
    issues: tuple[ValidationIssue, ...]


@dataclass(frozen=True)
class ParsedRecords:
    """The contents of a response. ``missing``: order numbers that the vendor does not know."""

    reports: tuple[StatusReport, ...]
    rejected: tuple[RejectedRecord, ...] = ()
    missing: tuple[str, ...] = ()


def parse_records(
    shape: StatusMapping,
    records: Sequence[Any],
    channel: Channel,
    moment: datetime,
    *,
    full: bool = False,
    arrival_counts: bool = False,
    history: bool = False,
    first: int = 0,
) -> ParsedRecords:
    """Parse all records of one response. Records of the same order are combined into one report.

    ``moment`` (UTC), ``full``, ``arrival_counts``, ``history``, ``first``: as in ``StatusReport``.
    """
    events: dict[str, dict[str, StatusEvent]] = {}
    refused: list[RejectedRecord] = []
    missing = []
    for position, record in enumerate(records):
        order_id = ""
        try:
            order_id = order_id_of(shape, record)
            if first_value(record, shape.error) is not None:
                missing.append(order_id)
                continue
            found = parse_events(shape, record, order_id)
        except RecordRejectedError as error:
            refused.append(RejectedRecord(position, order_id, tuple(error.issues)))
            continue
        events[order_id] = _in_order((*events.get(order_id, {}).values(), *found.values()))
    spoiled = {entry.order_id for entry in refused}
    reports = (
        StatusReport(
            order_id,
            tuple(found.values()),
            channel,
            moment,
            full and order_id not in spoiled,
            arrival_counts,
            history and order_id not in spoiled,
            first,
        )
        for order_id, found in events.items()
    )
    return ParsedRecords(tuple(reports), tuple(refused), tuple(missing))


def order_id_of(shape: StatusMapping, record: Any) -> str:
    """The record's order number. Raises ``RecordRejectedError``."""
    if not isinstance(record, dict):
        raise _entry_rejected("wrong_type", "", "the record must be a JSON object")
    order_id = _name(record, shape.order_id)
    if not order_id:
        raise _entry_rejected("no_order_number", path_pointer(shape.order_id), "the record has no order number")
    if wrong := identifier_problem(order_id):
        raise _entry_rejected("bad_identity", path_pointer(shape.order_id), f"the order number {wrong}")
    return order_id


def parse_events(shape: StatusMapping, record: Mapping[str, Any], order_id: str) -> dict[str, StatusEvent]:
    """The events of one record by key, in the record's order; for a duplicate key, the later entry.

    Raises ``RecordRejectedError``.
    """
    parcels = list(_entries(record, shape.parcels.list, one=True))
    names = [_name(parcel, shape.parcels.parcel) for parcel in parcels]
    found = [_announced(order_id, name) for name in names]
    only = names[0] if len(names) == 1 else ""
    for names_of_list in shape.lists:
        for entry in _entries(record, names_of_list.list):
            mixed = has_path(entry, shape.parcels.entry.status) and not has_path(entry, names_of_list.entry.status)
            entry_names = shape.parcels.entry if mixed else names_of_list.entry
            kind = EventKind.PARCEL if mixed else names_of_list.kind
            parcel = (_name(entry, shape.parcels.parcel) or only) if mixed else ""
            found.append(_event(shape, entry, entry_names, kind, order_id, parcel))
    for name, parcel_record in zip(names, parcels, strict=True):
        for entry in _entries(parcel_record, shape.parcels.history):
            found.append(_event(shape, entry, shape.parcels.entry, EventKind.PARCEL, order_id, name))
    if len(found) > MAX_ENTRIES:
        raise _entry_rejected("too_many", "", f"the record has more than {MAX_ENTRIES} entries")
    return _in_order(found)


def _in_order(events: Iterable[StatusEvent]) -> dict[str, StatusEvent]:
    """Events by key; the last event of a duplicate key wins and keeps its position."""
    found: dict[str, StatusEvent] = {}
    for event in events:
        found.pop(event.key, None)
        found[event.key] = event
    return found


def parse_timestamp(value: Any, pointer: str) -> datetime | None:
    """A time with a zone, as UTC; ``None`` for an empty value. Raises ``RecordRejectedError``."""
    if value in (None, ""):
        return None
    if isinstance(value, str) and (shaped := _TIME.fullmatch(value)):
        year = gregorian_year(int(shaped[1]), pointer)
        try:
            return datetime.fromisoformat(f"{year}{value[4:]}").astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # such as 31 February: rejected below
    raise _entry_rejected("time_unreadable", pointer, "must be a time with an offset (example: 2026-05-31T14:00:00Z)")


def gregorian_year(year: int, pointer: str) -> int:
    """The year of the common era; a Buddhist year (2569 for 2026) is converted. Raises ``RecordRejectedError``."""
    for candidate in (year, year - _BUDDHIST):
        if candidate in _YEARS:
            return candidate
    raise _entry_rejected(
        "year_out_of_range",
        pointer,
        f"has the year {year}, which is not between {_YEARS[0]} and {_YEARS[-1]}, also not as a Buddhist year",
    )


def _event(  # noqa: PLR0917 - the full context of an entry
    shape: StatusMapping, entry: Mapping[str, Any], names: EntryFields, kind: EventKind, order_id: str, parcel: str
) -> StatusEvent:
    status = shape.normalize_status(_name(entry, names.status))
    updated_at, happened_at = (
        parse_timestamp(first_value(entry, path), path_pointer(path)) for path in (names.updated_at, names.happened_at)
    )
    return StatusEvent(
        key=_key(entry, names.event_id) or fallback_key(order_id, kind, parcel, status, happened_at or updated_at),
        kind=kind,
        status=status,
        parcel=parcel,
        updated_at=updated_at,
        happened_at=happened_at,
        location=_free_text(entry, names.location),
        detail=_free_text(entry, names.detail),
    )


def _announced(order_id: str, parcel: str) -> StatusEvent:
    return StatusEvent(fallback_key(order_id, EventKind.ANNOUNCED, parcel, "", None), EventKind.ANNOUNCED, "", parcel)


def _entries(record: Mapping[str, Any], path: str, *, one: bool = False) -> Iterator[Mapping[str, Any]]:
    """The objects of a list. ``one``: a single object counts as a list of it (parcels of version 2)."""
    value = first_value(record, path)
    if value is None:
        return
    if one and isinstance(value, dict):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise _entry_rejected("wrong_type", path_pointer(path), "must be a list of objects")
    if len(value) > MAX_ENTRIES:
        raise _entry_rejected("too_many", path_pointer(path), f"has more than {MAX_ENTRIES} entries")
    yield from value


def _key(entry: Mapping[str, Any], path: str) -> str:
    """An event id as a key. Fallback keys begin with a tilde, so an id that does gets another one."""
    key = _name(entry, path)
    return f"~{key}" if key.startswith("~") else key


def _name(record: Mapping[str, Any], path: str) -> str:
    """An id or a status: text or a whole number, exactly as sent except for outer spaces."""
    value = first_value(record, path)
    if value is None:
        return ""
    written = value if isinstance(value, str) else number_as_text(value) if is_integer(value) else None
    if written is None:
        raise _entry_rejected("wrong_type", path_pointer(path), "must be text or a whole number")
    text = written.strip()
    if len(text) > MAX_NAME_LENGTH:
        raise _entry_rejected("too_long", path_pointer(path), f"is longer than {MAX_NAME_LENGTH} characters")
    if not text.isprintable():
        raise _entry_rejected("bad_format", path_pointer(path), "contains control characters")
    return text


def _free_text(entry: Mapping[str, Any], path: str) -> str:
    value = first_value(entry, path)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _entry_rejected("wrong_type", path_pointer(path), "must be text")
    kept = value[:MAX_TEXT_LENGTH]
    return (kept if kept.isprintable() else "".join(char if char.isprintable() else " " for char in kept)).strip()


def _entry_rejected(code: str, pointer: str, message: str) -> RecordRejectedError:
    return RecordRejectedError([ValidationIssue(code, pointer, message)])
