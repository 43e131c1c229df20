"""Reading medians and shares from counts."""

from __future__ import annotations

import math
from datetime import date, timedelta
from itertools import pairwise

import pytest

from order_relay.ledger.reporting.trends import DayTrend, time_within
from order_relay.ledger.store.migrations.versions.v0022_order_trends import BOUNDS


def test_medians_are_upper_bounds() -> None:
    times: dict[float, int] = {60.0: 50, 120.0: 44, 3_600.0: 1, math.inf: 5}
    assert [time_within(times, share) for share in (0.5, 0.51, 0.95, 0.96)] == [60, 120, 3_600, math.inf]
    assert time_within({}, 0.5) is None


def test_the_bounds_are_as_close_as_stated() -> None:
    assert all(high - low <= 60 or high <= low * 4 / 3 for low, high in pairwise(BOUNDS))
    assert BOUNDS[-1] == timedelta(days=28).total_seconds()


def test_the_share_that_needed_an_operator() -> None:
    day = DayTrend(date(2026, 5, 1))
    day.entered.update(imported=3, discarded=1)
    day.assisted = 1
    assert day.assisted_share == pytest.approx(0.25)
