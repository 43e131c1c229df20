"""The limits of one session: requests a second, and a pause that all its workers share.

Numeric limits of the vendor are not published; both settings are for the whole run, and a session gets its share.
After a throttle the rate halves and recovers slowly, so that a run settles just under a limit that nobody told it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from order_relay.errors import ThrottledError

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 30.0
RECOVERY_S = 3.0
"""Seconds of undisturbed sending after which a halved rate has doubled again."""

MIN_RATE = 1.0
"""Requests a second below which halving does not go (a lower setting is kept)."""


class ShopatronThrottle:
    """Hands out turns. ``rate`` is requests a second (0: as fast as the connections allow)."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._configured = rate
        self._clock = clock
        self._rate = rate
        self._ceiling = rate
        self._next = 0.0
        self._pause_until = 0.0
        self._default_pause = FIRST_PAUSE_S
        self._changed_at = 0.0
        self._halved_at = -1e9
        self._turns = 0
        self._turns_since = clock()

    @property
    def rate(self) -> float:
        """The rate now in force (0: unlimited)."""
        return self._rate

    def pause_left(self) -> float:
        """Seconds until the pause that the far side asked for is over; 0 if there is none."""
        return max(0.0, self._pause_until - self._clock())

    async def turn(self, max_wait_s: float) -> None:
        """Wait for a request's turn; raises ``ThrottledError`` where the far side's pause is longer than
        ``max_wait_s``.
        """
        self._turns += 1
        if not self._rate and not self._pause_until:
            return
        self._recover()
        left = self.pause_left()
        if left > max_wait_s:
            raise ThrottledError("the OMS asked to slow down for longer than may be waited here", left)
        await self._wait()

    async def _wait(self) -> None:
        """Take the next slot; after a sleep look again, since a pause may have begun meanwhile."""
        left = self._take_slot() - self._clock()
        if left > 0:
            await asyncio.sleep(left)
            if self.pause_left():
                await self._wait()

    def _take_slot(self) -> float:
        now = self._clock()
        if not self._rate:
            return now
        slot = max(now, self._next, self._pause_until)
        self._next = slot + 1.0 / self._rate
        return slot

    def throttled(self, wait_s: float | None) -> float:
        """The far side asked to slow down: everybody pauses, and goes on at half the rate. Returns the pause."""
        now = self._clock()
        pause = wait_s if wait_s is not None else self._default_pause
        if now >= self._pause_until and now - self._halved_at >= 1.0:  # many answers under way tell of one throttle
            self._halve(now)
            self._default_pause = min(self._default_pause * 2, MAX_PAUSE_S)
        self._pause_until = max(self._pause_until, now + pause)
        self._next = max(self._next, self._pause_until)
        return pause

    def _halve(self, now: float) -> None:
        if not self._rate:
            seen = self._turns / max(now - self._turns_since, 0.2)
            self._rate = self._ceiling = max(seen, 2 * MIN_RATE)
        self._rate = max(self._rate / 2, min(MIN_RATE, self._configured or MIN_RATE))
        self._halved_at = self._changed_at = now

    def _recover(self) -> None:
        now = self._clock()
        if self._rate == self._configured or now < self._pause_until:
            return
        elapsed = now - max(self._changed_at, self._pause_until)
        if elapsed < 0.25:
            return
        self._changed_at = now
        self._default_pause = FIRST_PAUSE_S if elapsed > 5.0 else self._default_pause
        self._rate *= 2.0 ** (elapsed / RECOVERY_S)
        if self._rate >= self._ceiling * (1 if self._configured else 2):
            self._rate, self._turns, self._turns_since = self._configured, 0, now
            self._default_pause = FIRST_PAUSE_S
            self._pause_until = 0.0
