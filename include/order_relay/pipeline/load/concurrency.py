"""How many orders may be in flight between claim and answer."""

from __future__ import annotations

import asyncio
from collections import deque

MAX_QUEUE_S = 0.25
"""Approximate time for which a claimed order may wait for a connection; a longer wait would use up its lease."""

INITIAL_CONCURRENCY = 4
"""Maximum orders in flight until the first answer arrives, which limits how many a wrong configuration affects."""

MAX_ORDERS_PER_CONNECTION = 3.0
"""Maximum orders in flight per connection, so that commits and requests overlap."""


class ConcurrencyLimiter:
    """Slots for orders between claim and answer.

    A fast destination gets more slots than connections, so that the next orders are already claimed when a connection
    becomes free. A slow one gets as many slots as connections, so that no claimed order waits until its lease ends.
    """

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._slots = min(connections, INITIAL_CONCURRENCY)
        self._taken = 0
        self._latency = 0.0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def slots(self) -> int:
        """How many orders may currently be in flight."""
        return self._slots

    async def acquire(self) -> None:
        """Wait for a slot and take it. A cancelled wait takes none."""
        while self._taken >= self._slots:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self._wake_waiters()  # this slot goes to the next waiter
                raise
        self._taken += 1

    def release(self, seconds: float) -> None:
        """Return the slot after a request that took ``seconds``, including the wait for a connection."""
        self._taken -= 1
        self._latency += (seconds - self._latency) * 0.1 if self._latency else seconds
        per_connection = min(1.0 + MAX_QUEUE_S / max(self._latency, 0.001), MAX_ORDERS_PER_CONNECTION)
        self._slots = max(1, int(self._connections * per_connection))
        self._wake_waiters()

    def _wake_waiters(self) -> None:
        free = self._slots - self._taken
        while free > 0 and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                free -= 1
