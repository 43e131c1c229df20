"""Sending many orders at once: claim, POST, outcome for each, and a clean end whatever happens."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence

from order_relay.errors import OrderRelayError, redacted_trace
from order_relay.ledger.schema.records import AttemptResult, Sendable
from order_relay.orders.messages import SendOutcome, SendResult
from order_relay.pipeline.load.circuit_breaker import LEASE_EXPIRED, CircuitBreaker, SendingLimits
from order_relay.pipeline.load.concurrency import ConcurrencyLimiter
from order_relay.pipeline.load.group_commit import GroupCommit
from order_relay.pipeline.ports import DestinationSession

log = logging.getLogger(__name__)

WORKERS_PER_CONNECTION = 6
MAX_WORKERS = 512

MAX_LEASE_RETRIES = 5
"""So often an order is taken up in one chunk, if each time its lease was over before it could be sent."""


class Sender:
    """Sends what a feed hands out. After ``run``: ``error`` (why it stopped), ``unsent``, ``put_back``,
    ``to_remake`` (ids whose payload is damaged)."""

    def __init__(
        self, session: DestinationSession, committer: GroupCommit, limits: SendingLimits, counts: Counter[str]
    ) -> None:
        self._session = session
        self._committer = committer
        self._counts = counts
        self._limiter = ConcurrencyLimiter(limits.connections)
        self._breaker = CircuitBreaker(limits)
        self._workers = min(limits.connections * WORKERS_PER_CONNECTION, MAX_WORKERS)
        self._queue: asyncio.Queue[tuple[Sendable, bytes] | None] = asyncio.Queue(self._workers)
        self._before_claim: set[asyncio.Task[None]] = set()
        self.stopping = False
        self.error: OrderRelayError | None = None
        self.unsent = 0
        self.to_rebuild: list[int] = []

    @property
    def put_back(self) -> list[int]:
        """The rejected orders that are to be put back, since the set-up was wrong and not they."""
        return self._breaker.refused if self._breaker.all_refused else []

    def left_out(self, why: str, number: int, *, retry: bool) -> None:
        """See ``feeding.Tally``."""
        self._counts[why] += number
        self.unsent += number if retry else 0

    def damaged(self, ids: Sequence[int]) -> None:
        """See ``feeding.Tally``."""
        self.to_rebuild += ids
        self.left_out("damaged", len(ids), retry=True)

    def stop(self, error: OrderRelayError | None = None) -> None:
        """Begin nothing new; what is claimed is sent and settled. The first error is kept."""
        self.error = self.error or error
        self.stopping = True
        for task in self._before_claim:
            task.cancel()  # they wait for their turn and have claimed nothing
        self._before_claim.clear()

    async def run(self, source: AsyncIterator[tuple[Sendable, bytes]]) -> None:
        """Send everything that ``source`` hands out; ends when all in flight is settled. What went wrong is in
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
            log.error("reading what to send failed: %s", redacted_trace(exc))  # noqa: TRY400 - its words may quote an order
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
                # one order's trouble; if it was claimed, it becomes in doubt when its lease is over
                log.error("order %s failed on its way: %s", item[0].order_number, redacted_trace(exc))  # noqa: TRY400 - as above
                self.left_out("failed", 1, retry=True)

    async def _send(self, order: Sendable, payload: bytes) -> None:
        """Send one order; again while it is throttled, or was too late for its lease."""
        for _ in range(MAX_LEASE_RETRIES):
            answer = await self._attempt(order, payload)
            while answer is not None and answer.outcome is SendOutcome.THROTTLED and not self.stopping:
                answer = await self._attempt(order, payload)
            if answer is None or answer.code != LEASE_EXPIRED:
                return
        self.left_out("too_late", 1, retry=True)

    async def _attempt(self, order: Sendable, payload: bytes) -> SendResult | None:
        """One attempt. ``None`` where none was made: the chunk stops, or somebody else has the order."""
        if not await self._may_begin():
            return None
        began = time.monotonic()
        try:
            claim, not_after = await self._committer.claim(order.id)
            if claim is None:
                self._counts["not_claimed"] += 1
                return None
            began = time.monotonic()
            # an attempt that provably left nothing there (throttled, not sent) does not make this one a later one
            number = claim.attempt if claim.may_be_stored else 1
            answer = await self._session.send(payload, order.destination_key, not_after=not_after, attempt=number)
        finally:
            self._limiter.leave(time.monotonic() - began)
        error = self._breaker.read(order.id, answer)
        if error is not None:
            self.stop(error)
        kept = await self._committer.settle(AttemptResult(order.id, claim.attempt, answer))
        self._counts[answer.outcome.value if kept else "outcome_refused"] += 1
        if answer.outcome is SendOutcome.NOT_SENT and answer.code != LEASE_EXPIRED:
            self.unsent += 1
        return answer

    async def _may_begin(self) -> bool:
        """Wait for a turn and a place. False if the chunk was stopped meanwhile."""
        task = asyncio.current_task()
        if self.stopping or task is None:
            return False
        self._before_claim.add(task)
        try:
            await self._session.turn(self._breaker.remaining_wait_s())
            await self._limiter.enter()
        except asyncio.CancelledError:
            if not self.stopping:
                raise
            task.uncancel()
            return False
        finally:
            self._before_claim.discard(task)
        return True
