"""Sends many orders concurrently: claim, POST and outcome for each, with an orderly end whatever happens."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence

from order_relay import measurements
from order_relay.errors import OrderRelayError, redacted_trace
from order_relay.ledger.schema.records import AttemptResult, Sendable
from order_relay.orders.messages import SendOutcome, SendResult
from order_relay.pipeline.load.circuit_breaker import LEASE_EXPIRED, CircuitBreaker
from order_relay.pipeline.load.concurrency import ConcurrencyLimiter
from order_relay.pipeline.load.group_commit import GroupCommit
from order_relay.pipeline.ports import DestinationSession
from order_relay.pipeline.settings.sections import LoadSettings

log = logging.getLogger(__name__)

WORKERS_PER_CONNECTION = 6
MAX_WORKERS = 512

MAX_LEASE_RETRIES = 5
"""Maximum claims of an order in one chunk if its lease expires each time before it is sent."""


class Sender:
    """Sends the orders of an iterator over one session.

    After ``run``: ``error`` (why it stopped, if it did), ``unsent`` (orders that a retry may send), ``put_back``
    (ids rejected because of a wrong configuration) and ``to_rebuild`` (ids whose payload is damaged).
    """

    def __init__(
        self,
        session: DestinationSession,
        committer: GroupCommit,
        settings: LoadSettings,
        counts: Counter[str],
        *,
        connections: int,
    ) -> None:
        self._session = session
        self._committer = committer
        self._counts = counts
        self._limiter = ConcurrencyLimiter(connections)
        self._breaker = CircuitBreaker(settings)
        self._workers = min(connections * WORKERS_PER_CONNECTION, MAX_WORKERS)
        self._queue: asyncio.Queue[tuple[Sendable, bytes] | None] = asyncio.Queue(self._workers)
        self._before_claim: set[asyncio.Task[None]] = set()
        self.stopping = False
        self.error: OrderRelayError | None = None
        self.unsent = 0
        self.to_rebuild: list[int] = []

    @property
    def put_back(self) -> list[int]:
        """The rejected orders to put back, because the configuration was wrong and not the orders."""
        return self._breaker.refused if self._breaker.all_refused else []

    def left_out(self, why: str, number: int, *, retry: bool) -> None:
        """``number`` orders were left out; ``retry``: a later try may send them."""
        self._counts[why] += number
        self.unsent += number if retry else 0

    def damaged(self, ids: Sequence[int]) -> None:
        """The payloads of these orders are damaged and must be rebuilt."""
        self.to_rebuild += ids
        self.left_out("damaged", len(ids), retry=True)

    def stop(self, error: OrderRelayError | None = None) -> None:
        """Start nothing new; claimed orders are still sent and settled. The first error is kept."""
        self.error = self.error or error
        self.stopping = True
        for task in self._before_claim:
            task.cancel()  # they wait for a slot and have claimed nothing
        self._before_claim.clear()

    async def run(self, source: AsyncIterator[tuple[Sendable, bytes]]) -> None:
        """Send everything that ``source`` yields; returns when all orders in flight are settled. Failures are in
        ``error``."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._fill(source))
            for _ in range(self._workers):
                tasks.create_task(self._work())

    async def _fill(self, source: AsyncIterator[tuple[Sendable, bytes]]) -> None:
        try:
            async for item in source:
                if self.stopping:
                    break
                await self._queue.put(item)
        except OrderRelayError as exc:
            self.stop(exc)
        except Exception as exc:
            log.error("reading what to send failed: %s", redacted_trace(exc))  # noqa: TRY400 - its text may quote an order
            self.stop(OrderRelayError(f"reading what to send failed: {type(exc).__name__}"))
        for _ in range(self._workers):
            await self._queue.put(None)

    async def _work(self) -> None:
        while (item := await self._queue.get()) is not None:
            if self.stopping:
                continue
            try:
                await self._send(*item)
            except OrderRelayError as exc:
                self.stop(exc)
            except Exception as exc:
                # Concerns this order only. If it was claimed, it becomes in doubt when its lease expires.
                log.error("sending order %s failed: %s", item[0].order_number, redacted_trace(exc))  # noqa: TRY400 - as above
                self.left_out("failed", 1, retry=True)

    async def _send(self, order: Sendable, payload: bytes) -> None:
        """Send one order; repeat while it is throttled, or its lease expired before the request."""
        for _ in range(MAX_LEASE_RETRIES):
            answer = await self._attempt(order, payload)
            while answer is not None and answer.outcome is SendOutcome.THROTTLED and not self.stopping:
                answer = await self._attempt(order, payload)
            if answer is None or answer.code != LEASE_EXPIRED:
                return
        self.left_out("too_late", 1, retry=True)

    async def _attempt(self, order: Sendable, payload: bytes) -> SendResult | None:
        """One attempt. ``None`` if none was made: the chunk stops, or another run has the order."""
        if not await self._may_begin():
            return None
        began = time.monotonic()
        try:
            claim, not_after = await self._committer.claim(order.id)
            if claim is None:
                self._counts["not_claimed"] += 1
                return None
            began = time.monotonic()
            answer = await self._session.send(payload, order.destination_key, not_after=not_after)
        finally:
            self._limiter.release(time.monotonic() - began)
        measurements.attempted(answer.outcome.value)
        error = self._breaker.record(order.id, answer)
        if error is not None:
            self.stop(error)
        recorded = await self._committer.settle(AttemptResult(order.id, claim.attempt, answer, claim.resent))
        self._counts[recorded.value if recorded else "outcome_refused"] += 1
        if answer.outcome is SendOutcome.NOT_SENT and answer.code != LEASE_EXPIRED:
            self.unsent += 1
        return answer

    async def _may_begin(self) -> bool:
        """Wait for the session's limits and for a slot. False if the chunk was stopped meanwhile."""
        task = asyncio.current_task()
        if self.stopping or task is None:
            return False
        self._before_claim.add(task)
        try:
            await self._session.wait_for_slot(self._breaker.remaining_wait_s())
            await self._limiter.acquire()
        except asyncio.CancelledError:
            if not self.stopping:
                raise
            task.uncancel()
            return False
        finally:
            self._before_claim.discard(task)
        return True
