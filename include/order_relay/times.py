"""Times in UTC and names of time zones."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def as_utc(moment: datetime) -> datetime:
    """``moment`` as an aware UTC time; a time without an offset is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def utc_text(moment: datetime) -> str:
    """ISO 8601 in UTC with whole seconds: ``2026-05-31T14:00:00Z``. ``moment`` must be aware."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def find_zone(name: object) -> ZoneInfo | None:
    """The time zone of an IANA name such as ``Europe/Berlin``; ``None`` for anything else."""
    try:
        return ZoneInfo(name) if isinstance(name, str) else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
