"""How long to wait before something is tried again."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from order_relay.backoff import backoff, backoff_after_immediate_retry


@pytest.mark.parametrize(("retries", "seconds"), [(-1, 5.0), (0, 5.0), (1, 10.0), (3, 40.0), (4, 60.0), (10_000, 60.0)])
def test_the_wait_doubles_up_to_its_limit(retries: int, seconds: float) -> None:
    assert backoff(5.0, retries, 60.0) == seconds
    assert backoff(timedelta(seconds=5), retries, timedelta(minutes=1)) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("retries", "seconds"), [(0, 0.0), (1, 5.0), (2, 15.0), (3, 35.0), (4, 60.0), (10_000, 60.0)])
def test_the_first_retry_may_be_immediate(retries: int, seconds: float) -> None:
    assert backoff_after_immediate_retry(5.0, retries, 60.0) == seconds


def test_a_counter_that_grew_for_years_does_not_overflow() -> None:
    assert math.isfinite(backoff(1e9, 10**9, math.inf))
    assert backoff(timedelta(days=1), 10**9, timedelta.max) < timedelta.max
