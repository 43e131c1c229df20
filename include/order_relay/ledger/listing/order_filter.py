"""Filters, sorting and page cursors of the list of orders, and their form in URLs and command-line options."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.ledger.oms.oms_status_counts import UNANSWERED
from order_relay.ledger.schema.states import OPEN, State
from order_relay.orders.fulfilment.oms_order import OmsReading
from order_relay.orders.suggestions import suggest
from order_relay.times import find_zone, local_to_utc

NUMBER, RECEIVED, CHANGED = "number", "received", "changed"
SORTS = (NUMBER, RECEIVED, CHANGED)
"""What the list can be sorted by. An index delivers each of them; there is none for totals."""

NO_ANSWER = "no_answer"
OMS_CHOICES = (*map(str, OmsReading), NO_ANSWER, UNANSWERED)
"""Readings of an order's status at the OMS; ``no_answer``: none was received yet; ``unanswered``: the last question had
no readable answer."""

_LONGEST = 200  # characters of a search, run or reason
_MOST_SECONDS = 10 * 366 * 86_400
_MAX_ID = 2**63 - 1
_LONGEST_CURSOR = 4_000


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders a list shows. All conditions must hold; an empty one excludes nothing, except ``pipelines``.

    ``run``: orders that this run changed. ``waiting_s``: open orders that have been in their state for more than this
    number of seconds. ``search``: orders whose number begins with this text, or that have exactly this identifier.
    ``oms``: imported orders with one of ``OMS_CHOICES``; of those that are not finished, the ones that are still asked
    about. Periods begin at ``from`` and end before ``before`` (UTC).
    """

    pipelines: frozenset[str]
    states: frozenset[State] = frozenset()
    reason: str = ""
    received_from: datetime | None = None
    received_before: datetime | None = None
    changed_from: datetime | None = None
    changed_before: datetime | None = None
    run: str = ""
    waiting_s: int | None = None
    search: str = ""
    oms: frozenset[str] = frozenset()

    @property
    def chosen_states(self) -> frozenset[State]:
        """The states that the filter leaves. An imported order has no reason, and a settled one does not wait."""
        chosen = self.states or frozenset(State)
        if self.waiting_s is not None:
            chosen &= frozenset(OPEN)
        if self.oms:
            chosen &= {State.IMPORTED}
        return chosen - {State.IMPORTED} if self.reason else chosen


@dataclass(frozen=True, slots=True)
class OrderSort:
    """One of ``SORTS``, and its direction. Orders with equal values are sorted by their id."""

    key: str = CHANGED
    descending: bool = True

    def __str__(self) -> str:
        return f"-{self.key}" if self.descending else self.key


@dataclass(frozen=True, slots=True)
class PagePosition:
    """Where a page begins: behind (or, going ``back``, before) the order with this value and id."""

    value: Any
    id: int
    back: bool = False


def parse_sort(text: str) -> OrderSort:
    """The sort named by ``received`` (ascending), ``-changed`` (descending) and so on; empty for the default.

    Raises ``ConfigurationError`` for another text.
    """
    if not text:
        return OrderSort()
    key = text.removeprefix("-")
    if key not in SORTS:
        raise ConfigurationError(f"the list cannot be sorted by {key[:40]!r}; use one of: {', '.join(SORTS)}")
    return OrderSort(key, text.startswith("-"))


def parse_filter(values: Mapping[str, Sequence[str]], pipelines: Collection[str]) -> OrderFilter:
    """The filter of a URL or of command-line options, limited to ``pipelines``.

    ``values``: ``pipeline``, ``state`` and ``oms`` (several allowed), ``reason``, ``run``, ``received_from``,
    ``received_to``, ``changed_from``, ``changed_to`` (dates such as 2026-05-31, the last day included), ``timezone`` of
    these dates (UTC without one), ``waiting`` (seconds) and ``q`` (the search). Raises ``ConfigurationError`` for an
    unusable value.
    """
    named = [name for name in values.get("pipeline", ()) if name]
    for name in named:
        _require("pipeline", name, pipelines)
    states = [state for state in values.get("state", ()) if state]
    for state in states:
        _require("state", state, list(State))
    readings = [reading for reading in values.get("oms", ()) if reading]
    for reading in readings:
        _require("oms", reading, OMS_CHOICES)
    zone = find_zone(_one(values, "timezone") or "UTC")
    if zone is None:
        raise ConfigurationError(f"timezone: unknown time zone {_one(values, 'timezone')!r}; use a name such as UTC")

    def moment(name: str, days: int) -> datetime | None:
        day = _date(values, name)
        try:
            return None if day is None else local_to_utc(datetime.combine(day + timedelta(days), time()), zone)
        except OverflowError:
            raise ConfigurationError(f"{name}: the date is out of range") from None

    return OrderFilter(
        frozenset(named or pipelines),
        frozenset(State(state) for state in states),
        _one(values, "reason"),
        moment("received_from", 0),
        moment("received_to", 1),
        moment("changed_from", 0),
        moment("changed_to", 1),
        _one(values, "run"),
        _seconds(values),
        _one(values, "q"),
        frozenset(readings),
    )


def _one(values: Mapping[str, Sequence[str]], name: str) -> str:
    given = values.get(name, ())
    text = given[-1].strip() if given else ""
    if len(text) > _LONGEST or "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ConfigurationError(f"{name}: must be a text of at most {_LONGEST} characters")
    return text


def _date(values: Mapping[str, Sequence[str]], name: str) -> date | None:
    text = _one(values, name)
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigurationError(f"{name}: must be a date such as 2026-05-31") from None


def _seconds(values: Mapping[str, Sequence[str]]) -> int | None:
    text = _one(values, "waiting")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and int(text) <= _MOST_SECONDS):
        raise ConfigurationError("waiting: must be a whole number of seconds, at most ten years")
    return int(text)


def _require(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ConfigurationError(f"unknown {what} {name[:80]!r}; {suggest(name[:80], known)}")


_READ: Mapping[str, Callable[[Any], Any]] = {
    NUMBER: lambda value: value if isinstance(value, str) and len(value) <= 1_000 and "\x00" not in value else None,
    RECEIVED: lambda value: datetime.fromisoformat(value).astimezone(UTC),
    CHANGED: lambda value: datetime.fromisoformat(value).astimezone(UTC),
}


def write_cursor(found: OrderFilter, sort: OrderSort, position: PagePosition) -> str:
    """A text for links that names the position; it is valid with this filter and sort only."""
    value = position.value.isoformat() if isinstance(position.value, datetime) else position.value
    data = json.dumps([_mark(found, sort), int(position.back), value, position.id])
    return base64.urlsafe_b64encode(data.encode()).decode().rstrip("=")


def read_cursor(found: OrderFilter, sort: OrderSort, cursor: str) -> PagePosition:
    """The position that ``write_cursor`` wrote. Raises ``ConfigurationError`` for a text that it did not write for this
    filter and sort."""
    position = _position(found, sort, cursor) if len(cursor) <= _LONGEST_CURSOR else None
    if position is None:
        raise ConfigurationError("this link to a page of the list does not fit its filter; start with the first page")
    return position


def _position(found: OrderFilter, sort: OrderSort, cursor: str) -> PagePosition | None:
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        mark, back, value, number = json.loads(data)
        value = _READ[sort.key](value)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    whole = type(number) is int and 0 <= number <= _MAX_ID
    valid = whole and mark == _mark(found, sort) and back in {0, 1} and value is not None
    return PagePosition(value, number, bool(back)) if valid else None


def _mark(found: OrderFilter, sort: OrderSort) -> str:
    values = {field.name: getattr(found, field.name) for field in fields(found)}
    plain = [sorted(value) if isinstance(value, frozenset) else str(value) for value in (*values.values(), str(sort))]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:16]
