"""From a vendor's status records to status events, by names that stand as data in its mapping file.

A record of version 3 has a list of parcels, one of version 2 a single parcel as an object and parcel statuses mixed
into the order's lists; both become the same events. A record is taken whole or refused whole: leaving out one entry of
a full history would look like a deletion.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from order_relay.errors import RecordRefused, Refusal, WrongSetup
from order_relay.orders.converters import number_as_text
from order_relay.orders.formats import is_whole
from order_relay.orders.identity_values import wrong_with
from order_relay.orders.status_events import Channel, Kind, StatusEvent, StatusReport, stand_in_key

MAX_ENTRIES = 5_000
"""Entries of one record; an order has dozens."""
MAX_NAME = 200
"""Characters of an id or a status."""
MAX_WORDS = 2_000
"""Characters of a free text that are kept."""

_TIME = re.compile(r"(\d{4})-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)", re.ASCII)
_YEARS = range(1970, 2100)
_BUDDHIST = 543  # years by which the Buddhist calendar, usual in Thailand, is ahead


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EntryNames(_Section):
    """Member names of one entry of a status history; an empty name: the vendor has no such member."""

    event_id: str
    status: str
    updated_at: str
    happened_at: str = ""
    location: str = ""
    detail: str = ""


class ListNames(_Section):
    """A list of entries in a record, and what they are about."""

    list: str
    kind: Kind
    entry: EntryNames


class ParcelNames(_Section):
    """Where the parcels stand (a list or one object), and the history of each."""

    list: str
    parcel: str
    history: str
    entry: EntryNames


class Statuses(_Section):
    """What is known of the vendor's words. ``same``: other spellings of one status. ``known``: not marked as unknown.

    ``final``: an order with this status is not asked for again. ``shipped``: a parcel with this status left.
    """

    same: dict[str, str]
    known: list[str]
    final: list[str]
    shipped: list[str]


class StatusShape(_Section):
    """A vendor's status record, as its mapping file describes it."""

    order_id: str
    error: str
    lists: list[ListNames]
    parcels: ParcelNames
    statuses: Statuses

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], where: str) -> StatusShape:
        """Read the mapping file's section. Raises ``WrongSetup`` naming ``where`` and the first wrong key."""
        try:
            return cls.model_validate(mapping)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise WrongSetup(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None

    def one_spelling(self, status: str) -> str:
        """The status in its one spelling; an unknown one as it was sent."""
        return self.statuses.same.get(status, status)


@dataclass(frozen=True)
class StatusPage:
    """The records of one answer, as they came, and when it was asked for (UTC)."""

    records: tuple[Any, ...]
    asked_at: datetime


@dataclass(frozen=True)
class Refused:
    """A record that nobody could use: its position in the answer, its order number where it has one, and why."""

    position: int
    order_id: str
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True)
class Reading:
    """What an answer says. ``missing``: order numbers that the vendor says it does not know."""

    reports: tuple[StatusReport, ...]
    refused: tuple[Refused, ...] = ()
    missing: tuple[str, ...] = ()


def read_records(
    shape: StatusShape,
    records: Sequence[Any],
    channel: Channel,
    moment: datetime,
    *,
    full: bool = False,
    arrival_counts: bool = False,
    history: bool = False,
    first: int = 0,
) -> Reading:
    """All records of one answer. Those about one order are one report: together they are what the answer shows.

    ``history``, ``first``: as a ``StatusReport`` has them.
    """
    events: dict[str, dict[str, StatusEvent]] = {}
    refused: list[Refused] = []
    missing = []
    for position, record in enumerate(records):
        order_id = ""
        try:
            order_id = order_id_of(shape, record)
            if record.get(shape.error) is not None:
                missing.append(order_id)
                continue
            found = events_of(shape, record, order_id)
        except RecordRefused as error:
            refused.append(Refused(position, order_id, tuple(error.refusals)))
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
    return Reading(tuple(reports), tuple(refused), tuple(missing))


def order_id_of(shape: StatusShape, record: Any) -> str:
    """The record's order number. Raises ``RecordRefused``."""
    if not isinstance(record, dict):
        raise _refused("wrong_type", "", "the record is no object")
    order_id = _name(record.get(shape.order_id), shape.order_id)
    if not order_id:
        raise _refused("no_order_number", f"/{shape.order_id}", "the record names no order")
    if wrong := wrong_with(order_id):
        raise _refused("bad_identity", f"/{shape.order_id}", f"the order number {wrong}")
    return order_id


def events_of(shape: StatusShape, record: Mapping[str, Any], order_id: str) -> dict[str, StatusEvent]:
    """The events of one record by key, in the record's order; of a repeated key the later entry. Raises
    ``RecordRefused``.
    """
    parcels = _parcels(record.get(shape.parcels.list), shape.parcels.list)
    names = [_name(parcel.get(shape.parcels.parcel), shape.parcels.parcel) for parcel in parcels]
    found = [_announced(order_id, name) for name in names]
    only = names[0] if len(names) == 1 else ""
    for names_of_list in shape.lists:
        for entry in _entries(record.get(names_of_list.list), names_of_list.list):
            mixed = shape.parcels.entry.status in entry and names_of_list.entry.status not in entry
            entry_names = shape.parcels.entry if mixed else names_of_list.entry
            kind = Kind.PARCEL if mixed else names_of_list.kind
            parcel = (_name(entry.get(shape.parcels.parcel), shape.parcels.parcel) or only) if mixed else ""
            found.append(_event(shape, entry, entry_names, kind, order_id, parcel))
    for name, parcel_record in zip(names, parcels, strict=True):
        for entry in _entries(parcel_record.get(shape.parcels.history), shape.parcels.history):
            found.append(_event(shape, entry, shape.parcels.entry, Kind.PARCEL, order_id, name))
    if len(found) > MAX_ENTRIES:
        raise _refused("too_many", "", f"the record has more than {MAX_ENTRIES} entries")
    return _in_order(found)


def _in_order(events: Iterable[StatusEvent]) -> dict[str, StatusEvent]:
    """Events by key; a repeated key has the last one's place."""
    found: dict[str, StatusEvent] = {}
    for event in events:
        found.pop(event.key, None)
        found[event.key] = event
    return found


def moment_of(value: Any, pointer: str) -> datetime | None:
    """A time with a zone, as UTC; ``None`` where there is none. Raises ``RecordRefused``."""
    if value in (None, ""):
        return None
    if isinstance(value, str) and (shaped := _TIME.fullmatch(value)):
        year = common_year(int(shaped[1]), pointer)
        try:
            return datetime.fromisoformat(f"{year}{value[4:]}").astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # such as the 31st of February: refused below
    raise _refused("time_unreadable", pointer, "must be a time with a zone such as 2026-05-31T14:00:00Z")


def common_year(year: int, pointer: str) -> int:
    """The year of the common era; a Buddhist year (2569 for 2026) is converted. Raises ``RecordRefused``."""
    for found in (year, year - _BUDDHIST):
        if found in _YEARS:
            return found
    raise _refused(
        "year_out_of_range",
        pointer,
        f"has the year {year}: neither from {_YEARS[0]} to {_YEARS[-1]}, nor such a year in the Buddhist calendar",
    )


def _event(  # noqa: PLR0917 - all of an entry's whereabouts
    shape: StatusShape, entry: Mapping[str, Any], names: EntryNames, kind: Kind, order_id: str, parcel: str
) -> StatusEvent:
    status = shape.one_spelling(_name(entry.get(names.status), names.status))
    updated_at = moment_of(entry.get(names.updated_at), f"/{names.updated_at}")
    happened_at = moment_of(entry.get(names.happened_at), f"/{names.happened_at}") if names.happened_at else None
    return StatusEvent(
        key=_key(entry.get(names.event_id), names.event_id)
        or stand_in_key(order_id, kind, parcel, status, happened_at or updated_at),
        kind=kind,
        status=status,
        parcel=parcel,
        updated_at=updated_at,
        happened_at=happened_at,
        location=_words(entry.get(names.location), names.location) if names.location else "",
        detail=_words(entry.get(names.detail), names.detail) if names.detail else "",
    )


def _announced(order_id: str, parcel: str) -> StatusEvent:
    return StatusEvent(stand_in_key(order_id, Kind.ANNOUNCED, parcel, "", None), Kind.ANNOUNCED, "", parcel)


def _parcels(value: Any, name: str) -> list[Mapping[str, Any]]:
    """The parcels, whether they come as a list (version 3) or as the one object (version 2)."""
    return list(_entries([value] if isinstance(value, dict) else value, name))


def _entries(value: Any, name: str) -> Iterator[Mapping[str, Any]]:
    if value is None:
        return
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise _refused("wrong_type", f"/{name}", "is no list of objects")
    if len(value) > MAX_ENTRIES:
        raise _refused("too_many", f"/{name}", f"has more than {MAX_ENTRIES} entries")
    yield from value


def _key(value: Any, name: str) -> str:
    """An event id as a key. Stand-in keys begin with one tilde, so an id that does is set apart."""
    key = _name(value, name)
    return f"~{key}" if key.startswith("~") else key


def _name(value: Any, name: str) -> str:
    """An id or a status: text or a whole number, exactly as it was sent but for spaces around it."""
    if value is None:
        return ""
    written = value if isinstance(value, str) else number_as_text(value) if is_whole(value) else None
    if written is None:
        raise _refused("wrong_type", f"/{name}", "is neither text nor a whole number")
    text = written.strip()
    if len(text) > MAX_NAME:
        raise _refused("too_long", f"/{name}", f"is longer than {MAX_NAME} characters")
    if not text.isprintable():
        raise _refused("bad_format", f"/{name}", "holds control characters")
    return text


def _words(value: Any, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _refused("wrong_type", f"/{name}", "is no text")
    kept = value[:MAX_WORDS]
    return (kept if kept.isprintable() else "".join(char if char.isprintable() else " " for char in kept)).strip()


def _refused(code: str, pointer: str, message: str) -> RecordRefused:
    return RecordRefused([Refusal(code, pointer, message)])


def unknown_statuses(shape: StatusShape, statuses: Iterable[str]) -> list[str]:
    """Those statuses that the mapping file does not list: kept and shown, and perhaps worth adding there."""
    return sorted({status for status in statuses if status} - set(shape.statuses.known))
