"""The clock of the simulated vendors, which a demonstration sets back to make a past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_ahead = [timedelta()]


def now() -> datetime:
    """The vendors' time (aware UTC): the machine's, unless it was shifted."""
    return datetime.now(UTC) + _ahead[0]


def shift(ahead: timedelta) -> datetime:
    """Let the vendors' clock run ahead of the machine's, or behind it if negative; returns its time."""
    _ahead[0] = ahead
    return now()
