"""A requested time range of a status account's list of changes, and which records belong to it.

The vendor's list takes a start but no end, so later changes are dropped here. If the list is ordered by change time,
reading stops at the first page that is entirely after the range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from order_relay.errors import ConfigurationError
from order_relay.orders.fulfilment.status_events import NEVER, StatusReport
from order_relay.orders.fulfilment.status_records import ParsedRecords
from order_relay.times import as_utc


def requested_range(params: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """The range (UTC) requested in a run's form; ``None`` if not given. Raises ``ConfigurationError``."""
    begin, end = (_moment(name, params.get(name)) for name in ("from", "to"))
    if end is not None and begin is None:
        raise ConfigurationError("trigger form: 'to' requires 'from'")
    if begin is not None and end is not None and begin >= end:
        raise ConfigurationError("trigger form: 'from' must be before 'to'")
    return begin, end


def _moment(name: str, value: Any) -> datetime | None:
    if not value:
        return None
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise ConfigurationError(f"trigger form: {name!r} must be a time such as 2026-05-31T14:00:00Z") from None
    return as_utc(found)


@dataclass
class ChangeRange:
    """From ``begin`` (inclusive) to ``end`` (exclusive). Takes the pages of one pass in their order."""

    begin: datetime
    end: datetime
    _ordered: bool = field(default=True, init=False)
    _last: datetime = field(default=NEVER, init=False)

    def within(self, reading: ParsedRecords) -> ParsedRecords:
        """The orders with a change in the range, and those whose change times are unknown."""
        for report in reading.reports:
            newest = _change_times(report)[-1:] or [self._last]
            self._ordered = self._ordered and newest[0] >= self._last
            self._last = newest[0]
        return replace(reading, reports=tuple(report for report in reading.reports if self._has(report)))

    def is_past(self, reading: ParsedRecords) -> bool:
        """Whether no later page can contain changes in the range. ``reading``: the page before ``within``."""
        times = [_change_times(report) for report in reading.reports]
        return self._ordered and bool(times) and all(found and found[-1] >= self.end for found in times)

    def _has(self, report: StatusReport) -> bool:
        times = _change_times(report)
        return not times or times[-1] < self.begin or any(self.begin <= time < self.end for time in times)


def _change_times(report: StatusReport) -> list[datetime]:
    return sorted(event.updated_at for event in report.events if event.updated_at is not None)
