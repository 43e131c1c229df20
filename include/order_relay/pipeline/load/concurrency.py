"""How many orders may be in flight between claim and answer."""

from __future__ import annotations

import asyncio
from collections import deque

MAX_QUEUE_S = 0.25
"""A claimed order may wait about so long for a connection: more would eat up its lease."""

INITIAL_CONCURRENCY = 4
"""Orders in flight until the first answer came: so many at most meet a wrong set-up."""

MAX_ORDERS_PER_CONNECTION = 3.0
"""Orders in flight for each connection, at most: so many that commits and requests overlap."""


class ConcurrencyLimiter:
    """Places for orders between claim and answer.

    With a quick destination there are more places than connections, so that the next orders are already claimed when a
    connection gets free; with a slow one as many as connections, so that no claimed order waits until its lease ends.
    """

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._places = min(connections, INITIAL_CONCURRENCY)
        self._taken = 0
        self._latency = 0.0
        self._waiters: deque[asyncio.Future[None]] = deque()

    @property
    def places(self) -> int:
        """How many orders may be in flight now."""
        return self._places

    async def enter(self) -> None:
        """Wait for a place and take it. Cancelling the wait takes none."""
        while self._taken >= self._places:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                self._release_waiters()  # what woke us is for somebody else
                raise
        self._taken += 1

    def leave(self, seconds: float) -> None:
        """Give the place back after a request that took ``seconds``, the wait for a connection included."""
        self._taken -= 1
        self._latency += (seconds - self._latency) * 0.1 if self._latency else seconds
        line = min(1.0 + MAX_QUEUE_S / max(self._latency, 0.001), MAX_ORDERS_PER_CONNECTION)
        self._places = max(1, int(self._connections * line))
        self._release_waiters()

    def _release_waiters(self) -> None:
        free = self._places - self._taken
        while free > 0 and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                free -= 1
