"""The days that a history import reads, slice by slice. For files see ``history.files``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from order_relay.errors import ConfigurationError
from order_relay.ledger.delivery.history_imports import HistoryRange, HistorySlice

MAX_DAYS = 3660
"""Maximum days of one import: ten years."""

_DAY = timedelta(days=1)


def read_range(first: str | None, last: str | None, now: datetime) -> HistoryRange:
    """The range from the first to the last day (``YYYY-MM-DD``, UTC), both included.

    Raises ``ConfigurationError`` for anything else.
    """
    if not first or not last:
        raise ConfigurationError("give both From and To: the first and the last day, such as 2024-01-01")
    start, end = _day(first, "From"), _day(last, "To") + _DAY
    if start >= end:
        raise ConfigurationError(f"From ({first}) must not be after To ({last})")
    if (end - start).days > MAX_DAYS:
        raise ConfigurationError(f"From and To are {(end - start).days} days apart; at most {MAX_DAYS} are allowed")
    if start > now:
        raise ConfigurationError(f"From ({first}) is in the future")
    return HistoryRange(start, end)


def days_of(what: HistoryRange, now: datetime) -> Iterator[HistorySlice]:
    """One slice per day of a range, without days that have not begun; the last one ends at ``now`` at the latest."""
    start, number = what.start, 0
    while start is not None and what.end is not None and start < min(what.end, now):
        yield HistorySlice(number, start.date().isoformat(), start, min(start + _DAY, now))
        start, number = start + _DAY, number + 1


def _day(text: str, field: str) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{field} must be a day such as 2024-01-31") from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
