"""How fast the shop is asked: requests a second, and a pause that all threads share when it asks to slow down.

No limits are published; a far side that throttles is waited for, since a read of thousands of details that gave up at
the first such answer would never come to its end.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from order_relay.backoff import backoff
from order_relay.errors import ThrottledError

FIRST_PAUSE_S = 1.0
"""The pause after a throttle that names none; doubled by each further one."""

MAX_CONSECUTIVE_THROTTLES = 8
"""So many throttles without one good answer between them: the rest is left to a later try."""


class CloudSuiteThrottle:
    """Hands out turns to any number of threads. ``rate`` is requests a second (0: no limit)."""

    def __init__(
        self,
        rate: float,
        max_wait_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = 0.0
        self._pause_until = 0.0
        self._in_a_row = 0

    def turn(self) -> None:
        """Wait for the turn of one request."""
        while (left := self._take() - self._clock()) > 0:
            self._sleep(left)
            if self._clock() >= self._pause_until:
                return

    def _take(self) -> float:
        with self._lock:
            slot = max(self._clock(), self._next, self._pause_until)
            if self._rate:
                self._next = slot + 1.0 / self._rate
            return slot

    def throttled(self, error: ThrottledError) -> None:
        """The shop asked to slow down: everybody pauses. Raises ``error`` where that is longer than may be waited."""
        with self._lock:
            now = self._clock()
            if now >= self._pause_until:  # many answers under way tell of one throttle
                self._in_a_row += 1
            wait = backoff(FIRST_PAUSE_S, self._in_a_row - 1, math.inf) if error.wait_s is None else error.wait_s
            if wait > self._max_wait_s or self._in_a_row > MAX_CONSECUTIVE_THROTTLES:
                raise error
            self._pause_until = max(self._pause_until, now + wait)

    def succeeded(self) -> None:
        """An answer came that was no throttle."""
        self._in_a_row = 0
