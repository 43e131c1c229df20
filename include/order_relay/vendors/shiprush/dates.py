"""Dates as ``MM/dd/yyyy HH:mm`` in UTC, read leniently, written strictly (docs/vendors/shiprush.md, ``GET``)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DATE = re.compile(
    r"(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})/(?P<year>[0-9]{4})"
    r"(?:[ +T]+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.[0-9]{1,6})?)?"
    r"[ +]*(?P<half>[AaPp][Mm])?)?"
)


def read_date(text: str) -> datetime:
    """A date, also with single digits, seconds, or ``AM``/``PM`` after a 24-hour time, or without a time.

    Raises ``ValueError`` for other forms and for dates and times that do not exist.
    """
    found = _DATE.fullmatch(text.strip())
    if found is None:
        raise ValueError("is not MM/dd/yyyy HH:mm")
    month, day, year, hour, minute, second = (
        int(found[name] or 0) for name in ("month", "day", "year", "hour", "minute", "second")
    )
    half = (found["half"] or "").upper()
    if half == "PM" and hour < 12:
        hour += 12
    elif half == "AM" and hour >= 12:
        if hour > 12:
            raise ValueError("is not a time before noon")
        hour = 0
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def write_date(moment: datetime) -> str:
    """16 characters, zero padded, UTC."""
    moment = moment.astimezone(UTC)
    return f"{moment.month:02}/{moment.day:02}/{moment.year:04} {moment.hour:02}:{moment.minute:02}"
