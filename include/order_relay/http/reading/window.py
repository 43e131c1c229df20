"""Query parameters that ask a vendor for the orders of a time window.

A window is requested so that it includes every order of the interval, whatever the vendor's bounds, precision and time
zone are. It may include more: orders that were read before are recognized by the engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

MAX_UTC_OFFSET = timedelta(hours=3)
"""Upper bound of a change of a zone's UTC offset."""

FARTHEST_BEHIND, FARTHEST_AHEAD = timedelta(hours=-12), timedelta(hours=14)
"""The extreme UTC offsets; the window spans them if the zone is not known."""

EPOCH_SECONDS = "epoch seconds"
"""The ``format`` of times that are seconds since 1970 in UTC."""


@dataclass(frozen=True, kw_only=True)
class TimeWindow:
    """The parameters ``start`` and ``end`` (empty: the vendor has none) and how their times are written.

    ``format`` is for ``strftime``, or ``EPOCH_SECONDS``; ``precision`` its smallest unit. ``zone``: the zone of times
    without an offset; ``None``: not known. ``excludes``: the bounds themselves are not part of the vendor's window.
    """

    start: str
    end: str = ""
    format: str = "%Y-%m-%dT%H:%M:%SZ"
    precision: timedelta = timedelta(seconds=1)
    zone: tzinfo | None = UTC
    excludes: bool = False

    def bounds(self, start: datetime, end: datetime | None) -> dict[str, str]:
        """Parameters for all of [start, end], or for everything since ``start``.

        In local time they are wider where clocks are set back, because a local time then occurs twice. Without a zone
        they include every zone.
        """
        first = start.astimezone(UTC)
        first += min(_zone_offsets(first, MAX_UTC_OFFSET, self.zone))
        found = {self.start: first - self.precision * self.excludes}
        if end is not None and self.end:
            last = end.astimezone(UTC)
            last += max(_zone_offsets(last, -MAX_UTC_OFFSET, self.zone))
            found[self.end] = last + self.precision * (1 + self.excludes) - timedelta(microseconds=1)
        return {name: self._written(bound) for name, bound in found.items()}

    def _written(self, bound: datetime) -> str:
        """The time, rounded down to the precision of the format."""
        bound -= (bound - datetime(1970, 1, 1, tzinfo=UTC)) % self.precision
        return str(int(bound.timestamp())) if self.format == EPOCH_SECONDS else bound.strftime(self.format)


def _zone_offsets(moment: datetime, shift: timedelta, zone: tzinfo | None) -> tuple[timedelta, timedelta]:
    """The UTC offsets at a time, and at that time plus ``shift``."""
    if zone is None:
        return FARTHEST_BEHIND, FARTHEST_AHEAD
    return _offset(moment, zone), _offset(moment + shift, zone)


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()
