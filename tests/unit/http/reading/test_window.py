"""Time windows in the forms that vendors have: no moment of the requested interval is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.http.reading.window import EPOCH_SECONDS, TimeWindow

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
START, END = datetime(2026, 7, 1, 10, 0, 0, 500_000, tzinfo=UTC), datetime(2026, 7, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "start", "end"),
    [
        (TimeWindow(start="from", end="to"), "2026-07-01T10:00:00Z", "2026-07-01T11:00:00Z"),
        (TimeWindow(start="from", end="to", excludes=True), "2026-07-01T09:59:59Z", "2026-07-01T11:00:01Z"),
        (TimeWindow(start="from", end="to", format=EPOCH_SECONDS), "1782900000", "1782903600"),
        (
            TimeWindow(start="from", end="to", format="%Y-%m-%d %H:%M", precision=timedelta(minutes=1), zone=AMSTERDAM),
            "2026-07-01 12:00",
            "2026-07-01 13:00",
        ),
        (
            TimeWindow(start="from", end="to", format="%Y-%m-%d", precision=timedelta(days=1)),
            "2026-07-01",
            "2026-07-02",
        ),
    ],
)
def test_forms(window, start, end):
    assert window.bounds(START, END) == {"from": start, "to": end}
    assert window.bounds(START, None) == {"from": start}


def test_a_vendor_without_an_end():
    assert TimeWindow(start="since").bounds(START, END) == {"since": "2026-07-01T10:00:00Z"}


@given(
    start=st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    length=st.timedeltas(timedelta(0), timedelta(days=2)),
    inside=st.floats(0, 1),
    excludes=st.booleans(),
    zone=st.sampled_from([UTC, AMSTERDAM, ZoneInfo("America/St_Johns"), ZoneInfo("Australia/Lord_Howe")]),
)
def test_every_moment_of_the_interval_is_within_the_window(start, length, inside, excludes, zone):
    form = "%Y-%m-%dT%H:%M:%S"
    bounds = TimeWindow(start="from", end="to", format=form, zone=zone, excludes=excludes).bounds(start, start + length)
    kept = (start + length * inside).astimezone(zone).strftime(form)  # the vendor keeps whole seconds
    assert bounds["from"] < kept < bounds["to"] if excludes else bounds["from"] <= kept <= bounds["to"]
