"""Exponential backoff: how long to wait before something is tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

MAX_DOUBLINGS = 20
"""Keeps the arithmetic finite for counters that grow for years; ``longest`` applies long before."""

Duration = TypeVar("Duration", float, timedelta)


def backoff(first: Duration, retries: int, longest: Duration) -> Duration:
    """``first`` before retry 0, doubled with each further one: first, 2 first, 4 first, ..., at most ``longest``."""
    return min(first * _power(retries), longest)


def backoff_after_immediate_retry(first: Duration, retries: int, longest: Duration) -> Duration:
    """As ``backoff``, but retry 0 is immediate: 0, first, 3 first, 7 first, ..., at most ``longest``."""
    return min(first * (_power(retries) - 1), longest)


def _power(retries: int) -> int:
    return 1 << min(max(retries, 0), MAX_DOUBLINGS)
