"""Group commit: the claims and outcomes of many orders in flight share one durable transaction.

Syncing the disk costs far more than writing a row. Orders submit what they need committed and wait; one thread commits
everything submitted during the previous commit, outcomes and claims in one transaction. If that fails, each kind is
committed separately, outcomes first: an answer must be durable before anything new begins.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from order_relay.errors import TransientError
from order_relay.ledger import Ledger
from order_relay.ledger.delivery.outcomes import Corrections
from order_relay.ledger.schema.records import AttemptResult, Claim
from order_relay.orders.messages import RunContext, SendOutcome

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

MAX_LINGER_S = 0.015
"""How long a batch that is not full waits for more entries: a small commit costs as much CPU time as a large one."""

FULL_BATCH = 48
"""Entries with which a batch is committed at once."""

FIRST_RETRY_S = 0.05
MAX_RETRY_S = 2.0


class _Batch:
    """The content of one transaction, and the futures that wait for it."""

    def __init__(self) -> None:
        self.claims: dict[int, asyncio.Future[tuple[Claim | None, float]]] = {}
        self.results: list[tuple[AttemptResult, asyncio.Future[SendOutcome | None]]] = []

    def __len__(self) -> int:
        return len(self.claims) + len(self.results)


class GroupCommit:
    """Commits for the orders of one event loop, in one thread. Use as an asynchronous context manager.

    ``most``: maximum claims and outcomes in one batch. ``full``: a batch of this size is committed without waiting for
    more; with few connections there will be no more. ``patience_s``: how long the commit of an outcome is retried.
    ``resend_after_s``: see ``ledger.delivery.claims.claim``.
    """

    def __init__(
        self,
        ledger: Ledger,
        ctx: RunContext,
        owner: str,
        lease_s: float,
        *,
        most: int = 256,
        full: int = FULL_BATCH,
        patience_s: float = 60.0,
        resend_after_s: float | None = None,
    ) -> None:
        self._ledger = ledger
        self._ctx = ctx
        self._owner = owner
        self._lease_s = lease_s
        self._most = most
        self._full = max(1, min(full, FULL_BATCH))
        self._patience_s = patience_s
        self._resend_after_s = resend_after_s
        self._next = _Batch()
        self._waiting: list[_Batch] = []
        self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> GroupCommit:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._loop.run_in_executor(None, self._thread.shutdown)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the ledger in the committing thread, between two commits."""
        return await self._loop.run_in_executor(self._thread, lambda: function(*args, **kwargs))

    async def claim(self, submission_id: int) -> tuple[Claim | None, float]:
        """Commit the intent to send. Returns the claim, or ``None`` if the order cannot be claimed, and the
        ``time.monotonic()`` after which no request may start (counted from before the commit began)."""
        future: asyncio.Future[tuple[Claim | None, float]] = self._loop.create_future()
        self._next.claims[submission_id] = future
        self._submit()
        return await future

    async def settle(self, result: AttemptResult) -> SendOutcome | None:
        """Commit an outcome; returns it as recorded: the ledger puts a refusal in doubt that may mean "already stored".

        ``None`` if the ledger refused it: the attempt was settled or taken over by another run.
        """
        future: asyncio.Future[SendOutcome | None] = self._loop.create_future()
        self._next.results.append((result, future))
        self._submit()
        return await future

    def _submit(self) -> None:
        if len(self._next) >= self._most:
            self._waiting.append(self._next)
            self._next = _Batch()
        self._schedule()

    def _schedule(self) -> None:
        """Start or schedule the next commit, if there is anything to commit."""
        if self._busy:
            return
        if self._waiting or len(self._next) >= self._full:
            self._start_commit()
        elif len(self._next) and self._timer is None:
            self._timer = self._loop.call_later(MAX_LINGER_S, self._start_commit)

    def _start_commit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            batch = self._waiting.pop(0)
        elif len(self._next):
            batch, self._next = self._next, _Batch()
        else:
            return
        self._busy = True
        done = self._loop.run_in_executor(self._thread, self._commit, batch)
        done.add_done_callback(lambda future: self._finish(batch, future))

    def _finish(self, batch: _Batch, future: asyncio.Future[_BatchResult]) -> None:
        self._busy = False
        self._schedule()  # the next batch commits while the callers of this one continue
        error = future.exception()
        committed = _BatchResult(claim_error=error, settle_error=error) if error else future.result()
        for settled, waiter in batch.results:
            wrong = committed.settle_errors.get(id(settled), committed.settle_error)
            _resolve(waiter, wrong, committed.corrections.get(settled.id, settled.answer.outcome))
        for submission_id, claimer in batch.claims.items():
            claim = committed.claims.get(submission_id)
            wrong = committed.claim_errors.get(submission_id, committed.claim_error)
            _resolve(claimer, wrong, (claim, committed.not_after))

    def _commit(self, batch: _Batch) -> _BatchResult:
        """In the thread: outcomes, then claims. Each kind keeps its own error."""
        committed = _BatchResult()
        results, ids = [settled for settled, _ in batch.results], list(batch.claims)
        if results and ids and self._commit_together(results, ids, committed):
            return committed
        if results:
            self._commit_results(results, committed)
        if ids:
            self._commit_claims(ids, committed)
        return committed

    def _commit_together(self, results: list[AttemptResult], ids: list[int], committed: _BatchResult) -> bool:
        """Both kinds in one transaction; false if it was rolled back or its result is unknown."""
        committed.not_after = time.monotonic() + self._lease_s
        try:
            committed.corrections, committed.claims = self._ledger.outcomes.record_and_claim(
                self._ctx,
                results,
                ids,
                owner=self._owner,
                lease_s=self._lease_s,
                resend_after_s=self._resend_after_s,
            )
        except Exception as exc:  # a lasting error appears again when each kind is committed separately
            log.info("outcomes and claims are committed separately (%s)", type(exc).__name__)
            return False
        return True

    def _commit_results(self, results: list[AttemptResult], committed: _BatchResult) -> None:
        try:
            committed.corrections = self._settle_with_retry(results)
        except TransientError as exc:
            committed.settle_error = exc
            log.error("%d outcomes could not be committed; these orders will be looked up (%s)", len(results), exc)  # noqa: TRY400 - a traceback may contain order data
        except Exception as exc:
            if len(results) == 1:
                committed.settle_errors[id(results[0])] = exc
                return
            for one in results:  # one bad row must not fail the others
                self._commit_one_result(one, committed)

    def _commit_one_result(self, result: AttemptResult, committed: _BatchResult) -> None:
        try:
            committed.corrections |= self._settle_with_retry([result])
        except Exception as exc:
            committed.settle_errors[id(result)] = exc

    def _settle_with_retry(self, results: list[AttemptResult]) -> Corrections:
        """Settle, and try again while the database is busy or unreachable: these answers exist nowhere else."""
        give_up_at = time.monotonic() + self._patience_s
        pause = FIRST_RETRY_S
        while True:
            try:
                return self._ledger.outcomes.record(self._ctx, results)
            except TransientError:
                if time.monotonic() + pause > give_up_at:
                    raise
            time.sleep(pause)
            pause = min(pause * 2, MAX_RETRY_S)

    def _commit_claims(self, ids: list[int], committed: _BatchResult) -> None:
        committed.not_after = time.monotonic() + self._lease_s
        try:
            committed.claims = self._claim(ids)
        except TransientError as exc:
            committed.claim_error = exc
        except Exception as exc:
            if len(ids) == 1:
                committed.claim_errors[ids[0]] = exc
                return
            for one in ids:
                self._commit_one_claim(one, committed)

    def _claim(self, ids: list[int]) -> dict[int, Claim]:
        return self._ledger.claims.claim(self._ctx, ids, self._owner, self._lease_s, self._resend_after_s)

    def _commit_one_claim(self, submission_id: int, committed: _BatchResult) -> None:
        try:
            committed.claims.update(self._claim([submission_id]))
        except Exception as exc:
            committed.claim_errors[submission_id] = exc


class _BatchResult:
    """The result of one batch."""

    def __init__(self, claim_error: BaseException | None = None, settle_error: BaseException | None = None) -> None:
        self.claims: dict[int, Claim] = {}
        self.not_after = 0.0
        self.corrections: Corrections = {}
        self.claim_error = claim_error
        self.settle_error = settle_error
        self.claim_errors: dict[int, BaseException] = {}
        self.settle_errors: dict[int, BaseException] = {}


def _resolve(waiter: asyncio.Future[T], error: BaseException | None, value: T) -> None:
    if waiter.done():  # the caller was cancelled
        return
    if error is None:
        waiter.set_result(value)
    else:
        waiter.set_exception(error)
