"""Times in UTC and names of time zones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from order_relay.times import as_utc, find_zone, utc_text


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
