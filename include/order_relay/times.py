"""Times in UTC, local times, and names of time zones. Zones are pendulum's."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from pendulum import Timezone


def as_utc(moment: datetime) -> datetime:
    """``moment`` as an aware UTC time; a time without an offset is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def utc_text(moment: datetime) -> str:
    """ISO 8601 in UTC with whole seconds: ``2026-05-31T14:00:00Z``. ``moment`` must be aware."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def local_to_utc(local: datetime, zone: tzinfo) -> datetime:
    """A local time of ``zone``, given without an offset, in UTC.

    A time that clocks skip is shifted forward by the skipped span; of a time that occurs two times, the first counts.
    Raises ``OverflowError`` beyond the years 1 to 9999 in UTC.
    """
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def find_zone(name: object) -> Timezone | None:
    """The time zone of an IANA name such as ``Europe/Berlin``; ``None`` for anything else."""
    try:
        return Timezone(name) if isinstance(name, str) else None
    except (ValueError, OSError):  # pendulum's ``InvalidTimezone`` is a ``ValueError``
        return None
