"""Counts, durations and reason codes as operators read them."""

from __future__ import annotations

import pytest

from order_relay.pipeline.report.formatting import format_duration, format_orders, format_reason


@pytest.mark.parametrize(
    ("number", "text"), [(0, "No order is held"), (1, "1 order is held"), (23, "23 orders are held")]
)
def test_orders_agree_with_their_verb(number: int, text: str) -> None:
    assert f"{format_orders(number, 'is', 'are')} held" == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (86_400.0, "1 day"),
        (172_800.0, "2 days"),
        (5_400.0, "90 minutes"),
        (14_400.0, "4 hours"),
        (60.0, "1 minute"),
        (90.0, "90 seconds"),
    ],
)
def test_durations_have_their_largest_whole_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_a_reason_has_its_title_if_it_is_known() -> None:
    assert format_reason("http_400_5015", 3) == "Refused by the OMS (`http_400_5015`): 3"
    assert format_reason("brand_new_code", 1) == "`brand_new_code`: 1"
