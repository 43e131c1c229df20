"""Times in UTC and names of time zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.times import as_utc, find_zone, local_to_utc, utc_text


def test_a_time_without_an_offset_is_utc() -> None:
    noon = datetime(2026, 5, 31, 12, tzinfo=UTC)
    assert as_utc(datetime(2026, 5, 31, 12)) == noon  # noqa: DTZ001 - a time without an offset is the case at hand
    assert as_utc(datetime(2026, 5, 31, 19, tzinfo=timezone(timedelta(hours=7)))) == noon


def test_text_is_in_utc_with_whole_seconds() -> None:
    moment = datetime(2026, 5, 31, 19, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=7)))
    assert utc_text(moment) == "2026-05-31T12:00:00Z"


@pytest.mark.parametrize("name", ["Europe/Nowhere", "", "../etc/passwd", "a\0b", "x" * 5000, None, 7, {"a": 1}])
def test_an_unknown_zone_is_none(name: object) -> None:
    assert find_zone(name) is None


def test_a_known_zone_is_found() -> None:
    zone = find_zone("Europe/Berlin")
    assert zone is not None
    assert zone.key == "Europe/Berlin"


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2026-03-29T01:59:59", "2026-03-29T00:59:59Z"),
        ("2026-03-29T02:30:00", "2026-03-29T01:30:00Z"),  # skipped: 03:30 in summer time
        ("2026-03-29T03:00:00", "2026-03-29T01:00:00Z"),
        ("2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),  # occurs two times: the first
        ("2026-10-25T03:00:00", "2026-10-25T02:00:00Z"),
    ],
)
def test_local_times_around_a_clock_change(local: str, utc: str) -> None:
    zone = find_zone("Europe/Berlin")
    assert zone is not None
    assert utc_text(local_to_utc(datetime.fromisoformat(local), zone)) == utc


def hours_around_clock_changes(month: int) -> st.SearchStrategy[datetime]:
    """Minutes between midnight and 4 o'clock in that month of 2026, when clocks change on one of the days."""
    minutes = st.integers(0, 4 * 60)
    days = st.integers(1, 30)
    return st.builds(
        lambda day, minute: datetime(2026, month, day) + timedelta(minutes=minute),  # noqa: DTZ001 - a local time
        days,
        minutes,
    )


@given(
    local=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1))  # noqa: DTZ001 - local times
    | st.sampled_from([3, 4, 10, 11]).flatmap(hours_around_clock_changes),
    name=st.sampled_from(["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Bangkok", "UTC"]),
)
def test_a_local_time_is_the_first_moment_at_which_clocks_show_it_or_is_shifted_by_what_they_skip(
    local: datetime, name: str
) -> None:
    zone = find_zone(name)
    assert zone is not None
    moment = local_to_utc(local, zone)
    shown = clock(moment, name)
    if shown == local:
        assert all(clock(moment - timedelta(minutes=minutes), name) != local for minutes in (30, 60))
    else:
        assert shown - local in (timedelta(minutes=30), timedelta(hours=1))
        assert moment.astimezone(zone).utcoffset() != (moment - timedelta(hours=2)).astimezone(zone).utcoffset()


def clock(moment: datetime, name: str) -> datetime:
    """What clocks show, by the standard library."""
    return moment.astimezone(ZoneInfo(name)).replace(tzinfo=None)
