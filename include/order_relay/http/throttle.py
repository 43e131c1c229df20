"""Request rates and shared pauses: ``Throttle`` for threads, ``AdaptiveThrottle`` for one event loop.

``retry_after_s`` reads how long a vendor asks to wait (RFC 9110, section 10.2.3).
"""

from __future__ import annotations

import asyncio
import math
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from order_relay import measurements
from order_relay.backoff import backoff
from order_relay.errors import ThrottledError

MAX_WAIT_S = 86_400.0
"""A longer ``Retry-After`` counts as a day: API gateways have no limits longer than a daily quota."""

FIRST_PAUSE_S = 1.0
"""Pause after a throttling response that names none; doubled with each further one."""

MAX_PAUSE_S = 30.0
"""Longest pause that ``AdaptiveThrottle`` chooses by itself."""

MAX_CONSECUTIVE_THROTTLES = 8
"""Throttling responses without a successful one in between, after which a read is given up."""

RECOVERY_S = 3.0
"""Seconds of undisturbed sending after which a halved rate has doubled again."""

MIN_RATE = 1.0
"""Requests per second below which ``AdaptiveThrottle`` does not halve the rate (a lower setting is kept)."""


class _Slots:
    """When the next request may start. ``rate`` is requests per second (0: unlimited). Not thread-safe."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self.rate = rate
        self.pause_until = 0.0
        self._clock = clock
        self._next = 0.0

    def take(self) -> float:
        """Reserve the next slot; returns its time."""
        slot = max(self._clock(), self._next, self.pause_until)
        if self.rate:
            self._next = slot + 1.0 / self.rate
        return slot

    def pause(self, seconds: float) -> float:
        """No slot starts within this time. Returns the seconds that this adds to a pause in force."""
        now = self._clock()
        before = max(self.pause_until, now)
        self.pause_until = max(self.pause_until, now + seconds)
        return max(0.0, self.pause_until - before)

    @property
    def pausing(self) -> bool:
        """Whether a pause is in force."""
        return self._clock() < self.pause_until


class Throttle:
    """Paces requests of any number of threads and lets all of them pause when the vendor throttles.

    ``rate`` is requests per second (0: unlimited); ``name`` is the vendor's, for metrics. A pause longer than
    ``max_wait_s`` is not waited for.
    """

    def __init__(
        self,
        rate: float,
        max_wait_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        *,
        name: str = "the source",
    ) -> None:
        self._name = name
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._slots = _Slots(rate, clock)
        self._consecutive = 0

    def turn(self) -> None:
        """Block until the next request may start."""
        while (left := self._take() - self._clock()) > 0:
            self._sleep(left)
            if not self._slots.pausing:
                return

    def _take(self) -> float:
        with self._lock:
            return self._slots.take()

    def throttled(self, error: ThrottledError) -> None:
        """Start a pause for all threads. Raises ``error`` if it is longer than ``max_wait_s`` or one too many."""
        measurements.throttled(self._name, with_time=error.wait_s is not None)
        with self._lock:
            if not self._slots.pausing:  # several requests in flight report the same throttling
                self._consecutive += 1
            wait_s = backoff(FIRST_PAUSE_S, self._consecutive - 1, math.inf) if error.wait_s is None else error.wait_s
            if wait_s > self._max_wait_s or self._consecutive > MAX_CONSECUTIVE_THROTTLES:
                raise error
            measurements.paused(self._name, self._slots.pause(wait_s))

    def succeeded(self) -> None:
        """A response that was not a throttling one arrived."""
        self._consecutive = 0


class AdaptiveThrottle:
    """Paces the workers of one session and finds a rate that the vendor accepts.

    For vendors that do not publish their limits: each throttling pauses all workers and halves the rate, which then
    recovers slowly, so that a run settles just below the limit. ``rate`` is requests per second (0: unlimited);
    ``name`` is the vendor's, for messages and metrics.
    """

    def __init__(
        self, rate: float, clock: Callable[[], float] = time.monotonic, *, name: str = "the destination"
    ) -> None:
        self._name = name
        self._configured = rate
        self._clock = clock
        self._slots = _Slots(rate, clock)
        self._ceiling = rate
        self._default_pause = FIRST_PAUSE_S
        self._changed_at = 0.0
        self._halved_at = -1e9
        self._turns = 0
        self._turns_since = clock()

    @property
    def rate(self) -> float:
        """The present rate (0: unlimited)."""
        return self._slots.rate

    def pause_left(self) -> float:
        """Seconds until the present pause ends, or 0."""
        return max(0.0, self._slots.pause_until - self._clock())

    async def turn(self, max_wait_s: float) -> None:
        """Wait until the next request may start. Raises ``ThrottledError`` if a pause exceeds ``max_wait_s``."""
        self._turns += 1
        if not self._slots.rate and not self._slots.pause_until:
            return
        self._recover()
        left = self.pause_left()
        if left > max_wait_s:
            raise ThrottledError(f"the pause requested by {self._name} exceeds {max_wait_s:g} s", left)
        await self._wait()

    async def _wait(self) -> None:
        """Take the next slot. Checked again after the sleep, because a pause may have begun meanwhile."""
        left = self._slots.take() - self._clock()
        if left > 0:
            await asyncio.sleep(left)
            if self.pause_left():
                await self._wait()

    def throttled(self, wait_s: float | None) -> float:
        """Pause all workers and halve the rate. Returns the pause in seconds: ``wait_s``, or one of our choice."""
        measurements.throttled(self._name, with_time=wait_s is not None)
        now = self._clock()
        pause_s = wait_s if wait_s is not None else self._default_pause
        if not self._slots.pausing and now - self._halved_at >= 1.0:  # requests in flight report the same throttling
            self._halve(now)
            self._default_pause = min(self._default_pause * 2, MAX_PAUSE_S)
        self.pause(pause_s)
        return pause_s

    def pause(self, wait_s: float) -> None:
        """Pause all workers and keep the rate: no request was refused."""
        measurements.paused(self._name, self._slots.pause(wait_s))

    def _halve(self, now: float) -> None:
        slots = self._slots
        if not slots.rate:
            observed = self._turns / max(now - self._turns_since, 0.2)
            slots.rate = self._ceiling = max(observed, 2 * MIN_RATE)
        slots.rate = max(slots.rate / 2, min(MIN_RATE, self._configured or MIN_RATE))
        self._halved_at = self._changed_at = now

    def _recover(self) -> None:
        now, slots = self._clock(), self._slots
        if slots.rate == self._configured or slots.pausing:
            return
        elapsed = now - max(self._changed_at, slots.pause_until)
        if elapsed < 0.25:
            return
        self._changed_at = now
        self._default_pause = FIRST_PAUSE_S if elapsed > 5.0 else self._default_pause
        slots.rate *= 2.0 ** (elapsed / RECOVERY_S)
        if slots.rate >= self._ceiling * (1 if self._configured else 2):
            slots.rate, self._turns, self._turns_since = self._configured, 0, now
            self._default_pause = FIRST_PAUSE_S
            slots.pause_until = 0.0


def is_throttling(status: int, headers: Mapping[str, str]) -> bool:
    """Whether an answer asks to slow down: 429, or a gateway's 403 with ``Retry-After``."""
    return status == 429 or (status == 403 and "Retry-After" in headers)


def retry_after_s(
    headers: Mapping[str, str], now: datetime | None = None, *, names: Sequence[str] = ("Retry-After",)
) -> float | None:
    """How long an answer asks to wait, in seconds; ``None`` if it does not say so, or unreadably.

    The first of the headers ``names`` that is present counts: a number of seconds or an HTTP date. ``headers`` must be
    case-insensitive.
    """
    text = next((found.strip() for name in names if (found := headers.get(name))), "")
    if not text:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d{1,6})?", text):
        return min(float(text), MAX_WAIT_S)
    try:
        until = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    seconds = (until - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), MAX_WAIT_S)
